"""Which plot is wanted? All divergences beside their margins, or one pair's plot of one dimension."""

from typing import Any

from trusteq.checks import brief, check_choice
from trusteq.dimensions.registry import DIMENSIONS
from trusteq.options import details_of
from trusteq.report.summary_plot import summary_plot
from trusteq.report.words import Pair


def plot(result: dict[str, Any], pair: str | None = None, dimension: str | None = None) -> Any:
    """A matplotlib Figure of an audit, or of what was computed from predictions."""
    details = details_of(result, "trust_equivalence")
    if "pairs" not in details:
        there = tuple(name for name in DIMENSIONS if name in details)
        name = there[0] if dimension is None else dimension
        check_choice("dimension", name, there)
        prefix = f"{name}/"
        figures = {key.removeprefix(prefix): value for key, value in result.items() if key.startswith(prefix)}
        return DIMENSIONS[name].plot(figures | {"details": details[name]})
    if pair is None and dimension is None:
        return summary_plot(details)
    pairs = {one["name"]: one for one in details["pairs"]}
    if not isinstance(pair, str) or pair not in pairs:
        raise ValueError(f"pair must be one of {', '.join(pairs)}, got {brief(pair)}")
    if not isinstance(dimension, str) or dimension not in pairs[pair]["dimensions"]:
        raise ValueError(f"dimension must be one of {', '.join(pairs[pair]['dimensions'])}, got {brief(dimension)}")
    return plot_pair(dimension, pairs[pair])


def plot_pair(dimension: str, pair: Pair) -> Any:
    entry = pair["dimensions"][dimension]
    if entry["status"] != "done":
        raise ValueError(f"{dimension} of {pair['name']} has no plot: {entry['reason']}")
    return DIMENSIONS[dimension].plot(entry["figures"] | {"details": entry["details"]})
