"""Attacks on what a question is, rather than on its words: its options in another order, its prompt said otherwise, or
a sentence beside it that has nothing to do with it. The first that makes the model change its mind is the one."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice, permutations
from math import factorial
from typing import Any

import numpy as np

from trusteq.attack.outcomes import Outcome, Program, Questions, outcome
from trusteq.kinds.text import Text, options_of

ORDERS = 120  # of options, at most: all of five; of more, so many drawn by seed
BESIDE = (
    "The weather was mild that day.",
    "Somebody in the next room was laughing.",
    "The train to the coast leaves at nine.",
    "Many people disagree about this.",
    "This sentence has nothing to do with the rest.",
)


@dataclass(frozen=True)
class Variant:
    """What is asked instead of a text, and how many words differ."""

    text: Text
    changed: int
    label: int  # its gold class: where options move, the right one may move too
    wording: str | None = None  # the prompt that it is asked with, where that is another


Variants = Callable[[Text, int, np.random.Generator], list[Variant]]


def other_orders(text: Text, label: int, rng: np.random.Generator) -> list[Variant]:
    """A question with its wrong options in every other order; the right one keeps its place, and so its letter.

    >>> rng = np.random.default_rng(0)
    >>> [one.text for one in other_orders(("What purrs?", "a dog\\na cat\\na cow"), 1, rng)]
    [('What purrs?', 'a cow\\na cat\\na dog')]
    """
    options = [] if isinstance(text, str) else options_of(text)
    wrong = [place for place in range(len(options)) if place != label]
    orders = [[*order[:label], label, *order[label:]] for order in drawn_orders(wrong, rng)]
    return [reordered(text, options, order, label) for order in orders]


def all_orders(text: Text, label: int, rng: np.random.Generator) -> list[Variant]:
    """A question with all its options in every other order: the right answer is then another letter.

    >>> found = all_orders(("What purrs?", "a dog\\na cat"), 1, np.random.default_rng(0))
    >>> [(one.text[1], one.label) for one in found]
    [('a cat\\na dog', 0)]
    """
    options = [] if isinstance(text, str) else options_of(text)
    return [reordered(text, options, order, label) for order in drawn_orders(range(len(options)), rng)]


def drawn_orders(places: Sequence[int], rng: np.random.Generator) -> list[list[int]]:
    """Every other order of these places, or of more than fit some of them, without repeats.

    >>> drawn_orders([3, 5], np.random.default_rng(0)), len(drawn_orders(range(9), np.random.default_rng(0)))
    ([[5, 3]], 119)
    """
    if factorial(len(places)) <= ORDERS:
        return [list(order) for order in islice(permutations(places), 1, None)]
    found: dict[tuple[int, ...], None] = {}
    while len(found) < ORDERS - 1:
        order = tuple(rng.permutation(np.array(places)).tolist())
        if order != tuple(places):
            found[order] = None
    return [list(order) for order in found]


def reordered(text: Text, options: Sequence[str], order: Sequence[int], label: int) -> Variant:
    moved = sum(place != i for i, place in enumerate(order))
    return Variant((text[0], "\n".join(options[place] for place in order)), moved, order.index(label))


def distracted(
    text: Text, label: int, rng: np.random.Generator, field: int, sentences: Sequence[str] = BESIDE
) -> list[Variant]:
    """The text with one of some sentences behind or before it; of many sentences a few are drawn."""
    own = text if isinstance(text, str) else text[field]
    if len(sentences) > len(BESIDE):
        sentences = [sentences[i] for i in rng.permutation(len(sentences))[: len(BESIDE)]]
    found: list[Variant] = []
    for sentence in sentences:
        for part in (f"{own.rstrip()} {sentence}", f"{sentence} {own.lstrip()}"):
            other: Text = part
            if not isinstance(text, str):
                other = (part, text[1]) if field == 0 else (text[0], part)
            found.append(Variant(other, len(sentence.split()), label))
    return found


def reworded(text: Text, label: int, rng: np.random.Generator, prompt: str, wordings: Sequence[str]) -> list[Variant]:
    """The text as it is, under a prompt that is said otherwise; what differs are words of the prompt.

    >>> [one.changed for one in reworded("dull", 0, np.random.default_rng(0), "Film: {text}", ["About: {text} So?"])]
    [3]
    """
    words = Counter(prompt.split())
    found = []
    for wording in wordings:
        others = Counter(wording.split())
        found.append(Variant(text, (words - others).total() + (others - words).total(), label, wording))
    return found


WHOLE = ("options", "reordered", "distraction", "wording")


def whole_program(
    name: str,
    field: int,
    max_queries: int | None,
    sentences: Sequence[str] | None = None,
    prompt: str = "",
    wordings: Sequence[str] = (),
) -> Program:
    variants: dict[str, Variants] = {
        "options": other_orders,
        "reordered": all_orders,
        "distraction": partial(distracted, field=field, sentences=sentences or BESIDE),
        "wording": partial(reworded, prompt=prompt, wordings=wordings),
    }
    return Program(partial(first_that_breaks, variants=variants[name], max_queries=max_queries))


def first_that_breaks(
    ask: Questions,
    text: Text,
    label: int,
    rng: np.random.Generator,
    variants: Variants,
    max_queries: int | None,
) -> Outcome:
    ask.most = max_queries
    clean = ask([text])[0]
    if clean.argmax() != label:
        return outcome(text, label, clean, ask.count)
    some = variants(text, label, rng)
    rows: Any = ask.each([(ask.model_under(one.wording), one.text) for one in some]) if some else ()
    for one, row in zip(some, rows, strict=False):
        if row.argmax() != one.label:
            found = one.text, row, one.changed
            ended = outcome(text, label, clean, ask.count, found)
            return replace(ended, wording=one.wording, adversarial_label=one.label if one.label != label else None)
    return outcome(text, label, clean, ask.count, changeable=bool(some))
