"""`trusteq cascade`: from the kept work of an audit, with no model asked."""

import html
import json
import shutil

import numpy as np
import pytest
from html_page import unstyled
from transformers import AutoModelForSequenceClassification

from trusteq.audit.bundled import bundled_family
from trusteq.audit.cascade import first_equivalent, mixed
from trusteq.cli import audit
from trusteq.cli.cascade import main
from trusteq.models.classifiers import ModelPredictor
from trusteq.models.open import as_predictor
from trusteq.report.cascaded import cascade_table, says

DIMENSIONS = ["prediction_error_jaccard", "calibration_gap", "ood_divergence"]


@pytest.fixture(scope="module")
def family():
    found = bundled_family()
    compressed = next(source for source in found["compressed"].values() if not source.startswith("derived:"))
    return {"large": found["large"], "twin": found["twin"], "small": compressed}


@pytest.fixture(scope="module")
def place(family, tmp_path_factory):
    """An audit of the bundled models that is finished; of their texts, each said once more with another end."""
    given, folder = bundled_family(), tmp_path_factory.mktemp("audit")
    rows = [
        {"text": f"{text}{end}", "label": label}
        for end in ("", " Truly.", " Or so they say.")
        for text, label in zip(given["texts"], given["references"], strict=True)
    ][:1200]
    (folder / "texts.jsonl").write_text("\n".join(map(json.dumps, rows)))
    (folder / "other.jsonl").write_text("\n".join(json.dumps({"text": text}) for text in given["ood_texts"]))
    words = ["--large", family["large"], "--twin", *family["twin"].values(), "--compressed", f"small={family['small']}"]
    words += ["--dataset", str(folder / "texts.jsonl"), "--ood-dataset", str(folder / "other.jsonl")]
    assert audit.main([*words, "--dimensions", *DIMENSIONS, "--out", str(folder / "out")]) == 0
    return folder / "out"


@pytest.fixture(scope="module")
def found(place):
    def refuse(*given, **more):
        raise AssertionError("a model was asked")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ModelPredictor, "_answer", refuse)
        patch.setattr(AutoModelForSequenceClassification, "from_pretrained", refuse)
        assert main([str(place)]) == 0
    return json.loads((place / "cascade.json").read_text())["small"]


def test_the_ends_of_the_curve_are_the_two_models_themselves(found, family, place):
    for curve in (found["choosing"], found["judging"]):
        assert (curve[0]["passed_on"], curve[-1]["passed_on"]) == (0.0, 1.0)
        assert curve[-1]["entries"]["prediction_error_jaccard"]["value"] == 1.0  # with itself
        for name in ("calibration_gap", "ood_divergence"):
            assert curve[-1]["entries"][name]["value"] == 0.0
        shares = [point["passed_on"] for point in curve]
        assert shares == sorted(shares)
        assert len(curve) == 21


def test_the_halves_make_up_the_whole_and_say_what_the_models_say(found, family, place):
    rows = [json.loads(line) for line in (place.parent / "texts.jsonl").read_text().splitlines()]
    assert found["chosen_on"] + found["judged_on"] == len(rows)
    model = as_predictor(family["small"], "small")
    names = [name.lower() for name in model.names]
    right = model([row["text"] for row in rows]).argmax(axis=1) == [names.index(row["label"]) for row in rows]
    halves = [(found["choosing"], found["chosen_on"]), (found["judging"], found["judged_on"])]
    both = sum(curve[0]["accuracy"] * count for curve, count in halves)
    assert both == pytest.approx(right.sum())


def test_the_threshold_is_chosen_on_one_half_and_judged_on_the_other(found):
    chosen = found["chosen"]
    place = first_equivalent(found["choosing"])
    assert place is not None
    assert chosen["threshold"] == found["choosing"][place]["threshold"]
    assert chosen["judged"] == found["judging"][place]
    for point in found["choosing"][place:]:
        assert all(entry["verdict"] == "equivalent" for entry in point["entries"].values())
    if place:
        assert any(entry["verdict"] != "equivalent" for entry in found["choosing"][place - 1]["entries"].values())


def test_what_it_prints_names_what_cannot_be_computed(place, found):
    said = cascade_table(found)
    for name in ("representation_overlap", "attribution_alignment", "attack_divergence"):
        assert name in found["not_computed"]
        assert f"{name} cannot be computed: " in said
    assert f"Chosen on {found['chosen_on']:,} texts, judged on {found['judged_on']:,}" in " ".join(said.split())
    assert all(len(line) <= 110 for line in said.splitlines())
    assert (place / "cascade.svg").read_text().startswith("<?xml")
    page = (place / "cascade.html").read_text()
    assert html.escape(says(found)[0], quote=False) in page
    assert not unstyled(page)
    assert page.count("<tr") == 1 + len(found["judging"])
    assert page.count("(chosen)") == (found["chosen"] is not None)


def test_the_first_share_from_which_on_all_are_equivalent():
    def curve(*verdicts):
        return [{"entries": {"a": {"verdict": verdict}}} for verdict in verdicts]

    yes, no = "equivalent", "inconclusive"
    assert first_equivalent(curve(yes, no, yes, yes)) == 2
    assert first_equivalent(curve(no, no)) is None
    assert first_equivalent(curve(yes)) == 0


def test_a_row_is_the_large_models_where_the_other_is_unsure():
    rng = np.random.default_rng(0)
    own, large = (rng.dirichlet(np.ones(3), 50) for _ in range(2))
    rows, passed = mixed(own, large, 0.6)
    assert (rows[passed] == large[passed]).all()
    assert (rows[~passed] == own[~passed]).all()
    assert (own.max(axis=1)[passed] < 0.6).all()
    assert (own.max(axis=1)[~passed] >= 0.6).all()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["nowhere"], "there is no file nowhere/work/command.json: give the folder of a finished audit"),
        (["{place}", "--model", "big"], "the audit has no compressed model big: it has small"),
        ([], "audit is missing: the folder of a finished audit"),
    ],
)
def test_a_mistake_is_one_sentence(place, words, said, capsys):
    assert main([word.format(place=place) for word in words]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1


def test_an_audit_whose_work_is_gone_is_told_and_nobody_is_asked(place, tmp_path, capsys):
    (tmp_path / "work").mkdir()
    shutil.copy(place / "work" / audit.COMMAND, tmp_path / "work" / audit.COMMAND)
    assert main([str(tmp_path)]) == 2
    assert "holds no kept work" in capsys.readouterr().err
