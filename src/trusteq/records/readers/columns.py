"""Columns of any origin to a record: which is what, and which answers are right?"""

import json
from collections.abc import Sequence
from typing import Any

import numpy as np

from trusteq.checks import brief
from trusteq.records.labelled_texts import is_unlabelled, whole_number
from trusteq.records.readers.reader import ReadOptions, left_out
from trusteq.records.record import Record, record

Columns = dict[str, Any]
GUESSES = {
    "id": ("idx", "index", "example_id", "question_id", "doc_id", "uid", "guid"),
    "gold": ("label", "labels", "label_ids", "reference", "references", "target", "truth"),
    "said": ("prediction", "predictions", "predicted", "predicted_label", "pred", "preds"),
    "probabilities": ("probability", "probs", "proba", "prob"),
    "confidence": ("confidences", "conf", "confs"),
    "right": ("correct", "is_correct"),
    "group": ("groups", "group_id"),
    "question": ("text", "sentence", "prompt", "input"),
}
TRUTHS = {"true": True, "1": True, "right": True, "yes": True, "false": False, "0": False, "wrong": False, "no": False}


def record_of(columns: Columns, options: ReadOptions, head: dict[str, Any], classes: Sequence[str] = ()) -> Record:
    """A record of what the columns hold; what is guessed is told, and rows without a right answer are left out."""
    place, noticed = head["place"], list(head.get("noticed", []))
    if not columns or not len(next(iter(columns.values()))):
        raise ValueError(f"{place} holds no rows")
    named = chosen(columns, options, place, noticed)
    count = len(next(iter(columns.values())))
    found: Columns = {}
    if "id" in named:
        found["id"] = [
            value if value is None or isinstance(value, str) else text(value) for value in columns[named["id"]]
        ]
    else:
        found["id"] = [str(row) for row in range(count)]
        noticed.append("there is no column of ids: rows are matched by their order")
    for name in ("group", "question"):
        if name in named:
            found[name] = [None if value is None else text(value) for value in columns[named[name]]]
    if "confidence" in named:
        values = columns[named["confidence"]]
        known = numbers(values, place, named["confidence"])
        found["confidence"] = [None if v is None or v == "" else p for v, p in zip(values, known.tolist(), strict=True)]
    rows, names = probabilities(columns, options, place, noticed)
    names = list(options.labels or classes or names)
    if rows is not None:
        if len(names) != rows.shape[1]:
            both = f"{rows.shape[1]} columns of probabilities, but {len(names)} classes ({brief(names)})"
            raise ValueError(f"{place}: {both}; name the classes in order by labels")
        found["probabilities"] = list(rows)
        found["options"] = [names] * count
    for name in ("gold", "said"):
        if name in named:
            found |= labels(name, columns[named[name]], names, f"{place}: {named[name]}")
    if rows is not None and "said" not in found:
        found["said_index"] = rows.argmax(axis=1)
        found["said"] = [names[index] for index in found["said_index"]]
    if rows is not None and "confidence" not in found and None not in found.get("said_index", [None]):
        found["confidence"] = rows[np.arange(count), found["said_index"]]
    if "right" in named:
        found["right"] = [truth(value, f"{place}: {named['right']}") for value in columns[named["right"]]]
    elif "gold" in found and "said" in found:
        check_alike(found, place)
        found["right"] = [
            None if gold is None else gold == said for gold, said in zip(found["gold"], found["said"], strict=True)
        ]
    else:
        lacking = next(name for name in ("gold", "said") if name not in found)
        what = f"no column of what is {MEANING[lacking]}; its columns are {', '.join(map(str, columns))[:300]}"
        raise ValueError(f"{place} has {what}: name it by {lacking}")
    kept = [row for row, right in enumerate(found["right"]) if right is not None]
    if not kept:
        raise ValueError(f"{place}: no row has a right answer")
    left_out(count - len(kept), "without a right answer", noticed)
    if len(kept) < count:
        found = {name: [values[row] for row in kept] for name, values in found.items()}
    return record(head | {"noticed": noticed, "by_order": "id" not in named}, found)


MEANING = {"gold": "right", "said": "said"}


def chosen(columns: Columns, options: ReadOptions, place: str, noticed: list[str]) -> dict[str, str]:
    """The column of each thing: as it was named, by its own name, or by a usual one, which is told."""
    by_case = {str(column).casefold(): column for column in reversed(list(columns))}
    named = {}
    for thing, usual in GUESSES.items():
        wanted = getattr(options, thing)
        if thing == "probabilities":
            continue
        if wanted is not None:
            if wanted not in columns:
                there = ", ".join(map(str, columns))
                raise ValueError(f"{place} has no column {brief(wanted)}; its columns are {there[:400]}")
            named[thing] = wanted
        elif thing in columns:
            named[thing] = thing
        elif column := next(
            (by_case[n] for n in (thing, *usual) if by_case.get(n) not in (None, *named.values())), None
        ):
            named[thing] = column
            noticed.append(f"{thing} is taken to be the column {column!r}")
    return named


