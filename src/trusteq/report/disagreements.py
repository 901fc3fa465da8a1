"""Which examples stand behind the counts? All of them, coded so that thousands fit into the page; some as they are.

What belongs to which list is decided here and marked on each example, bit by bit; report/page.js looks the bits up."""

import re
from base64 import b64encode
from typing import Any, NamedTuple

import numpy as np

from trusteq.checks import brief
from trusteq.report.examples import changes, named, says_of, shown, top
from trusteq.report.queries import judged
from trusteq.report.words import Audit, Pair
from trusteq.wording import NOTHING, clean, percent, shorten

MOST_TEXT = 800_000  # characters of all texts together: what is longer is cut in the middle
LONGEST, SHORTEST = 600, 120  # characters of a text, where there is room and where there is none
PROBED = 400  # explained, and attacked, examples of all pairs together
FIRST = 3  # examples of a list that stand on the page itself
STATIC = 4  # pairs of which some do
LONGEST_LABEL = 80  # characters of an answer
UNKNOWN = 65535  # where a confidence is not known
WEIGHED = 10  # words of an explanation


class Kind(NamedTuple):
    """A list of examples: what it is called, what is in it, which dimension counts it, and what comes first."""

    name: str
    title: str
    about: str
    dimension: str
    order: str


KINDS = (
    Kind("alone", "only {compressed} wrong", "What the large model has right.", "prediction_error_jaccard", "sure"),
    Kind("large", "only {large} wrong", "What the compressed model has right.", "prediction_error_jaccard", "sure"),
    Kind("both", "both wrong", "The mistakes that the two share.", "prediction_error_jaccard", "sure"),
    Kind("other", "another answer", "The two models give different answers, right or wrong.", "", "sure"),
    Kind("mistakes", "mistakes of {compressed}", "The most confident first.", "calibration_gap", "sure"),
    Kind(
        "flagged",
        "out of distribution to only one",
        "The text is beyond the threshold of one model, and not beyond that of the other.",
        "ood_divergence",
        "place",
    ),
    Kind(
        "neighbors",
        "neighbours side by side",
        "The five texts that each model takes to be most alike; those that share none come first.",
        "representation_overlap",
        "neighbors",
    ),
    Kind(
        "reasons",
        "reasons side by side",
        "What matters most to each model; those that share least come first.",
        "attribution_alignment",
        "reasons",
    ),
    Kind("broken", "broken by the attack", "Small changes that made a model err.", "attack_divergence", "broken"),
    Kind("all", "all examples", "", "", "place"),
)
BIT = {kind.name: 1 << place for place, kind in enumerate(KINDS)}


def check_space(space: str | None) -> None:
    """An address that a page may lead to: over TLS, or on this machine.

    >>> check_space("https://owner-name.hf.space"), check_space("http://localhost:7860")
    (None, None)
    """
    if space is not None and not re.fullmatch(r"(https://|http://(localhost|127\.0\.0\.1)\b)[\w.:/~-]*", space):
        raise ValueError(f"space must be an address that begins with https:// or http://localhost, got {brief(space)}")


def disagreements(audit: Audit, space: str | None = None) -> dict[str, Any] | None:
    """Of every pair its lists with their counts and some examples; and `data`, from which the page shows them all."""
    check_space(space)
    listed = audit["examples"].get("listed")
    if not listed or not listed["text"] or not judged(audit):
        return None
    marks = {pair["name"]: marks_of(listed, pair) for pair in judged(audit)}
    pairs = []
    shown_as_they_are = 0 if audit["examples"].get("flips") else STATIC  # answers that changed have a section
    for place, pair in enumerate(judged(audit)):
        lists = lists_of(pair, marks[pair["name"]])
        rows = (
            [row_of(listed, pair, i) for i in first(listed, pair, marks[pair["name"]])]
            if place < shown_as_they_are
            else []
        )
        pairs.append({**{key: pair[key] for key in ("compressed", "large")}, "lists": lists, "rows": rows})
    count, outside = len(listed["text"]), len(listed["strange"]["text"])
    left_out = listed["left_out"] + listed["strange"]["left_out"]
    return {
        "pairs": pairs,
        "examples": f"{count:,}{f' and {outside:,} out-of-distribution texts' if outside else ''}",
        "left_out": f"{left_out:,}" if left_out else "",
        "data": data_of(audit, listed, marks, space),
    }


