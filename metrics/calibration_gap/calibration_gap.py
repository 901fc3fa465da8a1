"""Is the compressed model as honest about its confidence as the large one?

A model is calibrated when it is right 80 % of the time among the examples where it says "80 %". This metric measures
how far each of two models is from that, the gap between them with an interval that covers, and how loyal the compressed
model's labels and probabilities are to the large one's.
"""

import dataclasses
from functools import partial
from typing import Any

import datasets
import evaluate
import numpy as np
from scipy.fft import dct, idct

from .array_metric import (
    ArrayMetric,
    Arrays,
    Options,
    Rows,
    check_choice,
    check_classes,
    check_columns,
    check_integer,
    top_class,
)
from .distances import distance_errors, distance_gap_interval
from .intervals import BLOCKS, block_noise, blocks_of, mean_interval, paired_share_gap_interval, share_interval
from .reliability import bin_details, plot

_DESCRIPTION = """
Compares the calibration of a compressed model with that of its large counterpart on the same examples: accuracy,
confidence, binned, classwise and smooth calibration errors, Brier score and log loss, the gap of each with an interval,
and the loyalty of labels and probabilities.
"""

_CITATION = """
@article{trustequivalent2025,
  title  = {Compressed Models are NOT Trust-equivalent to Their Large Counterparts},
  journal= {arXiv preprint arXiv:2508.13533},
  year   = {2025}
}
"""

_KWARGS_DESCRIPTION = """
Args:
    predictions: the compressed model's outputs: one row of class probabilities per example, or with from_logits=True
        one row of logits.
    references: the gold labels, as class numbers.
    large_predictions: the large model's outputs, like `predictions`.
    n_bins: number of bins of ece, mce and classwise_ece, at most 1000.
    binning: "quantile" (each model's bins hold equally many examples, as in paper B) or "uniform" (equal widths).
    from_logits: rows are logits, not probabilities.
    confidence_level: level of the intervals, between 0 and 1; None for no intervals.
    seed: of the random draws behind the intervals.
    details: add the key `details` with the bins and histograms that `plot` draws.
Returns:
    For each of the nine figures x: `x` (compressed), `large_x`, `x_gap` = x - large_x, `x_gap_low`, `x_gap_high`.
    accuracy (0 to 1); confidence (0 to 1): mean probability of the predicted class; overconfidence (-1 to 1):
    confidence - accuracy; ece (0 to 1): mean distance of confidence and accuracy over bins of the confidence;
    mce (0 to 1): the largest such distance; brier (0 to 2): squared error summed over classes; nll (0 to 36.04): log
    loss in nats, probabilities clipped at 2.2e-16; classwise_ece (0 to 1): ece of each class's probability, mean over
    classes; smooth_ece (0 to 1): calibration error without bins (Blasiok and Nakkiran 2023).
    label_loyalty (0 to 1): share of examples with the same predicted class, with _low and _high.
    probability_loyalty (0 to 1): mean of 1 - sqrt(Jensen-Shannon divergence in bits), with _low and _high.
Examples:

    >>> import evaluate
    >>> gap = evaluate.load("metrics/calibration_gap")
    >>> small = [[0.9, 0.1], [0.8, 0.2], [0.3, 0.7], [0.4, 0.6]]
    >>> large = [[0.7, 0.3], [0.6, 0.4], [0.2, 0.8], [0.6, 0.4]]
    >>> result = gap.compute(predictions=small, references=[0, 1, 1, 0], large_predictions=large, n_bins=2)
    >>> [round(result[key], 3) for key in ("accuracy", "confidence", "overconfidence", "ece", "brier")]
    [0.5, 0.75, 0.25, 0.25, 0.55]
    >>> [round(result[key], 3) for key in ("large_ece", "ece_gap", "brier_gap", "label_loyalty")]
    [0.175, 0.075, 0.225, 0.75]

    In a Trainer, with the logits of the large model at hand:

    >>> def compute_metrics(p):
    ...     return gap.compute(predictions=p.predictions, references=p.label_ids,
    ...                        large_predictions=teacher_logits, from_logits=True)
"""

