"""The family that ships with the project: small sentiment models, and texts written for this project."""

from pathlib import Path
from typing import Any

from trusteq.records.tables import from_file

MADE = ("distilled", "tiny")
ASKED = {"max_queries": 25}  # with more, TextBugger breaks nearly every one of these short texts


def bundled_family() -> dict[str, Any]:
    """Models, texts and labels, as an audit takes them."""
    folder = Path(__file__).parent / "bundled_family"
    if not folder.is_dir():
        raise ValueError("the bundled family is not here: it comes with the package trust-equivalence")
    reviews, other = from_file(folder / "reviews.csv"), from_file(folder / "other.csv")
    return {
        "large": str(folder / "large"),
        "twin": str(folder / "twin"),
        "compressed": {name: str(folder / name) for name in MADE} | {"quantized": "derived:quantized"},
        "texts": reviews["text"],
        "references": reviews["label"],
        "ood_texts": other["text"],
    }
