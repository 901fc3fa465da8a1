"""Stop when sure: what is settled is asked no more, and what comes out is what was asked for, however it is run."""

import json
import shutil
import signal
from functools import partial
from types import SimpleNamespace

import jsonschema
import numpy as np
import pandas as pd
import pytest
from audit_runs import on_two_processes
from small_audits import close, finished, pieces, report, stopped
from small_families import LARGE, NAMES, function, load, random_texts
from tiny_models import classifier, tokenizer

from trusteq.audit import settling
from trusteq.audit.options import AuditOptions
from trusteq.audit.schema import SCHEMA
from trusteq.audit.settling import Settling, planned
from trusteq.cli import audit as command
from trusteq.looks import Look

COUNT = 1000
TEXTS = [f"{text} {i}" for i, text in enumerate(random_texts(COUNT, seed=3))]  # a number makes each another one
TRUE = function(**LARGE)(TEXTS)[:, 1]
GOLD = (np.random.default_rng(4).random(COUNT) < TRUE).astype(int)
OTHERS = random_texts(200, seed=5, words=["cat", "sleeps", "zebra", "the"])
FEW = {"method": "occlusion", "attack": "deepwordbug", "k": (2,), "explained": 200, "attacked": 200}
ASKED = ["prediction_error_jaccard", "attribution_alignment", "attack_divergence"]


class Recording:
    """A model that keeps what it was asked."""

    def __init__(self, model):
        self.model, self.asked = model, []

    def __call__(self, texts):
        self.asked += texts
        return self.model(texts)


def family():
    models = {
        "large": function(**LARGE),
        "twin": function(**(LARGE | {"fine": 0.8, "dull": -1.6})),
        "alike": function(**(LARGE | {"not": -0.1})),
        "other": function(film=1.0, plot=-1.0, acting=0.7),
    }
    return {name: Recording(model) for name, model in models.items()}


def audit(models, **given):
    large, twin, *rest = models
    named = {"large": models[large], "twin": models[twin], "compressed": {name: models[name] for name in rest}}
    usual = {"texts": TEXTS, "references": GOLD, "dimensions": ASKED, "details": True}
    return load("trust_equivalence").compute(**named, **(usual | FEW | given))


def without_run(result):
    return {key: value for key, value in result["details"].items() if key != "run"}


def entries(result):
    pairs = [pair for pair in result["details"]["pairs"] if pair["role"] == "compressed"]
    return {(pair["name"], name): entry for pair in pairs for name, entry in pair["dimensions"].items()}


@pytest.fixture(scope="module")
def settled():
    models = family()
    return audit(models, until_settled=COUNT), models


@pytest.fixture(scope="module")
def plain():
    models = family()
    return audit(models), models


# What is asked, and what comes out.


def test_where_the_truth_is_clear_the_verdicts_are_those_of_all_examples(settled, plain):
    found, whole = (entries(result) for result, _ in (settled, plain))
    assert {place: entry["verdict"] for place, entry in found.items()} == {
        place: entry["verdict"] for place, entry in whole.items()
    }
    assert {entry["verdict"] for entry in found.values()} == {"equivalent", "different"}


def test_what_is_settled_is_asked_no_more(settled, plain):
    (result, models), (_, whole) = settled, plain
    looks = result["details"]["looks"]
    assert looks["at_most"] == looks["there"] == COUNT
    assert looks["examples"][-1] <= COUNT / 2
    for name, model in models.items():
        given = set(TEXTS) & set(model.asked)
        assert len(given) == looks["examples"][-1]
        assert len(model.asked) < 0.7 * len(whole[name].asked)
    counts = {place: entry["examples"] for place, entry in entries(result).items()}
    assert max(counts[name, "attribution_alignment"] for name in ("alike", "other")) <= 100
    assert max(counts.values()) < 1000


