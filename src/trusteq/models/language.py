"""Which label does a language model mean? A decoder-only model and a prompt become a predictor.

The text is put into the prompt (prompts.py), and the model says how probable each answer is as what comes next: the
words for a label (its verbalizer), or one of the options that the example brings. A prompt is read once, its answers
share what the model keeps of it, and prompts share their beginnings (beginnings.py). A text too long for the model is
cut; the rest of the prompt never is."""

import copy
import inspect
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np

from trusteq.checks import brief
from trusteq.kinds.text import Text, parts_of
from trusteq.models.batches import batches, is_out_of_memory
from trusteq.models.beginnings import Beginnings, dealt, is_plain
from trusteq.models.checkpoints import open_network
from trusteq.models.classifiers import ModelPredictor
from trusteq.models.packed import CLOSE, Row, packed
from trusteq.models.predictor import Predictor
from trusteq.models.prompted import Prompted
from trusteq.models.prompts import FIELD, Prompt, read_prompt
from trusteq.models.surprise import of_tokens
from trusteq.progress import progress_bar
from trusteq.scaling import read_scaling


def as_causal_predictor(
    given: dict[str, Any],
    name: str,
    device: Any = None,
    dtype: Any = None,
    trust_remote_code: bool = False,
    **settings: Any,
) -> Predictor:
    """A predictor from a dict with `model`, `prompt`, `verbalizers` and, if wanted, what else prompts.py knows.

    `model` is a path (of a folder or a GGUF file), a Hub id, (model, tokenizer) or a pipeline. `prompt` holds {text},
    and {text_pair} where texts are pairs; a label's verbalizer is what follows it, with a space in front where the
    model's words have one. With `length="total"` (default) a label's score is the log-probability of its verbalizer, of
    which long ones have less; with "mean" it is that divided by the verbalizer's tokens, with "characters" by its
    characters. The labels' probabilities are the softmax of the scores, scaled by `calibration` where that is given, as
    `trusteq repair` finds it.

    >>> as_causal_predictor({"model": "gpt2", "prompt": "Good or bad?", "verbalizers": {"good": " good"}}, "model")
    Traceback (most recent call last):
    ValueError: model: prompt must hold {text} once and {text_pair} at most once, got 'Good or bad?'
    """
    if "model" not in given:
        raise ValueError(f"{name}: the dict has no 'model'; it needs model, prompt and verbalizers")
    calibration = given.get("calibration")
    prompt = read_prompt(name, {key: value for key, value in given.items() if key not in ("model", "calibration")})
    opened = open_network(given["model"], name, device, dtype, trust_remote_code, task="CausalLM")
    if opened is None:
        raise ValueError(f"{name}: model must be a path, a Hub id or (model, tokenizer), got {brief(given['model'])}")
    made = CausalPredictor(*opened, name, prompt, **settings)
    if calibration is not None:
        made.calibration = read_scaling(f"{name}: calibration", calibration, len(prompt.names))
    return made


