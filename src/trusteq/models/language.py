"""Which label does a language model mean? A decoder-only model, a prompt and a word for each label become a predictor.

The text is put into the prompt, and the model says how probable each label's words (its verbalizer) are as what comes
next. The prompt is read once: the verbalizers share what the model keeps of it. A text too long for the model is cut;
the rest of the prompt never is."""

import copy
import inspect
import re
from bisect import bisect_right
from typing import Any

import numpy as np

from trusteq.checks import brief, check_characters
from trusteq.kinds.text import Text, parts_of
from trusteq.models.checkpoints import open_network
from trusteq.models.classifiers import ModelPredictor
from trusteq.models.predictor import Predictor
from trusteq.scaling import Scaling, read_scaling

FIELD = re.compile(r"(\{text\}|\{text_pair\})")


def as_causal_predictor(
    given: dict[str, Any],
    name: str,
    device: Any = None,
    dtype: Any = None,
    trust_remote_code: bool = False,
    **settings: Any,
) -> Predictor:
    """A predictor from a dict with `model`, `prompt`, `verbalizers` and, if wanted, `length` and `calibration`.

    `model` is a path, a Hub id, (model, tokenizer) or a pipeline. `prompt` holds {text}, and {text_pair} where texts
    are pairs; a label's verbalizer is what follows it, with a space in front where the model's words have one. With
    `length="total"` (default) a label's score is the log-probability of its verbalizer, of which long ones have less;
    with "mean" it is that divided by the verbalizer's tokens. The labels' probabilities are the softmax of the scores,
    scaled by `calibration` where that is given, as `trusteq repair` finds it.

    >>> as_causal_predictor({"model": "gpt2", "prompt": "Good or bad?", "verbalizers": {"good": " good"}}, "model")
    Traceback (most recent call last):
    ValueError: model: prompt must hold {text} once and {text_pair} at most once, got 'Good or bad?'
    """
    known = ("model", "prompt", "verbalizers", "length", "calibration")
    if unknown := [key for key in given if key not in known]:
        raise ValueError(f"{name}: a dict takes {', '.join(known)}, not {brief(unknown[0])}")
    if missing := [key for key in known[:3] if key not in given]:
        raise ValueError(f"{name}: the dict has no {brief(missing[0])}; it needs model, prompt and verbalizers")
    prompt, verbalizers, length = given["prompt"], given["verbalizers"], given.get("length", "total")
    check_prompt(name, prompt, verbalizers, length)
    opened = open_network(given["model"], name, device, dtype, trust_remote_code, task="CausalLM")
    if opened is None:
        raise ValueError(f"{name}: model must be a path, a Hub id or (model, tokenizer), got {brief(given['model'])}")
    made = CausalPredictor(*opened, name, prompt, verbalizers, length, **settings)
    if given.get("calibration") is not None:
        made.calibration = read_scaling(f"{name}: calibration", given["calibration"], len(verbalizers))
    return made


def check_prompt(name: str, prompt: Any, verbalizers: Any, length: Any) -> None:
    if not isinstance(prompt, str) or prompt.count("{text}") != 1 or prompt.count("{text_pair}") > 1:
        raise ValueError(f"{name}: prompt must hold {{text}} once and {{text_pair}} at most once, got {brief(prompt)}")
    if not isinstance(verbalizers, dict) or len(verbalizers) < 2:
        raise ValueError(
            f"{name}: verbalizers must be a dict from two or more labels to words, got {brief(verbalizers)}"
        )
    for label, words in verbalizers.items():
        if not isinstance(label, str) or not isinstance(words, str) or not words.strip():
            raise ValueError(f"{name}: verbalizers must give every label its words, got {brief(label)}: {brief(words)}")
        check_characters(f"{name}: the verbalizer of {brief(label)}", words)
    check_characters(f"{name}: prompt", prompt)
    if length not in ("total", "mean"):
        raise ValueError(f"{name}: length must be 'total' or 'mean', got {brief(length)}")


