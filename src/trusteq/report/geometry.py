"""Where on the summary's axis does a divergence lie? Counted in margins."""

from typing import NamedTuple

from trusteq.report.queries import judged
from trusteq.report.words import Audit, Entry


class Span(NamedTuple):
    """A divergence as the summary draws it, counted in margins: 0 is the twin (or, without one, no divergence)."""

    middle: float
    low: float
    high: float
    floor: tuple[float, float] | None  # how sure the twin's own figure is, around 0


def in_margins(entry: Entry) -> Span | None:
    """
    >>> entry = {"status": "done", "kind": "overlap", "margin": 0.1, "floor": 0.8, "floor_low": 0.75, "floor_high": 0.9}
    >>> span = in_margins(entry | {"divergence": 0.2, "divergence_low": 0.1, "divergence_high": 0.3})
    >>> [round(x, 9) for x in (*span[:3], *span.floor)]
    [2.0, 1.0, 3.0, -1.0, 0.5]
    """
    if entry["status"] != "done":
        return None
    unit, floor = entry["margin"], None
    if entry["floor"] is not None and entry["floor_low"] is not None:
        middle, ends = entry["floor"], (entry["floor_low"], entry["floor_high"])
        if entry["kind"] == "overlap":
            floor = ((middle - ends[1]) / unit, (middle - ends[0]) / unit)
        else:
            near, far = sorted(map(abs, ends))
            near = 0.0 if ends[0] <= 0 <= ends[1] else near
            floor = ((near - abs(middle)) / unit, (far - abs(middle)) / unit)
    low, high = (entry[f"divergence_{end}"] for end in ("low", "high"))
    low, high = (entry["divergence"] if end is None else end for end in (low, high))
    return Span(entry["divergence"] / unit, low / unit, high / unit, floor)


WIDEST = 6.0


def reach(audit: Audit) -> tuple[float, float]:
    """From where to where the summary's axis goes, in margins; what lies beyond is drawn at its end, as an arrow."""
    pairs = judged(audit) or audit["pairs"]
    spans = [in_margins(entry) for pair in pairs for entry in pair["dimensions"].values()]
    ends = [end for span in spans if span for end in (span.low, span.high)]
    return max(-3.0, min([-0.5, *ends])) - 0.25, min(WIDEST, max([2.0, *ends])) + 0.25


def place_of(value: float, ends: tuple[float, float]) -> float:
    """Where it lies between them, in percent.

    >>> place_of(1, (0, 4)), place_of(9, (0, 4))
    (25.0, 100.0)
    """
    return round(100 * min(max((value - ends[0]) / (ends[1] - ends[0]), 0.0), 1.0), 2)
