"""lm-evaluation-harness (--log_samples): samples_TASK_TIME.jsonl, a line for each document and filter.

What its files mean: `filtered_resps` of a multiple choice are [log-probability, is greedy] of each option, as strings;
with acc_mutual_info the second half are those without the question. acc_norm divides by the characters of the option
without the delimiter before it. `target` is the place of the right option."""

import json
import re
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from trusteq.checks import brief
from trusteq.records.readers.reader import Reader, ReadOptions, Told, decisive, first_object, json_of, lines_of, unique
from trusteq.records.record import Record, record

NEEDS = ("doc_id", "target", "arguments", "filtered_resps", "filter", "metrics")
NAME = re.compile(r"samples_(.+)_(\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d(?:\.\d+)?)\.jsonl")
USUAL = ("acc", "exact_match", "acc_norm", "acc_mutual_info")  # which says right or wrong, where nobody names one
SLACK = 1e-3  # a log-probability may be above 0 by rounding, of bfloat16 for example


def recognises(path: Path) -> bool:
    return path.suffix == ".jsonl" and {"doc_id", "filtered_resps", "target"} <= first_object(path).keys()


def told(path: Path) -> Told:
    """
    >>> told(Path("org__model/samples_arc_easy_2026-11-30T09-46-54.9.jsonl"))
    Told(model='org/model', task='arc_easy', time='2026-11-30T09-46-54.9')
    """
    found = NAME.fullmatch(path.name)
    return Told(path.parent.name.replace("__", "/"), *(found.groups() if found else (path.stem, "")))


class Line(NamedTuple):
    number: int
    doc_id: Any
    doc_hash: Any
    prompt_hash: Any
    target: Any
    pairs: Any  # question and option, or question and settings
    answers: Any
    metrics: Any
    scores: list[Any]


def read(path: Path, options: ReadOptions) -> list[Record]:
    """A record for each filter."""
    by_filter: dict[str, list[Line]] = defaultdict(list)
    for number, row in lines_of(path):
        try:
            pairs = row["arguments"]
            pairs = [(*pair.values(),) for pair in pairs.values()] if isinstance(pairs, dict) else pairs
            metrics, hashes = row["metrics"], (row.get("doc_hash"), row.get("prompt_hash"))
            scores = [row[name] for name in metrics]
            line = Line(number, row["doc_id"], *hashes, row["target"], pairs, row["filtered_resps"], metrics, scores)
            by_filter[row["filter"]].append(line)
        except (KeyError, TypeError, AttributeError):
            raise ValueError(f"{path.name}: line {number} {wrong(row)}") from None
    if not by_filter:
        raise ValueError(f"{path.name} holds no samples")
    name, results = told(path), {}
    beside = path.with_name(f"results_{name.time}.json")
    if name.time and beside.is_file():
        found = json_of(beside)
        results = found if isinstance(found, dict) else {}
    return [of_filter(path, name, results, str(filter), lines, options) for filter, lines in by_filter.items()]


def wrong(row: Any) -> str:
    if not isinstance(row, dict):
        return f"is no object, but {brief(row)}"
    for field in NEEDS:
        if field not in row:
            return f"has no field {field!r}; expected {', '.join(NEEDS)}"
    if not isinstance(row["metrics"], list) or not all(isinstance(name, str) for name in row["metrics"]):
        return f"has metrics that are no list of names, but {brief(row['metrics'])}"
    if missing := [name for name in row["metrics"] if name not in row]:
        return f"names the metric {missing[0]!r} and does not hold it"
    return f"holds other things than a sample of lm-eval: {brief(row)}"


