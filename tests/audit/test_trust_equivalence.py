"""Can the compressed model stand in for the large one? The audit, held to account figure by figure."""

import json
import re
import shutil
import sqlite3

import datasets
import numpy as np
import pandas as pd
import pytest
import torch
from small_families import (
    DIMENSIONS,
    FUNCTIONS,
    GOLD,
    NAMES,
    STRANGE,
    TEXTS,
    Failing,
    close,
    compute,
    figures,
    function,
    load,
    models_of,
    pair_of,
    unseen,
)
from tiny_models import WORDS, checkpoint, classifier, tokenizer

from trusteq.audit.asking import known_as
from trusteq.audit.family import thinned
from trusteq.audit.sentences import sentence
from trusteq.models.checkpoints import load_checkpoint
from trusteq.models.open import as_predictor
from trusteq.verdicts import Excess


@pytest.fixture(scope="module")
def audited(family):
    """All six dimensions of checkpoints, with a twin; more is to be explained and attacked than there are texts."""
    return compute(**models_of(family), ood_texts=STRANGE, explained=100, attacked=100, pairs="all")


# Every figure is the metric's own.


@pytest.fixture(scope="module")
def answers(family):
    opened = {name: as_predictor(str(family / name), name) for name in ("large", "twin", "small")}
    return {name: (one(TEXTS), one(STRANGE), one.embed(TEXTS)) for name, one in opened.items()}


@pytest.mark.parametrize("pair", [("small", "large"), ("twin", "large"), ("small", "twin")])
@pytest.mark.parametrize("dimension", DIMENSIONS)
def test_every_figure_is_that_of_the_metric_called_directly(audited, answers, family, pair, dimension):
    (rows, strange, pooled), (large_rows, large_strange, large_pooled) = (answers[name] for name in pair)
    models = {"model": str(family / pair[0]), "large_model": str(family / pair[1])}
    texts = {"texts": TEXTS, "references": GOLD.tolist()}
    both = {
        "predictions": np.concatenate([rows, strange]),
        "large_predictions": np.concatenate([large_rows, large_strange]),
    }
    given = {
        "prediction_error_jaccard": {"predictions": rows, "references": GOLD, "large_predictions": large_rows},
        "calibration_gap": {"predictions": rows, "references": GOLD, "large_predictions": large_rows},
        "representation_overlap": {"predictions": pooled, "large_predictions": large_pooled, "k": [3]},
        "ood_divergence": both | {"references": [0] * 20 + [1] * 9},
        "attribution_alignment": texts | models | {"method": "lime", "samples": 20, "k": [2, 4]},
        "attack_divergence": texts | models | {"attack": "deepwordbug"},
    }
    direct = load(dimension).compute(**given[dimension])
    entry = pair_of(audited, pair[0] if pair[1] == "large" else f"{pair[0]} / {pair[1]}")[dimension]
    found = entry["figures"]
    left_out = {key for key in direct if key not in found}
    assert all(key.endswith(("truncated_texts", "runs", "word_vectors")) for key in left_out)
    # Batches were cut differently, so that float32 answers differ in the last place.
    assert found == pytest.approx({key: direct[key] for key in found}, abs=1e-5)


HEADLINES = {
    "prediction_error_jaccard": ("jaccard", "overlap", "expected_jaccard", "max_jaccard", 0.2),
    "calibration_gap": ("ece_gap", "gap", None, None, 0.03),
    "representation_overlap": ("neighbor_jaccard_at_3", "overlap", "expected_neighbor_jaccard_at_3", None, 0.2),
    "ood_divergence": ("auroc_gap", "gap", None, None, 0.03),
    "attribution_alignment": ("jaccard_at_2", "overlap", "expected_jaccard_at_2", None, 0.2),
    "attack_divergence": ("accuracy_fall_gap", "gap", None, None, 0.1),
}


@pytest.mark.parametrize("dimension", DIMENSIONS)
def test_the_entry_says_what_its_figures_say(audited, dimension):
    key, kind, expected, most, margin = HEADLINES[dimension]
    own, twin = (pair_of(audited, name)[dimension] for name in ("small", "twin"))
    for entry in (own, twin):
        figure = entry["figures"]
        assert (entry["status"], entry["reason"], entry["headline"], entry["kind"]) == ("done", None, key, kind)
        assert [entry[end] for end in ("value", "low", "high")] == [figure[key + end] for end in ("", "_low", "_high")]
        assert entry["expected"] == (expected and figure[expected])
        assert entry["most"] == (most and figure[most])
        assert entry["examples"] == {"ood_divergence": 29}.get(dimension, 20)
    assert [own[f"floor{end}"] for end in ("", "_low", "_high")] == [twin[end] for end in ("value", "low", "high")]
    assert [twin[end] for end in ("floor", "verdict", "examples_needed", "open_because")] == [None] * 4
    away = [1 - entry["value"] if kind == "overlap" else abs(entry["value"]) for entry in (own, twin)]
    if dimension != "calibration_gap":  # of which chance is taken off: tests/dimensions/test_calibration_gap.py
        assert twin["divergence"] == pytest.approx(away[1], abs=1e-12)
        assert own["divergence"] == pytest.approx(away[0] - away[1], abs=1e-12)
    assert ("that chance adds" in own["sentence"]) == (dimension == "calibration_gap")
    assert own["divergence_low"] <= own["divergence"] <= own["divergence_high"]
    if kind == "overlap":  # a part of what twin and large share beyond chance
        margin = max(1e-4, margin * (twin["value"] - twin["expected"]))
    assert own["margin"] == pytest.approx(margin, rel=1e-9)
    assert (own["verdict"], own["examples_needed"]) == ("inconclusive", None)  # of so few examples
    assert f"{own['examples']} " in own["open_because"]
    assert own["open_because"] in own["sentence"]


