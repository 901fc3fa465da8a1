"""Metrics and models: what is called with a case, and how what comes back is judged (see fuzzing.py)."""

import io
from functools import cache
from pathlib import Path
from typing import Any

import evaluate
import numpy as np
import tiny_models
from fuzzing import check_rows, judged
from hostile import SCALARS, spoiled
from hostile_calls import CALLS, HARMED_MODELS, NO_TEXTS, texts
from hostile_files import NAMES
from hypothesis import strategies as st
from matplotlib import pyplot
from matplotlib.figure import Figure

from trusteq.models.open import as_predictor
from trusteq.models.question_answering import as_question_answerer

ROOT = Path(__file__).resolve().parent.parent


@cache
def metric(name: str) -> Any:
    return evaluate.load(str(ROOT / "metrics" / name))


# Metrics.


def compute(name: str, case: dict[str, Any]) -> str:
    return judged(lambda: metric(name).compute(**case))


@st.composite
def batches(draw: Any) -> tuple[str, list[tuple[str, dict[str, Any]]], dict[str, Any]]:
    """A metric, what is added to it in batches and rows, and its options."""
    name = draw(st.sampled_from(sorted(CALLS)))
    names = metric(name)._feature_names()
    steps, options = [], {}
    for _ in range(draw(st.integers(1, 2))):
        call = draw(CALLS[name])
        rows = {key: value for key, value in call.items() if key in (*names, "references")}
        options = {key: value for key, value in call.items() if key not in rows}
        if draw(st.booleans()) and all(isinstance(value, list) and value for value in rows.values()):
            steps.append(("add", {key.removesuffix("s"): value[0] for key, value in rows.items()}))
        else:
            steps.append(("add_batch", rows))
    return name, steps, options


def add(case: tuple[str, list[tuple[str, dict[str, Any]]], dict[str, Any]]) -> str:
    name, steps, options = case
    module = metric(name)

    def call() -> Any:
        for way, rows in steps:
            getattr(module, way)(**rows)
        return module.compute(**options)

    try:
        return judged(call)
    finally:
        module._discard()


@st.composite
def plots(draw: Any) -> tuple[str, dict[str, Any], Any, dict[str, Any]]:
    """A metric, a call of it, what is drawn instead of its result now and then, and what plot is asked for."""
    name = draw(st.sampled_from(sorted(CALLS)))
    instead = draw(st.one_of(st.none(), st.none(), st.none(), SCALARS))
    asked = {}
    if name in ("attribution_alignment", "attack_divergence") and draw(st.booleans()):
        asked = {"example": draw(st.one_of(st.integers(0, 3), SCALARS))}
    if name == "trust_equivalence" and draw(st.booleans()):
        asked = {
            "dimension": draw(st.one_of(st.sampled_from(["calibration_gap", "x"]), SCALARS)),
            "pair": draw(SCALARS),
        }
    return name, draw(CALLS[name]) | {"details": True}, instead, asked


def plot(case: tuple[str, dict[str, Any], Any, dict[str, Any]]) -> str:
    name, call, instead, asked = case
    module = metric(name)
    try:
        return judged(
            lambda: module.plot(module.compute(**call) if instead is None else instead, **asked), check_figure
        )
    finally:
        pyplot.close("all")


def check_figure(figure: Any) -> None:
    assert isinstance(figure, Figure)
    figure.savefig(io.BytesIO(), format="svg")


# Models.


@st.composite
def questions(draw: Any) -> dict[str, Any]:
    return {"model": draw(HARMED_MODELS), "texts": draw(st.one_of(texts(), texts(), st.sampled_from(NO_TEXTS)))}


def predict(case: dict[str, Any]) -> str:
    """A predictor of a function, or of whatever else is called a model."""
    return judged(lambda: as_predictor(case["model"], "model")(case["texts"]), check_rows)


