"""What is known of a way to differ? One record: what it asks, what it needs, how a pair is measured, and its words."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from trusteq.arrays import as_rows
from trusteq.groups import count_of, take_with_groups
from trusteq.options import Options, read_options, with_signature
from trusteq.resampling import Columns, of_sums
from trusteq.rows import Rows

Figures = dict[str, Any]
Entry = dict[str, Any]  # one dimension of one pair, as the audit has it
Redrawn = Callable[[Any, Sequence[str], str, Any], np.ndarray]


@dataclass(frozen=True, kw_only=True)
class Dimension:
    """A way to differ. Every file of this folder that defines one as `DIMENSION` is part of the audit.

    Of a pair of models `measure` takes `(work, compressed, large, options, level)`: what all models said, the two by
    name, and the audit's options. `redrawn` takes `(work, others, large, options)` and gives the divergences of the
    others from `large` as `resampling` has them: a row each.
    """

    name: str
    place: int  # in the audit's order
    question: str
    asks: str  # what is measured, for somebody who has never heard of it

    # The figures, from what is given.
    options: type[Options]
    inputs: tuple[str, ...] = ("predictions", "references", "large_predictions")
    compute: Callable[[Rows, Any], Figures]
    read: Callable[[str, Any], np.ndarray] = as_rows  # an argument as an array
    plot: Callable[..., Any]

    # The figure that the verdict is about.
    headline: str  # {k} and {neighbors} stand for the first of each
    kind: str  # "overlap": 1 is alike; "gap": 0 is alike
    expected: str | None = None  # the figure that says what chance gives
    most: str | None = None  # the figure that says what is possible
    words: Mapping[str, str]  # of its figures, those that a report names
    direction: tuple[str, str] = (
        "shared",
        "shared",
    )  # what it is to be above, and below, no gap; of an overlap, what it is
    told: Callable[[Figures, Entry, str, str], str]  # what was found, without a full stop: (figures, entry, both names)

    # In an audit.
    needs: str = "answers"  # what is asked of every model: answers, embeddings, ood, explanations or attacks
    least: Callable[[Any], int] = lambda options: 2  # examples that it needs
    counted: str = "examples"  # what more of would settle it
    count: Callable[[Any, Figures], int] = lambda work, figures: len(work.gold)
    fewest: int = 50  # of them that a verdict takes: with fewer, intervals hold the truth too rarely
    fewest_groups: int = 10  # where examples belong together: with two, intervals hold the truth in 86 % (coverage.md)
    margin: float  # of the excess over the twin: of an overlap, as a part of what twin and large share beyond chance
    alone: float  # of the divergence itself, where there is no twin: of an overlap, as a part of what chance leaves
    aside: str = ""  # what a sentence about the excess adds, where it is not the difference of the figures shown
    briefly: Callable[[Figures], tuple[str, str] | None] = lambda figures: None  # of both, where the gap would mislead
    hidden: Callable[[Figures], str | None] = lambda figures: None  # why the figures cannot show a difference
    settings: Callable[[Any], dict[str, Any]] = lambda options: {}  # its own options, from the audit's
    measure: Callable[..., Figures]  # (work, compressed, large, options, level) -> figures, with details
    redrawn: Redrawn  # the divergences of several models from large, drawn anew for all at once

    def of(self, **given: Any) -> Figures:
        """The figures from arguments, options, and `groups`: what belongs together.

        >>> from trusteq.dimensions.prediction_error_jaccard import DIMENSION
        >>> DIMENSION.of(predictions=[0, 1], references=[0, 0], large_predictions=[1, 1])["jaccard"]
        0.5
        """
        inputs = {name: given.pop(name, None) for name in self.inputs}
        groups = given.pop("groups", None)
        options = read_options(self.options, given)
        arrays = take_with_groups(inputs, groups, self.read)
        rows = Rows(lambda: iter([arrays]))
        return with_signature(self.name, self.compute(rows, options), options, count_of(rows.groups))


def common(options: Any, level: float) -> dict[str, Any]:
    """The options that every dimension takes."""
    return {"confidence_level": level, "seed": options.seed, "details": True}


def redrawn_from(sums: Callable[..., Columns], kind: str) -> Redrawn:
    """Of a divergence that is made of sums over examples: `sums(work, other, large, options)`."""

    def redrawn(work: Any, others: Sequence[str], large: str, options: Any) -> np.ndarray:
        return of_sums(kind, [sums(work, other, large, options) for other in others], options.seed, work.groups)

    return redrawn


def gaps_from(
    work: Any, dimension: str, figure: Callable[[str], np.ndarray], others: Sequence[str], large: str
) -> np.ndarray:
    """Of a divergence that is the size of a gap of a figure of single models, each drawn once in an audit."""
    for name in (*others, large):
        if (dimension, name) not in work.drawn:
            work.drawn[dimension, name] = figure(name)
    return np.abs(np.stack([work.drawn[dimension, name] for name in others]) - work.drawn[dimension, large])


def measured(dimension: Dimension, work: Any, compressed: str, large: str, options: Any) -> Figures:
    """A pair's figures and details, measured once in an audit."""
    key = dimension.name, compressed, large
    if key not in work.measured:
        work.measured[key] = dimension.measure(work, compressed, large, options, options.confidence_level)
    return work.measured[key]


def as_columns(examples: Any, *columns: Any) -> Columns:
    return np.asarray(examples), np.stack([np.asarray(column, dtype=np.float64) for column in columns], axis=1)