def test_all_pairs_are_those_of_the_family_and_only_the_compressed_are_judged(audited):
    pairs = [(pair["name"], pair["role"]) for pair in audited["details"]["pairs"]]
    assert pairs == [("twin", "twin"), ("small", "compressed"), ("small / twin", "other")]
    for pair in audited["details"]["pairs"]:
        for entry in pair["dimensions"].values():
            assert (entry["verdict"] is not None) == (pair["role"] == "compressed")
    assert list(audited["details"]["models"]) == ["large", "twin", "small"]


def test_the_models_are_described(audited, answers, family):
    models = audited["details"]["models"]
    for name in ("large", "twin", "small"):
        assert models[name]["accuracy"] == (answers[name][0].argmax(axis=1) == GOLD).mean()
        assert models[name]["accuracy_low"] < models[name]["accuracy"] < models[name]["accuracy_high"]
        assert models[name]["source"] == name
        assert models[name]["parameters"] == sum(p.numel() for p in classifier().parameters())
    assert len({model["fingerprint"] for model in models.values()}) == 3
    assert audited["details"]["data"]["classes"] == list(NAMES)


def test_pruned_and_quantized_are_made_from_the_large_model(family):
    models = {"large": str(family / "large"), "compressed": {"cut": "derived:pruned", "rounded": "derived:quantized"}}
    result = compute(**models, dimensions=DIMENSIONS[:3])
    described = result["details"]["models"]
    assert [described[name]["source"] for name in ("cut", "rounded")] == ["pruned from large", "quantized from large"]
    assert len({model["fingerprint"] for model in described.values()}) == 3
    overlap = [result[f"{name}/representation_overlap/neighbor_jaccard_at_3"] for name in ("cut", "rounded")]
    assert overlap[0] < overlap[1] <= 1  # a third of the weights gone is more than 8 bits for each


def test_a_result_is_flat_plain_numbers_and_an_audit_is_json(audited):
    assert all(type(value) in (int, float) for value in figures(audited).values())
    assert json.loads(json.dumps(audited["details"], allow_nan=False)) == audited["details"]
    assert audited["failed"] == 0
    assert audited["small/prediction_error_jaccard/verdict"] in (1, 0, -1)


def test_examples_are_those_that_differ_most(audited):
    shown = [one for one in audited["details"]["examples"]["explanations"] if one["pair"] == "small"]
    details = pair_of(audited, "small")["attribution_alignment"]["details"]["per_example"]
    assert [one["jaccard"] for one in shown] == sorted(one["jaccard_at_2"] for one in details)[:3]
    for one in shown:
        assert one["text"] == TEXTS[one["index"]]
        assert one["gold"] == NAMES[GOLD[one["index"]]]
    attacks = audited["details"]["examples"]["attacks"]
    assert attacks
    assert all("broken" in (one["compressed"]["status"], one["large"]["status"]) for one in attacks)


# Without a twin, and other families.


def test_without_a_twin_the_divergence_itself_is_judged():
    result = compute(**(FUNCTIONS | {"twin": None}), dimensions=["prediction_error_jaccard", "calibration_gap"])
    errors, gap = pair_of(result, "tiny").values()
    assert errors["divergence"] == 1 - errors["value"]
    assert 0 <= errors["divergence_low"] < errors["divergence"] < errors["divergence_high"] <= 1
    assert gap["divergence"] > abs(gap["value"])  # chance adds more to the error of the more honest model
    assert (errors["margin"], gap["margin"]) == (0.5 * (1 - errors["expected"]), 0.03)
    assert errors["floor"] is errors["floor_low"] is errors["floor_high"] is None


def said(entry):
    return Excess(*(entry[key] for key in ("divergence", "divergence_low", "divergence_high", "margin")))


def test_verdicts_of_many_examples_by_hand():
    """The twin shares all errors; `alike` nearly all; `other` none: of 400 texts each is wrong about a quarter."""
    texts = [f"{word} {i}" for i in range(100) for word in ("a", "b", "c", "d")]
    models = {
        "large": lambda some: [[0.9, 0.1] if "a" in text else [0.1, 0.9] for text in some],
        "twin": lambda some: [[0.89, 0.11] if "a" in text else [0.1, 0.9] for text in some],
        "compressed": {
            "alike": lambda some: [[0.9, 0.1] if "a" in text and "77" not in text else [0.1, 0.9] for text in some],
            "other": lambda some: [[0.9, 0.1] if "b" in text else [0.1, 0.9] for text in some],
        },
    }
    result = compute(**models, texts=texts, references=[1] * 400, dimensions="prediction_error_jaccard")
    alike, other = (pair_of(result, name)["prediction_error_jaccard"] for name in ("alike", "other"))
    assert (alike["value"], alike["floor"], alike["verdict"]) == (0.99, 1.0, "equivalent")
    assert (other["value"], other["floor"], other["verdict"]) == (0.0, 1.0, "different")
    assert alike["divergence"] == pytest.approx(0.01)
    for entry in (alike, other):
        assert (entry["verdict"], entry["chance"]) == (said(entry).verdict, said(entry).chance)
        assert entry["examples_needed"] is None
    assert other["divergence"] == 1
    assert result["alike/prediction_error_jaccard/verdict"] == 1
    assert result["other/prediction_error_jaccard/verdict"] == -1
    few = compute(**models, texts=texts[:52], references=[1] * 52, dimensions="prediction_error_jaccard")
    open_still = pair_of(few, "alike")["prediction_error_jaccard"]
    assert said(open_still).verdict == open_still["verdict"] == "inconclusive"
    needed = said(open_still).needed(52)
    assert few["alike/prediction_error_jaccard/examples_needed"] == open_still["examples_needed"] == needed > 52
    fewer = compute(**models, texts=texts[:48], references=[1] * 48, dimensions="prediction_error_jaccard")
    for name in ("alike", "other"):  # however different they look
        entry = pair_of(fewer, name)["prediction_error_jaccard"]
        assert (entry["verdict"], entry["examples_needed"]) == ("inconclusive", None)
        assert entry["sentence"].endswith("48 examples are too few for a verdict, which takes at least 50.")