class CausalPredictor(Prompted, ModelPredictor):
    """A decoder-only language model with its tokenizer, a prompt and the answers to choose from.

    Embeddings are those of the prompt's last token, where the model is about to name the label, or with
    `pooling="mean"` the mean over the prompt.
    """

    poolings = ("last", "mean")
    stays = "it is a language model with a prompt"

    def __init__(self, model: Any, tokenizer: Any, name: str, prompt: Prompt, **settings: Any):
        super().__init__(model, tokenizer, name, **settings)
        self.take(prompt)
        self.accepts = parameters(model)
        self.packs = None if "position_ids" in self.accepts else False  # None: it is not known yet whether it can

    def take(self, prompt: Prompt) -> None:
        super().take(prompt)
        self.parts = prompt.parts(self.tokenizer, self.name)
        self.beginnings: Beginnings | None = Beginnings()  # None: every prompt is read whole
        self.row: Row | None = None  # while prompts are packed
        self.verbalizers: list[list[int]] | None = None  # tokens; None where each example brings its options
        if prompt.verbalizers is not None:
            self.verbalizers = self.of_labels(prompt)

    def of_labels(self, prompt: Prompt) -> list[list[int]]:
        """The verbalizers' tokens."""
        said = prompt.answers("")
        found = [list(self.tokenizer(words, add_special_tokens=False)["input_ids"]) for words in said]
        for label, tokens in zip(prompt.names, found, strict=True):
            if not tokens:
                raise ValueError(f"{self.name}: the verbalizer of {brief(label)} has no tokens")
            if found.count(tokens) > 1:
                raise ValueError(
                    f"{self.name}: the verbalizer of {brief(label)} has the same tokens as another label's"
                )
        return self.first_alone(prompt.names, found)

    def first_alone(self, names: Sequence[str], answers: list[list[int]]) -> list[list[int]]:
        """Of the answers what counts: where that is the next token, they have to differ in it."""
        if not self.next_token:
            return answers
        first = [tokens[0] for tokens in answers]
        for i, token in enumerate(first):
            if (other := first.index(token)) < i:
                both = f"{brief(names[other])} and {brief(names[i])}"
                raise ValueError(f"{self.name}: the answers for {both} begin with the same token: explain the answer")
        return [[token] for token in first]

    def padding_token(self) -> int:
        """Padding is on the left, where nothing looks at it, so that any token will do."""
        return int(self.tokenizer.pad_token_id or 0)

    # From texts to tokens.

    def encode(self, texts: list[Text]) -> dict[str, Any]:
        """The prompts' tokens, and those of every answer; what is too long has its texts cut, and is counted."""
        self.check_kind(texts)
        filled = [self.prompt.fill(self.parts, text) for text in texts]
        encoded = self.tokens_of(filled)
        answers = self.answers_of(texts, filled, encoded)
        for i, text in enumerate(texts):
            room = self.room(answers[i])
            if len(encoded[i]) > room:
                self.truncated += 1
                self.shortened.add(text)
                encoded[i] = self.cut(text, room)
        return {"input_ids": encoded, "answers": answers}

    def room(self, answers: list[list[int]]) -> int:
        """Tokens that the prompt may take: the last one of an answer is not read."""
        return self.length - max(map(len, answers)) + 1

    def answers_of(self, texts: list[Text], filled: list[str], encoded: list[list[int]]) -> Sequence[list[list[int]]]:
        """The tokens of every answer: of options those that prompt and option have beyond the prompt's."""
        if self.verbalizers is not None:
            return [self.verbalizers] * len(texts)
        said = list(map(self.answers_to, texts))
        whole = iter(self.tokens_of([text + words for text, some in zip(filled, said, strict=True) for words in some]))
        found = [[next(whole)[len(tokens) :] for _ in some] for tokens, some in zip(encoded, said, strict=True)]
        for i, some in enumerate(found):
            if not all(some):
                raise ValueError(f"{self.name}: an option of {brief(texts[i])} has no tokens of its own")
        return [self.first_alone(self.prompt.names, some) for some in found]

    def tokens_of(self, prompts: list[str]) -> list[list[int]]:
        """Token ids without what a tokenizer puts behind a text, such as an end: the answer is to follow."""
        how = {"add_special_tokens": False} if self.prompt.chat else {}  # a template has them in it
        encoded = self.tokenizer(
            prompts, return_special_tokens_mask=True, return_attention_mask=False, verbose=False, **how
        )
        if self.prompt.chat:
            return [list(ids) for ids in encoded["input_ids"]]
        found = []
        for ids, special in zip(encoded["input_ids"], encoded["special_tokens_mask"], strict=True):
            end = len(ids) - next((i for i, added in enumerate(reversed(special)) if not added), len(ids))
            found.append(list(ids[:end]))
        return found

    def cut(self, text: Text, room: int) -> list[int]:
        """The prompt with as much of the text as the model can read."""
        return self.tokens_of([self.prompt.fill(self.parts, text, self.fitting(text, room))])[0]

    def fitting(self, text: Text, room: int) -> int:
        """How many characters of the text, of both texts of a pair, the model can read."""

        def tokens(characters: int) -> list[int]:
            return self.tokens_of([self.prompt.fill(self.parts, text, characters)])[0]

        longest = max(map(len, parts_of(text)))
        fits = bisect_right(range(longest), room, key=lambda characters: len(tokens(characters))) - 1
        if fits < 0:
            most = f"{len(tokens(0))} of the {self.length} tokens that {self.name} can read"
            raise ValueError(f"the prompt without a text takes {most}, and the answers up to {self.length - room + 1}")
        return fits

    # From tokens to probabilities.

    def _answer(
        self, texts: list[Text], probabilities: bool, embeddings: bool, bar: Any
    ) -> tuple[np.ndarray, np.ndarray]:
        encoded = self.encode(texts)
        if self.listens:
            self.listen_too(texts, encoded)
        said, pooled = self._pass(encoded, probabilities, embeddings, bar)
        if "surprise" in encoded:
            self.heard |= {
                text: value for text, value in zip(texts, encoded["surprise"], strict=True) if value is not None
            }
        rows = np.empty(0)
        if probabilities:
            tokens = [[len(one) for one in some] for some in encoded["answers"]]
            rows = self.of_scores(texts, np.stack(said), tokens)
        return rows, np.stack(pooled) if embeddings else np.empty(0)

    def log_probabilities(self, texts: list[Text]) -> list[list[float]]:
        """Of every text the log-probabilities of all its answers, as they stand, undivided."""
        encoded = self.encode(texts)
        with progress_bar(len(texts), "", quiet=True) as bar:
            rows, _ = self._pass(encoded, True, False, bar)
        return [row[: len(some)].tolist() for row, some in zip(rows, encoded["answers"], strict=True)]

    def surprise(self, texts: list[Text], score: str) -> list[float]:
        start, rows = self.by_themselves(texts)
        found = np.zeros(len(rows))

        def answer(some: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            return self.surprise_of([rows[i] for i in some], start, score), np.empty(0)

        with self.in_evaluation():
            for batch in batches(np.array([max(1, len(row)) for row in rows]), lambda: self.tokens, self.start):
                for part, (values, _) in self._run(answer, batch):
                    found[part] = values
        return found.tolist()

    def by_themselves(self, texts: list[Text]) -> tuple[int, list[list[int]]]:
        """The tokens of the texts behind what the prompt has before them, and how many tokens that is."""
        before = FIELD.split(self.prompt.prompt)[0]
        rows = self.tokens_of([before + "\n".join(parts_of(text)) for text in texts])
        return len(self.tokens_of([before])[0]) if before else 0, [ids[: self.length] for ids in rows]

    def listen_too(self, texts: list[Text], encoded: dict[str, Any]) -> None:
        """Where a prompt begins with the very tokens that `surprise` reads, reading it gives that score as well."""
        start, rows = self.by_themselves(texts)
        prompts = encoded["input_ids"]
        begins = [prompt[: len(row)] == row for prompt, row in zip(prompts, rows, strict=True)]
        if any(begins):
            spans = [(max(1, start), len(row)) for row in rows]
            encoded["spans"] = [span if same else None for span, same in zip(spans, begins, strict=True)]
            encoded["surprise"] = [None] * len(texts)  # to be filled

    def hear(self, encoded: dict[str, Any], batch: np.ndarray, ids: Any, logits: Any) -> None:
        """Of every prompt of the batch, padded in front, the score of its text, where it has the text's own tokens."""
        assert self.listens
        for i, index in enumerate(batch):
            if (span := encoded["spans"][index]) is not None:
                before = ids.shape[1] - len(encoded["input_ids"][index])
                own = slice(before + span[0] - 1, before + span[1])
                each = of_tokens(logits[i : i + 1, own], ids[i : i + 1, own], self.listens)
                encoded["surprise"][index] = float(each.mean()) if each.numel() else 0.0

    def surprise_of(self, rows: list[list[int]], start: int, score: str) -> np.ndarray:
        import torch

        length = max(2, *map(len, rows))
        ids = torch.tensor([row + [self.padding] * (length - len(row)) for row in rows], device=self.model.device)
        mask = torch.tensor([[1] * len(row) + [0] * (length - len(row)) for row in rows], device=self.model.device)
        with torch.inference_mode():
            said = self.read(ids, mask, use_cache=False).logits
            some = zip(said.split(1), ids.split(1), strict=True)  # one text at a time: copies of all would be large
            each = torch.cat([of_tokens(*one, score) for one in some])
        own = mask[:, 1:].clone()
        own[:, : max(0, start - 1)] = 0
        return ((each * own).sum(dim=1) / own.sum(dim=1).clamp(min=1)).double().cpu().numpy()

    def _pass(self, encoded: dict[str, Any], probabilities: bool, embeddings: bool, bar: Any) -> Any:
        try:
            self.row = Row() if self.may_pack(encoded, embeddings) else None
            return super()._pass(encoded, probabilities, embeddings, bar)
        finally:
            self.row = None
            if self.beginnings is not None:
                self.beginnings.forget()

    def may_pack(self, encoded: dict[str, Any], embeddings: bool) -> bool:
        """A row has the end of each prompt alone, and no answer is read behind it."""
        apart = "spans" in encoded or (embeddings and self.pooling == "mean")  # then every token is to be read
        if self.packs is False or self.beginnings is None or apart:
            return False
        short = all(len(one) == 1 for some in encoded["answers"] for one in some)
        return short and all(encoded["input_ids"])

    def deal(self, encoded: dict[str, Any]) -> Iterator[np.ndarray]:
        prompts = encoded["input_ids"]
        behind = np.array([max(map(len, some)) - 1 for some in encoded["answers"]])
        lengths = np.array(list(map(len, prompts))) + behind
        if self.row is not None:
            rows, cost = packed(prompts, self.start)
            usual = batches(lengths, lambda: self.tokens, self.start)
            if cost < sum(len(one) * int(lengths[one].max()) + self.start for one in usual):
                return iter(rows)
            self.row = None
        if self.beginnings is None or not self.beginnings.possible or "spans" in encoded:
            return batches(lengths, lambda: self.tokens, self.start)
        self.beginnings.begin(prompts)
        return dealt(prompts, behind, lambda: self.tokens, self.start)

    def _forward(
        self, encoded: dict[str, Any], batch: np.ndarray, probabilities: bool, embeddings: bool
    ) -> tuple[np.ndarray, np.ndarray]:
        import torch

        prompts = [encoded["input_ids"][i] for i in batch]
        answers = [encoded["answers"][i] for i in batch]
        if self.row is not None and (found := self.in_a_row(self.row, prompts, answers, probabilities, embeddings)):
            return found
        wanted: dict[str, Any] = {"use_cache": probabilities and any(len(one) > 1 for some in answers for one in some)}
        if embeddings:
            wanted["output_hidden_states"] = True
        with torch.inference_mode():
            common, kept = 0, None
            apart = "spans" in encoded or (embeddings and self.pooling == "mean")
            if self.beginnings is not None and not apart:
                common, kept = self.beginnings.of(prompts, self.keep, self.start)
            if kept is not None:
                wanted |= {"kept": kept, "use_cache": True}
            length = max(map(len, prompts))
            padded = [[self.padding] * (length - len(row)) + row[common:] for row in prompts]
            ids = torch.tensor(padded, device=self.model.device)
            masks = [[1] * common + [0] * (length - len(row)) + [1] * (len(row) - common) for row in prompts]
            mask = torch.tensor(masks, device=self.model.device)
            output = self.read(ids, mask, last_only="spans" not in encoded, **wanted)
            rows, pooled = np.empty(0), np.empty(0)
            if "spans" in encoded:
                self.hear(encoded, batch, ids, output.logits)
            if probabilities:
                rows = self.scores(output, ids, mask, answers).double().cpu().numpy()
            if embeddings:
                hidden = self._hidden(output).float()
                weight = mask[:, -hidden.shape[1] :, None].float()
                mean = (hidden * weight).sum(dim=1) / weight.sum(dim=1)
                pooled = (hidden[:, -1] if self.pooling == "last" else mean).cpu().numpy()
        return rows, pooled

    def in_a_row(
        self, row: Row, prompts: list[list[int]], answers: Any, probabilities: bool, embeddings: bool
    ) -> tuple[np.ndarray, np.ndarray] | None:
        """The same of prompts that are packed into one row; None if this model says something else then."""
        import torch

        ids, positions, seen, ends, places = row.lay(prompts)
        here = {"device": self.model.device}
        mask = torch.zeros(seen.shape, dtype=self.model.dtype, **here)
        mask.masked_fill_(torch.from_numpy(~seen).to(**here), torch.finfo(mask.dtype).min)
        wanted: dict[str, Any] = {self.kept_as: row.kept, "use_cache": True, "output_hidden_states": embeddings}
        wanted["position_ids"] = torch.tensor([positions], **here)
        if "logits_to_keep" in self.accepts:
            wanted["logits_to_keep"] = torch.tensor(ends, **here)
        with torch.inference_mode():
            try:
                output = self.model(input_ids=torch.tensor([ids], **here), attention_mask=mask[None, None], **wanted)
            except Exception as error:  # of a model that takes no such mask, each has its own
                if self.packs or is_out_of_memory(error):
                    raise
                output = None
            if output is None or not row.keep(prompts[-1], kept_of(output), places):
                self.packs, self.row = False, None
                return None
            logits = output.logits[0] if "logits_to_keep" in self.accepts else output.logits[0, ends]
            if self.packs is None and len(prompts) > 1:
                self.packs = self.as_alone(prompts[-1], logits[-1])
            if self.packs is False:
                self.row = None
                return None
            rows, pooled = np.empty(0), np.empty(0)
            if probabilities:
                rows = self.scores(SimpleNamespace(logits=logits[:, None]), None, None, answers).double().cpu().numpy()
            if embeddings:
                pooled = self._hidden(output)[0, ends].float().cpu().numpy()
        return rows, pooled

    def as_alone(self, prompt: list[int], logits: Any) -> bool:
        """Whether that is what the model says of the prompt when it reads nothing else."""
        import torch

        ids = torch.tensor([prompt], device=self.model.device)
        alone = self.read(ids, torch.ones_like(ids), last_only=True, use_cache=False).logits[0, -1]
        one, other = (torch.log_softmax(some.float(), dim=-1) for some in (alone, logits))
        return bool((one - other).abs().max() < max(CLOSE, 100 * torch.finfo(self.model.dtype).eps))

    def keep(self, rows: list[list[int]], before: int, kept: Any) -> Any:
        """What the model keeps of these tokens, behind so many others of which it is kept already."""
        import torch

        ids = torch.tensor(rows, device=self.model.device)
        mask = torch.ones(len(rows), before + ids.shape[1], dtype=torch.long, device=self.model.device)
        return kept_of(self.read(ids, mask, last_only=True, kept=kept, use_cache=True))

    def scores(self, output: Any, ids: Any, mask: Any, answers: list[list[list[int]]]) -> Any:
        """Log-probabilities of every row's answers, -inf where it has fewer than others: the first tokens' from the
        prompt, the others' from behind it. A model that keeps nothing of a prompt reads it once more for each."""
        import torch

        first = torch.log_softmax(output.logits[:, -1].float(), dim=-1)
        most = self.prompt.most if self.verbalizers is None else len(self.verbalizers)
        found = torch.full((len(answers), most), -torch.inf, device=first.device)
        for j in range(most):
            there = [i for i, some in enumerate(answers) if j < len(some)]
            if not there:
                continue
            tokens = [answers[i][j] for i in there]
            found[there, j] = first[there, [some[0] for some in tokens]]
            longest = max(map(len, tokens))
            if longest == 1:
                continue
            kept = kept_of(output)
            tails = torch.zeros((len(answers), longest - 1), dtype=torch.long, device=first.device)
            for i, some in zip(there, tokens, strict=True):
                tails[i, : len(some) - 1] = torch.tensor(some[:-1], dtype=torch.long)
            plain = is_plain(kept)  # then what is read on is cut off again; or else it is read behind a copy
            behind = kept if plain else copy.deepcopy(kept)
            longer = torch.cat([mask, torch.ones_like(tails)], dim=1)
            if kept is None:
                logits = self.read(torch.cat([ids, tails], dim=1), longer, use_cache=False).logits[:, 1 - longest :]
            else:
                logits = self.read(tails, longer, kept=behind, use_cache=True).logits
            if plain:
                kept.crop(1 - longest)
            following = torch.log_softmax(logits.float(), dim=-1)
            for i, some in zip(there, tokens, strict=True):
                found[i, j] += following[i, range(len(some) - 1), some[1:]].sum()
        return found

    @property
    def kept_as(self) -> str:
        """What the model calls what it keeps: transformers from 5.24 on `cache`."""
        return "cache" if "cache" in self.accepts and "past_key_values" not in self.accepts else "past_key_values"

    def read(self, ids: Any, mask: Any, last_only: bool = False, kept: Any = None, **wanted: Any) -> Any:
        """One pass over new tokens; positions count what is not padding, for models that are told them."""
        if kept is not None:
            wanted[self.kept_as] = kept
        if "position_ids" in self.accepts:
            wanted["position_ids"] = (mask.cumsum(dim=1) - 1).clamp(min=0)[:, -ids.shape[1] :]
        if last_only and "logits_to_keep" in self.accepts:
            wanted["logits_to_keep"] = 1
        return self.model(input_ids=ids, attention_mask=mask, **wanted)


def kept_of(output: Any) -> Any:
    """What a model keeps of the tokens that it read, where more can be read behind it: not a recurrent state alone."""
    kept = output.cache if hasattr(output, "cache") else getattr(output, "past_key_values", None)
    layers = getattr(kept, "layers", None)
    return None if layers and not any(hasattr(layer, "keys") for layer in layers) else kept


def parameters(model: Any) -> set[str]:
    """What a model's own forward takes, behind wrappers, which take anything."""
    return set(inspect.signature(unwrapped(model).forward).parameters)


def unwrapped(model: Any) -> Any:
    """The model behind the wrappers of torch.compile and of adapters."""
    inner = getattr(model, "_orig_mod", model)
    return inner.get_base_model() if hasattr(inner, "get_base_model") else inner