def of_filter(
    path: Path, name: Told, results: dict[str, Any], filter: str, lines: list[Line], options: ReadOptions
) -> Record:
    place, noticed = path.name, []
    if any(line.doc_hash is None for line in lines):  # as older versions wrote them
        noticed.append("there are no hashes of the documents: they are matched by their number")
        lines = [line._replace(doc_hash=None, prompt_hash=None) for line in lines]
    documents = Counter(brief(line.doc_id) for line in lines)
    twice, count = documents.most_common(1)[0]
    if count > 1:
        raise ValueError(
            f"{place} holds the document {twice} {count} times for the filter {filter}: was it written twice?"
        )
    ids = [str(line.doc_hash or line.doc_id) for line in lines]
    if len(set(ids)) < len(ids):  # equal documents are told apart by their order
        lines = sorted(lines, key=lambda line: (len(brief(line.doc_id)), brief(line.doc_id)))
        ids = unique([str(line.doc_hash or line.doc_id) for line in lines], noticed)
    scores = scores_of(lines, place)
    binary = [name for name, values in scores.items() if ((values == 0) | (values == 1)).all()]
    usual = dict.fromkeys([name for name in USUAL if name in binary] + binary)
    metric = decisive(list(usual), options.metric, f"{place}, {filter}", scores, noticed)
    columns: dict[str, Any] = {"id": ids, "right": scores[metric] == 1}
    columns |= {f"score:{name}": values for name, values in scores.items()}
    if lines[0].doc_hash is not None:
        columns |= {"doc_hash": [str(line.doc_hash) for line in lines]}
        columns |= {"prompt_hash": [line.prompt_hash for line in lines]}
    try:
        columns["question"] = [str(line.pairs[0][0]) for line in lines]
        kinds = {kind(line.answers) for line in lines}
        if kinds == {"options"}:
            columns |= of_options(lines, metric, scores[metric], delimiter(results, name.task), place, noticed)
        elif kinds == {"text"}:
            columns["gold"] = [as_text(line.target) for line in lines]
            columns["said"] = [as_text(line.answers[0]) for line in lines]
        else:
            raise ValueError(f"{place} holds options in some lines and texts in others, for the filter {filter}")
    except (TypeError, LookupError, AttributeError):
        raise ValueError(f"{place} holds other things than samples of lm-eval (arguments, filtered_resps)") from None
    head: dict[str, Any] = {
        "model": str(results.get("model_name") or name.model),
        "task": name.task,
        "format": READER.name,
    }
    head |= {"place": place, "filter": filter, "time": name.time, "metric": metric, "noticed": noticed}
    return record(head | {"harness": harness(results, name.task, filter)}, columns)


def as_text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def kind(answers: Any) -> str:
    """Log-probabilities of options, or a text."""
    return "options" if all(isinstance(one, list) and len(one) == 2 for one in answers) and len(answers) > 1 else "text"


# Scores.


def scores_of(lines: list[Line], place: str) -> dict[str, np.ndarray]:
    """Every metric that is a number for every example; others (lists, for perplexity) are not compared."""
    names = lines[0].metrics
    if any(line.metrics != names for line in lines):
        raise ValueError(f"{place} has other metrics in some lines than in its first ({', '.join(names)[:200]})")
    made = {}
    for at, name in enumerate(names):
        values = [line.scores[at] for line in lines]
        if all(isinstance(value, int | float) for value in values):
            made[name] = np.array(values, dtype=np.float64)
    return made


def harness(results: dict[str, Any], task: str, filter: str) -> dict[str, float]:
    """The harness's own figures of this task and filter, as {"acc": 0.5, "acc_stderr": 0.1}."""
    found = results.get("results")
    found = found.get(task) if isinstance(found, dict) else None
    parts = ((key.rpartition(","), value) for key, value in found.items()) if isinstance(found, dict) else ()
    return {
        name: float(value)
        for (name, _, end), value in parts
        if end == filter and isinstance(value, int | float) and not isinstance(value, bool)
    }


def delimiter(results: dict[str, Any], task: str) -> str:
    """What stands between question and option."""
    configs = results.get("configs")
    config = configs.get(task) if isinstance(configs, dict) else None
    found = config.get("target_delimiter") if isinstance(config, dict) else None
    return found if isinstance(found, str) else " "


# Multiple choice.


