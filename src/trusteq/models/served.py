"""A language model behind a server: the log-probabilities of given answers over an OpenAI-compatible API.

Three forms are understood. With `echo` a server gives the log-probabilities of a prompt's own tokens (vLLM, SGLang,
llama-cpp-python), and so it does with vLLM's `prompt_logprobs`: the answer is sent as part of the prompt. llama-server
has neither, but says how probable the next token was, even one that it was made to write: an answer is asked token by
token. A server is trusted only after it has given the same figure for one token in two ways, and a different one after
another text: some accept `echo` and return something else, and scores made from that would mean nothing."""

import hashlib
import json
import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from trusteq.checks import InVain, brief
from trusteq.kinds.text import Text, parts_of
from trusteq.models.client import Client, Refused
from trusteq.models.llama_cpp import client_of
from trusteq.models.prompted import Prompted
from trusteq.models.prompts import FIELD, Prompt, read_prompt
from trusteq.scaling import read_scaling

Scored = list[list[float]]  # of every answer its log-probability and how many tokens it has
PROBES = ("The capital of France is", "One, two, three, four,", "Once upon a time there")
OTHERWISE = "a b c d e f g h i j k l m n o p is"  # what else may stand before a token
SAME = 0.5  # what one log-probability may be off when it is asked in two ways: of a prompt, and of what is generated
DRIFT = 0.1  # what those of a text may be off from one day to another
TOO_LONG = ("context", "too long", "maximum length", "exceed", "max_model_len")
GREEDY = {"temperature": 0, "seed": 0, "stream": False}


def as_served_predictor(given: dict[str, Any], name: str, at_once: int | None, timeout: float | None) -> "Served":
    """A predictor from a dict as `as_causal_predictor` takes it, whose `model` is the address of a server."""
    prompt = read_prompt(name, {key: value for key, value in given.items() if key not in ("model", "calibration")})
    made = Served(client_of(str(given["model"]), name, at_once, timeout), name, prompt)
    if (calibration := given.get("calibration")) is not None:
        made.calibration = read_scaling(f"{name}: calibration", calibration, len(prompt.names))
    return made


