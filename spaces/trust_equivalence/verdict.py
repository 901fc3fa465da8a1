"""The first tab: can the compressed model stand in for the large one? The whole audit, on any texts."""

import json
import tempfile
from collections.abc import Callable, Generator, Iterator
from functools import partial
from html import escape
from pathlib import Path
from typing import Any

import gradio as gr
import shelf
from guard import only_uploads
from limits import AUDIT_SECONDS, ROWS, TABLE_SECONDS, Kept, OutOfTime, one_of
from look import answered, say, show, stops, where_wished
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
BEGUN = 4  # pairs with their texts whose finished work is kept, whoever stopped it
COMPARE, GO_ON = "Compare the two models", "Go on with the comparison"
STOPPED = "Stopped. What was done is kept"
STAGES = {
    "clean answers": "Reading every text with every model",
    "ood texts": "Reading out-of-distribution texts",
    "explanations": "Asking which words mattered",
    "attacks": "Changing texts until a model errs",
    "report": "Drawing the report",
}


def verdict_tab(models: Models, large: Any, compressed: Any, home: Callable[[], str | None]) -> Part:
    """The tab; `large` and `compressed` are the page's choice of models, and `home` its address, once it has one."""
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
        info="Quick explains and attacks 50 texts, thorough 100: it takes twice as long and decides more. The audit "
        "above took longer and decides most: it explained 80 texts, attacked 200, and had two twins.",
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
        run = gr.Button(COMPARE, variant="primary", scale=3)
        stop = gr.Button("Stop", scale=1)
    page = gr.HTML(label="Verdict", elem_id="verdict")
    with gr.Row():
        files = [
            gr.DownloadButton(f"Download the report ({kind})", visible=False, size="sm") for kind in ("HTML", "JSON")
        ]
    with gr.Accordion("The figures as JSON", open=False):
        figures = gr.JSON(label="figures", show_label=False)
    judge = answered(Judge(models, home).answer, others=3)
    settings: dict[str, Any] = {"concurrency_id": "audit", "show_progress": "minimal"}
    asked = gr.State(False)
    inputs, outputs = [large, compressed, effort, table], [page, figures, *files]
    clicked = run.click(judge, inputs, outputs, api_name="verdict", **settings)
    link = where_wished(judge, len(outputs))
    linked = asked.change(link, [asked, *inputs], outputs, api_visibility="private", **settings)
    # The answer is scrolled to, also where a link asked for it; and the files' buttons appear with the files.
    page.change(None, js="() => setTimeout(() => space.scroll('verdict'))", api_visibility="private")
    figures.change(reveal, figures, files, api_visibility="private", show_progress="hidden")
    stops(stop, page, [clicked, linked], f"{STOPPED}: “{GO_ON}” continues from there.")
    # The button says what it would do: it goes on with what was stopped, until something else is chosen.
    label = f"(page) => page?.includes({json.dumps(STOPPED)}) ? {json.dumps(GO_ON)} : {json.dumps(COMPARE)}"
    page.change(None, page, run, js=label, api_visibility="private")
    chosen = [one.change for one in (large, compressed, effort, table)]
    gr.on(chosen, None, None, run, js=f"() => {json.dumps(COMPARE)}", api_visibility="private")
    upload.upload(read_file, upload, [table, page], api_visibility="private")
    gr.HTML(language_opening(), elem_id="language")
    return Part("verdict", {"effort": Field(effort, choice("effort", EFFORT))}, page, asked, (table,))


def reveal(figures: Any) -> list[Any]:
    """The buttons for the report's files, as soon as there are any; no file is sent back for that."""
    return [gr.DownloadButton(visible=bool(figures))] * 2


class Judge:
    """The handler of the button: yields the page as the audit goes on, then the verdict with the report's files.

    What an audit has finished is kept in memory, so that one that was stopped goes on from there, and a thorough one
    from a quick one.
    """

    def __init__(self, models: Models, home: Callable[[], str | None] = lambda: None):
        self.models, self.home, self.kept, self.begun = models, home, Kept(REPORTS), Kept(BEGUN)

    def answer(self, large: str, compressed: str, effort: str, table: str) -> Iterator[Any]:
        """Audit the two models. `table`: CSV with the columns text and label, or empty for the bundled reviews."""
        one_of("effort", effort, EFFORT)
        data = yield from read_texts(table, self.models.sample)
        pair = yield from self.models.opened(large, compressed)
        progress = Progress()
        about = (pair.names, json.dumps(data))

        def work() -> Any:
            # A report calls the large model large: only where it is called so here do its rows open here.
            home = self.home() if (pair.large_name, pair.compressed_name) == ("large", compressed) else None
            return audited(pair, data, effort, progress, self.begun.get(about, dict), home)

        try:
            page, figures, files, examples = yield from remembered(
                self.kept, (*about, effort), work, progress.page, AUDITS, AUDIT_SECONDS
            )
        except OutOfTime:
            minutes = f"{AUDIT_SECONDS // 60} minutes"
            raise OutOfTime(f"this took longer than {minutes}. What was done is kept: ask again to go on") from None
        shelf.put(examples)
        with tempfile.TemporaryDirectory(prefix="report-") as folder:
            yield page, figures, *(write(Path(folder), name, content) for name, content in files.items())


def write(folder: Path, name: str, content: bytes) -> str:
    (folder / name).write_bytes(content)
    return str(folder / name)


def audited(
    pair: Pair,
    data: dict[str, Any],
    effort: str,
    progress: "Progress",
    done: dict[str, Any],
    home: str | None,
) -> tuple[str, Any, dict[str, bytes], str]:
    """The verdict's page, its figures, the report's two files, and the examples behind the counts; what was `done`
    before is not asked again."""
    count = EFFORT[effort]
    options = AuditOptions(explained=count, attacked=count, max_queries=QUESTIONS)
    found = start.audit(options, **pair.family(), **data, folder=done, progress=progress.bar)
    assert found is not None
    progress.bar("report", 1)
    with tempfile.TemporaryDirectory(prefix="report-") as folder:
        write_report(found, folder, plot_pair, ("svg", "png"), space=home)
        place = Path(folder)
        files = {name: (place / name).read_bytes() for name in ("report.html", "report.json")}
        examples = shelf.examples_of(found)
        return verdict_page(found, pictures_in(place), "browse-verdict", examples), flat(found), files, examples[1]


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
