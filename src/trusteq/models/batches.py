"""How are questions dealt out to batches? Texts of like length go together, so that little is padding.

Images have batches of their own in images.py; those of gradients are in explain/gradients.py."""

from collections.abc import Callable, Iterator

import numpy as np

TOKENS = {"cpu": 1024, "cuda": 32_768}  # of a batch, padding included: measured best on two cores; a GPU wants far more
START = {"cpu": 24, "cuda": 4096}  # tokens that a model reads in the time that beginning a batch takes
OF_SMALL, MOST_START = 2e7, 256  # on a CPU a small model reads more: so many by the weights of a linear layer, at most


def start_of(device: str, weights: float) -> int:
    """`START`, for a model whose linear layers have so many weights on average.

    >>> [start_of("cpu", weights) for weights in (29_000, 295_000, 1_200_000)]
    [256, 68, 24]
    """
    usual = START.get(device, START["cpu"])
    return usual if device != "cpu" else round(min(MOST_START, max(usual, OF_SMALL / max(1.0, weights))))


def batches(lengths: np.ndarray, tokens: Callable[[], int], start: int) -> Iterator[np.ndarray]:
    """Indices in batches of like length, longest first, each with at most `tokens()` tokens, padding included.

    >>> [batch.tolist() for batch in batches(np.array([3, 9, 3, 4]), lambda: 12, start=4)]
    [[1], [3, 0, 2]]
    """
    order = np.argsort(-lengths, kind="stable")
    for stretch in np.split(order, cuts(lengths[order], tokens(), start)):
        at = 0
        while at < len(stretch):
            count = max(1, tokens() // max(1, int(lengths[stretch[at]])))
            yield stretch[at : at + count]
            at += count


def cuts(lengths: np.ndarray, tokens: int, start: int) -> np.ndarray:
    """Where to part falling lengths so that the padding and `start` tokens for every batch together are fewest.

    >>> cuts(np.array([9, 9, 8, 2, 2, 2]), tokens=100, start=4)
    array([3])
    """
    edges = np.flatnonzero(np.diff(lengths, prepend=lengths[0] + 1, append=-1))  # texts of one length stay together
    cost = np.full(len(edges), np.inf)  # of all texts before each edge
    cost[0] = 0
    came_from = np.zeros(len(edges), dtype=int)
    for i, edge in enumerate(edges[:-1]):
        count, longest = edges[i + 1 :] - edge, max(1, int(lengths[edge]))
        total = cost[i] + count * longest + start * np.ceil(count / max(1, tokens // longest))
        came_from[i + 1 :][total < cost[i + 1 :]] = i
        cost[i + 1 :] = np.minimum(total, cost[i + 1 :])
    found = [int(came_from[-1])]
    while found[-1] > 0:
        found.append(int(came_from[found[-1]]))
    return edges[found[-2::-1]]


def is_out_of_memory(error: BaseException) -> bool:
    return "out of memory" in str(error).lower() or "can't allocate memory" in str(error)
