"""The fifth tab: what do your own models say? A table of labels and of what both said; figures, plots, and the code."""

import hashlib
from collections.abc import Iterator
from html import escape
from typing import Any, NamedTuple

import gradio as gr
import numpy as np
from confidence import references
from limits import Kept, in_a_sentence, only_uploads, time_limit
from look import answered, figure_picture, say, show
from models import Models
from verdict import read_file

from trusteq.dimensions.registry import DIMENSIONS
from trusteq.faces import widget

ROWS_OF_TABLE = 5000
EXAMPLE = 150  # texts of the example, and as many that are out-of-distribution
OOD, EMBEDDINGS = "ood", ("embeddings", "large_embeddings")


class Call(NamedTuple):
    """One metric with the columns that its arguments come from; `inside`: of the rows in distribution alone."""

    metric: str
    columns: dict[str, str]
    inside: bool


def table_tab(models: Models, large: Any, compressed: Any) -> None:
    gr.HTML(
        show(
            """<p class="lead">Your models can stay where they are: paste what they said, one line per example.</p>
<ul>
<li><code>references</code>: the right class, 0, 1, …</li>
<li><code>predictions_0</code>, <code>predictions_1</code>, …: what the compressed model says, a column per class</li>
<li><code>large_predictions_0</code>, …: what the large model says</li>
</ul>
<p>Two more questions can be answered from further columns: <code>ood</code> (1 for an out-of-distribution
input, of another kind than the models were made for, else 0), and <code>embeddings_0</code>, …,
<code>large_embeddings_0</code>, …</p>"""
        )
    )
    table = gr.Textbox(
        label="Table", info=f"CSV with a header line, up to {ROWS_OF_TABLE:,} lines", lines=7, max_lines=12
    )
    with gr.Row():
        run = gr.Button("Compare", variant="primary")
        show_example = gr.Button("Try an example")
        upload = only_uploads(gr.UploadButton("Upload a CSV file", file_types=[".csv", ".tsv", ".txt"], type="binary"))
    page = gr.HTML(label="Comparison", elem_id="table")
    gr.HTML(show("<h3>The same figures in Python</h3>"))
    code = gr.Code(
        label="Python", language="python", value="# appears once a table was compared", lines=3, wrap_lines=True
    )
    with gr.Accordion("The figures as JSON", open=False):
        figures = gr.JSON(label="figures", show_label=False)
    kept = Kept(64)

    def compare(table: str) -> Iterator[tuple[Any, ...]]:
        """Compare two models from a table in CSV (references, predictions_0, ..., large_predictions_0, ...)."""
        yield say("Reading the table …"), None, None
        question = hashlib.sha256(str(table).encode("utf-8", "surrogatepass")).hexdigest()
        yield kept.get(question, lambda: compared(str(table or "")))

    def example(large: str, compressed: str) -> tuple[Any, str]:
        try:
            return example_table(models, large, compressed), ""
        except Exception as error:
            return gr.skip(), say(in_a_sentence(error), alert=True)

    handler = answered(compare, others=2)
    outputs = [page, figures, code]
    settings: dict[str, Any] = {"concurrency_id": "sentence", "show_progress": "minimal"}
    run.click(handler, table, outputs, api_name="compare", **settings)
    filled = show_example.click(example, [large, compressed], [table, page], api_visibility="private", **settings)
    filled.then(handler, table, outputs, api_visibility="private", **settings)
    sent = upload.upload(read_file, upload, [table, page], api_visibility="private")
    sent.then(handler, table, outputs, api_visibility="private", **settings)


def compared(text: str) -> tuple[str, dict[str, Any], str]:
    """The page, the figures by metric, and the code that gives them."""
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


# An example.


def example_table(models: Models, large: str, compressed: str) -> str:
    """What the two chosen models say of some reviews and of some texts that are no reviews."""
    pair, sample = models.pair(large, compressed), models.sample
    inside, outside = sample["texts"][:EXAMPLE], sample["ood_texts"][:EXAMPLE]
    with time_limit():
        said, large_said = pair.ask([*inside, *outside])
    labels = references(sample["references"][: len(inside)], pair.classes)
    return widget.to_csv(
        {
            "references": [*labels, *[0] * len(outside)],
            OOD: np.repeat([0, 1], [len(inside), len(outside)]),
            "predictions": said.round(4),
            "large_predictions": large_said.round(4),
        }
    )
