"""Logs of every format with something wrong in them: bytes, or values where nobody expects them."""

import json
import random
import tempfile
import zipfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pyarrow
import pyarrow.parquet
from fuzzing import judged
from hypothesis import strategies as st

from trusteq.records.joined import join
from trusteq.records.read import read
from trusteq.records.record import Record, record
from trusteq.records.zipped import Zipped

DATA = Path(__file__).resolve().parent / "records" / "data"
ROWS = {"id": ["a", "b", "c"], "gold": ["x", "y", "x"], "said": ["x", "x", "y"], "confidence": [0.5, 1.0, 0.25]}
ITEMS = [{"id": f"q{i}", "question": "?", "options": {"A": "x", "B": "y"}, "answer": "AB"[i % 2]} for i in range(4)]
RUN = {"model": "m", "precision": "int8", "benchmark": "arc", "preds": list("ABBA"), "confs": [0.5, 0.6, 1.0, 0.75]}
STRANGE: tuple[Any, ...] = (
    None, True, 0, -1, 1.2, 0.5, 10**400, float("nan"), float("inf"), "", "x", "nan", "-3", "0.7", "\ud800", "a\x00b",
    [], {}, [None], [[]], {"a": 1}, ["x", "x"], [1.5, -1.5], "9" * 400, [[[[]]]], "C", "2", 1e308, b"", "A\nB",
)  # fmt: skip


@cache
def originals() -> dict[str, dict[str, bytes]]:
    """A small log of each format, as the files of a folder."""
    made: dict[str, dict[str, bytes]] = {}
    [samples] = (DATA / "lm_eval" / "smollm2").glob("*/samples_tiny_arc*")
    [results] = (DATA / "lm_eval" / "smollm2").glob("*/results*")
    few = b"".join(samples.read_bytes().splitlines(keepends=True)[:3])
    made["lm-eval"] = {samples.name: few, results.name: results.read_bytes()}
    [sums] = (DATA / "lm_eval" / "smollm2").glob("*/samples_tiny_sums*")
    lines = sums.read_bytes().splitlines(keepends=True)
    made["lm-eval generation"] = {sums.name: b"".join([*lines[:3], *lines[-3:]])}
    archive, text = sorted((DATA / "inspect_unparsed").iterdir())
    made["inspect"] = {"log.eval": archive.read_bytes()}
    [log] = (DATA / "inspect_json").iterdir()
    made["inspect json"] = {"log.json": log.read_bytes()}
    made["inspect unparsed"] = {"log.json": text.read_bytes()}
    for path in (DATA / "lighteval" / "smollm2").rglob("*.parquet"):
        made[f"lighteval {path.name[8:16]}"] = {path.name.replace("-0_", "|0_"): path.read_bytes()}
    made["replication"] = {
        "m__int8__arc.json": json.dumps(RUN).encode(),
        "items.json": json.dumps({"arc": ITEMS}).encode(),
    }
    table = "\n".join(",".join(map(str, row)) for row in [list(ROWS), *zip(*ROWS.values(), strict=True)])
    made["csv"] = {"table.csv": table.encode()}
    made["tsv"] = {"table.tsv": table.replace(",", "\t").encode()}
    named = [dict(zip(ROWS, row, strict=True)) for row in zip(*ROWS.values(), strict=True)]
    made["jsonl"] = {"table.jsonl": "\n".join(map(json.dumps, named)).encode()}
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        pyarrow.parquet.write_table(pyarrow.table(ROWS), folder / "table.parquet")
        record({"model": "m", "task": "t"}, {"id": ["a", "b"], "right": [True, False]}).write(folder / "record.parquet")
        rows = np.array([[0.5, 0.25, 0.25], [0, 1, 0], [2, 1, 0]])
        np.savez(folder / "rows.npz", predictions=rows, label_ids=np.array([0, 1, 2]))
        np.save(folder / "rows.npy", rows)
        for path in sorted(folder.iterdir()):
            made[path.name] = {path.name: path.read_bytes()}
        datasets.Dataset.from_dict(ROWS).save_to_disk(folder / "saved")
        made["datasets"] = {path.name: path.read_bytes() for path in (folder / "saved").iterdir()}
    return made


CASES = st.tuples(
    st.integers(0, 16),
    st.sampled_from(["bytes", "values", "values", "values", "nothing"]),
    st.integers(0, 2**32 - 1),
    st.booleans(),
)


def read_log(case: tuple[int, str, int, bool]) -> str:
    """A mutated log, read from its file or its folder, and joined with the sound one."""
    at, way, seed, as_folder = case
    kinds = sorted(originals())
    kind, rng = kinds[at % len(kinds)], random.Random(seed)
    files = dict(originals()[kind])
    name = rng.choice(sorted(files))
    files[name] = WAYS[way](name, files[name], rng)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        for one, content in files.items():
            (folder / one).write_bytes(content)
        whole = as_folder or kind == "datasets"
        return judged(lambda: compared(folder if whole else folder / next(iter(files)), kind), check)


