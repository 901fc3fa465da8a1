"""What will so many examples tell? From an earlier audit, or before any model is asked, from guesses."""

import dataclasses
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import ndtr

from trusteq.audit.results import audit_of
from trusteq.checks import check_number
from trusteq.dimensions.record import Entry
from trusteq.dimensions.registry import DIMENSIONS
from trusteq.intervals import normal_quantile
from trusteq.verdicts import MOST, POWER, Excess, rounded

NUMBERS = (100, 200, 500, 1_000, 2_000, 5_000, 10_000, 20_000, 50_000, 100_000)
HOLM = "(Holm's correction)"  # in the reason of a verdict that it keeps open (judging.py)
TWINS = "needs more twins"

Plan = dict[str, Any]


def plan(result: dict[str, Any]) -> Plan:
    """From an audit: for each compressed model and dimension the chance that so many examples settle it, if those of
    the audit are among them; and how many do with 80 % power."""
    audit = audit_of(result)
    level = audit["settings"]["confidence_level"]
    judged = [
        (pair["compressed"], name, entry)
        for pair in audit["pairs"]
        for name, entry in pair["dimensions"].items()
        if entry["status"] == "done" and entry["verdict"]
    ]
    rows = [row_of(*one, level, len(judged)) for one in judged]
    if not rows:
        raise ValueError("the audit holds no verdict that more examples could settle: it measured nothing")
    return {"guesses": None, "level": level, "power": POWER, "numbers": list(NUMBERS), "rows": rows}


def row_of(compressed: str, name: str, entry: Entry, level: float, verdicts: int) -> dict[str, Any]:
    dimension, examples, excess = DIMENSIONS[name], entry["examples"], excess_in(entry, level)
    row: dict[str, Any] = {"compressed": compressed, "dimension": name, "counted": dimension.counted}
    row |= {"examples": examples, "verdict": entry["verdict"], "margin": entry["margin"], "needed": None}
    few = examples < dimension.fewest
    if entry["open_because"] and HOLM in entry["open_because"]:
        excess = excess.at(1 - (1 - level) / verdicts)  # at its strictest, as if this were the first of all
        row["note"] = (
            f"By itself it is different: the chances are those after Holm's correction for {verdicts} verdicts."
        )
    elif entry["open_because"] and not few and not excess.needs_twins:
        return row | {"chances": None, "half_widths": None, "says": entry["open_because"]}
    growth = np.array(NUMBERS) / examples
    reach = max(excess.high - excess.value, excess.value - excess.low)
    enough = np.array(NUMBERS) >= dimension.fewest
    row["chances"] = np.where(enough, excess.settled(growth), 0.0).tolist()
    row["half_widths"] = np.hypot(reach / np.sqrt(growth), excess.seeds).tolist()
    if entry["verdict"] != "inconclusive":
        return row | {"needed": examples, "says": f"settled: {entry['verdict']}"}
    if excess.needs_twins:
        return row | {"says": TWINS}
    needed = excess.needed(examples)
    return row | {"needed": needed and max(needed, dimension.fewest), "says": "" if needed else "over a million"}


def excess_in(entry: Entry, level: float) -> Excess:
    """As it was judged: the interval in a report is that over the seeds of the twins, too."""
    value, seeds = entry["divergence"], entry["seeds"]
    below, above = (abs(entry[f"divergence_{end}"] - value) for end in ("low", "high"))
    low, high = (math.sqrt(max(0.0, side**2 - seeds**2)) for side in (below, above))
    return Excess(value, value - low, value + high, entry["margin"], level, seeds, entry["one_more"])


# From guesses.


@dataclass(frozen=True)
class Guesses:
    """What large model, twin and compressed model are taken to be like, where they do not differ.

    Args:
        accuracy: how much each gets right.
        shared: of what two of them get wrong, the part that both get wrong.
        auroc: how well each tells texts out of distribution from ordinary ones.
        fall: which part of its accuracy each loses under attack.
        alike: how far two of them agree in how strange a text is, and in what breaks (a correlation).
        level: of the intervals.
    """

    accuracy: float = 0.85
    shared: float = 0.6
    auroc: float = 0.8
    fall: float = 0.5
    alike: float = 0.6
    level: float = 0.95

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            check_number(name, value, above=0, below=1)

    @property
    def wrong(self) -> float:
        return 1 - self.accuracy

    @property
    def both(self) -> float:
        """How much two models both get wrong."""
        return self.wrong * 2 * self.shared / (1 + self.shared)


