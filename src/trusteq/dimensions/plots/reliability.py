"""Reliability diagrams: how often a model is right against how sure it says it is."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from scipy.special import betaincinv

from trusteq.dimensions.plots.colors import COMPRESSED, LARGE
from trusteq.options import details_of


def bin_details(model: dict[str, np.ndarray], edges: np.ndarray, bars: str = "clopper-pearson") -> dict[str, Any]:
    """Of every bin that holds examples: its edges, how many, mean confidence, accuracy and its 95 % bar; and how many
    bins were asked for."""
    used = model["bin_rows"] > 0
    rows, right = model["bin_rows"][used], model["bin_right"][used]
    low, high = BARS[bars](right, rows)
    return {
        "from": edges[:-1][used].tolist(),
        "to": edges[1:][used].tolist(),
        "rows": rows.tolist(),
        "confidence": (model["bin_confidence"][used] / rows).tolist(),
        "accuracy": (right / rows).tolist(),
        "accuracy_low": low.tolist(),
        "accuracy_high": high.tolist(),
        "histogram": model["histogram"].tolist(),
        "asked": len(used),
    }


def clopper_pearson(right: np.ndarray, rows: np.ndarray, level: float = 0.95) -> tuple[np.ndarray, np.ndarray]:
    """Exact binomial intervals.

    >>> low, high = clopper_pearson(np.array([0, 5]), np.array([10, 10]), 0.95)
    >>> low.round(3).tolist(), high.round(3).tolist()
    ([0.0, 0.187], [0.308, 0.813])
    """
    tail = (1 - level) / 2
    low = np.where(right > 0, betaincinv(np.maximum(right, 1), rows - right + 1, tail), 0.0)
    high = np.where(right < rows, betaincinv(right + 1, np.maximum(rows - right, 1), 1 - tail), 1.0)
    return low, high


def wald(right: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """1.96 standard errors to either side, as paper B draws them: none where all are right, and beyond 1 where few are.

    >>> low, high = wald(np.array([5, 3]), np.array([10, 3]))
    >>> low.round(3).tolist(), high.round(3).tolist()
    ([0.19, 1.0], [0.81, 1.0])
    """
    share = right / rows
    reach = 1.96 * np.sqrt(share * (1 - share) / rows)
    return share - reach, share + reach


BARS = {"clopper-pearson": clopper_pearson, "wald": wald}


def plot(result: dict[str, Any]) -> Any:
    """Bins side by side from the least sure to the surest, so that a confident model's do not lie on one spot."""
    from matplotlib.figure import Figure
    from matplotlib.legend_handler import HandlerTuple

    details = details_of(result, "calibration_gap")
    figure = Figure(figsize=(10, 6.4), layout="constrained")
    axes = figure.subplots(2, 2, sharey="row", height_ratios=(3, 1))
    models = (("compressed", "", COMPRESSED, "o"), ("large", "large_", LARGE, "s"))
    lowest = min(min(details[name][key]) for name, *_ in models for key in ("confidence", "accuracy_low"))
    first = min(int(np.argmax(np.array(details[name]["histogram"]) > 0)) for name, *_ in models)
    for (top, bottom), (name, prefix, color, marker) in zip(axes.T, models, strict=True):
        plot_bins(top, details[name], color, marker)
        top.set_title(f"{name}: ece {result[prefix + 'ece']:.3f}, accuracy {result[prefix + 'accuracy']:.3f}")
        top.set_ylim(max(0, np.floor(lowest * 10) / 10) - 0.005, 1.015)
        counts = np.array(details[name]["histogram"]) / details["examples"]
        bottom.stairs(counts, np.linspace(0, 1, len(counts) + 1), fill=True, color=color)
        bottom.set(xlim=(first / len(counts), 1), xlabel="confidence")
    axes[0, 0].set_ylabel("accuracy and mean confidence of the bin")
    axes[1, 0].set(ylabel="share of examples", ylim=(0, None))
    for axis in axes.flat:
        axis.spines[["top", "right"]].set_visible(False)
    title = f"ece gap {result['ece_gap']:+.3f}"
    if "ece_gap_low" in result:
        title += f" (interval {result['ece_gap_low']:+.3f} to {result['ece_gap_high']:+.3f})"
    figure.suptitle(title.replace("-", "\N{MINUS SIGN}"), fontsize=13)
    (handles, labels), (others, _) = (axis.get_legend_handles_labels() for axis in axes[0])
    style: dict[str, Any] = {"handler_map": {tuple: HandlerTuple(ndivide=None)}, "ncols": 3, "frameon": False}
    pairs: Any = list(zip(handles, others, strict=True))  # each label stands for both colors
    figure.legend(pairs, labels, loc="outside lower center", **style)
    return figure