def test_one_compressed_model_may_come_without_a_name():
    result = compute(
        large=FUNCTIONS["large"], compressed=FUNCTIONS["compressed"]["tiny"], dimensions="prediction_error_jaccard"
    )
    assert "compressed/prediction_error_jaccard/jaccard" in result


def test_pairs_of_texts():
    texts = [(text, other) for text, other in zip(TEXTS, TEXTS[::-1], strict=True)]
    result = compute(texts=texts, explained=6, attacked=6)
    assert all(entry["status"] == "done" for name, entry in pair_of(result, "tiny").items() if name in DIMENSIONS[4:])
    assert all(len(one["text"]) == 2 for one in result["details"]["examples"]["explanations"])
    assert json.dumps(result["details"], allow_nan=False)


# Labels.


@pytest.fixture(scope="module")
def turned(family, tmp_path_factory):
    """The small model with its classes the other way round, and their names too."""
    folder = tmp_path_factory.mktemp("turned")
    model = classifier(seed=2, labels=NAMES[::-1])
    with torch.no_grad():
        for tensor in (model.classifier.weight, model.classifier.bias):
            tensor.copy_(tensor.flip(0))
    model.save_pretrained(folder / "small")
    tokenizer().save_pretrained(folder / "small")
    return folder


ALL = {"ood_texts": STRANGE, "explained": 5, "attacked": 5}


def test_the_order_of_the_classes_does_not_matter_where_names_say_it(family, turned):
    straight = compute(**models_of(family), **ALL)
    other = compute(
        large=str(family / "large"), twin=str(family / "twin"), compressed={"small": str(turned / "small")}, **ALL
    )
    assert figures(other) == close(straight)


def test_class_names_as_labels_give_the_same(family):
    quick = {"dimensions": "prediction_error_jaccard"}
    by_number = compute(**models_of(family), **quick)
    assert figures(compute(**models_of(family), **quick, references=[NAMES[i] for i in GOLD])) == figures(by_number)
    assert figures(compute(**models_of(family), **quick, references=np.array(["Positive", "NEGATIVE"])[1 - GOLD])) == (
        figures(by_number)
    )


def test_labels_settle_what_names_leave_open(family, turned, tmp_path):
    nameless = checkpoint(tmp_path / "nameless", seed=2)
    models = {"large": str(family / "large"), "compressed": {"small": str(nameless)}}
    quick = {"dimensions": ["prediction_error_jaccard", "attack_divergence"], "attacked": 4}
    with pytest.raises(ValueError, match=r"large names its classes .* but small does not"):
        compute(**models, **quick)
    numbers = {"negative": 1, "positive": 0, "LABEL_0": 1, "LABEL_1": 0}
    result = compute(**models, **quick, labels=numbers, references=1 - GOLD)
    same = compute(large=str(family / "large"), compressed={"small": str(family / "small")}, **quick)
    assert figures(result) == close(same)
    assert result["details"]["data"]["classes"] == ["positive", "negative"]


# What is left out, and what fails.


def test_dimensions_that_are_not_possible_say_so_and_the_others_go_on():
    result = compute(texts=[*TEXTS, "  "], references=[*GOLD, 1])
    reasons = {name: entry.get("reason") for name, entry in pair_of(result, "tiny").items()}
    assert reasons == {
        "prediction_error_jaccard": None,
        "calibration_gap": None,
        "representation_overlap": "large is a function and has no embeddings",
        "ood_divergence": "it needs out-of-distribution texts, and none were given",
        "attribution_alignment": None,
        "attack_divergence": None,
    }
    assert result["failed"] == 0
    shown = {one["index"] for one in pair_of(result, "tiny")["attribution_alignment"]["details"]["per_example"]}
    assert shown == set(range(20))  # the blank text is left out
    few = compute(texts=TEXTS[:1], references=GOLD[:1])
    assert {
        entry["reason"] for name, entry in pair_of(few, "tiny").items() if "ood" not in name and "rep" not in name
    } == {"it needs at least 2 examples, got 1"}


def test_neighbours_need_more_texts_than_neighbours(family):
    result = compute(**models_of(family), neighbors=[3, 19], dimensions=["representation_overlap", "calibration_gap"])
    other, entry = pair_of(result, "small").values()
    assert (entry["status"], entry["reason"]) == ("skipped", "it needs at least 21 examples, got 20")
    assert other["status"] == "done"


@pytest.mark.parametrize(("how", "why"), [("raise", "RuntimeError: out of luck"), ("nan", "returned NaN or infinity")])
def test_a_model_that_fails_in_the_middle_fails_there_alone(how, why):
    models = FUNCTIONS | {"compressed": FUNCTIONS["compressed"] | {"shaky": Failing(FUNCTIONS["large"], unseen, how)}}
    usual = {"dimensions": DIMENSIONS[4:], "explained": 4, "attacked": 6}
    result = compute(**models, **usual)
    assert result["failed"] == 1
    (failure,) = result["details"]["failures"]
    assert (failure["pair"], failure["dimension"]) == ("shaky", "attack_divergence")
    assert why in failure["reason"]
    assert "\n" not in failure["reason"]
    entry = pair_of(result, "shaky")["attack_divergence"]
    assert entry == {"status": "failed", "reason": failure["reason"]}
    assert pair_of(result, "shaky")["attribution_alignment"]["status"] == "done"
    without = compute(**usual)
    assert {key: result[key] for key in figures(without) if key != "failed"} == (
        pytest.approx({key: value for key, value in figures(without).items() if key != "failed"}, abs=1e-9)
    )


def test_a_large_model_that_fails_in_the_middle_fails_the_dimension_for_all():
    result = compute(
        **(FUNCTIONS | {"large": Failing(FUNCTIONS["large"], unseen, "nan")}), dimensions=DIMENSIONS[4:], explained=3
    )
    assert {(failure["pair"], failure["dimension"]) for failure in result["details"]["failures"]} == {
        (name, "attack_divergence") for name in ("twin", "tiny", "small")
    }


