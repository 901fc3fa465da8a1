"""What does a language model say of every next token? Documents become windows, and windows rows of probabilities.

A window is what is read at once. A document longer than the model reads takes several; each of its tokens is predicted
once, from at least half a window. Padding stands behind, where nothing that is predicted looks."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from trusteq.models.batches import START, TOKENS, batches, is_out_of_memory
from trusteq.models.checkpoints import open_network
from trusteq.models.classifiers import longest_input
from trusteq.models.language import parameters, unwrapped

STRETCH = 512  # tokens of a window of llama.cpp, where nothing else is said
LONGEST = 2048  # tokens of a document's window: a longer one costs more and tells little more
LOGITS = {"cpu": 2**27, "cuda": 2**31}  # of a batch, tokens times vocabulary
LEAST_LOG = -1e4  # of a token that is ruled out, so that nothing times endless stays nothing
AT_ONCE = {"cpu": 2**18, "cuda": 2**27}  # numbers that are worked on together: what a processor's cache holds

Said = dict[
    str, np.ndarray
]  # of every token, by what it is: right, sure, top, entropy; of a pair also kl, moved and variance


@dataclass(frozen=True)
class Window:
    """What is read at once: the tokens from place `first` on are predicted, each of a document."""

    ids: tuple[int, ...]
    first: int
    documents: tuple[int, ...]

    @property
    def targets(self) -> tuple[int, ...]:
        return self.ids[self.first :]


def windows_of_documents(documents: Sequence[Sequence[int]], length: int, begin: int | None = None) -> list[Window]:
    """The windows of each document; those after its first begin with the token `begin`, where there is one.

    >>> [(window.ids, window.first) for window in windows_of_documents([[5, 6, 7], [1, 2, 3, 4, 5, 6]], length=4)]
    [((5, 6, 7), 1), ((1, 2, 3, 4), 1), ((3, 4, 5, 6), 2)]
    """
    found = []
    for number, ids in enumerate(documents):
        done = 1  # tokens that are predicted, or that nothing stands before
        while done < len(ids):
            start = 0 if done == 1 else done - length // 2
            window = list(ids[start : start + length])
            if start and begin is not None:
                window[0] = begin
            found.append(Window(tuple(window), done - start, (number,) * (len(window) - done + start)))
            done = start + len(window)
    return found


def windows_of_stretches(ids: Sequence[int], documents: Sequence[int], length: int, begin: int | None) -> list[Window]:
    """One text as llama.cpp cuts it: stretches one after another, of which the second half is predicted. What fills no
    window is left out.

    >>> [(window.ids, window.first) for window in windows_of_stretches(range(9), [0] * 9, length=4, begin=None)]
    [((0, 1, 2, 3), 3), ((4, 5, 6, 7), 3)]
    """
    found = []
    for start in range(0, len(ids) - length + 1, length):
        window, first = list(ids[start : start + length]), length // 2 + 1
        if begin is not None:
            window[0] = begin
        found.append(Window(tuple(window), first, tuple(documents[start + first : start + length])))
    return found


def starts_of(windows: Sequence[Window]) -> np.ndarray:
    """The row of each window's first prediction, and behind them the number of rows."""
    return np.concatenate([[0], np.cumsum([len(window.documents) for window in windows])]).astype(np.intp)


