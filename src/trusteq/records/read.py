"""What did a model say, as it lies on disk? A file, a folder of logs or a pattern, to a record for each task."""

import glob
import os
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import fields, replace
from pathlib import Path

from trusteq.checks import brief, check_choice
from trusteq.records.readers.reader import Reader, ReadOptions, Unscored, first_object
from trusteq.records.readers.registry import READERS
from trusteq.records.record import Record
from trusteq.wording import clean

MOST = 20_000  # files and folders that are looked at
NO_OPTIONS = ReadOptions()


def read(place: str | Path, format: str | None = None, options: ReadOptions = NO_OPTIONS) -> list[Record]:
    """A record for each task and filter of one model's run, in the order of their names.

    >>> file = getfixture("tmp_path") / "small.csv"
    >>> _ = file.write_text("id,gold,said\\n1,good,good\\n2,bad,good\\n")
    >>> [small] = read(file)
    >>> small.head["format"], small.table["right"].to_pylist()
    ('table', [True, False])
    """
    try:
        return records_of(place, format, options)
    except ValueError as error:  # it may quote names from the file, which may hold anything
        if (said := clean(error)) == str(error):
            raise
        raise ValueError(said) from None


def records_of(place: str | Path, format: str | None, options: ReadOptions) -> list[Record]:
    if format is not None:
        check_choice("format", format, tuple(READERS))
    paths, several = found(place)
    known = recognised(place, paths, format, several)
    reader = known[0][1]
    check_taken(reader, options)
    chosen, left = newest(known, options)
    if not chosen:
        raise ValueError(f"{place} holds no run {brief(options.run)}")
    records: list[Record] = []
    unscored: list[ValueError] = []
    for path in chosen:
        try:
            records += reader.read(path, options)
        except Unscored as error:
            unscored.append(error)
    if not records:
        raise ValueError(str(unscored[0]))
    records = checked(str(place), of_model(str(place), records, options), options)
    records[0].head["noticed"] += left + [f"{error}; it is left out" for error in unscored]
    return sorted(records, key=lambda record: (record.head["task"], record.head.get("filter", "")))


# Which files are meant.


def found(place: str | Path) -> tuple[list[Path], bool]:
    """The files, and whether there may be others among them than logs."""
    path = Path(os.path.expanduser(place))
    try:
        if path.is_file():
            return [path], False
        if path.is_dir():
            return list(below(path)), True
        matches = [Path(name) for name in sorted(glob.glob(str(path), recursive=True)) if is_plain(Path(name))]
    except (OSError, ValueError):  # a name that no system takes
        matches = []
    if not matches:
        raise ValueError(f"there is no file or folder {place}")
    if len(matches) > MOST:
        raise ValueError(f"{place} are {len(matches):,} files, more than {MOST:,}")
    return matches, True


def below(folder: Path) -> Iterator[Path]:
    """A folder, and everything in it that is not hidden; links to folders are not followed."""
    yield folder
    count = 0
    for here, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted([*folders, *files]):
            count += 1
            if count > MOST:
                raise ValueError(f"{folder} holds more than {MOST:,} files: name the folder of one run")
            if not name.startswith(".") and is_plain(Path(here) / name):
                yield Path(here) / name


def is_plain(path: Path) -> bool:
    """A pipe, say, could be waited for without end."""
    return path.is_file() or path.is_dir()


def recognised(place: str | Path, paths: list[Path], format: str | None, several: bool) -> list[tuple[Path, Reader]]:
    """The files that are of one format; what else lies beside a harness's logs is not looked at."""
    if format is not None:
        named = READERS[format]
        known = [(path, named) for path in paths if not several or named.recognises(path)]
        if not known:
            raise ValueError(f"{place} holds nothing of the format {format}: looked for {named.looks_for}")
        return known
    pairs = [(path, reader) for path in paths if (reader := reader_of(path))]
    if not pairs:
        raise ValueError(nothing(place, paths, several))
    general = all(reader.general for _, reader in pairs)
    pairs = [(path, reader) for path, reader in pairs if reader.general == general]
    names = list(dict.fromkeys(reader.name for _, reader in pairs))
    if len(names) > 1:
        raise ValueError(f"{place} holds files of {' and '.join(names)}: say which is meant by format={names[0]!r}")
    return pairs


def reader_of(path: Path) -> Reader | None:
    return next((reader for reader in READERS.values() if reader.recognises(path)), None)


