"""What llama-perplexity wrote with --kl-divergence-base: every row of log-probabilities, in 16 bits a number.

Little-endian: `_logits_`, the tokens of a window, the vocabulary, the number of windows, all tokens; then for every
token that is predicted a row of 16-bit numbers u. Its first four hold two floats, scale and least, and the rest are
log p = scale * u + least. llama.cpp lays logits that are more than 16 below the top one on that floor, and leaves out
of its divergence what lies at or below a log-probability of -16. So do we, to print the same figures."""

import os
from pathlib import Path
from typing import Any

import numpy as np

from trusteq.models.next_token import Window, windows_of_stretches

MAGIC = b"_logits_"
FLOOR = -16.0
MOST = 2**24  # tokens of a window, and words of a vocabulary, that anybody could mean


def is_base(place: str | os.PathLike[str]) -> bool:
    """Whether a file begins as llama.cpp's do."""
    try:
        with open(place, "rb") as file:
            return file.read(len(MAGIC)) == MAGIC
    except OSError:
        return False


class LlamaBase:
    """A file of llama.cpp's, of which no more is read than is asked for."""

    def __init__(self, path: str | os.PathLike[str]):
        self.path = Path(path)
        size = self.path.stat().st_size
        with self.path.open("rb") as file:
            head = file.read(20)
            if head[:8] != MAGIC or len(head) < 20:
                raise ValueError(f"{path} is no base file of llama-perplexity: it does not begin with {MAGIC.decode()}")
            length, vocabulary, count = (int.from_bytes(head[i : i + 4], "little", signed=True) for i in (8, 12, 16))
            if not (2 <= length <= MOST and 1 <= vocabulary <= MOST and count >= 1):
                sizes = f"{count:,} windows of {length:,} tokens of a vocabulary of {vocabulary:,}"
                raise ValueError(f"{path} is torn: its head tells of {sizes}")
            self.length, self.vocabulary = length, vocabulary
            rows = length - 1 - length // 2
            wide, begins = 2 * ((vocabulary + 1) // 2) + 4, 20 + 4 * length * count
            needs = begins + 2 * wide * rows * count
            if size != needs:
                raise ValueError(f"{path} is torn, or still being written: it has {size:,} bytes of {needs:,}")
            if not rows:
                raise ValueError(f"{path} has windows of {length} tokens, of which none is predicted")
            tokens = np.frombuffer(file.read(begins - 20), "<i4")
        if tokens.min() < 0 or tokens.max() >= vocabulary:
            raise ValueError(f"{path} is torn: it holds a token beyond its vocabulary of {vocabulary:,}")
        self.tokens, self.wide = tokens, wide
        self.rows = np.memmap(self.path, "<u2", "r", begins, (rows * count, wide))

    def windows(self, begin: int | None = None) -> list[Window]:
        """Every window by itself, as where the documents end the file does not say. `begin`, if the model has one, is
        what llama.cpp puts in a window's first place; the file holds the text's own token there."""
        places = np.repeat(np.arange(len(self.tokens) // self.length), self.length)
        return windows_of_stretches(self.tokens.tolist(), places.tolist(), self.length, begin)

    def logs(self, rows: np.ndarray) -> Any:
        """The log-probabilities of these rows, in float32."""
        import torch

        held = self.rows[rows]
        ends = np.ascontiguousarray(held[:, :4]).view("<f4")
        if not np.isfinite(ends).all() or (ends[:, 0] < 0).any() or (ends[:, 1] > 0).any():
            raise ValueError(f"{self.path} is torn: it holds a row of numbers that are no log-probabilities")
        logs = held[:, 4 : 4 + self.vocabulary].astype(np.float32)
        logs *= ends[:, :1]
        logs += ends[:, 1:]
        return torch.from_numpy(logs)
