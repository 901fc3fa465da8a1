"""What does a language model write? Answers to prompts, greedy or drawn, from a checkpoint or behind a server.

Drawn answers use the same random numbers for all models: a seed, a prompt and a place in the answer always give the
same ones (Gumbel's, added to the logits), so that two models part where they differ, and not by luck."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import numpy as np

from trusteq.checks import InVain, brief, check_integer, check_number
from trusteq.kinds.text import Text
from trusteq.models.batches import batches
from trusteq.models.checkpoints import is_served, open_network
from trusteq.models.client import Client, Refused
from trusteq.models.language import CausalPredictor, kept_of
from trusteq.models.llama_cpp import client_of
from trusteq.models.prompts import FIELD, Prompt
from trusteq.models.served import model_of

TAIL = 24  # tokens at the end of an answer in which a stop is looked for


@dataclass(frozen=True)
class Decoding:
    """How answers are written.

    Args:
        max_tokens: an answer has at most this many tokens.
        temperature: 0 is greedy; above it, answers are drawn with the same random numbers for all models.
        stop: an answer ends before these words (default: an empty line; with --chat, where the model ends it).
        seed: the seed of everything that is drawn at random.
    """

    max_tokens: int = 128
    temperature: float = 0.0
    stop: tuple[str, ...] = ()
    seed: int = 0

    def __post_init__(self) -> None:
        check_integer("max_tokens", self.max_tokens, at_least=1)
        check_number("temperature", self.temperature, above=-1e-9, below=10)
        if any(not words for words in self.stop):
            raise ValueError("`stop` must not hold an empty text: every text contains one")

    def cut(self, text: str) -> str:
        """
        >>> Decoding(stop=("##", "Q")).cut("So A.\\nQ: and B ##")
        'So A.\\n'
        """
        return text[: min((at for words in self.stop if (at := text.find(words)) >= 0), default=len(text))]


@dataclass(frozen=True)
class Answer:
    """`tokens` as texts, none where they are not told; `ended` by itself, and not for want of tokens."""

    text: str
    tokens: list[str] | None
    ended: bool

    @property
    def plain(self) -> dict[str, Any]:
        return asdict(self)


Answers = Iterator[tuple[int, Answer]]  # by the place of the question, as they finish


def open_writer(
    model: Any,
    name: str,
    prompt: Prompt,
    decoding: Decoding,
    device: Any = None,
    dtype: Any = None,
    trust_remote_code: bool = False,
    tokens: int | None = None,
    at_once: int | None = None,
    timeout: float | None = None,
) -> "Writer | ServedWriter":
    if is_served(model):
        return ServedWriter(client_of(model, name, at_once, timeout), prompt, decoding)
    opened = open_network(model, name, device, dtype, trust_remote_code, task="CausalLM")
    if opened is None:
        raise ValueError(f"{name}: model must be a path, a Hub id, a server or (model, tokenizer), got {brief(model)}")
    return Writer(*opened, name, prompt, decoding, tokens)


class Writer(CausalPredictor):
    """A causal model of transformers: prompts of like length are read together, and written on together."""

    def __init__(self, model: Any, tokenizer: Any, name: str, prompt: Prompt, decoding: Decoding, tokens: int | None):
        super().__init__(model, tokenizer, name, prompt, tokens=tokens)
        self.decoding = decoding
        said = getattr(getattr(model, "generation_config", None), "eos_token_id", None)
        ends = [*(said if isinstance(said, list) else [said]), tokenizer.eos_token_id]
        self.ends = {int(token) for token in ends if token is not None}
        if self.length <= decoding.max_tokens:
            room = f"`max_tokens`={decoding.max_tokens} leaves no room for the question"
            raise ValueError(f"{name} reads {self.length} tokens, and {room}")

    def write(self, texts: Sequence[Text]) -> Answers:
        rows = self.tokens_of([self.prompt.fill(self.parts, text) for text in texts])
        room = self.length - self.decoding.max_tokens
        for i, row in enumerate(rows):
            if len(row) > room:
                self.truncated += 1
                rows[i] = self.cut(texts[i], room)
        lengths = np.array([len(row) + self.decoding.max_tokens for row in rows])
        with self.in_evaluation():
            for batch in batches(lengths, lambda: self.tokens, self.start):
                for part, (found, _) in self._run(lambda some: (self.written([rows[i] for i in some]), None), batch):  # type: ignore[arg-type, return-value]
                    yield from zip(part.tolist(), found, strict=True)

    def written(self, rows: list[list[int]]) -> Any:
        import torch

        length, device = max(map(len, rows)), self.model.device
        ids = torch.tensor([[self.padding] * (length - len(row)) + row for row in rows], device=device)
        mask = torch.tensor([[0] * (length - len(row)) + [1] * len(row) for row in rows], device=device)
        made: list[list[int]] = [[] for _ in rows]
        done = [False] * len(rows)
        kept, new = None, ids
        with torch.inference_mode():
            for _ in range(self.decoding.max_tokens):
                output = self.read(new, mask, last_only=True, kept=kept, use_cache=True)
                logits = output.logits[:, -1].float()
                if bool(torch.isnan(logits).any()):
                    raise ValueError(f"{self.name} answers NaN: load it in float32")
                following = self.chosen(logits, rows, made).tolist()
                for i, token in enumerate(following):
                    if not done[i]:
                        made[i].append(token)
                        done[i] = token in self.ends or self.stops(made[i])
                if all(done):
                    break
                kept = kept_of(output)
                step = torch.tensor(following, device=device)[:, None]
                mask = torch.cat([mask, torch.ones_like(step)], dim=1)
                ids = torch.cat([ids, step], dim=1)
                new = ids if kept is None else step
        return [self.told(tokens, ended) for tokens, ended in zip(made, done, strict=True)]

    def chosen(self, logits: Any, rows: list[list[int]], made: list[list[int]]) -> Any:
        """The likeliest token, or one that is drawn: the likeliest once each has its own, known luck."""
        import torch

        if self.decoding.temperature <= 0:
            return logits.argmax(dim=-1)
        luck = []
        for row, tokens in zip(rows, made, strict=True):
            basis = f"{self.decoding.seed} {row} {len(tokens)}".encode()
            drawn = np.random.default_rng(list(hashlib.sha256(basis).digest()[:16]))
            luck.append(drawn.gumbel(size=logits.shape[-1]))
        return (
            logits.double() / self.decoding.temperature + torch.tensor(np.array(luck), device=logits.device)
        ).argmax(dim=-1)

    def stops(self, tokens: list[int]) -> bool:
        if not self.decoding.stop:
            return False
        tail = self.tokenizer.decode(tokens[-TAIL:], skip_special_tokens=True)
        return any(words in tail for words in self.decoding.stop)

    def told(self, tokens: list[int], ended: bool) -> Answer:
        own = [token for token in tokens if token not in self.ends]
        whole = self.tokenizer.decode(own, skip_special_tokens=True)
        text = self.decoding.cut(whole)
        each = [self.tokenizer.decode([token]) for token in own]
        return Answer(text.strip(), within(each, len(text)), ended)


class ServedWriter:
    """A model behind a server: /completions, or /chat/completions where the server fills its own chat template."""

    kind = "a server"

    def __init__(self, client: Client, prompt: Prompt, decoding: Decoding):
        self.client, self.prompt, self.decoding, self.name = client, prompt, decoding, client.name
        self.model, self.truncated, self.tells = model_of(client), 0, True
        self.before = [] if prompt.chat else prompt.parts(None, client.name)

    def write(self, texts: Sequence[Text]) -> Answers:
        yield from self.client.each([partial(self.written, text) for text in texts])

    def written(self, text: Text) -> Answer:
        how = {"model": self.model, "max_tokens": self.decoding.max_tokens, "temperature": self.decoding.temperature}
        how |= {"seed": self.decoding.seed, "stream": False}
        how |= {"stop": list(self.decoding.stop)} if self.decoding.stop else {}
        if not self.prompt.chat:
            question = how | {"prompt": self.prompt.fill(self.before, text)}
            return self.answer("/completions", question, {"logprobs": 1})
        return self.answer("/chat/completions", how | {"messages": self.messages(text)}, {"logprobs": True})

    def messages(self, text: Text) -> list[dict[str, str]]:
        own, turns = FIELD.split(self.prompt.prompt), []
        if self.prompt.system is not None:
            turns.append(("system", self.prompt.system))
        for solved, answer in self.prompt.shots:
            turns += [("user", self.prompt.fill(own, solved)), ("assistant", answer)]
        turns.append(("user", self.prompt.fill(own, text)))
        return [{"role": role, "content": content} for role, content in turns]

    def answer(self, path: str, question: dict[str, Any], logs: dict[str, Any]) -> Answer:
        """With its tokens, where the server tells them: some refuse to."""
        if self.tells:
            try:
                return self.told(self.client.ask(path, question | logs))
            except Refused as error:
                if "logprob" not in error.reason.lower() and "logits" not in error.reason.lower():
                    raise
                self.tells = False
        return self.told(self.client.ask(path, question))

    def told(self, found: dict[str, Any]) -> Answer:
        try:
            choice = found["choices"][0]
            text = choice["text"] if "text" in choice else choice["message"]["content"]
            logs = choice.get("logprobs") or {}
        except (KeyError, IndexError, TypeError, AttributeError):
            raise self.odd(found) from None
        if text is None:
            text = ""  # a refusal, or a call of a tool
        if not isinstance(text, str):
            raise self.odd(found)
        tokens = logs.get("tokens") if isinstance(logs, dict) else None
        if isinstance(logs, dict) and isinstance(logs.get("content"), list):
            tokens = [one.get("token") for one in logs["content"] if isinstance(one, dict)]
        good = isinstance(tokens, list) and all(isinstance(token, str) for token in tokens)
        text = self.decoding.cut(text)
        told = within(tokens, len(text)) if good and isinstance(tokens, list) else None
        return Answer(text.strip(), told, choice.get("finish_reason") != "length")

    def odd(self, found: Any) -> InVain:
        return InVain(f"{self.name}: the server {self.client.shown} sends an answer without a text: {brief(found)}")


def within(tokens: Sequence[str], length: int) -> list[str]:
    """The tokens that a text of this length has.

    >>> within(["So", " A", ".", "\\n\\n", "Q"], 5)
    ['So', ' A', '.']
    """
    ends = np.cumsum([len(token) for token in tokens])
    return list(tokens[: int(np.searchsorted(ends, length)) + 1]) if length else []