class Served(Prompted):
    """`known` are answers that an earlier run was given, by their keys; `keep` is told of every new one."""

    kind = "a server"

    def __init__(self, client: Client, name: str, prompt: Prompt):
        super().__init__(name)
        self.client = client
        self.known: dict[str, Any] = {}
        self.keep: Callable[[str, Any], None] = lambda key, value: None
        self.model = model_of(client)
        self.form = form_of(client, self.model)
        self.probe = self.form.probe()
        self.first = prompt
        self.take(prompt)

    def take(self, prompt: Prompt) -> None:
        super().take(prompt)
        self.parts = prompt.parts(Template(self.client, self.model), self.name)

    @property
    def lacks(self) -> dict[str, str]:
        """What cannot be asked, and why."""
        return {
            "embeddings": "is a server and has no embeddings",
            "gradients": "is a server and has no gradients",
            "vocabulary": "is a server, which does not report the probabilities of all tokens",
        }

    def check_same(self, probe: list[float]) -> None:
        """Behind an address may be another model by now."""
        apart = [abs(one - other) for one, other in zip(probe, self.probe, strict=False)]
        if len(probe) != len(self.probe) or max(apart) > DRIFT:
            how = "new answers cannot be mixed with the old ones; start again in another folder"
            raise InVain(f"{self.name}: the server {self.client.shown} now holds another model than before: {how}")

    def _answer(self, texts: list[Text], probabilities: bool, embeddings: bool, bar: Any) -> tuple[Any, np.ndarray]:
        if embeddings:
            raise ValueError(f"{self.name} {self.lacks['embeddings']}")
        self.check_kind(texts)
        found = self.of_each(texts, "answers", self.scored, bar)
        most = len(self.prompt.names)
        scores, tokens = np.full((len(texts), most), -np.inf), []
        for row, one, text in zip(scores, found, texts, strict=True):
            row[: len(one["scores"])] = [score for score, _ in one["scores"]]
            tokens.append([count for _, count in one["scores"]])
            if one["cut"]:
                self.truncated += 1
                self.shortened.add(text)
        return self.of_scores(texts, scores, tokens), np.empty(0)

    def surprise(self, texts: list[Text], score: str) -> list[float]:
        if score in self.lacks:
            raise ValueError(f"{self.name} {self.lacks[score]}")
        return [float(one) for one in self.of_each(texts, score, self.strangeness)]

    def of_each(self, texts: Sequence[Text], what: str, ask: Callable[[Text], Any], bar: Any = None) -> list[Any]:
        """What the server says of every text: from an earlier time, or now; kept as it comes."""
        asked = [what] if self.prompt == self.first else [what, repr(self.prompt)]
        keys = [hashlib.sha256(json.dumps([*asked, text]).encode()).hexdigest()[:32] for text in texts]
        missing = [i for i, key in enumerate(keys) if key not in self.known]
        if bar is not None:
            bar.update(len(texts) - len(missing))
        for place, value in self.client.each([partial(ask, texts[i]) for i in missing]):
            key = keys[missing[place]]
            self.known[key] = value
            self.keep(key, value)
            if bar is not None:
                bar.update(1)
        return [self.known[key] for key in keys]

    def scored(self, text: Text) -> dict[str, Any]:
        """The answers' log-probabilities and tokens; of a text too long, of as much of it as can be read."""
        said = self.answers_to(text)
        found, cut = self.fitting(text, lambda filled: self.form.of_answers(filled, said, self.special))
        return {"scores": found, "cut": cut}

    def filled(self, text: Text, characters: int | None) -> str:
        return self.prompt.fill(self.parts, text, characters)

    def fitting(self, text: Text, ask: Callable[[str], Scored]) -> tuple[Scored, bool]:
        """What is asked of the text, or of its longest beginning that the server takes, and whether it was cut."""
        try:
            return ask(self.filled(text, None)), False
        except Refused as error:
            if not is_too_long(error):
                raise
        fits, refused, found = -1, max(map(len, parts_of(text))), None
        while refused - fits > 1:
            middle = (fits + refused) // 2
            try:
                fits, found = middle, ask(self.filled(text, middle))
            except Refused as error:
                if not is_too_long(error):
                    raise
                refused = middle
        if found is None:
            raise ValueError(f"{self.name}: the prompt without a text is longer than the server can read")
        return found, True

    @property
    def special(self) -> bool:
        """Whether the server is to add what its tokenizer puts before a text: a chat's template has it in it."""
        return not self.prompt.chat

    def strangeness(self, text: Text) -> float:
        before = FIELD.split(self.prompt.prompt)[0]
        logs = self.form.of_text(before, before + "\n".join(parts_of(text)))
        return -sum(logs) / max(1, len(logs))


class Template:
    """The server's chat template, as a tokenizer offers its own: llama-server fills it in, vLLM tells the tokens that
    come of it (/tokenize), and what these say (/detokenize)."""

    chat_template = True

    def __init__(self, client: Client, model: str):
        self.client, self.model = client, model

    def apply_chat_template(self, said: list[dict[str, str]], **how: Any) -> str:
        found = self.ask("/apply-template", "prompt", messages=said)
        if found is None and (tokens := self.ask("/tokenize", "tokens", messages=said)):
            found = self.ask("/detokenize", "prompt", tokens=tokens)
            again = self.ask("/tokenize", "tokens", prompt=found, add_special_tokens=False)
            found = found if again == tokens else None  # or else its marks were left out
        if not isinstance(found, str):
            raise ValueError("the server does not give it out: write it into the prompt, and ask without chat")
        return found

    def ask(self, path: str, what: str, **question: Any) -> Any:
        try:
            return self.client.ask(path, {"model": self.model, **question}, under=False).get(what)
        except Refused:
            return None


