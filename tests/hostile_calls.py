"""Calls of every metric, good or nearly: labels, rows, embeddings, explanations, outcomes, texts and models."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from hostile import SCALARS, Named, spoiled
from hypothesis import strategies as st

SIZES = st.sampled_from([1, 2, 3, 4, 5, 8, 8, 8, 12, 12, 20, 257])
LEVELS = st.sampled_from([None, 1e-9, 0.5, 0.9, 0.95, 0.999999])
COMMON = {"confidence_level": LEVELS, "seed": st.integers(0, 2**70), "details": st.booleans()}
CELLS = st.sampled_from([0.0, 1e-300, 1e-12, 1e-3, 0.1, 0.25, 0.5, 0.9, 1.0, 7.0])
ANY = st.sampled_from([0.0, -0.0, 1.0, -1.0, 0.5, -2.5, 3.0, 7.25, 1e-300, 5e-324, 1e30, -1e30, 1e154, -1e308, 1e308])
TAME = st.sampled_from([0.0, 1.0, -1.0, 0.5, -2.5, 3.0, 7.25])


def stretched(rows: list, count: int) -> list:
    """As many rows as wanted, from a few."""
    return [rows[i % len(rows)] for i in range(count)]


@st.composite
def rows(draw: Any, count: int, width: int, cells: Any = CELLS) -> list[list[float]]:
    few = draw(st.lists(st.lists(cells, min_size=width, max_size=width), min_size=1, max_size=8))
    return stretched(few, count)


@st.composite
def probabilities(draw: Any, count: int, width: int) -> list[list[float]]:
    found = draw(rows(count, width))
    slack = draw(st.sampled_from([1.0, 1.0, 1.0, 0.995, 1.009]))
    return [[slack * x / sum(row) for x in row] if sum(row) else [1.0, *[0.0] * (width - 1)] for row in found]


@st.composite
def labels(draw: Any, count: int, classes: Sequence[Any]) -> list[Any]:
    return stretched(draw(st.lists(st.sampled_from(classes), min_size=1, max_size=8)), count)


@st.composite
def outputs(draw: Any, with_labels: bool = True) -> dict[str, Any]:
    """What two models said: probabilities, logits, class numbers or words; with the references."""
    count, width = draw(SIZES), draw(st.sampled_from([2, 2, 3, 5]))
    kind = draw(st.sampled_from(["rows", "rows", "logits", *(["numbers", "words", "mixed"] if with_labels else [])]))
    classes: list[Any] = ["yes", "no", "", "\u200fنعم"] if kind == "words" else list(range(width))
    of = {
        "rows": probabilities(count, width),
        "logits": rows(count, width, draw(st.sampled_from([TAME, ANY]))),
        "numbers": labels(count, classes),
        "words": labels(count, classes),
        "mixed": probabilities(count, width),
    }[kind]
    call = {"predictions": draw(of), "references": draw(labels(count, classes))}
    call["large_predictions"] = draw(labels(count, classes) if kind == "mixed" else of)
    return call | ({"from_logits": True} if kind == "logits" else {})


@st.composite
def ood_scores(draw: Any) -> dict[str, Any]:
    """Rows or scores of inputs in and out of distribution."""
    count, width = draw(SIZES) + 1, draw(st.sampled_from([2, 3]))
    score = draw(st.sampled_from(["msp", "entropy", "energy", "max_logit", "given"]))
    kinds = [0, 1, *draw(st.lists(st.sampled_from([0, 1]), max_size=8))]
    cells = draw(st.sampled_from([TAME, ANY]))
    of = probabilities(count, width) if score in ("msp", "entropy") else rows(count, width, cells)
    if score == "given":
        of = rows(count, 1, cells).map(lambda table: [row[0] for row in table])
    call = {"predictions": draw(of), "references": stretched(kinds, count), "large_predictions": draw(of)}
    more = {"score": score} if score != "msp" or draw(st.booleans()) else {}
    return call | more | ({"from_logits": True} if score in ("energy", "max_logit") else {})


@st.composite
def embeddings(draw: Any) -> dict[str, Any]:
    count, cells = draw(SIZES) + 1, draw(st.sampled_from([TAME, ANY]))
    call = {name: draw(rows(count, draw(st.integers(1, 4)), cells)) for name in ("predictions", "large_predictions")}
    most = st.integers(1, min(count - 1, 12))
    call["k"] = draw(st.one_of(most, st.lists(most, min_size=1, max_size=3, unique=True)))
    return call | ({"queries": draw(st.integers(1, count))} if draw(st.booleans()) else {})


WORDS = ["good", "film", "a", "\ud800", "[CLS]", "ไทย", "😀", "x" * 300, "$\\frac$", "\x00", " dull "]


@st.composite
def explanations(draw: Any) -> dict[str, Any]:
    weights = st.one_of(ANY, st.integers(-3, 3))
    pair = st.tuples(st.sampled_from(WORDS), weights).map(list)
    entry = st.one_of(
        st.lists(pair, min_size=1, max_size=5), st.dictionaries(st.sampled_from(WORDS), weights, min_size=1)
    )
    count = draw(st.integers(1, 4))
    names = ("predictions", "large_predictions")
    return {name: draw(st.lists(entry, min_size=count, max_size=count)) for name in names}


@st.composite
def outcome(draw: Any) -> dict[str, Any]:
    found = {"status": draw(st.sampled_from(["skipped", "broken", "withstood"])), "queries": draw(st.integers(0, 9))}
    found["changed_words"] = draw(st.integers(0, 3))
    optional = {
        "label": st.integers(0, 2),
        "text": st.sampled_from(["a", "", "b c", ("a", "b")]),
        "adversarial": st.sampled_from(["A", "bb c", None, ("a", "c")]),
        "scores": st.sampled_from([[0.5, 0.5], [1, 0, 0]]),
        "adversarial_scores": st.sampled_from([[0.25, 0.75], None]),
        "changeable": st.booleans(),
        "transfers": st.sampled_from([True, False, None]),
    }
    return found | draw(st.fixed_dictionaries({}, optional=optional) if draw(st.booleans()) else st.just({}))


@st.composite
def outcomes(draw: Any) -> dict[str, Any]:
    count = draw(st.integers(1, 5))
    names = ("predictions", "large_predictions")
    return {name: draw(st.lists(outcome(), min_size=count, max_size=count)) for name in names}


@st.composite
def squad(draw: Any) -> dict[str, Any]:
    ids = [f"q{i}" for i in range(draw(st.integers(1, 4)))]
    said = st.sampled_from(["", "The end.", "the  end", "!", "\ud800", "نعم"])
    gold = st.lists(said, max_size=2).map(lambda texts: {"text": texts, "answer_start": [0] * len(texts)})
    call: dict[str, Any] = {"references": [{"id": one, "answers": draw(gold)} for one in ids], "task": "squad_v2"}
    for name in ("predictions", "large_predictions"):
        call[name] = [{"id": one, "prediction_text": draw(said)} for one in draw(st.permutations(ids))]
        if draw(st.booleans()):
            call[name] = [{**one, "no_answer_probability": draw(st.sampled_from([0, 0.5, 1]))} for one in call[name]]
    return call


# Models: functions, of which most misbehave.


@dataclasses.dataclass(frozen=True)
class Model:
    """A function from texts (or images) to rows, good or bad in one way; always the same for the same text."""

    kind: str
    seed: int = 0
    classes: int = 2
    calls: list = dataclasses.field(default_factory=list, compare=False, repr=False)

    def __deepcopy__(self, _: Any) -> "Model":
        return self

    def __call__(self, texts: Any) -> Any:
        self.calls.append(len(texts))
        rows = np.array([self.row(text) for text in texts])
        return BAD[self.kind](rows, self) if self.kind in BAD else rows

    def row(self, text: Any) -> np.ndarray:
        if self.kind == "even":
            return np.full(self.classes, 1 / self.classes)
        said = text.tobytes() if isinstance(text, np.ndarray) else " ".join(text if isinstance(text, tuple) else [text])
        words = [said] if isinstance(said, bytes) else [word.encode("utf-8", "replace") for word in said.split()]
        score = np.array(
            [sum((sum(word) * (self.seed + 3 + c)) % 7 - 3 for word in words) for c in range(self.classes)]
        )
        if self.kind == "sure":
            return np.eye(self.classes)[score.argmax()]
        weights = np.exp((score - score.max()) / 3)
        return weights / weights.sum()


def raising(error: Exception, after: int = 0) -> Any:
    def bad(rows: np.ndarray, model: Model) -> Any:
        if len(model.calls) > after:
            raise error
        return rows

    return bad


GOOD = ["words", "words", "even", "sure"]
BAD = {
    "NaN": lambda rows, model: rows * np.nan,
    "infinity": lambda rows, model: rows / 0.0 if not rows.all() else rows + np.inf,
    "negative": lambda rows, model: rows - 1,
    "no sum of 1": lambda rows, model: 2 * rows,
    "huge": lambda rows, model: rows * 1e308 * 10,
    "a row too few": lambda rows, model: rows[:-1],
    "one class": lambda rows, model: rows[:, :1],
    "no class": lambda rows, model: rows[:, :0],
    "a line": lambda rows, model: rows[:, 0],
    "three dimensions": lambda rows, model: rows[None],
    "a number": lambda rows, model: 0.5,
    "nothing": lambda rows, model: None,
    "words": lambda rows, model: rows,
    "strings": lambda rows, model: [["0.5", "0.5"] for _ in rows],
    "labels": lambda rows, model: ["positive" for _ in rows],
    "ragged": lambda rows, model: [[0.5] * (1 + i % 2) for i in range(len(rows))],
    "dicts": lambda rows, model: [{"label": "a", "score": 0.5} for _ in rows],
    "bytes": lambda rows, model: b"0.5",
    "complex": lambda rows, model: rows.astype(complex),
    "objects": lambda rows, model: [[Named("a"), Named("b")] for _ in rows],
    "huge integers": lambda rows, model: [[10**400, 1] for _ in rows],
    "lists": lambda rows, model: rows.tolist(),
    "tensors": lambda rows, model: torch.tensor(rows, requires_grad=True),
    "half": lambda rows, model: torch.tensor(rows).half(),
    "a generator": lambda rows, model: (row for row in rows),
    "other classes later": lambda rows, model: np.eye(2 + len(model.calls))[np.zeros(len(rows), dtype=int)],
    "NaN later": lambda rows, model: rows * np.nan if len(model.calls) > 2 else rows,
    "raises": raising(KeyError("word")),
    "raises nothing": raising(RuntimeError()),
    "raises two lines": raising(ValueError("the first line\nthe second")),
    "raises later": raising(ZeroDivisionError("division\nby zero"), after=2),
    "raises memory": raising(MemoryError()),
    "stops": raising(StopIteration()),
}
MODELS = st.one_of(
    st.builds(Model, st.sampled_from(GOOD), st.integers(0, 3), st.sampled_from([2, 2, 2, 3])),
    st.builds(Model, st.sampled_from(sorted(BAD))),
)
NO_MODELS = [None, 3, "", "./nowhere", "/etc/passwd", "owner/name/x", "no such model", "\x00", b"path", ("a", "b")]
NO_MODELS += [(), [], [1], {}, {"model": 1}, {"prompt": "{text}"}, object, torch.nn.Linear(2, 2), Named("object"), len]
NO_MODELS += [(torch.nn.Linear(2, 2), len), lambda: None, print, str, float("nan"), True]
HARMED_MODELS = st.one_of(MODELS, MODELS, MODELS, st.sampled_from(NO_MODELS))

# Texts.

NICE = ["a good film", "a dull plot, not good", "great acting but awful plot", "good", "it is what it is", "not bad"]
STRANGE = ["", " ", "\n\t", "!", "...", "\ud800", "a \ud800 b", "\x00", "a\x00b", "مرحبا بالعالم", "\u202eevil\u202c"]
STRANGE += ["😀👨‍👩‍👧", "ไทย", "x" * 100_000, "a" + "\u0301" * 50, "good " * 40, "A" * 600, "{text}", "[MASK] [PAD]"]
STRANGE += ["<b>&amp;", "İ ß ﬁ", "1 2 3"]
NO_TEXTS = [None, "a good film", b"abc", 3, {}, {"a": "b"}, {"a", "b"}, [None], [b"a"], [3], [["a"]], [["a", "b", "c"]]]
NO_TEXTS += [["a", ("a", "b")], [("a", None)], np.array(3), np.array([]), [], (), [[]], [np.nan], iter(["a"]), len]


@st.composite
def texts(draw: Any, most: int = 4) -> list[Any]:
    word = st.sampled_from([*NICE, *NICE, *STRANGE]) if draw(st.booleans()) else st.sampled_from(NICE)
    if draw(st.integers(0, 5)) == 0:
        word = st.tuples(word, word)
    return draw(st.lists(word, min_size=1, max_size=most))


@st.composite
def asked(draw: Any, most: int = 3) -> dict[str, Any]:
    """Texts, their gold labels, and two models that are functions."""
    some = draw(texts(most))
    good = st.builds(Model, st.sampled_from(GOOD), st.integers(0, 3))
    gold = st.lists(st.sampled_from([0, 1]), min_size=len(some), max_size=len(some))
    return {"texts": some, "references": draw(gold), "model": draw(good), "large_model": draw(good)}


HARM = st.one_of(HARMED_MODELS, HARMED_MODELS, st.sampled_from(NO_TEXTS), SCALARS)
FEW = {"confidence_level": LEVELS, "seed": st.integers(0, 2**40), "details": st.booleans()}
EXPLAINING = FEW | {
    "k": st.sampled_from([1, 3, [1, 5], 100]),
    "method": st.sampled_from(["lime", "shap", "occlusion"]),
    "explain": st.sampled_from(["gold", "large", "own"]),
    "runs": st.sampled_from([1, 2]),
    "features": st.sampled_from([1, 5]),
    "target_width": st.sampled_from([0.1, 0.9]),
    "labels": st.sampled_from([None, {"bad": 0, "good": 1}]),
}
ATTACKING = FEW | {
    "attack": st.sampled_from(["textbugger", "deepwordbug", "typos"]),
    "max_queries": st.sampled_from([1, 2, 10, 60]),
    "target": st.sampled_from([None, 0, 1]),
    "attack_field": st.sampled_from(["first", "second"]),
    "labels": st.sampled_from([None, {"bad": 0, "good": 1}]),
}
IMAGES = [np.zeros((4, 4)), np.eye(6), np.full((5, 3, 3), 255, dtype=np.uint8), np.ones((1, 1)), np.ones((8, 8, 3)) / 2]
NO_IMAGES = [None, "a", np.zeros((0, 3)), np.zeros((2, 2, 4)), np.full((2, 2), np.nan), np.full((2, 2), -1)]
NO_IMAGES += [np.zeros(3), np.full((2, 2), 300), np.zeros((2, 2), dtype=complex), np.zeros((1, 1, 1, 1))]
NO_IMAGES += [[[1, 2], [3]], b"png", 3]
IMAGE_OPTIONS = FEW | {
    "k": st.sampled_from([1, 2, [1, 3]]),
    "method": st.just("occlusion"),
    "explain": st.sampled_from(["gold", "large", "own"]),
    "patch": st.sampled_from([1, 2, 4, 100]),
    "large_patch": st.sampled_from([1, 2, 3]),
    "both_right": st.booleans(),
}


@st.composite
def pictures(draw: Any) -> dict[str, Any]:
    some = draw(st.lists(st.sampled_from(IMAGES), min_size=1, max_size=3))
    good = st.builds(Model, st.sampled_from(GOOD), st.integers(0, 3))
    call = {
        "images": some,
        "references": draw(labels(len(some), [0, 1])),
        "model": draw(good),
        "large_model": draw(good),
    }
    return call | {"patch": draw(st.sampled_from([1, 2, 3])), "large_patch": 2, "k": 1, "both_right": False}


@st.composite
def audits(draw: Any) -> dict[str, Any]:
    """Small families of functions, and what is asked of them."""
    given = draw(asked(most=5))
    dimensions = ["prediction_error_jaccard", "calibration_gap", "ood_divergence"]
    some = draw(st.lists(st.sampled_from(dimensions), min_size=1, max_size=2, unique=True))
    call = {"large": given["large_model"], "compressed": {"compressed": given["model"]}, "dimensions": some}
    call |= {"texts": given["texts"], "references": given["references"], "ood_texts": draw(texts())}
    return call | ({"twin": Model("words", 5)} if draw(st.booleans()) else {})


AUDITING = {
    "confidence_level": st.sampled_from([0.5, 0.95]),
    "seed": st.integers(0, 2**40),
    "details": st.booleans(),
    "pairs": st.sampled_from(["large", "all"]),
    "margins": st.sampled_from([None, {}, {"calibration_gap": 0.5}, {"calibration_gap": 5}, {"x": 1}, [1]]),
    "score": st.sampled_from(["msp", "entropy"]),
    "keep": st.sampled_from([0.5, 0.95]),
    "n_bins": st.sampled_from([1, 10]),
    "labels": st.sampled_from([None, {"bad": 0, "good": 1}]),
}
FAMILIES = [{}, {"": Model("even")}, {"large": Model("even")}, {"a/b": Model("even")}, {1: Model("even")}, ["a"]]
FAMILIES += [{"a": "derived:pruned"}, {"a": None}, {"a\nb": Model("even")}, {"twin": Model("even")}, Model("even"), "a"]
AUDIT_HARM = st.one_of(
    HARM, MODELS.map(lambda model: {"compressed": model}), st.sampled_from(FAMILIES), st.sampled_from(NO_TEXTS)
)

CALLS = {
    "prediction_error_jaccard": spoiled(
        outputs(),
        COMMON | {"task": st.sampled_from(["classification", "exact_match"]), "no_answer_threshold": st.just(1)},
    ),
    "calibration_gap": spoiled(
        outputs(with_labels=False),
        COMMON | {"n_bins": st.sampled_from([1, 2, 10, 1000]), "binning": st.sampled_from(["quantile", "uniform"])},
    ),
    "representation_overlap": spoiled(embeddings(), COMMON),
    "ood_divergence": spoiled(ood_scores(), COMMON | {"keep": st.sampled_from([1e-9, 0.5, 0.95, 1 - 1e-12])}),
    "attribution_alignment": spoiled(explanations(), COMMON | {"k": st.sampled_from([1, 2, [1, 3], 10**6])}),
    "attack_divergence": spoiled(outcomes(), COMMON),
    "trust_equivalence": spoiled(
        outputs(), COMMON | {"dimensions": st.sampled_from([None, "calibration_gap", ["prediction_error_jaccard"]])}
    ),
}
MODEL_CALLS = {
    "attribution_alignment": spoiled(asked().map(lambda call: call | {"samples": 20}), EXPLAINING, HARM),
    "attack_divergence": spoiled(asked(), ATTACKING, HARM),
    "trust_equivalence": spoiled(audits(), AUDITING, AUDIT_HARM),
}