class NextToken:
    """A causal model with its tokenizer.

    What it says of a batch of windows is of each window a row of logits for every token that is predicted; with `embed`
    also the last hidden state at each of them, the windows one after another.
    """

    def __init__(self, model: Any, tokenizer: Any, name: str):
        self.model, self.tokenizer, self.name = model, tokenizer, name
        self.length = longest_input(model, tokenizer)
        self.accepts, self.body = parameters(model), body_of(model)
        config = model.config.get_text_config() if hasattr(model.config, "get_text_config") else model.config
        self.vocabulary = int(config.vocab_size)

    @classmethod
    def open(cls, source: Any, name: str, **how: Any) -> "NextToken":
        if isinstance(source, cls):
            return source
        settings = {"device": None, "dtype": None, "trust_remote_code": False} | how
        opened = open_network(source, name, **settings, task="CausalLM")
        if opened is None:
            raise ValueError(f"{name} must be a path, a Hub id, a .gguf file or (model, tokenizer) for running text")
        return cls(*opened, name)

    @property
    def begin(self) -> int | None:
        """The token that the tokenizer puts in front of a text, where it puts one."""
        found = self.tokens_of(["a"])[0]
        bare = self.tokenizer("a", add_special_tokens=False)["input_ids"]
        return found[0] if found[: len(bare)] != list(bare) else None

    def tokens_of(self, texts: Sequence[str]) -> list[list[int]]:
        """Token ids, with what the tokenizer puts in front of a text, without what it puts behind."""
        encoded = self.tokenizer(list(texts), return_special_tokens_mask=True, verbose=False)
        found = []
        for ids, special in zip(encoded["input_ids"], encoded["special_tokens_mask"], strict=True):
            behind = next((i for i, added in enumerate(reversed(special)) if not added), len(ids))
            found.append(list(ids[: len(ids) - behind]))
        return found

    def whole(self, text: str) -> tuple[list[int], list[int]]:
        """The tokens of one long text, and the place of the character at which each begins."""
        if not getattr(self.tokenizer, "is_fast", False):
            raise ValueError(
                f"{self.name} has a tokenizer that does not say where its tokens lie: take windows of documents"
            )
        encoded = self.tokenizer(text, return_offsets_mapping=True, return_special_tokens_mask=True, verbose=False)
        ids, special = encoded["input_ids"], encoded["special_tokens_mask"]
        behind = next((i for i, added in enumerate(reversed(special)) if not added), len(ids))
        places = [start for start, _ in encoded["offset_mapping"]]
        return list(ids[: len(ids) - behind]), places[: len(ids) - behind]

    def logits(self, windows: Sequence[Window], embed: bool = False) -> tuple[list[Any], Any]:
        import torch

        longest, first = max(len(window.ids) for window in windows), min(window.first for window in windows)
        padded = [[*window.ids, *[window.ids[0]] * (longest - len(window.ids))] for window in windows]
        ids = torch.tensor(padded, device=self.model.device)
        body = self.body if embed else None
        wanted: dict[str, Any] = {"use_cache": False, "output_hidden_states": embed and body is None}
        kept = "logits_to_keep" in self.accepts
        if kept:
            wanted["logits_to_keep"] = torch.arange(first - 1, longest - 1, device=ids.device)
        with torch.inference_mode(), noting(body) as noted:
            output = self.model(input_ids=ids, **wanted)
            spans = [slice(window.first - 1, len(window.ids) - 1) for window in windows]
            shift = first - 1 if kept else 0
            rows = [row[span.start - shift : span.stop - shift] for row, span in zip(output.logits, spans, strict=True)]
            if not embed:
                return rows, None
            hidden = noted[0] if noted else output.hidden_states[-1]
            return rows, torch.cat([row[span] for row, span in zip(hidden, spans, strict=True)]).float()


def body_of(model: Any) -> Any:
    """What gives the last hidden states to the head, where it can be listened to: compiled code cannot."""
    inner = unwrapped(model)
    body = getattr(inner, "base_model", inner)
    return None if body is inner or hasattr(model, "_orig_mod") else body


@contextmanager
def noting(body: Any) -> Iterator[list[Any]]:
    """What a model's body gives, noted when it goes by: asking for all hidden states takes a fifteenth of a pass."""
    noted: list[Any] = []
    hook = (
        body.register_forward_hook(lambda module, given, output: noted.append(output[0])) if body is not None else None
    )
    try:
        yield noted
    finally:
        if hook:
            hook.remove()