def model_of(client: Client) -> str:
    """Which of its models a server is asked for: the one that was named, or its only one."""
    try:
        listed = client.ask("/models").get("data")
        names = [str(one["id"]) for one in listed]
    except (Refused, TypeError, KeyError):
        names = []  # `transformers serve` fails to list a model from a local folder
    if client.model is not None:
        if names and client.model not in names:
            raise ValueError(
                f"{client.name}: the server {client.shown} has no such model; it has {', '.join(names[:8])}"
            )
        return client.model
    if len(names) != 1:
        what = f"several models ({', '.join(names[:8])})" if names else "no list of its models"
        raise ValueError(f"{client.name}: the server {client.shown} has {what}: say which, {client.shown}#NAME")
    return names[0]


def form_of(client: Client, model: str) -> "Echo | TokenByToken":
    """How this server tells log-probabilities of given answers, or a sentence where it does not."""
    why = []
    for form in (Echo(client, model), PromptLogs(client, model)):
        try:
            form.read(PROBES[0])
            return form
        except NoLogs as error:
            why.append(str(error))
        except Refused as error:
            why += [error.reason] if error.status != 404 else []
    try:
        made = TokenByToken(client, model)
        if made.tokens(PROBES[0]) and made.next(made.tokens(PROBES[0])) is not None:
            return made
    except (Refused, NoLogs):
        pass
    why.append("it knows neither /completions with `echo` or `prompt_logprobs` nor llama-server's /completion")
    told = f"{client.name}: the server {client.shown} gives no log-probabilities of a given text ({why[0]})"
    raise InVain(f"{told}: without them it can only be asked to write, with --task generate")


class NoLogs(ValueError):
    """An answer without the log-probabilities that were asked for."""


