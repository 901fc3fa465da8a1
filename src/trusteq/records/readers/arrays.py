"""Arrays that a training loop saved: npz (a Trainer's PredictionOutput, or arrays by name) and npy.

Predictions are labels, or rows of probabilities or logits; nothing is unpickled."""

from pathlib import Path
from typing import Any

import numpy as np

from trusteq.records.arrays import as_archive
from trusteq.records.memory import check_fits
from trusteq.records.readers.columns import record_of
from trusteq.records.readers.reader import Reader, ReadOptions, start_of
from trusteq.records.record import OFF, Record

SAID = ("predictions", "probabilities", "logits", "preds", "said", "arr_0")
GOLD = ("label_ids", "references", "labels", "gold", "arr_1")
OTHERS = ("id", "group", "confidence")
IGNORED = -100  # the label of a place that a Trainer does not count


def recognises(path: Path) -> bool:
    start = start_of(path, 6)
    return start == b"\x93NUMPY" or (path.suffix == ".npz" and start[:2] == b"PK")


def read(path: Path, options: ReadOptions) -> list[Record]:
    arrays, place = loaded(path), path.name
    said = named(arrays, options.said or next(iter(options.probabilities), None), SAID)
    if said is None:
        raise ValueError(f"{place} holds no predictions: its arrays are {', '.join(arrays)[:300]}; name them by said")
    gold = named(arrays, options.gold, GOLD)
    others = {name: getattr(options, name) or name for name in OTHERS}
    if lacking := [array for name, array in others.items() if getattr(options, name) and array not in arrays]:
        raise ValueError(f"{place} holds no array {lacking[0]!r}; its arrays are {', '.join(arrays)[:300]}")
    used = {said, gold, *others.values()}
    noticed = [f"the array {name!r} is not read" for name in arrays if name not in used]
    if objects := [name for name, array in arrays.items() if name in used and array.dtype.kind == "O"]:
        raise ValueError(f"{place}: {objects[0]} holds Python objects, which are not unpickled: save plain arrays")
    if options.references is not None:
        beside = loaded(Path(options.references))
        found = named(beside, options.gold, (*GOLD, *SAID))
        if found is None:
            raise ValueError(f"{options.references} holds no labels: its arrays are {', '.join(beside)[:300]}")
        arrays, gold = arrays | {"gold of another file": beside[found]}, "gold of another file"
    if gold is None:
        raise ValueError(
            f"{place} holds no right answers: name the array by gold, or the file that has them by references"
        )
    if said.startswith("arr_"):
        noticed.append("arrays without names are taken to be predictions and labels, in this order")
    columns: dict[str, Any] = {name: arrays[array] for name, array in others.items() if array in arrays}
    outputs, labels = arrays[said], arrays[gold]
    if outputs.ndim == 3 and labels.ndim == 2 and outputs.shape[:2] == labels.shape:
        outputs, labels, groups = tokens(outputs, labels)
        columns["group"] = groups
        noticed.append(f"each of {len(labels):,} tokens is an example, and the tokens of a text a group")
    if outputs.ndim == 2 and outputs.shape[1] > 1 and outputs.dtype.kind in "fiub":
        columns["probabilities"] = list(as_probabilities(said, outputs, place, noticed))
    elif outputs.ndim == 1:
        columns["said"] = outputs
    else:
        expected = "a label, or a row of two or more classes, for each example"
        raise ValueError(f"{place}: {said} must hold {expected}, got the shape {outputs.shape} of {outputs.dtype}")
    columns["gold"] = labels
    for name, values in columns.items():
        if np.ndim(values) != 1 + (name == "probabilities") or len(values) != len(outputs):
            shape = f"the shape {np.shape(values)}, for {len(outputs):,} {said}"
            raise ValueError(f"{place}: {name} must hold one value for each example, got {shape}")
    plain = {name: values if name == "probabilities" else values.tolist() for name, values in columns.items()}
    head = {"model": path.stem, "task": path.stem, "format": READER.name, "place": place, "noticed": noticed}
    return [record_of(plain, ReadOptions(labels=options.labels), head)]


def loaded(path: Path) -> dict[str, np.ndarray]:
    """Every array, by its name: that of a npy file is `predictions`."""
    if start_of(path, 6) == b"\x93NUMPY":
        check_fits(path.name, path.stat().st_size)
        with as_archive(path):
            return {"predictions": np.load(path, allow_pickle=False)}
    with as_archive(path):
        file = np.load(path, allow_pickle=False)
        size = sum(part.file_size for part in file.zip.infolist())
    check_fits(path.name, size)
    with as_archive(path), file:
        arrays = {name: plain(file, name) for name in file.files}
    return arrays


def plain(file: Any, name: str) -> np.ndarray:
    """An array; of Python objects, which would have to be unpickled, an empty one of their type."""
    try:
        return np.asarray(file[name])
    except ValueError as error:
        if "allow_pickle" not in str(error):
            raise
        return np.empty(0, dtype=object)


def named(arrays: dict[str, Any], wanted: str | None, usual: tuple[str, ...]) -> str | None:
    return next((name for name in ((wanted,) if wanted else usual) if name in arrays), None)


def tokens(outputs: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of texts that are labelled word by word, every place that counts."""
    counted = labels != IGNORED
    return outputs[counted], labels[counted], np.nonzero(counted)[0]


def as_probabilities(name: str, rows: np.ndarray, place: str, noticed: list[str]) -> np.ndarray:
    """As they are, if they can be probabilities; otherwise as logits, which is told."""
    rows = rows.astype(np.float64)
    if not np.isfinite(rows).all():
        row = int(np.argmin(np.isfinite(rows).all(axis=1)))
        raise ValueError(f"{place}: {name} holds NaN or infinity in row {row}")
    fits = bool(((rows >= 0) & (rows <= 1)).all()) and bool((np.abs(rows.sum(axis=1) - 1) <= OFF).all())
    if fits and name != "logits":
        return rows
    if name == "probabilities":
        return rows  # what is wrong with them is told where records are checked
    if name != "logits":
        noticed.append(f"{name} are no probabilities and taken to be logits")
    shifted = np.exp(rows - rows.max(axis=1, keepdims=True))
    return np.asarray(shifted / shifted.sum(axis=1, keepdims=True))


READER = Reader(
    name="arrays",
    looks_for="npz or npy files of predictions and labels",
    takes=("said", "gold", "probabilities", *OTHERS, "labels", "references"),
    general=True,
    recognises=recognises,
    read=read,
)