def lists_of(pair: Pair, marks: np.ndarray) -> list[dict[str, Any]]:
    names = {key: pair[key] for key in ("compressed", "large")}
    counts = {kind.name: int(np.count_nonzero(marks & BIT[kind.name])) for kind in KINDS}
    return [
        {
            "kind": kind.name,
            "dimension": kind.dimension,
            "title": titled(kind, names),
            "count": f"{counts[kind.name]:,}",
        }
        for kind in KINDS
        if counts[kind.name] or kind.name in ("alone", "large")
    ]


def titled(kind: Kind, names: dict[str, str]) -> str:
    return kind.title.replace("{compressed}", names["compressed"]).replace("{large}", names["large"])


# Which examples are in which list.


def marks_of(listed: dict[str, Any], pair: Pair) -> np.ndarray:
    """A bit for every list that an example is in: the examples, then the texts out of distribution."""
    own, large = (listed["models"][pair[key]] for key in ("compressed", "large"))
    count, outside = len(listed["text"]), len(listed["strange"]["text"])
    right, large_right = np.array(own["right"], dtype=bool), np.array(large["right"], dtype=bool)
    different = np.array([a != b for a, b in zip(own["said"], large["said"], strict=True)], dtype=bool)
    different |= right != large_right
    marks = np.full(count + outside, BIT["all"], dtype=np.uint16)
    for name, holds in (
        ("alone", ~right & large_right),
        ("large", right & ~large_right),
        ("both", ~right & ~large_right),
        ("other", different),
        ("mistakes", ~right),
        ("neighbors", np.full(count, "neighbors" in own and "neighbors" in large)),
    ):
        marks[:count][holds] |= BIT[name]
    if "flagged" in own and "flagged" in large:
        strange = [listed["strange"]["models"][pair[key]] for key in ("compressed", "large")]
        one, other = (
            np.array([*inside["flagged"], *out["flagged"]]) for inside, out in zip((own, large), strange, strict=True)
        )
        marks[one != other] |= BIT["flagged"]
    places = {index: place for place, index in enumerate(listed["index"])}
    for index in overlaps_of(pair):
        if index in places:
            marks[places[index]] |= BIT["reasons"]
    for tried in per_example(pair, "attack_divergence"):
        broke = "broken" in (tried["outcome"]["status"], tried["large_outcome"]["status"])
        if broke and tried["index"] in places:
            marks[places[tried["index"]]] |= BIT["broken"]
    return marks


def per_example(pair: Pair, dimension: str) -> list[dict[str, Any]]:
    entry = pair["dimensions"].get(dimension, {})
    return entry["details"].get("per_example", []) if entry.get("status") == "done" else []


def overlaps_of(pair: Pair) -> dict[int, float]:
    """Of every explained example how much of its most important words the two models share."""
    headline = pair["dimensions"].get("attribution_alignment", {}).get("headline")
    return {one["index"]: one[headline] for one in per_example(pair, "attribution_alignment")}


# Some of them, as they are.


def first(listed: dict[str, Any], pair: Pair, marks: np.ndarray) -> list[int]:
    """The surest mistakes of each of the two alone, of the compressed model first."""
    found: list[int] = []
    for name, model in (("alone", pair["compressed"]), ("large", pair["large"])):
        sure = listed["models"][model]["confidence"]
        there = np.flatnonzero(marks & BIT[name]).tolist()
        found += sorted(there, key=lambda i: -(sure[i] or 0.0))[:FIRST]
    return found


def row_of(listed: dict[str, Any], pair: Pair, place: int) -> dict[str, Any]:
    text = listed["text"][place]
    sides = []
    for kind in ("compressed", "large"):
        model = listed["models"][pair[kind]]
        sure = model["confidence"][place]
        sides.append(
            {
                **named(pair, kind),
                "kind": kind,
                "said": called(model["said"][place]),
                "right": model["right"][place],
                "sure": "" if sure is None else percent(sure),
            }
        )
    parts = [] if text is None else [shorten(part, LONGEST) for part in ([text] if isinstance(text, str) else text)]
    return {"index": listed["index"][place], "gold": called(listed["gold"][place]), "parts": parts, "sides": sides}


# All of them, in little room.