def test_a_twin_that_fails_leaves_no_floor():
    result = compute(
        **(FUNCTIONS | {"twin": Failing(FUNCTIONS["twin"], unseen, "nan")}), dimensions=DIMENSIONS[5:], attacked=5
    )
    assert result["failed"] == 3
    assert (
        "there is nothing to compare with: it failed for the twin"
        in pair_of(result, "tiny")["attack_divergence"]["reason"]
    )


def test_strange_texts_that_a_model_cannot_read_fail_that_dimension_alone():
    shaky = Failing(FUNCTIONS["large"], lambda text: "zebra" in text, "raise")
    models = FUNCTIONS | {"compressed": FUNCTIONS["compressed"] | {"shaky": shaky}}
    result = compute(**models, ood_texts=STRANGE, dimensions=DIMENSIONS[:4])
    (failure,) = result["details"]["failures"]
    assert failure["reason"] == "shaky gave no answers to the texts (RuntimeError: out of luck and more)"
    assert pair_of(result, "tiny")["ood_divergence"]["status"] == "done"


def test_a_model_that_cannot_read_the_texts_ends_the_audit_with_a_sentence():
    shaky = Failing(FUNCTIONS["large"], lambda text: text == TEXTS[3], "raise")
    with pytest.raises(ValueError, match=r"shaky gave no answers to the texts \(RuntimeError: out of luck"):
        compute(**(FUNCTIONS | {"compressed": {"shaky": shaky}}))


def test_an_audit_of_which_everything_failed_still_has_a_report(tmp_path):
    models = FUNCTIONS | {"large": Failing(FUNCTIONS["large"], unseen, "raise")}
    result = compute(**models, dimensions="attack_divergence")
    assert {entry["status"] for pair in result["details"]["pairs"] for entry in pair["dimensions"].values()} == {
        "failed"
    }
    load("trust_equivalence").report(result, tmp_path)
    assert json.loads((tmp_path / "report.json").read_text())["failures"] == result["details"]["failures"]
    assert "failed" in load("trust_equivalence").table(result)


# What an audit says of itself.


def test_rows_without_a_label_are_counted():
    quick = {"dimensions": "prediction_error_jaccard"}
    assert compute(**quick, unlabelled=7)["details"]["data"]["unlabelled"] == 7
    assert compute(**quick)["details"]["data"]["unlabelled"] == 0
    with pytest.raises(ValueError, match="unlabelled must be a whole number of at least 0, got -1"):
        compute(**quick, unlabelled=-1)


def test_derived_models_are_called_simulated(family):
    compressed = {"cut": "derived:pruned", "small": str(family / "small")}
    result = compute(large=str(family / "large"), compressed=compressed, dimensions="prediction_error_jaccard")
    simulated = {name: model["simulated"] for name, model in result["details"]["models"].items()}
    assert simulated == {"large": False, "cut": True, "small": False}


def test_a_report_tells_no_place_on_this_machine(family, tmp_path):
    """Of models, data, settings, and of the reasons of failures."""
    vectors = tmp_path / "vectors.txt"
    vectors.write_text("".join(f"{word} {i} 1\n" for i, word in enumerate(WORDS)))

    def shaky(texts):
        if any(map(unseen, texts)):
            raise OSError(f"{tmp_path}/cache/weights.bin is torn")
        return FUNCTIONS["large"](texts)

    result = compute(
        large=str(family / "large"), compressed={"small": family / "small", "shaky": shaky}, attacked=3,
        dimensions=["prediction_error_jaccard", "attack_divergence"], attack="textbugger",
        attack_options={"word_vectors": str(vectors)}, data_name=f"{tmp_path}/reviews, validation",
    )  # fmt: skip
    audit = result["details"]
    assert [audit["models"][name]["source"] for name in ("large", "small")] == ["large", "small"]
    assert audit["settings"]["attack_options"] == {"word_vectors": "vectors.txt"}
    assert audit["data"]["name"] == "reviews, validation"
    assert "weights.bin is torn" in audit["failures"][0]["reason"]
    paths = load("trust_equivalence").report(result, tmp_path / "report")
    texts = {path.name: path.read_text() for path in paths if path.suffix != ".png"}
    texts["terminal"] = load("trust_equivalence").table(result)
    places = (str(tmp_path), str(family), str(family.parent))
    assert [name for name, text in texts.items() if any(place in text for place in places)] == []


def test_a_relative_path_stays_as_it_was_given(family, monkeypatch):
    monkeypatch.chdir(family.parent)
    models = {"large": f"{family.name}/large", "compressed": {"small": f"./{family.name}/small"}}
    result = compute(**models, dimensions="prediction_error_jaccard")
    sources = [model["source"] for model in result["details"]["models"].values()]
    assert sources == [f"{family.name}/large", f"./{family.name}/small"]


# What must not matter.


def test_the_order_of_the_compressed_models_does_not_matter():
    turned = FUNCTIONS | {"compressed": dict(reversed(FUNCTIONS["compressed"].items()))}
    assert figures(compute(**turned, **ALL)) == close(compute(**ALL))


def test_the_size_of_a_batch_does_not_matter(family):
    assert figures(compute(**models_of(family), **ALL, tokens=16)) == close(compute(**models_of(family), **ALL))


def test_models_in_memory_are_those_on_disk(family):
    paths = models_of(family)
    large = load_checkpoint(paths["large"], "large", "cpu", None, False, "SequenceClassification")
    assert figures(compute(large=large, compressed=paths["compressed"], **ALL)) == close(
        compute(large=paths["large"], compressed=paths["compressed"], **ALL)
    )


@pytest.mark.parametrize("kind", [np.array, pd.Series, lambda values: datasets.Dataset.from_dict({"x": values})["x"]])
def test_inputs_of_any_kind_give_the_same(kind):
    quick = {"dimensions": ["prediction_error_jaccard", "ood_divergence"]}
    expected = figures(compute(**quick, ood_texts=STRANGE))
    given = {"texts": kind(TEXTS), "references": kind(GOLD.tolist()), "ood_texts": kind(STRANGE)}
    assert figures(compute(**quick, **given)) == expected


