"""Records where a metric takes arrays: they are joined by id, and what they say becomes rows or labels."""

from typing import Any

import numpy as np
import pyarrow as pa

from trusteq.records.record import rows_of
from trusteq.records.runs import tasks_of


def from_records(inputs: dict[str, Any], groups: Any = None) -> tuple[dict[str, Any], Any]:
    """The arguments of a metric, with arrays in place of records (one, or a list of them, as `read` gives it).

    Probabilities where all records have them over the same number of options, otherwise answers as they were judged: a
    right one counts as the gold one. The right answers and the groups are those of the records unless they are given.

    >>> from trusteq.records.record import record
    >>> small = record({}, {"id": ["a", "b"], "gold": ["x", "y"], "said": ["x", "x"], "right": [True, False]})
    >>> found, _ = from_records({"predictions": small, "references": None, "large_predictions": ["x", "y"]})
    >>> found["predictions"].tolist(), found["references"].tolist()
    (['x', 'x'], ['x', 'y'])
    """
    held = {name: value for name, value in sorted(inputs.items()) if is_records(value)}  # the large model's come first
    if not held:
        return inputs, groups
    if "references" in held:
        raise ValueError("references are taken from the records of the predictions: leave them out, or give an array")
    runs = {name: [value] if is_record(value) else list(value) for name, value in held.items()}
    tasks = [task for task in tasks_of(runs)[0] if not task.again]
    tables = {name: [task.tables[name] for task in tasks] for name in held}
    rows = {name: [one for one in map(rows_of, some) if one is not None] for name, some in tables.items()}
    same = all(len(some) == len(tasks) for some in rows.values())
    first = next(iter(tables.values()))
    found: dict[str, Any] = {}
    if same and len({one.shape[1] for some in rows.values() for one in some}) == 1 and all_have(first, "gold_index"):
        found = {name: np.concatenate(some) for name, some in rows.items()}
        gold = [table["gold_index"].to_numpy() for table in first]
    elif all_have(first, "gold") and all("said" in one.column_names for some in tables.values() for one in some):
        found = {name: np.concatenate([as_judged(table) for table in some]) for name, some in tables.items()}
        gold = [np.array(table["gold"].to_pylist(), dtype=object) for table in first]
    else:  # nothing is known but who was right
        found = {name: np.concatenate([table["right"].to_numpy() for table in some]) for name, some in tables.items()}
        gold = [np.ones(len(table), dtype=bool) for table in first]
    references = {"references": np.concatenate(gold)} if inputs.get("references") is None else {}
    if groups is None and all_have(first, "group"):
        named = [(task.name, table["group"].to_pylist()) for task, table in zip(tasks, first, strict=True)]
        groups = [f"{task} {one}" for task, some in named for one in some]
    return inputs | found | (references if "references" in inputs else {}), groups


def is_records(value: Any) -> bool:
    listed = isinstance(value, list | tuple) and len(value) > 0
    return is_record(value) or (listed and all(map(is_record, value)))


def is_record(value: Any) -> bool:
    """By what it has: a metric that stands alone has a class of its own."""
    return all(hasattr(value, name) for name in ("head", "table", "labels"))


def all_have(tables: list[pa.Table], name: str) -> bool:
    return all(name in table.column_names and not table[name].null_count for table in tables)


def as_judged(table: pa.Table) -> np.ndarray:
    """What was said, as texts: the gold answer where it counted as right, and never where it did not."""
    found = []
    for right, gold, said in zip(*(table[name].to_pylist() for name in ("right", "gold", "said")), strict=True):
        found.append(gold if right else f"not {said}" if said == gold else said or "")
    return np.array(found, dtype=object)
