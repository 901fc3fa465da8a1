"""Which examples did all models of a family answer? Their records, task by task, in one order."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from trusteq.records.joined import join
from trusteq.records.record import Record

Key = tuple[str, str]  # task, filter


@dataclass(frozen=True)
class Task:
    """What every model said of the same examples in the same order."""

    name: str
    tables: dict[str, pa.Table]
    heads: dict[str, dict[str, Any]]
    again: bool = False  # the same answers as another one's, with another filter
    only: int = 0  # examples that some model has and another has not

    def __len__(self) -> int:
        return len(next(iter(self.tables.values())))


def tasks_of(
    runs: Mapping[str, Sequence[Record]], allow_different_prompts: bool = False
) -> tuple[list[Task], list[str]]:
    """Every task that all runs have, and what was noticed; the first run is the large model's.

    >>> from trusteq.records.record import record
    >>> one = record({"task": "t", "place": "a"}, {"id": ["x", "y"], "right": [True, False]})
    >>> two = record({"task": "t", "place": "b"}, {"id": ["y", "z"], "right": [True, True]})
    >>> tasks, noticed = tasks_of({"large": [one], "int8": [two]})
    >>> tasks[0].name, tasks[0].tables["int8"]["id"].to_pylist(), tasks[0].only
    ('t', ['y'], 2)
    """
    by_key = {name: {key_of(record): record for record in records} for name, records in runs.items()}
    if all(len(records) == 1 for records in runs.values()):  # two files are one task, whatever they are called
        key = next(iter(by_key[next(iter(runs))]))
        by_key = {name: {key: records[0]} for name, records in runs.items()}
    first, *others = by_key.values()
    shared = [key for key in first if all(key in other for other in others)]
    if not shared:
        held = "; ".join(f"{name} has {listed(list(keys))}" for name, keys in by_key.items())
        raise ValueError(f"no task is in all of the runs: {held[:600]}")
    noticed = []
    for name, keys in by_key.items():
        if more := [key for key in keys if key not in shared]:
            noticed.append(f"{listed(more)} {'is' if len(more) == 1 else 'are'} in {name}, but not in all of the runs")
    seen: set[str] = set()
    tasks = []
    for task, filter in shared:
        several = sum(other == task for other, _ in shared) > 1
        records = {name: keys[task, filter] for name, keys in by_key.items()}
        tables, left, found = joined(records, allow_different_prompts)
        heads = {name: record.head for name, record in records.items()}
        called = f"{task} ({filter})" if several and filter else task
        noticed += [f"{called}: {one}" for one in found]
        tasks.append(Task(called, tables, heads, task in seen, left))
        seen.add(task)
    if again := [task.name for task in tasks if task.again]:
        noticed.append(f"{', '.join(again)}: the same answers through another filter, not counted again in all tasks")
    return tasks, noticed


def key_of(record: Record) -> Key:
    return record.head["task"], record.head.get("filter") or ""


def listed(keys: Sequence[Key], most: int = 5) -> str:
    names = [f"{task} ({filter})" if filter else task or "a task without a name" for task, filter in keys]
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def joined(records: dict[str, Record], allow_different_prompts: bool) -> tuple[dict[str, pa.Table], int, list[str]]:
    """Of every model the examples that all of them have, in the order of the first; and what was noticed."""
    first, *others = records
    noticed = list(records[first].head["noticed"])
    pairs = {}
    for name in others:
        pairs[name] = join(records[first], records[name], allow_different_prompts)
        noticed += [*records[name].head["noticed"], *pairs[name].noticed]
    ids = records[first].table["id"]
    for pair in pairs.values():
        ids = ids.filter(pc.is_in(ids, value_set=pair.large["id"].combine_chunks()))
    if not len(ids):
        raise ValueError(f"no example of {records[first].head['task']} is in all of the runs")
    tables = {first: aligned(records[first].table, ids)}
    tables |= {name: aligned(pair.compressed, ids) for name, pair in pairs.items()}
    every = pa.chunked_array([chunk for record in records.values() for chunk in record.table["id"].chunks])
    if len(others) > 1 and any(len(pair.large) > len(ids) for pair in pairs.values()):
        noticed.append(f"{len(ids):,} examples are in all of the runs, and are compared")
    return tables, pc.count_distinct(every).as_py() - len(ids), list(dict.fromkeys(noticed))


def aligned(table: pa.Table, ids: Any) -> pa.Table:
    return table if table["id"].equals(ids) else table.take(pc.index_in(ids, value_set=table["id"].combine_chunks()))
