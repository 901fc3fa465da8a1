"""A tab: what do two logs of an evaluation harness say? Files that models left, compared as `trusteq compare` does.

Nothing in a file is run: it is read as data by a process of its own (workshop.py), which ends when its time is up."""

import hashlib
import tempfile
from collections.abc import Iterator, Sequence
from functools import partial
from html import escape
from pathlib import Path
from typing import Any

import gradio as gr
import shelf
from guard import only_uploads
from limits import LOG_SECONDS, UPLOAD_MEGABYTES, Kept
from look import answered, say, show
from permalink import Part
from verdict import write
from verdict_page import pictures_in, verdict_page
from work import remembered
from workshop import WORKSHOP

from trusteq.audit.options import AuditOptions
from trusteq.audit.recorded import audit_answers
from trusteq.audit.results import flat
from trusteq.cli.compare import CompareOptions, family_of
from trusteq.records.readers.reader import ReadOptions
from trusteq.report.flips import csv_of, shown_flips
from trusteq.report.plots import plot_pair
from trusteq.report.tasks import tables
from trusteq.report.write import write_report
from trusteq.wording import clean

ENDINGS = (".jsonl", ".json", ".eval", ".parquet", ".csv", ".tsv", ".npz")  # none that names other files
FILES = 20  # of one model: a log for each task
SIDES = ("large", "compressed")
NAMES = ("report.html", "report.json", "flips.csv")
EXAMPLE = [Path(__file__).parent / "example_logs" / f"qwen2.5-1.5b-{kind}.csv" for kind in ("fp16", "int4")]


def logs_tab() -> Part:
    gr.HTML(
        show(
            "<p class='lead'>Have you evaluated both models already? Drop in their logs and see how far apart they "
            "are. No model is asked.</p><p>Samples of lm-evaluation-harness (<code>--log_samples</code>), logs of "
            "Inspect (<code>.eval</code>), details of lighteval, tables with an id, the right answer and what the "
            f"model said, or arrays (<code>.npz</code>). Up to {FILES} files of {UPLOAD_MEGABYTES} MB each; they are "
            "removed afterwards and are not part of a link.</p>"
        )
    )
    with gr.Row():
        large, compressed = (
            only_uploads(
                gr.File(
                    label=f"What the {side} model said",
                    file_count="multiple",
                    file_types=list(ENDINGS),
                    height=150,
                    min_width=280,
                )
            )
            for side in SIDES
        )
    with gr.Row():
        run = gr.Button("Compare the logs", variant="primary", scale=3)
        example = gr.Button("Try an example", scale=1)
    gr.HTML(
        show(
            "<p class='soft'>The example: what Qwen2.5-1.5B-Instruct answered to 975 questions of MMLU in 16 and in 4 "
            "bits, with how sure it was. From the data of Bommaraju 2026, a replication of <a "
            "href='https://arxiv.org/abs/2407.09141'>Accuracy is Not All You Need</a>, under the MIT licence; so is "
            "MMLU. Long questions are cut.</p>"
        )
    )
    page = gr.HTML(label="Comparison of logs", elem_id="logs")
    with gr.Row():
        downloads = [gr.DownloadButton(f"Download {name}", visible=False, size="sm") for name in NAMES]
    with gr.Accordion("The figures as JSON", open=False):
        figures = gr.JSON(label="figures", show_label=False)
    compare = answered(Logs().answer, others=1 + len(NAMES))
    settings: dict[str, Any] = {"concurrency_id": "sentence", "show_progress": "minimal"}
    outputs = [page, figures, *downloads]
    run.click(compare, [large, compressed], outputs, api_name="logs", **settings)
    for button in (run, example):
        button.click(None, js="() => space.expect('logs')", api_visibility="private")
    filled = example.click(
        lambda: [[str(path)] for path in EXAMPLE], None, [large, compressed], api_visibility="private"
    )
    filled.then(compare, [large, compressed], outputs, api_visibility="private", **settings)
    for files in (large, compressed):  # what stands there is about other files
        files.change(None, None, [page, figures], js="() => ['', null]", api_visibility="private")
    figures.change(
        lambda found: [gr.DownloadButton(visible=bool(found))] * len(NAMES),
        figures,
        downloads,
        api_visibility="private",
        show_progress="hidden",
    )
    return Part("logs", {})


class Logs:
    """The handler of the button."""

    def __init__(self) -> None:
        self.kept = Kept(16)

    def answer(self, large: list[str] | None, compressed: list[str] | None) -> Iterator[Any]:
        """Compare what two models said, from files: one of each, or the files of one run each."""
        given = {side: checked(side, files) for side, files in zip(SIDES, (large, compressed), strict=True)}
        question = hashlib.sha256()
        for side, paths in given.items():
            for path in paths:
                question.update(f"{side} {path.name} {path.stat().st_size} ".encode() + path.read_bytes())
        work = partial(
            sent, {side: [(path.name, path.read_bytes()) for path in paths] for side, paths in given.items()}
        )
        page, figures, files, examples = yield from remembered(
            self.kept, question.hexdigest(), work, lambda: say("Reading the logs …"), seconds=LOG_SECONDS
        )
        shelf.put(examples)
        with tempfile.TemporaryDirectory(prefix="report-") as folder:
            yield page, figures, *(write(Path(folder), name, files[name]) for name in NAMES)