def nothing(place: str | Path, paths: list[Path], several: bool) -> str:
    """Why nothing can be read: what was looked for, or what the one file lacks."""
    if several:
        looked = "; ".join(f"{reader.name}: {reader.looks_for}" for reader in READERS.values())
        return f"{place} holds no logs or tables that can be read; looked for {looked}"
    held = first_object(paths[0])
    needed = {reader.name: reader.needs.split(", ") for reader in READERS.values() if reader.needs}
    near = max(needed, key=lambda name: sum(field in held for field in needed[name]) / len(needed[name]))
    lacking = [field for field in needed[near] if field not in held]
    if not held or len(lacking) == len(needed[near]):
        return f"{place} is of no format that can be read; there are {', '.join(READERS)}"
    if not lacking:
        return f"{place} has the fields of {near}, but is laid out in another way: say so by format={near!r}"
    there = ", ".join(list(map(str, held))[:8])
    return f"{place} is of no format that can be read: it holds {there[:200]}; for {near} it lacks {lacking[0]!r}"


def check_taken(reader: Reader, options: ReadOptions) -> None:
    """What is said of a file and not asked of its format would be without effect."""
    allowed = ("model", *reader.takes)
    for field in fields(options):
        if getattr(options, field.name) and field.name not in allowed:
            raise ValueError(f"{field.name} says nothing of {reader.name}; what does is {', '.join(allowed)}")


# Which runs are meant.


def newest(known: list[tuple[Path, Reader]], options: ReadOptions) -> tuple[list[Path], list[str]]:
    """Of several runs of a task the newest, or the one that `run` names, as the files' names tell it."""
    told = {path: reader.told(path) for path, reader in known}
    if options.model in {one.model for one in told.values()}:
        told = {path: one for path, one in told.items() if one.model == options.model}
    runs: dict[tuple[Path, str], list[Path]] = defaultdict(list)
    for path, one in told.items():
        runs[(path.parent, one.task) if one.time else (path, "")].append(path)
    chosen, left = [], []
    for (_, task), paths in runs.items():
        times = {path: told[path].time for path in paths}
        if options.run is not None and task:
            times = {path: time for path, time in times.items() if time.startswith(options.run)}
        if times:
            chosen.append(max(times, key=times.__getitem__))
        if len(times) > 1:
            left.append(older(task, sorted(times.values())))
    return chosen, left


def older(task: str, times: list[str]) -> str:
    others = ", ".join(times[:-1][-3:])
    return f"{task} was run {len(times)} times: the newest is taken, {times[-1]}, not {others} (run names one)"


def of_model(place: str, records: list[Record], options: ReadOptions) -> list[Record]:
    """The records of one model."""
    models = list(dict.fromkeys(record.head["model"] for record in records))
    if options.model is not None:
        models = [name for name in models if name == options.model] or [m for m in models if options.model in m]
    if not models:
        there = ", ".join(dict.fromkeys(record.head["model"] or "one without a name" for record in records))
        raise ValueError(f"{place} holds no run of {brief(options.model)}; there are {there[:400]}")
    if len(models) > 1:
        names = ", ".join(models[:6]) + (", ..." if len(models) > 6 else "")
        raise ValueError(f"{place} holds runs of {len(models)} models ({names[:400]}): name one with model")
    return [record for record in records if record.head["model"] == models[0]]


def checked(place: str, records: list[Record], options: ReadOptions) -> list[Record]:
    """One record for each task and filter: of runs that only their contents tell apart the newest, too."""
    by_name: dict[tuple[str, str], list[Record]] = defaultdict(list)
    for record in records:
        by_name[record.head["task"], record.head.get("filter", "")].append(record)
    kept = []
    for (task, filter), same in by_name.items():
        times = [str(record.head.get("time", "")) for record in same]
        if options.run is not None and any(times):
            same = [record for record, time in zip(same, times, strict=True) if time.startswith(options.run)]
            times = [time for time in times if time.startswith(options.run)]
        if not same:
            continue
        if len(same) > len(set(times)) or (len(same) > 1 and not all(times)):
            files = " and ".join(list(dict.fromkeys(record.head["place"] for record in same))[:3])
            called = f"{task}, {filter}" if filter else task
            raise ValueError(f"{place} holds two tasks of the name {brief(called)}, in {files}: name the file of one")
        latest = max(same, key=lambda record: str(record.head.get("time", "")))
        if len(same) > 1:
            more = older(task, sorted(times))
            latest = replace(latest, head={**latest.head, "noticed": [*latest.head["noticed"], more]})
        kept.append(latest)
    if not kept:
        raise ValueError(f"{place} holds no run {brief(options.run)}")
    return kept
