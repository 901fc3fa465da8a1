"""The repository as a whole: its layout, its pins, its README, and the ways in which people meet it."""

import doctest
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import evaluate
import numpy as np
import pytest

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def run(*command, cwd, **environment):
    return subprocess.run(command, cwd=cwd, env=os.environ | environment, capture_output=True, text=True)


# The layout.


def test_no_other_top_level_folder():
    made = {"build", "results", "trust_equivalence.egg-info"}  # what installing and running leave; git ignores it
    folders = {path.name for path in ROOT.iterdir() if path.is_dir() and not path.name.startswith((".", "__"))}
    assert folders - made <= {"metrics", "spaces", "scripts", "tests"}
    ignored = (ROOT / ".gitignore").read_text().split()
    assert {"build/", "results/", "*.egg-info/"} <= set(ignored)


def test_nothing_of_ours_is_installed():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert project["tool"]["setuptools"]["packages"] == []


def test_every_dependency_is_pinned():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    groups = [project["dependencies"], *project["optional-dependencies"].values()]
    needed = {re.split(r"[<>=\[]", line)[0].lower().replace("-", "_") for group in groups for line in group}
    lines = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if not line.startswith("#")]
    pins = dict(re.fullmatch(r"([\w.-]+)==([\w.]+)", line).groups() for line in lines)
    assert needed - {"trust_equivalence"} <= {name.lower().replace("-", "_") for name in pins}


# Shared files.


def copy_shared(*arguments):
    return run(sys.executable, str(ROOT / "scripts" / "copy_shared.py"), *arguments, cwd=ROOT)


def test_shared_files_are_identical():
    done = copy_shared("--check")
    assert done.returncode == 0, done.stderr


def test_a_differing_copy_is_named_and_mended(tmp_path):
    shutil.copytree(ROOT / "metrics", tmp_path / "metrics", ignore=shutil.ignore_patterns("__pycache__"))
    original = tmp_path / "metrics" / "calibration_gap" / "intervals.py"
    copy = tmp_path / "metrics" / "prediction_error_jaccard" / "intervals.py"
    widget = tmp_path / "metrics" / "prediction_error_jaccard" / "widget.py"
    copy.write_text(copy.read_text() + "# changed\n")
    widget.unlink()
    done = copy_shared("--check", "--root", str(tmp_path))
    assert done.returncode == 1
    assert f"{copy} differs from {original}" in done.stderr
    assert f"{widget} is missing" in done.stderr
    assert copy_shared("--root", str(tmp_path)).returncode == 0
    assert copy.read_bytes() == original.read_bytes()
    assert copy_shared("--check", "--root", str(tmp_path)).returncode == 0


def test_a_copy_without_an_original_is_named(tmp_path):
    stray = tmp_path / "metrics" / "some_metric" / "helper.py"
    stray.parent.mkdir(parents=True)
    stray.write_text("# Shared file: the original is metrics/other/helper.py, and so on.\n")
    done = copy_shared("--check", "--root", str(tmp_path))
    assert done.returncode == 1
    assert str(stray) in done.stderr


# The README.


@pytest.mark.parametrize(("name", "part"), [("main", "scripts/compare.py"), ("tests", "pytest")])
def test_ci_runs_the_lines_of_the_readme(name, part):
    done = run("bash", str(ROOT / ".ci" / "run"), "--show", name, cwd=ROOT)
    line = done.stdout.removesuffix("\n")
    assert part in line
    assert "\n" not in line
    assert f"<!-- ci: {name} -->\n```bash\n{line}\n```\n" in README
    assert README.count("<!-- ci: ") == 2


def test_examples_in_the_readme_run(monkeypatch):
    monkeypatch.chdir(ROOT)
    blocks = [block for block in python_blocks() if ">>> " in block]
    assert blocks
    runner, output = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS), []
    runner.run(doctest.DocTestParser().get_doctest("\n".join(blocks), {}, "README", "README.md", 0), out=output.append)
    assert runner.tries > 0
    assert runner.failures == 0, "".join(output)


def test_every_folder_and_script_that_the_readme_names_is_there():
    named = {path for path in re.findall(r"(?:metrics|scripts|tests)/[\w./-]*\w", README) if "NAME" not in path}
    assert named
    assert [path for path in sorted(named) if not (ROOT / path).exists()] == []


def test_every_metric_folder_is_in_the_readme():
    for folder in (ROOT / "metrics").iterdir():
        assert folder.name.startswith(("_", ".")) or f"`{folder.name}`" in README, folder.name


def python_blocks():
    return re.findall(r"^```python\n(.*?)^```", README, re.DOTALL | re.MULTILINE)


# In a Trainer, as the README shows it.


