"""How does the report say it? The words, signs and numbers that its page, tables and plots have in common.

Nothing is computed here that is a measurement: figures, intervals and verdicts come from the audit.
"""

import re
import unicodedata
from typing import Any, NamedTuple

Audit = dict[str, Any]
Pair = dict[str, Any]
Entry = dict[str, Any]  # one dimension of one pair; one that failed or was left out has but its status and the reason


class Dimension(NamedTuple):
    question: str
    asks: str  # what is measured, for somebody who has never heard of it


DIMENSIONS = {
    "prediction_error_jaccard": Dimension(
        "Same mistakes?",
        "Two models of equal accuracy can be wrong about different examples. Of everything that at least one of the "
        "two gets wrong, this is the share that both get wrong.",
    ),
    "calibration_gap": Dimension(
        "As honest about its confidence?",
        "A model is honest about its confidence if it is right eight times out of ten where it says “80 %”. Its "
        "calibration error is how far it is from that. This is the difference of the two models' errors.",
    ),
    "representation_overlap": Dimension(
        "Same neighbours?",
        "A model turns every text into a point, and texts that it takes to be alike lie close together. For each text "
        "this looks up its nearest neighbours in both models, and asks how many of them are the same.",
    ),
    "ood_divergence": Dimension(
        "Same sense of what is strange?",
        "A model should be less sure of itself when it is shown something of another kind than it was made for. This "
        "mixes such strange texts with ordinary ones and compares how well, and where, the two models notice.",
    ),
    "attribution_alignment": Dimension(
        "Same reasons?",
        "An explainer finds the words that made a model decide as it did. For each text the words that matter most to "
        "the two models are compared: do they decide for the same reasons, or say the same for different ones?",
    ),
    "attack_divergence": Dimension(
        "Breaks the same way?",
        "An attacker changes a text a little, in ways meant to keep what it says, until the model changes its mind. "
        "This compares how much accuracy each model loses, and whether what fools the one fools the other.",
    ),
}
FIGURES = {
    "jaccard": "overlap of the errors",
    "neighbor_jaccard_at_K": "overlap of the K nearest neighbours",
    "cka": "likeness of the two spaces (CKA)",
    "auroc_gap": "gap of the AUROC",
    "fpr95_gap": "gap of the strange texts that pass (FPR at 95 %)",
    "flagged_jaccard": "overlap of what is flagged",
    "jaccard_at_K": "overlap of the K most important words",
    "alignment_at_K": "alignment of the K most important words",
    "ece_gap": "gap of the calibration error (ECE)",
    "smooth_ece_gap": "gap of the calibration error (smooth ECE)",
    "brier_gap": "gap of the Brier score",
    "accuracy_fall_gap": "gap of the accuracy lost",
    "broken_jaccard": "overlap of what breaks",
}
READS = {
    "overlap": "1 would be all in common, 0 nothing.",
    "gap": "0 would be no difference; above 0 the compressed model's is the higher one, below 0 the lower.",
}
SIGNS = {"equivalent": "=", "different": "≠", "inconclusive": "?", "failed": "!", "skipped": "-", "reference": "·"}


def figure_name(headline: str) -> str:
    """
    >>> figure_name("neighbor_jaccard_at_10"), figure_name("brand_new_figure")
    ('overlap of the 10 nearest neighbours', 'brand new figure')
    """
    size = re.search(r"_at_(\d+)$", headline)
    form = re.sub(r"_at_\d+$", "_at_K", headline)
    words = FIGURES.get(form)
    if words is None:
        return headline.replace("_", " ")
    return words.replace("the K ", f"the {size[1]} ") if size else words


def number(value: float | None, kind: str = "overlap") -> str:
    """Three decimals, with a sign where it is a gap, and a dash where there is none.

    >>> number(0.61), number(-0.0123, "gap"), number(None)
    ('0.610', '-0.012', '-')
    """
    if value is None:
        return "-"
    return f"{value:+.3f}" if kind == "gap" else f"{value:.3f}"


def signed(text: str) -> str:
    """A minus as wide as a plus."""
    return text.replace("-", "\N{MINUS SIGN}")


def status(entry: Entry) -> str:
    """The verdict; "failed" or "skipped" where there is none; "reference" for the twin, on which there is none."""
    if entry["status"] != "done":
        return str(entry["status"])
    return entry["verdict"] or "reference"