def diagram(results: Any) -> Any:
    """Accuracy against confidence, beside the diagonal of an honest model: of one result, or of several by name, which
    share their large model."""
    from matplotlib.figure import Figure

    several = isinstance(results, Mapping) and "details" not in results
    named = dict(results) if several else {"compressed": results}
    if not named:
        raise ValueError("diagram needs a result, or a dict of results by the models' names, got an empty one")
    found = {str(name): details_of(result, "calibration_gap") for name, result in named.items()}
    large = next(iter(found.values()))["large"]
    if odd := next((name for name, details in found.items() if details["large"] != large), None):
        raise ValueError(f"diagram needs results with one large model, and that of {odd} is another")
    models = {"large": large} | {name: details["compressed"] for name, details in found.items()}
    figure = Figure(figsize=(6.4, 6.4), layout="constrained")
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1], color="grey", linewidth=1, linestyle="--", label="honest: right as often as it says")
    for i, (name, bins) in enumerate(models.items()):
        confidence, accuracy = np.array(bins["confidence"]), np.array(bins["accuracy"])
        bars = np.stack([accuracy - bins["accuracy_low"], bins["accuracy_high"] - accuracy])
        color = (LARGE, COMPRESSED)[i] if len(models) == 2 else f"C{i}"
        style: dict[str, Any] = {"marker": "os^vDPX*"[i % 8], "markersize": 5, "linewidth": 1.2, "capsize": 3}
        axes.errorbar(confidence, accuracy, bars, color=color, label=name, **style)
    start = min(min(bins["confidence"] + bins["accuracy_low"]) for bins in models.values())
    start = max(0.0, np.floor(start * 10) / 10)
    axes.set(
        xlim=(start, 1.01), ylim=(start, 1.01), xlabel="mean confidence of the bin", ylabel=ACCURACY, aspect="equal"
    )
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, loc="upper left")
    return figure


ACCURACY = "accuracy, with its 95 % interval"


def plot_bins(axis: Any, bins: dict[str, Any], color: str, marker: str) -> None:
    """Of each bin the mean confidence as a line, the accuracy as a mark with its bar, and their distance shaded."""
    confidence, accuracy, place = np.array(bins["confidence"]), np.array(bins["accuracy"]), np.arange(len(bins["rows"]))
    bars = np.stack([accuracy - bins["accuracy_low"], bins["accuracy_high"] - accuracy])
    few = len(place) <= 20
    axis.bar(place, accuracy - confidence, 0.8, confidence, color=color, alpha=0.3, label="their distance")
    axis.hlines(confidence, place - 0.4, place + 0.4, color="black", linewidth=1.4, label="mean confidence")
    style = {"capsize": 3 if few else 0, "markersize": 6 if few else 2, "elinewidth": 1.2 if few else 0.5}
    label = ACCURACY
    axis.errorbar(place, accuracy, bars, color=color, fmt=marker, label=label, clip_on=False, **style)
    shown = place[:: -(-len(place) // 10)]
    axis.set_xticks(shown, [f"{confidence[i]:.3f}".removeprefix("0") for i in shown], fontsize=9)
    empty = bins.get("asked", len(place)) - len(place)  # the least sure answer of two classes has a confidence of 0.5
    of = f" ({len(place)} of {len(place) + empty}: the others hold no example)" if empty else ""
    axis.set(xlim=(-0.6, len(place) - 0.4), xlabel=f"bins from the least sure to the surest: their mean confidence{of}")
