"""Is the compressed model as honest about its confidence as the large one?

A model is calibrated when it is right 80 % of the time among the examples where it says "80 %". This metric measures
how far each of two models is from that, the gap between them with an interval that covers, and how loyal the compressed
model's labels and probabilities are to the large one's."""

import dataclasses
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from scipy.fft import dct, idct
from scipy.special import ndtr

from trusteq.arrays import Arrays, check_classes, check_columns, top_class
from trusteq.checks import check_choice, check_integer, check_number
from trusteq.dimensions.plots.reliability import BARS, bin_details, plot
from trusteq.dimensions.record import Dimension, Entry, Figures, common, gaps_from
from trusteq.distances import distance_errors, distance_gap_interval
from trusteq.groups import ALONE, Design, Groups, count_of, design, some_of, units_of
from trusteq.intervals import (
    BLOCKS,
    LEAST_UNITS,
    block_mean_interval,
    block_noise,
    block_of_groups,
    blocks_of,
    paired_share_gap_interval,
    share_interval,
)
from trusteq.options import Options, with_signature
from trusteq.resampling import Weights
from trusteq.rows import Rows
from trusteq.wording import points

FIGURES = ("accuracy", "confidence", "overconfidence", "ece", "mce", "brier", "nll", "classwise_ece", "smooth_ece")
SMALLEST = float(np.finfo(np.float64).eps)
Size = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]  # of bins' counts, residuals and their squares
RANGE = dict.fromkeys(FIGURES, 1.0) | {"overconfidence": 2.0, "brier": 2.0, "nll": -float(np.log(SMALLEST))}
MEANS = ("accuracy", "confidence", "brier", "nll")
GRID, COARSE = 1024, 128
DRAWS = 1000
MARGIN = 0.03
HISTOGRAM = 20
PARTS = 16  # that draws are made in, each small enough for a processor's cache
CELLS = 256  # that confidences are put into before bins are cut anew, in their order
CONVENTIONS: dict[str, dict[str, Any]] = {  # what was decided where there is more than one way
    "usual": {"brier": "sum", "edge": "above", "clip": None, "bars": "clopper-pearson"},
    "paper-b": {"brier": "binary", "edge": "below", "clip": float(np.finfo(np.float32).eps), "bars": "wald"},
}


@dataclasses.dataclass(frozen=True)
class CalibrationOptions(Options):
    n_bins: int = 10
    binning: str = "quantile"
    from_logits: bool = False
    convention: str = "usual"
    brier: str | None = None  # None, like the next three: as in the convention
    edge: str | None = None
    clip: float | None = None
    bars: str | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        check_integer("n_bins", self.n_bins, at_least=1, at_most=1000)
        check_choice("binning", self.binning, ("quantile", "uniform"))
        check_choice("from_logits", self.from_logits, (True, False))
        check_choice("convention", self.convention, tuple(CONVENTIONS))
        for name, decided in CONVENTIONS[self.convention].items():
            if getattr(self, name) is None:
                object.__setattr__(self, name, decided)
        check_choice("brier", self.brier, ("sum", "binary"))
        check_choice("edge", self.edge, ("above", "below"))
        check_choice("bars", self.bars, tuple(BARS))
        if self.clip is not None:
            check_number("clip", self.clip, above=0, below=0.5)
            object.__setattr__(self, "clip", float(self.clip))