FIGURES = ("accuracy", "confidence", "overconfidence", "ece", "mce", "brier", "nll", "classwise_ece", "smooth_ece")
SMALLEST = float(np.finfo(np.float64).eps)
RANGE = dict.fromkeys(FIGURES, 1.0) | {"overconfidence": 2.0, "brier": 2.0, "nll": -float(np.log(SMALLEST))}
MEANS = ("accuracy", "confidence", "brier", "nll")
GRID, COARSE = 1024, 128
DRAWS = 1000
HISTOGRAM = 20


@dataclasses.dataclass(frozen=True)
class CalibrationOptions(Options):
    n_bins: int = 10
    binning: str = "quantile"
    from_logits: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        check_integer("n_bins", self.n_bins, at_least=1, at_most=1000)
        check_choice("binning", self.binning, ("quantile", "uniform"))
        check_choice("from_logits", self.from_logits, (True, False))


@evaluate.utils.file_utils.add_start_docstrings(_DESCRIPTION, _KWARGS_DESCRIPTION)
class CalibrationGap(ArrayMetric):
    options = CalibrationOptions

    def _info(self) -> evaluate.MetricInfo:
        row = datasets.Sequence(datasets.Value("float64"))
        features = {"predictions": row, "references": datasets.Value("int64"), "large_predictions": row}
        return evaluate.MetricInfo(
            description=_DESCRIPTION,
            citation=_CITATION,
            inputs_description=_KWARGS_DESCRIPTION,
            features=datasets.Features(features),
            reference_urls=["https://arxiv.org/abs/2508.13533", "https://arxiv.org/abs/2309.12236"],
        )

    def _compute(self, rows: Rows, options: CalibrationOptions) -> dict[str, Any]:
        edges = {name: bin_edges(name, rows, options) for name in ("predictions", "large_predictions")}
        summary = rows.total(
            lambda start, arrays: summarize(validate(arrays, options, start), edges, options, start, rows.count)
        )
        return finish(summary, edges, options)

    def plot(self, result: dict[str, Any]) -> Any:
        """Both reliability diagrams with Clopper-Pearson bars, above the confidence histograms; a matplotlib Figure."""
        return plot(result)


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
    shares = np.arange(options.n_bins + 1) / options.n_bins  # np.linspace misses 0.6 and 0.7 by a rounding
    if options.binning == "uniform":
        return shares[None]
    values = None
    for start, arrays in rows.chunks():
        columns = check_columns(name, arrays[name], options.from_logits, start)
        if values is None:
            values = np.empty((len(columns) + 1, rows.count))
        stop = start + columns.shape[1]
        values[0, start:stop], values[1:, start:stop] = columns.max(axis=0), columns
    assert values is not None
    values.sort(axis=1)
    place = shares * (rows.count - 1)
    below = place.astype(int)
    above = np.minimum(below + 1, rows.count - 1)
    return values[:, below] + (values[:, above] - values[:, below]) * (place - below)


# summarize: probabilities to sums per bin and per block of rows; sums add up over chunks, batches and processes.


def summarize(
    examples: Arrays, edges: dict[str, np.ndarray], options: CalibrationOptions, start: int, n: int
) -> Arrays:
    """Sums over rows, kept apart for 256 random blocks of rows when intervals are asked for (one block otherwise)."""
    gold, p, q = examples["references"], examples["predictions"], examples["large_predictions"]
    blocks = 1 if options.confidence_level is None else BLOCKS
    block = np.zeros(len(gold), np.intp) if blocks == 1 else blocks_of(options.seed, start, len(gold), n)
    label, small = summarize_model(p, gold, edges["predictions"], block, blocks)
    large_label, large = summarize_model(q, gold, edges["large_predictions"], block, blocks)
    right, large_right = label == gold, large_label == gold
    loyalty = 1 - np.sqrt(jensen_shannon(p, q))
    return {
        "rows": np.bincount(block, minlength=blocks),
        "agree": np.array([np.count_nonzero(label == large_label)]),
        "only_right": np.array([np.count_nonzero(right & ~large_right), np.count_nonzero(large_right & ~right)]),
        "loyalty": np.bincount(block, loyalty, blocks),
        **small,
        **{f"large_{name}": values for name, values in large.items()},
    }