def test_no_example_is_explained_or_attacked_after_the_look_that_settles_it(monkeypatch):
    """The probes of each look are those of the one before and a few more; when they stop the texts go on."""
    sizes = []
    ask = settling.work_once

    def noted(run, references, ood, options):
        work, about, skipped = ask(run, references, ood, options)
        sizes.append((len(run.texts), work.explained, options.dimensions))
        return work, about, skipped

    monkeypatch.setattr(settling, "work_once", noted)
    models = family()
    del models["other"]
    asked = ["calibration_gap", "attribution_alignment"]
    found = entries(audit(models, dimensions=asked, until_settled=COUNT, margins={"calibration_gap": 0.001}))
    assert found["alike", "attribution_alignment"]["verdict"] == "equivalent"
    explained = [len(indices) for _, indices, _ in sizes]
    last = max(explained)
    assert explained == sorted(explained[: explained.index(last) + 1]) + [0] * (len(sizes) - explained.index(last) - 1)
    assert found["alike", "attribution_alignment"]["examples"] <= last < 200
    assert sizes[-1][0] == COUNT  # such a margin takes them all
    assert sizes[-1][2] == ["calibration_gap"]


def test_an_entry_is_that_of_a_plain_audit_of_these_examples_with_a_wider_interval(settled):
    result, _ = settled
    entry = entries(result)["alike", "prediction_error_jaccard"]
    order = np.random.default_rng(0).permutation(COUNT)[: entry["examples"]]
    texts, gold = [TEXTS[i] for i in order], GOLD[order]
    once = entries(audit(family(), texts=texts, references=gold, dimensions=ASKED[:1]))
    same = once["alike", "prediction_error_jaccard"]
    for key in ("value", "low", "high", "floor", "divergence", "margin", "figures"):
        assert entry[key] == same[key]
    sizes = [look["prediction_error_jaccard"].sizes for look in planned(AuditOptions(until_settled=COUNT), COUNT, [])]
    look = Look(sizes[entry["look"]["number"] - 1], COUNT, 128)
    assert entry["look"] | {"wider": 0} == {"number": len(look.sizes), "of": len(sizes), "at_most": COUNT, "wider": 0}
    assert entry["look"]["wider"] == pytest.approx(look.reach / 1.959964, rel=1e-6)
    for end in ("divergence_low", "divergence_high"):
        reach = entry["look"]["wider"] * (same[end] - same["divergence"])
        assert entry[end] - entry["divergence"] == pytest.approx(reach)


def test_one_look_at_all_examples_says_what_a_plain_audit_says():
    some = {"texts": TEXTS[:140], "references": GOLD[:140], "dimensions": ASKED[:1]}
    once, plain = audit(family(), **some, until_settled=140), audit(family(), **some)
    assert once["details"]["looks"]["examples"] == [140]
    for name in ("alike", "other"):
        for figure in ("jaccard", "divergence", "margin", "verdict"):
            key = f"{name}/prediction_error_jaccard/{figure}"
            assert once[key] == plain[key]


def test_examples_keep_the_numbers_of_the_texts_that_were_given(settled):
    result, _ = settled
    for kind in ("explanations", "attacks"):
        assert result["details"]["examples"][kind]
        for shown in result["details"]["examples"][kind]:
            assert TEXTS[shown["index"]] == shown["text"]
            assert shown["gold"] == str(GOLD[shown["index"]])
    for one in entries(result)["alike", "attribution_alignment"]["details"]["per_example"]:
        assert TEXTS[one["index"]] == one["text"]


def test_every_report_says_at_which_look_and_with_how_many(settled, tmp_path):
    result, _ = settled
    jsonschema.validate(json.loads(json.dumps(result["details"])), SCHEMA)
    load("trust_equivalence").report(result, tmp_path)
    page, marked = ((tmp_path / name).read_text() for name in ("report.html", "report.md"))
    printed = " ".join(load("trust_equivalence").table(result).split())
    taken = result["details"]["looks"]["examples"]
    for shown in (page, marked, printed):
        assert f"at {len(taken)} looks, with {taken[-1]:,} of at most 1,000 examples in the end" in shown
        for entry in entries(result).values():
            look = entry["look"]
            assert f"Settled at look {look['number']} of {look['of']}, with {entry['examples']:,} of at most" in shown
    assert result["alike/prediction_error_jaccard/examples"] == taken[result["alike/prediction_error_jaccard/look"] - 1]
    assert "until_settled=1000" in result["details"]["signature"]


