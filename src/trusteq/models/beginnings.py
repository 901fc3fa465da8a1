"""Prompts that begin alike: the beginning is read once and kept, and each prompt's own end is read behind it.

System messages, solved examples and the unchanged start of a perturbed text are such beginnings. What counts are
tokens, and prompts are tokenized whole: a beginning may be cut otherwise when it stands alone. Nothing is kept beyond
one pass over the prompts, since the model may be in the middle of its training."""

import copy
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from trusteq.models.batches import batches

Read = Callable[..., Any]  # (tokens, attention mask, what is kept) -> the model's output
AHEAD = 64  # prompts of a batch that shares a beginning, at most


class Beginnings:
    """What is kept of the prompts read last: tokens, and what the model made of them."""

    def __init__(self) -> None:
        self.tokens: list[int] = []
        self.kept: Any = None
        self.many = self.everywhere = 0  # prompts of this pass, and how many tokens all of them begin with
        self.possible = True  # until the model turns out to keep nothing, or not all

    def begin(self, prompts: Sequence[list[int]]) -> None:
        """These prompts are to come: what all of them begin with is worth reading even for the first one alone."""
        self.forget()
        self.many, self.everywhere = len(prompts), common_tokens(prompts)

    def forget(self) -> None:
        self.tokens, self.kept = [], None
        self.many = self.everywhere = 0

    def of(self, prompts: Sequence[list[int]], read: Read, start: int) -> tuple[int, Any]:
        """How many tokens these prompts need not read, and what the model keeps of those, a row for each."""
        common = common_tokens(prompts)
        known = shared(self.tokens, prompts[0][:common]) if self.kept is not None else 0
        count = known
        if (self.many - 1) * (min(self.everywhere, common) - count) > start:
            count = min(self.everywhere, common)
        if (len(prompts) - 1) * (common - count) > start:
            count = common
        if not self.possible or count * len(prompts) <= start:
            return 0, None
        if not known:
            self.kept = None
        elif len(self.tokens) > known:
            self.kept.crop(known - len(self.tokens))
        self.tokens = self.tokens[:known]
        if count > known:
            kept, self.kept = self.kept, None  # where reading breaks off, what is kept is torn
            kept = read([prompts[0][known:count]], known, kept)
            self.possible = is_plain(kept)
            if not self.possible:
                self.forget()
                return 0, None
            self.tokens, self.kept = prompts[0][:count], kept
        rows = copy.deepcopy(self.kept)
        rows.batch_repeat_interleave(len(prompts))
        return count, rows


def is_plain(kept: Any) -> bool:
    """Whether all that is kept of the tokens lies side by side, so that it can be cut anywhere: no sliding windows."""
    from transformers.cache_utils import DynamicLayer

    layers: Any = getattr(kept, "layers", None)
    return bool(layers) and all(type(layer) is DynamicLayer for layer in layers)


def common_tokens(prompts: Sequence[list[int]]) -> int:
    """How many tokens all begin with, of which none is the last of any.

    >>> common_tokens([[1, 2, 3, 4], [1, 2, 3, 5], [1, 2, 3]])
    2
    """
    first, last = min(prompts), max(prompts)
    return min(shared(first, last), min(map(len, prompts)) - 1)


def shared(one: Sequence[int], other: Sequence[int]) -> int:
    """
    >>> shared([1, 2, 3], [1, 2, 4, 5])
    2
    """
    count = 0
    for a, b in zip(one, other, strict=False):
        if a != b:
            break
        count += 1
    return count


def dealt(
    prompts: Sequence[list[int]], behind: np.ndarray, tokens: Callable[[], int], start: int
) -> Iterator[np.ndarray]:
    """Batches of prompts that begin alike, or of like length, whichever leaves less to read.

    `behind` is how many tokens are read behind each prompt, beside what is kept of it.
    """
    lengths = np.array([len(prompt) for prompt in prompts]) + behind
    order = np.array(sorted(range(len(prompts)), key=prompts.__getitem__), dtype=int)
    alike = np.array([0, *(shared(prompts[a], prompts[b]) for a, b in pairwise(order))], dtype=int)
    everywhere = int(alike[1:].min()) if len(order) > 1 else 0
    by_length = list(batches(lengths, tokens, start))
    usual = sum(len(batch) * (int(lengths[batch].max()) - everywhere) + start for batch in by_length)
    plan, cost = in_order(lengths[order], alike, tokens(), start)
    if cost >= usual:
        yield from batches(lengths, tokens, start)  # asked anew: a batch may turn out to be too large
        return
    for one in plan:
        yield order[one]


def in_order(lengths: np.ndarray, alike: np.ndarray, tokens: int, start: int) -> tuple[list[slice], float]:
    """Where to part prompts in the order of their tokens so that least is read, and how much that is.

    `alike` is how many tokens each shares with the one before. A batch reads its common beginning once, as far as the
    batch before has not read it, and of every prompt the rest, as long as the longest.
    """
    count = len(lengths)
    cost, came_from = np.full(count + 1, np.inf), np.zeros(count + 1, dtype=int)
    cost[0] = 0
    size, same = lengths.tolist(), alike.tolist()
    for i in range(count):
        longest, common = 0, size[i] - 1
        for j in range(i, min(count, i + AHEAD)):
            longest = max(longest, size[j])
            common = min(common, same[j] if j > i else common, size[j] - 1)
            rest = (j + 1 - i) * (longest - common)
            if j > i and (j + 1 - i) * longest > tokens:  # what is kept counts as well
                break
            total = cost[i] + rest + max(0, common - same[i]) + start
            if total < cost[j + 1]:
                cost[j + 1], came_from[j + 1] = total, i
    plan, end = [], count
    while end:
        plan.append(slice(int(came_from[end]), end))
        end = int(came_from[end])
    return plan[::-1], float(cost[count])
