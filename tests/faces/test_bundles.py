"""Each metric as it goes to the Hub: a folder that needs nothing of ours installed, and gives the same figures."""

import ast
import json
import os
import re
import runpy
import subprocess
import sys
from functools import cache
from importlib import metadata
from pathlib import Path

import evaluate
import pytest
from bundle import PAGE, bundle, main, metrics
from docstring_figures import figures
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[2]
TESTS = ROOT / "tests"
NAMES = metrics()
ARRAYS = ["calibration_gap", "ood_divergence", "prediction_error_jaccard", "representation_overlap"]

each = pytest.mark.parametrize("name", NAMES)


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory):
    """A folder with the bundles in `metrics`, and nothing else."""
    folder = tmp_path_factory.mktemp("elsewhere")
    for name in NAMES:
        bundle(name, folder / "metrics" / name)
    return folder


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Python in a process where our package cannot be imported; what it printed last, as JSON."""

    def done(*arguments, cwd, **environment):
        given = {"PYTHONPATH": f"{TESTS / 'only_packages'}{os.pathsep}{TESTS}", "ABSENT": "trusteq"}
        given["HF_HOME"] = str(tmp_path_factory.mktemp("cache"))
        command = [sys.executable, *map(str, arguments)]
        finished = subprocess.run(
            command, cwd=cwd, env=os.environ | given | environment, capture_output=True, text=True, timeout=600
        )
        assert finished.returncode == 0, finished.stdout + finished.stderr
        return json.loads(finished.stdout.splitlines()[-1])

    return done


def brought_by(*names):
    """The packages that can be imported when these are installed, with all that they require."""
    waiting, seen = [Requirement(name) for name in names], set()
    while waiting:
        one = waiting.pop()
        for extra in {"", *one.extras}:
            if (one.name, extra) not in seen:
                seen.add((one.name, extra))
                needed = [Requirement(line) for line in metadata.requires(one.name) or []]
                waiting += [new for new in needed if not new.marker or new.marker.evaluate({"extra": extra})]
    made_by = {re.sub(r"[-_.]+", "-", name).lower() for name, _ in seen}
    found = metadata.packages_distributions().items()
    return {package for package, by in found if made_by & {re.sub(r"[-_.]+", "-", one).lower() for one in by}}


def test_the_processes_of_these_tests_cannot_import_what_they_must_not(run, tmp_path):
    code = (
        "import importlib.util, json, sys\n"
        "print(json.dumps([bool(importlib.util.find_spec(name)) for name in sys.argv[1:]]))"
    )
    asked = ["trusteq", "torch", "scipy", "evaluate"]
    assert run("-c", code, *asked, cwd=tmp_path) == [False, True, True, True]
    light = " ".join(brought_by("evaluate"))
    assert run("-c", code, *asked[:3], "matplotlib", "evaluate", cwd=tmp_path, PRESENT=light) == [
        False,
        False,
        False,
        False,
        True,
    ]


BOTH = """
import app, json, os, sys
from docstring_figures import figures
(endpoint,) = (one for one in app.demo.fns.values() if one.api_name == "compare")
compared = endpoint.fn(app.example, *(control.value for control in endpoint.inputs[1:]))
os.chdir("../..")
print(json.dumps([compared, figures(sys.argv[1])]))
"""


@pytest.fixture(scope="module")
def found(elsewhere, run):
    """What the page and the documentation of a bundle say where nothing is there but what its requirements name."""

    @cache
    def of(name):
        folder = elsewhere / "metrics" / name
        lines = (folder / "requirements.txt").read_text().splitlines()
        present = brought_by(*(line for line in lines if not line.startswith("#")))
        return run("-c", BOTH, name, cwd=folder, PRESENT=" ".join(present))

    return of


@each
def test_every_figure_of_the_documentation_is_the_clones(name, found, monkeypatch):
    monkeypatch.chdir(ROOT)
    assert found(name)[1] == json.loads(json.dumps(figures(name)))


@pytest.mark.parametrize("name", ARRAYS)
def test_the_four_on_arrays_need_three_packages(name, elsewhere, run, found):
    present = " ".join(brought_by("evaluate", "numpy", "scipy"))
    assert run(TESTS / "docstring_figures.py", name, cwd=elsewhere, PRESENT=present) == found(name)[1]


@each
def test_the_page_compares_its_example_as_the_clones_does(name, found):
    (html, figures), _ = found(name)
    assert "<img" in html
    app = runpy.run_path(str(ROOT / "metrics" / name / "app.py"))
    (endpoint,) = (one for one in app["demo"].fns.values() if one.api_name == "compare")
    _, expected = endpoint.fn(app["example"], *(control.value for control in endpoint.inputs[1:]))
    assert figures == json.loads(json.dumps(expected))


AUDIT = """
import evaluate, json, sys
audit = evaluate.load("metrics/trust_equivalence")
texts = [f"a {'good' if i % 3 else 'dull'} film, number {i}" for i in range(40)]
model = lambda texts: [[0.1, 0.9] if "good" in text else [0.8, 0.2] for text in texts]
other = lambda texts: [[0.1, 0.9] if "d" in text else [0.8, 0.2] for text in texts]
result = audit.compute(large=model, compressed={"distilled": other}, texts=texts, references=[1, 0] * 20, details=True,
                       dimensions=["prediction_error_jaccard", "calibration_gap"])
