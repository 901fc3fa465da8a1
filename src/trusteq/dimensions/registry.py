"""Which ways to differ are there? The files of this folder that define one."""

import importlib
import pkgutil

from trusteq import dimensions
from trusteq.dimensions.record import Dimension


def found() -> dict[str, Dimension]:
    """Every dimension by its name, in the audit's order."""
    names = [module.name for module in pkgutil.iter_modules(dimensions.__path__)]
    modules = [importlib.import_module(f"{dimensions.__name__}.{name}") for name in names if name != "registry"]
    records = [module.DIMENSION for module in modules if hasattr(module, "DIMENSION")]
    return {record.name: record for record in sorted(records, key=lambda record: record.place)}


DIMENSIONS = found()
