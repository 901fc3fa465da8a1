"""Small families of models, and texts for them: functions and tiny checkpoints, audited in a moment."""

from functools import cache
from pathlib import Path

import evaluate
import numpy as np
import pytest
from tiny_models import WORDS

ROOT = Path(__file__).resolve().parents[1]
DIMENSIONS = [
    "prediction_error_jaccard",
    "calibration_gap",
    "representation_overlap",
    "ood_divergence",
    "attribution_alignment",
    "attack_divergence",
]
NAMES = ("negative", "positive")
QUICK = {"samples": 20, "attack": "deepwordbug", "neighbors": 3, "k": (2, 4)}


@cache
def load(name):
    return evaluate.load(str(ROOT / "metrics" / name))


def random_texts(count, seed, words=WORDS):
    rng = np.random.default_rng(seed)
    return [" ".join(rng.choice(words, rng.integers(4, 8))) for _ in range(count)]


TEXTS = random_texts(20, seed=0)
GOLD = np.random.default_rng(5).integers(2, size=20)
STRANGE = random_texts(9, seed=2, words=["cat", "sleeps", "zebra", "the"])


def function(**weights):
    """A model that adds up the weights of the words that it knows."""

    def model(texts):
        score = np.array([sum(weights.get(word, 0.0) for word in " ".join(text).split()) for text in map(parts, texts)])
        return np.stack([1 / (1 + np.exp(score)), 1 / (1 + np.exp(-score))], axis=1)

    return model


def parts(text):
    return [text] if isinstance(text, str) else text


LARGE = {"good": 2.0, "great": 1.5, "bad": -2.0, "awful": -1.5, "dull": -1.0}
FUNCTIONS = {
    "large": function(**LARGE),
    "twin": function(**(LARGE | {"fine": 0.5, "dull": -1.4})),
    "compressed": {"tiny": function(good=1.0, bad=-1.5, film=0.3), "small": function(**(LARGE | {"not": -0.7}))},
}


def compute(**given):
    """An audit of functions and texts, quick, with its details, but for what is given."""
    usual = {"texts": TEXTS, "references": GOLD, "details": True}
    return load("trust_equivalence").compute(**({} if "large" in given else FUNCTIONS), **(usual | QUICK | given))


def pair_of(result, name):
    return next(pair["dimensions"] for pair in result["details"]["pairs"] if pair["name"] == name)


def figures(result):
    """Every figure and interval of an audit, without what may differ between two equal ones."""
    return {key: value for key, value in result.items() if key != "details"}


def close(result, tolerance=1e-6):
    return pytest.approx(figures(result), abs=tolerance, rel=0)


def models_of(family, *compressed):
    paths = {"large": str(family / "large"), "twin": str(family / "twin")}
    return paths | {"compressed": {name: str(family / name) for name in compressed or ("small",)}}


class Failing:
    """A model that works until it is asked about one certain text, then raises an error or returns NaN."""

    def __init__(self, model, bad, how):
        self.model, self.bad, self.how, self.asked = model, bad, how, 0

    def __call__(self, texts):
        self.asked += len(texts)
        rows = np.array(self.model(texts))
        bad = [i for i, text in enumerate(texts) if self.bad(text)]
        if bad and self.how == "raise":
            raise RuntimeError("out of luck\nand more")
        rows[bad] = np.nan
        return rows


def unseen(text):
    """Asked by attacks alone: they misspell words."""
    return any(word not in WORDS for word in text.split())