def test_equal_texts_with_other_labels_are_examples_of_their_own():
    result = compute(texts=["good film"] * 10, references=[0, 1] * 5, explained=10, attacked=10)
    entry = pair_of(result, "tiny")
    assert entry["prediction_error_jaccard"]["figures"]["shared_errors"] == 5
    assert entry["attack_divergence"]["figures"]["accuracy"] == 0.5
    assert result["tiny/attribution_alignment/examples_used"] == 10
    assert json.dumps(result["details"], allow_nan=False)


@pytest.mark.parametrize("gold", [np.zeros(20, int), np.ones(20, int), None])
def test_samples_of_one_and_models_that_are_always_wrong_give_finite_figures(gold):
    wrong = 1 - np.array(FUNCTIONS["large"](TEXTS)).argmax(axis=1) if gold is None else gold
    result = compute(references=wrong, explained=1, attacked=1, ood_texts=STRANGE[:1])
    assert json.dumps(result["details"], allow_nan=False)
    assert result["failed"] == 0


def test_the_seed_decides_what_is_drawn():
    usual = {"dimensions": DIMENSIONS[4:], "explained": 4, "attacked": 4}
    first, again, other = compute(**usual, seed=1), compute(**usual, seed=1), compute(**usual, seed=2)
    assert figures(first) == figures(again)
    indices = [
        [one["index"] for one in pair_of(result, "tiny")["attribution_alignment"]["details"]["per_example"]]
        for result in (first, other)
    ]
    assert indices[0] != indices[1]


# What is kept.


def open_nothing(monkeypatch):
    def fail(*given, **settings):
        raise AssertionError("a model was opened")

    monkeypatch.setattr("trusteq.audit.family.as_predictor", fail)


def test_a_second_audit_opens_no_model_and_says_the_same(family, tmp_path, monkeypatch):
    first = compute(**models_of(family), **ALL, folder=tmp_path)
    open_nothing(monkeypatch)
    again = compute(**models_of(family), **ALL, folder=tmp_path, resume=True)
    assert figures(again) == figures(first)
    assert {**again["details"], "run": None} == {**first["details"], "run": None}


def test_work_that_is_partly_there_is_completed(family, tmp_path):
    first = compute(**models_of(family), **ALL, folder=tmp_path)
    for share in (3, 2):
        file = sqlite3.connect(tmp_path / "work-0.sqlite")
        contexts = file.execute("SELECT DISTINCT context FROM work").fetchall()
        assert len(contexts) > 10
        file.execute(f"DELETE FROM work WHERE abs(random()) % {share} = 0")
        file.commit()
        file.close()
        assert figures(compute(**models_of(family), **ALL, folder=tmp_path, resume=True)) == close(first)


def test_a_folder_with_work_is_left_alone_unless_it_is_resumed(tmp_path):
    quick = {"dimensions": "prediction_error_jaccard", "folder": tmp_path}
    compute(**quick)
    before = (tmp_path / "work-0.sqlite").read_bytes()
    with pytest.raises(
        ValueError, match="holds an audit already: give resume=True to go on with it, or another folder"
    ):
        compute(**quick)
    assert (tmp_path / "work-0.sqlite").read_bytes() == before


def test_a_mistake_at_the_start_leaves_the_folder_free(tmp_path):
    quick = {"dimensions": "prediction_error_jaccard", "folder": tmp_path}
    with pytest.raises(ValueError, match=r"references\[0\] is 7"):
        compute(**quick, references=[7] * 20)
    compute(**quick)


CHANGES = {
    "a text": lambda family, given: given | {"texts": ["good good film", *TEXTS[1:]]},
    "a label": lambda family, given: given | {"references": [1 - GOLD[0], *GOLD[1:]]},
    "the weights": lambda family, given: changed(family, given, weights),
    "the tokenizer": lambda family, given: changed(family, given, words),
    "the configuration": lambda family, given: changed(family, given, configuration),
    "samples": lambda family, given: given | {"samples": 25},
    "seed": lambda family, given: given | {"seed": 3},
    "runs": lambda family, given: given | {"runs": 2},
    "explain": lambda family, given: given | {"explain": "own"},
    "method": lambda family, given: given | {"method": "occlusion"},
    "attack": lambda family, given: given | {"attack": "typos"},
    "max_queries": lambda family, given: given | {"max_queries": 8},
    "attack_options": lambda family, given: given | {"attack": "typos", "attack_options": {"rate": 0.4}},
    "the large model": lambda family, given: given | {"large": str(family / "twin")},
}


def changed(family, given, change):
    folder = family / f"changed {change.__name__}"
    if not folder.exists():
        shutil.copytree(family / "small", folder)
        change(folder)
    return given | {"compressed": {"small": str(folder)}}


def weights(folder):
    model = classifier(seed=2, labels=NAMES)
    with torch.no_grad():
        model.classifier.weight.mul_(-1)
    model.save_pretrained(folder)


def words(folder):
    tokenizer(words=WORDS[::-1]).save_pretrained(folder)


def configuration(folder):
    path = folder / "config.json"
    path.write_text(path.read_text().replace('"hidden_act": "gelu"', '"hidden_act": "relu"'))


@pytest.fixture(scope="module")
def kept(family, tmp_path_factory):
    folder = tmp_path_factory.mktemp("kept")
    given = {"large": str(family / "large"), "compressed": {"small": str(family / "small")}}
    given |= {"dimensions": [DIMENSIONS[0], *DIMENSIONS[4:]], "explained": 3, "attacked": 4}
    return folder, given, compute(**given, folder=folder)


@pytest.mark.parametrize("change", CHANGES)
def test_changed_inputs_never_meet_old_work(kept, family, change):
    folder, given, before = kept
    given = CHANGES[change](family, given)
    resumed, fresh = compute(**given, folder=folder, resume=True), compute(**given)
    assert figures(resumed) == close(fresh)
    assert figures(resumed) != close(before), "the change should change something, or this test tests nothing"


