"""Audits as trust_equivalence returns them, for tests of what shows them: the real metrics on made-up models.

`audit()` is one of a family; its options give it no twin, many models, pairs of texts, failures, or names that try to
break out of the page they are printed on.
"""

import copy
from functools import cache
from pathlib import Path
from typing import Any

import evaluate
import numpy as np

ROOT = Path(__file__).resolve().parent.parent
HEADLINES = {  # which figure of a metric the verdict is about, its kind, and the margin
    "prediction_error_jaccard": ("jaccard", "overlap", 0.1),
    "calibration_gap": ("ece_gap", "gap", 0.03),
    "representation_overlap": ("neighbor_jaccard_at_10", "overlap", 0.1),
    "ood_divergence": ("flagged_jaccard", "overlap", 0.1),
    "attribution_alignment": ("jaccard_at_5", "overlap", 0.1),
    "attack_divergence": ("accuracy_fall_gap", "gap", 0.1),
}
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
OPTIONS = {
    "attack_options": None, "attacked": 40, "binning": "quantile", "explain": "gold", "explained": 40, "k": "5,10",
    "keep": 0.95, "labels": None, "max_queries": 500, "n_bins": 10, "neighbors": 10, "queries": 10_000, "runs": 1,
    "samples": 100, "score": "msp", "trust_remote_code": False,
}  # fmt: skip
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
) -> dict[str, Any]:
    """An audit; `failed` names (pair, dimension), `skipped` dimensions, `word` is put into every text."""
    names = [large, *([twin] if twin else []), *compressed]
    noise = {large: 0.0, **({twin: 0.35} if twin else {}), **{name: 0.5 + 0.3 * i for i, name in enumerate(compressed)}}
    roles = {large: "large", **({twin: "twin"} if twin else {}), **dict.fromkeys(compressed, "compressed")}
    models = {
        name: {
            "role": roles[name], "source": f"models/{name}", "parameters": int(22_713_216 / (1 + i)) if i < 5 else None,
            "megabytes": 45.4 / (1 + i) if i < 5 else None,
            "accuracy": 0.90 - 0.02 * i, "accuracy_low": 0.87 - 0.02 * i,
            "accuracy_high": 0.92 - 0.02 * i, "fingerprint": f"{i:x}" * 32,
        }
        for i, name in enumerate(names)
    }  # fmt: skip
    compared = [(name, large, roles[name]) for name in names[1:]]
    if all_pairs:
        others = names[1:]
        compared += [(b, a, "other") for i, a in enumerate(others) for b in others[i + 1 :]]
    pairs: list[dict[str, Any]] = []
    for small, big, role in compared:
        name = small if big == large else f"{small} / {big}"
        dimensions = {d: dimension(d, noise[small], noise[big], names.index(small)) for d in HEADLINES}
        for d in dimensions:
            if (name, d) in failed:
                dimensions[d] = {"status": "failed", "reason": f"{small} ran out of memory at example 112"}
            if d in skipped:
                dimensions[d] = {"status": "skipped", "reason": "it needs 30 examples, and 12 are there"}
        pairs.append({"name": name, "compressed": small, "large": big, "role": role, "dimensions": dimensions})
    floors = pairs[0]["dimensions"] if twin else {}
    for pair in pairs:
        for d, entry in pair["dimensions"].items():
            if entry["status"] == "done":
                judge(entry, floors.get(d), pair["role"] == "twin")
    judged = [pair for pair in pairs if pair["role"] == "compressed"]
    settings = {"seed": 0, "confidence_level": 0.95, "dimensions": list(HEADLINES), "attack": "typos", "method": "lime"}
    settings |= OPTIONS
    return {
        "schema": "trust_equivalence/1",
        "version": "0.1.0",
        "signature": "trust_equivalence:0.1.0|attack=typos|data=5f1c|dimensions=6|margins=default|method=lime|seed=0|"
        + "|".join(f"{option}={value}" for option, value in sorted(OPTIONS.items())),
        "settings": settings | {"margins": {d: margin for d, (_, _, margin) in HEADLINES.items()}},
        "data": {
            "name": data, "examples": 400, "ood_examples": 200, "classes": ["negative", "positive"],
            "fingerprint": "5f1c9d0a7be24c115f1c9d0a7be24c11",
        },
        "models": models,
        "pairs": pairs,
        "examples": {
            "explanations": [e for pair in judged for e in explanations(pair, text_pairs, word)],
            "attacks": [e for pair in judged for e in attacks(pair, text_pairs, word)],
        },
        "failures": [
            {"pair": pair["name"], "dimension": d, "reason": entry["reason"]}
            for pair in pairs for d, entry in pair["dimensions"].items() if entry["status"] == "failed"
        ],
        "run": {
            "started": "2026-11-20T08:00:00+00:00", "seconds": 171.3, "processes": 1,
            "versions": {"python": "3.11.2", "torch": "2.13.0", "transformers": "5.23.0"},
        },
    }  # fmt: skip