def summarize_model(
    columns: np.ndarray, gold: np.ndarray, edges: np.ndarray, block: np.ndarray, blocks: int
) -> tuple[np.ndarray, Arrays]:
    """The predicted class, and the sums of one model: means, residuals (right - confidence) by bin, class and grid."""
    label, confidence = top_class(columns)
    right = label == gold
    residual = right - confidence
    gold_probability = columns[gold, np.arange(len(gold))]
    brier = np.einsum("ij,ij->j", columns, columns) - 2 * gold_probability + 1
    nll = -np.log(np.maximum(gold_probability, SMALLEST))
    n_bins = edges.shape[1] - 1
    bins = bin_of(confidence, edges[0])

    def by_bin(values: np.ndarray, bins: np.ndarray, fold: int = 1) -> np.ndarray:
        return np.bincount(block // fold * n_bins + bins, values, blocks // fold * n_bins).reshape(-1, n_bins)

    class_edges = np.broadcast_to(edges[-len(columns) :], (len(columns), n_bins + 1))
    fold = blocks // class_blocks(len(columns), n_bins, blocks)
    classwise = [
        by_bin((gold == k) - columns[k], bin_of(columns[k], class_edges[k]), fold) for k in range(len(columns))
    ]
    sums = {
        "means": np.stack([np.bincount(block, values, blocks) for values in (right, confidence, brier, nll)], axis=1),
        "bins": by_bin(residual, bins),
        "classwise": np.concatenate(classwise, axis=1),
        "smooth": spread_on_grid(confidence, residual, block, blocks),
        "bin_rows": np.bincount(bins, minlength=n_bins),
        "bin_right": np.bincount(bins, right, n_bins),
        "bin_confidence": np.bincount(bins, confidence, n_bins),
        "histogram": np.bincount(bin_of(confidence, np.linspace(0, 1, HISTOGRAM + 1)), minlength=HISTOGRAM),
    }
    return label, sums


def class_blocks(classes: int, n_bins: int, blocks: int) -> int:
    """How many blocks the classwise sums are kept for: fewer where classes are many, so that the sums stay small.

    >>> class_blocks(3, 10, 256), class_blocks(30_000, 10, 256), class_blocks(30_000, 10, 1)
    (256, 16, 1)
    """
    while blocks > 16 and blocks * classes * n_bins > 2**22:
        blocks //= 2
    return blocks


def bin_of(values: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """The bin of each value, a value on an edge in the bin above. Counting few edges is faster than a binary search."""
    if len(edges) > 64:
        return np.searchsorted(edges[1:-1], values, side="right")
    bins = np.zeros(len(values), dtype=np.intp)
    for edge in edges[1:-1]:
        bins += values >= edge
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


def finish(summary: Arrays, edges: dict[str, np.ndarray], options: CalibrationOptions) -> dict[str, Any]:
    n = int(summary["rows"].sum())
    small_sums, large_sums = ({name: summary[prefix + name] for name in MODEL_SUMS} for prefix in ("", "large_"))
    small, large = figures(small_sums, n), figures(large_sums, n)
    gaps = {name: small[name] - large[name] for name in FIGURES}
    agree = int(summary["agree"][0])
    loyalty = float(summary["loyalty"].sum()) / n
    level = options.confidence_level
    intervals = gap_intervals(small_sums, large_sums, gaps, summary, options) if level is not None else {}
    result: dict[str, Any] = {}
    for name in FIGURES:
        result |= {name: small[name], f"large_{name}": large[name], f"{name}_gap": gaps[name]}
        if name in intervals:
            result[f"{name}_gap_low"], result[f"{name}_gap_high"] = intervals[name]
    result["label_loyalty"] = agree / n
    if level is not None:
        result["label_loyalty_low"], result["label_loyalty_high"] = share_interval(agree, n, level)
    result["probability_loyalty"] = loyalty
    if level is not None:
        low, high = mean_interval(summary["loyalty"], summary["rows"], level)
        result["probability_loyalty_low"], result["probability_loyalty_high"] = max(low, 0.0), min(high, 1.0)
    if options.details:
        names = ("predictions", "large_predictions")
        result["details"] = {
            "examples": n,
            "compressed": bin_details(small_sums, edges[names[0]][0]),
            "large": bin_details(large_sums, edges[names[1]][0]),
        }
    return result


MODEL_SUMS = ("means", "bins", "classwise", "smooth", "bin_rows", "bin_right", "bin_confidence", "histogram")


def figures(model: Arrays, n: int) -> dict[str, float]:
    """The nine figures of one model from its sums."""
    means = dict(zip(MEANS, (model["means"].sum(axis=0) / n).tolist(), strict=True))
    distance = np.abs(model["bins"].sum(axis=0))
    classes = model["classwise"].shape[1] // len(distance)
    return means | {
        "overconfidence": means["confidence"] - means["accuracy"],
        "ece": float(distance.sum()) / n,
        "mce": float((distance / np.maximum(model["bin_rows"], 1)).max()),
        "classwise_ece": float(np.abs(model["classwise"].sum(axis=0)).sum()) / n / classes,
        "smooth_ece": float(np.abs(smooth(model["smooth"].sum(axis=0), smooth_width(model, n))).sum()) / n,
    }


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
    small: Arrays, large: Arrays, gaps: dict[str, float], summary: Arrays, options: CalibrationOptions
) -> dict[str, tuple[float, float]]:
    """An interval for the gap of every figure: paired, since a block holds the same examples for both models."""
    level, rows = options.confidence_level, summary["rows"]
    n = int(rows.sum())
    assert level is not None
    difference = dict(zip(MEANS, (small["means"] - large["means"]).T, strict=True))
    difference["overconfidence"] = difference["confidence"] - difference["accuracy"]
    intervals = {name: mean_interval(values, rows, level) for name, values in difference.items()}
    classes = small["classwise"].shape[1] // small["bins"].shape[1]
    for name, distances, combine in (
        ("ece", lambda model: model["bins"], np.add),
        ("mce", lambda model: model["bins"] * (n / np.maximum(model["bin_rows"], 1)), np.maximum),
        ("classwise_ece", lambda model: model["classwise"] / classes, np.add),
        ("smooth_ece", lambda model: coarse(smooth(model["smooth"], smooth_width(model, n))), np.add),
    ):
        sums, large_sums = distances(small), distances(large)
        held = rows.reshape(len(sums), -1).sum(axis=1)  # the classwise sums may have fewer blocks
        noise = block_noise(DRAWS, len(held), options.seed)
        errors, large_errors = (distance_errors(model, held, combine, noise) for model in (sums, large_sums))
        intervals[name] = distance_gap_interval(gaps[name], errors, large_errors, level)
    only, large_only = map(int, summary["only_right"])
    intervals["accuracy"] = paired_share_gap_interval(only, large_only, n, level)
    if n == 1:  # one example says nothing about spread
        intervals = dict.fromkeys(intervals, (-np.inf, np.inf))
    ends = {}
    for name, (low, high) in intervals.items():  # within the figure's range, and around the gap to the last bit
        ends[name] = min(max(low, -RANGE[name]), gaps[name]), max(min(high, RANGE[name]), gaps[name])
    return ends
