"""Audits for tests of what shows them: made-up models, of which the product says what it would say of real ones.

`audit()` is one of a family; its options give it no twin, many models, pairs of texts, failures, or names that try to
break out of the page they are printed on.
"""

import copy
from functools import cache
from typing import Any

import numpy as np

from trusteq.audit.audit import SCHEMA_NAME, compare_all, compare_each
from trusteq.audit.examples import attacked, explanations, listed
from trusteq.audit.options import AuditOptions
from trusteq.audit.slicing import different_for, judged, slicings_of
from trusteq.dimensions.registry import DIMENSIONS
from trusteq.dimensions.work import Work

OPTIONS = AuditOptions(k=[5], attack="typos", attacked=40, explained=40)
HOSTILE = [  # names and texts that are markup, code or invisible somewhere
    "<script>alert(1)</script><img src=x onerror=alert(1)>",
    "a|b `c` *d* [e](javascript:alert(1)) </td></table> {{ 7 * 7 }} {% raw %}",
    "\\input{/etc/passwd} $x_1^2$ % & # ~ {y} ^",
    '=cmd|"/c calc"!A1',
    "evil\u202egnp.exe\u2066 \x1b[31mred\x07 line\nbreak\r\x00 \ud800 \u2028",
    "../../etc/passwd",
    "---\nlicense: other\n...",
    "naïve-模型-🧠-" + "very-long-name-" * 12,
]
TEXTS = (
    "a warm and funny film that never loses its nerve",
    "the plot is dull , but the acting is superb",
    "two hours of noise without a single idea",
    "not nearly as bad as the trailer made me fear",
    "she plays the widow with quiet and surprising force",
    "somewhere in this mess a good short film is hiding",
    "the jokes arrive late and leave early",
    "a small story , told with patience and great care",
)
WEIGHTS = {
    "warm": 2.0, "funny": 1.7, "superb": 2.4, "quiet": 0.6, "surprising": 0.9, "great": 1.9, "patience": 0.8,
    "good": 1.2, "dull": -2.1, "noise": -1.6, "without": -1.1, "bad": -1.8, "not": -0.9, "mess": -1.9, "late": -0.7,
    "fear": -0.6,
}  # fmt: skip


def audit(
    compressed: tuple[str, ...] = ("distilled", "tiny"),
    large: str = "large",
    twin: str | None = "twin",
    all_pairs: bool = False,
    text_pairs: bool = False,
    failed: tuple[tuple[str, str], ...] = (),
    skipped: tuple[str, ...] = (),
    data: str = "invented reviews",
    word: str = "",
    slices: tuple[str, ...] = (),
) -> dict[str, Any]:
    """An audit; `failed` names (pair, dimension), `skipped` dimensions, `word` is put into every text; `slices` are
    "length", "label", and others that divide the texts at random, into one of 6 texts, too."""
    return copy.deepcopy(made(compressed, large, twin, all_pairs, text_pairs, failed, skipped, data, word, slices))


UNGROUPED = {"groups": None, "duplicates": 0, "duplicates_apart": 0, "ood_duplicates": 0}