def plot(dimension: str, pair: dict[str, Any]) -> Any:
    """A pair's plot of a dimension, drawn by the metric."""
    entry = pair["dimensions"][dimension]
    return metric(dimension).plot({**entry["figures"], "details": entry["details"]})


@cache
def metric(name: str) -> Any:
    return evaluate.load(str(ROOT / "metrics" / name))


# Two made-up models: the more noise, the further from the gold label; equal noise with another seed is a twin.


def dimension(name: str, noise: float, large_noise: float, seed: int) -> dict[str, Any]:
    headline, kind, margin = HEADLINES[name]
    result = copy.deepcopy(measured(name, noise, large_noise, seed))
    details = result.pop("details")
    expected = result.get(f"expected_{headline}")
    return {
        "status": "done", "reason": None, "headline": headline, "kind": kind,
        "value": result[headline], "low": result[f"{headline}_low"], "high": result[f"{headline}_high"],
        "expected": expected, "most": result.get(f"max_{headline}"),
        "floor": None, "floor_low": None, "floor_high": None,
        "divergence": 0.0, "divergence_low": 0.0, "divergence_high": 0.0, "margin": margin, "verdict": None,
        "examples": 400, "examples_needed": None, "sentence": "", "figures": result, "details": details,
    }  # fmt: skip


@cache
def measured(name: str, noise: float, large_noise: float, seed: int) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    n = 400
    gold, hard = rng.integers(2, size=n), rng.normal(1.6, 1.0, n)
    space = rng.normal(size=(n, 16))

    def rows(noise: float, seed: int) -> np.ndarray:
        own = np.random.default_rng([seed, 1]).normal(0, 0.4 + noise, n)
        logit = (hard + own) * (1 + noise / 3)
        p = 1 / (1 + np.exp(-np.where(gold == 1, logit, -logit)))
        return np.stack([1 - p, p], axis=1)

    small, big = rows(noise, seed), rows(large_noise, 99)
    if name in ("prediction_error_jaccard", "calibration_gap"):
        arguments: dict[str, Any] = {"predictions": small, "references": gold, "large_predictions": big}
    elif name == "representation_overlap":
        arguments = {
            "predictions": space + (0.1 + noise) * np.random.default_rng([seed, 2]).normal(size=space.shape),
            "large_predictions": space + 0.1 * rng.normal(size=space.shape),
        }
    elif name == "ood_divergence":
        outside = np.arange(n) % 3 == 0
        closer = [
            np.where(outside[:, None], 0.5 + (p - 0.5) * (0.3 + 0.2 * x), p) for p, x in ((small, noise), (big, 0))
        ]
        arguments = {"predictions": closer[0], "references": outside.astype(int), "large_predictions": closer[1]}
    elif name == "attribution_alignment":
        entries = [
            [explain(text, x, [s, i]) for i, text in enumerate(TEXTS * 5)]
            for x, s in ((noise, seed), (large_noise, 99))
        ]
        arguments = {"predictions": entries[0], "large_predictions": entries[1], "k": 5}
    else:
        outcomes = [
            [attack(text, x, [s, i], "") for i, text in enumerate(TEXTS * 5)]
            for x, s in ((noise, seed), (large_noise, 99))
        ]
        arguments = {"predictions": outcomes[0], "large_predictions": outcomes[1]}
    return metric(name).compute(**arguments, details=True)


