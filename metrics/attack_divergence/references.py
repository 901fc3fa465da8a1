# Shared file: the original is metrics/attribution_alignment/references.py, scripts/copy_shared.py writes the copies.
"""What belongs to each text: its gold label as a class number, and a seed of its own."""

import re
from typing import Any

import numpy as np

from .predictor import Predictor, brief, fold

LISTED = 12  # names of classes in a message
WHOLE = re.compile(r"\s*[0-9]+(\.0*)?\s*")  # a whole number as a string, as tables of floats write it too


def as_list(name: str, values: Any) -> list[Any]:
    """A list, NumPy array, torch tensor, or a column of pandas, Arrow or datasets as a list."""
    given = type(values).__name__
    try:
        for method in ("to_pylist", "tolist"):
            values = getattr(values, method)() if hasattr(values, method) else values
        if not isinstance(values, str | bytes | dict | set):
            return list(values)
    except Exception:  # what cannot be gone through, or is on no device
        pass
    raise ValueError(f"{name} needs a list with one entry per text, got {given}")


def as_texts(name: str, values: Any) -> list[Any]:
    """Texts as a list; a pair may also come as a list of two, as it does from JSON and from Arrow.

    >>> as_texts("texts", [["a question", "its answer"], ("another", "one")])
    [('a question', 'its answer'), ('another', 'one')]
    """
    texts = [text.tolist() if isinstance(text, np.ndarray) else text for text in as_list(name, values)]
    return [tuple(text) if is_pair(text) else text for text in texts]


def is_pair(text: Any) -> bool:
    return isinstance(text, list) and len(text) == 2 and all(isinstance(part, str) for part in text)


def gold_labels(references: Any, count: int) -> list[Any]:
    """One entry a text, still as the user names the classes."""
    if references is None:
        raise ValueError("references is missing: the gold label of every text")
    labels = as_list("references", references)
    if len(labels) != count:
        raise ValueError(f"references needs one entry per text, got {len(labels)} for {count} texts")
    return labels


def gold(labels: list[Any], large: Predictor, mapping: dict[str, int] | None) -> np.ndarray:
    """References as class numbers; names are looked up in `labels=`, or else among the large model's classes.

    A number may be written as a string ("1", "1.0"), unless the classes' own names are such strings.
    """
    classes = range(large.classes or 0)
    given = mapping or {name: i for i, name in enumerate(large.names or [])}
    names = {fold(name): number for name, number in given.items()} | given
    numbered = any(WHOLE.fullmatch(name) for name in given)
    found: list[int] = []
    for i, label in enumerate(labels):
        number = label.item() if getattr(label, "ndim", None) == 0 else label  # an entry of NumPy, torch or JAX
        if isinstance(number, str):
            written = None if numbered or not WHOLE.fullmatch(number) else float(number)
            number = names.get(number, names.get(fold(number), written))
        if not isinstance(number, int | float) or number not in classes:
            shown = sorted(given, key=given.__getitem__) or [f"0 to {len(classes) - 1}"]
            expected = ", ".join(shown[:LISTED]) + (", ..." if len(shown) > LISTED else "")
            wrong = f"references[{i}] is {brief(label)}, which is none of {large.name}'s {len(classes)} classes"
            raise ValueError(f"{wrong}: {expected}")
        found.append(int(number))
    return np.array(found)


def example_seed(seed: int, index: int) -> int:
    """A seed of its own for every example, the same whatever is explained beside it."""
    return int(np.random.SeedSequence([seed, index]).generate_state(1)[0])
