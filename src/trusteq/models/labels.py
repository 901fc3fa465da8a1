"""Which class is which? The classes of two models in one order, and gold labels as class numbers."""

import re
from numbers import Integral
from typing import Any

import numpy as np

from trusteq.checks import brief
from trusteq.kinds.text import as_list
from trusteq.models.predictor import FunctionPredictor, Predictor


def class_names(config: Any) -> list[str] | None:
    """The classes' names, where they are more than LABEL_0, LABEL_1, ..."""
    names = getattr(config, "id2label", None)
    if not names or len(names) < 2:
        return None
    found = [str(names[i]) for i in sorted(names)]
    return None if all(re.fullmatch(r"LABEL_\d+", name) for name in found) else found


# Two models, one order of classes.


def match_labels(large: Predictor, compressed: Predictor, labels: dict[str, int] | None = None) -> None:
    """Put the classes of both models in one order: by name where both have names, by `labels` where that is given.

    `labels` maps every class name of the models (also LABEL_0, LABEL_1, ...) to its class number. Without it the large
    model's order stands. Neither has names: the order is taken to be the same.
    """
    large.order = compressed.order = None
    if labels is not None:
        for predictor in (large, compressed):
            predictor.order = order_by(predictor, labels)
        return
    if large.names is None and compressed.names is None:
        return
    if large.names is None or compressed.names is None:
        with_names, without = (large, compressed) if large.names else (compressed, large)
        if isinstance(without, FunctionPredictor):
            return
        raise ValueError(
            f"{with_names.name} names its classes {with_names.names} but {without.name} does not, so their order may "
            f"differ: give labels={{name: class number}} with the names of both, such as 'LABEL_0'"
        )
    places = {fold(name): i for i, name in enumerate(compressed.names)}
    wanted = [fold(name) for name in large.names]
    if sorted(places) != sorted(wanted) or len(places) < len(compressed.names):
        raise ValueError(
            f"{large.name}'s classes {large.names} and {compressed.name}'s {compressed.names} do not match by name: "
            f"give labels={{name: class number}} with the names of both"
        )
    order = np.array([places[name] for name in wanted])
    compressed.order = None if (order == np.arange(len(order))).all() else order


def order_by(predictor: Predictor, labels: dict[str, int]) -> np.ndarray | None:
    """The columns of a predictor in the order of the class numbers that `labels` gives to their names."""
    if isinstance(predictor, FunctionPredictor):
        return None
    names = predictor.names
    if names is None:
        config = getattr(predictor, "model").config  # noqa: B009 - only ModelPredictor gets here
        names = [f"LABEL_{i}" for i in range(max(2, config.num_labels))]  # a single logit has two classes
    numbers = {fold(name): number for name, number in labels.items()}
    if missing := [name for name in names if fold(name) not in numbers]:
        raise ValueError(f"labels has no class number for {predictor.name}'s class {brief(missing[0])}")
    found = [numbers[fold(name)] for name in names]
    if sorted(found) != list(range(len(names))):
        raise ValueError(f"labels gives {predictor.name}'s classes the numbers {found}, expected 0 to {len(names) - 1}")
    return np.argsort(found)


def check_class_numbers(labels: Any) -> None:
    """`labels` as the user gave them: a dict from class name to class number."""
    if not isinstance(labels, dict) or not labels:
        raise ValueError(f"labels must be a dict from class name to class number, got {brief(labels)}")
    for name, number in labels.items():
        if not isinstance(name, str) or isinstance(number, bool) or not isinstance(number, Integral):
            raise ValueError(f"labels must give every class name a whole number, got {brief(name)}: {brief(number)}")


def fold(name: str) -> str:
    return re.sub(r"[\s_-]+", " ", name.strip().casefold())


LISTED = 12  # names of classes in a message
WHOLE = re.compile(r"\s*[0-9]+(\.0*)?\s*")  # a whole number as a string, as tables of floats write it too


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
