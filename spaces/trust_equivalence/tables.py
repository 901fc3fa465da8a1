"""What a visitor's table holds: figures, plots and the code for it. Only data goes in, so another process can do it."""

from html import escape
from typing import Any, NamedTuple

import numpy as np
from limits import ROW_CHARACTERS
from limits import ROWS as TEXTS
from look import figure_picture, show

from trusteq.dimensions.registry import DIMENSIONS
from trusteq.faces import widget

ROWS_OF_TABLE = 5000
OOD, EMBEDDINGS = "ood", ("embeddings", "large_embeddings")


def read_texts(table: str) -> tuple[list[str], list[Any]]:
    """The texts of a table, and their labels."""
    columns, _, _ = widget.read_table(table, ["text", "label"], TEXTS)
    texts = [str(text) for text in columns["text"]]
    for number, text in enumerate(texts, start=1):
        if len(text) > ROW_CHARACTERS:
            raise ValueError(
                f"the text in row {number} has {len(text):,} characters; this page takes {ROW_CHARACTERS:,}"
            )
    return texts, columns["label"]


class Call(NamedTuple):
    """One metric with the columns that its arguments come from; `inside`: of the rows in distribution alone."""

    metric: str
    columns: dict[str, str]
    inside: bool


def compared(text: str) -> tuple[str, dict[str, Any], str]:
    """The page, the figures by metric, and the code that gives them."""
    widget.check_text(text)
    header = {name.strip().rpartition("_")[0] or name.strip() for name in split(text.strip().partition("\n")[0])}
    header |= {name.strip() for name in split(text.strip().partition("\n")[0])}
    calls = calls_for(header)
    names = list(dict.fromkeys(name for call in calls for name in call.columns.values()))
    columns, rows, unused = widget.read_table(text, names, ROWS_OF_TABLE)
    inside = rows_inside(columns.get(OOD), rows)
    figures, parts, lines = {}, [], []
    for call in calls:
        if call.metric == "calibration_gap" and not all(
            is_rows(columns[name]) for name in ("predictions", "large_predictions")
        ):
            continue
        given = {name: pick(columns[column], inside if call.inside else None) for name, column in call.columns.items()}
        result = DIMENSIONS[call.metric].of(**given, details=True)
        question = DIMENSIONS[call.metric].question
        plot = figure_picture(DIMENSIONS[call.metric].plot(result), f"Plot: {question} The tables hold its figures.")
        del result["details"]
        figures[call.metric] = result
        parts.append(f"<h2>{escape(question)}</h2>{plot}{widget.figures_table(result)}")
        lines.append(line_of(call, columns))
    left_out = f" Columns not used: {widget.shortened(', '.join(unused))}." if unused else ""
    page = widget.say(f"{rows:,} lines compared.{left_out}") + "".join(parts)
    return show(page), figures, code_of(lines, columns, text)


def split(line: str) -> list[str]:
    return line.replace('"', "").split(separator(line))


def separator(line: str) -> str:
    return max(",;\t", key=line.count)


def calls_for(header: set[str]) -> list[Call]:
    """Which metrics the columns allow.

    >>> [call.metric for call in calls_for({"embeddings", "large_embeddings"})]
    ['representation_overlap']
    """
    said = {"predictions": "predictions", "references": "references", "large_predictions": "large_predictions"}
    calls = []
    if not set(EMBEDDINGS) <= header or header & set(said.values()):
        inside = OOD in header
        calls += [Call("prediction_error_jaccard", said, inside), Call("calibration_gap", said, inside)]
        if inside:
            calls.append(Call("ood_divergence", said | {"references": OOD}, False))
    if set(EMBEDDINGS) <= header:
        calls.append(
            Call(
                "representation_overlap",
                dict(zip(("predictions", "large_predictions"), EMBEDDINGS, strict=True)),
                False,
            )
        )
    return calls


def rows_inside(ood: Any, rows: int) -> np.ndarray:
    if ood is None:
        return np.ones(rows, dtype=bool)
    if any(value not in (0, 1) for value in ood):
        raise ValueError("the column ood holds 1 for an out-of-distribution input and 0 for any other, nothing else")
    inside = np.array(ood) == 0
    if not inside.any() or inside.all():
        raise ValueError("the column ood needs both kinds of inputs: in-distribution (0) and out-of-distribution (1)")
    return inside


def is_rows(values: list[Any]) -> bool:
    return isinstance(values[0], list)


def pick(values: list[Any], inside: np.ndarray | None) -> list[Any]:
    return values if inside is None else [value for value, keep in zip(values, inside, strict=True) if keep]


# The same in Python.


ROWS = """
def rows(table, name, columns):
    return table[[f"{name}_{i}" for i in range(columns)]].to_numpy()
"""


def code_of(lines: list[str], columns: dict[str, Any], text: str) -> str:
    """Code that gives the same figures from the table in a file."""
    sep = separator(text.strip().partition("\n")[0])
    how = "" if sep == "," else f", sep={sep!r}"
    head = [
        "import evaluate",
        "import pandas as pd",
        "",
        f'table = pd.read_csv("table.csv"{how}, keep_default_na=False)',
    ]
    head += ['inside = table[table["ood"] == 0]'] if OOD in columns else []
    return "\n".join([*head, *([ROWS] if any(map(is_rows, columns.values())) else [""]), *lines])


def line_of(call: Call, columns: dict[str, Any]) -> str:
    """One metric's call."""
    source = "inside" if call.inside else "table"
    lines = [f'{call.metric} = evaluate.load("metrics/{call.metric}").compute(']
    for name, column in call.columns.items():
        values = columns[column]
        taken = (
            f'rows({source}, "{column}", {len(values[0])})' if is_rows(values) else f'{source}["{column}"].to_numpy()'
        )
        lines.append(f"    {name}={taken},")
    return "\n".join([*lines, ")"])
