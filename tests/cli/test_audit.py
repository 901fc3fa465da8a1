"""One command, one page, one verdict: `trusteq audit` on tiny checkpoints, stopped, resumed, divided and misused."""

import importlib.util
import json
import os
import shlex
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
from pathlib import Path

import evaluate
import pandas as pd
import pytest
from audit_runs import audit_divided
from small_audits import close, models, pieces, report, stopped, whole
from small_families import GOLD, NAMES, TEXTS
from tiny_models import checkpoint, classifier, tokenizer

from trusteq.audit import start
from trusteq.audit.bundled import bundled_family
from trusteq.audit.options import AuditOptions
from trusteq.cli import audit as command
from trusteq.cli.typed import part_of
from trusteq.records.chosen import ChosenTexts, sampled

ROOT = Path(__file__).resolve().parents[2]
ONE = ["--dimensions", "prediction_error_jaccard"]
COMMAND = [sys.executable, "-m", "trusteq.cli.main", "audit"]


def given_by(*words):
    """What these words give the audit."""
    typed = command.parser().read([str(word) for word in words])
    parts = (part_of(command.Family, typed), part_of(ChosenTexts, typed), command.options_of(typed))
    return command.read_inputs(*parts)


# What comes out.


def test_the_command_writes_the_report_and_prints_the_verdicts(uninterrupted):
    said, out = uninterrupted
    for name in (
        "report.html",
        "report.json",
        "report.md",
        "model_card.md",
        "tables/pairwise.tex",
        "plots/summary.svg",
    ):
        assert (out / name).stat().st_size > 0
    audit = report(out)
    assert list(audit["models"]) == ["large", "twin", "small"]
    assert audit["data"]["name"] == "reviews.csv"
    assert (audit["data"]["examples"], audit["data"]["ood_examples"]) == (20, 9)
    assert {entry["status"] for pair in audit["pairs"] for entry in pair["dimensions"].values()} == {"done"}
    assert len(audit["pairs"][0]["dimensions"]) == 6
    for word in (*(entry["verdict"] for entry in audit["pairs"][1]["dimensions"].values()), "the report: "):
        assert word in said
    assert said.strip().endswith("report.html")


def test_progress_is_shown(uninterrupted):
    said, _ = uninterrupted
    for what in ("clean answers", "ood texts", "explanations", "attacks"):
        assert f"{what:<14} 100%" in said
    assert "Traceback" not in said


def test_every_format_of_a_file_gives_the_same_texts_and_labels(place):
    for kind in ("csv", "tsv", "jsonl", "parquet"):
        given = given_by(*models(place), "--dataset", place / f"reviews.{kind}")
        assert (given["texts"], given["references"]) == (TEXTS, [NAMES[i] for i in GOLD])
        assert given["data_name"] == f"reviews.{kind}"
        given = given_by(*models(place), "--dataset", place / f"reviews.{kind}", "--label", "number")
        assert given["references"] == GOLD.tolist()


def test_options_reach_the_audit(place, tmp_path):
    data = ["--dataset", str(place / "pairs.csv"), "--text-pair", "premise", "hypothesis", "--limit", "12"]
    more = ["--margins", "calibration_gap=0.25", "--pairs", "all", "--seed", "3"]
    named = ["--large", str(place / "large"), "--compressed", f"tiny={place / 'small'}", "rounded=derived:quantized"]
    one = ["--dimensions", "calibration_gap", "--n-bins", "4"]
    assert command.main([*named, *data, *more, *one, "--out", str(tmp_path)]) == 0
    audit = report(tmp_path)
    assert list(audit["models"]) == ["large", "tiny", "rounded"]
    assert audit["data"]["examples"] == 12
    assert len(audit["pairs"]) == 3
    assert audit["pairs"][1]["dimensions"]["calibration_gap"]["margin"] == 0.25
    settings = audit["settings"]
    assert (settings["n_bins"], settings["seed"], settings["pairs"]) == (4, 3, "all")