def compute(rows: Rows, options: CalibrationOptions) -> Figures:
    edges = {name: bin_edges(name, rows, options) for name in ("predictions", "large_predictions")}
    groups, together = rows.groups, Together()
    blocks = 1 if options.confidence_level is None else BLOCKS
    each = None if groups is None or blocks == 1 else np.empty((rows.count, 3), np.int8)
    of_group = None if groups is None else block_of_groups(groups, options.seed)

    def summed(start: int, arrays: Arrays) -> Arrays:
        examples = validate(arrays, options, start)
        count = len(examples["references"])
        if blocks == 1:
            block = np.zeros(count, np.intp)
        elif of_group is None:
            block = blocks_of(options.seed, start, count, rows.count)
        else:
            block = of_group[start : start + count]
        summary, answers = summarize(examples, edges, block, blocks, options)
        if each is not None:
            each[start : start + count] = answers
        return summary

    summary = rows.total(summed)
    if groups is not None and each is not None:
        right, large_right, agree = each.T.astype(np.float64)
        gap = right - large_right
        together = Together(units_of(groups), design(gap - gap.mean(), groups), design(agree - agree.mean(), groups))
    return finish(summary, edges, options, together)


class Together(NamedTuple):
    """How many groups there are, and what they do to the two figures that are counts of examples."""

    units: float | None = None
    accuracy: Design = ALONE
    label_loyalty: Design = ALONE


# validate: what came in becomes two arrays of probabilities (classes first) and the gold class.


def validate(arrays: Arrays, options: CalibrationOptions, start: int = 0) -> Arrays:
    names = ("predictions", "large_predictions")
    columns = {name: check_columns(name, arrays[name], options.from_logits, start) for name in names}
    classes = [len(values) for values in columns.values()]
    if classes[0] != classes[1]:
        raise ValueError(f"predictions have {classes[0]} classes but large_predictions have {classes[1]}")
    return columns | {"references": check_classes("references", arrays["references"], classes[0], start)}


def bin_edges(name: str, rows: Rows, options: CalibrationOptions) -> np.ndarray:
    """Edges for the confidence (first) and for each class's probability: equal widths, or equal counts."""
    if options.binning == "uniform":
        return equal_shares(options.n_bins)[None]
    values = None
    for start, arrays in rows.chunks():
        columns = check_columns(name, arrays[name], options.from_logits, start)
        if values is None:
            values = np.empty((len(columns) + 1, rows.count))
        stop = start + columns.shape[1]
        values[0, start:stop], values[1:, start:stop] = columns.max(axis=0), columns
    assert values is not None
    values.sort(axis=1)
    return quantile_edges(values, options.n_bins)


def edges_of(values: np.ndarray, options: CalibrationOptions) -> np.ndarray:
    """For a row of values, which is sorted where it lies."""
    if options.binning == "uniform":
        return equal_shares(options.n_bins)
    return quantile_edges(np.sort(values)[None], options.n_bins)[0]


def equal_shares(n_bins: int) -> np.ndarray:
    return np.arange(n_bins + 1) / n_bins  # np.linspace misses 0.6 and 0.7 by a rounding


def quantile_edges(ordered: np.ndarray, n_bins: int) -> np.ndarray:
    count = ordered.shape[1]
    place = np.arange(n_bins + 1) * (count - 1) / n_bins
    below = place.astype(int)
    above = np.minimum(below + 1, count - 1)
    return ordered[:, below] + (ordered[:, above] - ordered[:, below]) * (place - below)


# summarize: probabilities to sums per bin and per block of rows; sums add up over chunks, batches and processes.


def summarize(
    examples: Arrays, edges: dict[str, np.ndarray], block: np.ndarray, blocks: int, options: CalibrationOptions
) -> tuple[Arrays, np.ndarray]:
    """Sums over rows, kept apart for random blocks of rows; and whether each row is right, right in large, agreed."""
    gold, p, q = examples["references"], examples["predictions"], examples["large_predictions"]
    label, compressed = summarize_model(p, gold, edges["predictions"], block, blocks, options)
    large_label, large = summarize_model(q, gold, edges["large_predictions"], block, blocks, options)
    right, large_right = label == gold, large_label == gold
    loyalty = 1 - np.sqrt(jensen_shannon(p, q))
    sums = {
        "rows": np.bincount(block, minlength=blocks),
        "agree": np.array([np.count_nonzero(label == large_label)]),
        "only_right": np.array([np.count_nonzero(right & ~large_right), np.count_nonzero(large_right & ~right)]),
        "loyalty": np.bincount(block, loyalty, blocks),
        **compressed,
        **{f"large_{name}": values for name, values in large.items()},
    }
    return sums, np.stack([right, large_right, label == large_label], axis=1)


