"""Of a pair and a dimension: its figures, the one that the verdict is about, and what that is beside large and twin."""

from dataclasses import replace
from typing import Any

import numpy as np

from trusteq.dimensions.record import Dimension, Entry, Figures
from trusteq.dimensions.work import Work
from trusteq.resampling import ends
from trusteq.verdicts import Interval, judge, of_gap, of_overlap, tells

SMALLEST = 1e-4  # margin: a report counts in margins


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
    if twin is None:
        margin = options.margin_of(dimension.name, margin_alone(dimension, entry))
        divergence, (low, high) = (of_overlap if dimension.kind == "overlap" else of_gap)(value, interval)
        shares = True
    else:
        own = compressed, details
        divergence, (low, high), margin, shares = beside_twin(dimension, work, own, large, twin, options)
    judgement = judge(divergence, (low, high), margin, examples)
    because = why_open(dimension, entry, figures, examples, shares)
    if because:
        judgement = replace(judgement, verdict="inconclusive", examples_needed=None)
    entry |= {"divergence": divergence, "divergence_low": low, "divergence_high": high, "margin": margin}
    entry |= {"verdict": judgement.verdict if judged else None, "examples": examples}
    entry |= {"examples_needed": judgement.examples_needed if judged else None}
    entry |= {"open_because": because if judged else None}
    return entry | {"figures": figures, "details": details}


def why_open(dimension: Dimension, entry: Entry, figures: Figures, examples: int, shares: bool) -> str | None:
    """Why nothing can be concluded, whatever the interval says, and what to change."""
    if not tells(entry["expected"]):
        return "Chance alone would give as much, so these examples tell nothing."
    if examples < dimension.fewest:
        return f"{examples:,} {dimension.counted} are too few for a verdict, which takes at least {dimension.fewest}."
    if not shares:
        return "Large and twin may well share no more than chance gives, so the twin says nothing of how near is near."
    return dimension.hidden(figures)


def margin_alone(dimension: Dimension, entry: Entry) -> float:
    """What the divergence itself may be: of an overlap, a part of what lies between chance and a full overlap."""
    return max(SMALLEST, dimension.alone * (1 if entry["expected"] is None else 1 - entry["expected"]))


def beside_twin(
    dimension: Dimension, work: Work, own: tuple[str, Entry], large: str, twin: Entry, options: Any
) -> tuple[float, Interval, float, bool]:
    """By how much large and compressed diverge more than large and twin do, its interval, what it may be, and whether
    that is anything.

    Of an overlap the usual margin is a part of what large and twin share beyond chance. That is a figure like the
    others, so it is drawn with them: the interval is wider by what the margin scatters.
    """
    compressed, details = own
    drawn = dimension.redrawn(work, (compressed, "twin"), large, options, (details, twin["details"]))
    excess, level = drawn[0] - drawn[1], options.confidence_level
    margin = np.full(len(excess), options.margin_of(dimension.name, dimension.margin))
    shares = True
    if dimension.kind == "overlap":
        common = 1 - drawn[1] - twin["expected"]
        shares = ends(common, level)[0] > 0
        if dimension.name not in (options.margins or {}):
            margin = np.maximum(margin * common, SMALLEST)
    return float(excess[0]), ends(excess - margin + margin[0], level), float(margin[0]), shares


def key_of(figure: str, options: Any) -> str:
    return figure.format(k=options.k[0], neighbors=options.neighbors[0])