def batches_of(windows: Sequence[Window], readers: Sequence[NextToken]) -> Iterator[list[int]]:
    """Windows that are read together: of like length, no more than the models' logits leave room for."""
    lengths = np.array([len(window.ids) for window in windows])
    kind = readers[0].model.device.type if readers else "cpu"
    room = LOGITS.get(kind, LOGITS["cuda"]) // max((reader.vocabulary for reader in readers), default=1)
    tokens = min(TOKENS.get(kind, TOKENS["cuda"]), max(1, room))
    for batch in batches(lengths, lambda: tokens, START.get(kind, START["cuda"])):
        yield batch.tolist()


def read_in_parts(reader: NextToken, windows: Sequence[Window], embed: bool) -> tuple[list[Any], Any]:
    """The logits of a batch's windows; where memory runs out, of one half and then of the other."""
    import torch

    try:
        return reader.logits(windows, embed)
    except RuntimeError as error:
        if not is_out_of_memory(error) or len(windows) == 1:
            raise
    halves = [
        read_in_parts(reader, part, embed) for part in (windows[: len(windows) // 2], windows[len(windows) // 2 :])
    ]
    states = torch.cat([half[1] for half in halves]) if embed else None
    return [*halves[0][0], *halves[1][0]], states


def parts_of(count: int, vocabulary: int, kind: str = "cpu") -> Iterator[slice]:
    size = max(1, AT_ONCE.get(kind, AT_ONCE["cuda"]) // vocabulary)
    for start in range(0, count, size):
        yield slice(start, min(count, start + size))


def log_probabilities(logits: Any, name: str) -> tuple[Any, Any]:
    """Log-probabilities and probabilities, in float32, checked: a model that answers NaN says nothing.

    Nothing else takes as much memory, so that logits of float32 become the log-probabilities where they lie."""
    import torch

    with torch.inference_mode():
        found = logits.float()
        found -= found.amax(dim=-1, keepdim=True)
        probabilities = found.exp()
        total = probabilities.sum(dim=-1, keepdim=True)
        if bool(torch.isnan(total).any()):  # one NaN, or a logit without bound, spreads over its row
            raise ValueError(
                f"{name} answers NaN: its probabilities of the next token are no numbers; load it in float32"
            )
        probabilities /= total
        return found.sub_(total.log()), probabilities


def said(logs: Any, probabilities: Any, targets: Any) -> dict[str, Any]:
    """Of each row: the log-probabilities of the right token and of the top one, which that is, and the entropy. What is
    ruled out lies at LEAST_LOG in `logs` from here on."""
    import torch

    with torch.inference_mode():
        top = top_of(logs)
        right, sure = (logs.gather(1, place[:, None])[:, 0] for place in (targets, top))
        entropy = -torch.linalg.vecdot(probabilities, logs.clamp_(min=LEAST_LOG))
        return {"right": right, "sure": sure, "top": top, "entropy": entropy}


def top_of(logs: Any) -> Any:
    """The most probable token of each row; on a processor NumPy finds it in a tenth of torch's time."""
    import torch

    return torch.from_numpy(logs.numpy().argmax(axis=1)) if logs.device.type == "cpu" else logs.argmax(dim=1)


def apart(large: Any, logs: Any, probabilities: Any, floor: float = -np.inf) -> dict[str, Any]:
    """Of each row of log-probabilities the KL divergence from the large model's, and how much probability moved to
    other tokens (the total variation). What `large` puts at or below `floor` is left out of the first. `logs` and
    `probabilities` are used up: what is worked out lies in their place."""
    import torch

    with torch.inference_mode():
        weight = large.exp()
        moved = torch.sub(weight, probabilities, out=probabilities).clamp_(min=0).sum(dim=-1)
        if floor > -np.inf:
            weight = torch.where(large > floor, weight, 0.0)
        return {"kl": torch.sub(large, logs, out=logs).mul_(weight).sum(dim=-1), "moved": moved}