NO_TWIN = "There is no twin: two large models that differ by their seed alone may differ as much."


class Answer(NamedTuple):
    verdict: str
    word: str
    sentence: str


def answer(pair: Pair) -> Answer:
    """The dimensions' verdicts in a sentence: one that differs is a no, and a yes takes all that there are.

    >>> answer({"dimensions": {"calibration_gap": {"status": "done", "verdict": "equivalent"}}}).sentence
    'It is equivalent in the one dimension that was tried, of 6.'
    """
    found = [status(entry) for entry in pair["dimensions"].values()]
    count = {name: found.count(name) for name in SIGNS}
    if found and count["equivalent"] == len(found) == len(DIMENSIONS):
        return Answer("equivalent", "Yes", f"It is equivalent in all {len(found)} dimensions.")
    if found and count["equivalent"] == len(found):
        tried = "the one dimension that was" if len(found) == 1 else f"the {len(found)} dimensions that were"
        return Answer("inconclusive", "Not settled", f"It is equivalent in {tried} tried, of {len(DIMENSIONS)}.")
    says = {"equivalent": "equivalent in", "different": "different in", "inconclusive": "inconclusive in"}
    says |= {"failed": "could not be measured in", "skipped": "left out in"}
    order = ("different", "equivalent", "inconclusive", "failed", "skipped")
    parts = [f"{says[name]} {count[name]}" for name in order if count[name]]
    listed = f"Of {len(found)} dimension{'s' * (len(found) != 1)}: {', '.join(parts) or 'none was measured'}."
    if count["different"]:
        twin = any(entry.get("floor") is not None for entry in pair["dimensions"].values())
        return Answer("different", "No", listed if twin else f"{listed} {NO_TWIN}")
    return Answer("inconclusive", "Not settled", listed)


def would_settle(dimension: str, needed: int) -> str:
    """
    >>> would_settle("attack_divergence", 2600), would_settle("calibration_gap", 760)
    ('about 2,600 attacked examples would settle it', 'about 760 examples would settle it')
    """
    return f"about {needed:,} {COUNTED.get(dimension, 'examples')} would settle it"


COUNTED = {
    "ood_divergence": "ordinary and strange examples",
    "attribution_alignment": "explained examples",
    "attack_divergence": "attacked examples",
}


def judged(audit: Audit) -> list[Pair]:
    """The pairs that the audit is about: every compressed model against the large one."""
    return [pair for pair in audit["pairs"] if pair["role"] == "compressed"]


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


# Text from outside: names, texts, reasons.


BIDI = "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"


def clean(text: Any, lines: bool = False) -> str:
    """Characters that cannot be seen, or turn others around, are spelled out; `lines` keeps line breaks.

    >>> clean("safe\\u202egnp.exe"), clean("a\\nb"), clean("naïve 🧠")
    ('safe\\\\u202egnp.exe', 'a b', 'naïve 🧠')
    """
    out = []
    for character in str(text):
        if character == "\n" and lines:
            out.append(character)
        elif character in "\n\t ":
            out.append(" ")
        elif character in BIDI or unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp"):
            code = ord(character)
            out.append(f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}")
        else:
            out.append(character)
    return "".join(out)


def plain(value: Any) -> str:
    """A setting as one line.

    >>> plain({"a": 1, "b": [1, 2]}), plain(None), plain(True)
    ('a=1, b=1 2', 'none', 'yes')
    """
    if isinstance(value, dict):
        return ", ".join(f"{clean(key)}={plain(item)}" for key, item in value.items())
    if isinstance(value, list | tuple):
        return " ".join(map(plain, value)) or "none"
    if value is None or isinstance(value, bool):
        return "none" if value is None else "yes" if value else "no"
    return f"{value:.6g}" if isinstance(value, float) else clean(value)


def interval_name(audit: Audit) -> str:
    level = audit["settings"].get("confidence_level")
    return f"{100 * level:.4g} % interval" if isinstance(level, float) else "interval"


def parameters(model: dict[str, Any]) -> str:
    """
    >>> parameters({"parameters": 22_713_216}), parameters({"parameters": None})
    ('22.7 M', '-')
    """
    count = model["parameters"]
    return "-" if count is None else f"{count / 1e6:.1f} M" if count >= 100_000 else f"{count:,}"
