"""Of two models' answers, what lies beside the dimensions: accuracy, how far apart the distributions are, which answers
changed, which tasks moved, what the harness scored, and where two texts part."""

from collections.abc import Iterator, Sequence
from itertools import takewhile
from typing import Any

import numpy as np
import pyarrow as pa

from trusteq.audit.examples import chosen
from trusteq.audit.said import Said, codes_of, confidence_of, has_rows
from trusteq.dimensions.calibration_gap import SMALLEST, jensen_shannon
from trusteq.dimensions.prediction_error_jaccard import mcnemar
from trusteq.groups import Design, Groups, design, some_of
from trusteq.intervals import paired_share_gap_interval, share_interval
from trusteq.records.runs import Task
from trusteq.wording import shorten

Figures = dict[str, float]
KINDS = ("right to wrong", "wrong to right", "wrong to other wrong")
SHOWN = 24  # changed answers of a pair in a report; a file beside it has them all
LONGEST, LONGEST_SAID = 1500, 120  # characters of a question, and of an answer, where all are listed
STEPS = (0, 1, 2, 3, 5, 8, 12, 20, 30, 50, 80, 120, 200, 300, 500)
FEWEST_WORDS = 3  # of an answer, on average, that is a text
PARTED = 8  # pairs of texts that a report shows side by side
LONGEST_TEXT = 600  # characters of each


def figures(said: Said, compressed: str, large: str, level: float) -> Figures:
    """Accuracy and its gap; with the probabilities of all options how far apart the distributions are.

    KL is of the compressed model from the large one, in nats; Jensen-Shannon is in bits.
    """
    work = said.work
    right, large_right = work.right(compressed), work.right(large)
    won, lost, together = turned(said, compressed, large)
    low, high = paired_share_gap_interval(won, lost, len(right), level, together)
    found = {"accuracy": float(right.mean()), "large_accuracy": float(large_right.mean())}
    found["accuracy_gap"] = (won - lost) / len(right)
    found |= {"accuracy_gap_low": low, "accuracy_gap_high": high}
    if {compressed, large} <= work.probabilities.keys():
        p, q = work.probabilities[large], work.probabilities[compressed]
        ratio = np.log(np.maximum(p, SMALLEST)) - np.log(np.maximum(q, SMALLEST))
        found |= of_mean("kl_divergence", (p * ratio).sum(axis=1), level, work.groups, least=0.0)
        found |= of_mean("js_divergence", jensen_shannon(p.T, q.T), level, work.groups, least=0.0)
    return found


def turned(said: Said, compressed: str, large: str) -> tuple[int, int, Design]:
    """How many answers turned from wrong to right and from right to wrong, and what groups do to their difference."""
    right, large_right = said.work.right(compressed), said.work.right(large)
    gap = right.astype(np.float64) - large_right
    together = design(gap - gap.mean(), said.work.groups)
    return int((right & ~large_right).sum()), int((large_right & ~right).sum()), together


def of_mean(name: str, values: np.ndarray, level: float, groups: Groups, least: float = -np.inf) -> Figures:
    """A mean and its interval (Student's t); of one value, or one group, there is no interval."""
    mean, together = float(values.mean()), design(values - values.mean(), groups)
    if len(values) < 2 or together.freedom < 1:
        return {name: mean}
    error = values.std(ddof=1) / np.sqrt(together.alone(len(values)))
    reach = float(together.quantile(level, len(values) - 1) * error)
    return {name: mean, f"{name}_low": max(mean - reach, least), f"{name}_high": mean + reach}


def scores(task: Task, compressed: str, large: str, level: float, groups: Groups) -> dict[str, Figures]:
    """What the harness scored, exact match or F1 say, where it did so for both."""
    own, larges = task.tables[compressed], task.tables[large]
    found = {}
    for name in own.column_names:
        if not name.startswith("score:") or name not in larges.column_names:
            continue
        values, large_values = (np.asarray(table[name].to_numpy(), dtype=np.float64) for table in (own, larges))
        held = np.isfinite(values) & np.isfinite(large_values)
        if held.any():
            means = {"value": float(values[held].mean()), "large_value": float(large_values[held].mean())}
            gap = gap_of(values[held], large_values[held], level, some_of(groups, np.flatnonzero(held)))
            found[name.removeprefix("score:")] = means | gap
    return found


def gap_of(values: np.ndarray, large: np.ndarray, level: float, groups: Groups) -> Figures:
    """The mean difference; where both only say yes or no, with an interval that has a width though none differ.

    >>> found = gap_of(np.array([0.0, 1.0] * 30), np.array([0.0, 1.0] * 30), 0.95, None)
    >>> found["gap"], found["gap_low"] < 0 < found["gap_high"]
    (0.0, True)
    """
    gap = values - large
    if not set(np.unique([values, large]).tolist()) <= {0.0, 1.0}:
        return of_mean("gap", gap, level, groups)
    together = design(gap - gap.mean(), groups)
    low, high = paired_share_gap_interval(int((gap > 0).sum()), int((gap < 0).sum()), len(gap), level, together)
    return {"gap": float(gap.mean()), "gap_low": low, "gap_high": high}


