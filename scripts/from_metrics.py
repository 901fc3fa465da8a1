"""Where a script finds what the metric folders know: a helper file of one of them, as a module."""

import importlib.util
import sys
from functools import cache
from pathlib import Path
from types import ModuleType

METRICS = Path(__file__).resolve().parent.parent / "metrics"


@cache
def helper(folder: str, name: str) -> ModuleType:
    """The file `metrics/FOLDER/NAME.py`, which must import nothing from its own folder.

    >>> helper("attribution_alignment", "predictor").looks_local("./model")
    True
    """
    path = METRICS / folder / f"{name}.py"
    spec = importlib.util.spec_from_file_location(f"{folder}_{name}", path)
    if spec is None or spec.loader is None or not path.exists():
        raise ValueError(f"{path} is not there, so that this copy of the project is not whole")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def part(folder: str, name: str) -> ModuleType:
    """The same for a file that does import from its own folder: it is taken from the metric, as the loader runs that.

    >>> part("attribution_alignment", "question_answering").normalized("The end.")
    ['end']
    """
    import evaluate

    package = type(evaluate.load(str(METRICS / folder))).__module__.rpartition(".")[0]
    return importlib.import_module(f"{package}.{name}")
