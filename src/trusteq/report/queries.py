"""Which pairs, models and figures does an audit hold?"""

from trusteq.dimensions.registry import DIMENSIONS
from trusteq.report.words import Audit, Pair, answer, figure_name

ANSWERS = ("equivalent", "inconclusive", "different")
ORDER_SAYS = "Models are sorted: yes first, no last, and the nearest to the large model first among equals."


def judged(audit: Audit) -> list[Pair]:
    """The pairs that the audit is about, every compressed model against the large one: yes first, then the nearest."""
    return sorted((pair for pair in audit["pairs"] if pair["role"] == "compressed"), key=place_of)


def place_of(pair: Pair) -> tuple[int, float]:
    """By which compressed models are sorted wherever several stand: first the answer, then how far each is."""
    return ANSWERS.index(answer(pair).verdict), far(pair)


def far(pair: Pair) -> float:
    """How far from large, in margins, on average over the dimensions."""
    done = [entry for entry in pair["dimensions"].values() if entry["status"] == "done"]
    return sum(entry["divergence"] / entry["margin"] for entry in done) / max(1, len(done))


def in_order(audit: Audit) -> list[Pair]:
    """All pairs: those of the twins, those that are judged, and those of compressed models among themselves."""
    others = [pair for pair in audit["pairs"] if pair["role"] not in ("twin", "compressed")]
    return [*(pair for pair in audit["pairs"] if pair["role"] == "twin"), *judged(audit), *others]


def models_in_order(audit: Audit) -> list[str]:
    """All models: those that the others are held against first."""
    last = [pair["compressed"] for pair in judged(audit) if pair["compressed"] in audit["models"]]
    return [*(name for name in audit["models"] if name not in last), *dict.fromkeys(last)]


def models_of(audit: Audit, role: str) -> list[str]:
    return [name for name, model in audit["models"].items() if model["role"] == role]


def measured(audit: Audit) -> list[str]:
    """The dimensions that appear in any pair, in the project's order."""
    there = {name for pair in audit["pairs"] for name in pair["dimensions"]}
    return [name for name in DIMENSIONS if name in there]


def headline_of(audit: Audit, name: str) -> str:
    """Which figure of a dimension the verdict is about, in words."""
    entries = [pair["dimensions"][name] for pair in audit["pairs"] if name in pair["dimensions"]]
    return next((figure_name(entry["headline"]) for entry in entries if entry["status"] == "done"), "")


def between(audit: Audit, name: str, row: str, column: str) -> tuple[float, str] | None:
    """A dimension's figure of two models and its kind, whichever way round they were compared; a gap turns its sign.

    >>> entry = {"status": "done", "kind": "gap", "value": 0.25}
    >>> audit = {"pairs": [{"compressed": "tiny", "large": "big", "dimensions": {"calibration_gap": entry}}]}
    >>> between(audit, "calibration_gap", "tiny", "big"), between(audit, "calibration_gap", "big", "tiny")
    ((0.25, 'gap'), (-0.25, 'gap'))
    """
    for pair in audit["pairs"]:
        entry = pair["dimensions"].get(name)
        if entry and entry["status"] == "done" and {pair["compressed"], pair["large"]} == {row, column}:
            turned = entry["kind"] == "gap" and pair["compressed"] != row
            return (-entry["value"] if turned else entry["value"]), entry["kind"]
    return None