def compared(place: Path, kind: str) -> list[Record]:
    records = read(place)
    for one, sound in zip(records, sound_records(kind), strict=False):
        join(sound, one, allow_different_prompts=True)
    return records


@cache
def sound_records(kind: str) -> list[Record]:
    with tempfile.TemporaryDirectory() as place:
        for name, content in originals()[kind].items():
            (Path(place) / name).write_bytes(content)
        try:
            return read(place)
        except ValueError:  # of arrays without labels beside them
            return []


def check(records: list[Record]) -> None:
    """What was read can be written, and comes back the same."""
    assert records
    for one in records:
        assert {"id", "right"} <= set(one.table.column_names)
        assert all(isinstance(sentence, str) and len(sentence.splitlines()) == 1 for sentence in one.head["noticed"])
        json.dumps(one.head, allow_nan=False)
        with tempfile.TemporaryDirectory() as place:
            path = Path(place) / "record.parquet"
            one.write(path)
            assert Record.read(path).table.equals(one.table)
        one.rows()


# Ways to spoil a file.


def nothing(name: str, content: bytes, rng: random.Random) -> bytes:
    return content


def spoiled_bytes(name: str, content: bytes, rng: random.Random) -> bytes:
    made = bytearray(content)
    for _ in range(rng.choice([1, 1, 2, 5, 40])):
        start = rng.randrange(len(made) + 1)
        end = min(len(made), start + rng.choice([1, 1, 2, 8, 100, 2000]))
        way = rng.choice(["change", "change", "drop", "double", "cut"])
        if way == "change":
            made[start:end] = rng.randbytes(end - start)
        elif way == "drop":
            del made[start:end]
        elif way == "double":
            made[start:start] = made[start:end]
        elif rng.random() < 0.3:
            del made[start:]
    return bytes(made)


def spoiled_values(name: str, content: bytes, rng: random.Random) -> bytes:
    """A value in it is another, or is gone; of what has no values, bytes are."""
    suffix = Path(name).suffix
    if suffix == ".json":
        return dumped(spoiled(json.loads(content), rng))
    if suffix == ".jsonl":
        lines = [json.loads(line) for line in content.splitlines()]
        for _ in range(rng.choice([1, 1, 2])):
            at = rng.randrange(len(lines))
            lines[at] = spoiled(lines[at], rng)
        return b"\n".join(map(dumped, lines))
    if suffix == ".eval":
        return spoiled_archive(content, rng)
    if suffix in (".csv", ".tsv"):
        cells = content.decode().replace("\n", "\n ").split(" ")
        mark = "," if suffix == ".csv" else "\t"
        at = rng.randrange(len(cells))
        parts = cells[at].split(mark)
        parts[rng.randrange(len(parts))] = str(rng.choice(STRANGE))
        cells[at] = mark.join(parts)
        return "".join(cells).encode("utf-8", "surrogatepass")
    if suffix == ".parquet":
        rows = pyarrow.parquet.read_table(pyarrow.BufferReader(content)).to_pylist()
        at = rng.randrange(len(rows))
        rows[at] = spoiled(rows[at], rng)
        try:
            sink = pyarrow.BufferOutputStream()
            pyarrow.parquet.write_table(pyarrow.Table.from_pylist([row for row in rows if isinstance(row, dict)]), sink)
            return bytes(sink.getvalue())
        except Exception:  # what Parquet cannot hold cannot come out of it
            pass
    return spoiled_bytes(name, content, rng)


def spoiled_archive(content: bytes, rng: random.Random) -> bytes:
    """The archive with one member's value changed, or a member twice, or none of it."""
    with tempfile.TemporaryDirectory() as place:
        path, made = Path(place) / "in.eval", Path(place) / "out.eval"
        path.write_bytes(content)
        with Zipped(path) as archive, zipfile.ZipFile(made, "w") as out:
            names = archive.names()
            wanted = rng.choice(["header.json", *names])
            for name in names:
                member = archive.read(name)
                if name == wanted:
                    member = dumped(spoiled(json.loads(member), rng))
                if name != wanted or rng.random() < 0.9:
                    out.writestr(name, member)
        return made.read_bytes()


def dumped(value: Any) -> bytes:
    return json.dumps(value, default=str).encode()


def spoiled(value: Any, rng: random.Random) -> Any:
    """The same with one thing in it changed, mostly near its top, where the fields are."""
    if isinstance(value, dict) and value and rng.random() < 0.9:
        name = rng.choice(sorted(value))
        if rng.random() < 0.15:
            return {key: one for key, one in value.items() if key != name}
        return value | {name: spoiled(value[name], rng)}
    if isinstance(value, list) and value and rng.random() < 0.8:
        at = rng.randrange(len(value))
        way = rng.random()
        inner = [spoiled(value[at], rng)] if way < 0.8 else [] if way < 0.9 else [value[at], value[at]]
        return [*value[:at], *inner, *value[at + 1 :]]
    return rng.choice(STRANGE)


WAYS: dict[str, Callable[[str, bytes, random.Random], bytes]] = {
    "nothing": nothing,
    "bytes": spoiled_bytes,
    "values": spoiled_values,
}
