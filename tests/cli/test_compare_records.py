"""`trusteq compare` of logs and tables: the report that comes out, the gate, and what is wrong with what is given."""

import csv
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from jsonschema import Draft202012Validator

from trusteq.audit.schema import SCHEMA
from trusteq.cli import compare
from trusteq.records.read import read

ROOT = Path(__file__).resolve().parents[2]


def table(path, rows, head="id,question,gold,said,confidence"):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join([head, *(",".join(map(str, row)) for row in rows)]) + "\n", encoding="utf-8")
    return str(path)


def answers(shift, count=200):
    """Every fifth is wrong; `shift` of the right ones turn wrong, and one wrong answer into another."""
    rows = []
    for i in range(count):
        said = "B" if i % 5 == 0 else "A"
        if i % 5 == 1 and i // 5 < shift:
            said = "C"
        if i == 0 and shift:
            said = "C"
        rows.append((f"q{i}", f"question {i}", "A", said, 0.8))
    return rows


@pytest.fixture
def pair(tmp_path):
    return table(tmp_path / "large.csv", answers(0)), table(tmp_path / "small.csv", answers(10))


def report(out):
    found = json.loads((out / "report.json").read_text())
    Draft202012Validator(SCHEMA).validate(found)
    return found


def test_two_tables_worked_by_hand(pair, tmp_path, capsys):
    out = tmp_path / "out"
    assert compare.main([*pair, "--out", str(out)]) == 0
    found = report(out)
    (one,) = found["pairs"]
    assert (one["name"], one["role"]) == ("small.csv", "compressed")
    figures = one["dimensions"]["prediction_error_jaccard"]["figures"]
    assert [figures[name] for name in ("right_to_wrong", "wrong_to_right", "wrong_to_other_wrong")] == [
        0.05,
        0.0,
        0.005,
    ]
    assert figures["jaccard"] == 40 / 50
    assert one["answers"]["accuracy"] == 0.75
    assert one["answers"]["large_accuracy"] == 0.8
    calibration = one["dimensions"]["calibration_gap"]["figures"]
    assert calibration["ece"] == pytest.approx(0.05)  # 0.8 sure, 0.75 right
    assert calibration["large_ece"] == pytest.approx(0.0)
    assert "brier" not in calibration  # that takes the probabilities of all options
    (task,) = found["tasks"]
    assert (task["examples"], task["left_out"]) == (200, 0)
    printed = capsys.readouterr().out
    assert "80.0 → 75.0 %" in printed
    assert f"the report: {out / 'report.html'}" in printed