def test_all_pairs_all_dimensions_and_no_greatest_number():
    models = family()
    given = {"dimensions": None, "ood_texts": OTHERS, "pairs": "all", "until_settled": True, "explained": 60}
    result = audit(models, **given, attacked=60, texts=TEXTS[:400], references=GOLD[:400])
    jsonschema.validate(json.loads(json.dumps(result["details"])), SCHEMA)
    assert len(result["details"]["pairs"]) == 6
    assert result["details"]["failures"] == []
    assert result["details"]["looks"]["at_most"] is None
    for (_, name), entry in entries(result).items():
        assert entry["status"] == ("skipped" if name == "representation_overlap" else "done")
    assert "no greatest number is set" in " ".join(load("trust_equivalence").table(result).split())


def test_what_belongs_together_counts_together_at_every_look():
    groups = [i // 20 for i in range(COUNT)]
    one = {"dimensions": ASKED[:1], "until_settled": COUNT, "groups": groups}
    result = audit(family(), **one)
    data, found = result["details"]["data"], entries(result)
    order = np.random.default_rng(0).permutation(COUNT)[: data["examples"]]
    assert data["groups"] == len({groups[i] for i in order}) == 50
    assert found["other", ASKED[0]]["verdict"] == "different"
    triple = {"texts": TEXTS[:200] * 3, "references": np.tile(GOLD[:200], 3)}
    again = audit(family(), **triple, dimensions=ASKED[:1], until_settled=True)
    assert 0 < again["details"]["data"]["duplicates"] < again["details"]["data"]["examples"]


# Which verdicts stand.


def one_pair(**dimensions):
    """A pair whose dimensions have these verdicts and chances."""
    members = [SimpleNamespace(name=name, role=role) for name, role in (("large", "large"), ("tiny", "compressed"))]
    found = Settling(SimpleNamespace(members=members), AuditOptions(), {})
    for name, (verdict, chance) in dimensions.items():
        entry = {"status": "done", "verdict": verdict, "chance": chance, "open_because": None}
        found.found["tiny", "large"]["dimensions"][name] = entry
    return {name for _, name in found.settled()}


def test_a_difference_is_settled_if_it_stands_among_all_verdicts_to_come():
    assert one_pair(calibration_gap=("different", 0.025 / 6)) == {"calibration_gap"}
    assert one_pair(calibration_gap=("different", 0.025 / 5)) == set()  # of six dimensions, five have not begun
    both = {"calibration_gap": ("different", 0.001), "ood_divergence": ("different", 0.025 / 5)}
    assert one_pair(**both) == {"calibration_gap", "ood_divergence"}
    assert one_pair(calibration_gap=("equivalent", 0.9)) == {"calibration_gap"}
    assert one_pair(calibration_gap=("inconclusive", 0.001)) == set()


def test_a_dimension_begins_when_it_can_decide_and_probes_never_outnumber_texts():
    options = AuditOptions(until_settled=2000, explained=2000, attacked=100)
    plan = planned(options, 2000, list(range(0, 2000, 2)))  # every other text is blank
    assert next(look["calibration_gap"].sizes[-1] for look in plan if "calibration_gap" in look) == 512
    assert [look["attack_divergence"].sizes[-1] for look in plan if "attack_divergence" in look] == [50, 63, 79, 100]
    assert plan[-1]["attribution_alignment"].sizes[-1] == 1000
    for look in plan:
        if "prediction_error_jaccard" in look:
            assert 2 * look["attribution_alignment"].sizes[-1] <= look["prediction_error_jaccard"].sizes[-1]


# However it is run.


def test_the_same_seed_gives_the_same_report_and_another_one_other_examples(settled):
    result, _ = settled
    again = without_run(audit(family(), until_settled=COUNT))
    assert again == without_run(result)
    other = without_run(audit(family(), until_settled=COUNT, seed=1))
    assert other["data"]["fingerprint"] != again["data"]["fingerprint"]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("settling")
    for seed, name in enumerate(("large", "twin", "small")):
        classifier(seed=seed, labels=NAMES).double().save_pretrained(folder / name)  # rounds alike in every batch
        tokenizer().save_pretrained(folder / name)
    labels = [NAMES[i] for i in GOLD[:400]]
    pd.DataFrame({"text": TEXTS[:400], "label": labels}).to_csv(folder / "reviews.csv", index=False)
    pd.DataFrame({"text": OTHERS}).to_csv(folder / "others.csv", index=False)
    return folder


def words(place, *more):
    models = ["--large", place / "large", "--twin", place / "twin", "--compressed", place / "small"]
    data = ["--dataset", place / "reviews.csv", "--ood-dataset", place / "others.csv"]
    few = ["--explained", 60, "--attacked", 12, "--attack", "typos", "--max-queries", 10, "--method", "occlusion"]
    return [str(word) for word in (*models, *data, *few, "--until-settled", 400, *more)]


@pytest.fixture(scope="module")
def straight(processes, place):
    code, said = finished(processes, words(place, "--out", place / "out"), place / "log")
    assert code == 0, said
    return report(place / "out")


def test_killed_at_any_look_and_resumed_it_gives_the_same_report(processes, place, straight, tmp_path):
    whole, work = pieces(place / "out" / "work"), tmp_path / "out" / "work"
    arguments = words(place, "--out", tmp_path / "out")
    killed = 0
    for part in (0.2, 0.5, 0.8):
        there = partial(has_pieces, work, int(part * whole))
        killed += stopped(processes, arguments, tmp_path / "log", there, signal.SIGKILL) == -signal.SIGKILL
        arguments = words(place, "--out", tmp_path / "out", "--resume")
    assert killed >= 2
    code, said = finished(processes, arguments, tmp_path / "log")
    assert code == 0, said
    assert report(tmp_path / "out") == close(straight)
    assert pieces(work) == whole  # nothing more was asked


def has_pieces(work, count):
    return pieces(work) >= count


def test_two_processes_take_the_same_looks(processes, place, straight, tmp_path):
    on_two_processes(processes, words(place, "--out", tmp_path / "out"), tmp_path)
    assert report(tmp_path / "out") == close(straight)


def test_finished_work_is_not_asked_again(place, straight, tmp_path, monkeypatch):
    """Of an audit that stopped when it was sure, the report can be made anew without a model."""
    shutil.copytree(place / "out" / "work", tmp_path / "out" / "work")
    for name in ("large", "twin", "small"):  # they are known by their files, and are not opened
        assert (place / name / "config.json").exists()
    monkeypatch.setattr("trusteq.audit.family.as_predictor", lambda *given, **settings: pytest.fail("it was opened"))
    assert command.main(words(place, "--out", tmp_path / "out", "--resume")) == 0
    assert report(tmp_path / "out") == close(straight)


def test_the_command_takes_a_greatest_number_or_none():
    def typed(*words):
        return command.options_of(command.parser().read(words)).until_settled

    assert (typed(), typed("--until-settled", "300"), typed("--until-settled")) == (None, 300, True)
    assert typed("--until-settled", "--seed", "1") is True


# Bad input.


def test_too_few_to_look_at_twice_is_one_sentence(place, tmp_path, capsys):
    with pytest.raises(ValueError, match=r"^until_settled must be a whole number of at least 128, got 100$"):
        audit(family(), until_settled=100)
    assert command.main(words(place, "--until-settled", 100, "--out", tmp_path)) == 2
    assert "--until-settled must be a whole number of at least 128, got 100\n" in capsys.readouterr().err


def test_more_than_there_are_is_said():
    some = {"texts": TEXTS[:150], "references": GOLD[:150], "dimensions": ASKED[:1]}
    result = audit(family(), **some, until_settled=4000)
    said = " ".join(load("trust_equivalence").table(result).split())
    assert "150 of at most 150 examples in the end (all that were given, not 4,000)" in said


def test_predictions_have_nothing_to_settle():
    rows = [[0.5, 0.5]] * 4
    with pytest.raises(ValueError, match="until_settled is for models that can be asked"):
        load("trust_equivalence").compute(
            predictions=rows, large_predictions=rows, references=[0, 1, 0, 1], until_settled=200
        )


def test_a_label_that_is_wrong_is_said_before_any_model_is_asked_much():
    models = family()
    with pytest.raises(ValueError, match=r"references\[999\] is 7"):
        audit(models, references=[*GOLD[:-1], 7], until_settled=COUNT)
    assert all(len(model.asked) < 400 for model in models.values())