def test_a_function_that_answers_the_texts_alike_but_others_not_is_another_function(tmp_path):
    quick = {"dimensions": "attribution_alignment", "folder": tmp_path, "explained": 5, "k": 2}
    first = function(good=1.0, bad=-1.0)

    def same_on_the_texts(texts):
        return [first([text])[0] if text in TEXTS else function(film=1.0)([text])[0] for text in texts]

    before = compute(large=FUNCTIONS["large"], compressed={"tiny": first}, **quick)
    after = compute(large=FUNCTIONS["large"], compressed={"tiny": same_on_the_texts}, **quick, resume=True)
    assert after["tiny/accuracy"] == before["tiny/accuracy"]
    shown = [pair_of(result, "tiny")["attribution_alignment"]["details"]["per_example"] for result in (before, after)]
    assert [one["large_explanations"] for one in shown[0]] == [one["large_explanations"] for one in shown[1]]
    assert any(one["explanations"] != other["explanations"] for one, other in zip(*shown, strict=True))


def test_a_file_of_settings_is_known_by_what_it_holds(tmp_path):
    path = tmp_path / "vectors.txt"
    path.write_text("good 1 0\n")
    before, folder_before = known_as(str(path)), known_as(tmp_path)
    assert before == known_as(path)
    path.write_text("good 0 1\n")
    assert known_as(str(path)) != before
    assert known_as(tmp_path) != folder_before
    assert known_as("textbugger") == "textbugger"
    one, other = {"good": [1.0]}, {"good": [1.0]}
    assert known_as(one) == known_as(one) != known_as(other)  # of an object nobody knows what it will do


def test_functions_are_asked_about_each_text_once():
    large = Failing(FUNCTIONS["large"], lambda text: False, "raise")
    compute(**(FUNCTIONS | {"large": large}), dimensions=DIMENSIONS[:2])
    distinct = len({*TEXTS}) + len({thinned(text) for text in TEXTS})
    assert large.asked == distinct


def test_only_the_texts_that_are_explained_are_asked_for_their_class():
    large = Failing(FUNCTIONS["large"], lambda text: False, "raise")
    models = {"large": large, "compressed": FUNCTIONS["compressed"]}
    compute(**models, dimensions="attribution_alignment", explain="large", method="occlusion", explained=1)
    distinct = len({*TEXTS}) + len({thinned(text) for text in TEXTS})
    assert large.asked <= distinct + 10  # the first text, the one that is explained, and that one without each word


# What an audit is called.


def test_the_signature_names_what_decides_the_figures():
    def signature(**given):
        return compute(**{"dimensions": "prediction_error_jaccard"} | given)["details"]["signature"]

    line = signature()
    assert line == signature()
    assert line.startswith("trust_equivalence:0.1.0|among=200|attack=deepwordbug|")
    assert "\n" not in line
    assert "|dimensions=prediction_error_jaccard|" in line
    assert "|examples=20|" in line
    different = {"seed": 1, "k": 3, "margins": {"calibration_gap": 0.2}, "samples": 7, "pairs": "all", "queries": 5}
    different |= {
        "confidence_level": 0.9,
        "attack_options": {"rate": 0.5},
        "explain": "own",
        "score": "entropy",
        "among": 15,
    }
    assert len({signature(**{name: value}) for name, value in different.items()} | {line}) == len(different) + 1
    assert "|attack_options=word_vectors:Opaque|" in signature(attack_options={"word_vectors": Opaque()})


class Opaque:
    pass


def test_margins_are_taken_by_name():
    margins = {"calibration_gap": 0.9, "prediction_error_jaccard": 1.9}
    many = {"texts": list(TEXTS) * 20, "references": list(GOLD) * 20}
    result = compute(dimensions=DIMENSIONS[:2], margins=margins, **many)
    assert [entry["margin"] for entry in pair_of(result, "tiny").values()] == [1.9, 0.9]
    assert [entry["verdict"] for entry in pair_of(result, "tiny").values()] == ["equivalent"] * 2


# The sentences.

JUDGED = {"floor": 0.8, "kind": "overlap", "divergence": 0.05, "divergence_low": 0.01, "divergence_high": 0.09}
JUDGED |= {"margin": 0.1, "verdict": "equivalent", "examples": 400, "examples_needed": None, "value": 0.75}
JUDGED |= {"open_because": None, "beside": "the twin is", "floor_name": "twin"}
JUDGED |= {"expected": 0.2, "headline": "neighbor_jaccard_at_10", "figures": {}}
ALONE = {"floor": None, "verdict": None}
ERRORS = {"jaccard": 0.75, "expected_jaccard": 0.2, "shared_errors": 900}
ERRORS |= {"compressed_only_errors": 150, "large_only_errors": 150}


def falls(own, large):
    """What an attack leaves of an accuracy of 80 % and of one of 90 %, of which it takes these parts."""
    figures = {"accuracy": 0.8, "attacked_accuracy": 0.8 * (1 - own), "accuracy_fall": own}
    return figures | {"large_accuracy": 0.9, "large_attacked_accuracy": 0.9 * (1 - large), "large_accuracy_fall": large}


