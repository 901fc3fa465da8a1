"""The first tab: can the compressed model stand in for the large one? The whole audit, on any texts."""

import json
import tempfile
from collections.abc import Generator, Iterator
from functools import partial
from html import escape
from pathlib import Path
from typing import Any

import gradio as gr
from guard import only_uploads
from limits import AUDIT_SECONDS, ROWS, TABLE_SECONDS, Kept, one_of
from look import answered, say, show, where_wished
from models import Models, Pair
from opening import family_opening, language_opening
from permalink import Field, Part, choice
from verdict_page import pictures_in, verdict_page
from work import AUDITS, remembered, waited
from workshop import WORKSHOP

from trusteq.audit import start
from trusteq.audit.bundled import ASKED
from trusteq.audit.options import AuditOptions
from trusteq.audit.results import flat
from trusteq.faces import widget
from trusteq.report.plots import plot_pair
from trusteq.report.write import write_report

EFFORT = {"quick": 50, "thorough": 100}  # texts that are explained and attacked
QUESTIONS = ASKED["max_queries"]  # that an attack may put to a model about one text
REPORTS = 16  # that are remembered
STAGES = {
    "clean answers": "Reading every text with every model",
    "ood texts": "Reading out-of-distribution texts",
    "explanations": "Asking which words mattered",
    "attacks": "Changing texts until a model errs",
    "report": "Drawing the report",
}


def verdict_tab(models: Models, large: Any, compressed: Any) -> Part:
    """The tab; `large` and `compressed` are the page's choice of models."""
    family_opening(models, large, compressed)
    gr.HTML(
        show(
            "<h2>Compare the two models chosen above</h2>"
            "<p>Six questions, each answered <b>equivalent</b>, <b>different</b> or <b>inconclusive</b>. The yardstick "
            "is a <i>twin</i>: a second large model, trained in the same way with another seed. Whatever those two "
            "differ by is not caused by compression.</p>"
        )
    )
    effort = gr.Radio(
        list(EFFORT),
        value="quick",
        label="How thorough?",
        info="Quick explains and attacks 50 texts, thorough 100: it takes twice as long and decides more.",
    )
    with gr.Accordion("Texts of your own instead of the bundled reviews", open=False):
        table = gr.Textbox(
            label="Texts and their labels",
            info=f"CSV with the columns text and label, up to {ROWS} lines. Empty: the bundled reviews.",
            placeholder="text,label\nThe cast is wonderful,positive",
            lines=4,
            max_lines=10,
        )
        with gr.Row():
            upload = only_uploads(
                gr.UploadButton("Upload a CSV file", file_types=[".csv", ".tsv", ".txt"], type="binary", size="sm")
            )
            gr.Button("Show an example", size="sm").click(
                lambda: example(models.sample), None, table, api_visibility="private"
            )
    with gr.Row():
        run = gr.Button("Compare the two models", variant="primary", scale=3)
        stop = gr.Button("Stop", scale=1)
    page = gr.HTML(label="Verdict", elem_id="verdict")
    with gr.Row():
        files = [
            gr.DownloadButton(f"Download the report ({kind})", visible=False, size="sm") for kind in ("HTML", "JSON")
        ]
    with gr.Accordion("The figures as JSON", open=False):
        figures = gr.JSON(label="figures", show_label=False)
    judge = answered(Judge(models).answer, others=3)
    settings: dict[str, Any] = {"concurrency_id": "audit", "show_progress": "minimal"}
    asked = gr.State(False)
    inputs, outputs = [large, compressed, effort, table], [page, figures, *files]
    clicked = run.click(judge, inputs, outputs, api_name="verdict", **settings)
    link = where_wished(judge, len(outputs))
    linked = asked.change(link, [asked, *inputs], outputs, api_visibility="private", **settings)
    # The answer is scrolled to, also where a link asked for it; and the files' buttons appear with the files.
    page.change(None, js="() => setTimeout(() => space.scroll('verdict'))", api_visibility="private")
    figures.change(reveal, figures, files, api_visibility="private", show_progress="hidden")
    stop.click(
        stopped, page, page, cancels=[clicked, linked], api_visibility="private", show_progress="hidden", queue=False
    )
    upload.upload(read_file, upload, [table, page], api_visibility="private")
    gr.HTML(language_opening(), elem_id="language")
    return Part("verdict", {"effort": Field(effort, choice("effort", EFFORT))}, page, asked, (table,))