# Which answers changed.


def flips(task: Task, compressed: str, large: str) -> Iterator[dict[str, Any]]:
    """Every example with another answer: what it was and is, and how sure the models were."""
    codes = codes_of(task)[0]
    rows = pa.array(np.flatnonzero(codes[compressed] != codes[large]))
    own, larges = (task.tables[name].take(rows) for name in (compressed, large))
    held = *(column(larges, name) for name in ("id", "question", "gold")), options_of(larges, "gold")
    where = zip(*held, strict=True)
    for (id, question, gold, option), a, b in zip(where, sides_of(own), sides_of(larges), strict=True):
        kind = KINDS[0] if b["right"] else KINDS[1] if a["right"] else KINDS[2]
        asked = {"question": question, "gold": gold, "gold_option": option}
        yield {"task": task.name, "id": id, "kind": kind, **asked, "large": b, "compressed": a}


def sides_of(table: pa.Table) -> list[dict[str, Any]]:
    """What was said, which option that is, how sure the model was, and whether it is right."""
    names = ("said", "option", "confidence", "right")
    held = column(table, "said"), options_of(table, "said"), column(table, "confidence"), column(table, "right")
    return [dict(zip(names, one, strict=True)) for one in zip(*held, strict=True)]


def column(table: pa.Table, name: str) -> list[Any]:
    if name == "confidence" and name not in table.column_names and len(table) and has_rows(table):
        return confidence_of(table).tolist()
    return list(table[name].to_pylist()) if name in table.column_names else [None] * len(table)


def options_of(table: pa.Table, name: str) -> list[str | None]:
    """The text of the option that a letter or a number stands for; or the answer in which it was read."""
    places, said = column(table, f"{name}_index"), column(table, name)
    written = column(table, "answer" if name == "said" else "")
    found = []
    for place, options, word, answer in zip(places, column(table, "options"), said, written, strict=True):
        option = options[place] if options and place is not None and 0 <= place < len(options) else answer
        found.append(None if option == word else option)
    return found


def some_flips(changed: list[dict[str, Any]], most: int = SHOWN) -> list[dict[str, Any]]:
    """Of every kind as many as there is room for, those first of which the compressed model is surest."""
    by_kind = [sorted((one for one in changed if one["kind"] == kind), key=sureness) for kind in KINDS]
    kept: list[dict[str, Any]] = []
    for rank in range(max(map(len, by_kind), default=0)):
        kept += [some[rank] for some in by_kind if rank < len(some)]
    return sorted(kept[:most], key=lambda one: KINDS.index(one["kind"]))


def listed(tasks: Sequence[Task], compared: list[dict[str, Any]]) -> dict[str, Any]:
    """Of every example what was asked and what each model said; of too many first those that changed."""
    codes = [codes_of(task)[0] for task in tasks]
    names = list(codes[0]) if codes else []
    joined = {name: np.concatenate([code[name] for code in codes]) for name in names}
    rows = chosen(joined, [(pair["compressed"], pair["large"]) for pair in compared if pair["role"] == "compressed"])
    starts = np.cumsum([0, *(len(task) for task in tasks)])
    found: dict[str, Any] = {"index": [], "text": [], "gold": [], "slices": {}, "models": {}}
    models: dict[str, Any] = {name: {"said": [], "right": [], "confidence": []} for name in names}
    of_task: list[str] = []
    for task, start, end in zip(tasks, starts, starts[1:], strict=False):
        here = pa.array(rows[(rows >= start) & (rows < end)] - start)
        tables = {name: table.take(here) for name, table in task.tables.items()}
        first = tables[names[0]]
        found["index"] += column(first, "id")
        found["text"] += [one and shorten(one, LONGEST) for one in column(first, "question")]
        found["gold"] += column(first, "gold")
        of_task += [task.name] * len(here)
        for name, table in tables.items():
            models[name]["said"] += [one and shorten(one, LONGEST_SAID) for one in column(table, "said")]
            models[name]["right"] += column(table, "right")
            models[name]["confidence"] += column(table, "confidence")
    slices = {"task": of_task} if len(tasks) > 1 else {}
    strange = {"text": [], "models": {}, "left_out": 0}
    return found | {"slices": slices, "models": models, "left_out": int(starts[-1]) - len(rows), "strange": strange}


def sureness(one: dict[str, Any]) -> float:
    return -(one["compressed"]["confidence"] or 0.0)


# Which of many tasks moved.


