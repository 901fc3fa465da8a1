"""Which formats are there? The files of this folder that define a reader."""

import importlib
import pkgutil

from trusteq.records import readers
from trusteq.records.readers.reader import Reader


def found() -> dict[str, Reader]:
    """Every reader by its name; harnesses before general tables."""
    names = [module.name for module in pkgutil.iter_modules(readers.__path__)]
    modules = [importlib.import_module(f"{readers.__name__}.{name}") for name in names if name != "registry"]
    made = [module.READER for module in modules if hasattr(module, "READER")]
    return {reader.name: reader for reader in sorted(made, key=lambda reader: (reader.general, reader.name))}


READERS = found()
