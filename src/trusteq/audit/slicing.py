"""Does what holds on average hold for every kind of text? Slices of the texts, judged from the work that is there.

Of a slicing (by length, by label, by a column of the data) every slice gets the verdicts that the whole has: models,
twins and texts out of distribution are the same, the labelled texts are those of the slice."""

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from trusteq.audit.judging import correct
from trusteq.audit.sentences import sentence
from trusteq.checks import brief
from trusteq.dimensions.record import Entry
from trusteq.dimensions.registry import DIMENSIONS
from trusteq.dimensions.work import Work
from trusteq.kinds.text import Text, as_list
from trusteq.records.chosen import BUILT_IN

MOST = 50  # slices: with more, a correction for their number leaves none that could be told from chance
NOTHING = "(no value)"
ROUND = (2, 3, 5, 8, *(unit * step for unit in (1, 10, 100, 1000) for step in (10, 15, 20, 25, 30, 40, 50, 60, 80)))
LEFT_AWAY = ["status", "reason", "figures", "details", "most", "low", "high"]  # of an entry: the rest is reported
LEFT_AWAY += ["floor_low", "floor_high", "floors", "seeds", "one_more", "floor_name"]

Slices = dict[str, list[int]]  # which examples, by the slice's name
Compare = Callable[[Work, dict[str, str]], list[dict[str, Any]]]  # what is left out, and why -> the pairs


def slicings_of(asked: Any, texts: Sequence[Text], labels: Sequence[Any]) -> dict[str, Slices]:
    """The slices, by the slicings' names. Asked for are names of those that are built in, or a dict with a value for
    each text.

    >>> slicings_of({"source": ["web", "book", "web"]}, ["a", "b", "c"], [0, 1, 1])
    {'source': {'book': [1], 'web': [0, 2]}}
    >>> slicings_of("label", ["a", "b", "c"], ["bad", "good", "good"])
    {'label': {'bad': [0], 'good': [1, 2]}}
    """
    if asked is None:
        return {}
    if not isinstance(asked, dict):
        asked = dict.fromkeys([asked] if isinstance(asked, str) else as_list("slices", asked))
    return {str(name): slices_of(name, values, texts, labels) for name, values in asked.items()}


def slices_of(name: Any, values: Any, texts: Sequence[Text], labels: Sequence[Any]) -> Slices:
    if values is None and name not in BUILT_IN:
        names = " and ".join(BUILT_IN)
        raise ValueError(f"slices: {name} needs a value for each text (in a dict); only {names} are built in")
    if values is None and name == "length":
        return checked(name, by_length([words(text) for text in texts]), len(texts))
    given = list(labels) if values is None else as_list(f"slices[{brief(name)}]", values)
    if len(given) != len(texts):
        raise ValueError(f"slices: {name} has {len(given):,} values, but there are {len(texts):,} texts")
    found: Slices = {}
    for i, value in enumerate(given):
        found.setdefault(written(value), []).append(i)
    return checked(name, dict(sorted(found.items())), len(texts))


def checked(name: Any, slices: Slices, count: int) -> Slices:
    if len(slices) > MOST or len(slices) == count > 1:
        how = "a different value for every text" if len(slices) == count else f"{len(slices):,} different values"
        raise ValueError(f"slices: {name} has {how}: at most {MOST} slices are compared, of several texts each")
    if len(slices) == 1:
        raise ValueError(
            f"slices: all texts are alike in {name} ({next(iter(slices))}), so there is nothing to compare"
        )
    return slices


def written(value: Any) -> str:
    """
    >>> [written(value) for value in ("web", 2.0, 0.25, True, None, float("nan"), " ")]
    ['web', '2', '0.25', 'True', '(no value)', '(no value)', '(no value)']
    """
    if value is None or value != value or not str(value).strip():
        return NOTHING
    return f"{value:g}" if isinstance(value, float) else str(value)


def words(text: Text) -> int:
    return sum(len(part.split()) for part in ((text,) if isinstance(text, str) else text))


