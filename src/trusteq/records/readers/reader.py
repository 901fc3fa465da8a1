"""What is known of a format? How a file of it is recognised and read, and what a user can say about it."""

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from trusteq.checks import brief
from trusteq.records.memory import check_fits
from trusteq.records.record import Record


@dataclass(frozen=True)
class ReadOptions:
    """What a file does not say by itself.

    Args:
    Logs and tables:
        model: the run of this model, where a folder holds several (its name or a part of it).
        run: the run of this time, where a folder holds several of a task (its time or the beginning of it; default:
            the newest).
        metric: the score or scorer that says which answers are right (default: the harness's first).
        id: the column of the ids (default: a guess, which is said).
        gold: the column of the right answers.
        said: the column of what the model said.
        probabilities: the columns of the probabilities of the classes, or the one that holds them as lists.
        confidence: the column of the probability of what was said.
        right: the column that says whether the answer is right.
        group: the column of what belongs together; of a log the field of its documents (lm-eval, lighteval) or of its
            samples' metadata (inspect_ai).
        question: the column of the questions.
        labels: the names of the classes, in the order of the probabilities.
        references: a file with the right answers, for arrays that lie apart from them.
        split: the split, where a folder of datasets holds several.
    """

    model: str | None = None
    run: str | None = None
    metric: str | None = None
    id: str | None = None
    gold: str | None = None
    said: str | None = None
    probabilities: tuple[str, ...] = ()
    confidence: str | None = None
    right: str | None = None
    group: str | None = None
    question: str | None = None
    labels: tuple[str, ...] = ()
    references: str | None = None
    split: str | None = None


@dataclass(frozen=True, kw_only=True)
class Reader:
    """A format. Every file of this folder that defines one as `READER` is one more that can be read.

    `recognises` looks at little of a file, and never fails. `read` gives a record for each task and filter in it, or a
    `ValueError`; `Unscored` where the file is sound but does not say which answers are right. `told` is what the name
    of a file says of it, so that other models' runs and older ones are left out unread.
    """

    name: str
    looks_for: str  # what a folder of it holds, in words
    needs: str = ""  # the fields without which a file is not of this format
    takes: tuple[str, ...] = ()  # of ReadOptions, beside model
    general: bool = False  # a table or an array: read from a folder only where no harness's logs lie in it
    recognises: Callable[[Path], bool]
    read: Callable[[Path, ReadOptions], list[Record]]
    told: Callable[[Path], "Told"] = lambda path: Told()


@dataclass(frozen=True)
class Told:
    model: str = ""
    task: str = ""
    time: str = ""


class Unscored(ValueError):
    """A sound log of something that is not right or wrong: perplexity, say."""


# What most readers need.

LONGEST = 1 << 24  # bytes of a line


def start_of(path: Path, count: int) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(count)
    except OSError:
        return b""


def first_object(path: Path) -> dict[str, Any]:
    """The first line of a file as a JSON object; empty where it is none, or longer than any line of a log."""
    try:
        with path.open("rb") as file:
            found = json.loads(file.readline(LONGEST))
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def lines_of(path: Path) -> Iterator[tuple[int, Any]]:
    """Every line that is not empty, as JSON, with its number."""
    with opened(path) as file:
        for number, line in enumerate(file, start=1):
            try:
                yield number, json.loads(line)
            except (ValueError, RecursionError) as error:
                if line.strip():
                    raise ValueError(f"{path.name}: line {number} is no whole JSON object ({told(error)})") from None


def opened(path: Path) -> Any:
    if not path.is_file():  # a pipe could be waited for without end
        raise ValueError(f"{path.name} could not be read: it is no file")
    try:
        check_fits(path.name, path.stat().st_size)
        return path.open("rb")
    except OSError as error:
        raise ValueError(f"{path.name} could not be read: {error.strerror or error}") from None


def json_of(path: Path) -> Any:
    with opened(path) as file:
        return loaded(path.name, file.read())


def loaded(place: str, content: bytes) -> Any:
    try:
        return json.loads(content)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{place} is no whole JSON: {told(error)}") from None


def told(error: Exception) -> str:
    return "nested too deeply" if isinstance(error, RecursionError) else (str(error).splitlines() or ["?"])[0][:120]


def group_of(where: str, fields: Any, name: str) -> str:
    """
    >>> group_of("line 3", {"passage": 7, "text": "..."}, "passage")
    '7'
    """
    fields = fields if isinstance(fields, dict) else {}
    if fields.get(name) is None:
        there = ", ".join(map(str, fields))[:200] or "none"
        raise ValueError(f"{where} has no field {name!r} to group by; there are {there}")
    value = fields[name]
    return value if isinstance(value, str) else json.dumps(value, default=str)


