"""The first tab: can the compressed model stand in for the large one? The whole audit, on any texts."""

import json
import queue
import tempfile
import threading
import time
from collections.abc import Iterator
from html import escape
from pathlib import Path
from typing import Any

import gradio as gr
from limits import AUDIT_SECONDS, ROW_CHARACTERS, ROWS, Kept, OutOfTime, one_of, only_uploads, time_limit
from look import answered, say, show
from models import Models, Pair
from verdict_page import verdict_page

from trusteq.audit import start
from trusteq.audit.options import AuditOptions
from trusteq.audit.results import flat
from trusteq.faces import widget
from trusteq.report.plots import plot_pair
from trusteq.report.write import write_report

EFFORT = {"quick": 20, "thorough": 80}  # texts that are explained and attacked
QUESTIONS = 300  # that an attack may put to a model about one text
AUDITS = 16  # that are remembered
STAGES = {
    "clean answers": "Reading every text with every model",
    "ood texts": "Reading out-of-distribution texts",
    "explanations": "Asking which words mattered",
    "attacks": "Changing texts until a model errs",
    "report": "Drawing the report",
}


def verdict_tab(models: Models, large: Any, compressed: Any) -> None:
    """The tab; `large` and `compressed` are the page's choice of models."""
    gr.HTML(
        show(
            "<p class='lead'>Six questions about the two models chosen above, each answered <b>equivalent</b>, "
            "<b>different</b> or <b>inconclusive</b>. The yardstick is a <i>twin</i>: a second large model, trained in "
            "the same way with another seed. Whatever those two differ by is not caused by compression.</p>"
        )
    )
    effort = gr.Radio(
        list(EFFORT),
        value="quick",
        label="How thorough?",
        info="Quick explains and attacks 20 texts, thorough 80: it takes four times as long and decides more.",
    )
    with gr.Accordion("Texts of your own instead of the 400 film reviews", open=False):
        table = gr.Textbox(
            label="Texts and their labels",
            info=f"CSV with the columns text and label, up to {ROWS} lines. Empty: the bundled film reviews.",
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
    settings: dict[str, Any] = {"concurrency_limit": 1, "concurrency_id": "audit", "show_progress": "minimal"}
    running = run.click(
        judge, [large, compressed, effort, table], [page, figures, *files], api_name="verdict", **settings
    )
    running.then(reveal, files, files, api_visibility="private")
    stop.click(None, None, None, cancels=[running], api_visibility="private")
    upload.upload(read_file, upload, [table, page], api_visibility="private")


def reveal(*paths: str | None) -> list[Any]:
    """The buttons for the report's files, as soon as there are any."""
    return [gr.DownloadButton(visible=bool(path)) for path in paths]


class Judge:
    """The handler of the button: yields the page as the audit goes on, then the verdict with the report's files."""

    def __init__(self, models: Models):
        self.models, self.kept = models, Kept(AUDITS)

    def answer(self, large: str, compressed: str, effort: str, table: str) -> Iterator[tuple[Any, ...]]:
        """Audit the two models. `table`: CSV with the columns text and label, or empty for the bundled reviews."""
        one_of("effort", effort, EFFORT)
        data = read_texts(table, self.models.sample)
        yield say("Opening the models …"), None, None, None
        pair = self.models.pair(large, compressed)
        progress = Progress()
        question = (pair.names, effort, json.dumps(data))
        task = Task(lambda: self.kept.get(question, lambda: audited(pair, data, effort, progress)), progress)
        try:
            while task.running():
                yield progress.page(), None, None, None
            page, figures, files = task.result()
            with tempfile.TemporaryDirectory(prefix="report-") as folder:
                yield page, figures, *(write(Path(folder), name, content) for name, content in files.items())
        finally:
            progress.gone.set()


def write(folder: Path, name: str, content: bytes) -> str:
    (folder / name).write_bytes(content)
    return str(folder / name)


def audited(pair: Pair, data: dict[str, Any], effort: str, progress: "Progress") -> tuple[str, Any, dict[str, bytes]]:
    """The verdict's page, its figures, and the report's two files."""
    count = EFFORT[effort]
    with time_limit(AUDIT_SECONDS, progress.gone):
        options = AuditOptions(explained=count, attacked=count, max_queries=QUESTIONS)
        found = start.audit(options, **pair.family(), **data, progress=progress.bar)
        assert found is not None
    progress.bar("report", 1)
    with tempfile.TemporaryDirectory(prefix="report-") as folder:
        write_report(found, folder, plot_pair)
        place = Path(folder)
        files = {name: (place / name).read_bytes() for name in ("report.html", "report.json")}
        pictures = {"summary": (place / "plots" / "summary.png").read_bytes()}
        for path in sorted((place / "plots").glob("*.png")):
            if ".twin--" not in path.name:
                pictures.setdefault(path.name.split(".")[0], path.read_bytes())
    return verdict_page(found, pictures), flat(found), files


class Task:
    """Work in a thread of its own; `running` waits a little and says whether it goes on."""

    def __init__(self, work: Any, progress: "Progress"):
        self.done: queue.Queue[tuple[Any, BaseException | None]] = queue.Queue()
        self.outcome: tuple[Any, BaseException | None] | None = None
        self.end = time.monotonic() + AUDIT_SECONDS
        threading.Thread(target=self.run, args=(work,), daemon=True).start()

    def run(self, work: Any) -> None:
        try:
            self.done.put((work(), None))
        except BaseException as error:
            self.done.put((None, error))

    def running(self) -> bool:
        try:
            self.outcome = self.done.get(timeout=0.4)
        except queue.Empty:
            if time.monotonic() > self.end + 60:
                raise OutOfTime from None
        return self.outcome is None

    def result(self) -> Any:
        assert self.outcome is not None
        found, error = self.outcome
        if error is not None:
            raise error
        return found


class Progress:
    """How far the audit is, a line a stage."""

    def __init__(self) -> None:
        self.stages: dict[str, list[int]] = {}
        self.gone = threading.Event()

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


def read_texts(table: Any, sample: dict[str, Any]) -> dict[str, Any]:
    """The texts that the audit is about, as it takes them."""
    outside = {"ood_texts": sample["ood_texts"]}
    if not str(table or "").strip():
        return {"texts": sample["texts"], "references": sample["references"], **outside, "data_name": "film reviews"}
    columns, _, _ = widget.read_table(str(table), ["text", "label"], ROWS)
    texts = [str(text) for text in columns["text"]]
    for number, text in enumerate(texts, start=1):
        if len(text) > ROW_CHARACTERS:
            raise ValueError(
                f"the text in row {number} has {len(text):,} characters; this page takes {ROW_CHARACTERS:,}"
            )
    return {"texts": texts, "references": columns["label"], **outside, "data_name": "texts of a visitor"}


def read_file(content: bytes) -> tuple[Any, str]:
    """An uploaded file becomes the text of the box, as if it had been pasted."""
    try:
        return widget.read_upload(content), ""
    except ValueError as error:
        return gr.skip(), say(str(error), alert=True)


def example(sample: dict[str, Any]) -> str:
    return widget.to_csv({"text": sample["texts"][:60], "label": sample["references"][:60]})
