"""Where a script finds what the metric folders know: a helper file of one of them, as a module."""

import importlib
import sys
from functools import cache
from pathlib import Path
from types import ModuleType

METRICS = Path(__file__).resolve().parent.parent / "metrics"


@cache
def helper(folder: str, name: str) -> ModuleType:
    """The file `metrics/FOLDER/NAME.py`, with what it imports from its own folder; no metric is loaded for it.

    >>> helper("attribution_alignment", "predictor").looks_local("./model")
    True
    """
    if not (METRICS / folder / f"{name}.py").exists():
        raise ValueError(f"{METRICS / folder / name}.py is not there, so that this copy of the project is not whole")
    package = ModuleType(f"metrics_{folder}")
    package.__path__ = [str(METRICS / folder)]
    sys.modules.setdefault(package.__name__, package)
    return importlib.import_module(f"{package.__name__}.{name}")
