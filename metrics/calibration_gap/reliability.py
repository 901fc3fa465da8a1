"""Reliability diagrams: how often a model is right against how sure it says it is."""

from typing import Any

import numpy as np
from scipy.special import betaincinv

COMPRESSED, LARGE = "#D55E00", "#0072B2"


def bin_details(model: dict[str, np.ndarray], edges: np.ndarray) -> dict[str, Any]:
    """Of every bin that holds examples: its edges, how many, mean confidence, accuracy and its 95 % bar."""
    used = model["bin_rows"] > 0
    rows, right = model["bin_rows"][used], model["bin_right"][used]
    low, high = clopper_pearson(right, rows, 0.95)
    return {
        "from": edges[:-1][used].tolist(),
        "to": edges[1:][used].tolist(),
        "rows": rows.tolist(),
        "confidence": (model["bin_confidence"][used] / rows).tolist(),
        "accuracy": (right / rows).tolist(),
        "accuracy_low": low.tolist(),
        "accuracy_high": high.tolist(),
        "histogram": model["histogram"].tolist(),
    }


def clopper_pearson(right: np.ndarray, rows: np.ndarray, level: float) -> tuple[np.ndarray, np.ndarray]:
    """Exact binomial intervals.

    >>> low, high = clopper_pearson(np.array([0, 5]), np.array([10, 10]), 0.95)
    >>> low.round(3).tolist(), high.round(3).tolist()
    ([0.0, 0.187], [0.308, 0.813])
    """
    tail = (1 - level) / 2
    low = np.where(right > 0, betaincinv(np.maximum(right, 1), rows - right + 1, tail), 0.0)
    high = np.where(right < rows, betaincinv(right + 1, np.maximum(rows - right, 1), 1 - tail), 1.0)
    return low, high


def plot(result: dict[str, Any]) -> Any:
    from matplotlib.figure import Figure

    if "details" not in result:
        raise ValueError("plot needs a result with details: call compute(..., details=True)")
    details = result["details"]
    figure = Figure(figsize=(9, 6), layout="constrained")
    axes = figure.subplots(2, 2, sharex=True, sharey="row", height_ratios=(3, 1))
    models = (("large", "large_", LARGE, "s"), ("compressed", "", COMPRESSED, "o"))
    lowest = min(min(details[name][key]) for name, *_ in models for key in ("confidence", "accuracy_low"))
    start = np.floor(lowest * 10) / 10
    for (top, bottom), (name, prefix, color, marker) in zip(axes.T, models, strict=True):
        bins = details[name]
        confidence, accuracy = np.array(bins["confidence"]), np.array(bins["accuracy"])
        bars = np.stack([accuracy - bins["accuracy_low"], bins["accuracy_high"] - accuracy])
        top.plot([0, 1], [0, 1], color="#888888", linestyle="--", linewidth=1, label="perfectly calibrated")
        top.vlines(confidence, accuracy, confidence, color=color, alpha=0.35, linewidth=6)
        top.errorbar(confidence, accuracy, bars, color=color, fmt=marker + "-", capsize=3, label=name, clip_on=False)
        ece, right = result[prefix + "ece"], result[prefix + "accuracy"]
        top.set_title(f"{name}: ece {ece:.3f}, accuracy {right:.3f}", fontsize=11)
        top.legend(loc="upper left", frameon=False)
        top.set(xlim=(start, 1.005), ylim=(start, 1.005))
        counts = np.array(bins["histogram"]) / details["examples"]
        centers = (np.arange(len(counts)) + 0.5) / len(counts)
        bottom.bar(centers, counts, 1 / len(counts), color=color, edgecolor="white")
        bottom.set_xlabel("confidence")
    axes[0, 0].set_ylabel("accuracy (95 % bars)")
    axes[1, 0].set_ylabel("share of examples")
    for axis in axes.flat:
        axis.spines[["top", "right"]].set_visible(False)
    title = f"ece gap {result['ece_gap']:+.3f}"
    if "ece_gap_low" in result:
        title += f"  (interval {result['ece_gap_low']:+.3f} to {result['ece_gap_high']:+.3f})"
    figure.suptitle(title, fontsize=12)
    return figure
