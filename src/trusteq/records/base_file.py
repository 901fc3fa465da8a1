"""What the large model said of every next token, kept: an unbiased KL divergence from a fortieth of the numbers.

Of each row of log-probabilities there are the most probable tokens and a sample of the others, drawn by a power of
their probability. When a compressed model is compared its own row q is whole, and

    KL = sum over top of p (log p - log q) + sum over rest of [p (log p - log q) + q - p] - sum over rest of (q - p)

where the last sum is known: it is what the top leaves of 1 in either model. The sample is of the bracket, which is
small where the models agree (Horvitz and Thompson's estimator, with a control variate). Where they do not, some tokens
have a q far above p, and p (log p - log q) by itself varies less. Which of the two it is, the top decides, which
nothing is drawn for: so the estimate is unbiased either way."""

import contextlib
import json
import os
import time
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from trusteq.models.next_token import Said, Window, starts_of

MAGIC = b"trusteq1"
LONGEST_HEAD = 2**20
ALIGNED = 64
MOST = 512  # tokens that are kept of a row
LEAST = 8
OLD = 3600  # seconds after which a file that is half written is nobody's
SHARE = 20  # of a row of float32, at most so small a part is kept
APART = 0.25  # moved probability within the top, beyond which the bracket varies more than its first part
POWER = 0.75  # of the probability by which the rest is drawn: flatter, for models that find likely what large does not
DTYPES = {name: np.dtype(name) for name in ("<i4", "<u2", "<u4", "<f4")}
KINDS = {"right": "<f4", "sure": "<f4", "top": "<i4", "entropy": "<f4"}
PAIRED = KINDS | {"kl": "<f4", "moved": "<f4"}
Shapes = dict[str, tuple[str, tuple[int, ...]]]


