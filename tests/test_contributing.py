"""CONTRIBUTING.md is followed letter by letter in a copy of the repository; what comes of it has to work."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
GUIDE = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"^(At the end of )?`([\w/.]+)`:\n\n(`{3,4})\w+\n(.*?)^\3$", re.DOTALL | re.MULTILINE)


@pytest.fixture(scope="module")
def followed(tmp_path_factory):
    """A copy of the repository with every file and every line that the guide gives."""
    copy = tmp_path_factory.mktemp("guide") / "copy"
    unwanted = shutil.ignore_patterns("__pycache__", "family")
    for folder in ("metrics", "scripts", "tests", "spaces"):
        shutil.copytree(ROOT / folder, copy / folder, ignore=unwanted)
    for file in ("pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / file, copy)
    for at_the_end, name, _, text in BLOCK.findall(GUIDE):
        file = copy / name
        assert file.exists() == bool(at_the_end), name
        file.parent.mkdir(exist_ok=True)
        file.write_text((file.read_text(encoding="utf-8") if at_the_end else "") + text, encoding="utf-8")
    done = run(copy, "scripts/copy_shared.py")
    assert done.returncode == 0, done.stderr
    return copy


def run(copy, *command):
    cache = {"HF_HOME": str(copy.parent / "cache"), "HF_HUB_OFFLINE": "1"}
    environment = os.environ | cache
    environment.pop("TRUST_EQUIVALENCE_METRICS", None)
    return subprocess.run([sys.executable, *command], cwd=copy, env=environment, capture_output=True, text=True)


def test_the_new_folder_passes_what_every_folder_has_to(followed):
    done = run(followed, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/test_metrics.py", "-k", "surety_gap")
    assert done.returncode == 0, done.stdout[-3000:]
    passed = int(re.search(r"(\d+) passed", done.stdout)[1])
    assert passed > 20
    assert "skipped" not in done.stdout


def test_what_the_guide_writes_is_clean(followed):
    names = [name for _, name, _, _ in BLOCK.findall(GUIDE) if name.endswith(".py")]
    done = run(followed, "-m", "ruff", "check", *names)
    assert done.returncode == 0, done.stdout + done.stderr


USE = """
import json
import evaluate
import numpy as np

def model_of(*words):
    def model(texts):
        score = np.array([sum(text.count(word) for word in words) for text in texts])
        return np.stack([1 / (1 + np.exp(2 * score - 1)), 1 / (1 + np.exp(1 - 2 * score))], axis=1)
    return model

alignment = evaluate.load("metrics/attribution_alignment")
explained = alignment.compute(
    texts=["a good film", "great fun"], references=[1, 1], k=1, method="alone",
    model=model_of("good", "great"), large_model=model_of("film", "fun"),
)
attacks = evaluate.load("metrics/attack_divergence")
attacked = attacks.compute(
    texts=["a good film", "great fun"], references=[1, 1], attack="stutter", details=True,
    model=model_of("good", "great"), large_model=model_of("oo", "great"),
)
audit = evaluate.load("metrics/trust_equivalence")
texts = ["a good film", "a dull film", "great acting", "not for me", "good fun", "an awful mess"] * 5
result = audit.compute(
    large=model_of("good", "great"), compressed={"small": model_of("good")}, texts=texts, references=[1, 0] * 15,
    method="alone", k=1, attack="stutter", explained=6, attacked=6, details=True,
)
audit.report(result, "made")
print(json.dumps({
    "explained": explained,
    "attacked": [one["outcome"]["adversarial"] for one in attacked["details"]["per_example"]],
    "audited": {key: value for key, value in result.items() if key.startswith("small/") and key.count("/") == 2},
}))
"""


def test_the_new_dimension_method_and_attack_work_everywhere(followed):
    done = run(followed, "-c", USE)
    assert done.returncode == 0, done.stderr[-3000:]
    said = json.loads(done.stdout.splitlines()[-1])
    assert said["explained"]["jaccard_at_1"] == 0  # "good" and "great" against "film" and "fun"
    assert said["attacked"] == ["a goood film", "grreat fun"]  # the first that no longer hold "good" and "great"
    key = "small/surety_gap"
    audited = said["audited"]
    assert audited[f"{key}/surety_gap"] == pytest.approx(audited[f"{key}/surety"] - audited[f"{key}/large_surety"])
    assert audited[f"{key}/verdict"] in (-1, 0, 1)
    assert {"small/attribution_alignment/jaccard_at_1", "small/attack_divergence/accuracy_fall_gap"} <= audited.keys()
    page = (followed / "made" / "report.html").read_text(encoding="utf-8")
    assert "As sure of itself?" in page
    assert "gap of the confidence" in page
    assert "small is" in page
    assert "sure on average" in page
