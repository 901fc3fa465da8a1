"""scripts/release/versions.py: which environments it makes, and the table that it writes."""

import subprocess
from pathlib import Path

import pytest
import versions

ROOT = Path(__file__).resolve().parents[2]


def test_the_oldest_bounds_are_those_of_the_project():
    pins = dict(pin.split("==") for pin in versions.ROWS["oldest"].pins)
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert {"numpy", "scipy", "datasets", "transformers", "lime", "shap", "captum", "matplotlib"} <= pins.keys()
    for name, version in pins.items():
        assert f'"{name}>={version}' in project
    assert not {"torch", "trust-equivalence"} & pins.keys()
    assert versions.pinned("torch") in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()


def test_every_quick_test_is_there():
    for place in versions.QUICK:
        file, _, name = place.partition("::")
        assert f"def {name or 'test_'}" in (ROOT / file).read_text(encoding="utf-8"), place


def test_rows_that_were_not_run_stay_as_they_were(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(f"above\n{versions.BEGIN}{versions.END}\nbelow\n", encoding="utf-8")
    cells = ["3.11.7", *["1.0"] * len(versions.SHOWN), "9 passed"]
    versions.write(page, {"newest-3.11": cells})
    versions.write(page, {"oldest": ["3.11.7", *["0.9"] * len(versions.SHOWN), "1 failed, 8 passed"]})
    lines = page.read_text(encoding="utf-8").splitlines()
    assert (lines[0], lines[-1]) == ("above", "below")
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines if line.startswith("| ")][2:]
    assert [row[0] for row in rows] == ["oldest", "newest-3.11"]  # in the order of ROWS
    assert (rows[0][-1], rows[1][-1]) == ("1 failed, 8 passed", "9 passed")
    page.write_text("none", encoding="utf-8")
    with pytest.raises(ValueError, match="has no lines"):
        versions.write(page, {})


def test_an_interpreter_that_does_not_run_is_not_taken(tmp_path, monkeypatch):
    for name in ("python3.12", "uv"):
        (tmp_path / name).write_text("#!/bin/sh\nexit 127\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path))
    assert versions.python_of("3.12") is None
    own = tmp_path / "versions" / "3.12.1" / "bin"
    own.mkdir(parents=True)
    (own / "python").write_text("#!/bin/sh\nexit 0\n")
    (own / "python").chmod(0o755)
    assert versions.python_of("3.12") == str(own / "python")


def test_what_cannot_be_installed_is_told_in_pips_words(tmp_path, monkeypatch):
    def failing(command, **options):
        if "pip" in command:
            return subprocess.CompletedProcess(command, 1, "", "looking\nERROR: no matching distribution\n")
        (tmp_path / "made").mkdir(exist_ok=True)
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(versions.subprocess, "run", failing)
    monkeypatch.setattr(versions, "python_of", lambda version: "python")
    cells = versions.tried("newest-3.12", tmp_path / "made", only_make=True)
    assert cells[-1] == "not installed: ERROR: no matching distribution"
    monkeypatch.setattr(versions, "python_of", lambda version: None)
    assert versions.tried("newest-3.12", tmp_path / "made", only_make=True)[-1] == "not tried: no such Python at hand"