def errors(guesses: Guesses) -> tuple[float, float, float]:
    """Of the error overlap: its margin, and the deviations (times the root of n) of the excess, and of the excess with
    the margin, which is drawn too.

    An example is as hard for one model as for the other (hardness is Beta distributed), which says how much three get
    wrong together; the rest is the delta method.
    """
    wrong, both, overlap = guesses.wrong, guesses.both, guesses.shared
    chance = wrong / (2 - wrong)
    alike = (both - wrong**2) / (wrong * (1 - wrong))
    if alike <= 0:
        raise ValueError(f"shared is {overlap:g}, and chance alone gives {chance:.2f}: guess more, or fewer errors")
    total = 1 / alike - 1
    three = both * (wrong * total + 2) / (total + 2)
    two, one = both - three, wrong - 2 * both + three
    either = 2 * wrong - both
    own = overlap * (1 - overlap) / either
    shared = three * (1 - overlap) ** 2 - 2 * two * overlap * (1 - overlap) + (two + one) * overlap**2
    shared /= either**2
    part = DIMENSIONS["prediction_error_jaccard"].margin
    with_margin = own * (1 + (1 - part) ** 2) - 2 * (1 - part) * shared
    return part * (overlap - chance), math.sqrt(max(0.0, 2 * (own - shared))), math.sqrt(max(0.0, with_margin))


def gap(margin: float, variance: float) -> tuple[float, float, float]:
    """Of the size of a gap beside the twin's: as uncertain as one gap is (both have the large model in common)."""
    return margin, math.sqrt(variance), math.sqrt(variance)


def calibration(guesses: Guesses) -> tuple[float, float, float]:
    """The errors of calibration part where only one of two models is right."""
    return gap(DIMENSIONS["calibration_gap"].margin, 2 * (guesses.wrong - guesses.both))


def strangeness(guesses: Guesses) -> tuple[float, float, float]:
    """Hanley and McNeil's (1982) error of an AUROC, with as many texts out of distribution as ordinary ones."""
    auroc = guesses.auroc
    one = auroc / (2 - auroc) + 2 * auroc**2 / (1 + auroc) - 2 * auroc**2
    return gap(DIMENSIONS["ood_divergence"].margin, 2 * one * (1 - guesses.alike))


def falls(guesses: Guesses) -> tuple[float, float, float]:
    variance = 2 * guesses.fall * (1 - guesses.fall) * (1 - guesses.alike) / guesses.accuracy
    return gap(DIMENSIONS["attack_divergence"].margin, variance)


FORMULAS: dict[str, Callable[[Guesses], tuple[float, float, float]]] = {
    "prediction_error_jaccard": errors,
    "calibration_gap": calibration,
    "ood_divergence": strangeness,
    "attack_divergence": falls,
}
COUNTED = {"ood_divergence": "ordinary examples, and as many out of distribution"}


def guessed(guesses: Guesses) -> Plan:
    """From guesses, by closed formulas: how wide the interval of the excess over one twin will be, and how often a
    model that does not differ will be called equivalent."""
    rows = [guessed_row(name, formula(guesses), guesses.level) for name, formula in FORMULAS.items()]
    made = {"guesses": dataclasses.asdict(guesses), "level": guesses.level, "power": POWER}
    return made | {"numbers": list(NUMBERS), "rows": rows}


def guessed_row(name: str, found: tuple[float, float, float], level: float) -> dict[str, Any]:
    dimension, (margin, deviation, with_margin) = DIMENSIONS[name], found
    z = normal_quantile(level)

    def chance(count: np.ndarray) -> np.ndarray:
        return ndtr(margin * np.sqrt(count) / with_margin - z) if with_margin else np.ones(len(count))

    numbers = np.array(NUMBERS, dtype=float)
    many = np.geomspace(dimension.fewest, MOST, 2000)
    enough = np.flatnonzero(chance(many) >= POWER)
    return {
        "compressed": None,
        "dimension": name,
        "counted": COUNTED.get(name, dimension.counted),
        "examples": None,
        "verdict": None,
        "margin": margin,
        "needed": rounded(float(many[enough[0]])) if len(enough) else None,
        "chances": np.where(numbers >= dimension.fewest, chance(numbers), 0.0).tolist(),
        "half_widths": (z * deviation / np.sqrt(numbers)).tolist(),
        "says": "" if len(enough) else "over a million",
    }
