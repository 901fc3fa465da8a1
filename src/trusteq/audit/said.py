"""What models said of tasks, as the arrays that dimensions are made of; and why a dimension cannot be had from it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from trusteq.arrays import check_columns
from trusteq.dimensions.registry import DIMENSIONS
from trusteq.dimensions.work import Work
from trusteq.groups import groups_for
from trusteq.records.arrays import Arrays, arrange
from trusteq.records.runs import Task

WITHOUT = "{} cannot be had from answers: there is no model to ask"
MISSING = {
    "embeddings": "the answers come without embeddings",
    "ood": "no task was named as out of distribution",
    "explanations": WITHOUT.format("explanations"),
    "attacks": WITHOUT.format("answers under attack"),
}


@dataclass
class Said:
    """Of one task, or of several together."""

    work: Work
    skipped: dict[str, str]  # dimension -> why it cannot be compared
    known: bool = True  # which answers were given, and not only whether they were right
    noticed: list[str] = field(default_factory=list)


def said_of(tasks: Sequence[Task], strange: Task | None = None) -> Said:
    """The tasks one after another, and the one that is out of distribution."""
    names = list(tasks[0].tables)
    tables = {name: [task.tables[name] for task in tasks] for name in names}
    work = Work(np.concatenate([gold_of(table) for table in tables[names[0]]]), [])
    if all("group" in table.column_names and not table["group"].null_count for table in tables[names[0]]):
        named = [f"{task.name} {group}" for task in tasks for group in task.tables[names[0]]["group"].to_pylist()]
        work.groups = groups_for(named, "the tasks", work.gold)
    skipped = {name: MISSING[one.needs] for name, one in DIMENSIONS.items() if one.needs in MISSING}
    coded = [codes_of(task) for task in tasks]
    for name in names:
        work.labels[name] = np.concatenate([labels[name] for labels, _ in coded])
    told = [*tasks, *([strange] if strange else [])]
    if all(has_rows(table) for task in told for table in task.tables.values()):
        width = max(widest(table) for task in told for table in task.tables.values())
        for name in names:
            rows = np.concatenate([padded(table, width) for table in tables[name]])
            if not np.array_equal(rows.argmax(axis=1) == work.gold, work.labels[name] == 0):
                work.probabilities.clear()  # what was most probable is not what was scored
                break
            work.probabilities[name] = rows
    noticed = [] if work.probabilities else confidences(work, tasks, skipped)
    if strange:
        found = {name: confidence_of(table) for name, table in strange.tables.items()}
        sure = [*found.values(), *work.confidence.values()]
        if "calibration_gap" in skipped or not all(np.isfinite(one).all() for one in sure):
            skipped["ood_divergence"] = "not all answers come with a confidence"
        else:
            del skipped["ood_divergence"]
            for name, table in strange.tables.items():
                work.ood[name] = padded(table, width) if work.probabilities else found[name]
    return Said(work, skipped, all(known for _, known in coded), noticed)


def confidences(work: Work, tasks: Sequence[Task], skipped: dict[str, str]) -> list[str]:
    """How sure every model is of its answers, where that alone is known; and which answers come without it."""
    for name in tasks[0].tables:
        work.confidence[name] = np.concatenate([confidence_of(task.tables[name]) for task in tasks])
    known = np.isfinite(np.stack(list(work.confidence.values()))).all(axis=0)
    if not known.any():
        work.confidence.clear()
        skipped["calibration_gap"] = "the answers come without confidences"
        return []
    rest = "the Brier score, the log loss, the classwise error and loyalty take the probabilities of all options"
    noticed = [f"over all tasks calibration_gap is of the confidence in the answers given: {rest}"]
    ends = np.cumsum([len(task) for task in tasks])[:-1]
    without = [(task.name, int((~some).sum())) for task, some in zip(tasks, np.split(known, ends), strict=True)]
    named = ", ".join(f"{count:,} of {name}" for name, count in without if count)
    if named:
        noticed.append(f"calibration_gap leaves out the answers that come without a confidence: {named}")
    return noticed


def said_of_arrays(arrays: dict[str, Arrays]) -> Said:
    """Of arrays in files (records/arrays.py), that of the large model first; they were checked to fit together."""
    large, *others = arrays
    calls = [arrange(arrays[large], arrays[name]) for name in others]
    skipped = {name: MISSING[one.needs] for name, one in DIMENSIONS.items() if one.needs in ("explanations", "attacks")}
    skipped |= {name: reason for call in calls for name, reason in call.items() if isinstance(reason, str)}
    labels = next((one["labels"] for one in arrays.values() if "labels" in one), None)
    count = len(next(one for name, one in arrays[large].items() if not name.startswith("ood_")))
    work = Work(np.full(count, -1) if labels is None else labels.astype(np.intp), [])
    for name, one in arrays.items():
        for held, prefix in ((work.probabilities, ""), (work.ood, "ood_")):
            if f"{prefix}probabilities" in one:
                held[name] = one[f"{prefix}probabilities"]
            elif f"{prefix}logits" in one:
                held[name] = check_columns(name, one[f"{prefix}logits"], from_logits=True).T
        if "embeddings" in one:
            work.embeddings[name] = one["embeddings"]
    return Said(work, skipped)


def task_of_arrays(said: Said) -> list[Task]:
    """Answers of arrays as a task, so that those that changed can be told; none where they or the gold are unknown."""
    work, names = said.work, list(said.work.probabilities)
    if not names or (work.gold < 0).any():
        return []
    ids = pa.array([str(row) for row in range(len(work.gold))])
    tables = {}
    for name in names:
        rows = work.probabilities[name]
        place, label = pa.array(work.gold), pa.array(rows.argmax(axis=1))
        held = {"id": ids, "gold_index": place, "gold": place.cast(pa.string()), "said_index": label}
        held |= {"said": label.cast(pa.string()), "right": pa.array(work.right(name))}
        lists = pa.ListArray.from_arrays(np.arange(0, rows.size + 1, rows.shape[1], dtype=np.int32), rows.ravel())
        tables[name] = pa.table(held | {"confidence": rows.max(axis=1), "probabilities": lists})
    return [Task("the examples", tables, {})]


def too_few(said: Said, options: Any) -> dict[str, str]:
    """Why each dimension that was asked for is left out, where it is."""
    count, found = len(said.work.gold), {}
    for dimension in (DIMENSIONS[name] for name in options.asked):
        least = dimension.least(options)
        if dimension.name in said.skipped:
            found[dimension.name] = said.skipped[dimension.name]
        elif count < least:
            found[dimension.name] = f"it needs at least {least} examples, got {count}"
    return found


# From columns to arrays.


def right_of(table: pa.Table) -> np.ndarray:
    return np.asarray(table["right"].to_numpy())


def gold_of(table: pa.Table) -> np.ndarray:
    """The place of the right answer among the options; -1 where there are none."""
    if "gold_index" not in table.column_names:
        return np.full(len(table), -1)
    return np.asarray(pc.fill_null(table["gold_index"], -1).to_numpy())


def codes_of(task: Task) -> tuple[dict[str, np.ndarray], bool]:
    """Every model's answers as numbers that are equal where answers are: 0 for a right one. Where it is not known what
    was said, all wrong ones are 1."""
    right = {name: right_of(table) for name, table in task.tables.items()}
    for column in ("said_index", "said"):
        held = [table[column] for table in task.tables.values() if column in table.column_names]
        if len(held) == len(right) and (column == "said" or not any(one.null_count for one in held)):
            break
    else:
        return {name: np.where(flags, 0, 1) for name, flags in right.items()}, False
    coded = pa.chunked_array([chunk for one in held for chunk in one.chunks]).combine_chunks().dictionary_encode()
    numbers = pc.fill_null(coded.indices, -1).to_numpy() + 2
    parts = np.split(numbers, len(right))
    return {name: np.where(right[name], 0, part) for name, part in zip(right, parts, strict=True)}, True


def has_rows(table: pa.Table) -> bool:
    return "probabilities" in table.column_names and not table["probabilities"].null_count


def widest(table: pa.Table) -> int:
    return int(pc.max(pc.list_value_length(table["probabilities"])).as_py())


def padded(table: pa.Table, width: int) -> np.ndarray:
    """Probabilities as a row each, with zeros where a question has fewer options than others."""
    column = table["probabilities"]
    lengths = pc.list_value_length(column).to_numpy()
    flat = pc.list_flatten(column).to_numpy()
    rows = np.zeros((len(table), width))
    rows[np.arange(width) < lengths[:, None]] = flat
    return rows


def confidence_of(table: pa.Table) -> np.ndarray:
    """How sure a model is of each answer; NaN where it is not known."""
    if "confidence" in table.column_names:
        return np.asarray(table["confidence"].to_numpy(), dtype=np.float64)
    return padded(table, widest(table)).max(axis=1) if has_rows(table) else np.full(len(table), np.nan)
