"""What happened task by task? The rows of the page, of Markdown and of the terminal, and which tasks moved."""

from collections.abc import Callable
from typing import Any

from trusteq.dimensions.registry import DIMENSIONS
from trusteq.report.terminal import wrapped
from trusteq.report.words import Audit, Pair
from trusteq.wording import clean, number, percent, points, shorten, signed

LONGEST = 20  # name of a task, in a terminal
MOST_ROWS = 40
WIDTH, HEIGHT = 100, 40  # of the curves
SHORT = {"examples": "n", "other answer": "changed", "same errors": "overlap"}
FIRST = ("task", "examples", "accuracy", "gap", "flips", "other answer")
COLUMNS = (*FIRST, "same errors", "chance", "ECE gap", "KL", "moved")
DISTANCES = (("KL", "kl_divergence"), ("JS", "js_divergence"))
Row = dict[str, Any]


def tables(audit: Audit) -> list[dict[str, Any]]:
    """For every compressed model and the floor a row per task, and where there are several one for all."""
    found = []
    for place, pair in enumerate(audit["pairs"]):
        tests = {one["task"]: one for one in pair.get("moved", [])}
        rows = [
            row_of(task["name"], task["examples"], task["pairs"][place], tests.get(task["name"]))
            for task in audit.get("tasks", [])
        ]
        if len(rows) > 1:
            rows.append(row_of("all tasks", audit["data"]["examples"], pair, None) | {"all": True})
        if rows:
            names = {"name": pair["compressed"], "large": pair["large"]}
            found.append({**names, "rows": rows, "moved": moves(pair)})
    return found


def row_of(name: str, examples: int, pair: Pair, test: dict[str, Any] | None) -> Row:
    """Texts, by column; what is unknown is empty."""
    errors, gap = (figures_of(pair, dimension) for dimension in ("prediction_error_jaccard", "calibration_gap"))
    said = pair.get("answers", {})
    row: Row = dict.fromkeys([*COLUMNS, *(f"{one}_interval" for one in COLUMNS), "most", "p", "corrected"], "")
    row |= {"task": name, "examples": f"{examples:,}", "all": False}
    row["verdicts"] = {name: pair["dimensions"].get(name, {}).get("verdict") for name in DIMENSIONS}
    if "accuracy" in said:
        row["accuracy"] = f"{100 * said['large_accuracy']:.1f} → {100 * said['accuracy']:.1f} %"
        row["gap"] = in_points(said["accuracy_gap"])
        row["gap_interval"] = between(said, "accuracy_gap")
    for column, figure in (("flips", "flip_rate"), ("other answer", "answer_change_rate")):
        if figure in errors:
            row[column] = percent(errors[figure])
            row[f"{column}_interval"] = f"{percent(errors[f'{figure}_low'])} to {percent(errors[f'{figure}_high'])}"
    apart = [f"{short} {number(said[name])}" for short, name in DISTANCES if name in said]
    row |= {"KL": number(said["kl_divergence"]) if "kl_divergence" in said else "", "apart": apart}
    if errors:
        row |= {"same errors": number(errors["jaccard"]), "chance": number(errors["expected_jaccard"])}
        row |= {"most": number(errors["max_jaccard"]), "p": number(errors["mcnemar_p"])}
        row["same errors_interval"] = f"{number(errors['jaccard_low'])} to {number(errors['jaccard_high'])}"
    if "ece_gap" in gap:
        row["ECE gap"] = in_points(gap["ece_gap"])
        row["ECE gap_interval"] = between(gap, "ece_gap")
    if test:
        row["corrected"] = number(test["corrected_p"])
        row["moved"] = f"{'yes' if test['moved'] else 'no'} (p {row['corrected']})"
    return row


def figures_of(pair: Pair, dimension: str) -> dict[str, float]:
    entry = pair["dimensions"].get(dimension, {})
    return entry["figures"] if entry.get("status") == "done" else {}


