"""inspect_ai's logs: .eval (a ZIP of zstd members, one for each sample) and .json.

A score of C is right; I, N and P (partly right) are not. What could not be parsed was answered by "". Samples that
failed have no scores. Tokens are raw BPE: a Ġ before a word is a space."""

import math
import re
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from trusteq.checks import brief
from trusteq.records.readers.reader import (
    Reader,
    ReadOptions,
    Told,
    Unscored,
    check_kind,
    counted,
    decisive,
    figures,
    group_of,
    hashed,
    json_of,
    left_out,
    letters,
    loaded,
    start_of,
)
from trusteq.records.record import Record, record
from trusteq.records.zipped import Zipped

VERSION = 2  # of a log
NAMES = ("model", "task", "created")
FIELDS = ("version", "status", "eval")
VALUES = {"C": 1.0, "P": 0.5, "I": 0.0, "N": 0.0}
HEADERS = ("header.json", "_journal/start.json")  # the second is all that a run which was killed has
SLACK = 1e-3  # a log-probability may be above 0 by rounding


def recognises(path: Path) -> bool:
    start = start_of(path, 4000)
    if path.suffix == ".json":
        return start.lstrip()[:1] == b"{" and all(
            f'"{name}"'.encode() in start for name in ("version", "status", "eval")
        )
    if start[:2] != b"PK":
        return False
    return b"header.json" in start_of_end(path) or path.suffix == ".eval"


def start_of_end(path: Path) -> bytes:
    """The names of the last members of an archive, which stand at its end."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - 4000))
            return file.read()
    except OSError:
        return b""


def told(path: Path) -> Told:
    """As the header has it: a folder of logs holds all models."""
    if path.suffix == ".json":
        return Told()
    try:
        with Zipped(path) as archive:
            header = header_of(archive)
    except ValueError:
        return Told()  # it is told where the file is read
    run = header.get("eval")
    return Told(*(str(run.get(name, "")) for name in NAMES)) if isinstance(run, dict) else Told()


def header_of(archive: Zipped) -> dict[str, Any]:
    there = archive.names()
    name = next((name for name in HEADERS if name in there), None)
    if name is None:
        raise ValueError(f"{archive.path.name} is no log of inspect_ai: it has no header.json")
    header = loaded(f"{archive.path.name}: {name}", archive.read(name))
    return dict(check_kind(f"{archive.path.name}: {name}", header, dict, "an object"))


def read(path: Path, options: ReadOptions) -> list[Record]:
    if start_of(path, 2) == b"PK":
        with Zipped(path) as archive:
            header = header_of(archive)
            check_version(path.name, header)
            return [of_samples(path.name, header, members(archive), options)]
    log = check_kind(path.name, json_of(path), dict, "an object")
    check_version(path.name, log)
    samples = check_kind(f"{path.name}: samples", log.get("samples") or [], list, "a list")
    named = ((f"{path.name}: sample {number}", sample) for number, sample in enumerate(samples))
    return [of_samples(path.name, log, named, options)]


def check_version(place: str, header: dict[str, Any]) -> None:
    version = header.get("version")
    if isinstance(version, int) and version > VERSION:
        raise ValueError(f"{place} is of a newer inspect_ai: its log has the version {version}, and {VERSION} is known")
    if version not in (1, VERSION) or not isinstance(header.get("eval"), dict):
        raise ValueError(f"{place} is no log of inspect_ai: expected version and eval in its header")


def members(archive: Zipped) -> Iterator[tuple[str, Any]]:
    """Every sample with its place, in the order of the names: they lie in that of their end."""
    for name in sorted(name for name in archive.names() if re.fullmatch(r"samples/.+\.json", name)):
        yield f"{archive.path.name}: {name}", loaded(f"{archive.path.name}: {name}", archive.read(name))


def of_samples(place: str, header: dict[str, Any], samples: Iterator[tuple[str, Any]], options: ReadOptions) -> Record:
    run, noticed, rows, unscored = header["eval"], [], [], 0
    for where, sample in samples:
        row = row_of(where, check_kind(where, sample, dict, "a sample"), options.group)
        unscored += not row["scores"]
        rows += [row] if row["scores"] else []
    if header.get("status", "started") != "success":
        noticed.append(f"the run is not complete: its status is {header.get('status', 'started')}")
    if not rows:
        raise Unscored(f"{place} holds no sample with a score" + "".join(f" ({told})" for told in noticed))
    left_out(unscored, "without a score", noticed)
    names = list(dict.fromkeys(name for row in rows for name in row["scores"]))
    binary = [n for n in names if all(row["scores"][n][0] in (0, 0.5, 1) for row in rows if n in row["scores"])]
    scorer = decisive(binary, options.metric, place, names, noticed)
    scored = [row for row in rows if scorer in row["scores"]]
    left_out(len(rows) - len(scored), f"without a score of {scorer}", noticed)
    columns = columns_of(place, scored, scorer, noticed)
    model, task, time = (str(run.get(name, "")) for name in NAMES)
    head = {"model": model, "task": task, "format": READER.name, "place": place, "time": time, "metric": scorer}
    return record(head | {"harness": harness(header, scorer), "noticed": noticed}, columns)


def row_of(where: str, sample: dict[str, Any], group: str | None) -> dict[str, Any]:
    """What is compared of a sample, without its events and messages."""
    if "id" not in sample:
        raise ValueError(f"{where} has no field 'id'; expected id, epoch, input, target, scores")
    scores = sample.get("scores") or {}
    check_kind(f"{where}: scores", scores, dict, "an object")
    asked = spoken(sample.get("messages"))
    given = sample.get("input")
    given = given if isinstance(given, str) else spoken(given)
    choices, target = sample.get("choices") or [], sample.get("target", "")
    output = sample.get("output")
    return {
        "where": where,
        "id": str(sample["id"]),
        "epoch": sample.get("epoch", 1),
        "group": None if group is None else group_of(where, sample.get("metadata"), group),
        "question": str(
            asked[-1][1] if asked and not isinstance(sample.get("input"), str) else sample.get("input", "")
        ),
        "doc_hash": hashed(given, choices, target),
        "prompt_hash": hashed(asked) if asked else None,
        "options": [str(choice) for choice in check_kind(f"{where}: choices", choices, list, "a list")],
        "gold": ", ".join(map(str, target)) if isinstance(target, list) else str(target),
        "scores": {str(name): (value_of(one), answer_of(one)) for name, one in scores.items()},
        "output": output if isinstance(output, dict) else {},
    }


def spoken(messages: Any) -> list[list[Any]]:
    """Messages before the model's first, without their ids; what it says in examples of the prompt is input."""
    said = []
    for message in messages if isinstance(messages, list) else ():
        if not isinstance(message, dict) or (message.get("role") == "assistant" and message.get("source") != "input"):
            break
        said.append([message.get("role"), message.get("content")])
    return said


