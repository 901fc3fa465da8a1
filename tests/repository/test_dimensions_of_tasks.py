"""The card's table of what each dimension measures of each task says what the code does."""

import re
from pathlib import Path

import pytest

from trusteq.attack.recipes import RECIPES
from trusteq.attack.whole_texts import WHOLE
from trusteq.audit import running_text
from trusteq.cli import audit, generate
from trusteq.dimensions.registry import DIMENSIONS
from trusteq.explain.units import UNITS
from trusteq.strangeness import SURPRISES

CARD = Path(__file__).resolve().parents[2] / "metrics" / "trust_equivalence" / "README.md"
ASKED = {task: list(DIMENSIONS) for task in audit.TASKS}
ASKED |= {"text": list(running_text.ASKED), "generate": generate.ASKED}


@pytest.fixture(scope="module")
def table():
    """What is measured, by dimension and task."""
    lines = CARD.read_text(encoding="utf-8").splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith("| dimension | `classify`"))
    end = next(i for i in range(start, len(lines)) if not lines[i].startswith("|"))
    head, _, *rows = ([cell.strip() for cell in line.strip("|").split(" | ")] for line in lines[start:end])
    tasks = [re.match(r"`(\w+)`", cell)[1] for cell in head[1:]]
    return {re.search(r"`(\w+)`", name)[1]: dict(zip(tasks, cells, strict=True)) for name, *cells in rows}


def named(cell):
    return re.findall(r"`([^`]+)`", cell)


def test_every_dimension_of_every_task_is_in_the_table(table):
    assert list(table) == list(DIMENSIONS)
    assert all(set(cells) == set(ASKED) for cells in table.values())


def test_what_is_not_measured_has_its_reason_and_nothing_else_has(table):
    for name, cells in table.items():
        for task, cell in cells.items():
            assert cell.startswith("no: ") == (name not in ASKED[task]), (name, task)


def test_all_attacks_units_and_scores_are_named(table):
    attacks = named(table["attack_divergence"]["classify"]) + named(table["attack_divergence"]["choices"])
    assert set(attacks) == {*RECIPES, *WHOLE}
    assert named(table["attribution_alignment"]["classify"]) == list(UNITS)
    scores = table["ood_divergence"]["classify"]
    assert all(score in scores for score in SURPRISES)