@cache
def made(
    compressed: tuple[str, ...],
    large: str,
    twin: str | None,
    all_pairs: bool,
    text_pairs: bool,
    failed: tuple[tuple[str, str], ...],
    skipped: tuple[str, ...],
    data: str,
    word: str,
    slices: tuple[str, ...],
) -> dict[str, Any]:
    roles = {"large": "large", **({"twin": "twin"} if twin else {}), **dict.fromkeys(compressed, "compressed")}
    names = list(roles)
    work = work_of(names, text_pairs, word)
    for name, dimension in failed:
        work.failures[dimension, name] = f"{name} ran out of memory at example 112"
    pairs = [(name, "large") for name in names[1:]]
    if all_pairs:
        pairs = [(one, other) for i, other in enumerate(names) for one in names[i + 1 :]]
    left_out = dict.fromkeys(skipped, "it needs 30 examples, and 12 are there")
    compared = compare_all(work, roles, pairs, left_out, OPTIONS)
    classes = ["negative", "positive"]
    slicings = slicings_for(work, slices, classes)
    sliced = sliced_of(work, roles, slicings, left_out)
    for pair in compared if sliced else ():
        pair["different_for"] = different_for(sliced, pair["compressed"])
    found = {
        "schema": SCHEMA_NAME,
        "version": "0.1.0",
        "signature": "trust_equivalence:0.1.0|attack=typos|data=5f1c|dimensions=6|margins=default|method=lime|seed=0",
        "settings": OPTIONS.settings,
        "data": {
            "name": data, "examples": 400, "ood_examples": 200, "unlabelled": 0, **UNGROUPED, "classes": classes,
            "fingerprint": "5f1c9d0a7be24c115f1c9d0a7be24c11",
        },
        "models": {
            name: {
                "role": role, "source": f"models/{name}", "simulated": False, "unread": [],
                "parameters": int(22_713_216 / (1 + i)) if i < 5 else None,
                "megabytes": 45.4 / (1 + i) if i < 5 else None,
                "accuracy": 0.90 - 0.02 * i, "accuracy_low": 0.87 - 0.02 * i,
                "accuracy_high": 0.92 - 0.02 * i, "fingerprint": f"{i:x}" * 32,
            }
            for i, (name, role) in enumerate(roles.items())
        },
        "pairs": compared,
        **({"slices": sliced} if sliced else {}),
        "examples": {
            "explanations": explanations(work, compared, classes),
            "attacks": attacked(work, compared, classes),
            "listed": listed(work, compared, classes, slicings, [f"{word} {i}" for i in range(OUTSIDE)], OPTIONS),
        },
        "failures": [
            {"pair": pair["name"], "dimension": d, "reason": entry["reason"]}
            for pair in compared for d, entry in pair["dimensions"].items() if entry["status"] == "failed"
        ],
        "run": {
            "started": "2026-11-20T08:00:00+00:00", "seconds": 171.3, "processes": 1,
            "versions": {"python": "3.11.2", "torch": "2.13.0", "transformers": "5.23.0"},
        },
    }  # fmt: skip
    return renamed(found, {"large": large, "twin": twin or "twin"})


def slicings_for(work: Work, names: Any, classes: list[str]) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    parts = ["first", "second", f"{HOSTILE[0]} {HOSTILE[4]}", "rare"]
    values = {name: rng.choice(parts[:3], EXAMPLES).tolist() for name in names}
    for name, given in values.items():
        given[:6] = [parts[3]] * 6
        values[name] = None if name in ("length", "label") else given
    return slicings_of(values, work.texts, [classes[label] for label in work.gold])


def sliced_of(work: Work, roles: Any, slicings: Any, left_out: Any) -> list[dict[str, Any]]:
    pairs = [(name, "large") for name in list(roles)[1:]]
    return judged(work, slicings, lambda part, few: compare_each(part, roles, pairs, few, OPTIONS), left_out, OPTIONS)


def renamed(found: dict[str, Any], names: dict[str, str]) -> dict[str, Any]:
    """Another name for the large model or its twin: an audit has none, but what shows it takes any."""
    found["models"] = {names.get(name, name): model for name, model in found["models"].items()}
    for pair in found["pairs"]:
        pair |= {key: names.get(pair[key], pair[key]) for key in ("name", "compressed", "large")}
    shown = found["examples"]["listed"]
    for said in (shown, shown["strange"]):
        said["models"] = {names.get(name, name): model for name, model in said["models"].items()}
    for entry in (entry for slicing in found.get("slices", []) for entry in slicing["verdicts"]):
        entry["large"] = names.get(entry["large"], entry["large"])
    for item in found["failures"]:
        item["pair"] = names.get(item["pair"], item["pair"])
    return found


def plot(dimension: str, pair: dict[str, Any]) -> Any:
    """A pair's plot of a dimension."""
    entry = pair["dimensions"][dimension]
    return DIMENSIONS[dimension].plot({**entry["figures"], "details": entry["details"]})


