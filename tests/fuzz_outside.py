"""Commands and the Space: what is called with a case, and how what it says is judged (see fuzzing.py)."""

import contextlib
import io
import json
import os
import re
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import app
import numpy as np
import served_space
import tiny_models
import verdict
from fuzzing import LONGEST, RESULT, SENTENCE, check_result, check_sentence, watched
from gradio.exceptions import Error as PageError
from hostile_files import NAMES, write
from matplotlib import pyplot

from trusteq.cli.main import main

# Commands, in a folder of their own for every case.


@cache
def checkpoints() -> dict[str, str]:
    folder = Path(tempfile.mkdtemp(dir=os.environ["HF_HOME"]))
    names = ("large", "compressed")
    return {name: str(tiny_models.checkpoint(folder / name, seed=i, labels=NAMES)) for i, name in enumerate(names)}


def command(name: str, words: list[str], folder: Path) -> str:
    """What the command says, and with which status: 0, or 1 or 2 with a sentence, and never a stack of internals."""
    said, complained = io.StringIO(), io.StringIO()
    with watched(), contextlib.redirect_stdout(said), contextlib.redirect_stderr(complained), contextlib.chdir(folder):
        try:
            status = main([name, *words])
        except SystemExit as stop:
            status = stop.code
        finally:
            pyplot.close("all")
    errors = complained.getvalue()
    assert status in (0, 1, 2), status
    assert "Traceback" not in errors + said.getvalue(), errors
    if status == 0:
        return RESULT
    *_, last = errors.strip().splitlines() or said.getvalue().splitlines()
    if status == 2:
        assert re.match(r"trusteq \w+: ", last) or ": error: " in last, errors  # argparse says "error"
    check_sentence(last[:LONGEST])
    return SENTENCE


def with_files(name: str, case: tuple[list[str], tuple[str, bytes], tuple[str, bytes]]) -> str:
    words, (kind, content), (other_kind, other) = case
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        paths = {"FILE": write(folder, f"file{kind}", content), "OTHER": write(folder, f"other{other_kind}", other)}
        paths |= {
            "OUT": str(folder / "out"),
            "DATA": place,
            "IDS": write(folder, "ids.json", b'["q0", "q1", "q2", "q3"]'),
        }
        if name != "reproduce":
            paths |= {"LARGE": checkpoints()["large"]}
        paths["COMPRESSED"] = checkpoints()["compressed"]
        named = [word.replace("=OTHER", f"={paths['OTHER']}") for word in words]
        return command(name, [paths.get(word, word) for word in named], folder)


def compare(case: tuple[list[str], tuple[dict[str, np.ndarray], dict[str, np.ndarray]], bytes]) -> str:
    words, archives, other = case
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        for name, arrays in zip(("LARGE", "COMPRESSED"), archives, strict=True):
            np.savez(folder / f"{name}.npz", **arrays)
        write(folder, "FILE", other)
        return command("compare", words, folder)


# The Space: what its buttons call.


@cache
def handlers() -> dict[str, Any]:
    """The functions behind the page's endpoints, for tiny models."""
    page = app.build(served_space.family(Path(tempfile.mkdtemp(dir=os.environ["HF_HOME"])), count=20))
    return {one.api_name: one.fn for one in page.fns.values()}


def press(name: str, case: tuple[Any, ...]) -> str:
    """What the page shows: figures, or an alert with a sentence, which is none of what only its owner should know."""
    with watched():
        try:
            found = handlers()[name](*case)
            *_, (page, figures, *_) = [found] if isinstance(found, tuple) else list(found)
        except PageError as error:
            check_sentence(str(error))
            return SENTENCE
        finally:
            pyplot.close("all")
    if figures is None:
        assert 'role="alert"' in page, page
        said = page.partition('role="alert"')[2]
        assert "went wrong on this side" not in said, said
        check_sentence(said)
        return SENTENCE
    check_figures(figures)
    page.encode()
    return RESULT


def check_figures(figures: Any) -> None:
    """The figures that the page shows as JSON: for one metric, or for several by name."""
    json.dumps(figures, allow_nan=False)
    for one in (figures, figures.get("figures", {}), *figures.values()):
        if isinstance(one, dict) and one and all(type(value) in (int, float) for value in one.values()):
            check_result(one)


def upload(content: bytes) -> str:
    found, said = verdict.read_file(content)
    if isinstance(found, str):
        return RESULT
    check_sentence(said)
    return SENTENCE