def data_of(audit: Audit, listed: dict[str, Any], marks: dict[str, np.ndarray], space: str | None) -> dict[str, Any]:
    """Numbers are bytes in base64, labels places in one list of them; texts are free of what cannot be seen."""
    strange, names = listed["strange"], list(listed["models"])
    texts = [*listed["text"], *strange["text"]]
    all_models = [*listed["models"].values(), *strange["models"].values()]
    labels = list(
        dict.fromkeys(
            called(label) for labels in (listed["gold"], *(m["said"] for m in all_models)) for label in labels
        )
    )
    codes = {label: code for code, label in enumerate(labels)}
    room = max(SHORTEST, min(LONGEST, MOST_TEXT // max(1, len(texts))))
    models = []
    for name in names:
        parts = [listed["models"][name], *([strange["models"][name]] if name in strange["models"] else [])]
        near = listed["models"][name].get("neighbors")
        models.append(
            {
                "name": clean(name),
                "said": packed([codes[called(label)] for part in parts for label in part["said"]], np.uint16),
                "sure": packed([coded(sure) for part in parts for sure in part["confidence"]], np.uint16),
                "flags": packed([flag for part in parts for flag in part.get("flagged", [])], np.uint8),
                "near": packed(near, np.uint16) if near else "",
            }
        )
    pairs = []
    for pair in judged(audit):
        found: dict[str, Any] = {"models": [names.index(pair[key]) for key in ("compressed", "large")]}
        pairs.append(found | {"marks": packed(marks[pair["name"]], np.uint16), **probed(audit, listed, pair)})
    return {
        "count": len(listed["text"]),
        "texts": [cut(text, room) for text in texts],
        "index": listed["index"],
        "labels": labels,
        "gold": packed([codes[called(label)] for label in listed["gold"]], np.uint16),
        "right": [packed(listed["models"][name]["right"], np.uint8) for name in names],
        "slices": [sliced(name, values) for name, values in listed["slices"].items()],
        "models": models,
        "pairs": pairs,
        "kinds": [[kind.name, kind.title, kind.about, kind.order] for kind in KINDS],
        "space": space,
    }


def called(label: str | None) -> str:
    return NOTHING if label is None else shorten(clean(label), LONGEST_LABEL)


def packed(values: Any, kind: Any) -> str:
    """
    >>> packed([1, 2], np.uint16)
    'AQACAA=='
    """
    return b64encode(np.asarray(values).astype(np.dtype(kind).newbyteorder("<")).tobytes()).decode()


def coded(sure: float | None) -> int:
    return UNKNOWN if sure is None else round(10_000 * sure)


def cut(text: Any, room: int) -> Any:
    if text is None or isinstance(text, str):
        return shorten(clean(text or ""), room)
    return [shorten(clean(part), room // 2) for part in text]


def sliced(name: str, values: list[str]) -> dict[str, Any]:
    there = sorted(set(values))
    places = {value: place for place, value in enumerate(there)}
    return {
        "name": clean(name),
        "values": [clean(v) for v in there],
        "of": packed([places[v] for v in values], np.uint8),
    }


def probed(audit: Audit, listed: dict[str, Any], pair: Pair) -> dict[str, Any]:
    """What was explained and attacked, by place: of too many those that tell the two models most apart."""
    places = {index: place for place, index in enumerate(listed["index"])}
    most, words = max(12, PROBED // len(judged(audit))), min(WEIGHED, max(5, top(pair)))
    overlaps = overlaps_of(pair)
    reasons = {}
    explained = sorted(per_example(pair, "attribution_alignment"), key=lambda one: overlaps[one["index"]])
    for one in [one for one in explained if one["index"] in places][:most]:
        sides = [
            [[clean(word), float(f"{weight:.2g}")] for word, weight in one[key][0][:words]]
            for key in ("explanations", "large_explanations")
        ]
        reasons[places[one["index"]]] = [round(100 * overlaps[one["index"]]), *sides]
    broken = {}
    attacked = [one for one in per_example(pair, "attack_divergence") if one["index"] in places]
    for one in sorted(attacked, key=apart)[:most]:
        outcomes = [one["outcome"], one["large_outcome"]]
        if "broken" in (outcome["status"] for outcome in outcomes):
            broken[places[one["index"]]] = [apart(one), *([says_of(o), segments(o)] for o in outcomes)]
    return {"reasons": reasons, "broken": broken}


def apart(one: dict[str, Any]) -> int:
    """Those that broke one of the two alone come first, then those that broke both."""
    found = {one["outcome"]["status"], one["large_outcome"]["status"]}
    return 0 if found == {"broken", "withstood"} else 1 if "broken" in found else 2


def segments(outcome: dict[str, Any]) -> list[list[list[str]]]:
    if outcome["status"] != "broken":
        return []
    before, after = ([t] if isinstance(t, str) else t for t in (outcome["text"], outcome["adversarial"]))
    return [
        [[clean(text), mark] for text, mark in shown(changes(old, new))] for old, new in zip(before, after, strict=True)
    ]