NETWORK_OPTIONS = {"pooling": SCALARS, "layer": SCALARS, "tokens": SCALARS, "device": SCALARS, "dtype": SCALARS}
GOOD_NETWORK = {"pooling": st.sampled_from(["mean", "cls"]), "layer": st.integers(-3, 2), "tokens": st.integers(1, 50)}


@st.composite
def network_calls(draw: Any) -> dict[str, Any]:
    given = draw(st.fixed_dictionaries({}, optional=GOOD_NETWORK))
    if draw(st.integers(0, 2)) == 2:
        name = draw(st.sampled_from(sorted(NETWORK_OPTIONS)))
        given[name] = draw(NETWORK_OPTIONS[name])
    return {"settings": given, "texts": draw(st.one_of(texts(), texts(), texts(), st.sampled_from(NO_TEXTS)))}


@cache
def network() -> tuple[Any, Any]:
    return tiny_models.classifier(labels=NAMES), tiny_models.tokenizer()


def ask_network(case: dict[str, Any]) -> str:
    """A transformers model, asked for its answers and for its embeddings."""

    def call() -> Any:
        return as_predictor(network(), "model", **case["settings"]).both(case["texts"])

    def check(found: Any) -> None:
        check_rows(found[0])
        assert np.isfinite(found[1]).all()

    return judged(call, check)


@st.composite
def prompts(draw: Any) -> dict[str, Any]:
    """A language model with its prompt, of which something may be odd."""
    good = {"prompt": "Review : {text} Verdict :", "verbalizers": {"negative": "bad", "positive": "very good"}}
    harm = st.sampled_from(
        ["{text} {text}", "{text}", "", "{0} {text}", "{text} {text_pair}", {"a": "bad"}, {"a": "bad", "b": "bad"},
         {"a": "", "b": " "}, {1: "a", 2: "b"}, {"a": "bad " * 100, "b": "good"}, {"a": "\ud800", "b": "good"}, "x"]
    )  # fmt: skip
    case = draw(spoiled(st.just(good), {"length": st.sampled_from(["total", "mean"])}, st.one_of(harm, SCALARS)))
    return {"given": case, "texts": draw(texts())}


@cache
def language_model() -> tuple[Any, Any]:
    words = [*tiny_models.WORDS, "Review", ":", "Verdict"]
    return tiny_models.language_model(words), tiny_models.tokenizer(words=words)


def ask_language_model(case: dict[str, Any]) -> str:
    given = {"model": language_model(), **case["given"]}
    return judged(lambda: as_predictor(given, "model")(case["texts"]), check_rows)


@st.composite
def reading(draw: Any) -> dict[str, Any]:
    """Questions in SQuAD's form for a model that reads, and how it reads."""
    word = st.sampled_from(
        ["the film", "was good", "", "\ud800", "x" * 5000, "a\x00", "the plot was " * 40, "نعم", "?"]
    )
    row = st.fixed_dictionaries({"question": word, "context": word}, optional={"answers": st.just({"text": ["film"]})})
    rows = [{"id": f"q{i}", **one} for i, one in enumerate(draw(st.lists(row, min_size=1, max_size=3)))]
    options = {name: st.integers(1, 70) for name in ("length", "stride", "longest")} | {"threshold": st.just(0.5)}
    return draw(spoiled(st.just({"rows": rows}), options))


@cache
def reader() -> tuple[Any, Any]:
    return tiny_models.reader(), tiny_models.tokenizer()


def answer(case: dict[str, Any]) -> str:
    settings = {name: value for name, value in case.items() if name in ("length", "stride", "longest", "threshold")}

    def call() -> Any:
        asked = as_question_answerer(reader(), "model", **settings)
        return asked.both(case.get("rows"))

    def check(found: Any) -> None:
        answers, embeddings = found
        assert np.isfinite(embeddings).all()
        for one in answers:
            assert isinstance(one["prediction_text"], str)
            assert np.isfinite([one["no_answer_probability"], one["ood_score"]]).all()

    return judged(call, check)