def test_slices_are_read_from_columns_and_sampled_with_the_texts(place, tmp_path):
    data = ["--dataset", str(place / "reviews.csv"), "--limit", "12", "--slice", "length", "number"]
    given = given_by(*models(place), *data)
    assert list(given["slices"]) == ["length", "number"]
    assert given["slices"]["length"] is None
    assert [NAMES[int(number)] for number in given["slices"]["number"]] == given["references"]
    assert command.main([*models(place), *data, *ONE, "--out", str(tmp_path)]) == 0
    audit = report(tmp_path)
    assert [(one["name"], sum(part["examples"] for part in one["slices"])) for one in audit["slices"]] == [
        ("length", 12),
        ("number", 12),
    ]
    assert "|slices=length,number" in audit["signature"]
    again = [*models(place), *data[:-2], "label", *ONE, "--out", str(tmp_path), "--resume"]  # of the same work
    assert command.main(again) == 0
    assert [one["name"] for one in report(tmp_path)["slices"]] == ["label"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--slice", "mood"], "has no column 'mood'; its columns are text, label, number"),
        (["--slice", "text"], "slices: text has a different value for every text: at most 50 slices are compared"),
    ],
)
def test_a_slice_that_there_is_not_is_one_sentence(place, tmp_path, capsys, words, said):
    data = ["--dataset", str(place / "reviews.csv"), *words, "--out", str(tmp_path)]
    assert command.main([*models(place), *data]) == 2
    assert said in capsys.readouterr().err
    assert command.main(["--slice", "mood", "--out", str(tmp_path)]) == 2
    bundled = "--slice mood is no column of the bundled texts: give length or label"
    assert capsys.readouterr().err == f"trusteq audit: {bundled}\n"


def test_in_code_the_bundled_family_is_asked_what_the_command_asks():
    given = evaluate.load(str(ROOT / "metrics" / "trust_equivalence")).bundled()
    budget = {name: value for name, value in given.items() if name not in bundled_family()}
    assert budget
    assert command.options_of(command.parser().read([])) == AuditOptions(**budget)


def test_a_sample_is_drawn_at_random_and_the_same_each_time():
    given = {"texts": list(range(100)), "references": list(range(100)), "ood_texts": list(range(5))}
    first = sampled(given, 10, seed=0)
    assert first == sampled(given, 10, seed=0) != sampled(given, 10, seed=1)
    assert len(first["texts"]) == 10
    assert first["texts"] == first["references"] == sorted(first["texts"])
    assert first["texts"] != list(range(10))
    assert first["ood_texts"] == list(range(5))


def test_options_of_attacks_reach_the_audit(place, tmp_path):
    data = ["--dataset", str(place / "pairs.csv"), "--text-pair", "premise", "hypothesis", "--limit", "8"]
    some = ["--dimensions", "attack_divergence", "--attacked", "2", "--attack", "typos"]
    more = ["--rate", "0.2", "--attack-field", "first"]
    assert command.main([*models(place), *data, *some, *more, "--out", str(tmp_path)]) == 0
    assert report(tmp_path)["settings"]["attack_options"] == {"attack_field": "first", "rate": 0.2}
    for example in report(tmp_path)["examples"]["attacks"]:
        changed = [example[side]["adversarial"] for side in ("compressed", "large")]
        assert all(pair is None or pair[1] == example["text"][1] for pair in changed)
    typed = command.parser().read(["--masked-model", "owner/masked", "--attack", "bert_attack"])
    assert command.options_of(typed).attack_options == {"masked_model": "owner/masked"}


# Nothing lost.


def test_control_c_says_how_to_go_on(processes, place, tmp_path):
    out = tmp_path / "out"
    arguments = [*whole(place), "--out", str(out)]
    code = stopped(processes, arguments, tmp_path / "log", lambda: pieces(out / "work") >= 12, signal.SIGINT)
    said = (tmp_path / "log").read_text()
    assert code == 130, said
    again = shlex.join([*whole(place), "--out", str(out), "--resume"])
    assert f"stopped; what is finished is kept: go on with trusteq audit {again}" in said
    assert "Traceback" not in said
    assert not (out / "report.json").exists()