def kept_of(vocabulary: int) -> tuple[int, int]:
    """How many of the most probable tokens, and how many of the others, are kept of a row.

    >>> kept_of(49_152), kept_of(2_000), kept_of(10)
    ((256, 256), (22, 22), (4, 4))
    """
    bytes_each = 4 + token_type(vocabulary).itemsize
    room = (4 * vocabulary // SHARE - ALIGNED * 2) // bytes_each
    half = min(vocabulary, max(LEAST, min(MOST, room))) // 2
    return half, half


def token_type(vocabulary: int) -> np.dtype[Any]:
    return DTYPES["<u2" if vocabulary <= 2**16 else "<u4"]


class Draft:
    """A base file that is being written, row by row, in any order; it appears whole or not at all."""

    def __init__(self, path: Path, head: dict[str, Any], windows: Sequence[Window], width: int, seed: int):
        rows, vocabulary = int(starts_of(windows)[-1]), int(head["vocabulary"])
        self.kept, self.drawn = kept_of(vocabulary)
        self.offset = np.random.default_rng(seed).random(rows)
        shapes: Shapes = {
            "ids": ("<i4", (sum(len(window.ids) for window in windows),)),
            "lengths": ("<i4", (len(windows),)),
            "firsts": ("<i4", (len(windows),)),
            "documents": ("<i4", (rows,)),
            "top_tokens": (token_type(vocabulary).str, (rows, self.kept)),
            "top_logs": ("<f4", (rows, self.kept)),
            "drawn_tokens": (token_type(vocabulary).str, (rows, self.drawn)),
            "drawn_logs": ("<f4", (rows, self.drawn)),
            "drawn_from": ("<f4", (rows,)),
        }
        for model in ("large", *head["floors"]):
            kinds = KINDS if model == "large" else PAIRED
            shapes |= {f"{model}/{name}": (kind, (rows,)) for name, kind in kinds.items()}
            if width:
                shapes[f"{model}/embeddings"] = ("<f4", (head["documents"], width))
            if head["strange"]:
                shapes[f"{model}/strange"] = ("<f4", (head["strange"],))
        sweep(path)
        self.path, self.partial = path, path.with_name(f"{path.name}.{uuid.uuid4().hex}.partial")
        self.arrays = create(self.partial, head | {"power": POWER}, shapes)
        self.arrays["ids"][:] = np.concatenate([window.ids for window in windows])
        self.arrays["lengths"][:] = [len(window.ids) for window in windows]
        self.arrays["firsts"][:] = [window.first for window in windows]
        self.arrays["documents"][:] = np.concatenate([window.documents for window in windows])

    def add(self, rows: np.ndarray, logs: Any) -> None:
        """The large model's log-probabilities of these rows."""
        import torch

        values, tokens = torch.topk(logs, self.kept, dim=-1, sorted=False)
        weight = (POWER * logs.double()).exp().scatter_(1, tokens, 0.0)
        upto = weight.cumsum(dim=-1)
        steps = torch.arange(self.drawn, device=logs.device, dtype=torch.float64)
        offset = torch.from_numpy(self.offset[rows]).to(logs.device)
        place = (steps + offset[:, None]) / self.drawn * upto[:, -1:]
        drawn = torch.searchsorted(upto, place, right=True).clamp(max=logs.shape[1] - 1)
        found = {"top_tokens": tokens, "top_logs": values, "drawn_tokens": drawn, "drawn_logs": logs.gather(1, drawn)}
        for name, array in (found | {"drawn_from": upto[:, -1]}).items():
            self.arrays[name][rows] = array.cpu().numpy()

    def close(self, said: dict[str, Said], embeddings: dict[str, np.ndarray], strange: dict[str, np.ndarray]) -> None:
        """What was said of every token, and by document the hidden states and what is out of distribution."""
        for model in (name.partition("/")[0] for name in self.arrays if name.endswith("/right")):
            for name in KINDS if model == "large" else PAIRED:
                self.arrays[f"{model}/{name}"][:] = said[model][name]
            if f"{model}/embeddings" in self.arrays:
                self.arrays[f"{model}/embeddings"][:] = embeddings[model]
            if f"{model}/strange" in self.arrays:
                self.arrays[f"{model}/strange"][:] = strange[model]
        self.arrays.clear()
        os.replace(self.partial, self.path)

    def drop(self) -> None:
        with contextlib.suppress(OSError):
            self.partial.unlink()


def sweep(path: Path) -> None:
    """Without what runs that were killed have left of the same file."""
    for old in path.parent.glob(f"{path.name}.*.partial"):
        with contextlib.suppress(OSError):
            if time.time() - old.stat().st_mtime > OLD:
                old.unlink()


def create(path: Path, head: dict[str, Any], shapes: Shapes) -> dict[str, np.ndarray]:
    """A file with a head and empty arrays behind it, which lie in memory only as far as they are used."""
    listed, at = dict[str, Any](), 0
    for name, (kind, shape) in shapes.items():
        listed[name] = [kind, list(shape), at]
        at += -(-int(np.prod(shape)) * DTYPES[kind].itemsize // ALIGNED) * ALIGNED
    text = json.dumps(head | {"arrays": listed}).encode()
    start = -(-(len(MAGIC) + 4 + len(text)) // ALIGNED) * ALIGNED
    with path.open("wb") as file:
        file.write(MAGIC + (start - len(MAGIC) - 4).to_bytes(4, "little") + text.ljust(start - len(MAGIC) - 4))
        file.truncate(start + at)
    return {
        name: np.memmap(path, kind, "r+", start + offset, tuple(shape)) if np.prod(shape) else np.empty(shape, kind)
        for name, (kind, shape, offset) in listed.items()
    }


class BaseFile:
    """A base file that is there: who said it, of which windows, and what is needed to compare others with it."""

    def __init__(self, path: Path):
        self.path = path
        self.head, self.arrays = opened(path)
        try:
            self.vocabulary = int(self.head["vocabulary"])
            self.floors = [str(name) for name in self.head["floors"]]
            self.power = float(self.head["power"])
            self.windows = self.read_windows()
            self.check()
        except (KeyError, TypeError, ValueError, IndexError, OverflowError) as error:
            raise ValueError(f"{path} is torn, or no base file of this program ({error}): write it anew") from None

    def read_windows(self) -> list[Window]:
        lengths, firsts = (self.arrays[name].astype(np.int64) for name in ("lengths", "firsts"))
        if (firsts < 1).any() or (firsts >= lengths).any() or lengths.sum() != len(self.arrays["ids"]):
            raise ValueError("its windows do not fit together")
        ids = np.split(self.arrays["ids"], lengths.cumsum()[:-1])
        documents = np.split(self.arrays["documents"], (lengths - firsts).cumsum()[:-1])
        return [
            Window(tuple(part.tolist()), int(first), tuple(own.tolist()))
            for part, first, own in zip(ids, firsts, documents, strict=True)
        ]

    def check(self) -> None:
        rows = int(starts_of(self.windows)[-1])
        for name in ("ids", "top_tokens", "drawn_tokens"):
            tokens = self.arrays[name]
            if tokens.size and (int(tokens.min()) < 0 or int(tokens.max()) >= self.vocabulary):
                raise ValueError(f"{name} holds a token beyond the vocabulary")
        for name, array in self.arrays.items():
            by_row = name.partition("/")[2] not in ("embeddings", "strange")
            if by_row and name not in ("ids", "lengths", "firsts") and len(array) != rows:
                raise ValueError(f"{name} has {len(array)} rows, the windows {rows}")
            if array.dtype.kind == "f" and not np.isfinite(array).all():
                raise ValueError(f"{name} holds numbers that are none")

    def said(self, model: str) -> dict[str, np.ndarray]:
        prefix = f"{model}/"
        return {
            name.removeprefix(prefix): np.asarray(array)
            for name, array in self.arrays.items()
            if name.startswith(prefix) and name.removeprefix(prefix) in PAIRED
        }

    def of_documents(self, model: str, what: str) -> np.ndarray | None:
        """The model's embeddings, or its log-probabilities of "strange" documents, where there are any."""
        found = self.arrays.get(f"{model}/{what}")
        return None if found is None else np.asarray(found)

    def apart(self, rows: np.ndarray, logs: Any) -> dict[str, Any]:
        """Of each row the estimates of a compressed model's KL divergence and of how much probability moved, and the
        variance of the first.

        Draws are taken at equal steps along the vocabulary; two that follow each other show how much they vary.
        """
        import torch

        def of(name: str) -> Any:
            array = torch.from_numpy(np.ascontiguousarray(self.arrays[name][rows]))
            return array.to(logs.device, torch.int64 if array.dtype != torch.float32 else torch.float64)

        large, own = of("top_logs"), logs.gather(1, of("top_tokens")).double()
        top = (large.exp() * (large - own)).sum(dim=1)
        moved = (large.exp() - own.exp()).clamp(min=0).sum(dim=1)
        left = own.exp().sum(dim=1) - large.exp().sum(dim=1)  # what the rest holds more in large than in compressed
        large, own = of("drawn_logs"), logs.gather(1, of("drawn_tokens")).double()
        times = of("drawn_from")[:, None] / (self.power * large).exp()
        near = (moved <= APART).double()
        found = (large.exp() * (large - own) + near[:, None] * (own.exp() - large.exp())) * times
        moved += ((large.exp() - own.exp()).clamp(min=0) * times).mean(dim=1)
        steps = found[:, : found.shape[1] // 2 * 2].reshape(len(found), -1, 2)
        variance = ((steps[..., 0] - steps[..., 1]) ** 2).sum(dim=1) / found.shape[1] ** 2
        return {"kl": top + near * left + found.mean(dim=1), "moved": moved, "variance": variance}


def opened(path: Path) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Head and arrays, of a file that may be anything."""
    whole = f"{path} is no base file of this program, or not all of it is there"
    size = path.stat().st_size
    with path.open("rb") as file:
        if file.read(len(MAGIC)) != MAGIC:
            raise ValueError(f"{whole}: it does not begin as one")
        length = int.from_bytes(file.read(4), "little")
        if not 0 < length <= min(LONGEST_HEAD, size):
            raise ValueError(f"{whole}: its head has {length:,} bytes")
        text = file.read(length)
    try:
        head = json.loads(text)
        start, arrays = len(MAGIC) + 4 + length, dict[str, np.ndarray]()
        for name, (kind, shape, offset) in head["arrays"].items():
            shape, dtype = tuple(map(int, shape)), DTYPES[kind]
            need = dtype.itemsize * int(np.prod(shape, dtype=object)) if shape else 0
            if min(shape, default=-1) < 0 or offset < 0 or offset % 4 or start + offset + need > size:
                raise ValueError(f"{name} ends beyond the end of the file")
            arrays[str(name)] = np.memmap(path, dtype, "r", start + offset, shape) if need else np.empty(shape, dtype)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(f"{whole}: {error}") from None
    return head, arrays