audit.report(result, sys.argv[1])
try:
    audit.bundled()
except ValueError as error:
    print(json.dumps([result, str(error)]))
"""


def test_a_bundle_has_the_template_and_the_style_of_the_report_and_no_bundled_family(elsewhere, run, tmp_path):
    result, sentence = run("-c", AUDIT, tmp_path / "bundle", cwd=elsewhere)
    assert "comes with the package trust-equivalence" in sentence
    audit = evaluate.load(str(ROOT / "metrics" / "trust_equivalence"))
    paths = [path.relative_to(tmp_path / "clone") for path in audit.report(result, tmp_path / "clone")]
    assert Path("report.html") in paths
    for path in paths:
        assert (tmp_path / "bundle" / path).read_bytes() == (tmp_path / "clone" / path).read_bytes(), path


@each
def test_a_bundle_hides_no_package_and_is_flat(name, elsewhere):
    folder = elsewhere / "metrics" / name
    files = {path.stem for path in folder.glob("*.py")} - {name, "app"}
    assert files
    assert all(file.startswith("trusteq_") for file in files)
    assert not files & (set(metadata.packages_distributions()) | set(sys.stdlib_module_names))
    assert {path.name for path in folder.iterdir() if path.is_dir()} == {PAGE}


@each
def test_the_module_names_every_file_that_evaluate_has_to_copy(name, elsewhere):
    folder = elsewhere / "metrics" / name
    lines = (folder / f"{name}.py").read_text().splitlines()
    named = [re.fullmatch(r"from \.(\w+) import __name__ as _", line) for line in lines]
    assert [one[1] for one in named if one] == sorted({path.stem for path in folder.glob("*.py")} - {name, "app"})


@each
def test_requirements_name_every_import(name, elsewhere):
    folder = elsewhere / "metrics" / name
    own = {path.stem for path in folder.rglob("*.py")} | {PAGE}
    imports = {name for path in folder.rglob("*.py") for name in imported(path)} - own - set(sys.stdlib_module_names)
    lines = (folder / "requirements.txt").read_text().splitlines()
    named = {re.split(r"[<>=~\[ ]", line)[0] for line in lines if not line.startswith("#")}
    named |= {package for line in lines if line.startswith("# For ") for package in line.rpartition(":")[2].split()}
    assert imports - named - brought_by("evaluate") == set()
    assert "evaluate" in named


def imported(path):
    """The packages that a file imports, inside functions too."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield node.module.partition(".")[0]


def test_a_bundle_is_written_into_an_empty_folder_only(tmp_path, capsys):
    assert main(["calibration_gap", str(tmp_path / "new")]) == 0
    assert main(["calibration_gap", str(tmp_path / "new")]) == 1
    assert "is not an empty folder" in capsys.readouterr().err