def check_kind(place: str, value: Any, kind: type | tuple[type, ...], what: str) -> Any:
    if not isinstance(value, kind):
        raise ValueError(f"{place}: {what} is expected, got {brief(value)}")
    return value


def hashed(*parts: Any) -> str:
    """An id for what a harness gives none: the same text, the same id."""
    return hashlib.sha256(json.dumps(parts, ensure_ascii=True, default=str).encode()).hexdigest()[:32]


def unique(ids: Sequence[str], noticed: list[str]) -> list[str]:
    """Equal questions of one task told apart by their order.

    >>> noticed = []
    >>> unique(["a", "b", "a"], noticed), noticed
    (['a', 'b', 'a#2'], ['1 question is there more than once; equal ones are told apart by their order'])
    """
    if len(set(ids)) == len(ids):
        return list(ids)
    seen: Counter[str] = Counter()
    made = []
    for id in ids:
        seen[id] += 1
        made.append(id if seen[id] == 1 else f"{id}#{seen[id]}")
    count = sum(number > 1 for number in seen.values())
    what = "there more than once; equal ones are told apart by their order"
    counted(count, f"question is {what}", f"questions are {what}", noticed)
    return made


def decisive(binary: Sequence[str], wanted: str | None, where: str, there: Iterable[str], noticed: list[str]) -> str:
    """The metric that says right or wrong: the one that is wanted, or the first; which ones could is told.

    >>> noticed = []
    >>> decisive(["acc", "acc_norm"], None, "arc", (), noticed), noticed
    ('acc', ['right or wrong is by acc; there is acc_norm, too (metric names one)'])
    """
    if not binary:
        names = ", ".join(there)[:200] or "none"
        raise Unscored(f"{where}: no metric is right or wrong for every example (there are {names})")
    if wanted in binary:
        return str(wanted)
    if wanted is not None:
        noticed.append(f"there is no metric {wanted} of right or wrong: it is by {binary[0]}")
    elif len(binary) > 1:
        noticed.append(f"right or wrong is by {binary[0]}; there is {', '.join(binary[1:])}, too (metric names one)")
    return binary[0]


def decided(scores: np.ndarray, counts: np.ndarray) -> tuple[np.ndarray, pa.ListArray, np.ndarray]:
    """The first option of the highest score, the softmax of all, and its value there; `counts` options an example.

    >>> said, shares, confidence = decided(np.log([0.2, 0.8, 0.5, 0.25, 0.25]), np.array([2, 3]))
    >>> said.tolist(), confidence.round(9).tolist(), len(shares)
    ([1, 0], [0.8, 0.5], 2)
    """
    starts = np.cumsum(counts) - counts
    top = np.repeat(np.maximum.reduceat(scores, starts), counts)
    within = np.arange(len(scores)) - np.repeat(starts, counts)
    said = np.minimum.reduceat(np.where(scores == top, within, len(scores)), starts)
    shares = np.exp(scores - np.where(np.isneginf(top), 0, top))
    shares[np.isneginf(top)] = 1  # where every option is impossible, none is more probable than another
    shares /= np.repeat(np.add.reduceat(shares, starts), counts)
    offsets = pa.array(np.append(starts, len(scores)), pa.int32())
    return said, pa.ListArray.from_arrays(offsets, pa.array(shares)), shares[starts + said]


def figures(values: Iterable[tuple[str, Any]]) -> dict[str, float]:
    """A harness's own figures: those that are numbers.

    >>> figures([("acc", 0.5), ("acc_stderr", "N/A"), ("alias", None)])
    {'acc': 0.5}
    """
    numbers = ((name, value) for name, value in values if isinstance(value, int | float) and abs(value) < 1e300)
    return {name: float(value) for name, value in numbers if not isinstance(value, bool)}


def letters(count: int) -> list[str]:
    return [chr(ord("A") + i) for i in range(count)]


def counted(count: int, one: str, several: str, noticed: list[str]) -> None:
    """What happened to how many is told, if it happened.

    >>> noticed = []
    >>> counted(0, "row is odd", "rows are odd", noticed), counted(2, "row is odd", "rows are odd", noticed), noticed
    (None, None, ['2 rows are odd'])
    """
    if count:
        noticed.append(f"{count:,} {one if count == 1 else several}")


def left_out(count: int, what: str, noticed: list[str]) -> None:
    counted(count, f"example {what} is left out", f"examples {what} are left out", noticed)


def against(count: int, who: str, noticed: list[str]) -> None:
    """Where the harness's own right or wrong is not that of the most probable option, it stands."""
    what = f"right or wrong against the most probable option, as {who} has it"
    counted(count, f"answer is {what}", f"answers are {what}", noticed)
