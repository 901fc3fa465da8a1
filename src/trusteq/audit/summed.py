"""The verdicts of two models of which only sums are known: an audit's, but with the intervals that the sums give.

That of the calibration gap is wider than an audit's, which draws the rows anew, and what chance adds to each error
stays in it: of as many rows as sums are made for that is next to nothing."""

from typing import Any

from trusteq.audit.judging import correct, margin_alone, why_open
from trusteq.audit.options import AuditOptions
from trusteq.dimensions.record import Dimension, Entry, Figures
from trusteq.dimensions.registry import DIMENSIONS
from trusteq.records.summary import Summary
from trusteq.verdicts import Excess


def verdicts_of(summary: Summary, figures: dict[str, Figures], options: AuditOptions) -> dict[str, Entry]:
    """By dimension what an audit says of it, corrected for their number."""
    assert options.confidence_level is not None  # an audit always has intervals
    rows = int(summary.arrays["cells"][:, 0].sum())
    groups = int(summary.arrays["outcomes"].any(axis=1).sum()) if summary.grouped else None
    own = {name: found for name, found in figures.items() if name in DIMENSIONS}
    entries = {name: entry_of(DIMENSIONS[name], found, rows, groups, options) for name, found in own.items()}
    done = [entry for entry in entries.values() if entry["status"] == "done"]
    correct(done, options.confidence_level)  # as in an audit
    return entries


def entry_of(dimension: Dimension, figures: Figures, rows: int, groups: int | None, options: AuditOptions) -> Entry:
    """`groups` counts the blocks of groups that hold any, so there are at least as many groups."""
    assert options.confidence_level is not None
    key = dimension.headline
    if f"{key}_low" not in figures:
        return {"status": "skipped", "reason": f"without an interval of {key} there is no verdict"}
    entry: Entry = {"status": "done", "reason": None, "headline": key, "kind": dimension.kind, "floor": None}
    entry |= {place: figures[key + end] for place, end in (("value", ""), ("low", "_low"), ("high", "_high"))}
    entry["expected"] = figures[dimension.expected] if dimension.expected else None
    margin = margin_alone(dimension, entry, options)
    excess = Excess(*divergence(dimension.kind, entry), margin, options.confidence_level)
    because = why_open(dimension, entry, figures, rows, True, groups)
    entry |= {"divergence": excess.value, "divergence_low": excess.low, "divergence_high": excess.high}
    entry |= {"margin": margin, "verdict": "inconclusive" if because else excess.verdict, "chance": excess.chance}
    entry |= {"examples": rows, "examples_needed": None, "open_because": because}
    if entry["verdict"] == "inconclusive" and not because:
        entry["examples_needed"] = excess.needed(rows)
    return entry


def divergence(kind: str, entry: dict[str, Any]) -> tuple[float, float, float]:
    """What is missing to a full overlap, or the size of a gap, with its interval: as far to both sides as to the wider
    one, as in resampling.ends.

    >>> divergence("overlap", {"value": 0.75, "low": 0.625, "high": 0.8125})
    (0.25, 0.125, 0.375)
    >>> divergence("gap", {"value": -0.25, "low": -0.5, "high": 0.125})
    (0.25, 0.0, 0.625)
    """
    value, low, high = (entry[name] for name in ("value", "low", "high"))
    reach = max(value - low, high - value)
    size = 1 - value if kind == "overlap" else abs(value)
    return size, max(0.0, size - reach), min(1.0, size + reach)
