"""CONTRIBUTING.md is followed letter by letter in a copy of the repository; what comes of it has to work."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
GUIDE = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"^(At the end of )?`([\w/.]+)`:\n\n(`{3,4})\w+\n(.*?)^\3$", re.DOTALL | re.MULTILINE)


@pytest.fixture(scope="module")
def followed(tmp_path_factory):
    """A copy of the repository with every file and every line that the guide gives."""
    copy = tmp_path_factory.mktemp("guide") / "copy"
    unwanted = shutil.ignore_patterns("__pycache__", "*.egg-info", "bundled_family")
    for folder in ("src", "metrics", "tests"):
        shutil.copytree(ROOT / folder, copy / folder, ignore=unwanted)
    for file in ("pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / file, copy)
    for at_the_end, name, _, text in BLOCK.findall(GUIDE):
        file = copy / name
        assert file.exists() == bool(at_the_end), name
        file.parent.mkdir(exist_ok=True)
        file.write_text((file.read_text(encoding="utf-8") if at_the_end else "") + text, encoding="utf-8")
    return copy


def run(copy, *command):
    """With the package of the copy, whichever is installed."""
    own = {"PYTHONPATH": str(copy / "src"), "HF_HOME": str(copy.parent / "cache"), "HF_HUB_OFFLINE": "1"}
    return subprocess.run([sys.executable, *command], cwd=copy, env=os.environ | own, capture_output=True, text=True)


def test_the_new_folder_passes_what_every_folder_has_to(followed):
    where = "tests/faces/test_metrics.py"
    done = run(followed, "-m", "pytest", "-q", "-p", "no:cacheprovider", where, "-k", "surety_gap")
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
import jsonschema
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
    large=model_of("good", "great"), twin=model_of("good", "great", "acting"), compressed={"tiny": model_of("good")},
    texts=texts, references=[1, 0] * 15, method="alone", k=1, attack="stutter", explained=6, attacked=6, details=True,
)
audit.report(result, "made")
report, schema = (json.load(open(f"made/report{name}.json")) for name in ("", ".schema"))
jsonschema.validate(report, schema)
print(json.dumps({
    "explained": explained,
    "attacked": [one["outcome"]["adversarial"] for one in attacked["details"]["per_example"]],
    "figures": [key for key in result if key.startswith("tiny/")],
    "dimensions": next(pair for pair in report["pairs"] if pair["name"] == "tiny")["dimensions"],
    "table": audit.table(result),
}))
"""


@pytest.fixture(scope="module")
def said(followed):
    """What came of an audit, an explanation and an attack in the copy; the report lies in its folder `made`."""
    done = run(followed, "-c", USE)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


def test_a_dimension_is_one_file_of_the_package():
    section = GUIDE.partition("## Add a dimension")[2].partition("\n## ")[0]
    names = [name for _, name, _, _ in BLOCK.findall(section) if name.startswith("src/")]
    assert names == ["src/trusteq/dimensions/surety_gap.py"]


def test_the_new_method_and_attack_work_alone_and_in_the_audit(said):
    assert said["explained"]["jaccard_at_1"] == 0  # "good" and "great" against "film" and "fun"
    assert said["attacked"] == ["a goood film", "grreat fun"]  # the first that no longer hold "good" and "great"
    assert {"tiny/attribution_alignment/jaccard_at_1", "tiny/attack_divergence/accuracy_fall_gap"} <= {*said["figures"]}


READ = """
import json
from pathlib import Path
from trusteq.records.joined import join
from trusteq.records.read import read

answers = {"Capital of France?": ["Paris", "Paris"], "2 + 2?": ["4", "5"]}
for player, said in (("large", answers), ("small", {"2 + 2?": ["4", "4"]})):
    Path(f"{player}.json").write_text(json.dumps({"quiz": "facts", "player": player, "answers": said}))
[large], [small] = read("large.json"), read("small.json")
joined = join(large, small)
Path("small.json").write_text(json.dumps({"quiz": "facts", "player": "small", "answers": {"2 + 2?": "4"}}))
try:
    read("small.json")
except ValueError as error:
    said = str(error)
rights = [table["right"].to_pylist() for table in (joined.large, joined.compressed)]
print(json.dumps({"head": large.head, "rights": rights, "left": joined.noticed, "said": said}))
"""


def test_the_new_reader_is_found_and_its_records_are_joined(followed):
    done = run(followed, "-c", READ)
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout.splitlines()[-1])
    assert (found["head"]["format"], found["head"]["task"], found["head"]["model"]) == ("quiz", "facts", "large")
    assert found["rights"] == [[False], [True]]
    assert found["left"][0].startswith("1 example is in large.json only and is left out")
    assert found["said"] == "small.json: '2 + 2?' needs the right answer and the given one, got '4'"


def test_the_audit_has_seven_dimensions_and_judges_the_new_one(said):
    assert len(said["dimensions"]) == 7
    entry = said["dimensions"]["surety_gap"]
    assert entry["value"] == pytest.approx(entry["figures"]["surety"] - entry["figures"]["large_surety"])
    assert entry["divergence"] == pytest.approx(abs(entry["value"]) - abs(entry["floor"]))
    assert entry["verdict"] in ("equivalent", "different", "inconclusive")
    assert f"tiny is {100 * entry['figures']['surety']:.0f} % sure on average" in entry["sentence"]
    assert {"tiny/surety_gap/verdict", "tiny/surety_gap/surety"} <= {*said["figures"]}


def test_every_form_of_the_report_has_the_new_dimension(followed, said):
    assert re.search(r"^ +surety_gap +surety_gap ", said["table"], re.MULTILINE)
    made = followed / "made"
    for name, words in (("report.html", ["As sure of itself?", "gap of the confidence", "How probable a model finds"]),
                        ("report.md", ["As sure of itself?", "sure on average"]),
                        ("model_card.md", ["surety"])):  # fmt: skip
        text = (made / name).read_text(encoding="utf-8")
        assert [part for part in words if part not in text] == [], name
    assert [path for path in (made / "plots").iterdir() if "surety_gap" in path.name]
    assert "As sure of itself?" in "".join(path.read_text() for path in (made / "tables").iterdir())
