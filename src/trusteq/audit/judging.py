"""Of a pair and a dimension: its figures, the one that the verdict is about, and what that is beside large and twin."""

from dataclasses import replace
from typing import Any

import numpy as np

from trusteq.dimensions.record import Dimension, Entry
from trusteq.dimensions.work import Work
from trusteq.verdicts import DIVERGENCES, Interval, apart, joint_level, judge, of_gap, of_overlap, paired, tells

LEAST_MARGIN = 0.01  # of an overlap


def entry_of(
    dimension: Dimension, work: Work, compressed: str, large: str, options: Any, twin: Entry | None, judged: bool
) -> Entry:
    """One dimension of one pair: figures, headline, floor, divergence or excess, and the verdict."""
    if twin is not None and not tells(twin["expected"]):
        twin = None  # large and twin overlap fully by chance, without a mistake between them, say: that is no floor
    figures = dimension.measure(work, compressed, large, options, options.confidence_level)
    details = figures.pop("details")
    key = key_of(dimension.headline, options)
    value, interval = figures[key], (figures[f"{key}_low"], figures[f"{key}_high"])
    entry: Entry = {"status": "done", "reason": None, "headline": key, "kind": dimension.kind}
    entry |= {"value": value, "low": interval[0], "high": interval[1]}
    for what, source in (("expected", dimension.expected), ("most", dimension.most)):
        entry[what] = figures[key_of(source, options)] if source else None
    for end, place in (("", "value"), ("_low", "low"), ("_high", "high")):
        entry[f"floor{end}"] = twin[place] if twin else None
    examples = dimension.count(work, figures)
    usual = margin_alone(dimension, entry) if twin is None else margin_beside(dimension, twin)
    margin = options.margin_of(dimension.name, usual)
    if twin is None:
        divergence, ends = (of_overlap if dimension.kind == "overlap" else of_gap)(value, interval)
    else:
        divergence, ends = excess_over_twin(dimension, work, (compressed, details), (large, twin["details"]), options)
    judgement = judge(divergence, ends, margin, examples)
    if not tells(entry["expected"]):
        judgement = replace(judgement, verdict="inconclusive", examples_needed=None)
    entry |= {"divergence": divergence, "divergence_low": ends[0], "divergence_high": ends[1], "margin": margin}
    entry |= {"verdict": judgement.verdict if judged else None, "examples": examples}
    entry |= {"examples_needed": judgement.examples_needed if judged else None}
    return entry | {"figures": figures, "details": details}


def margin_alone(dimension: Dimension, entry: Entry) -> float:
    """What the divergence itself may be: of an overlap, a part of what lies between chance and a full overlap."""
    return max(LEAST_MARGIN, dimension.alone * (1 if entry["expected"] is None else 1 - entry["expected"]))


def margin_beside(dimension: Dimension, twin: Entry) -> float:
    """What the excess over the twin may be. An overlap of large and twin that is hardly above chance leaves no room for
    a margin of a fixed size: whatever shares nothing at all would lie within it."""
    if dimension.kind == "gap":
        return dimension.margin
    return max(LEAST_MARGIN, dimension.margin * (twin["value"] - twin["expected"]))


def excess_over_twin(
    dimension: Dimension, work: Work, own: tuple[str, Entry], twins: tuple[str, Entry], options: Any
) -> tuple[float, Interval]:
    """By how much large and compressed diverge more than large and twin do; `own` and `twins` are the models' names
    (compressed, large) with the details of that pair and of large and twin."""
    (compressed, details), (large, twin_details) = own, twins
    level = options.confidence_level
    if dimension.sums is None:
        key = key_of(dimension.headline, options)
        sides = []
        for other in (compressed, "twin"):
            figures = dimension.measure(work, other, large, options, joint_level(level))
            turn = of_overlap if dimension.kind == "overlap" else of_gap
            sides.append(turn(figures[key], (figures[f"{key}_low"], figures[f"{key}_high"])))
        return apart(*sides)
    examples, rows = dimension.sums(work, compressed, large, options, details)
    twin_examples, twin_rows = dimension.sums(work, "twin", large, options, twin_details)
    _, here, there = np.intersect1d(examples, twin_examples, assume_unique=True, return_indices=True)
    both = np.concatenate([rows[here], twin_rows[there]], axis=1)
    figure, alike, unlike = DIVERGENCES[dimension.kind]

    def excess(sums: np.ndarray) -> np.ndarray:
        return figure(sums[..., : len(alike)]) - figure(sums[..., len(alike) :])

    unsure = np.array([[*alike, *unlike], [*unlike, *alike]], dtype=np.float64)
    return paired(both, unsure, excess, level, options.seed)


def key_of(figure: str, options: Any) -> str:
    return figure.format(k=options.k[0], neighbors=options.neighbors[0])