def of_options(
    lines: list[Line], metric: str, right: np.ndarray, between: str, place: str, noticed: list[str]
) -> dict[str, Any]:
    logs, counts = log_probabilities(lines, place), np.array([len(line.answers) for line in lines])
    pairs = [line.pairs for line in lines]
    if any(len(pair) != count for pair, count in zip(pairs, counts, strict=True)):
        raise ValueError(f"{place} has more or fewer arguments than answers in some line")
    starts = np.cumsum(counts) - counts
    mutual = all(len(pair) % 2 == 0 and pair[0][0] != "" and pair[-1][0] == "" for pair in pairs)
    counts = counts // 2 if mutual else counts
    metric = metric if mutual or metric != "acc_mutual_info" else "acc"
    at = 1 if any(pair[0][1] != pair[1][1] for pair in pairs) else 0  # the question may be what differs
    texts = [[str(one[at]) for one in pair[:count]] for pair, count in zip(pairs, counts.tolist(), strict=True)]
    if between and all(text.startswith(between) for few in texts for text in few):
        texts = [[text.removeprefix(between) for text in few] for few in texts]
    said, probabilities, confidence = decided(
        logs, starts, counts, metric if mutual or metric != USUAL[3] else "", texts
    )
    gold = [place_of(line.target, few) for line, few in zip(lines, texts, strict=True)]
    known = [i for i, place in enumerate(gold) if place is not None]
    if off := sum((said[i] == gold[i]) != bool(right[i]) for i in known):
        noticed.append(f"{off:,} answers are right or wrong against their most probable option, as lm-eval has them")
    return {
        "options": texts,
        "said_index": said,
        "said": [few[i] for few, i in zip(texts, said.tolist(), strict=True)],
        "gold_index": gold,
        "gold": [str(line.target) if i is None else few[i] for line, few, i in zip(lines, texts, gold, strict=True)],
        "confidence": confidence,
        "probabilities": probabilities,
    }


def log_probabilities(lines: list[Line], place: str) -> np.ndarray:
    """Of all options of all lines, one after another."""
    try:
        logs = np.array([float(value) for line in lines for value, _ in line.answers])
    except (TypeError, ValueError):
        values = ((line.number, one[0]) for line in lines for one in line.answers)
        odd = next(
            (f"line {number}: the log-probability {brief(v)}" for number, v in values if not is_number(v)), "one"
        )
        raise ValueError(f"{place}: {odd} is no number") from None
    if not (logs <= SLACK).all():
        first = int(np.argmin(logs <= SLACK))
        ends = np.cumsum([len(line.answers) for line in lines])
        where = f"{place}: line {lines[int(np.searchsorted(ends, first, side='right'))].number}"
        raise ValueError(f"{where}: a log-probability is {logs[first]:.4g}; expected a number of at most 0")
    return logs


def is_number(value: Any) -> bool:
    try:
        float(value)
    except (TypeError, ValueError):
        return False
    return True


def decided(
    logs: np.ndarray, starts: np.ndarray, counts: np.ndarray, metric: str, texts: list[list[str]]
) -> tuple[np.ndarray, pa.Array, np.ndarray]:
    """What was said by this metric, with its probability: rows with as many options are decided at once."""
    ends = np.concatenate([[0], np.cumsum(counts)])
    flat, said, confidence = np.empty(ends[-1]), np.empty(len(counts), dtype=np.int64), np.empty(len(counts))
    lengths = np.array([max(len(text), 1) for few in texts for text in few]) if metric == "acc_norm" else None
    for count in np.unique(counts):
        rows = np.flatnonzero(counts == count)
        within = np.arange(count)
        scores = logs[starts[rows, None] + within]
        if lengths is not None:
            scores = scores / lengths[ends[rows, None] + within]
        elif metric == "acc_mutual_info":
            scores = scores - logs[starts[rows, None] + count + within]
        with np.errstate(invalid="ignore"):  # every option impossible: nothing is more probable than another
            top = scores.max(axis=1, keepdims=True)
            shifted = np.exp(np.where(np.isneginf(top), 0, scores - top))
        shares = shifted / shifted.sum(axis=1, keepdims=True)
        said[rows] = scores.argmax(axis=1)
        confidence[rows] = shares[np.arange(len(rows)), said[rows]]
        flat[ends[rows, None] + within] = shares
    return said, pa.ListArray.from_arrays(pa.array(ends, pa.int32()), pa.array(flat)), confidence


def place_of(target: Any, options: list[str]) -> int | None:
    """The right option's place: it is a number, also as a string, or its text."""
    text = str(target)
    if text.isdecimal() and text.isascii():
        number = int(text[:6])
        return number if number < len(options) else None
    return options.index(text) if text in options else None


READER = Reader(
    name="lm-eval",
    looks_for="samples_TASK_TIME.jsonl of lm-evaluation-harness (--log_samples)",
    needs=", ".join(NEEDS),
    recognises=recognises,
    read=read,
    told=told,
)