class Echo:
    """/completions with `echo`: the tokens of what was asked come back, each with its log-probability.

    Some servers tell them of other tokens than they say (llama-cpp-python is off by one where a model's tokenizer puts
    nothing before a text), or made up: hence `probe`."""

    def __init__(self, client: Client, model: str):
        self.client, self.model = client, model

    def read(self, text: str, special: bool = True) -> tuple[list[float | None], int]:
        """The log-probabilities of the text's tokens and of what is generated behind them, and how many are the text's;
        the first has none."""
        how = {"echo": True, "logprobs": 1, "max_tokens": 1, **GREEDY}
        found = self.client.ask("/completions", self.asked(text, special) | how)
        try:
            choice = found["choices"][0]
            count, more = found["usage"]["prompt_tokens"], found["usage"].get("completion_tokens", 1)
            logs = (choice["logprobs"] or {}).get("token_logprobs")
        except (KeyError, IndexError, TypeError, AttributeError):
            raise NoLogs("its answer has none") from None
        if not isinstance(logs, list) or not isinstance(count, int) or not isinstance(more, int):
            raise NoLogs("it ignores `echo`, and gives them for its own words at most")
        left_out: list[None] = [None] if len(logs) == count + more - 1 else []
        logs = [*left_out, *logs]  # some leave out what begins every text
        if len(logs) < count:
            raise NoLogs("it ignores `echo`, and gives them for its own words only")
        if any(log is None for log in logs[2:]) or not all(is_log(log) for log in logs if log is not None):
            raise self.rubbish(logs)
        return logs, count

    def asked(self, text: str, special: bool) -> dict[str, Any]:
        return {"model": self.model, "prompt": text} | ({} if special else {"add_special_tokens": False})

    def count(self, text: str, special: bool = True) -> int:
        found = self.client.ask("/completions", self.asked(text, special) | {"max_tokens": 1} | GREEDY)
        try:
            return int(found["usage"]["prompt_tokens"])
        except (KeyError, TypeError, ValueError):
            raise InVain(f"{self.client.name}: the server {self.client.shown} does not count its tokens") from None

    def rubbish(self, logs: Any) -> InVain:
        odd = next((log for log in logs[1:] if not is_log(log)), None)
        return InVain(f"{self.client.name}: the server {self.client.shown} gives {brief(odd)} as a log-probability")

    def of_answers(self, prompt: str, answers: Sequence[str], special: bool) -> Scored:
        found, before = [], self.count(prompt, special)
        for words in answers:
            logs, count = self.read_again(prompt + words, special)
            own = [log for log in logs[before:count] if log is not None]
            if not own or before < 1:
                raise ValueError(no_tokens(self.client.name, words))
            found.append([math.fsum(own), float(len(own))])
        return found

    def of_text(self, before: str, whole: str) -> list[float]:
        start = self.count(before) if before else 0
        logs, count = self.read_again(whole)
        return [log for log in logs[max(1, start) : count] if log is not None]

    def read_again(self, text: str, special: bool = True) -> tuple[list[float | None], int]:
        """As `read`, of a server that has shown already that it can."""
        try:
            return self.read(text, special)
        except NoLogs as error:
            told = f"{self.client.name}: the server {self.client.shown} no longer gives log-probabilities: {error}"
            raise InVain(told + self.client.kept) from None

    def probe(self) -> list[float]:
        """The log-probabilities of some texts, once they have shown to be what they are called."""
        found, moved, compared = [], [], 0
        for text in PROBES:
            logs, count = self.read(text)
            found += [log for log in logs[:count] if log is not None]
            for word, log in self.likely(text):
                again, more = self.read(text + word)
                if more == count + 1:  # or else it is written with other tokens
                    compared += 1
                    if abs((again[count] or 0) - log) > SAME:
                        raise chance(self.client, "of one token behind one text it tells two of them")
            elsewhere, end = self.read(f"{OTHERWISE} {text.split()[-1]}")
            moved.append(logs[count - 1] != elsewhere[end - 1])
        if not any(moved):
            raise chance(self.client, "they are the same whatever stands before")
        if not compared:
            raise chance(self.client, "they cannot be compared with those of what it generates")
        return found

    def likely(self, text: str) -> list[tuple[str, float]]:
        """The tokens that are likeliest behind a text, as a server tells without `echo`."""
        found = self.client.ask("/completions", self.asked(text, True) | {"logprobs": 5, "max_tokens": 1} | GREEDY)
        try:
            tops = found["choices"][0]["logprobs"]["top_logprobs"][0]
            return [(str(word), float(log)) for word, log in tops.items() if word and is_log(log)][:3]
        except (KeyError, IndexError, TypeError, AttributeError):
            return []


class PromptLogs(Echo):
    """/completions with vLLM's `prompt_logprobs`: for a token of the prompt a dict of token ids, of which with 0 the
    prompt's own is the only one, {"42": {"logprob": -1.5, "rank": 3, "decoded_token": " a"}}; of the first None. As in
    vLLM 0.33.0: CompletionResponseChoice in vllm/entrypoints/openai/completion/protocol.py, and vllm/logprobs.py."""

    def read(self, text: str, special: bool = True) -> tuple[list[float | None], int]:
        how = {"prompt_logprobs": 0, "return_token_ids": True, "max_tokens": 1, **GREEDY}
        found = self.client.ask("/completions", self.asked(text, special) | how)
        try:
            choice = found["choices"][0]
            each, ids = choice["prompt_logprobs"], choice.get("prompt_token_ids")
            logs = [None if one is None else own(one, None if ids is None else ids[i]) for i, one in enumerate(each)]
        except (KeyError, IndexError, TypeError, AttributeError):
            raise NoLogs("it knows no `prompt_logprobs`") from None
        if any(log is None for log in logs[1:]) or not all(is_log(log) for log in logs if log is not None):
            raise self.rubbish(logs)
        return logs, len(logs)


def own(each: dict[str, dict[str, Any]], token: int | None) -> Any:
    """The log-probability of the prompt's own token, which comes first where others come with it.

    >>> own({"7": {"logprob": -2.0}, "5": {"logprob": -0.1}}, None)
    -2.0
    >>> own({"5": {"logprob": -0.1}, "7": {"logprob": -2.0}}, 7)
    -2.0
    """
    return (next(iter(each.values())) if token is None else each[str(token)])["logprob"]