def moved(tasks: Sequence[tuple[str, Said]], compressed: str, large: str, level: float) -> list[dict[str, Any]]:
    """McNemar's test of every task, and Holm's correction for their number: of tasks that did not move, at most
    1 - level of all such comparisons calls any moved."""
    found: list[dict[str, Any]] = []
    for name, said in tasks:
        won, lost, together = turned(said, compressed, large)
        alone = (round(together.alone(count)) for count in (lost, won))
        found.append({"task": name, "accuracy_gap": (won - lost) / len(said.work.gold), "mcnemar_p": mcnemar(*alone)})
    for one, corrected in zip(found, holm([one["mcnemar_p"] for one in found]), strict=True):
        one |= {"corrected_p": corrected, "moved": corrected <= 1 - level}
    return found


def holm(chances: Sequence[float]) -> list[float]:
    """
    >>> holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    corrected, greatest = [0.0] * len(chances), 0.0
    for rank, place in enumerate(np.argsort(chances, kind="stable").tolist()):
        greatest = max(greatest, min(1.0, (len(chances) - rank) * chances[place]))
        corrected[place] = greatest
    return corrected


# Where two texts part.


def parting(task: Task, compressed: str, large: str, level: float, groups: Groups) -> dict[str, Any] | None:
    """Of answers that are texts: the share of pairs that are still the same after so many words, how many words (and
    tokens) they share on average, and the share of those that are the same to the end."""
    own, larges = task.tables[compressed], task.tables[large]
    name = "answer" if all("answer" in table.column_names for table in (own, larges)) else "said"
    if "options" in own.column_names or not all(name in table.column_names for table in (own, larges)):
        return None
    texts = [[(text or "").split() for text in table[name].to_pylist()] for table in (own, larges)]
    if name == "said" and sum(map(len, texts[1])) < FEWEST_WORDS * len(own):
        return None
    common = np.array([shared(a, b) for a, b in zip(*texts, strict=True)], dtype=np.float64)
    identical = np.array([a == b for a, b in zip(*texts, strict=True)])
    alike, longest = np.where(identical, np.inf, common), max(map(len, texts[1]))
    steps = [step for step in STEPS if step <= longest]
    shares = [float((alike >= step).mean()) for step in steps]
    figures = of_mean("shared_words", common, level, groups, least=0.0)
    if all("tokens" in table.column_names and not table["tokens"].null_count for table in (own, larges)):
        pairs = zip(own["tokens"].to_pylist(), larges["tokens"].to_pylist(), strict=True)
        figures |= of_mean("shared_tokens", np.array([float(shared(a, b)) for a, b in pairs]), level, groups, least=0.0)
    ends = share_interval(int(identical.sum()), len(identical), level, design(identical - identical.mean(), groups))
    figures |= {"identical_low": ends[0], "identical_high": ends[1]}
    right, large_right = ([bool(value) for value in column(table, "right")] for table in (own, larges))
    places = parted(common, identical, np.not_equal(right, large_right))
    told = {what: column(larges, what) for what in ("id", "question", "gold")}
    shown = [
        beside(texts[0][i], texts[1][i], int(common[i]))
        | {what: values[i] and shorten(values[i], LONGEST_TEXT) for what, values in told.items()}
        | {"compressed_right": right[i], "large_right": large_right[i]}
        for i in places
    ]
    curve = {"words": steps, "same": shares, "identical": float(identical.mean()), "figures": figures}
    return curve | {"examples": shown}


def parted(common: np.ndarray, identical: np.ndarray, turned: np.ndarray) -> list[int]:
    """Some of the pairs of texts that part: up to half of them such of which one text is right and the other wrong, and
    the others spread evenly from those that part first to those that part last."""
    order = [int(i) for i in np.argsort(common, kind="stable") if not identical[i]]
    first = evenly([i for i in order if turned[i]], PARTED // 2)
    return first + evenly([i for i in order if i not in first], PARTED - len(first))


def evenly(some: list[int], count: int) -> list[int]:
    """
    >>> evenly([1, 2, 3, 4, 5, 6, 7], 3), evenly([1, 2], 3)
    ([1, 4, 7], [1, 2])
    """
    if len(some) <= count:
        return some
    return [some[round(place)] for place in np.linspace(0, len(some) - 1, count)]


def beside(own: list[str], large: list[str], common: int) -> dict[str, Any]:
    """What both texts begin with, its end where it is long, and how each goes on.

    >>> beside(["It", "is", "so", "."], ["It", "is", "not", "so", "."], 2)
    {'words': 2, 'shared': 'It is', 'compressed': 'so .', 'large': 'not so .'}
    """
    shared_words = " ".join(own[:common])
    begun = shared_words if len(shared_words) <= LONGEST_TEXT // 2 else f"… {shared_words[-LONGEST_TEXT // 2 :]}"
    rest = {
        side: shorten(" ".join(words[common:]), LONGEST_TEXT) for side, words in (("compressed", own), ("large", large))
    }
    return {"words": common, "shared": begun, **rest}


def shared(a: list[str], b: list[str]) -> int:
    """How many words two texts begin with alike.

    >>> shared("the answer is 42".split(), "the answer was 42".split())
    2
    """
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(a, b, strict=False)))
