"""lm-evaluation-harness (--log_samples): samples_TASK_TIME.jsonl, a line for each document and filter.

What its files mean: `filtered_resps` of a multiple choice are [log-probability, is greedy] of each option, as strings;
with acc_mutual_info the second half are those without the question. acc_norm divides by the characters of the option
without the delimiter before it. `target` is the place of the right option."""

import json
import math
import re
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from trusteq.checks import brief
from trusteq.records.readers.reader import (
    Reader,
    ReadOptions,
    Told,
    against,
    decided,
    decisive,
    figures,
    first_object,
    group_of,
    json_of,
    lines_of,
    unique,
)
from trusteq.records.record import Record, as_strings, record

NEEDS = ("doc_id", "target", "arguments", "filtered_resps", "filter", "metrics")
GREEDY = ("True", "False")  # would the model have said just this?
PAIR = ("arg_0", "arg_1")
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


def read(path: Path, options: ReadOptions) -> list[Record]:
    """A record for each filter."""
    by_filter: dict[str, Lines] = {}
    for number, row in lines_of(path):
        try:
            if row["filter"] not in by_filter:
                by_filter[row["filter"]] = Lines(list(row["metrics"]), options.group)
            by_filter[row["filter"]].add(number, row)
        except (LookupError, TypeError, AttributeError, ValueError, OverflowError):
            raise ValueError(f"{path.name}: line {number} {wrong(row, options.group)}") from None
    if not by_filter:
        raise ValueError(f"{path.name} holds no samples")
    name, results = told(path), {}
    beside = path.with_name(f"results_{name.time}.json")
    if name.time and beside.is_file():
        found = json_of(beside)
        results = found if isinstance(found, dict) else {}
    return [of_filter(path, name, results, str(filter), lines, options) for filter, lines in by_filter.items()]


class Lines:
    """The lines of one filter, by columns: to keep every line's own objects would cost as much as to parse them."""

    def __init__(self, metrics: list[str], group: str | None):
        self.metrics, self.group = metrics, group
        self.groups: list[str] = []
        self.numbers: list[int] = []
        self.documents: list[str] = []
        self.hashes: list[str | None] = []
        self.prompts: list[str | None] = []
        self.targets: list[str] = []
        self.questions: list[str] = []
        self.scores: list[float | None] = []
        self.said: list[str] = []  # of a generation
        self.only_right = False  # what was said is known where it is right alone, as of a text that is to be continued
        self.counts: list[int] = []  # of a multiple choice: how many options each has, halves taken together,
        self.texts: list[str] = []  # their texts,
        self.logs: list[float] = []  # their log-probabilities,
        self.mutual = True  # and whether the second half is without the question

    def add(self, number: int, row: dict[str, Any]) -> None:
        pairs, answers = row["arguments"], row["filtered_resps"]
        pairs = [*pairs.values()] if isinstance(pairs, dict) else [dict(zip(PAIR, one, strict=True)) for one in pairs]
        if row["metrics"] != self.metrics:
            raise ValueError
        values = [row[name] for name in self.metrics]
        self.scores += [value if isinstance(value, int | float) and math.isfinite(value) else None for value in values]
        self.numbers.append(number)
        self.documents.append(as_text(row["doc_id"]))
        self.hashes.append(row.get("doc_hash"))
        self.prompts.append(row.get("prompt_hash"))
        self.targets.append(as_text(row["target"]))
        if self.group is not None:
            self.groups.append(group_of("", row["doc"], self.group))
        question = pairs[0]["arg_0"]
        self.questions.append(as_text(question))
        if len(answers) < 2 or not isinstance(answers[0], list):
            self.said.append(as_text(answers[0]))
            if isinstance(answers[0], list) and answers[0][1:] and str(answers[0][1]) in GREEDY:
                self.said[-1] = self.targets[-1] if str(answers[0][1]) == "True" else ""
                self.only_right = True
            return
        self.logs += [float(value) for value, _ in answers]
        texts = [pair["arg_1"] for pair in pairs]
        if texts[0] == texts[1]:  # it is the question that differs
            texts = [pair["arg_0"] for pair in pairs]
        if len(texts) != len(answers) or not all(isinstance(text, str) for text in texts):
            raise ValueError
        self.texts += texts
        self.counts.append(len(texts))
        self.mutual = self.mutual and len(texts) % 2 == 0 and pairs[-1]["arg_0"] == "" and question != ""


