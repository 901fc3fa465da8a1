"""Which examples does an audit show? What every model said of each; those whose explanations agree least, and some that
broke."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from trusteq.dimensions.ood_divergence import flagged
from trusteq.dimensions.work import Work
from trusteq.kinds.text import Text
from trusteq.neighbors import neighbors

SHOWN = 3  # examples of explanations and of attacks for each pair
LISTED = 4000  # examples of which a report says what every model said: first those on which two of them differ
NEAREST = 5  # neighbours that are named


def explanations(work: Work, compared: list[dict[str, Any]], classes: list[str]) -> list[dict[str, Any]]:
    """Of every pair the examples whose explanations agree least."""
    shown = []
    for pair in judged(compared, "attribution_alignment"):
        entry = pair["dimensions"]["attribution_alignment"]
        found = sorted(entry["details"]["per_example"], key=lambda one: (one[entry["headline"]], one["index"]))
        for one in found[:SHOWN]:
            sides = {"compressed": one["explanations"][0], "large": one["large_explanations"][0]}
            where = {"index": one["index"], "text": as_plain(work.texts[one["index"]])}
            gold = classes[work.gold[one["index"]]]
            shown.append(where | {"gold": gold, "pair": pair["name"], **sides, "jaccard": one[entry["headline"]]})
    return shown


def attacked(work: Work, compared: list[dict[str, Any]], classes: list[str]) -> list[dict[str, Any]]:
    """Of every pair some examples that broke: first those that broke one of the two alone, by the fewest changes."""
    shown = []
    for pair in judged(compared, "attack_divergence"):
        sides = [
            {i: one | {"transfers": work.transfers[way].get(i)} for i, one in work.outcomes[way[0]].items()}
            for way in ((pair["compressed"], pair["large"]), (pair["large"], pair["compressed"]))
        ]
        broken = [i for i in work.attacked if "broken" in (sides[0][i]["status"], sides[1][i]["status"])]
        order = {frozenset({"broken", "withstood"}): 0, frozenset({"broken"}): 1}  # then what one had wrong before
        both = {i: frozenset(side[i]["status"] for side in sides) for i in broken}
        broken.sort(key=lambda i: (order.get(both[i], 2), sides[0][i]["changed_words"], i))
        for i in broken[:SHOWN]:
            where = {"index": i, "text": as_plain(work.texts[i]), "gold": classes[work.gold[i]], "pair": pair["name"]}
            shown.append(where | {"compressed": sides[0][i], "large": sides[1][i]})
    return shown


def judged(compared: list[dict[str, Any]], dimension: str) -> list[dict[str, Any]]:
    done = (pair for pair in compared if pair["dimensions"].get(dimension, {}).get("status") == "done")
    return [pair for pair in done if pair["role"] == "compressed"]


def as_plain(text: Text) -> Any:
    return text if isinstance(text, str) else list(text)


# What every model said.


def listed(
    work: Work,
    compared: list[dict[str, Any]],
    classes: list[str],
    slicings: dict[str, dict[str, list[int]]],
    ood_texts: Sequence[Text],
    options: Any,
) -> dict[str, Any]:
    """Of every example its text and gold label, and what each model said; what is flagged as out of distribution; and
    the nearest neighbours, by their places in this list. `left_out` counts what there was no room for."""
    names = list(dict.fromkeys(name for pair in compared for name in (pair["large"], pair["compressed"])))
    labels = {name: work.probabilities[name].argmax(axis=1) for name in names}
    rows = chosen(labels, [(pair["compressed"], pair["large"]) for pair in judged_pairs(compared)])
    held = len(work.gold)
    outside = np.arange(min(LISTED, len(ood_texts)))
    flags = {name: flagged(work, name, options) for name in names if len(work.ood.get(name, ()))}
    models: dict[str, Any] = {}
    strangers: dict[str, Any] = {}
    for name in names:
        models[name] = said(work.probabilities[name][rows], classes)
        models[name]["right"] = work.right(name)[rows].tolist()
        if name in work.embeddings and len(rows) > NEAREST:
            models[name]["neighbors"] = neighbors(work.embeddings[name][rows], np.arange(len(rows)), NEAREST).tolist()
        if name in flags:
            models[name]["flagged"] = flags[name][:held][rows].tolist()
            rows_of_ood = work.ood[name][outside] if np.ndim(work.ood[name]) == 2 else None  # or scored, and not asked
            own = unsaid(len(outside)) if rows_of_ood is None else said(rows_of_ood, classes)
            strangers[name] = own | {"flagged": flags[name][held:][outside].tolist()}
    values: dict[str, list[str]] = {name: [""] * held for name in slicings}
    for name, slices in slicings.items():
        for value, examples in slices.items():
            for example in examples:
                values[name][example] = value
    return {
        "index": rows.tolist(),
        "text": [as_plain(work.texts[i]) for i in rows],
        "gold": [classes[work.gold[i]] for i in rows],
        "slices": {name: [found[i] for i in rows] for name, found in values.items()},
        "models": models,
        "left_out": held - len(rows),
        "strange": {
            "text": [as_plain(text) for text in ood_texts[: len(outside)]] if strangers else [],
            "models": strangers,
            "left_out": len(ood_texts) - len(outside) if strangers else 0,
        },
    }


def chosen(labels: dict[str, np.ndarray], pairs: list[tuple[str, str]]) -> np.ndarray:
    """All examples; of too many first those on which a model and the large one differ, then others evenly.

    >>> chosen({"large": np.array([0, 1, 1]), "tiny": np.array([0, 1, 0])}, [("tiny", "large")]).tolist()
    [0, 1, 2]
    """
    count = len(next(iter(labels.values()), ()))
    if count <= LISTED:
        return np.arange(count)
    differ = np.sum([labels[one] != labels[other] for one, other in pairs], axis=0)
    first = np.argsort(-differ, kind="stable")[: min(LISTED, int((differ > 0).sum()))]
    rest = np.setdiff1d(np.arange(count), first)
    evenly = np.linspace(0, len(rest) - 1, LISTED - len(first)).astype(int)
    return np.sort(np.concatenate([first, rest[evenly]]))


def judged_pairs(compared: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [pair for pair in compared if pair["role"] == "compressed"] or compared


def said(rows: np.ndarray, classes: list[str]) -> dict[str, Any]:
    return {"said": [classes[i] for i in rows.argmax(axis=1)], "confidence": rows.max(axis=1).astype(float).tolist()}


def unsaid(count: int) -> dict[str, Any]:
    return {"said": [None] * count, "confidence": [None] * count}
