"""The logs in tests/records/data, as the harnesses wrote them."""

import shutil
from pathlib import Path

DATA = Path(__file__).resolve().parent / "data"


def logs(harness: str, folder: Path) -> Path:
    """A copy that may be changed, with the names that its files had."""
    copy = folder / harness
    shutil.copytree(DATA / harness, copy)
    for path in sorted(copy.rglob("details_*-0_*")):
        path.rename(path.with_name(path.name.replace("-0_", "|0_")))
    return copy