def value_of(score: Any) -> float | None:
    """A score as a number; None where it is none."""
    value = score.get("value") if isinstance(score, dict) else None
    if isinstance(value, str):
        return VALUES.get(value)
    return float(value) if isinstance(value, int | float) and abs(value) < 1e300 else None


def answer_of(score: Any) -> str | None:
    answer = score.get("answer") if isinstance(score, dict) else None
    return answer if isinstance(answer, str) else None


def columns_of(place: str, rows: list[dict[str, Any]], scorer: str, noticed: list[str]) -> dict[str, Any]:
    several = any(row["epoch"] != 1 for row in rows)
    answers = [row["scores"][scorer][1] for row in rows]
    said = [completion(row) if answer is None else answer for row, answer in zip(rows, answers, strict=True)]
    values = [row["scores"][scorer][0] for row in rows]
    what = "partly right, which is not right"
    counted(sum(value == 0.5 for value in values), f"answer is {what}", f"answers are {what}", noticed)
    columns: dict[str, Any] = {
        "id": [f"{row['id']}, epoch {row['epoch']}" if several else row["id"] for row in rows],
        "group": [row["group"] or row["id"] for row in rows] if several or rows[0]["group"] else None,
        **{name: [row[name] for row in rows] for name in ("doc_hash", "prompt_hash", "question", "gold")},
        "said": said,
        "right": [value == 1 for value in values],
    }
    columns |= {
        f"score:{name}": [row["scores"].get(name, (None, None))[0] for row in rows] for name in rows[0]["scores"]
    }
    if all(len(row["options"]) > 1 for row in rows):
        columns["options"] = [row["options"] for row in rows]
        for name, texts in (("gold_index", columns["gold"]), ("said_index", said)):
            columns[name] = [places(len(row["options"])).get(text) for row, text in zip(rows, texts, strict=True)]
        columns |= confidences(rows, columns["said_index"], noticed)
        unparsed = sum(index is None for index in columns["said_index"])
        counted(unparsed, "answer names none of the options", "answers name none of the options", noticed)
    return columns


