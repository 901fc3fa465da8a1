"""On PYTHONPATH, this makes a process in which packages that are installed are not there, whoever asks for them.

ABSENT names packages that are missing unless they lie under HERE; PRESENT, if it is given, names the only installed
ones that are there.
"""

import os
import site
import sys
from typing import Any

ABSENT = os.environ.get("ABSENT", "").split()
PRESENT = os.environ.get("PRESENT", "").split()
HERE = os.environ.get("HERE")


def is_there(package: str, place: str) -> bool:
    if package in ABSENT:
        return HERE is not None and place.startswith(HERE)
    return not PRESENT or package in PRESENT or not place.startswith(tuple(site.getsitepackages()))


class Finder:
    """Another finder, which does not see them."""

    def __init__(self, finder: Any):
        self.finder = finder

    def __getattr__(self, name: str) -> Any:
        return getattr(self.finder, name)

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        found = self.finder.find_spec(name, path, target)
        place = found and (found.origin or next(iter(found.submodule_search_locations or ()), ""))
        return found if found and is_there(name.partition(".")[0], place) else None


sys.meta_path[:] = map(Finder, sys.meta_path)