class CausalPredictor(ModelPredictor):
    """A decoder-only language model with its tokenizer, a prompt and a verbalizer for each label.

    Embeddings are those of the prompt's last token, where the model is about to name the label, or with
    `pooling="mean"` the mean over the prompt.
    """

    poolings = ("last", "mean")
    stays = "it is a language model with a prompt"
    calibration: Scaling | None = None

    def __init__(
        self,
        model: Any,
        tokenizer: Any,
        name: str,
        prompt: str,
        verbalizers: dict[str, str],
        length: str,
        **settings: Any,
    ):
        super().__init__(model, tokenizer, name, **settings)
        self.names = list(verbalizers)
        self.mean = length == "mean"
        self.parts = FIELD.split(prompt)
        self.verbalizers = [tokenizer(words, add_special_tokens=False)["input_ids"] for words in verbalizers.values()]
        for label, tokens in zip(self.names, self.verbalizers, strict=True):
            if not tokens:
                raise ValueError(f"{name}: the verbalizer of {brief(label)} has no tokens")
            if self.verbalizers.count(tokens) > 1:
                raise ValueError(f"{name}: the verbalizer of {brief(label)} has the same tokens as another label's")
        self.longest = max(map(len, self.verbalizers))
        self.behind = self.longest - 1  # the last word is not read
        self.room = self.length - self.behind  # tokens that the prompt may take
        self.accepts = parameters(model)

    def padding_token(self) -> int:
        """Padding is on the left, where nothing looks at it, so that any token will do."""
        return int(self.tokenizer.pad_token_id or 0)

    def encode(self, texts: list[Text]) -> dict[str, list[list[int]]]:
        """The prompts' tokens; what is too long has its texts cut, each to so many characters, and is counted."""
        if isinstance(texts[0], tuple) != ("{text_pair}" in self.parts):
            needs = "pairs of texts" if "{text_pair}" in self.parts else "texts that are not pairs"
            raise ValueError(f"{self.name}: the prompt takes {needs}")
        encoded = self.tokens_of([self.fill(text) for text in texts])
        for i, text in enumerate(texts):
            if len(encoded[i]) > self.room:
                self.truncated += 1
                encoded[i] = self.cut(text)
        return {"input_ids": encoded}

    def fill(self, text: Text, characters: int | None = None) -> str:
        """The prompt with the text in it; braces in the text are left alone."""
        first, second = (text, "") if isinstance(text, str) else text
        fields = {"{text}": first[:characters], "{text_pair}": second[:characters]}
        return "".join(fields.get(part, part) for part in self.parts)

    def tokens_of(self, prompts: list[str]) -> list[list[int]]:
        """Token ids without what a tokenizer puts behind a text, such as an end: the verbalizer is to follow."""
        encoded = self.tokenizer(prompts, return_special_tokens_mask=True, return_attention_mask=False, verbose=False)
        found = []
        for ids, special in zip(encoded["input_ids"], encoded["special_tokens_mask"], strict=True):
            end = len(ids) - next((i for i, added in enumerate(reversed(special)) if not added), len(ids))
            found.append(list(ids[:end]))
        return found

    def cut(self, text: Text) -> list[int]:
        """The prompt with as many characters of the text, of both texts of a pair, as the model can read."""

        def tokens(characters: int) -> list[int]:
            return self.tokens_of([self.fill(text, characters)])[0]

        longest = max(map(len, parts_of(text)))
        fits = bisect_right(range(longest), self.room, key=lambda characters: len(tokens(characters))) - 1
        if fits < 0:
            most = f"{len(tokens(0))} of the {self.length} tokens that {self.name} can read"
            raise ValueError(f"the prompt without a text takes {most}, and the verbalizers up to {self.longest}")
        return tokens(fits)

    def _forward(
        self, encoded: dict[str, list[list[int]]], batch: np.ndarray, probabilities: bool, embeddings: bool
    ) -> tuple[np.ndarray, np.ndarray]:
        import torch

        prompts = [encoded["input_ids"][i] for i in batch]
        length = max(map(len, prompts))
        padded = [[self.padding] * (length - len(row)) + row for row in prompts]
        ids = torch.tensor(padded, device=self.model.device)
        mask = torch.tensor([[0] * (length - len(row)) + [1] * len(row) for row in prompts], device=self.model.device)
        wanted = {"use_cache": probabilities and self.longest > 1}
        if embeddings:
            wanted["output_hidden_states"] = True
        with torch.inference_mode():
            output = self.read(ids, mask, last_only=True, **wanted)
            rows, pooled = np.empty(0), np.empty(0)
            if probabilities:
                rows = torch.softmax(self.scores(output, mask).double(), dim=-1).cpu().numpy()
                rows = rows if self.calibration is None else self.calibration.of(rows)
            if embeddings:
                hidden, weight = self._hidden(output).float(), mask[..., None].float()
                mean = (hidden * weight).sum(dim=1) / weight.sum(dim=1)
                pooled = (hidden[:, -1] if self.pooling == "last" else mean).cpu().numpy()
        return rows, pooled

    def scores(self, output: Any, mask: Any) -> Any:
        """Log-probabilities of the verbalizers, a column each: the first token's from the prompt, others' after it."""
        import torch

        first = torch.log_softmax(output.logits[:, -1].float(), dim=-1)
        if self.longest > 1 and getattr(output, "past_key_values", None) is None:
            raise ValueError(f"{self.name} keeps nothing of a prompt: give every label a verbalizer of one token")
        columns = []
        for tokens in self.verbalizers:
            column = first[:, tokens[0]]
            if len(tokens) > 1:
                given = torch.tensor(tokens[:-1], device=mask.device).repeat(len(mask), 1)
                longer = torch.cat([mask, torch.ones_like(given)], dim=1)
                kept = copy.deepcopy(output.past_key_values)  # reading on changes it, and the next verbalizer needs it
                logits = self.read(given, longer, past_key_values=kept, use_cache=True).logits
                following = torch.log_softmax(logits.float(), dim=-1)
                column = column + following[:, range(len(tokens) - 1), tokens[1:]].sum(dim=1)
            columns.append(column / len(tokens) if self.mean else column)
        return torch.stack(columns, dim=1)

    def read(self, ids: Any, mask: Any, last_only: bool = False, **wanted: Any) -> Any:
        """One pass over new tokens; positions count what is not padding, for models that are told them."""
        if "position_ids" in self.accepts:
            wanted["position_ids"] = (mask.cumsum(dim=1) - 1).clamp(min=0)[:, -ids.shape[1] :]
        if last_only and "logits_to_keep" in self.accepts:
            wanted["logits_to_keep"] = 1
        return self.model(input_ids=ids, attention_mask=mask, **wanted)


def parameters(model: Any) -> set[str]:
    """What a model's own forward takes, behind the wrappers of torch.compile and of adapters, which take anything."""
    inner = getattr(model, "_orig_mod", model)
    inner = inner.get_base_model() if hasattr(inner, "get_base_model") else inner
    return set(inspect.signature(inner.forward).parameters)
