"""The family that ships with the project: small sentiment models, and texts written for this project."""

import csv
from pathlib import Path
from typing import Any

MADE = ("distilled", "tiny")


def bundled_family(home: str) -> dict[str, Any]:
    """Models, texts and labels, as `compute` takes them; `home` is the folder of the metrics' folders."""
    folder = Path(home) / "trust_equivalence" / "family"
    if not folder.is_dir():
        raise ValueError("the bundled family is not here: it lies in the project's clone, in this metric's folder")
    reviews, other = rows_of(folder / "reviews.csv"), rows_of(folder / "other.csv")
    return {
        "large": str(folder / "large"),
        "twin": str(folder / "twin"),
        "compressed": {name: str(folder / name) for name in MADE} | {"quantized": "derived:quantized"},
        "texts": [row["text"] for row in reviews],
        "references": [row["label"] for row in reviews],
        "ood_texts": [row["text"] for row in other],
    }


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))
