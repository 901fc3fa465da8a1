"""Where is everything computed? In the metrics, which lie beside this page, or two floors up in the project's clone."""

import importlib.util
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import evaluate

HERE = Path(__file__).resolve().parent
METRICS = next(place for place in (HERE / "metrics", HERE.parent.parent / "metrics") if place.is_dir())


@cache
def metric(name: str) -> Any:
    """A metric, loaded once.

    >>> metric("calibration_gap").name
    'calibration_gap'
    """
    return evaluate.load(str(METRICS / name))


def load_widget() -> ModuleType:
    """How the metrics' own pages read tables and show figures."""
    spec = importlib.util.spec_from_file_location("metric_widget", METRICS / "calibration_gap" / "widget.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


audit = metric("trust_equivalence")
words = audit.words
widget: Any = load_widget()