def as_text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def wrong(row: Any, group: str | None) -> str:
    """Why a line is none of a log."""
    if not isinstance(row, dict):
        return f"is no object, but {brief(row)}"
    for field in NEEDS:
        if field not in row:
            return f"has no field {field!r}; expected {', '.join(NEEDS)}"
    metrics, answers = row["metrics"], row["filtered_resps"]
    if not isinstance(metrics, list) or not all(isinstance(name, str) for name in metrics):
        return f"has metrics that are no list of names, but {brief(metrics)}"
    if missing := [name for name in metrics if name not in row]:
        return f"names the metric {missing[0]!r} and does not hold it"
    if large := [name for name in metrics if isinstance(row[name], int) and abs(row[name]) > 1e300]:
        return f"has the metric {large[0]!r} of {brief(row[large[0]])}, which is no figure"
    if not isinstance(answers, list) or not answers:
        return f"has filtered_resps that are no list of answers, but {brief(answers)}"
    for value, *_ in (one for one in answers if isinstance(one, list) and one):
        try:
            float(value)
        except (TypeError, ValueError, OverflowError):
            return f"has a log-probability that is no number, but {brief(value)}"
    if group is not None and (not isinstance(row.get("doc"), dict) or row["doc"].get(group) is None):
        return f"has no field {group!r} in its doc to group by; there are {', '.join(row.get('doc') or ())[:200]}"
    return "has other metrics than those before, or other arguments than answers"


def of_filter(
    path: Path, name: Told, results: dict[str, Any], filter: str, lines: Lines, options: ReadOptions
) -> Record:
    place, noticed = path.name, list[str]()
    if len(set(lines.documents)) < len(lines.documents):
        twice, count = Counter(lines.documents).most_common(1)[0]
        raise ValueError(f"{place} holds the document {twice} {count} times for the filter {filter}, which is no run")
    scores = scores_of(lines)
    binary = [name for name, values in scores.items() if ((values == 0) | (values == 1)).all()]
    usual = dict.fromkeys([name for name in USUAL if name in binary] + binary)
    metric = decisive(list(usual), options.metric, f"{place}, {filter}", scores, noticed)
    columns: dict[str, Any] = {"id": ids_of(lines, noticed), "question": lines.questions}
    columns |= {"right": scores[metric] == 1, **{f"score:{name}": values for name, values in scores.items()}}
    if lines.groups:
        columns["group"] = lines.groups
    if all(lines.hashes):
        columns |= {"doc_hash": lines.hashes, "prompt_hash": lines.prompts}
    if len(lines.counts) == len(lines.numbers):
        columns |= of_options(lines, metric, scores[metric], delimiter(results, name.task), place, noticed)
    elif not lines.counts:
        if lines.only_right:
            noticed.append("the log does not hold what was said where it is not right")
        columns |= {"gold": lines.targets, "said": lines.said}
    else:
        raise ValueError(f"{place} holds options in some lines and texts in others, for the filter {filter}")
    head: dict[str, Any] = {"model": str(results.get("model_name") or name.model), "task": name.task}
    head |= {"format": READER.name, "place": place, "filter": filter, "time": name.time, "metric": metric}
    return record(head | {"harness": harness(results, name.task, filter), "noticed": noticed}, columns)


def ids_of(lines: Lines, noticed: list[str]) -> list[str]:
    """Hashes of the documents, which are the same in every run; equal documents are told apart by their order."""
    if not all(isinstance(one, str) and one for one in lines.hashes):  # as older versions wrote them
        noticed.append("there are no hashes of the documents: they are matched by their number")
        return lines.documents
    order = sorted(range(len(lines.documents)), key=lambda i: (len(lines.documents[i]), lines.documents[i]))
    made = dict(zip(order, unique([str(lines.hashes[i]) for i in order], noticed), strict=True))
    return [made[i] for i in range(len(order))]


# Scores.