class TokenByToken:
    """llama-server's /tokenize and /completion: the next token's log-probability, whichever it is made to be."""

    def __init__(self, client: Client, model: str):
        self.client, self.model = client, model

    def tokens(self, text: str, special: bool = True) -> list[int]:
        how = {"content": text, "add_special": special, "parse_special": True}
        found = self.client.ask("/tokenize", how, under=False).get("tokens")
        if not isinstance(found, list) or not all(isinstance(one, int) for one in found):
            raise NoLogs("it does not report a text's tokens")
        return found

    def next(self, ids: list[int], forced: int | None = None) -> tuple[int, float]:
        """Which token follows, and its log-probability, as it was before it was forced."""
        how: dict[str, Any] = {"prompt": ids, "n_predict": 1, "n_probs": 1, "post_sampling_probs": False}
        how |= {"model": self.model, "cache_prompt": True, **GREEDY}
        how |= {} if forced is None else {"logit_bias": [[forced, 1e4]]}
        found = self.client.ask("/completion", how, under=False)
        try:
            one = found["completion_probabilities"][0]
            token, log = int(one["id"]), one["logprob"]
        except (KeyError, IndexError, TypeError, ValueError):
            raise NoLogs("its answer has none") from None
        if not is_log(log):
            raise InVain(f"{self.client.name}: the server {self.client.shown} gives {brief(log)} as a log-probability")
        if forced is not None and token != forced:
            raise NoLogs("it does not write the token that it is told to write")
        return token, float(log)

    def of_answers(self, prompt: str, answers: Sequence[str], special: bool) -> Scored:
        found, before = [], len(self.tokens(prompt, special))
        for words in answers:
            ids = self.tokens(prompt + words, special)
            if len(ids) <= before or before < 1:
                raise ValueError(no_tokens(self.client.name, words))
            logs = self.behind(ids, before)
            found.append([math.fsum(logs), float(len(logs))])
        return found

    def of_text(self, before: str, whole: str) -> list[float]:
        return self.behind(self.tokens(whole), max(1, len(self.tokens(before)) if before else 0))

    def behind(self, ids: list[int], start: int) -> list[float]:
        """The log-probabilities of the tokens from this place on."""
        try:
            return [self.next(ids[:i], ids[i])[1] for i in range(start, len(ids))]
        except NoLogs as error:
            told = f"{self.client.name}: the server {self.client.shown} gives no log-probabilities: {error}"
            raise InVain(told + self.client.kept) from None

    def probe(self) -> list[float]:
        found, moved = [], []
        other = self.tokens(OTHERWISE)
        for text in PROBES:
            ids = self.tokens(text)
            token, log = self.next(ids)
            if abs(self.next(ids, token)[1] - log) > SAME:
                raise chance(self.client, "of one token behind one text it tells two of them")
            found.append(log)
            moved.append(self.next(other, token)[1] != log)
        if not any(moved):
            raise chance(self.client, "they are the same whatever stands before")
        return found


def chance(client: Client, why: str) -> InVain:
    told = f"{client.name}: the server {client.shown} gives false log-probabilities: {why}"
    return InVain(f"{told}; such scores would mean nothing")


def is_log(value: Any) -> bool:
    """
    >>> [is_log(value) for value in (-1.5, 0, 1e-7, 2.0, float("nan"), True, None)]
    [True, True, True, False, False, False, False]
    """
    return isinstance(value, int | float) and not isinstance(value, bool) and -math.inf < value < 1e-3


def is_too_long(error: Refused) -> bool:
    return error.status in (400, 413, 422, 500) and any(words in str(error).lower() for words in TOO_LONG)


def no_tokens(name: str, words: str) -> str:
    return f"{name}: the answer {brief(words)} has no tokens of its own after the prompt: begin it with a space"