def test_a_second_run_without_resume_overwrites_nothing(place, tmp_path, capsys):
    arguments = [*models(place), "--dataset", str(place / "reviews.csv"), *ONE, "--out", str(tmp_path)]
    assert command.main(arguments) == 0
    before = contents(tmp_path)
    capsys.readouterr()
    assert command.main([*arguments, "--seed", "9"]) == 2
    assert contents(tmp_path) == before
    sentence = "holds a report already: give --resume to go on with it, or another folder as --out"
    assert_one_sentence(capsys, sentence)
    (tmp_path / "report.json").unlink()
    shutil.rmtree(tmp_path / "work")
    assert command.main(arguments) == 2
    assert_one_sentence(capsys, sentence)
    assert command.main([*arguments, "--resume"]) == 0
    for path in tmp_path.glob("report.*"):
        path.unlink()
    assert command.main([*arguments, "--seed", "9"]) == 2
    assert_one_sentence(capsys, "holds an audit already: give --resume to go on with it, or another folder")


def contents(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file() and "sqlite-" not in path.name}


# More machines.


def test_two_processes_give_the_report_of_one(place, uninterrupted, tmp_path):
    _, straight = uninterrupted
    launch = [sys.executable, "-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes", "2"]
    launch += ["--num_machines", "1", "--mixed_precision", "no", "--dynamo_backend", "no", "--main_process_port", "0"]
    launched = [*launch, "-m", *COMMAND[2:], *whole(place), "--out", str(tmp_path)]
    environment = os.environ | {
        "OMP_NUM_THREADS": "1",
        "ACCELERATE_USE_CPU": "true",
        "HF_HOME": str(tmp_path / "cache"),
    }
    done = subprocess.run(launched, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    assert report(tmp_path) == close(report(straight))
    assert json.loads((tmp_path / "report.json").read_text())["run"]["processes"] == 2
    assert all(pieces_of(tmp_path / "work" / f"work-{rank}.sqlite") > 5 for rank in (0, 1))
    assert done.stdout.count("the report: ") == 1


def test_a_model_that_fails_in_one_process_fails_in_all_and_nobody_waits_for_ever(processes, tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    both = [processes.Process(target=audit_divided, args=(rank, port, str(tmp_path / str(rank)))) for rank in (0, 1)]
    for process in both:
        process.start()
    for process in both:
        process.join()
    assert [process.exitcode for process in both] == [0, 0]
    found = [json.loads((tmp_path / str(rank)).read_text()) for rank in (0, 1)]
    assert [one["dealt"] for one in found] == [[0, 2, 4], [1, 3]]
    assert [one["together"] for one in found] == [[0, 1], [0, 1]]
    assert [one["agreed"] for one in found] == [0, 0]
    (failure,) = found[0]["failures"]
    assert (failure["pair"], failure["dimension"]) == ("small", "attack_divergence")
    assert "RuntimeError: out of luck" in failure["reason"]
    assert found[0]["figure"] > 0
    assert found[1]["failures"] is None  # the first process alone has the result


def pieces_of(path):
    return sqlite3.connect(path).execute("SELECT count(*) FROM work").fetchone()[0]


# What goes wrong.


def assert_one_sentence(capsys, part):
    error = capsys.readouterr().err
    (line,) = (line for line in error.splitlines() if line.startswith("trusteq audit: "))
    assert part in line
    assert "Traceback" not in error


@pytest.fixture(scope="module")
def bad(place, tmp_path_factory):
    """A folder of models and files with which no audit can be made."""
    folder = tmp_path_factory.mktemp("bad")
    classifier(seed=7, labels=NAMES).save_pretrained(folder / "padless")
    padless = tokenizer()
    padless.pad_token = None
    padless.save_pretrained(folder / "padless")
    checkpoint(folder / "moods", seed=8, labels=("sad", "glad"))
    checkpoint(folder / "three", seed=8, labels=("a", "b", "c"))
    (folder / "nothing").mkdir()
    (folder / "empty.csv").write_text("text,label\n")
    (folder / "words.csv").write_text("text,label\na film,good\na plot,bad\n")
    (folder / "numbers.csv").write_text("text,label\na film,0\na plot,7\n")
    (folder / "unlabelled.csv").write_text("text,label\na film,\na plot,\n")
    (folder / "torn.parquet").write_bytes(b"PAR1 torn")
    (folder / "file").write_text("")
    for taken in ("plots", "tables"):  # a file where the report has a folder
        (folder / f"taken-{taken}").mkdir()
        (folder / f"taken-{taken}" / taken).write_text("")
    (folder / "taken-report" / "report.html").mkdir(parents=True)
    (folder / "taken-summary" / "plots" / "summary.svg").mkdir(parents=True)
    shutil.copytree(place / "small", folder / "noted")
    for name in ("notes.txt", "README.md", "training.json"):
        (folder / "noted" / name).write_text("{}")
    config = json.loads((folder / "noted" / "config.json").read_text())
    (folder / "noted" / "config.json").write_text(json.dumps(config | {"_name_or_path": "elsewhere"}))
    return folder


LARGE, SMALL, DATA = "--large {place}/large", "--compressed {place}/small", "--dataset {place}/reviews.csv"
MODELS = f"{LARGE} {SMALL}"
BAD = {
    "plots are no folder": (f"{MODELS} {DATA} --out {{bad}}/taken-plots", "plots cannot be written ("),
    "tables are no folder": (f"{MODELS} {DATA} --out {{bad}}/taken-tables", "tables cannot be written ("),
    "the report is a folder": (
        f"{MODELS} {DATA} --out {{bad}}/taken-report",
        "report.html is a folder where the report has a file",
    ),
    "a plot is a folder": (
        f"{MODELS} {DATA} --out {{bad}}/taken-summary",
        "summary.svg is a folder where the report has a file",
    ),
    "a folder that is a file": (f"{MODELS} {DATA} --out {{bad}}/file", "cannot be written"),
    "an attack without its vectors": (
        f"{MODELS} {DATA} --attack textbugger --word-vectors {{bad}}/none.txt",
        "--word-vectors: there is no file",
    ),
    "an attack without its encoder": (
        f"{MODELS} {DATA} --attack textbugger --similarity {{bad}}/nowhere",
        "--similarity: there is no folder",
    ),
    "an attack without its masked model": (
        f"{MODELS} {DATA} --attack bert_attack --masked-model ./nowhere",
        "--masked-model: there is no folder ./nowhere",
    ),
    "an attack": (f"{MODELS} {DATA} --attack poison", "--attack must be one of"),
    "a score": (f"{MODELS} {DATA} --score energy", "--score must be 'msp' or 'entropy' or 'perplexity'"),
    "a column": (f"{MODELS} {DATA} --text review", "has no column 'review'; its columns are text, label"),
    "a label column": (f"{MODELS} {DATA} --label gold", "no column 'gold'; its columns are text, label"),
    "labels of other classes": (f"{MODELS} --dataset {{bad}}/words.csv", "references[0] is 'good', which is none of"),
    "a class number too high": (
        f"{MODELS} --dataset {{bad}}/numbers.csv",
        "references[1] is 7, which is none of large's 2",
    ),
    "no rows": (f"{MODELS} --dataset {{bad}}/empty.csv", "empty.csv holds no rows"),
    "no labels": (f"{MODELS} --dataset {{bad}}/unlabelled.csv", "no row has a label in the column 'label'"),
    "no file": (f"{MODELS} --dataset {{bad}}/none.csv", "there is no file"),
    "a torn file": (f"{MODELS} --dataset {{bad}}/torn.parquet", "torn.parquet could not be read as parquet"),
    "no data": (MODELS, "--dataset is missing: a csv, tsv, jsonl or parquet file"),
    "no large": (f"{SMALL} {DATA}", "--large is missing"),
    "no compressed": (f"{LARGE} {DATA}", "--compressed is missing: one model or more to compare with --large"),
    "other classes": (
        f"{LARGE} --compressed {{bad}}/moods {DATA}",
        "do not match by name: give --labels NAME=NUMBER",
    ),
    "more classes": (f"{LARGE} --compressed {{bad}}/three {DATA}", "do not match by name"),
    "no checkpoint": (f"{LARGE} --compressed {{bad}}/nothing {DATA}", "is no checkpoint: it has no config.json"),
    "no folder": (f"{LARGE} --compressed {{bad}}/nowhere/at/all {DATA}", "there is no folder"),
    "no padding": (
        f"{LARGE} --compressed {{bad}}/padless {DATA}",
        "padless's tokenizer has no padding token: set tokenizer.pad_token",
    ),
    "one model twice": (
        f"{LARGE} --compressed a={{place}}/small b={{place}}/small {DATA}",
        "a and b are the same model: give each model once",
    ),
    "one model with notes beside it": (
        f"{MODELS} {{bad}}/noted {DATA}",
        "small and noted are the same model: give each model once",
    ),
    "one name twice": (f"{MODELS} {{place}}/small {DATA}", "--compressed has two models called small"),
    "no such group": (f"{MODELS} {DATA} --group passage", "has no column 'passage'; its columns are text, label"),
    "a group of no data": ("--group passage", "--group is a column of --dataset, which is missing"),
    "no limit": (f"{MODELS} {DATA} --limit 0", "--limit must be 1 or more, got 0"),
    "a margin": (f"{MODELS} {DATA} --margins calibration_gap=-1", "--margins calibration_gap must"),
    "a space": (f"{MODELS} {DATA} --space ftp://x", "--space must be an address that begins with https://"),
    "half a label": (f"{MODELS} {DATA} --labels negative=0.5", "--labels must give every class name a whole"),
    "a device": (f"{MODELS} {DATA} --device cuda:77", "--device must be one that this machine has"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_one_sentence_and_exit_status_2(place, bad, tmp_path, capsys, case):
    line, sentence = BAD[case]
    arguments = shlex.split(line.format(place=place, bad=bad))
    out = [] if "--out" in arguments else ["--out", str(tmp_path / "out")]
    assert command.main([*arguments, *([] if "attack" in case else ONE), *out]) == 2
    assert_one_sentence(capsys, sentence)


def test_an_attack_of_a_missing_package_is_said_before_any_work(place, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    data = ["--dataset", str(place / "reviews.csv"), "--attack", "textattack:TextFoolerJin2019"]
    assert command.main([*models(place), *data, "--out", str(tmp_path)]) == 2
    assert_one_sentence(capsys, "attack textattack:TextFoolerJin2019 needs the package textattack, which is not")
    assert pieces(tmp_path / "work") == 0


def test_class_numbers_may_be_whole_floats(place, tmp_path):
    """As pandas has them, where labels are missing."""
    table = pd.DataFrame({"text": [*TEXTS, "a film", "a plot"], "label": [*map(float, GOLD), None, -1.0]})
    table.to_csv(tmp_path / "floats.csv", index=False)
    table.to_parquet(tmp_path / "floats.parquet", index=False)
    for kind in ("csv", "parquet"):
        given = given_by(*models(place), "--dataset", tmp_path / f"floats.{kind}")
        assert (given["texts"], given["references"], given["unlabelled"]) == (TEXTS, GOLD.tolist(), 2)


def test_a_column_of_groups_is_read_with_the_texts(place, tmp_path):
    table = pd.DataFrame(
        {"text": [*TEXTS, "a film"], "label": [*map(float, GOLD), None], "passage": [*[7] * len(TEXTS), None]}
    )
    table.to_csv(tmp_path / "grouped.csv", index=False)
    given = given_by(*models(place), "--dataset", tmp_path / "grouped.csv", "--group", "passage")
    assert set(given["groups"]) <= {7, "7", "7.0"}
    assert len(given["groups"]) == len(given["texts"]) == len(TEXTS)
    some = given_by(*models(place), "--dataset", tmp_path / "grouped.csv", "--group", "passage", "--limit", "3")
    assert len(some["groups"]) == len(some["texts"]) == 3


def test_rows_without_a_group_are_said(place, tmp_path, capsys):
    table = pd.DataFrame({"text": TEXTS, "label": GOLD, "passage": [None, *["a"] * (len(TEXTS) - 1)]})
    table.to_csv(tmp_path / "holes.csv", index=False)
    words = [
        *models(place),
        "--dataset",
        str(tmp_path / "holes.csv"),
        "--group",
        "passage",
        "--out",
        str(tmp_path / "out"),
    ]
    assert command.main([str(word) for word in words]) == 2
    assert_one_sentence(capsys, f"the column 'passage' holds no group in 1 of {len(TEXTS)} labelled rows")


def test_bad_arguments_are_said_by_the_command_itself(place, tmp_path):
    done = subprocess.run(
        [*COMMAND, *models(place), "--dataset", str(tmp_path / "none.csv")],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr == f"trusteq audit: there is no file {tmp_path / 'none.csv'}\n"


def test_a_full_disk_is_a_sentence_at_the_start(place, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: shutil._ntuple_diskusage(100, 99, 1))
    data = ["--dataset", str(place / "reviews.csv")]
    assert command.main([*models(place), *data, *ONE, "--out", str(tmp_path)]) == 2
    assert_one_sentence(capsys, "has less than 64 MB free: an audit keeps its work there")


def test_a_dimension_that_fails_is_in_the_report_and_the_exit_status_is_1(place, tmp_path, capsys):
    """Textbugger's encoder is no encoder: the attack fails, and the other dimension does not."""
    (tmp_path / "no encoder").mkdir()
    more = ["--dimensions", "prediction_error_jaccard", "attack_divergence", "--attacked", "3"]
    broken = ["--similarity", str(tmp_path / "no encoder")]
    data = ["--dataset", str(place / "reviews.csv")]
    assert command.main([*models(place), *data, *more, *broken, "--out", str(tmp_path)]) == 1
    said = capsys.readouterr()
    assert "attack_divergence of small failed: similarity: " in said.err
    audit = report(tmp_path)
    assert [failure["dimension"] for failure in audit["failures"]] == ["attack_divergence"]
    entries = audit["pairs"][0]["dimensions"]
    assert entries["prediction_error_jaccard"]["status"] == "done"
    reason = "no encoder is no checkpoint with safetensors that could be loaded"
    assert reason in entries["attack_divergence"]["reason"]
    assert reason in (tmp_path / "report.md").read_text()


def test_fewer_examples_than_a_dimension_needs_leave_that_dimension_out(place, tmp_path):
    arguments = [*models(place), "--dataset", str(place / "reviews.csv"), "--limit", "5"]
    three = ["--dimensions", "prediction_error_jaccard", "representation_overlap", "ood_divergence"]
    assert command.main([*arguments, *three, "--out", str(tmp_path)]) == 0
    entries = report(tmp_path)["pairs"][0]["dimensions"]
    assert [entry["status"] for entry in entries.values()] == ["done", "skipped", "skipped"]
    assert entries["representation_overlap"]["reason"] == "it needs at least 12 examples, got 5"


def test_an_audit_in_which_nothing_could_be_compared_says_so(place, tmp_path, capsys):
    arguments = [*models(place), "--dataset", str(place / "reviews.csv"), "--dimensions", "ood_divergence"]
    assert command.main([*arguments, "--out", str(tmp_path)]) == 1
    (line,) = (line for line in capsys.readouterr().err.splitlines() if line.startswith("trusteq audit: "))
    assert line.startswith("trusteq audit: nothing could be compared: ood_divergence was skipped (")
    assert (tmp_path / "report.html").is_file()


def test_rows_without_a_label_are_counted_for_the_report(place, tmp_path, monkeypatch, capsys):
    (tmp_path / "some.csv").write_text("text,label\na good film,positive\na plot,\na cat,\na dull film,negative\n")
    given = {}
    monkeypatch.setattr(start, "audit", lambda options, **more: given.update(more))
    data = ["--dataset", str(tmp_path / "some.csv"), "--limit", "1", "--out", str(tmp_path / "out")]
    assert command.main([*models(place), *data]) == 0
    assert (given["unlabelled"], len(given["texts"])) == (2, 1)
    assert capsys.readouterr().err == "some.csv: 2 rows have no label and are left out\n"


def test_names_of_models():
    named = command.named
    assert named(["runs/distil", "small=owner/tiny-bert", "q=quantized"]) == {
        "distil": "runs/distil",
        "small": "owner/tiny-bert",
        "q": "quantized",
    }
    assert named(["derived:pruned"]) == {"pruned": "derived:pruned"}
