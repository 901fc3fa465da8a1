"""Prompts packed into one row: what two prompts begin with is read once, wherever they part.

In the order of their tokens every prompt begins as the one before it, up to some token. From there on its own tokens
are laid behind those of all others; a mask lets each of them see what stands before it in its prompt alone, and its
position is its place there. The last prompt of a row is kept, and the next row goes on from it. Nothing is padded or
copied."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from trusteq.models.beginnings import is_plain, shared

PAIRS = 2400  # tokens that one looks back at in the time that reading another takes: of a model 576 wide, on one core
CLOSE = 1e-3  # log-probabilities of a prompt that is read alone and in a row, as far as rounding goes


class Row:
    """The prompt that was read last: its tokens, and what the model keeps of them."""

    def __init__(self) -> None:
        self.tokens: list[int] = []
        self.kept: Any = None

    def lay(self, prompts: Sequence[list[int]]) -> tuple[list[int], list[int], np.ndarray, list[int], list[int]]:
        """New tokens, their positions, what each may see (kept tokens first), where prompts end, and the last one's
        places.

        >>> row = Row()
        >>> ids, positions, seen, ends, last = row.lay([[5, 6, 7], [5, 8]])
        >>> ids, positions, ends, last
        ([5, 6, 7, 8], [0, 1, 2, 1], [2, 3], [0, 3])
        >>> seen.astype(int).tolist()
        [[1, 0, 0, 0], [1, 1, 0, 0], [1, 1, 1, 0], [1, 0, 0, 1]]
        """
        past, before, places = len(self.tokens), self.tokens, list(range(len(self.tokens)))
        count = sum(new_tokens([before, *prompts]))
        seen = np.zeros((count, past + count), dtype=bool)
        ids, positions, ends = list[int](), list[int](), list[int]()
        for prompt in prompts:
            common = min(shared(before, prompt), len(prompt) - 1)
            own = range(len(ids), len(ids) + len(prompt) - common)
            seen[own.start : own.stop, places[:common]] = True
            seen[own.start : own.stop, past + own.start : past + own.stop] = np.tri(len(own), dtype=bool)
            places = [*places[:common], *range(past + own.start, past + own.stop)]
            ids += prompt[common:]
            positions += range(common, len(prompt))
            ends.append(own.stop - 1)
            before = prompt
        return ids, positions, seen, ends, places

    def keep(self, tokens: list[int], kept: Any, places: list[int]) -> bool:
        """Keep the prompt that lies at these places; False if what the model keeps does not lie side by side."""
        if not is_plain(kept):
            return False
        for layer in kept.layers:
            layer.keys, layer.values = layer.keys[:, :, places], layer.values[:, :, places]
        self.tokens, self.kept = tokens, kept
        return True


def new_tokens(prompts: Sequence[list[int]]) -> list[int]:
    """How many tokens of each prompt but the first are read behind the one before it."""
    return [len(own) - min(shared(before, own), len(own) - 1) for before, own in pairwise(prompts)]


def packed(prompts: Sequence[list[int]], start: int) -> tuple[list[np.ndarray], float]:
    """Which prompts are read in one row, in which order, and how many tokens that is as good as.

    Beginning a row takes the time of `start` tokens, and looking back in it the more the longer it is.

    >>> rows, cost = packed([[1, 2, 3, 4], [1, 2, 5], [1, 2, 3, 6]], start=24)
    >>> [row.tolist() for row in rows], round(cost)
    ([[0, 2, 1]], 30)
    """
    order = np.array(sorted(range(len(prompts)), key=prompts.__getitem__), dtype=int)
    new = np.array(new_tokens([[], *(prompts[i] for i in order)]))
    most = max(1, int(np.sqrt(start * PAIRS)))
    rows, cost = list[np.ndarray](), 0.0
    at, past = 0, 0
    while at < len(order):
        upto = min(len(order), at + 1 + int(np.searchsorted(new[at:].cumsum(), most)))
        count = int(new[at:upto].sum())
        cost += start + count * (1 + (past + count) / PAIRS)
        rows.append(order[at:upto])
        at, past = upto, len(prompts[order[upto - 1]])
    return rows, cost