def by_length(counts: Sequence[int]) -> Slices:
    """Up to four bands of words with round limits near the quartiles.

    >>> {name: len(examples) for name, examples in by_length([3, 4, 7, 9, 11, 12, 21, 24, 26, 70]).items()}
    {'up to 8 words': 3, '9 to 10 words': 1, '11 to 25 words': 4, 'over 25 words': 2}
    """
    near = np.quantile(counts, [0.25, 0.5, 0.75])
    limits = sorted({min(ROUND, key=lambda limit: (abs(limit - quartile), limit)) for quartile in near})
    names = [f"up to {limits[0]} words"]
    names += [f"{below + 1} to {limit} words" for below, limit in pairwise(limits)]
    names += [f"over {limits[-1]} words"]
    band = np.searchsorted(limits, counts)
    found = {name: np.flatnonzero(band == place).tolist() for place, name in enumerate(names)}
    return {name: examples for name, examples in found.items() if examples}


# The verdicts.


def judged(
    work: Work, slicings: dict[str, Slices], compare: Compare, skipped: dict[str, str], options: Any
) -> list[dict[str, Any]]:
    """Every slicing with its slices and their verdicts, the worst first. Holm's correction is for all of them."""
    found = [judge(name, slices, work, compare, skipped, options) for name, slices in slicings.items()]
    verdicts = [entry for slicing in found for entry in slicing["verdicts"]]
    open_to_chance = [entry for entry in verdicts if not entry["open_because"]]
    correct(open_to_chance, options.confidence_level)
    for entry in verdicts:
        entry["beyond"] = (entry["divergence"] - entry["margin"]) / entry["margin"]
        entry["sentence"] = sentence(entry["dimension"], entry, entry["compressed"], entry["large"])
    for slicing in found:
        slicing["corrected_for"] = len(open_to_chance)
        slicing["verdicts"] = [
            {key: value for key, value in entry.items() if key not in LEFT_AWAY}
            for entry in sorted(slicing["verdicts"], key=worse)
        ]
    return found


def judge(
    name: str, slices: Slices, work: Work, compare: Compare, skipped: dict[str, str], options: Any
) -> dict[str, Any]:
    """One slicing: what each slice holds, and what was found in it."""
    listed: list[dict[str, Any]] = []
    verdicts: list[dict[str, Any]] = []
    for value, examples in slices.items():
        part = work.within(examples)
        few = too_few(part, [dimension for dimension in options.asked if dimension not in skipped])
        listed.append({"slice": value, "examples": len(examples), "left_out": few})
        if set(options.asked) <= {*skipped, *few}:
            continue
        for pair in compare(part, skipped | few):
            for dimension, entry in pair["dimensions"].items() if pair["role"] == "compressed" else ():
                if entry["status"] == "failed":
                    few[dimension] = entry["reason"]
                elif entry["status"] == "done":
                    of = {"slice": value, "compressed": pair["compressed"], "large": pair["large"]}
                    verdicts.append({**of, "dimension": dimension, **entry})
    return {"name": name, "slices": listed, "verdicts": verdicts}


def worse(entry: Entry) -> tuple[bool, float]:
    """Those that are different come first; then the further beyond the margin, in margins, the worse."""
    return entry["verdict"] != "different", -entry["beyond"]


def too_few(part: Work, dimensions: Sequence[str]) -> dict[str, str]:
    """The dimensions that take more examples than the slice holds, each with a sentence."""
    held = {"explanations": len(part.explained), "attacks": len(part.attacked)}
    found = {}
    for dimension in map(DIMENSIONS.__getitem__, dimensions):
        count = held.get(dimension.needs, len(part.gold))
        if count < dimension.fewest:
            what = {"explanations": "explained", "attacks": "attacked"}.get(dimension.needs, "")
            holds = f"{count:,} {what} example{'s' * (count != 1)}".replace("  ", " ")
            found[dimension.name] = f"It holds {holds}, and a verdict takes at least {dimension.fewest}."
    return found


def different_for(slicings: Sequence[dict[str, Any]], compressed: str) -> list[str]:
    """The slices for which this model is different, the worst first."""
    found = [
        f"{slicing['name']}: {entry['slice']}"
        for slicing in slicings
        for entry in slicing["verdicts"]
        if entry["verdict"] == "different" and entry["compressed"] == compressed
    ]
    return list(dict.fromkeys(found))
