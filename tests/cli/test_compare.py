"""`trusteq compare`: what two models said, from files of arrays; its example, and what is wrong with files."""

import dataclasses
import json
import re
import subprocess
import sys
from pathlib import Path

import evaluate
import numpy as np
import pytest

from trusteq.cli import compare
from trusteq.dimensions.registry import DIMENSIONS

ROOT = Path(__file__).resolve().parents[2]
CARD = (ROOT / "metrics" / "prediction_error_jaccard" / "README.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def example(tmp_path_factory):
    """Without options, run from an empty folder; what it printed and wrote."""
    folder = tmp_path_factory.mktemp("elsewhere")
    words = [sys.executable, "-m", "trusteq.cli.main", "compare"]
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout, folder / "results" / "example"


ARRAY_METRICS = ("prediction_error_jaccard", "calibration_gap", "representation_overlap", "ood_divergence")


def test_main_job_compares_in_four_ways(example):
    printed, folder = example
    results = json.loads((folder / "results.json").read_text())
    assert tuple(results) == ARRAY_METRICS
    for name, result in results.items():
        assert (folder / f"{name}.png").read_bytes().startswith(b"\x89PNG")
        for key, value in result.items():
            assert type(value) in (float, int)
            if not re.search("^large_|_gap|_low$|_high$", key):
                assert re.search(rf"^  {key} ", printed, re.MULTILINE), f"{name}: {key} is not in the table"


def test_the_example_says_what_its_strange_inputs_are(example):
    printed, _ = example
    assert "The out-of-distribution inputs are the digits 8 and 9" in printed


def test_the_card_prints_what_the_example_prints(example):
    printed, _ = example
    block = re.search(r"^```text\n(Same mistakes.*?)^```", CARD, re.DOTALL | re.MULTILINE).group(1)
    for line in block.splitlines():
        name = line.split("  [")[0].split()[:1]
        shown = [other for other in printed.splitlines() if other.split()[:1] == name]
        assert shown, line
        numbers, again = (re.findall(r"-?\d+\.\d+", text) for text in (line, shown[0]))
        assert [float(number) for number in again] == pytest.approx([float(n) for n in numbers], abs=0.02)  # machines


def test_main_job_gives_what_the_metrics_give(example):
    _, folder = example
    large, compressed = (dict(np.load(folder / f"{name}.npz")) for name in ("large", "compressed"))
    results = json.loads((folder / "results.json").read_text())
    gap = evaluate.load(str(ROOT / "metrics" / "calibration_gap"))
    assert results["calibration_gap"] == gap.compute(
        predictions=compressed["probabilities"],
        references=compressed["labels"],
        large_predictions=large["probabilities"],
    )
    ood = evaluate.load(str(ROOT / "metrics" / "ood_divergence"))
    assert results["ood_divergence"] == ood.compute(
        predictions=np.concatenate([compressed["probabilities"], compressed["ood_probabilities"]]),
        references=[0] * len(compressed["probabilities"]) + [1] * len(compressed["ood_probabilities"]),
        large_predictions=np.concatenate([large["probabilities"], large["ood_probabilities"]]),
    )


def save(path, **arrays):
    np.savez(path, **arrays)
    return str(path)


ROWS = np.array([[0.75, 0.25], [0.5, 0.5], [0.25, 0.75], [1.0, 0.0]])


def test_metrics_without_inputs_are_left_out(tmp_path, capsys):
    large = save(tmp_path / "large.npz", labels=[0, 1, 1, 0], logits=np.log(ROWS + 1))
    compressed = save(tmp_path / "compressed.npz", logits=ROWS)
    assert compare.main(["--large", large, "--compressed", compressed, "--out", str(tmp_path / "out")]) == 0
    assert list(json.loads((tmp_path / "out" / "results.json").read_text())) == list(ARRAY_METRICS[:2])
    printed = capsys.readouterr().out
    assert "left out: it needs embeddings in both files" in printed
    assert "left out: it needs ood_probabilities (or ood_logits) in both files" in printed


def files_in(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_run_removes_what_an_earlier_one_wrote_and_nothing_else(tmp_path):
    out = tmp_path / "out"
    both = save(tmp_path / "both.npz", labels=[0, 1, 1, 0], probabilities=ROWS)
    arguments = ["--large", both, "--compressed", both, "--out", str(out)]
    assert compare.main(arguments) == 0
    fresh = set(files_in(out))
    (out / "ood_divergence.png").write_bytes(b"of an earlier run")
    (out / "notes.png").write_bytes(b"the user's own")
    assert compare.main(arguments) == 0
    assert set(files_in(out)) == {*fresh, Path("notes.png")}
    before = files_in(out)
    assert compare.main(["--large", both, "--compressed", str(tmp_path / "none.npz"), "--out", str(out)]) == 2
    assert files_in(out) == before  # what cannot be compared changes nothing


def test_a_metric_that_fails_is_left_out_and_the_others_are_kept(tmp_path, capsys, monkeypatch):
    def measure(*given):
        raise ValueError("the reason in one sentence")

    broken = dataclasses.replace(DIMENSIONS["calibration_gap"], measure=measure)
    monkeypatch.setitem(DIMENSIONS, "calibration_gap", broken)
    both = save(tmp_path / "both.npz", labels=[0, 1, 1, 0], probabilities=ROWS)
    assert compare.main(["--large", both, "--compressed", both, "--out", str(tmp_path)]) == 1
    assert "left out: the reason in one sentence" in capsys.readouterr().out
    assert list(json.loads((tmp_path / "results.json").read_text())) == ["prediction_error_jaccard"]


WIDE = np.column_stack([ROWS, np.zeros(4)])
BAD = {
    "labels that differ": ({"labels": [0, 1, 1, 0], "probabilities": ROWS}, "compressed.npz: `labels` differ"),
    "labels that are words": ({"labels": list("abca")}, "compressed.npz: `labels` must hold numbers, got strings"),
    "labels in rows": ({"labels": ROWS}, "compressed.npz: `labels` must hold one class number per example"),
    "labels between classes": ({"labels": [0.5, 1, 1, 1]}, "compressed.npz: `labels` must hold class numbers"),
    "rows of another length": ({"probabilities": ROWS[:3]}, "compressed.npz: `probabilities` has 3 rows but "),
    "embeddings of another length": ({"embeddings": ROWS[:3]}, "compressed.npz: `embeddings` has 3 rows but "),
    "other classes": ({"probabilities": WIDE}, "compressed.npz: `probabilities` has 3 columns but "),
    "other classes elsewhere": (
        {"probabilities": ROWS, "ood_probabilities": WIDE},
        "compressed.npz: `ood_probabilities` has 3",
    ),
    "one column": ({"probabilities": ROWS[:, :1]}, "compressed.npz: `probabilities` must have a column per class"),
    "another kind of rows": ({"logits": ROWS}, "give the same kind for both"),
    "both kinds of rows": ({"logits": ROWS, "probabilities": ROWS}, "give one"),
    "another kind elsewhere": ({"probabilities": ROWS, "ood_logits": ROWS}, "give the same kind for both"),
    "an unknown name": ({"probs": ROWS}, "holds 'probs'; the names are labels,"),
    "rows that are not probabilities": ({"probabilities": ROWS * 2}, "`probabilities` are not probabilities: row 0"),
    "logits": ({"probabilities": ROWS - 1}, "`probabilities` look like logits (row 0 holds -0.75): save them as `log"),
    "strange logits": ({"ood_probabilities": ROWS - 1}, "`ood_probabilities` look like logits"),
    "probabilities as logits": ({"logits": np.tile(ROWS, (2, 1))}, "look like probabilities: save them as `prob"),
    "holes": ({"embeddings": np.where(ROWS == 1, np.nan, ROWS)}, "`embeddings` holds NaN or infinity (first in row 3)"),
    "objects": ({"labels": np.array([None, 1], dtype=object)}, "not an .npz archive of plain arrays"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_files_end_with_one_sentence(tmp_path, capsys, case):
    arrays, sentence = BAD[case]
    large = save(tmp_path / "large.npz", labels=[0, 1, 1, 1], probabilities=ROWS, ood_probabilities=ROWS)
    compressed = save(tmp_path / "compressed.npz", **arrays)
    assert compare.main(["--large", large, "--compressed", compressed, "--out", str(tmp_path)]) == 2
    assert_one_sentence(capsys, sentence)


def test_labels_beyond_the_classes_end_with_one_sentence(tmp_path, capsys):
    large = save(tmp_path / "large.npz", labels=[0, 1, 1, 2], probabilities=ROWS)
    compressed = save(tmp_path / "compressed.npz", probabilities=ROWS)
    assert compare.main(["--large", large, "--compressed", compressed, "--out", str(tmp_path)]) == 2
    assert_one_sentence(capsys, "large.npz: `labels` holds 2 but ")


@pytest.mark.parametrize("content", [None, b"", b"not an archive", b"PK\x03\x04 broken", b"\x80\x04\x95pickle"])
def test_files_that_are_no_archives_end_with_one_sentence(tmp_path, capsys, content):
    large = save(tmp_path / "large.npz", labels=[0, 1, 1, 1], probabilities=ROWS)
    bad = tmp_path / "bad.npz"
    if content is not None:
        bad.write_bytes(content)
    assert compare.main(["--large", large, "--compressed", str(bad), "--out", str(tmp_path)]) == 2
    assert_one_sentence(capsys, "bad.npz")
    np.save(tmp_path / "single.npy", ROWS)
    single = ["--large", large, "--compressed", str(tmp_path / "single.npy")]
    assert compare.main([*single, "--out", str(tmp_path)]) == 2
    assert compare.main(["--large", large, "--out", str(tmp_path)]) == 2


def assert_one_sentence(capsys, part):
    error = capsys.readouterr().err
    assert part in error
    assert error.startswith("trusteq compare: ")
    assert error.count("\n") == 1
