"""The answers of "[Re] Accuracy is Not All You Need": MODEL__PRECISION__BENCH.json beside items.json, in one order."""

from collections import defaultdict
from functools import lru_cache
from pathlib import Path
from typing import Any

from trusteq.checks import brief
from trusteq.records.readers.reader import Reader, ReadOptions, Told, check_kind, counted, hashed, json_of, start_of
from trusteq.records.record import Record, record

FIELDS = ("model", "precision", "benchmark", "preds", "confs")


def recognises(path: Path) -> bool:
    start = start_of(path, 400)
    return path.suffix == ".json" and start.lstrip()[:1] == b"{" and all(f'"{f}"'.encode() in start for f in FIELDS[:4])


def told(path: Path) -> Told:
    """
    >>> told(Path("Qwen__Qwen2.5-3B__int8__arc.json"))
    Told(model='Qwen/Qwen2.5-3B int8', task='arc', time='')
    """
    model, precision, task = (["", "", *path.stem.rsplit("__", 2)])[-3:]
    return Told(f"{model.replace('__', '/')} {precision}", task)


def read(path: Path, options: ReadOptions) -> list[Record]:
    run, place = check_kind(path.name, json_of(path), dict, "an object"), path.name
    if missing := [field for field in FIELDS if field not in run]:
        raise ValueError(f"{place} has no field {missing[0]!r}; expected {', '.join(FIELDS)}")
    task = check_kind(f"{place}: benchmark", run["benchmark"], str, "a name")
    beside = path.parent / "items.json"
    if not beside.is_file():
        raise ValueError(f"{place} needs the questions and their answers: there is no items.json beside it")
    keys, asked = questions(beside, beside.stat().st_mtime_ns, task)
    answers = {name: check_kind(f"{place}: {name}", run[name], list, "a list") for name in ("preds", "confs")}
    for name, values in answers.items():
        if len(values) != len(keys):
            raise ValueError(
                f"{place} has {len(values):,} {name}, but items.json has {len(keys):,} questions of {task}"
            )
    said = [None if answer is None else str(answer) for answer in answers["preds"]]
    unknown = sum(answer not in named for answer, named in zip(said, keys, strict=True))
    columns = asked | {
        "said": said,
        "said_index": [named.get(answer) for answer, named in zip(said, keys, strict=True)],
        "right": [answer == gold for answer, gold in zip(said, asked["gold"], strict=True)],
        "confidence": answers["confs"],
    }
    noticed: list[str] = []
    counted(unknown, "answer is none of the options", "answers are none of the options", noticed)
    head = {"model": f"{run['model']} {run['precision']}", "task": task, "format": READER.name, "place": place}
    return [record(head | {"noticed": noticed}, columns)]


@lru_cache(maxsize=16)
def questions(path: Path, changed: int, task: str) -> tuple[list[dict[str | None, int]], dict[str, list[Any]]]:
    """Every question's letters with their places, and the columns that are the same for every model."""
    items = check_kind(path.name, json_of(path), dict, "an object").get(task)
    check_kind(f"{path.name}: {brief(task)}", items, list, "a list of questions")
    keys, asked = [], defaultdict[str, list[Any]](list)
    for number, item in enumerate(items):
        where = f"{path.name}: {task}, question {number}"
        check_kind(where, item, dict, "an object")
        choices = check_kind(f"{where}: options", item.get("options"), dict, "an object")
        if not isinstance(gold := item.get("answer"), str) or gold not in choices:
            raise ValueError(f"{where}: the answer {brief(gold)} is none of its options")
        question, texts = str(item.get("question", "")), [str(choice) for choice in choices.values()]
        keys.append({letter: place for place, letter in enumerate(choices)})
        asked["id"].append(str(item.get("id", number)))
        asked["doc_hash"].append(hashed(question, texts))
        asked["question"].append(question)
        asked["options"].append(texts)
        asked["gold"].append(gold)
        asked["gold_index"].append(keys[-1][gold])
    return keys, dict(asked)


READER = Reader(
    name="replication",
    looks_for="MODEL__PRECISION__BENCH.json beside items.json",
    needs=", ".join(FIELDS),
    recognises=recognises,
    read=read,
    told=told,
)
