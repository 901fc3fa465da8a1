"""What does a dimension's result say, in words that anyone can follow?"""

from typing import Any

from .verdicts import tells

Entry = dict[str, Any]


def sentence(dimension: str, entry: Entry, small: str, large: str) -> str:
    """What was found, what chance or a twin would give, and what that means.

    >>> figures = {"accuracy_fall": 0.75, "large_accuracy_fall": 0.5, "accuracy_fall_gap": 0.25}
    >>> sentence("attack_divergence", {"figures": figures, "floor": None, "verdict": None}, "tiny", "large")
    'Under attack tiny loses 75 % of its accuracy, and large 50 %: a gap of 25 points.'
    """
    found = FOUND[dimension](entry["figures"], entry, small, large)
    return " ".join([found, *beside_twin(dimension, entry, large), *verdict(entry, small, large)])


def beside_twin(dimension: str, entry: Entry, large: str) -> list[str]:
    if entry["floor"] is None or entry["verdict"] is None:
        return []
    found = f"it is {percent(entry['floor'])}" if entry["kind"] == "overlap" else f"the gap is {points(entry['floor'])}"
    return [f"Between {large} and its twin, which differ by their seed alone, {found}."]


def verdict(entry: Entry, small: str, large: str) -> list[str]:
    if not entry["verdict"]:
        return []
    if not tells(entry["expected"]):
        return ["Chance alone would give as much, so that these examples tell nothing: inconclusive."]
    low, high, size = (entry[f"divergence{end}"] for end in ("_low", "_high", ""))
    between = f"({points(low)} to {points(high)})"
    margin = f"the margin of {points(entry['margin'])}"
    if entry["floor"] is None:
        found = f"That is {points(size)} from {'a full overlap' if entry['kind'] == 'overlap' else 'no gap'} {between}"
    else:
        more = "more" if size >= 0 else "less"
        found = f"So {small} is {points(abs(size))} {more} unlike {large} than the twin is {between}"
    if entry["verdict"] == "equivalent":
        return [f"{found}, within {margin}: equivalent."]
    if entry["verdict"] == "different":
        return [f"{found}, beyond {margin}: different."]
    count = entry["examples_needed"]
    more = f"about {count:,} would settle it" if count else "it would take more than could be asked for"
    return [f"{found}; {entry['examples']:,} examples cannot tell that from {margin}: inconclusive, {more}."]


def of_errors(f: Entry, entry: Entry, small: str, large: str) -> str:
    together = f["shared_errors"] + f["compressed_only_errors"] + f["large_only_errors"]
    if not together:
        return f"Neither {small} nor {large} makes a mistake here."
    share = (
        f"{percent(f['jaccard'])} of the {together:,} examples that {small} or {large} gets wrong are wrong for both"
    )
    return f"{share}; by chance it would be {percent(f['expected_jaccard'])}."


def of_calibration(f: Entry, entry: Entry, small: str, large: str) -> str:
    own, larges = (f"{points(f[f'{prefix}ece'])}" for prefix in ("", "large_"))
    gap = f"a gap of {points(f['ece_gap'])}"
    return f"{small}'s confidence is off by {own} on average, and {large}'s by {larges}: {gap}."


def of_neighbors(f: Entry, entry: Entry, small: str, large: str) -> str:
    count = entry["headline"].rpartition("_")[2]
    together = f"Of all that is among the {count} nearest neighbours of a text in {small} or in {large}"
    share = f"{together}, {percent(entry['value'])} is so in both"
    return f"{share}; by chance it would be {percent(entry['expected'])}."


def of_strangeness(f: Entry, entry: Entry, small: str, large: str) -> str:
    share = f"{percent(f['flagged_jaccard'])} of the texts that {small} or {large} finds strange are strange to both"
    return f"{share}; by chance it would be {percent(f['expected_flagged_jaccard'])}."


def of_reasons(f: Entry, entry: Entry, small: str, large: str) -> str:
    count = entry["headline"].rpartition("_")[2]
    together = f"Of all that is among the {count} words that matter most to {small} or to {large}"
    share = f"{together}, {percent(entry['value'])} is so for both"
    return f"{share}; by chance it would be {percent(entry['expected'])}."


def of_attacks(f: Entry, entry: Entry, small: str, large: str) -> str:
    own, larges = (percent(f[f"{prefix}accuracy_fall"]) for prefix in ("", "large_"))
    gap = f"a gap of {points(f['accuracy_fall_gap'])}"
    return f"Under attack {small} loses {own} of its accuracy, and {large} {larges}: {gap}."


FOUND = {
    "prediction_error_jaccard": of_errors,
    "calibration_gap": of_calibration,
    "representation_overlap": of_neighbors,
    "ood_divergence": of_strangeness,
    "attribution_alignment": of_reasons,
    "attack_divergence": of_attacks,
}


def percent(share: float) -> str:
    """
    >>> percent(0.61), percent(0.004), percent(1.0)
    ('61 %', '0.4 %', '100 %')
    """
    return f"{100 * share:.1f} %" if 0 < abs(share) < 0.1 else f"{100 * share:.0f} %"


def points(share: float) -> str:
    """
    >>> points(0.034), points(-0.1)
    ('3.4 points', '-10 points')
    """
    return f"{100 * share:.3g} points"
