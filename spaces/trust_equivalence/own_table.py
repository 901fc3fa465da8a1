"""The fifth tab: what do your own models say? A table of labels and of what both said; figures, plots, and the code."""

import hashlib
from collections.abc import Generator, Iterator
from functools import partial
from typing import Any

import gradio as gr
import numpy as np
from confidence import references
from guard import only_uploads
from limits import Kept
from look import answered, say, show
from models import Models
from permalink import Part
from tables import OOD, ROWS_OF_TABLE
from verdict import read_file
from work import SENTENCES, remembered, turn, waited
from workshop import WORKSHOP

from trusteq.faces import widget

EXAMPLE = 150  # texts of the example, and as many that are out-of-distribution


def table_tab(models: Models, large: Any, compressed: Any) -> Part:
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
    gr.HTML(show("<h2>The same figures in Python</h2>"))
    code = gr.Code(
        label="Python", language="python", value="# appears once a table was compared", lines=3, wrap_lines=True
    )
    with gr.Accordion("The figures as JSON", open=False):
        figures = gr.JSON(label="figures", show_label=False)
    kept = Kept(64)

    def compare(table: str) -> Iterator[Any]:
        """Compare two models from a table in CSV (references, predictions_0, ..., large_predictions_0, ...)."""
        widget.check_text(table)
        question = hashlib.sha256(table.encode()).hexdigest()
        work = partial(WORKSHOP.run, "tables", "compared", table)
        yield (yield from remembered(kept, question, work, lambda: say("Reading the table …")))

    def example(large: str, compressed: str) -> Iterator[Any]:
        yield "", (yield from example_table(models, large, compressed))

    def of_chosen(large: str, compressed: str, table: str) -> Iterator[Any]:
        """The same of a table that holds what the two chosen models say."""
        yield from compare(table)

    handler = answered(compare, others=2)
    outputs = [page, figures, code]
    settings: dict[str, Any] = {"concurrency_id": "sentence", "show_progress": "minimal"}
    run.click(handler, table, outputs, api_name="compare", **settings)
    shown = answered(example, others=1, empty=gr.skip())
    filled = show_example.click(shown, [large, compressed], [page, table], api_visibility="private", **settings)
    filled.then(
        answered(of_chosen, others=2), [large, compressed, table], outputs, api_visibility="private", **settings
    )
    sent = upload.upload(read_file, upload, [table, page], api_visibility="private")
    sent.then(handler, table, outputs, api_visibility="private", **settings)
    return Part("table", {})


# An example.


def example_table(models: Models, large: str, compressed: str) -> Generator[str, None, str]:
    """What the two chosen models say of some reviews and of some texts that are no reviews."""
    pair, sample = (yield from models.opened(large, compressed)), models.sample
    inside, outside = sample["texts"][:EXAMPLE], sample["ood_texts"][:EXAMPLE]

    def ask() -> Any:
        with turn(SENTENCES):
            return pair.ask([*inside, *outside])

    said, large_said = yield from waited(ask, lambda: say("Asking both models …"))
    labels = references(sample["references"][: len(inside)], pair.classes)
    return widget.to_csv(
        {
            "references": [*labels, *[0] * len(outside)],
            OOD: np.repeat([0, 1], [len(inside), len(outside)]),
            "predictions": said.round(4),
            "large_predictions": large_said.round(4),
        }
    )