def judge(entry: dict[str, Any], floor: dict[str, Any] | None, is_twin: bool) -> None:
    """The verdict from the interval of the divergence; here simply shifted by the twin's figure."""
    below = 0.0
    if floor and floor["status"] == "done":
        if not is_twin:
            entry |= {"floor": floor["value"], "floor_low": floor["low"], "floor_high": floor["high"]}
        below = 1 - floor["value"] if entry["kind"] == "overlap" else abs(floor["value"])
    value, low, high = entry["value"], entry["low"], entry["high"]
    if entry["kind"] == "overlap":
        divergence = [1 - value, 1 - high, 1 - low]
    else:
        ends = sorted((abs(low), abs(high)))
        divergence = [abs(value), 0.0 if low <= 0 <= high else ends[0], ends[1]]
    if not is_twin:
        divergence = [x - below for x in divergence]
    entry["divergence"], entry["divergence_low"], entry["divergence_high"] = divergence
    if not is_twin:
        inside, outside = divergence[2] <= entry["margin"], divergence[1] > entry["margin"]
        entry["verdict"] = "equivalent" if inside else "different" if outside else "inconclusive"
        if entry["verdict"] == "inconclusive":
            entry["examples_needed"] = 1900
    entry["sentence"] = (
        f"The figure is {value:.2f}, between {low:.2f} and {high:.2f}; one sentence says it in plain words."
    )


# Examples to look at.


def explain(text: str, noise: float, seed: list[int]) -> dict[str, float]:
    rng = np.random.default_rng(seed)
    return {word: float(WEIGHTS.get(word, 0.0) + rng.normal(0, 0.2 + noise)) for word in text.split() if word.isalpha()}


def attack(text: str, noise: float, seed: list[int], word: str) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    score = sum(WEIGHTS.get(w, 0.0) for w in text.split())
    label = int(score > 0)
    strongest = max(text.split(), key=lambda w: abs(WEIGHTS.get(w, 0.0)))
    broken = bool(rng.random() < 0.35 + noise / 2)
    skipped = bool(rng.random() < 0.08)
    changed = strongest[0] + strongest[2:3] + strongest[1] + strongest[3:]
    text, adversarial = (f"{word} {t}".strip() for t in (text, text.replace(strongest, changed, 1) if broken else text))
    sure, after = 0.91, 0.31 if broken else 0.78
    rows = [[1 - p, p] if label else [p, 1 - p] for p in (0.2 if skipped else sure, after)]
    return {
        "label": label, "text": text, "adversarial": text if skipped else adversarial, "scores": rows[0],
        "adversarial_scores": rows[0] if skipped else rows[1],
        "status": "skipped" if skipped else "broken" if broken else "withstood",
        "queries": 1 if skipped else int(rng.integers(8, 60)), "changed_words": int(broken and not skipped),
        "changeable": True, "transfers": bool(rng.random() < 0.5) if broken and not skipped else None,
    }  # fmt: skip


def explanations(pair: dict[str, Any], text_pairs: bool, word: str) -> list[dict[str, Any]]:
    out = []
    for i, text in enumerate(TEXTS[:4]):
        small, large = ranked(explain(text, 1.2, [i])), ranked(explain(text, 0.0, [i, 1]))
        if word:
            small, large = [[word, 9.0], *small], [*large, [word, -0.01]]
        text = f"{word} {text}".strip()
        out.append({
            "index": 17 * i, "text": [text, "the second of the two"] if text_pairs else text, "gold": "positive",
            "pair": pair["name"], "small": small, "large": large, "jaccard": 0.1 + i / 10,
        })  # fmt: skip
    return out


def ranked(words: dict[str, float]) -> list[list[Any]]:
    return [list(item) for item in sorted(words.items(), key=lambda item: -abs(item[1]))[:5]]


def attacks(pair: dict[str, Any], text_pairs: bool, word: str) -> list[dict[str, Any]]:
    out = []
    for i, text in enumerate(TEXTS[:5]):
        small, large = attack(text, 1.2, [i, 7], word), attack(text, 0.0, [i, 8], word)
        if text_pairs:
            for outcome in (small, large):
                outcome |= {key: [outcome[key], "the second of the two"] for key in ("text", "adversarial")}
        out.append({
            "index": 11 * i, "text": small["text"], "gold": "positive" if small["label"] else "negative",
            "pair": pair["name"], "small": small, "large": large,
        })  # fmt: skip
    return out