def summarize_model(
    columns: np.ndarray,
    gold: np.ndarray,
    edges: np.ndarray,
    block: np.ndarray,
    blocks: int,
    options: CalibrationOptions,
) -> tuple[np.ndarray, Arrays]:
    """The predicted class, and the sums of one model: means, residuals (right - confidence) by bin, class and grid."""
    label, confidence = top_class(columns)
    sums = summarize_confidence(confidence, label == gold, edges[0], block, blocks, options)
    gold_probability = columns[gold, np.arange(len(gold))]
    brier = np.einsum("ij,ij->j", columns, columns) - 2 * gold_probability + 1
    if options.brier == "binary" and len(columns) == 2:
        brier /= 2
    more = [np.bincount(block, values, blocks)[:, None] for values in (brier, log_loss(gold_probability, options))]
    n_bins = edges.shape[1] - 1
    class_edges = np.broadcast_to(edges[-len(columns) :], (len(columns), n_bins + 1))
    fold = blocks // class_blocks(len(columns), n_bins, blocks)
    classwise = []
    for k, values in enumerate(columns):
        bins = bin_of(values, class_edges[k], options.edge)
        classwise.append(by_bin((gold == k) - values, bins, n_bins, block // fold, blocks // fold))
    means = np.concatenate([sums["means"], *more], axis=1)
    return label, sums | {"means": means, "classwise": np.concatenate(classwise, axis=1)}


def log_loss(gold_probability: np.ndarray, options: CalibrationOptions) -> np.ndarray:
    """With `clip`, probabilities are kept as far from 1 as from 0."""
    if options.clip is None:
        return -np.log(np.maximum(gold_probability, SMALLEST))
    return -np.log(np.clip(gold_probability, options.clip, 1 - options.clip))


def summarize_confidence(
    confidence: np.ndarray,
    right: np.ndarray,
    edges: np.ndarray,
    block: np.ndarray,
    blocks: int,
    options: CalibrationOptions,
) -> Arrays:
    """The sums that take no more than how sure a model is of its answer, and whether that is right."""
    residual, n_bins, bins = right - confidence, len(edges) - 1, bin_of(confidence, edges, options.edge)
    return {
        "means": np.stack([np.bincount(block, values, blocks) for values in (right, confidence)], axis=1),
        "bins": by_bin(residual, bins, n_bins, block, blocks),
        "smooth": spread_on_grid(confidence, residual, block, blocks),
        "bin_rows": np.bincount(bins, minlength=n_bins),
        "bin_right": np.bincount(bins, right, n_bins),
        "bin_confidence": np.bincount(bins, confidence, n_bins),
        "histogram": np.bincount(bin_of(confidence, np.linspace(0, 1, HISTOGRAM + 1)), minlength=HISTOGRAM),
    }


def by_bin(values: np.ndarray, bins: np.ndarray, n_bins: int, block: np.ndarray, blocks: int) -> np.ndarray:
    return np.bincount(block * n_bins + bins, values, blocks * n_bins).reshape(-1, n_bins)


def class_blocks(classes: int, n_bins: int, blocks: int) -> int:
    """How many blocks the classwise sums are kept for: fewer where classes are many, so that the sums stay small.

    >>> class_blocks(3, 10, 256), class_blocks(30_000, 10, 256), class_blocks(30_000, 10, 1)
    (256, 16, 1)
    """
    while blocks > 16 and blocks * classes * n_bins > 2**22:
        blocks //= 2
    return blocks


def bin_of(values: np.ndarray, edges: np.ndarray, edge: str | None = "above") -> np.ndarray:
    """The bin of each value; one on an edge is in the bin above, or below. Few edges are counted faster than searched.

    >>> bin_of(np.array([0.5, 0.7]), np.array([0, 0.5, 1])).tolist()
    [1, 1]
    >>> bin_of(np.array([0.5, 0.7]), np.array([0, 0.5, 1]), "below").tolist()
    [0, 1]
    """
    if len(edges) > 64:
        return np.searchsorted(edges[1:-1], values, side="right" if edge == "above" else "left")
    beyond = np.greater_equal if edge == "above" else np.greater
    bins = np.zeros(len(values), dtype=np.intp)
    for inner in edges[1:-1]:
        bins += beyond(values, inner)
    return bins


def spread_on_grid(confidence: np.ndarray, residual: np.ndarray, block: np.ndarray, blocks: int) -> np.ndarray:
    """Residuals on a grid over [0, 1], each shared by the two cells that it lies between; the ends reflect."""
    place = confidence * GRID - 0.5
    below = np.floor(place).astype(np.intp)
    part = (place - below) * residual
    at = partial(np.bincount, minlength=blocks * GRID)
    left = at(block * GRID + np.maximum(below, 0), residual - part)
    right = at(block * GRID + np.minimum(below + 1, GRID - 1), part)
    return (left + right).reshape(blocks, GRID)


def jensen_shannon(p: np.ndarray, q: np.ndarray) -> np.ndarray:
    """Jensen-Shannon divergence of each example's two distributions (classes first), in bits, 0 to 1."""
    divergence = np.zeros(p.shape[1])
    for a, b in zip(p, q, strict=True):
        divergence += (x_log_x(a) + x_log_x(b)) / 2 - x_log_x((a + b) / 2)
    return np.clip(divergence, 0, 1)


def x_log_x(x: np.ndarray) -> np.ndarray:
    return x * np.log2(np.maximum(x, np.finfo(np.float64).tiny))


# finish: sums to figures and their intervals.


def finish(
    summary: Arrays, edges: dict[str, np.ndarray], options: CalibrationOptions, together: Together
) -> dict[str, Any]:
    n = int(summary["rows"].sum())
    compressed_sums, large_sums = (
        {name: summary[prefix + name] for name in MODEL_SUMS if prefix + name in summary} for prefix in ("", "large_")
    )
    for sums in (compressed_sums, large_sums):
        if "smooth" in sums:
            sums["width"] = np.array(smooth_width(sums, n))
    compressed, large = figures(compressed_sums, n), figures(large_sums, n)
    gaps = {name: compressed[name] - large[name] for name in FIGURES if name in compressed}
    level = options.confidence_level
    intervals = {}
    if level is not None:
        intervals = gap_intervals(compressed_sums, large_sums, gaps, summary, options, together)
    result: dict[str, Any] = {}
    for name in gaps:
        result |= {name: compressed[name], f"large_{name}": large[name], f"{name}_gap": gaps[name]}
        if name in intervals:
            result[f"{name}_gap_low"], result[f"{name}_gap_high"] = intervals[name]
    result |= loyalty_of(summary, n, level, together)
    if options.details:
        names = ("predictions", "large_predictions")
        result["details"] = {
            "examples": n,
            "bars": options.bars,
            "compressed": bin_details(compressed_sums, edges[names[0]][0], str(options.bars)),
            "large": bin_details(large_sums, edges[names[1]][0], str(options.bars)),
        }
    return result


def loyalty_of(summary: Arrays, n: int, level: float | None, together: Together) -> Figures:
    """Of labels and of probabilities, where they are known."""
    result: Figures = {}
    if "agree" in summary:
        agree = int(summary["agree"][0])
        result["label_loyalty"] = agree / n
        if level is not None:
            interval = share_interval(agree, n, level, together.label_loyalty)
            result["label_loyalty_low"], result["label_loyalty_high"] = interval
    if "loyalty" in summary:
        result["probability_loyalty"] = float(summary["loyalty"].sum()) / n
        if level is not None:
            low, high = block_mean_interval(summary["loyalty"], summary["rows"], level, together.units)
            result["probability_loyalty_low"], result["probability_loyalty_high"] = max(low, 0.0), min(high, 1.0)
    return result


MODEL_SUMS = ("means", "bins", "classwise", "smooth", "bin_rows", "bin_right", "bin_confidence", "histogram")


def figures(model: Arrays, n: int) -> dict[str, float]:
    """The nine figures of one model from its sums; fewer where only its confidence in its answers is known."""
    found = dict(zip(MEANS, (model["means"].sum(axis=0) / n).tolist(), strict=False))
    distance = np.abs(model["bins"].sum(axis=0))
    found |= {
        "overconfidence": found["confidence"] - found["accuracy"],
        "ece": float(distance.sum()) / n,
        "mce": float((distance / np.maximum(model["bin_rows"], 1)).max()),
    }
    if "classwise" in model:
        classes = model["classwise"].shape[1] // len(distance)
        found["classwise_ece"] = float(np.abs(model["classwise"].sum(axis=0)).sum()) / n / classes
    if "smooth" in model:
        smoothed = smooth(model["smooth"].sum(axis=0), float(model["width"]))
        found["smooth_ece"] = float(np.abs(smoothed).sum()) / n
    return found


def smooth(grid: np.ndarray, width: float) -> np.ndarray:
    """Gaussian smoothing of the last axis with reflection at 0 and 1: the heat equation, solved by cosines."""
    decay = np.exp(-((width * np.pi * np.arange(GRID)) ** 2) / 2)
    return idct(dct(grid, axis=-1) * decay, axis=-1)


def coarse(grid: np.ndarray) -> np.ndarray:
    """A smoothed grid in fewer cells: enough for the spread of a sum of absolute values."""
    return grid.reshape(*grid.shape[:-1], COARSE, -1).sum(axis=-1)


def smooth_width(model: Arrays, n: int) -> float:
    """The width at which the smooth calibration error equals the width (Blasiok and Nakkiran 2023, definition 7)."""
    grid = model["smooth"].sum(axis=0) / n
    low, high = 0.0, 1.0
    for _ in range(30):
        middle = (low + high) / 2
        low, high = (middle, high) if np.abs(smooth(grid, middle)).sum() > middle else (low, middle)
    return high


def gap_intervals(
    compressed: Arrays,
    large: Arrays,
    gaps: dict[str, float],
    summary: Arrays,
    options: CalibrationOptions,
    together: Together,
) -> dict[str, tuple[float, float]]:
    """An interval for the gap of every figure: paired, since a block holds the same examples for both models."""
    level, rows, units = options.confidence_level, summary["rows"], together.units
    n = int(rows.sum())
    assert level is not None
    difference = dict(zip(MEANS, (compressed["means"] - large["means"]).T, strict=False))
    difference["overconfidence"] = difference["confidence"] - difference["accuracy"]
    intervals = {name: block_mean_interval(values, rows, level, units) for name, values in difference.items()}
    for name, distances, combine in (
        ("ece", lambda model: model["bins"], np.add),
        ("mce", lambda model: model["bins"] * (n / np.maximum(model["bin_rows"], 1)), np.maximum),
        ("classwise_ece", lambda model: model["classwise"] / (model["classwise"].shape[1] // options.n_bins), np.add),
        ("smooth_ece", lambda model: coarse(smooth(model["smooth"], float(model["width"]))), np.add),
    ):
        if name not in gaps:
            continue
        sums, large_sums = distances(compressed), distances(large)
        if len(sums) == 1:  # without blocks nothing shows the spread
            continue
        held = rows.reshape(len(sums), -1).sum(axis=1)  # the classwise sums may have fewer blocks
        noise = block_noise(DRAWS, len(held), options.seed, units and max(units, LEAST_UNITS))
        errors, large_errors = (distance_errors(model, held, combine, noise, units) for model in (sums, large_sums))
        intervals[name] = distance_gap_interval(gaps[name], errors, large_errors, level)
    only, large_only = map(int, summary["only_right"])
    intervals["accuracy"] = paired_share_gap_interval(only, large_only, n, level, together.accuracy)
    if (n if units is None else units) < LEAST_UNITS:  # one example, or one group, says nothing about spread
        intervals = dict.fromkeys(intervals, (-np.inf, np.inf))
    most = dict(RANGE)
    if (
        options.brier == "binary"
        and "classwise" in compressed
        and compressed["classwise"].shape[1] == 2 * options.n_bins
    ):
        most["brier"] /= 2
    if options.clip is not None:
        most["nll"] = -float(np.log(options.clip))
    ends = {}
    for name, (low, high) in intervals.items():  # within the figure's range, and around the gap to the last bit
        ends[name] = min(max(low, -most[name]), gaps[name]), max(min(high, most[name]), gaps[name])
    return ends


def from_confidence(said: Arrays, options: CalibrationOptions, groups: Groups = None) -> Figures:
    """Where no more is known than `confidence` in the answer given, and whether it is `right`: the Brier score, the log
    loss, the classwise error and loyalty take the probabilities of all classes."""
    right, large_right = said["right"], said["large_right"]
    n, together = len(right), Together()
    blocks = 1 if options.confidence_level is None else BLOCKS
    block = np.zeros(n, np.intp) if blocks == 1 else blocks_of(options.seed, 0, n, n)
    if groups is not None and blocks > 1:
        block = block_of_groups(groups, options.seed)
        gap = right.astype(np.float64) - large_right
        together = Together(units_of(groups), design(gap - gap.mean(), groups))
    only = [np.count_nonzero(right & ~large_right), np.count_nonzero(large_right & ~right)]
    summary, edges = {"rows": np.bincount(block, minlength=blocks), "only_right": np.array(only)}, {}
    for name, prefix in (("predictions", ""), ("large_predictions", "large_")):
        confidence = said[f"{prefix}confidence"]
        edges[name] = edges_of(confidence, options)[None]
        sums = summarize_confidence(confidence, said[f"{prefix}right"], edges[name][0], block, blocks, options)
        summary |= {prefix + key: values for key, values in sums.items()}
    return with_signature(DIMENSION.name, finish(summary, edges, options, together), options, count_of(groups))


def told_by(work: Any, model: str) -> tuple[np.ndarray, np.ndarray]:
    """How sure a model is of each of its answers, and whether that is right."""
    if work.confidence:
        held = told_rows(work)
        return work.confidence[model][held], work.right(model)[held]
    label, confidence = top_class(work.probabilities[model].T)
    return confidence, label == work.gold


def told_rows(work: Any) -> np.ndarray:
    """The examples of which every model's confidence is known."""
    if not work.confidence:
        return np.arange(len(work.gold))
    return np.flatnonzero(np.isfinite(np.stack(list(work.confidence.values()))).all(axis=0))


def measure(work: Any, compressed: str, large: str, options: Any, level: float) -> Figures:
    if work.confidence:
        said = {
            f"{prefix}{key}": values
            for prefix, model in (("", compressed), ("large_", large))
            for key, values in zip(("confidence", "right"), told_by(work, model), strict=True)
        }
        own = CalibrationOptions(**settings(options), **common(options, level))
        return from_confidence(said, own, some_of(work.groups, told_rows(work)))
    return DIMENSION.of(
        predictions=work.probabilities[compressed],
        references=work.gold,
        large_predictions=work.probabilities[large],
        groups=work.groups,
        **settings(options),
        **common(options, level),
    )


def redrawn(work: Any, others: Sequence[str], large: str, options: Any) -> np.ndarray:
    """The size of every model's ECE gap, with bins cut anew in each draw, and without what chance adds to each ECE."""
    held = told_rows(work)
    weights = Weights(len(held), options.seed, groups=some_of(work.groups, held))

    def of(name: str) -> np.ndarray:
        return redrawn_ece(weights, *told_by(work, name), options, without_chance)

    return weights.spread(gaps_from(work, DIMENSION.name, of, others, large))


def as_it_is(held: np.ndarray, residual: np.ndarray, squared: np.ndarray) -> np.ndarray:
    """The size of a sum of residuals."""
    return np.abs(residual)


def redrawn_ece(
    weights: Weights, confidence: np.ndarray, right: np.ndarray, options: Any, size: Size = as_it_is
) -> np.ndarray:
    """One model's calibration error in every draw.

    Many examples are counted in cells of their confidence, in order, of which each draw makes its bins; what the cells
    blur moves all draws alike, and is taken off.
    """
    residual, edges = right - confidence, edges_of(confidence, options)
    bins, ordered = bin_of(confidence, edges, CONVENTIONS[options.convention]["edge"]), np.sort(confidence)
    of_bins = np.stack([np.bincount(bins, values) for values in (np.ones(len(bins)), residual, residual**2)])
    ece = float(size(*of_bins).sum()) / len(right)
    if options.binning == "uniform":
        cells, cell = options.n_bins, bins
    else:
        cells = min(CELLS, len(right))
        cell = np.searchsorted(ordered, confidence) * cells // len(right)
    place = weights.block * cells + cell
    sums = [
        np.bincount(place, values, weights.blocks * cells).reshape(weights.blocks, cells)
        for values in (np.ones(len(right)), residual, residual**2)
    ]
    parts = np.array_split(weights.weight, PARTS)
    drawn = np.concatenate([in_bins([part @ one for one in sums], options, size) for part in parts])
    return drawn - drawn[0] + ece


def in_bins(sums: list[np.ndarray], options: Any, size: Size) -> np.ndarray:
    """In every draw the residuals' sums in its bins, all sizes together, as a share of what the draw holds."""
    held = sums[0]
    if options.binning == "uniform":
        return size(*sums).sum(axis=1) / held.sum(axis=1)
    upto = held.cumsum(axis=1)
    middle = (upto - held / 2) / upto[:, -1:]
    cuts = [(middle < k / options.n_bins).sum(axis=1) for k in range(1, options.n_bins)]
    ends, draw = [np.zeros(len(upto), np.intp), *cuts, np.full(len(upto), held.shape[1])], np.arange(len(upto))

    def of_bins(values: np.ndarray) -> np.ndarray:
        below = np.concatenate([np.zeros((len(values), 1)), values.cumsum(axis=1)], axis=1)
        return np.diff(np.stack([below[draw, end] for end in ends], axis=1), axis=1)

    return size(*map(of_bins, sums)).sum(axis=1) / upto[:, -1]


def without_chance(held: np.ndarray, residual: np.ndarray, squared: np.ndarray) -> np.ndarray:
    """The size of a sum of residuals, less what chance alone adds to it: a well calibrated model's ten bins of 40
    examples look 5 points off. What chance adds depends on the true size, so the estimate is taken twice (each time as
    of a normal sum: Kumar, Liang and Ma 2019, by a formula instead of draws).

    >>> held, squared = np.full(2, 100.0), np.full(2, 25.0)  # errors of 0.5 each: a sum's standard error is 5
    >>> without_chance(held, np.array([2.0, -50.0]), squared).round(1).tolist()
    [-2.0, 50.0]
    """
    size = np.abs(residual)
    scatter = np.sqrt(np.maximum(squared - residual**2 / np.maximum(held, 1), 0))
    added = mean_size(size, scatter) - size
    for _ in range(2):
        true = np.maximum(size - added, 0)
        added = mean_size(true, scatter) - true
    return size - added


def mean_size(mean: np.ndarray, scatter: np.ndarray) -> np.ndarray:
    """The mean of a normal variable's absolute value."""
    far = mean / np.maximum(scatter, SMALLEST)
    return scatter * np.sqrt(2 / np.pi) * np.exp(-(far**2) / 2) + mean * (1 - 2 * ndtr(-far))


def settings(options: Any) -> dict[str, Any]:
    return {"n_bins": options.n_bins, "binning": options.binning, "convention": options.convention}


def told(f: Figures, entry: Entry, compressed: str, large: str) -> str:
    own, larges = (points(f[f"{prefix}ece"]) + mostly(f, prefix) for prefix in ("", "large_"))
    gap = f"a gap of {points(f['ece_gap'])}"
    return f"{compressed}'s confidence is off by {own} on average, and {large}'s by {larges}: {gap}"


def mostly(f: Figures, prefix: str) -> str:
    """In which direction, where most of the error has one.

    >>> mostly({"ece": 0.08, "overconfidence": -0.07}, ""), mostly({"ece": 0.08, "overconfidence": 0.01}, "")
    (' (too unsure)', '')
    """
    over = f.get(f"{prefix}overconfidence", 0.0)
    return f" ({direction(over)})" if abs(over) > f[f"{prefix}ece"] / 2 else ""


def direction(overconfidence: float) -> str:
    return "too sure" if overconfidence > 0 else "too unsure"


def opposite(f: Figures) -> str | None:
    """An error of the same size may be one of the other direction, and that the size cannot tell.

    >>> f = {"overconfidence": -0.08, "large_overconfidence": 0.07}
    >>> print(opposite(f | {"overconfidence_gap_low": -0.16, "overconfidence_gap_high": -0.14}))
    The two err in opposite directions: the compressed model is too unsure, the large one too sure. The size of the \
errors does not show that: look at both diagrams, and at thresholds that you set on confidences.
    >>> opposite(f | {"overconfidence_gap_low": -0.16, "overconfidence_gap_high": -0.01})
    """
    own, large = f.get("overconfidence", 0.0), f.get("large_overconfidence", 0.0)
    low, high = (f.get(f"overconfidence_gap_{end}", 0.0) for end in ("low", "high"))
    if own * large >= 0 or max(low, -high) <= MARGIN:
        return None
    return (
        f"The two err in opposite directions: the compressed model is {direction(own)}, the large one "
        f"{direction(large)}. The size of the errors does not show that: look at both diagrams, and at thresholds that "
        "you set on confidences."
    )


def directions(f: Figures) -> tuple[str, str] | None:
    """Of both models, where the size of the gap hides them: what a table's cell shows instead."""
    if not opposite(f):
        return None
    own, large = (f"{points(f[f'{side}ece'])} {direction(f[f'{side}overconfidence'])}" for side in ("", "large_"))
    return own, large


DIMENSION = Dimension(
    name="calibration_gap",
    place=2,
    question="As honest about its confidence?",
    asks=(
        "A model is honest about its confidence if it is right eight times out of ten where it says “80 %”. Its "
        "calibration error is how far it is from that. This is the difference between the two models' errors. For the "
        "verdict, the part of each error that chance alone adds (a few examples never come out even) is taken off "
        "first: it is not the difference of the errors that are shown."
    ),
    options=CalibrationOptions,
    compute=compute,
    plot=plot,
    headline="ece_gap",
    kind="gap",
    words={
        "ece_gap": "gap of the calibration error (ECE)",
        "smooth_ece_gap": "gap of the calibration error (smooth ECE)",
        "brier_gap": "gap of the Brier score",
    },
    direction=("less honest", "more honest"),
    told=told,
    count=lambda work, figures: len(told_rows(work)),
    settings=settings,
    fewest=400,  # of fewer, the noise in the bins passes for dishonesty
    margin=MARGIN,
    alone=MARGIN,
    aside=", once the part of each error that chance adds is taken off",
    briefly=directions,
    hidden=opposite,
    measure=measure,
    redrawn=redrawn,
)
