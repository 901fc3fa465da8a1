"""Six ways to differ: of each the figures of a pair from its metric, the one figure that the verdict is about, and what
that figure is beside large and twin."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from .verdicts import Interval, apart, joint_level, judge, of_gap, of_overlap, paired, ratio, tells
from .work import Work

ORDER = (
    "prediction_error_jaccard",
    "calibration_gap",
    "representation_overlap",
    "ood_divergence",
    "attribution_alignment",
    "attack_divergence",
)
Entry = dict[str, Any]

LEAST_MARGIN = 0.01  # of an overlap
Columns = tuple[np.ndarray, np.ndarray]  # which examples, and a row of numbers for each


@dataclass(frozen=True)
class Dimension:
    """What the audit needs to know of a metric beside its folder."""

    headline: str  # the figure that the verdict is about; {k} stands for the first K
    kind: str  # "overlap": 1 is alike; "gap": 0 is alike
    expected: str | None  # the figure that says what chance gives
    most: str | None  # the figure that says what is possible
    least: int  # examples that it needs
    margin: float  # of the excess over the twin: of an overlap, as a part of what twin and large share beyond chance
    alone: float  # of the divergence itself, where there is no twin: of an overlap, as a part of what chance leaves
    measure: Callable[..., Entry]  # (metric, work, small, large, options, level) -> figures, with details
    columns: Callable[..., Columns] | None  # what a pair's sums are made of, for the paired excess


def entry_of(
    name: str, metric: Any, work: Work, small: str, large: str, options: Any, twin: Entry | None, judged: bool
) -> Entry:
    """One dimension of one pair: figures, headline, floor, divergence or excess, and the verdict."""
    dimension = DIMENSIONS[name]
    if twin is not None and not tells(twin["expected"]):
        twin = None  # large and twin overlap fully by chance, without a mistake between them, say: that is no floor
    figures = dimension.measure(metric, work, small, large, options, options.confidence_level)
    details = figures.pop("details")
    key = key_of(dimension.headline, options)
    value, interval = figures[key], (figures[f"{key}_low"], figures[f"{key}_high"])
    entry: Entry = {"status": "done", "reason": None, "headline": key, "kind": dimension.kind}
    entry |= {"value": value, "low": interval[0], "high": interval[1]}
    for what, source in (("expected", dimension.expected), ("most", dimension.most)):
        entry[what] = figures[key_of(source, options)] if source else None
    for end, place in (("", "value"), ("_low", "low"), ("_high", "high")):
        entry[f"floor{end}"] = twin[place] if twin else None
    examples = count_of(name, work, figures)
    margin = options.margin_of(name, margin_alone(dimension, entry) if twin is None else margin_beside(dimension, twin))
    if twin is None:
        divergence, ends = (of_overlap if dimension.kind == "overlap" else of_gap)(value, interval)
    else:
        divergence, ends = excess_over_twin(name, metric, work, (small, details), (large, twin["details"]), options)
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
    name: str, metric: Any, work: Work, own: tuple[str, Entry], twins: tuple[str, Entry], options: Any
) -> tuple[float, Interval]:
    """By how much large and compressed diverge more than large and twin do; `own` and `twins` are the models' names
    (compressed, large) with the details of that pair and of large and twin."""
    dimension = DIMENSIONS[name]
    (small, details), (large, twin_details) = own, twins
    level = options.confidence_level
    if dimension.columns is None:
        key = key_of(dimension.headline, options)
        sides = []
        for other in (small, "twin"):
            figures = dimension.measure(metric, work, other, large, options, joint_level(level))
            turn = of_overlap if dimension.kind == "overlap" else of_gap
            sides.append(turn(figures[key], (figures[f"{key}_low"], figures[f"{key}_high"])))
        return apart(*sides)
    examples, rows = dimension.columns(work, details, small, large, options)
    twin_examples, twin_rows = dimension.columns(work, twin_details, "twin", large, options)
    _, here, there = np.intersect1d(examples, twin_examples, assume_unique=True, return_indices=True)
    both = np.concatenate([rows[here], twin_rows[there]], axis=1)
    figure, alike, unlike = FIGURES[dimension.kind]

    def excess(sums: np.ndarray) -> np.ndarray:
        return figure(sums[..., : len(alike)]) - figure(sums[..., len(alike) :])

    unsure = np.array([[*alike, *unlike], [*unlike, *alike]], dtype=np.float64)
    return paired(both, unsure, excess, level, options.seed)


def key_of(figure: str, options: Any) -> str:
    return figure.format(k=options.k[0], neighbors=options.neighbors[0])


def missing_overlap(sums: np.ndarray) -> np.ndarray:
    """1 - shared / either."""
    return 1 - ratio(sums[..., 0], sums[..., 1], empty=1.0)


def size_of_gap(sums: np.ndarray) -> np.ndarray:
    """|part / whole - large part / large whole|."""
    return np.abs(ratio(sums[..., 0], sums[..., 1], empty=0.0) - ratio(sums[..., 2], sums[..., 3], empty=0.0))


# By kind: the divergence from a pair's sums, and an example that is wholly alike and one that is not.
FIGURES: dict[str, tuple[Callable[[np.ndarray], np.ndarray], tuple[int, ...], tuple[int, ...]]] = {
    "overlap": (missing_overlap, (1, 1), (0, 1)),
    "gap": (size_of_gap, (0, 1, 0, 1), (1, 1, 0, 1)),
}


def count_of(name: str, work: Work, figures: Entry) -> int:
    if name == "attribution_alignment":
        return int(figures["examples_used"])
    if name == "attack_divergence":
        return len(work.attacked)
    return len(work.gold) + (len(next(iter(work.ood.values()))) if name == "ood_divergence" else 0)


# Each dimension's figures of a pair, from work that is done.


def errors(metric: Any, work: Work, small: str, large: str, options: Any, level: float) -> Entry:
    return metric.compute(
        predictions=work.probabilities[small],
        references=work.gold,
        large_predictions=work.probabilities[large],
        **common(options, level),
    )


def calibration(metric: Any, work: Work, small: str, large: str, options: Any, level: float) -> Entry:
    return metric.compute(
        predictions=work.probabilities[small],
        references=work.gold,
        large_predictions=work.probabilities[large],
        n_bins=options.n_bins,
        binning=options.binning,
        **common(options, level),
    )


def representation(metric: Any, work: Work, small: str, large: str, options: Any, level: float) -> Entry:
    queries = min(options.queries, len(work.gold))
    return metric.compute(
        predictions=work.embeddings[small],
        large_predictions=work.embeddings[large],
        k=options.neighbors,
        queries=queries if queries < len(work.gold) else None,
        **common(options, level),
    )


def strangeness(metric: Any, work: Work, small: str, large: str, options: Any, level: float) -> Entry:
    inside, outside = len(work.gold), len(work.ood[small])
    return metric.compute(
        predictions=np.concatenate([work.probabilities[small], work.ood[small]]),
        references=np.repeat([0, 1], [inside, outside]),
        large_predictions=np.concatenate([work.probabilities[large], work.ood[large]]),
        score=options.score,
        keep=options.keep,
        **common(options, level),
    )


def reasons(metric: Any, work: Work, small: str, large: str, options: Any, level: float) -> Entry:
    some, large_some = ([work.explanations[name][i] for i in work.explained] for name in (small, large))
    texts = [work.texts[i] for i in work.explained]
    figures = metric.compare(
        texts, some, large_some, method=options.method, k=options.k, runs=options.runs, **common(options, level)
    )
    for shown in figures["details"]["per_example"]:
        shown["index"] = work.explained[shown["index"]]
    return figures


def attacks(metric: Any, work: Work, small: str, large: str, options: Any, level: float) -> Entry:
    sides = []
    for source, target in ((small, large), (large, small)):
        moved = work.transfers[source, target]
        sides.append([work.outcomes[source][i] | {"transfers": moved.get(i)} for i in work.attacked])
    return metric.compute(predictions=sides[0], large_predictions=sides[1], **common(options, level))


def common(options: Any, level: float) -> Entry:
    return {"confidence_level": level, "seed": options.seed, "details": True}


# What a pair's sums are made of: which examples, and their rows.


def error_columns(work: Work, details: Entry, small: str, large: str, options: Any) -> Columns:
    wrong, large_wrong = (work.probabilities[name].argmax(axis=1) != work.gold for name in (small, large))
    return as_columns(range(len(wrong)), wrong & large_wrong, wrong | large_wrong)


def neighbor_columns(work: Work, details: Entry, small: str, large: str, options: Any) -> Columns:
    shares = details[f"neighbor_jaccard_at_{options.neighbors[0]}"]
    return as_columns(details["queries"], shares, np.ones(len(shares)))


def reason_columns(work: Work, details: Entry, small: str, large: str, options: Any) -> Columns:
    shares = [one[f"jaccard_at_{options.k[0]}"] for one in details["per_example"]]
    return as_columns([one["index"] for one in details["per_example"]], shares, np.ones(len(shares)))


def attack_columns(work: Work, details: Entry, small: str, large: str, options: Any) -> Columns:
    own, larges = (np.array([work.outcomes[name][i]["status"] for i in work.attacked]) for name in (small, large))
    return as_columns(work.attacked, own == "broken", own != "skipped", larges == "broken", larges != "skipped")


def as_columns(examples: Any, *columns: Any) -> Columns:
    return np.asarray(examples), np.stack([np.asarray(column, dtype=np.float64) for column in columns], axis=1)


DIMENSIONS = {
    "prediction_error_jaccard": Dimension(
        "jaccard", "overlap", "expected_jaccard", "max_jaccard", 2, 0.2, 0.5, errors, error_columns
    ),
    "calibration_gap": Dimension("ece_gap", "gap", None, None, 2, 0.03, 0.03, calibration, None),
    "representation_overlap": Dimension(
        "neighbor_jaccard_at_{neighbors}",
        "overlap",
        "expected_neighbor_jaccard_at_{neighbors}",
        None,
        12,
        0.2,
        0.5,
        representation,
        neighbor_columns,
    ),
    "ood_divergence": Dimension(
        "flagged_jaccard", "overlap", "expected_flagged_jaccard", None, 2, 0.2, 0.5, strangeness, None
    ),
    "attribution_alignment": Dimension(
        "jaccard_at_{k}", "overlap", "expected_jaccard_at_{k}", None, 2, 0.2, 0.5, reasons, reason_columns
    ),
    "attack_divergence": Dimension("accuracy_fall_gap", "gap", None, None, 2, 0.1, 0.1, attacks, attack_columns),
}
