"""One command, one page, one verdict: scripts/audit.py on tiny checkpoints, stopped, resumed, divided and misused."""

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

import pandas as pd
import pytest
from audit_runs import SCRIPTS, audit_command, audit_divided
from small_audits import close, models, pieces, report, stopped, whole
from test_trust_equivalence import GOLD, NAMES, TEXTS
from tiny_models import checkpoint, classifier, tokenizer

ONE = ["--dimensions", "prediction_error_jaccard"]


@pytest.fixture(scope="module")
def command():
    return audit_command()


# What comes out.


def test_the_command_writes_the_report_and_prints_the_verdicts(uninterrupted):
    said, out = uninterrupted
    for name in (
        "report.html",
        "report.json",
        "report.md",
        "model_card.md",
        "tables/pairwise.tex",
        "plots/summary.png",
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
    for what in ("clean answers", "strange texts", "explanations", "attacks"):
        assert f"{what:<14} 100%" in said
    assert "Traceback" not in said


def test_every_format_of_a_file_gives_the_same_texts_and_labels(command, place):
    for kind in ("csv", "tsv", "jsonl", "parquet"):
        options = command.arguments([*models(place), "--dataset", str(place / f"reviews.{kind}")])
        given = command.read_inputs(None, options)
        assert (given["texts"], given["references"]) == (TEXTS, [NAMES[i] for i in GOLD])
        assert given["data_name"] == f"reviews.{kind}"
        options = command.arguments([*models(place), "--dataset", str(place / f"reviews.{kind}"), "--label", "number"])
        assert command.read_inputs(None, options)["references"] == GOLD.tolist()


def test_options_reach_the_audit(command, place, tmp_path):
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


def test_a_sample_is_drawn_at_random_and_the_same_each_time(command):
    given = {"texts": list(range(100)), "references": list(range(100)), "ood_texts": list(range(5))}
    first = command.sampled(given, 10, seed=0)
    assert first == command.sampled(given, 10, seed=0) != command.sampled(given, 10, seed=1)
    assert len(first["texts"]) == 10
    assert first["texts"] == first["references"] == sorted(first["texts"])
    assert first["texts"] != list(range(10))
    assert first["ood_texts"] == list(range(5))


def test_options_of_attacks_reach_the_audit(command, place, tmp_path):
    data = ["--dataset", str(place / "pairs.csv"), "--text-pair", "premise", "hypothesis", "--limit", "8"]
    some = ["--dimensions", "attack_divergence", "--attacked", "2", "--attack", "typos"]
    more = ["--rate", "0.2", "--attack-field", "first"]
    assert command.main([*models(place), *data, *some, *more, "--out", str(tmp_path)]) == 0
    assert report(tmp_path)["settings"]["attack_options"] == {"attack_field": "first", "rate": 0.2}
    for example in report(tmp_path)["examples"]["attacks"]:
        changed = [example[side]["adversarial"] for side in ("small", "large")]
        assert all(pair is None or pair[1] == example["text"][1] for pair in changed)
    masked = command.arguments([*models(place), *data, "--masked-model", "owner/masked", "--attack", "bert_attack"])
    assert masked.masked_model == "owner/masked"


# Nothing lost.


def test_control_c_says_how_to_go_on(processes, place, tmp_path):
    out = tmp_path / "out"
    arguments = [*whole(place), "--out", str(out)]
    code = stopped(processes, arguments, tmp_path / "log", lambda: pieces(out / "work") >= 12, signal.SIGINT)
    said = (tmp_path / "log").read_text()
    assert code == 130, said
    again = shlex.join([*whole(place), "--out", str(out), "--resume"])
    assert f"stopped; what is finished is kept: go on with audit.py {again}" in said
    assert "Traceback" not in said
    assert not (out / "report.json").exists()


def test_a_second_run_without_resume_overwrites_nothing(command, place, tmp_path, capsys):
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
    assert_one_sentence(capsys, "holds an audit already: give resume=True to go on with it, or another folder")


def contents(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file() and "sqlite-" not in path.name}


# More machines.


def test_two_processes_give_the_report_of_one(place, uninterrupted, tmp_path):
    _, straight = uninterrupted
    launch = [sys.executable, "-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes", "2"]
    launch += ["--num_machines", "1", "--mixed_precision", "no", "--dynamo_backend", "no", "--main_process_port", "0"]
    command = [*launch, str(SCRIPTS / "audit.py"), *whole(place), "--out", str(tmp_path)]
    environment = os.environ | {
        "OMP_NUM_THREADS": "1",
        "ACCELERATE_USE_CPU": "true",
        "HF_HOME": str(tmp_path / "cache"),
    }
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
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
    (line,) = (line for line in error.splitlines() if line.startswith("audit.py: "))
    assert part in line
    assert "Traceback" not in error


def bad(place, tmp_path):
    """What is wrong, the arguments, and the sentence."""
    model = classifier(seed=7, labels=NAMES)
    model.save_pretrained(tmp_path / "padless")
    padless = tokenizer()
    padless.pad_token = None
    padless.save_pretrained(tmp_path / "padless")
    checkpoint(tmp_path / "moods", seed=8, labels=("sad", "glad"))
    checkpoint(tmp_path / "three", seed=8, labels=("a", "b", "c"))
    (tmp_path / "no checkpoint").mkdir()
    (tmp_path / "empty.csv").write_text("text,label\n")
    (tmp_path / "words.csv").write_text("text,label\na film,good\na plot,bad\n")
    (tmp_path / "numbers.csv").write_text("text,label\na film,0\na plot,7\n")
    (tmp_path / "unlabelled.csv").write_text("text,label\na film,\na plot,\n")
    (tmp_path / "torn.parquet").write_bytes(b"PAR1 torn")
    (tmp_path / "file").write_text("")
    for name, kind in (("plots", "no folder"), ("tables", "no folder"), ("report.html", "no file")):
        (tmp_path / f"taken {name}").mkdir()
        spot = tmp_path / f"taken {name}" / name
        spot.mkdir() if kind == "no file" else spot.write_text("")
    (tmp_path / "taken summary" / "plots" / "summary.png").mkdir(parents=True)
    shutil.copytree(place / "small", tmp_path / "noted")
    for name in ("notes.txt", "README.md", "training.json"):
        (tmp_path / "noted" / name).write_text("{}")
    config = json.loads((tmp_path / "noted" / "config.json").read_text())
    (tmp_path / "noted" / "config.json").write_text(json.dumps(config | {"_name_or_path": "elsewhere"}))
    data = ["--dataset", str(place / "reviews.csv")]
    large, small = ["--large", str(place / "large")], ["--compressed", str(place / "small")]

    def compressed(name):
        return [*large, "--compressed", str(tmp_path / name), *data]

    def dataset(name):
        return [*large, *small, "--dataset", str(tmp_path / name)]

    def taken(name):
        return [*large, *small, *data, "--out", str(tmp_path / f"taken {name}")]

    def attack(*options):
        return [*large, *small, *data, *options]

    return {
        "plots are no folder": (taken("plots"), "plots cannot be written ("),
        "tables are no folder": (taken("tables"), "tables cannot be written ("),
        "the report is a folder": (taken("report.html"), "report.html is a folder where the report has a file"),
        "a plot is a folder": (taken("summary"), "summary.png is a folder where the report has a file"),
        "an attack without its vectors": (
            attack("--attack", "textbugger", "--word-vectors", str(tmp_path / "none.txt")),
            "word_vectors: there is no file",
        ),
        "an attack without its encoder": (
            attack("--attack", "textbugger", "--similarity", str(tmp_path / "nowhere")),
            "similarity: there is no folder",
        ),
        "an attack without its masked model": (
            attack("--attack", "bert_attack", "--masked-model", "./nowhere"),
            "masked_model: there is no folder ./nowhere",
        ),
        "one model with notes beside it": (
            [*large, *small, str(tmp_path / "noted"), *data],
            "small and noted are the same model: give each model once",
        ),
        "a column": (
            [*large, *small, *data, "--text", "review"],
            "has no column 'review'; its columns are text, label",
        ),
        "a label column": ([*large, *small, *data, "--label", "gold"], "no column 'gold'; its columns are text, label"),
        "labels of other classes": (dataset("words.csv"), "references[0] is 'good', which is none of"),
        "a class number too high": (dataset("numbers.csv"), "references[1] is 7, which is none of large's 2"),
        "other classes": (compressed("moods"), "do not match by name: give labels={name: class number}"),
        "more classes": (compressed("three"), "do not match by name"),
        "no checkpoint": (compressed("no checkpoint"), "is no checkpoint: it has no config.json"),
        "no folder": (compressed("nowhere/at/all"), "there is no folder"),
        "no padding": (compressed("padless"), "padless's tokenizer has no padding token: set tokenizer.pad_token"),
        "no rows": (dataset("empty.csv"), "empty.csv holds no rows"),
        "no labels": (dataset("unlabelled.csv"), "no row has a label in the column 'label'"),
        "no file": (dataset("none.csv"), "there is no file"),
        "a torn file": (dataset("torn.parquet"), "torn.parquet could not be read as parquet"),
        "no data": ([*large, *small], "--dataset is missing: a csv, tsv, jsonl or parquet file"),
        "no large": ([*small, *data], "--large is missing"),
        "no compressed": ([*large, *data], "--compressed is missing: one model or more to compare with --large"),
        "one model twice": (
            [*large, "--compressed", f"a={place / 'small'}", f"b={place / 'small'}", *data],
            "a and b are the same model: give each model once",
        ),
        "one name twice": ([*large, *small, str(place / "small"), *data], "--compressed has two models called small"),
        "no limit": ([*large, *small, *data, "--limit", "0"], "--limit must be 1 or more, got 0"),
        "a margin": ([*large, *small, *data, "--margins", "calibration_gap=-1"], "margins['calibration_gap'] must"),
        "an attack": ([*large, *small, *data, "--attack", "poison"], "attack must be one of"),
        "half a label": (
            [*large, *small, *data, "--labels", "negative=0.5"],
            "labels must give every class name a whole",
        ),
        "a device": ([*large, *small, *data, "--device", "cuda:77"], "device must be one that this machine has"),
        "a folder that is a file": ([*large, *small, *data, "--out", str(tmp_path / "file")], "cannot be written"),
    }


def test_bad_input_is_one_sentence_and_exit_status_2(command, place, tmp_path, capsys):
    wrong = []
    for case, (arguments, sentence) in bad(place, tmp_path).items():
        out = [] if "--out" in arguments else ["--out", str(tmp_path / "out")]
        code = command.main([*arguments, *out] if case.startswith("an attack") else [*arguments, *ONE, *out])
        said = capsys.readouterr().err
        lines = [line for line in said.splitlines() if line.startswith("audit.py: ")]
        if code != 2 or len(lines) != 1 or sentence not in lines[0] or "Traceback" in said:
            wrong.append((case, code, said))
        shutil.rmtree(tmp_path / "out", ignore_errors=True)
    assert wrong == []


def test_an_attack_of_a_missing_package_is_said_before_any_work(command, place, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    data = ["--dataset", str(place / "reviews.csv"), "--attack", "textattack:TextFoolerJin2019"]
    assert command.main([*models(place), *data, "--out", str(tmp_path)]) == 2
    assert_one_sentence(capsys, "attack textattack:TextFoolerJin2019 needs the package textattack, which is not")
    assert pieces(tmp_path / "work") == 0


def test_class_numbers_may_be_whole_floats(command, place, tmp_path):
    """As pandas has them, where labels are missing."""
    table = pd.DataFrame({"text": [*TEXTS, "a film", "a plot"], "label": [*map(float, GOLD), None, -1.0]})
    table.to_csv(tmp_path / "floats.csv", index=False)
    table.to_parquet(tmp_path / "floats.parquet", index=False)
    for kind in ("csv", "parquet"):
        options = command.arguments([*models(place), "--dataset", str(tmp_path / f"floats.{kind}")])
        given = command.read_inputs(None, options)
        assert (given["texts"], given["references"]) == (TEXTS, GOLD.tolist())


def test_bad_arguments_are_said_by_the_command_itself(place, tmp_path):
    done = subprocess.run(
        [sys.executable, str(SCRIPTS / "audit.py"), *models(place), "--dataset", str(tmp_path / "none.csv")],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    assert done.stdout == ""
    assert f"audit.py: there is no file {tmp_path / 'none.csv'}\n" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_full_disk_is_a_sentence_at_the_start(command, place, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: shutil._ntuple_diskusage(100, 99, 1))
    data = ["--dataset", str(place / "reviews.csv")]
    assert command.main([*models(place), *data, *ONE, "--out", str(tmp_path)]) == 2
    assert_one_sentence(capsys, "has less than 64 MB free: an audit keeps its work there")


def test_a_dimension_that_fails_is_in_the_report_and_the_exit_status_is_1(command, place, tmp_path, capsys):
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


def test_fewer_examples_than_a_dimension_needs_leave_that_dimension_out(command, place, tmp_path):
    arguments = [*models(place), "--dataset", str(place / "reviews.csv"), "--limit", "5"]
    three = ["--dimensions", "prediction_error_jaccard", "representation_overlap", "ood_divergence"]
    assert command.main([*arguments, *three, "--out", str(tmp_path)]) == 0
    entries = report(tmp_path)["pairs"][0]["dimensions"]
    assert [entry["status"] for entry in entries.values()] == ["done", "skipped", "skipped"]
    assert entries["representation_overlap"]["reason"] == "it needs at least 12 examples, got 5"


def test_names_of_models():
    named = audit_command().named
    assert named(["runs/distil", "small=owner/tiny-bert", "q=quantized"]) == {
        "distil": "runs/distil",
        "small": "owner/tiny-bert",
        "q": "quantized",
    }
    assert named(["derived:pruned"]) == {"pruned": "derived:pruned"}
