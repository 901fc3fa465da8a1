# Shared file: the original is metrics/attribution_alignment/references.py, scripts/copy_shared.py writes the copies.
"""What belongs to each text: its gold label as a class number, and a seed of its own."""

from typing import Any

import numpy as np

from .predictor import Predictor, fold


def as_list(name: str, values: Any) -> list[Any]:
    """A list, NumPy array, torch tensor, or a column of pandas, Arrow or datasets as a list."""
    for method in ("to_pylist", "tolist"):
        values = getattr(values, method)() if hasattr(values, method) else values
    if isinstance(values, str | bytes | dict | set) or not hasattr(values, "__iter__"):
        raise ValueError(f"{name} needs a list with one entry per text, got {type(values).__name__}")
    return list(values)


def gold_labels(references: Any, count: int) -> list[Any]:
    """One entry a text, still as the user names the classes."""
    if references is None:
        raise ValueError("references is missing: the gold label of every text")
    labels = as_list("references", references)
    if len(labels) != count:
        raise ValueError(f"references needs one entry per text, got {len(labels)} for {count} texts")
    return labels


def gold(labels: list[Any], large: Predictor, mapping: dict[str, int] | None) -> np.ndarray:
    """References as class numbers; names are looked up in `labels=`, or else among the large model's classes."""
    classes = range(large.classes or 0)
    names = mapping or {name: i for i, name in enumerate(large.names or [])}
    names = {fold(name): number for name, number in names.items()} | names
    found: list[int] = []
    for i, label in enumerate(labels):
        number = label.item() if getattr(label, "ndim", None) == 0 else label  # an entry of NumPy, torch or JAX
        if isinstance(number, str):
            number = names.get(number, names.get(fold(number)))
        if not isinstance(number, int | float) or number not in classes:
            raise ValueError(f"references[{i}] is {label!r}, which is none of large_model's {len(classes)} classes")
        found.append(int(number))
    return np.array(found)


def example_seed(seed: int, index: int) -> int:
    """A seed of its own for every example, the same whatever is explained beside it."""
    return int(np.random.SeedSequence([seed, index]).generate_state(1)[0])