def stopped(page: str) -> Any:
    """What stands where an audit was going on, or waited for its turn."""
    if 'role="status"' not in page:
        return gr.skip()
    return say("Stopped; nothing was kept. “Compare the two models” starts again.")


def reveal(figures: Any) -> list[Any]:
    """The buttons for the report's files, as soon as there are any; no file is sent back for that."""
    return [gr.DownloadButton(visible=bool(figures))] * 2


class Judge:
    """The handler of the button: yields the page as the audit goes on, then the verdict with the report's files."""

    def __init__(self, models: Models):
        self.models, self.kept = models, Kept(REPORTS)

    def answer(self, large: str, compressed: str, effort: str, table: str) -> Iterator[Any]:
        """Audit the two models. `table`: CSV with the columns text and label, or empty for the bundled reviews."""
        one_of("effort", effort, EFFORT)
        data = yield from read_texts(table, self.models.sample)
        pair = yield from self.models.opened(large, compressed)
        progress = Progress()
        question = (pair.names, effort, json.dumps(data))
        page, figures, files = yield from remembered(
            self.kept, question, lambda: audited(pair, data, effort, progress), progress.page, AUDITS, AUDIT_SECONDS
        )
        with tempfile.TemporaryDirectory(prefix="report-") as folder:
            yield page, figures, *(write(Path(folder), name, content) for name, content in files.items())


def write(folder: Path, name: str, content: bytes) -> str:
    (folder / name).write_bytes(content)
    return str(folder / name)


def audited(pair: Pair, data: dict[str, Any], effort: str, progress: "Progress") -> tuple[str, Any, dict[str, bytes]]:
    """The verdict's page, its figures, and the report's two files."""
    count = EFFORT[effort]
    options = AuditOptions(explained=count, attacked=count, max_queries=QUESTIONS)
    found = start.audit(options, **pair.family(), **data, progress=progress.bar)
    assert found is not None
    progress.bar("report", 1)
    with tempfile.TemporaryDirectory(prefix="report-") as folder:
        write_report(found, folder, plot_pair, ("svg", "png"))
        place = Path(folder)
        files = {name: (place / name).read_bytes() for name in ("report.html", "report.json")}
        return verdict_page(found, pictures_in(place)), flat(found), files


class Progress:
    """How far the audit is, a line a stage."""

    def __init__(self) -> None:
        self.stages: dict[str, list[int]] = {}

    def bar(self, what: str, count: int) -> "Bar":
        self.stages[what] = [0, count]
        return Bar(self.stages[what])

    def page(self) -> str:
        lines = [self.line(name, says) for name, says in STAGES.items()]
        now = next((STAGES[name] for name in reversed(self.stages)), "Opening the models")
        return show(f'{widget.say(f"{now} …")}<ul class="stages">{"".join(lines)}</ul>')

    def line(self, name: str, says: str) -> str:
        done, count = self.stages.get(name, [0, 0])
        state = f"{done:,} of {count:,}" if count > 1 else "waits" if not count else "now"
        if count and done >= count:
            state = "done"
        bar = f'<progress max="{max(1, count)}" value="{done}" aria-label="{escape(says)}">{escape(state)}</progress>'
        return f"<li><span>{escape(says)}</span>{bar}<span>{escape(state)}</span></li>"


class Bar:
    """What the audit tells how far it is."""

    def __init__(self, state: list[int]):
        self.state = state

    def update(self, count: int) -> None:
        self.state[0] += count

    def close(self) -> None:
        self.state[0] = self.state[1]


# Texts of one's own.


def read_texts(table: Any, sample: dict[str, Any]) -> Generator[str, None, dict[str, Any]]:
    """The texts that the audit is about, as it takes them."""
    outside = {"ood_texts": sample["ood_texts"]}
    if table is None or table == "":
        return {
            "texts": sample["texts"],
            "references": sample["references"],
            **outside,
            "data_name": "the bundled reviews",
        }
    widget.check_text(table)
    read = partial(WORKSHOP.run, "tables", "read_texts", table)
    texts, labels = yield from waited(read, lambda: say("Reading the table …"), TABLE_SECONDS)
    return {"texts": texts, "references": labels, **outside, "data_name": "texts of a visitor"}


def read_file(content: bytes) -> tuple[Any, str]:
    """An uploaded file becomes the text of the box, as if it had been pasted."""
    try:
        return widget.read_upload(content), ""
    except ValueError as error:
        return gr.skip(), say(str(error), alert=True)


def example(sample: dict[str, Any]) -> str:
    return widget.to_csv({"text": sample["texts"][:60], "label": sample["references"][:60]})