SENTENCES = [
    (
        "prediction_error_jaccard",
        ALONE | {"figures": ERRORS},
        "small and large share 75 % of their errors, 900 of 1,200 (chance alone: 20 %).",
    ),
    (
        "prediction_error_jaccard",
        ALONE | {"figures": dict.fromkeys(ERRORS, 0), "expected": 1.0},
        "Neither small nor large makes a mistake here.",
    ),
    (
        "calibration_gap",
        ALONE | {"figures": {"ece": 0.084, "large_ece": 0.05, "ece_gap": 0.034}},
        "small's confidence is off by 8.4 points on average, and large's by 5 points: a gap of 3.4 points.",
    ),
    (
        "representation_overlap",
        ALONE,
        "small and large share 75 % of a text's 10 nearest neighbours (chance alone: 20 %).",
    ),
    (
        "ood_divergence",
        ALONE | {"figures": {"auroc": 0.85, "large_auroc": 0.91, "auroc_gap": -0.06}},
        "small is less sure of a text out of distribution than of an ordinary one in 85 % of cases, and large in 91 %: "
        "a gap of −6 points.",
    ),
    (
        "attribution_alignment",
        ALONE | {"headline": "jaccard_at_5"},
        "small and large share 75 % of the 5 words that matter most to each (chance alone: 20 %).",
    ),
    (
        "representation_overlap",
        {},
        "small and large share 75 % of a text's 10 nearest neighbours (twin: 80 %; chance alone: 20 %). "
        "small is 5 points further from large than the twin is (1 to 9; allowed 10): equivalent.",
    ),
    (
        "attack_divergence",
        {
            "figures": falls(0.87, 0.4) | {"accuracy_fall_gap": 0.47},
            **{"kind": "gap", "floor": None, "divergence": 0.47, "divergence_low": 0.41, "divergence_high": 0.53},
            "verdict": "different",
        },
        "Under attack the accuracy of small falls from 80 to 10 %, by 87 % of it, "
        "and that of large from 90 to 54 %, by 40 % of it: a gap of 47 points. "
        "That is 47 points from no gap (41 to 53; allowed 10): different.",
    ),
    (
        "attack_divergence",
        {
            "figures": falls(0.5, 0.4) | {"accuracy_fall_gap": 0.1},
            **{"kind": "gap", "floor": 0.12, "divergence": -0.02, "divergence_low": -0.2, "divergence_high": 0.16},
            **{"verdict": "inconclusive", "examples_needed": 1300},
        },
        "Under attack the accuracy of small falls from 80 to 40 %, by 50 % of it, "
        "and that of large from 90 to 54 %, by 40 % of it: a gap of 10 points "
        "(twin: 12 points). small is 2 points nearer to large than the twin is (20 nearer to 16 further; allowed 10 "
        "further). "
        "Too close to call with 400 attacked examples; about 1,300 would decide.",
    ),
    (
        "attribution_alignment",
        {"floor": None, "divergence": 0.25, "divergence_low": 0.1, "divergence_high": 0.4, "margin": 0.25}
        | {"verdict": "inconclusive", "headline": "jaccard_at_5"},
        "small and large share 75 % of the 5 words that matter most to each (chance alone: 20 %). That is "
        "25 points from a full overlap (10 to 40; allowed 25). Too close to call with 400 explained "
        "examples; over a million would be needed.",
    ),
    (
        "attack_divergence",
        {
            "figures": falls(0.98, 0.93) | {"accuracy_fall_gap": 0.05},
            **{"kind": "gap", "floor": None, "divergence": 0.05, "divergence_low": 0.01, "divergence_high": 0.09},
            **{"verdict": "inconclusive", "open_because": "The attack breaks nearly everything."},
        },
        "Under attack the accuracy of small falls from 80 to 1.6 %, by 98 % of it, "
        "and that of large from 90 to 6.3 %, by 93 % of it: a gap of 5 points. "
        "That is 5 points from no gap (1 to 9; allowed 10). The attack breaks nearly everything.",
    ),
]


@pytest.mark.parametrize(("dimension", "entry", "expected"), SENTENCES)
def test_sentences_say_what_was_found(dimension, entry, expected):
    assert sentence(dimension, JUDGED | entry, "small", "large") == expected


def test_every_entry_that_is_done_has_its_sentence(audited):
    for pair in audited["details"]["pairs"]:
        for name, entry in pair["dimensions"].items():
            words = sentence(name, entry, pair["compressed"], pair["large"])
            assert entry["sentence"] == words
            assert pair["compressed"] in words
            if entry["verdict"] != "inconclusive":  # of which the sentence says why it is open
                assert (f"{entry['verdict']}" in words) == (pair["role"] == "compressed")


# Bad input.

