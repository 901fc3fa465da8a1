"""What else than words may be a reason? Sentences of a text, and solved examples before a question.

A method sees a line with one mark for each unit, `u0 u1 u2`, and takes marks away as it takes words away; what is asked
is then the text, or the prompt, without those units. So every method that only asks runs over them as it is."""

import re
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any

import numpy as np

from trusteq.explain.methods import Explanation, explain, ranked, whitespace_words
from trusteq.kinds.sentences import sentence_places

UNITS = ("words", "sentences", "shots")
USUAL_K = {"words": (5, 10), "sentences": (1, 3), "shots": (1, 3)}  # there are few sentences, and fewer shots
MARK = re.compile(r"u(\d+)")
Left = tuple[Collection[int], bool]  # the units that are left, and whether what is gone leaves a gap (`...`)


def explain_units(
    method: str,
    names: Sequence[str],
    ask: Callable[[list[Left]], np.ndarray],
    target: int,
    seed: int,
    samples: int | None = None,
    features: int | None = None,
    rank: str = "absolute",
) -> Explanation:
    """The units by what they did to the probability of the class `target`, the strongest first; by default all.

    >>> def ask(lefts):
    ...     p = np.array([0.5 + 0.3 * (0 in kept) - 0.1 * (2 in kept) for kept, _ in lefts])
    ...     return np.stack([1 - p, p], axis=1)
    >>> found = explain_units("occlusion", ["It is good.", "So it is.", "Or dull?"], ask, target=1, seed=0)
    >>> [(name, round(weight, 9)) for name, weight in found]
    [('It is good.', 0.3), ('Or dull?', -0.1), ('So it is.', 0.0)]
    """
    if not names:
        return []

    def answer(lines: Any) -> np.ndarray:
        return ask([({int(mark) for mark in MARK.findall(line)}, "..." in line) for line in lines])

    line = " ".join(f"u{place}" for place in range(len(names)))
    found = explain(method, line, answer, target, seed, samples, features=len(names))
    weights = {int(mark.removeprefix("u")): weight for mark, weight in found}
    return ranked(((names[place], weights[place]) for place in sorted(weights)), features, rank)


def placed(units: str, part: str) -> Iterator[tuple[int, int, str]]:
    """The words or sentences of a text: where each begins and ends, and its name.

    >>> list(placed("sentences", "So it is.  Is it?"))
    [(0, 9, 'So it is.'), (11, 17, 'Is it?')]
    """
    for start, end in (whitespace_words if units == "words" else sentence_places)(part):
        start, end = start + len(part[start:end]) - len(part[start:end].lstrip()), start + len(part[start:end].rstrip())
        yield start, end, " ".join(part[start:end].split())
