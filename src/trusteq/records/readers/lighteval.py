"""lighteval (--save-details): details_TASK_TIME.parquet, a row for each document.

Rows are shuffled and their ids are row numbers, so an id is made of the question and its choices. A multiple choice has
the log-probability of each choice; a generation has texts. Older versions put underscores around the columns' names."""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet

from trusteq.checks import brief
from trusteq.records.readers.reader import (
    Reader,
    ReadOptions,
    Told,
    against,
    check_kind,
    decided,
    decisive,
    figures,
    group_of,
    hashed,
    json_of,
    start_of,
    unique,
)
from trusteq.records.record import Record, record
from trusteq.records.tables import parquet

COLUMNS = ("doc", "model_response", "metric")
UNREAD = {"input_tokens", "output_tokens", "logits", "reasonings", "images"}
NAME = re.compile(r"details_(.+)_(\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d(?:\.\d+)?)\.parquet")
USUAL = ("acc", "em", "exact_match")


def recognises(path: Path) -> bool:
    if start_of(path, 4) != b"PAR1":
        return False
    try:
        names = pyarrow.parquet.read_schema(path).names
    except (OSError, pa.ArrowException, ValueError):
        return False
    return {name.strip("_") for name in names} >= set(COLUMNS)


def told(path: Path) -> Told:
    """
    >>> told(Path("details/org/model/2026-11-30T10-00-19.2/details_arc|0_2026-11-30T10-00-19.2.parquet")).task
    'arc|0'
    """
    found = NAME.fullmatch(path.name)
    if not found:
        return Told(task=path.stem)
    parts = path.parent.parts
    model = parts[-2] if len(parts) > 1 else ""
    return Told("/".join([parts[-3], model]) if parts[-4:-3] == ("details",) else model, *found.groups())


def read(path: Path, options: ReadOptions) -> list[Record]:
    place, name = path.name, told(path)
    rows = rows_of(path)
    lines = [row_of(f"{place}: row {number}", row, options.group) for number, row in enumerate(rows)]
    if not lines:
        raise ValueError(f"{place} holds no documents")
    noticed: list[str] = []
    names = [n for n in lines[0]["scores"] if all(isinstance(row["scores"].get(n), int | float) for row in lines)]
    scores = {n: np.array([row["scores"][n] for row in lines], dtype=np.float64) for n in names}
    binary = [n for n, values in scores.items() if ((values == 0) | (values == 1)).all()]
    usual = list(dict.fromkeys([n for n in USUAL if n in binary] + binary))
    metric = decisive(usual, options.metric, place, lines[0]["scores"], noticed)
    columns: dict[str, Any] = {
        "id": unique([hashed(row["question"], row["options"]) for row in lines], noticed),
        "doc_hash": [hashed(row["question"], row["options"], row["gold"]) for row in lines],
        "prompt_hash": [row["prompt_hash"] for row in lines],
        "question": [row["question"] for row in lines],
        "group": [row["group"] for row in lines] if options.group is not None else None,
        "right": scores[metric] == 1,
    } | {f"score:{n}": values for n, values in scores.items()}
    if all(row["logs"] for row in lines):
        columns |= of_options(lines, scores[metric], noticed)
    else:
        columns |= {"said": [row["text"] for row in lines], "gold": [row["gold"] for row in lines]}
    head = {"model": name.model, "task": name.task, "format": READER.name, "place": place, "time": name.time}
    return [record(head | {"metric": metric, "harness": harness(path, name, metric), "noticed": noticed}, columns)]


def rows_of(path: Path) -> list[dict[str, Any]]:
    """Without what is not compared: the tokens are most of a file."""
    try:
        with parquet(path) as file:
            schema = file.metadata.schema
            paths = [schema.column(i).path.split(".") for i in range(len(schema))]
            kept = [".".join(path) for path in paths if path[0].strip("_") in COLUMNS and not {*path} & UNREAD]
            table = file.read(kept)
        return list(table.rename_columns([name.strip("_") for name in table.column_names]).to_pylist())
    except (OSError, pa.ArrowException, UnicodeDecodeError, MemoryError) as error:
        raise ValueError(f"{path.name} is no whole Parquet file: {brief(str(error))}") from None


def row_of(where: str, row: dict[str, Any], group: str | None) -> dict[str, Any]:
    """What is compared of a document; each part may be kept as JSON."""
    doc, answer, scores = (as_object(f"{where}: {name}", row.get(name)) for name in COLUMNS)
    gold, choices = doc.get("gold_index"), check_kind(f"{where}: choices", doc.get("choices") or [], list, "a list")
    golds = [i for i in (gold if isinstance(gold, list) else [gold]) if isinstance(i, int) and 0 <= i < len(choices)]
    texts = answer.get("text_post_processed") or answer.get("text") or []
    logs = check_kind(f"{where}: logprobs", answer.get("logprobs") or [], list, "a list")
    for log in logs:
        if isinstance(log, bool) or not isinstance(log, int | float) or not (log <= 1e-3):
            raise ValueError(f"{where}: the log-probability {brief(log)} is no number of at most 0")
    asked = answer.get("input") or [doc.get(name) for name in ("instruction", "fewshot_samples", "query")]
    return {
        "question": str(doc.get("query", "")),
        "options": [str(choice) for choice in choices],
        "gold": "; ".join(str(choices[i]) for i in golds),
        "golds": golds,
        "group": None if group is None else group_of(where, doc.get("specific"), group),
        "text": str(texts[0]) if isinstance(texts, list) and texts else "",
        "logs": logs if len(logs) == len(choices) and len(logs) > 1 else [],
        "prompt_hash": hashed(asked),
        "scores": scores,
    }


def as_object(where: str, value: Any) -> dict[str, Any]:
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            raise ValueError(f"{where} is expected to be an object, got {brief(value)}") from None
    return dict(check_kind(where, value, dict, "an object"))


def of_options(lines: list[dict[str, Any]], right: np.ndarray, noticed: list[str]) -> dict[str, Any]:
    logs, counts = np.concatenate([row["logs"] for row in lines]), np.array([len(row["logs"]) for row in lines])
    said, shares, confidence = decided(logs.astype(np.float64), counts)
    off = sum((i in row["golds"]) != bool(r) for i, row, r in zip(said, lines, right, strict=True))
    against(off, READER.name, noticed)
    return {
        "options": [row["options"] for row in lines],
        "said_index": said,
        "said": [row["options"][i] for row, i in zip(lines, said, strict=True)],
        "gold_index": [row["golds"][0] if len(row["golds"]) == 1 else None for row in lines],
        "gold": [row["gold"] for row in lines],
        "probabilities": shares,
        "confidence": confidence,
    }


def harness(path: Path, name: Told, metric: str) -> dict[str, float]:
    """Its own figures, from results_TIME.json, which lies in a folder beside `details`."""
    parts = path.parts
    if not name.time or "details" not in parts:
        return {}
    at = len(parts) - 1 - parts[::-1].index("details")
    beside = Path(*parts[:at], "results", *parts[at + 1 : -2], f"results_{name.time}.json")
    found = json_of(beside) if beside.is_file() else {}
    results = found.get("results") if isinstance(found, dict) else None
    own = results.get(name.task.replace("|", ":")) or results.get(name.task) if isinstance(results, dict) else None
    return figures(own.items()) if isinstance(own, dict) else {}


READER = Reader(
    name="lighteval",
    takes=("run", "metric", "group"),
    looks_for="details_TASK_TIME.parquet of lighteval (--save-details)",
    recognises=recognises,
    read=read,
    told=told,
)