def test_trainer_reports_the_gap_at_every_evaluation(tmp_path, monkeypatch):
    torch = pytest.importorskip("torch", reason="the extra `train` is not installed")
    transformers = pytest.importorskip("transformers", reason="the extra `train` is not installed")
    monkeypatch.chdir(ROOT)
    generator = torch.Generator().manual_seed(0)
    rows = [
        {"input_ids": torch.randint(5, 50, (8,), generator=generator), "labels": int(label)}
        for label in torch.randint(3, (24,), generator=generator)
    ]
    teacher_logits = torch.randn(24, 3, generator=generator).numpy()
    (block,) = (block for block in python_blocks() if "def compute_metrics" in block)
    names = {"evaluate": evaluate, "teacher_logits": teacher_logits}
    exec(block, names)
    transformers.set_seed(0)
    config = transformers.BertConfig(
        vocab_size=50,
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=16,
        num_labels=3,
    )
    arguments = transformers.TrainingArguments(
        output_dir=str(tmp_path),
        eval_strategy="steps",
        eval_steps=2,
        max_steps=4,
        per_device_train_batch_size=8,
        per_device_eval_batch_size=7,
        save_strategy="no",
        report_to="none",
        use_cpu=True,
        disable_tqdm=True,
    )
    trainer = transformers.Trainer(
        transformers.BertForSequenceClassification(config),
        arguments,
        train_dataset=rows,
        eval_dataset=rows,
        compute_metrics=names["compute_metrics"],
    )
    trainer.train()
    logged = [entry for entry in trainer.state.log_history if "eval_ece_gap" in entry]
    assert [entry["step"] for entry in logged] == [2, 4]
    prediction = trainer.predict(rows)
    gap = evaluate.load("metrics/calibration_gap")
    again = gap.compute(
        predictions=prediction.predictions,
        references=prediction.label_ids,
        large_predictions=teacher_logits,
        from_logits=True,
    )
    assert {key: logged[-1][f"eval_{key}"] for key in again} == pytest.approx(again, rel=1e-9)


# The main job.


@pytest.fixture(scope="module")
def example(tmp_path_factory):
    """compare.py without arguments, run from an empty folder; what it printed and wrote."""
    folder = tmp_path_factory.mktemp("elsewhere")
    done = run(sys.executable, str(ROOT / "scripts" / "compare.py"), cwd=folder)
    assert done.returncode == 0, done.stderr
    return done.stdout, folder / "results"


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


@pytest.fixture(scope="module")
def compare():
    spec = importlib.util.spec_from_file_location("compare", ROOT / "scripts" / "compare.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def save(path, **arrays):
    np.savez(path, **arrays)
    return str(path)


ROWS = np.array([[0.75, 0.25], [0.5, 0.5], [0.25, 0.75], [1.0, 0.0]])


def test_metrics_without_inputs_are_left_out(compare, tmp_path, capsys):
    large = save(tmp_path / "large.npz", labels=[0, 1, 1, 0], logits=np.log(ROWS + 1))
    compressed = save(tmp_path / "compressed.npz", logits=ROWS)
    assert compare.main(["--large", large, "--compressed", compressed, "--out", str(tmp_path / "out")]) == 0
    assert list(json.loads((tmp_path / "out" / "results.json").read_text())) == list(ARRAY_METRICS[:2])
    assert capsys.readouterr().out.count("left out: it needs") == 2


BAD = {
    "labels that differ": ({"labels": [0, 1, 1, 0], "probabilities": ROWS}, "different labels"),
    "rows of another length": ({"probabilities": ROWS[:3]}, "one entry per example"),
    "another kind of rows": ({"logits": ROWS}, "give the same kind in both"),
    "both kinds of rows": ({"logits": ROWS, "probabilities": ROWS}, "give one"),
    "an unknown name": ({"probs": ROWS}, "holds 'probs'; the names are labels,"),
    "rows that are not probabilities": ({"probabilities": ROWS * 2}, "not probabilities"),
    "objects": ({"labels": np.array([None, 1], dtype=object)}, "not an .npz archive of plain arrays"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_files_end_with_one_sentence(compare, tmp_path, capsys, case):
    arrays, sentence = BAD[case]
    large = save(tmp_path / "large.npz", labels=[0, 1, 1, 1], probabilities=ROWS)
    compressed = save(tmp_path / "compressed.npz", **arrays)
    assert compare.main(["--large", large, "--compressed", compressed, "--out", str(tmp_path)]) == 2
    assert_one_sentence(capsys, sentence)


@pytest.mark.parametrize("content", [None, b"", b"not an archive", b"PK\x03\x04 broken", b"\x80\x04\x95pickle"])
def test_files_that_are_no_archives_end_with_one_sentence(compare, tmp_path, capsys, content):
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
    assert error.startswith("compare.py: ")
    assert error.count("\n") == 1