def in_points(gap: float) -> str:
    """With one decimal, as a column of a table has them.

    >>> in_points(-0.0061), in_points(0.0)
    ('−0.6', '0.0')
    """
    return signed(f"{100 * gap:+.1f}") if round(100 * gap, 1) else "0.0"


def between(figures: dict[str, float], name: str, written: Callable[[float], str] = in_points) -> str:
    return f"{written(figures[f'{name}_low'])} to {written(figures[f'{name}_high'])}"


def as_counted(gap: float) -> str:
    """Of a score that is no share: a length, say.

    >>> as_counted(-3.5), as_counted(12.0)
    ('−3.5', '+12')
    """
    return signed(f"{gap:+.3g}")


def moves(pair: Pair) -> str:
    """Which tasks' accuracy moved, corrected for their number.

    >>> one = {"accuracy_gap": -0.026, "corrected_p": 0.009, "moved": True}
    >>> moves({"moved": [one | {"task": "arc"}, one | {"task": "csqa", "moved": False}]})
    'The accuracy of 1 of 2 tasks moved, corrected for their number (Holm): arc (−2.6 points).'
    """
    tests = pair.get("moved", [])
    if not tests:
        return ""
    some = sorted((one for one in tests if one["moved"]), key=lambda one: -abs(one["accuracy_gap"]))
    if not some:
        return f"The accuracy of none of the {len(tests)} tasks moved, corrected for their number (Holm)."
    named = [f"{clean(one['task'])} ({points(one['accuracy_gap'])})" for one in some[:6]]
    more = f" and {len(some) - 6} more" if len(some) > 6 else ""
    count = f"The accuracy of {len(some)} of {len(tests)} tasks moved, corrected for their number (Holm)"
    return f"{count}: {', '.join(named)}{more}."


def is_written(audit: Audit) -> bool:
    """Whether the models wrote their answers for this audit, and it was not read from a harness's logs."""
    return "max_tokens" in (audit.get("prompt") or {})


def scored(audit: Audit) -> list[dict[str, str]]:
    """What the harness itself scored; or of written answers the scorer, lengths, refusals."""
    found = []
    for task in audit.get("tasks", []):
        every = [(name, one) for pair in task["pairs"] for name, one in pair["scores"].items()]
        counted = {name for name, one in every if max(abs(one["value"]), abs(one["large_value"])) > 1}
        for pair in task["pairs"]:
            for name, score in pair["scores"].items():
                values = " → ".join(as_value(score[key], name in counted) for key in ("large_value", "value"))
                written = as_counted if name in counted else in_points
                ends = between(score, "gap", written) if "gap_low" in score else ""
                row = {"task": task["name"], "model": pair["compressed"], "score": name, "values": values}
                gap = written(score["gap"]) + ("" if name in counted else " points")
                found.append(row | {"gap": gap, "interval": ends, "role": pair["role"]})
    return found


def as_value(value: float, counted: bool) -> str:
    """
    >>> as_value(20.383, True), as_value(0.0333, False)
    ('20.4', '3.3 %')
    """
    return f"{value:.3g}" if counted else f"{100 * value:.1f} %"


def score_tables(audit: Audit) -> list[dict[str, Any]]:
    """The same with a row per model and a column per score, task by task."""
    rows = scored(audit)
    found = []
    for task in dict.fromkeys(row["task"] for row in rows):
        own = [row for row in rows if row["task"] == task]
        names = list(dict.fromkeys(row["score"] for row in own))
        cells = {(row["model"], row["score"]): row for row in own}
        models = [
            {"model": model, "role": role, "cells": [cells.get((model, name)) for name in names]}
            for model, role in dict.fromkeys((row["model"], row["role"]) for row in own)
        ]
        found.append({"task": task, "names": names, "models": models})
    return found