def checked(side: str, files: Any) -> list[Path]:
    """The files of one model, as far as can be told from their names."""
    paths = [Path(one) for one in (files if isinstance(files, list) else [files]) if one]
    if not paths:
        raise ValueError(f"what did the {side} model say? Drop in its file, or its files")
    if len(paths) > FILES:
        raise ValueError(f"you gave {len(paths):,} files for the {side} model; this page takes at most {FILES}")
    for path in paths:
        if path.suffix.lower() not in ENDINGS:
            raise ValueError(f"{path.name[:80]} is not a log: expected a file name that ends with {', '.join(ENDINGS)}")
    return paths


def sent(files: dict[str, list[tuple[str, bytes]]]) -> Any:
    """The work, in a folder that is gone afterwards, whatever becomes of the process that does it."""
    with tempfile.TemporaryDirectory(prefix="logs-") as folder:
        return WORKSHOP.run("logs", "compared", files, folder)


# In the process of its own.


def compared(
    files: dict[str, list[tuple[str, bytes]]], folder: str
) -> tuple[str, dict[str, Any], dict[str, bytes], str]:
    """The page, the figures, the report's files, and the examples behind the counts.

    A log's model is called after its folder, if nothing else says."""
    sources = {}
    for side, held in files.items():
        place = Path(folder) / side
        place.mkdir()
        for name, content in held:
            (place / Path(name).name).write_bytes(content)
        sources[side] = str(place / Path(held[0][0]).name) if len(held) == 1 else str(place)
    try:
        family = family_of(sources, CompareOptions(), ReadOptions())
        family.roles |= dict(zip(SIDES, SIDES, strict=True))
        family.sources = {side: names_of(files[side]) for side in family.sources}
        found, changed = audit_answers(family, AuditOptions())
    except ValueError as error:
        raise ValueError(clean(str(error).replace(f"{folder}/", ""))) from None
    out = Path(folder) / "report"
    write_report(found, out, plot_pair)
    (out / "flips.csv").write_text(csv_of(changed), encoding="utf-8")
    lists, data = shelf.examples_of(found)
    more = noticed(found) + by_task(found) + flips(found)
    page = verdict_page(found, pictures_in(out), "browse-logs", (lists, data), more, counted="examples")
    return page, flat(found), {name: (out / name).read_bytes() for name in NAMES}, data


def names_of(held: Sequence[tuple[str, bytes]]) -> str:
    return held[0][0] if len(held) == 1 else f"{len(held)} files"


def noticed(audit: dict[str, Any]) -> str:
    """What was left out or guessed."""
    said = audit["data"]["noticed"]
    items = "".join(f"<li>{escape(clean(one))}</li>" for one in said)
    summary = f"<b>What was left out or guessed</b> <span class='soft'>{len(said)}</span>"
    return f"<details><summary>{summary}</summary><ul class='soft'>{items}</ul></details>" if said else ""


COLUMNS = ("examples", "accuracy", "flips", "other answer", "same errors")


def by_task(audit: dict[str, Any]) -> str:
    found = [one for one in tables(audit) if len(one["rows"]) > 1]
    if not found:
        return ""
    head = "".join(f"<th scope='col'>{name}</th>" for name in ("task", *COLUMNS))
    body = "".join(
        f"<tr><th scope='row'>{escape(clean(row['task']))}</th>"
        + "".join(f"<td data-label='{name}'>{escape(row[name])}</td>" for name in COLUMNS)
        + "</tr>"
        for row in found[0]["rows"]
    )
    return (
        f"<h2>Task by task</h2><table class='cards'><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
        f"<p class='soft'>{escape(found[0]['moved'])}</p>"
    )


def flips(audit: dict[str, Any]) -> str:
    """Some of the answers that changed; all are in flips.csv."""
    found = shown_flips(audit)
    if not found:
        return ""
    items = "".join(
        f"<li><b>{escape(row['kind'])}</b> {escape(clean(row['question'] or str(row['id'])))}"
        f"<small class='soft'> Right is {escape(clean(str(row['gold'])))}. "
        + " ".join(f"{side['kind'].capitalize()}: {escape(clean(str(side['said'])))}." for side in row["sides"])
        + "</small></li>"
        for row in found[0]["rows"][:10]
    )
    return (
        f"<h2>Answers that changed</h2><p>{escape(found[0]['counts'])}. Here are some; flips.csv has them all.</p>"
        f"<ul class='flips'>{items}</ul>"
    )