def completion(row: dict[str, Any]) -> str:
    return str(row["output"].get("completion") or "")


@lru_cache
def places(count: int) -> dict[str, int]:
    return {letter: place for place, letter in enumerate(letters(count))}


# Confidences, from the log-probabilities of the token that named the option.


def confidences(rows: list[dict[str, Any]], said: list[int | None], noticed: list[str]) -> dict[str, Any]:
    """Of all options, where the log holds those of all; otherwise of the one that was named."""
    found = [letter_tops(row, index) for row, index in zip(rows, said, strict=True)]
    known = [i for i, top in enumerate(found) if top]
    if not known:
        return {}
    whole = all(len(found[i]) == len(rows[i]["options"]) for i in known)
    shares: list[list[float] | None] = [None] * len(rows)
    confidence: list[float | None] = [None] * len(rows)
    for i in known:
        logs = np.array([found[i].get(letter, -np.inf) for letter in letters(len(rows[i]["options"]))])
        if whole:
            row = np.exp(logs - logs.max())
            shares[i] = list(row / row.sum())
            confidence[i] = shares[i][said[i]]  # type: ignore[index]
        else:
            confidence[i] = min(1.0, math.exp(logs[said[i]]))
    if not whole:
        some = sum(len(found[i]) == len(rows[i]["options"]) for i in known)
        noticed.append(
            f"the log holds the probabilities of all options for {some:,} of {len(known):,} answers only:"
            " confidence is the probability of the token"
        )
    return {"confidence": confidence, "probabilities": shares if whole else None}


def letter_tops(row: dict[str, Any], index: int | None) -> dict[str, float]:
    """The log-probabilities of the options' letters where the answer was named: the last such token."""
    choices = row["output"].get("choices")
    first = choices[0] if isinstance(choices, list) and choices else None
    logprobs = first.get("logprobs") if isinstance(first, dict) else None
    content = logprobs.get("content") if isinstance(logprobs, dict) else None
    if index is None or not isinstance(content, list):
        return {}
    wanted = letters(len(row["options"]))
    at = next((one for one in reversed(content) if letter_of(one) == wanted[index]), None)
    if at is None:
        return {}
    tops = at.get("top_logprobs")
    found: dict[str, float] = {}
    for one in [at, *(tops if isinstance(tops, list) else [])]:
        if letter_of(one) in wanted:
            log = log_of(row["where"], one)
            found[letter_of(one)] = max(log, found.get(letter_of(one), -math.inf))
    return found


def letter_of(token: Any) -> str:
    """
    >>> letter_of({"token": "\\u0120B"}), letter_of({"token": "(B)"}), letter_of({"token": "Because"})
    ('B', 'B', 'Because')
    """
    return str(token.get("token", "") if isinstance(token, dict) else "").strip(" \n\t.():*Ġ▁Ċ")


def log_of(where: str, token: dict[str, Any]) -> float:
    value = token.get("logprob")
    if not isinstance(value, int | float) or not value <= SLACK:
        raise ValueError(f"{where}: the log-probability {brief(value)} is no number of at most 0")
    return float(value)


def harness(header: dict[str, Any], scorer: str) -> dict[str, float]:
    """Its own figures, under the scorer's name."""
    results = header.get("results")
    scores = results.get("scores") if isinstance(results, dict) else None
    for one in scores if isinstance(scores, list) else ():
        metrics = one.get("metrics") if isinstance(one, dict) and one.get("name") == scorer else None
        if isinstance(metrics, dict):
            names = {"accuracy": scorer, "stderr": f"{scorer}_stderr"}
            values = ((names.get(str(n), str(n)), m.get("value")) for n, m in metrics.items() if isinstance(m, dict))
            return figures(values)
    return {}


READER = Reader(
    name="inspect",
    takes=("run", "metric", "group"),
    looks_for=".eval or .json logs of inspect_ai",
    recognises=recognises,
    read=read,
    told=told,
)
