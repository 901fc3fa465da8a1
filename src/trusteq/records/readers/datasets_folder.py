"""A folder that `datasets` saved (save_to_disk): Arrow files beside state.json, read without that library."""

from pathlib import Path
from typing import Any

import pyarrow as pa

from trusteq.checks import brief
from trusteq.records.memory import check_fits
from trusteq.records.readers.columns import GUESSES, record_of
from trusteq.records.readers.reader import Reader, ReadOptions, check_kind, json_of
from trusteq.records.record import Record
from trusteq.records.tables import CELL


def recognises(path: Path) -> bool:
    if (path / "dataset_dict.json").is_file():
        return True
    split = (path.parent / "dataset_dict.json").is_file()
    return not split and (path / "state.json").is_file() and (path / "dataset_info.json").is_file()


def read(path: Path, options: ReadOptions) -> list[Record]:
    if not recognises(path):
        raise ValueError(f"{path} is no folder of datasets: expected state.json and dataset_info.json in it")
    folder, head = path, {"model": path.name, "task": path.name, "format": READER.name, "place": path.name}
    if (path / "dataset_dict.json").is_file():
        splits = json_of(path / "dataset_dict.json")
        names = check_kind(
            "dataset_dict.json", splits.get("splits") if isinstance(splits, dict) else None, list, "splits"
        )
        split = options.split if options.split is not None else names[0] if len(names) == 1 else None
        if split not in names or not isinstance(split, str) or Path(split).name != split:
            there = ", ".join(map(str, names))
            raise ValueError(f"{path} holds the splits {there[:200]}: name one by split, got {brief(options.split)}")
        folder = path / split
    state = check_kind("state.json", json_of(folder / "state.json"), dict, "an object")
    files = check_kind("state.json", state.get("_data_files"), list, "_data_files")
    if state.get("_indices_data_files"):
        raise ValueError(f"{folder} has rows that were chosen but not written: save it again by save_to_disk")
    columns: dict[str, list[Any]] = {}
    for file in files:
        name = file.get("filename") if isinstance(file, dict) else None
        if not isinstance(name, str) or Path(name).name != name:
            raise ValueError(f"{folder}: state.json names the file {brief(name)}, which is not in this folder")
        for column, values in from_arrow(folder / name).items():
            columns.setdefault(column, []).extend(values)
    info = check_kind("dataset_info.json", json_of(folder / "dataset_info.json"), dict, "an object")
    features = info.get("features") if isinstance(info.get("features"), dict) else {}
    kind = features.get(options.gold or next((name for name in ("gold", "label", "labels") if name in columns), ""), {})
    classes = kind.get("names") if isinstance(kind, dict) and kind.get("_type") == "ClassLabel" else None
    classes = classes if isinstance(classes, list) and all(isinstance(one, str) for one in classes) else []
    return [record_of(columns, options, head, classes)]


def from_arrow(path: Path) -> dict[str, list[Any]]:
    try:
        check_fits(path.name, path.stat().st_size)
        with pa.memory_map(str(path)) as source, pa.ipc.open_stream(source) as stream:
            table = stream.read_all()
            table.validate(full=True)
        check_fits(path.name, table.num_rows * table.num_columns * CELL)
        return {name: table[name].to_pylist() for name in table.column_names}
    except (OSError, pa.ArrowException, UnicodeError) as error:
        raise ValueError(f"{path} is no Arrow file as datasets writes it: {brief(str(error))}") from None


READER = Reader(
    name="datasets",
    looks_for="a folder of save_to_disk (state.json, dataset_info.json)",
    takes=(*GUESSES, "labels", "split"),
    general=True,
    recognises=recognises,
    read=read,
)