def test_every_answer_that_changed_is_in_the_table_to_download_and_some_on_the_page(pair, tmp_path):
    out = tmp_path / "out"
    compare.main([*pair, "--out", str(out)])
    with (out / "flips.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 11
    assert [row["kind"] for row in rows].count("right to wrong") == 10
    assert rows[0] == {
        "pair": "small.csv",
        "task": rows[0]["task"],
        "id": "q0",
        "kind": "wrong to other wrong",
        "question": "question 0",
        "gold": "A",
        "large_said": "B",
        "large_confidence": "0.8",
        "compressed_said": "C",
        "compressed_confidence": "0.8",
    }
    page = (out / "report.html").read_text()
    assert "10 right to wrong (5.0 %), 0 wrong to right (0 %), 1 wrong to other wrong (0.5 %)" in page
    assert 'href="flips.csv"' in page
    assert "question 46" in page


def test_no_torch_is_imported_on_this_path(pair, tmp_path):
    code = "import sys; from trusteq.cli.compare import main; code = main(sys.argv[1:]); "
    code += "print(sorted({'torch', 'transformers', 'datasets', 'evaluate'} & set(sys.modules)), code)"
    words = [sys.executable, "-c", code, *pair, "--out", str(tmp_path / "out")]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[] 0"


# The gate of a build.


def test_fail_on_different_and_on_inconclusive_set_the_exit_status(tmp_path, capsys):
    large = table(tmp_path / "large.csv", answers(0, 4000))
    same = table(tmp_path / "same.csv", answers(1, 4000))
    worse = table(tmp_path / "worse.csv", answers(700, 4000))
    out = ["--out", str(tmp_path / "out")]
    assert compare.main([large, same, *out, "--fail-on", "inconclusive"]) == 0
    assert compare.main([large, worse, *out]) == 0  # a verdict is no failure unless one asks for it
    capsys.readouterr()
    assert compare.main([large, worse, *out, "--fail-on", "different"]) == 1
    said = capsys.readouterr().err
    assert said.startswith("trusteq compare: worse.csv is different in ")
    assert said.endswith("(--fail-on different)\n")
    few = [table(tmp_path / f"{name}.csv", answers(shift, 60)) for name, shift in (("a", 0), ("b", 1))]
    assert compare.main([*few, *out, "--fail-on", "different"]) == 0
    assert compare.main([*few, *out, "--fail-on", "inconclusive"]) == 1


def test_a_margin_of_ones_own_decides(pair, tmp_path):
    out = tmp_path / "out"
    for flag in ("--margin", "--margins"):
        assert compare.main([*pair, "--out", str(out), flag, "calibration_gap=0.001", "--fail-on", "different"]) == 0
        assert report(out)["pairs"][0]["dimensions"]["calibration_gap"]["margin"] == 0.001
    both = ["--margin", "calibration_gap=0.2", "--margin", "prediction_error_jaccard=0.001"]
    assert compare.main([*pair, "--out", str(out), *both, "--fail-on", "different"]) == 1
    entries = report(out)["pairs"][0]["dimensions"]
    assert [entry["margin"] for entry in entries.values()] == [0.001, 0.2]


# Several models, several tasks, a floor, groups.


def test_several_compressed_models_and_a_floor(tmp_path, capsys):
    large, again = table(tmp_path / "large.csv", answers(0)), table(tmp_path / "again.csv", answers(6))
    worse = table(tmp_path / "worse.csv", answers(10))
    words = [large, f"eight={worse}", f"four={worse}", "--floor", again, "--out", str(tmp_path / "out")]
    assert compare.main(words) == 0
    found = report(tmp_path / "out")
    assert [(pair["name"], pair["role"]) for pair in found["pairs"]] == [
        ("twin", "twin"),
        ("eight", "compressed"),
        ("four", "compressed"),
    ]
    entry = found["pairs"][1]["dimensions"]["prediction_error_jaccard"]
    assert entry["floor"] == 40 / 46
    assert entry["divergence"] == pytest.approx(40 / 46 - 40 / 50)
    assert (tmp_path / "out" / "model_card.eight.md").is_file()


def replication(folder, model, precision, tasks):
    """A run in the format of the replication's data: by task, what was said."""
    folder.mkdir(exist_ok=True)
    for task, said in tasks.items():
        run = {"model": model, "precision": precision, "benchmark": task, "preds": said, "confs": [0.9] * len(said)}
        (folder / f"{model}__{precision}__{task}.json").write_text(json.dumps(run))
    return str(folder / f"{model}__{precision}__*.json")


@pytest.fixture
def runs(tmp_path):
    folder = tmp_path / "runs"
    folder.mkdir()
    options = {letter: f"the {letter}" for letter in "ABCD"}
    items = [{"id": str(i), "question": f"why {i}?", "options": options, "answer": "A"} for i in range(100)]
    (folder / "items.json").write_text(json.dumps(dict.fromkeys(("arc", "csqa", "mmlu"), items)))
    steady, lost = ["A"] * 80 + ["B"] * 20, ["A"] * 60 + ["B"] * 40
    large = replication(folder, "m", "fp16", {"arc": steady, "csqa": steady, "mmlu": steady})
    return large, replication(folder, "m", "int4", {"arc": steady, "csqa": lost})


def test_tasks_in_both_are_compared_one_by_one_and_together_and_the_others_named(runs, tmp_path, capsys):
    out = tmp_path / "out"
    assert compare.main([*runs, "--out", str(out)]) == 0
    found = report(out)
    assert [task["name"] for task in found["tasks"]] == ["arc", "csqa"]
    assert found["data"]["examples"] == 200
    (pair,) = found["pairs"]
    assert pair["name"] == "m int4"  # a pattern is no name: the log's own is
    arc, csqa = pair["moved"]
    assert (arc["mcnemar_p"], arc["moved"]) == (1.0, False)
    assert csqa["mcnemar_p"] == pytest.approx(2 * 0.5**20)  # all of twenty turned one way
    assert csqa["corrected_p"] == pytest.approx(2 * csqa["mcnemar_p"])  # Holm, of two
    assert (csqa["accuracy_gap"], csqa["moved"]) == (-0.2, True)
    assert found["data"]["noticed"][0] == "mmlu is in large, but not in all of the runs"
    printed = capsys.readouterr().out
    assert "The accuracy of 1 of 2 tasks moved, corrected for their number (Holm): csqa (−20 points)." in printed
    assert "all tasks" in printed
    flip = found["examples"]["flips"][0]
    assert (flip["task"], flip["gold_option"], flip["compressed"]["option"]) == ("csqa", "the A", "the B")


def test_a_task_that_is_named_as_strange_is_out_of_distribution(runs, tmp_path, capsys):
    out = tmp_path / "out"
    assert compare.main([*runs, "--out", str(out), "--ood-task", "csqa"]) == 0
    found = report(out)
    assert [task["name"] for task in found["tasks"]] == ["arc"]
    entry = found["pairs"][0]["dimensions"]["ood_divergence"]
    assert (entry["status"], entry["figures"]["auroc"]) == ("done", 0.5)  # all are equally sure
    assert found["data"]["ood_examples"] == 100
    assert compare.main([*runs, "--out", str(out), "--ood-task", "boolq"]) == 2
    assert capsys.readouterr().err == "trusteq compare: --ood-task must be one of arc, csqa, got boolq\n"


def test_groups_widen_the_intervals(tmp_path):
    rows = [(*row, f"passage {i // 20}") for i, row in enumerate(answers(10))]
    head = "id,question,gold,said,confidence,passage"
    small = table(tmp_path / "small.csv", rows, head)
    large = table(tmp_path / "large.csv", [(*row, f"passage {i // 20}") for i, row in enumerate(answers(0))], head)
    reach = []
    for more in ([], ["--group", "passage"]):
        assert compare.main([large, small, "--out", str(tmp_path / "out"), *more]) == 0
        found = report(tmp_path / "out")
        said = found["pairs"][0]["answers"]
        reach.append(said["accuracy_gap_high"] - said["accuracy_gap_low"])
    assert found["data"]["groups"] == 10
    assert reach[1] > 1.5 * reach[0]  # all ten losses lie in three passages


def test_texts_are_compared_by_where_they_part(tmp_path):
    same = "the cat sat on the mat and looked at the moon"
    rows = [(f"q{i}", f"tell {i}", same, same) for i in range(60)]
    others = [(*row[:3], same.replace("mat", "hat")) if i % 3 == 0 else row for i, row in enumerate(rows)]
    places = [table(tmp_path / f"{n}.csv", r, "id,question,gold,said") for n, r in (("a", rows), ("b", others))]
    assert compare.main([*places, "--out", str(tmp_path / "out")]) == 0
    (task,) = report(tmp_path / "out")["tasks"]
    curve = task["pairs"][0]["parting"]
    assert dict(zip(curve["words"], curve["same"], strict=True)) == {0: 1, 1: 1, 2: 1, 3: 1, 5: 1, 8: 2 / 3}
    assert curve["figures"]["shared_words"] == pytest.approx((20 * 5 + 40 * 11) / 60)
    page = " ".join((tmp_path / "out" / "report.html").read_text().split())
    assert "Where the texts part" in page
    assert "67 % (54 % to 77 %) of the texts are the same to the end" in page
    assert "on average they share 9 words (8.26 to 9.74) from" in page


# What cannot be known is left out; what is wrong is a sentence.


def test_of_right_and_wrong_alone_what_was_answered_is_not_told(tmp_path):
    rows = [(f"q{i}", int(i % 4 > 0)) for i in range(80)]
    others = [(f"q{i}", int(i % 4 > 0 and i % 10 > 0)) for i in range(80)]
    large, small = (table(tmp_path / f"{n}.csv", r, "id,right") for n, r in (("large", rows), ("small", others)))
    assert compare.main([large, small, "--out", str(tmp_path / "out")]) == 0
    found = report(tmp_path / "out")
    entries = found["pairs"][0]["dimensions"]
    figures = entries["prediction_error_jaccard"]["figures"]
    assert "flip_rate" in figures
    assert not {"answer_change_rate", "wrong_to_other_wrong", "label_agreement"} & set(figures)
    assert entries["calibration_gap"]["status"] == "skipped"
    assert "come without confidences" in entries["calibration_gap"]["reason"]
    assert found["examples"]["flips"][0]["compressed"]["said"] is None


def test_what_a_log_holds_is_shown_and_never_obeyed(tmp_path, capsys):
    evil = "<img src=x onerror=alert(1)>"
    large, small = answers(0), [list(row) for row in answers(4)]
    rows = [
        [(f"=cmd{i}", evil, gold, said, sure) for i, (_, _, gold, said, sure) in enumerate(one)]
        for one in (large, small)
    ]
    places = [table(tmp_path / f"{name}.csv", one) for name, one in zip(("large", "a|b<b>*"), rows, strict=True)]
    out = tmp_path / "out"
    assert compare.main([*places, "--out", str(out)]) == 0
    report(out)
    page = (out / "report.html").read_text()
    assert [tag for tag in ("<img", "<b>") if tag in page] == []
    assert "&lt;img src=x onerror=alert(1)&gt;" in page
    for text in ((out / "report.md").read_text(), (out / "model_card.md").read_text()):
        assert "<b>" not in text.rpartition("---\n\n")[2]
    with (out / "flips.csv").open(newline="") as file:
        assert {row["id"][:2] for row in csv.DictReader(file)} == {"'="}


def sentence(words, capsys):
    assert compare.main(words) == 2
    said = capsys.readouterr()
    assert (said.err.count("\n"), said.out) == (1, "")
    return said.err


def test_what_is_wrong_is_one_sentence_and_writes_nothing(pair, tmp_path, capsys):
    large, small = pair
    out = tmp_path / "out"
    more = ["--out", str(out)]
    other = table(tmp_path / "other.csv", [(f"z{i}", "why", "A", "A", 0.5) for i in range(20)])
    gold = table(tmp_path / "gold.csv", [(f"q{i}", f"question {i}", "B", "B", 0.5) for i in range(200)])
    empty = tmp_path / "empty"
    empty.mkdir()
    assert "have no example in common" in sentence([large, other, *more], capsys)
    assert "the gold answers of" in sentence([large, gold, *more], capsys)
    assert f"there is no file or folder {tmp_path / 'none'}" in sentence([large, str(tmp_path / "none"), *more], capsys)
    assert "holds no logs or tables" in sentence([large, str(empty), *more], capsys)
    assert "two places or more" in sentence([large, *more], capsys)
    assert "--format must be" in sentence([large, small, "--format", "xml", *more], capsys)
    assert not out.exists()


def test_real_answers_of_a_language_model(data, tmp_path, capsys):
    """Qwen2.5-3B in 8 bits on CommonsenseQA: as accurate as before, and one answer in sixteen is another."""
    place = str(data("quantized_llms") / "Qwen__Qwen2.5-3B-Instruct__{}__csqa.json")
    out = tmp_path / "out"
    assert compare.main([place.format("fp16"), f"int8={place.format('int8')}", "--out", str(out)]) == 0
    (pair,) = report(out)["pairs"]
    assert pair["answers"]["accuracy_gap"] == 0.0
    figures = pair["dimensions"]["prediction_error_jaccard"]["figures"]
    assert figures["compressed_only_errors"] == figures["large_only_errors"] == 27
    assert figures["answer_change_rate"] == pytest.approx(61 / 986)
    assert "81.6 → 81.6 %" in capsys.readouterr().out


# Real logs of three harnesses.

LOGS = ROOT / "tests" / "records" / "data"


@pytest.fixture(scope="module")
def lm_eval(tmp_path_factory):
    out = tmp_path_factory.mktemp("lm_eval") / "out"
    words = [str(LOGS / "lm_eval" / name) for name in ("smollm2", "smollm2-int4")]
    assert compare.main([*words, "--out", str(out)]) == 0
    return report(out), out


def test_every_task_and_filter_of_a_folder_of_logs_is_compared(lm_eval):
    found, _ = lm_eval
    names = ["tiny_arc", "tiny_sst2", "tiny_sums (flexible)", "tiny_sums (strict)"]
    assert [task["name"] for task in found["tasks"]] == names
    assert found["data"]["examples"] == 12 + 16 + 12  # answers through two filters count once
    assert [task["examples"] for task in found["tasks"]] == [12, 16, 12, 12]
    (pair,) = found["pairs"]
    assert (pair["name"], found["models"]["large"]["source"]) == ("smollm2-int4", "models/smollm2")


def test_the_accuracies_are_those_of_the_harness(lm_eval):
    found, _ = lm_eval
    for task in found["tasks"]:
        (pair,) = task["pairs"]
        for side, key in (("large", "large_accuracy"), ("smollm2-int4", "accuracy")):
            own = task["harness"][side]
            name = "acc" if "acc" in own else "exact_match"
            assert pair["answers"][key] == pytest.approx(own[name], abs=1e-12)


def test_distributions_are_compared_where_the_log_has_them(lm_eval):
    found, _ = lm_eval
    by_name = {task["name"]: task["pairs"][0]["answers"] for task in found["tasks"]}
    large, small = (
        {record.head["task"]: record for record in read(LOGS / "lm_eval" / name)}
        for name in ("smollm2", "smollm2-int4")
    )
    p, q = (one["tiny_arc"].table for one in (large, small))
    order = {id: row for row, id in enumerate(q["id"].to_pylist())}
    rows = [
        (np.array(p["probabilities"][row].as_py()), np.array(q["probabilities"][order[id]].as_py()))
        for row, id in enumerate(p["id"].to_pylist())
    ]
    kl = [float(a @ np.log(a / b)) for a, b in rows]
    assert by_name["tiny_arc"]["kl_divergence"] == pytest.approx(sum(kl) / len(kl), abs=1e-12)
    assert 0 < by_name["tiny_arc"]["js_divergence"] < 1
    assert "kl_divergence" not in by_name["tiny_sums (strict)"]
    calibration = found["pairs"][0]["dimensions"]["calibration_gap"]
    assert calibration["examples"] == 28  # what was generated has no confidence
    assert any("12 of tiny_sums (flexible)" in one for one in found["data"]["noticed"])


def test_what_the_harness_scored_stands_on_the_page(lm_eval):
    found, out = lm_eval
    scored = found["tasks"][2]["pairs"][0]["scores"]
    assert scored["exact_match"]["value"] == pytest.approx(7 / 12)
    assert scored["exact_match"]["large_value"] == pytest.approx(11 / 12)
    page = (out / "report.html").read_text()
    assert "As the harness scored them" in page
    assert "tiny_sums (flexible)" in page


@pytest.mark.parametrize("harness", ["inspect", "lighteval"])
def test_logs_of_other_harnesses_are_compared_alike(harness, tmp_path):
    words = [str(LOGS / harness / name) for name in ("smollm2", "smollm2-int4")]
    assert compare.main([*words, "--out", str(tmp_path / "out")]) == 0
    found = report(tmp_path / "out")
    assert found["tasks"][0]["examples"] >= 10
    assert found["pairs"][0]["dimensions"]["prediction_error_jaccard"]["status"] == "done"