def probabilities(
    columns: Columns, options: ReadOptions, place: str, noticed: list[str]
) -> tuple[np.ndarray | None, list[str]]:
    """A row an example, and the names of the classes: ends of the columns' names, or numbers."""
    wanted = list(options.probabilities)
    for column in wanted:
        if column not in columns:
            there = ", ".join(map(str, columns))
            raise ValueError(f"{place} has no column {brief(column)}; its columns are {there[:400]}")
    if not wanted:
        usual = ("probabilities", *GUESSES["probabilities"])
        wanted = next(([name] for name in usual if name in columns), [])
        for name in usual if not wanted else ():
            wanted = [column for column in columns if str(column).startswith(f"{name}_")]
            if len(wanted) > 1:
                break
        if wanted and wanted != ["probabilities"]:
            noticed.append(f"probabilities are taken to be {', '.join(wanted[:6])}")
    if len(wanted) > 1:
        rows = np.stack([numbers(columns[column], place, column) for column in wanted], axis=1)
        common = len(beginning(wanted))
        return rows, [column[common:] for column in wanted]
    if not wanted:
        return None, []
    values = [parsed(value) for value in columns[wanted[0]]]
    width = len(values[0]) if isinstance(values[0], list) else 0
    for row, value in enumerate(values):
        if not isinstance(value, list) or len(value) != width or width < 2:
            expected = "lists of two or more numbers, of one length"
            raise ValueError(f"{place}: {wanted[0]} must hold {expected}, got {brief(value)} in row {row}")
    flat = numbers([one for value in values for one in value], place, wanted[0])
    return flat.reshape(len(values), width), [str(number) for number in range(width)]


def beginning(names: Sequence[str]) -> str:
    """What all names begin with, up to a mark between words.

    >>> beginning(["p_good", "p_bad"]), beginning(["prob_0", "prob_1"]), beginning(["a", "b"])
    ('p_', 'prob_', '')
    """
    low, high = min(names), max(names)
    shared = next((i for i, (a, b) in enumerate(zip(low, high, strict=False)) if a != b), len(low))
    return low[: max((low.rfind(mark, 0, shared) + 1 for mark in "_-. :"), default=0)]


def parsed(value: Any) -> Any:
    """A list, also as a cell of a csv file has it."""
    if isinstance(value, np.ndarray):
        return value.tolist()
    try:
        return json.loads(value) if isinstance(value, str) and value[:1] == "[" else value
    except (ValueError, RecursionError):
        return value


def numbers(values: Any, place: str, column: str) -> np.ndarray:
    """Numbers, also as a csv file has them; a place that is empty is NaN."""
    made = np.empty(len(values))
    for row, value in enumerate(values):
        try:
            made[row] = np.nan if value is None or value == "" else float(value)
        except (TypeError, ValueError, OverflowError):
            raise ValueError(f"{place}: {column} must hold numbers, got {brief(value)} in row {row}") from None
    return made


def labels(name: str, values: Any, classes: list[str], where: str) -> Columns:
    """Labels as texts, and their places among the classes: class numbers stand for the classes' names."""
    if classes:
        place_of = {label: place for place, label in enumerate(classes)}
        made: list[int | None] = []
        for row, value in enumerate(values):
            number = place_of.get(text(value))
            if number is None and not is_unlabelled(value):
                number = whole_number(value)
                if number is None or not 0 <= number < len(classes):
                    raise ValueError(f"{where} holds {brief(value)} in row {row}; the classes are {brief(classes)}")
            made.append(number)
        return {name: [None if i is None else classes[i] for i in made], f"{name}_index": made}
    texts = [None if is_missing(value, name) else text(value) for value in values]
    index = [None if value is None else whole_number(value) for value in texts]
    known = all(i is not None or t is None for i, t in zip(index, texts, strict=True))
    return {name: texts} | ({f"{name}_index": index} if known else {})


def is_missing(value: Any, name: str) -> bool:
    """A gold label of -1 is none, as the Hub's data sets have it; a model's is an answer."""
    return is_unlabelled(value) if name == "gold" else value is None or value != value


def text(value: Any) -> str:
    """A label as text: numbers without a point, where they are whole.

    >>> text(1), text(1.0), text("1.0"), text("good"), text(True)
    ('1', '1', '1', 'good', '1')
    """
    number = whole_number(value)
    return str(value) if number is None else str(number)


def truth(value: Any, where: str) -> bool | None:
    if value is None or value == "":
        return None
    known = TRUTHS.get(text(value).casefold())
    if known is None:
        raise ValueError(f"{where} must say whether an answer is right (true or false, 1 or 0), got {brief(value)}")
    return known


def check_alike(found: Columns, place: str) -> None:
    """Class numbers on one side and names on the other are equal nowhere, which would be no finding."""
    known = [name for name in ("gold", "said") if f"{name}_index" in found]
    if len(known) == 1 and not {*found["gold"]} & {*found["said"]}:
        other = "said" if known == ["gold"] else "gold"
        both = f"{known[0]} holds numbers and {other} {brief(next(filter(None, found[other]), None))}"
        raise ValueError(f"{place}: {both}; name the classes in order by labels")