# Made-up models: the more noise, the further from the gold label; equal noise with another seed is a twin.

EXAMPLES, OUTSIDE, TRIED = 400, 200, 40


def work_of(names: list[str], text_pairs: bool, word: str) -> Work:
    """All that the models say. What those in the same place of two families say is the same."""
    rng = np.random.default_rng(0)
    gold, hard = rng.integers(2, size=EXAMPLES), rng.normal(1.6, 1.0, EXAMPLES)
    space = rng.normal(size=(EXAMPLES, 16))
    texts = [f"{word} {text}".strip() for text in TEXTS] * (EXAMPLES // len(TEXTS))
    some = range(TRIED)
    work = Work(gold, [(text, "the second of the two") for text in texts] if text_pairs else texts)
    work.explained, work.attacked = list(some), list(some)
    work.gold[:TRIED] = [sentiment(text) for text in texts[:TRIED]]
    for i, name in enumerate(names):
        noise = 0.0 if name == "large" else 0.35 if name == "twin" else 0.6 * (i - ("twin" in names)) - 0.45
        own = np.random.default_rng([i, 1])
        logit = (hard + own.normal(0, 0.4 + noise, EXAMPLES)) * (1 + noise / 3)
        work.probabilities[name] = rows(np.where(gold == 1, logit, -logit))
        work.ood[name] = rows(hard[:OUTSIDE] / 4 + own.normal(0, 0.1 + noise, OUTSIDE))
        work.embeddings[name] = space + (0.1 + noise) * own.normal(size=space.shape)
        work.explanations[name] = {j: [explain(texts[j], noise, [i, j])] for j in some}
        work.outcomes[name] = {j: attack(work.texts[j], noise, [i, j]) for j in some}
    for one in names:
        for other in names:
            broken = [j for j in some if work.outcomes[one][j]["status"] == "broken"]
            work.transfers[one, other] = {j: j % 2 == 0 for j in broken}
    return work


def rows(logit: np.ndarray) -> np.ndarray:
    p = 1 / (1 + np.exp(-logit))
    return np.stack([1 - p, p], axis=1)


def sentiment(text: str) -> int:
    return int(sum(WEIGHTS.get(word, 0.0) for word in text.split()) > 0)


def explain(text: str, noise: float, seed: list[int]) -> list[tuple[str, float]]:
    """Its words with their weights, the heaviest first; a word that is put into every text weighs most."""
    rng = np.random.default_rng(seed)
    weights = {
        word: (WEIGHTS.get(word, 0.0) if word.isalpha() else 9.0) + rng.normal(0, 0.2 + noise)
        for word in text.replace(",", " ").split()
    }
    return sorted(((word, float(weight)) for word, weight in weights.items()), key=lambda item: -abs(item[1]))


def attack(text: Any, noise: float, seed: list[int]) -> dict[str, Any]:
    """Two letters of its heaviest word change places, where that breaks the model."""
    rng = np.random.default_rng(seed)
    first, *others = [text] if isinstance(text, str) else text
    strongest = max(first.split(), key=lambda word: abs(WEIGHTS.get(word, 0.0)))
    label, drawn = sentiment(first), rng.random()
    status = "skipped" if rng.random() < 0.08 else "broken" if drawn < 0.35 + noise / 2 else "withstood"
    changed = strongest[0] + strongest[2:3] + strongest[1] + strongest[3:]
    adversarial = first.replace(strongest, changed, 1) if status == "broken" else first
    sure, after = (0.2, 0.2) if status == "skipped" else (0.91, 0.31 if status == "broken" else 0.78)
    scores, after_scores = ([1 - p, p] if label else [p, 1 - p] for p in (sure, after))
    return {
        "label": label, "text": [first, *others] if others else first,
        "adversarial": [adversarial, *others] if others else adversarial,
        "scores": scores, "adversarial_scores": after_scores, "status": status,
        "queries": 1 if status == "skipped" else int(rng.integers(8, 60)), "changed_words": int(status == "broken"),
        "changeable": True, "transfers": None,
    }  # fmt: skip