BAD = {
    "no large": ({"large": None}, "large is missing: an audit takes large, compressed, texts and references"),
    "no texts": ({"texts": None}, "texts is missing: an audit takes large"),
    "no compressed": ({"compressed": None}, "compressed is missing: a dict from a name to a model"),
    "an empty family": ({"compressed": {}}, "compressed is empty: give at least one model"),
    "a taken name": ({"compressed": {"twin": len}}, "compressed needs names other than 'large' and 'twin', got 'twin'"),
    "no references": ({"references": None}, "references is missing: the gold label of every text"),
    "too few labels": ({"references": [1]}, "references needs one entry per text, got 1 for 20 texts"),
    "a label that is no class": (
        {"references": [2] * 20},
        "references[0] is 2, which is none of large's 2 classes: ",
    ),
    "a label that is no name": ({"references": ["x"] * 20}, "references[0] is 'x', which is none of"),
    "no text": ({"texts": []}, "texts is empty: give at least one text"),
    "no strange text": ({"ood_texts": []}, "ood_texts is empty: give at least one text"),
    "numbers as texts": ({"texts": [1] * 20}, "texts[0] must be a string, got 1"),
    "a dimension": ({"dimensions": ["accuracy"]}, "dimensions must be 'prediction_error_jaccard' or"),
    "margins": ({"margins": 0.1}, "margins must be a dict from dimension to number, got 0.1"),
    "a margin": ({"margins": {"calibration_gap": 0}}, "margins['calibration_gap'] must be"),
    "no interval": ({"confidence_level": None}, "an audit needs intervals to reach a verdict"),
    "both forms": (
        {"predictions": [0, 1]},
        "give models and texts (large, compressed, texts) or predictions, not both",
    ),
    "an option": ({"smaples": 3}, "smaples"),
    "attack options": ({"attack_options": 3}, "attack_options must be a dict of attack_divergence's options, got 3"),
    "an attack": ({"attack": "poison"}, "attack must be one of 'textbugger'"),
    "an attack's option": ({"attack_options": {"strength": 3}}, "strength"),
    "a method": ({"method": "magic"}, "method must be"),
    "bins": ({"binning": "wide"}, "binning must be"),
    "a score": ({"score": "feeling"}, "score must be"),
    "no size": ({"k": []}, "k must be one number or several different ones, got []"),
    "pairs": ({"pairs": "some"}, "pairs must be"),
    "a missing folder": ({"large": "./nowhere"}, "large: there is no folder ./nowhere"),
    "two missing folders": (
        {"twin": "./nowhere", "compressed": {"a": "./nowhere2"}},
        "twin: there is no folder ./nowhere",
    ),
    "no model": ({"twin": 3}, "twin must be a callable"),
    "one model twice": ({"twin": FUNCTIONS["large"]}, "large and twin are the same model: give each model once"),
    "three classes": ({"twin": lambda texts: [[0.5, 0.25, 0.25]] * len(texts)}, "large has 2 classes but twin has 3"),
    "a function to quantize": ({"compressed": {"q": "derived:quantized"}}, "q: only a transformers model can be quant"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_one_sentence(case):
    given, sentence = BAD[case]
    with pytest.raises(ValueError, match=re.escape(sentence)) as caught:
        compute(**(FUNCTIONS | given))
    assert "\n" not in str(caught.value)


def test_bad_checkpoints_are_one_sentence(family, tmp_path):
    def fails(match, **compressed):
        with pytest.raises(ValueError, match=match) as caught:
            compute(large=str(family / "large"), compressed=compressed, dimensions="prediction_error_jaccard")
        assert "\n" not in str(caught.value)

    (tmp_path / "empty").mkdir()
    fails("a: .*empty is no checkpoint: it has no config.json", a=str(tmp_path / "empty"))
    shutil.copytree(family / "small", tmp_path / "copy")
    fails("a and b are the same model: give each model once", a=str(family / "small"), b=str(tmp_path / "copy"))
    fails("large and a are the same model", a=str(family / "large"))
    (tmp_path / "copy" / "model.safetensors").write_bytes(b"torn")
    fails("a: .*copy is no checkpoint with safetensors that could be loaded", a=str(tmp_path / "copy"))
    model, padding = classifier(seed=4, labels=NAMES), tokenizer()
    padding.pad_token = None
    fails("a's tokenizer has no padding token: set tokenizer.pad_token", a=(model, padding))
    fails(
        r"large's classes .* and a's .* do not match by name", a=(classifier(seed=4, labels=("no", "yes")), tokenizer())
    )


def test_plots_need_a_pair_and_a_dimension_that_are_there(audited):
    plot = load("trust_equivalence").plot
    assert plot(audited).axes
    assert plot(audited, "small", "calibration_gap").axes
    with pytest.raises(ValueError, match="pair must be one of twin, small, small / twin, got 'huge'"):
        plot(audited, "huge", "calibration_gap")
    with pytest.raises(ValueError, match=r"dimension must be one of prediction_error_jaccard, .* got None"):
        plot(audited, "small")
    with pytest.raises(ValueError, match="plot needs a result with details"):
        plot(figures(audited))
    skipped = compute(dimensions="representation_overlap")
    with pytest.raises(ValueError, match="representation_overlap of tiny has no plot: large is a function"):
        plot(skipped, "tiny", "representation_overlap")


# Where an overlap tells nothing.


def test_where_chance_alone_overlaps_nothing_is_concluded(tmp_path):
    large, small = (lambda texts: [[0.0, 1.0]] * len(texts)), (lambda texts: [[0.1, 0.9]] * len(texts))
    family = {"large": large, "compressed": {"s": small}}
    result = compute(**family, references=[1] * len(TEXTS), dimensions=["prediction_error_jaccard"])
    entry = pair_of(result, "s")["prediction_error_jaccard"]
    assert (entry["value"], entry["expected"]) == (1, 1)
    assert (entry["verdict"], entry["examples_needed"]) == ("inconclusive", None)
    assert entry["sentence"].endswith("which hides any difference: take more examples, or harder ones.")
    assert entry["margin"] > 0  # the report counts in margins
    assert "hides any difference" in load("trust_equivalence").report(result, tmp_path)[0].read_text()


def test_a_twin_without_a_mistake_is_no_floor_for_errors():
    gold = [1] * len(TEXTS)
    family = {"large": lambda texts: [[0.0, 1.0]] * len(texts), "twin": lambda texts: [[0.1, 0.9]] * len(texts)}
    wrong = {"s": lambda texts: [[0.9, 0.1] if "film" in text else [0.1, 0.9] for text in texts]}
    result = compute(**family, compressed=wrong, references=gold, dimensions=["prediction_error_jaccard"])
    entry = pair_of(result, "s")["prediction_error_jaccard"]
    assert (entry["value"], entry["floor"], entry["divergence"]) == (0, None, 1)


def test_without_a_twin_an_overlap_at_chance_is_not_equivalent():
    rng = np.random.default_rng(0)
    texts = [" ".join(rng.choice(WORDS, 6)) for _ in range(60)]

    def model(seed):
        weights = dict(zip(WORDS, np.random.default_rng(seed).normal(size=len(WORDS)), strict=True))

        def answer(some):
            score = np.array([sum(weights.get(word, 0) for word in text.split()) for text in some])
            return np.stack([1 / (1 + np.exp(score)), 1 / (1 + np.exp(-score))], axis=1)

        return answer

    result = compute(
        large=model(1), compressed={"s": model(2)}, texts=texts, references=[1] * 60, explained=60,
        dimensions=["attribution_alignment"], k=5, method="occlusion",
    )  # fmt: skip
    entry = pair_of(result, "s")["attribution_alignment"]
    assert entry["low"] <= entry["expected"]
    assert entry["divergence"] < 0.5  # which a margin of one half would have let pass
    assert entry["verdict"] != "equivalent"


@pytest.mark.parametrize(
    "change", [{"dimensions": 3}, {"method": []}, {"folder": 3}, {"progress": "bar"}, {"texts": str}]
)
def test_an_argument_of_another_kind_is_named(change):
    with pytest.raises(ValueError, match=next(iter(change))):
        compute(**FUNCTIONS | change)