def scores_of(lines: Lines) -> dict[str, np.ndarray]:
    """Every metric that is a number for every example; others (lists, for perplexity) are not compared."""
    by_metric = {name: lines.scores[at :: len(lines.metrics)] for at, name in enumerate(lines.metrics)}
    return {name: np.array(values, dtype=np.float64) for name, values in by_metric.items() if None not in values}


def harness(results: dict[str, Any], task: str, filter: str) -> dict[str, float]:
    """The harness's own figures of this task and filter, as {"acc": 0.5, "acc_stderr": 0.1}."""
    found = results.get("results")
    found = found.get(task) if isinstance(found, dict) else None
    parts = [(key.rpartition(","), value) for key, value in found.items()] if isinstance(found, dict) else []
    return figures((name, value) for (name, _, end), value in parts if end == filter)


def delimiter(results: dict[str, Any], task: str) -> str:
    """What stands between question and option."""
    configs = results.get("configs")
    config = configs.get(task) if isinstance(configs, dict) else None
    found = config.get("target_delimiter") if isinstance(config, dict) else None
    return found if isinstance(found, str) else " "


# Multiple choice.


def of_options(
    lines: Lines, metric: str, right: np.ndarray, between: str, place: str, noticed: list[str]
) -> dict[str, Any]:
    logs, counts, parts = np.array(lines.logs), np.array(lines.counts), 2 if lines.mutual else 1
    check_logs(logs, lines, place)
    texts = np.array(lines.texts, dtype=object)
    texts, scores = part_of(texts, counts, parts, 0), part_of(logs, counts, parts, 0)
    if between and all(text.startswith(between) for text in texts):
        texts = np.array([text.removeprefix(between) for text in texts], dtype=object)
    if metric == "acc_norm":
        scores = scores / np.array([max(len(text), 1) for text in texts])
    elif metric == "acc_mutual_info" and lines.mutual:
        scores = scores - part_of(logs, counts, parts, 1)
    counts = counts // parts
    ends = np.append(0, np.cumsum(counts))
    said, probabilities, confidence = decided(scores, counts)
    gold = [place_of(target, texts, *span) for target, *span in zip(lines.targets, ends, ends[1:], strict=False)]
    off = sum(j is not None and (i == j) != r for i, j, r in zip(said.tolist(), gold, right.tolist(), strict=True))
    against(off, READER.name, noticed)
    named = zip(lines.targets, gold, ends.tolist(), strict=False)
    flat = as_strings(texts, pa.string(), "options", noticed)
    return {
        "options": pa.ListArray.from_arrays(pa.array(ends, pa.int32()), flat),
        "said_index": said,
        "said": texts[ends[:-1] + said],
        "gold_index": gold,
        "gold": [target if i is None else texts[start + i] for target, i, start in named],
        "confidence": confidence,
        "probabilities": probabilities,
    }


def check_logs(logs: np.ndarray, lines: Lines, place: str) -> None:
    if not (logs <= SLACK).all():
        first = int(np.argmin(logs <= SLACK))
        number = lines.numbers[int(np.searchsorted(np.cumsum(lines.counts), first, side="right"))]
        what = f"a log-probability is {logs[first]:.4g}; expected a number of at most 0"
        raise ValueError(f"{place}: line {number}: {what}")


def part_of(values: np.ndarray, counts: np.ndarray, parts: int, part: int) -> np.ndarray:
    """Of each example's values the first half or the second, or all where they are one part.

    >>> part_of(np.arange(6), np.array([2, 4]), 2, 1)
    array([1, 4, 5])
    """
    within = np.arange(len(values)) - np.repeat(np.cumsum(counts) - counts, counts)
    return np.asarray(values[within // np.repeat(counts // parts, counts) == part])


def place_of(target: str, texts: np.ndarray, start: int, end: int) -> int | None:
    """The right option's place: it is a number, or the option's text."""
    if target.isdecimal() and target.isascii():
        number = int(target[:6])
        return number if number < end - start else None
    return next((i for i, text in enumerate(texts[start:end]) if text == target), None)


READER = Reader(
    name="lm-eval",
    looks_for="samples_TASK_TIME.jsonl of lm-evaluation-harness (--log_samples)",
    needs=", ".join(NEEDS),
    takes=("run", "metric", "group"),
    recognises=recognises,
    read=read,
    told=told,
)