def partings(audit: Audit) -> list[dict[str, Any]]:
    """Of answers that are texts, task by task: the share of pairs that are still the same after so many words, as a
    line for each model, the floor's dashed; and some of the pairs side by side."""
    found = []
    for task in audit.get("tasks", []):
        pairs = [pair for pair in task["pairs"] if pair["parting"]]
        if pairs:
            last = max(1, *(pair["parting"]["words"][-1] for pair in pairs))
            models = [parting_of(pair, last) for pair in pairs]
            found.append({"task": task["name"], "last": last, "models": models})
    return found


def parting_of(pair: Pair, last: int) -> dict[str, Any]:
    curve = pair["parting"]
    steps = list(zip(curve["words"], curve["same"], strict=True))
    half = next((word for word, share in steps if share < 0.5), None)
    return {
        "model": pair["compressed"],
        "large": pair["large"],
        "floor": pair["role"] == "twin",
        "identical": percent(curve["identical"]),
        "line": " ".join(f"{WIDTH * word / last:.1f},{HEIGHT * (1 - share):.1f}" for word, share in steps),
        "half": f"after {half} word{'s' * (half > 1)} fewer than half are" if half else "",
        "shared": shared_text(curve["figures"]),
        "ends": f" ({between(curve['figures'], 'identical', percent)})",
        "rows": [(word, percent(share)) for word, share in steps],
        "examples": [side_by_side(one, pair) for one in curve.get("examples", [])] if pair["role"] != "twin" else [],
    }


def side_by_side(one: dict[str, Any], pair: Pair) -> dict[str, Any]:
    """A pair of texts, with how each goes on where they part, and whether it is right."""
    sides = [
        {"kind": side, "name": pair[side], "rest": one[side], "right": one[f"{side}_right"]}
        for side in ("large", "compressed")
    ]
    words = (
        f"the same for {one['words']} word{'s' * (one['words'] != 1)}" if one["words"] else "apart from the first word"
    )
    return {name: one[name] for name in ("id", "question", "gold", "shared")} | {"sides": sides, "says": words}


def shared_text(figures: dict[str, float]) -> str:
    """
    >>> shared_text({"shared_words": 2.5, "shared_words_low": 1.5, "shared_words_high": 3.5, "shared_tokens": 4.0})
    'on average they share 2.5 words (1.5 to 3.5) and 4 tokens from the beginning'
    """
    found = []
    for unit in ("words", "tokens"):
        if (name := f"shared_{unit}") in figures:
            ends = f" ({between(figures, name, '{:.3g}'.format)})" if f"{name}_low" in figures else ""
            found.append(f"{figures[name]:.3g} {unit}{ends}")
    return f"on average they share {' and '.join(found)} from the beginning"


def task_table(audit: Audit) -> str:
    """For a terminal of 100 columns: the tasks of every compressed model."""
    return "\n\n".join(block(one) for one in tables(audit))


def block(found: dict[str, Any]) -> str:
    rows = found["rows"]
    shown = rows if len(rows) <= MOST_ROWS + 1 else [*rows[:MOST_ROWS], rows[-1]]
    used = [name for name in COLUMNS if name != "gap" and any(row[name] for row in shown)]
    columns = [[SHORT.get(name, name), *(cell_of(row, name) for row in shown)] for name in used]
    wide = [max(map(len, column)) for column in columns]
    title = f"{shorten(clean(found['name']), 40)} against {shorten(clean(found['large']), 40)}, task by task"
    padded = [[f"{cell:{'>' if i else '<'}{wide[i]}}" for cell in column] for i, column in enumerate(columns)]
    lines = [title, *(f"  {'  '.join(cells)}".rstrip() for cells in zip(*padded, strict=True))]
    if len(shown) < len(rows):
        lines.insert(-1, f"  ... {len(rows) - len(shown)} more in the report")
    return "\n".join([*lines, *wrapped(found["moved"], "  ")])


def cell_of(row: Row, name: str) -> str:
    return row[name].partition(" ")[0] if name == "moved" else shorten(clean(row[name]), LONGEST)
