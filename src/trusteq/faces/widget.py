"""The widget of every metric on arrays: a table of outputs is pasted or uploaded, the figures and the plot come back.

`build` makes the page from the metric itself: its arguments name the columns, its options become the controls. A table
is parsed as data and nothing else; whatever was typed is escaped where it is shown."""

import base64
import csv
import dataclasses
import inspect
import io
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from html import escape
from typing import Any

import gradio as gr
import numpy as np

from trusteq import resources
from trusteq.faces.looks import serve
from trusteq.options import argument_help
from trusteq.wording import number

MAX_CHARACTERS = 2_000_000
MAX_CELL = 20_000  # characters
MAX_COLUMNS = 4096
MAX_DIGITS = 4000  # of a whole number; Python itself converts few more
# No two ways to read one text: a failed match is found out in one pass (`\d+\.?\d*` would try every split).
WHOLE = re.compile(r"[+-]?\d+", re.ASCII)
DECIMAL = re.compile(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:e[+-]?\d+)?|[+-]?(?:nan|inf|infinity)", re.ASCII | re.IGNORECASE)

CELLS = (
    "Where an argument takes rows (probabilities, logits, embeddings), give one column per class or dimension: "
    "`predictions_0`, `predictions_1`, and so on."
)


def build(
    metric: Any,
    title: str,
    example: str,
    choices: Mapping[str, Sequence[str]] | None = None,
    hidden: Sequence[str] = (),
    max_rows: int = 20_000,
    read_cell: Callable[[Any], Any] | None = None,
    cells: str = CELLS,
    start: Mapping[str, Any] | None = None,
) -> gr.Blocks:
    """A page for one metric.

    `choices` lists the values of options that are words, `hidden` the options left out; `read_cell` makes of a cell
    what the metric takes, where that is neither a number nor a word, and `cells` says how to write one; `start` holds
    the values that options have at first, where these are not their defaults.
    """
    names, defaults = metric._feature_names(), metric.options(**(start or {}))
    fields = [field.name for field in dataclasses.fields(metric.options) if field.name not in ("details", *hidden)]

    def compare(text: str, *settings: Any) -> tuple[str, dict[str, float] | None]:
        try:
            inputs, rows, unused = read_table(text, names, max_rows)
            if read_cell:
                inputs = {name: [read_cell(cell) for cell in cells] for name, cells in inputs.items()}
            options = read_settings(defaults, dict(zip(fields, settings, strict=True)))
            result = metric.compute(**inputs, **options, details=True)
        except ValueError as error:
            return say(str(error), alert=True), None
        plot = plot_image(metric.plot(result), f"Plot: {title} The tables hold its figures.")
        del result["details"]
        left_out = f" Columns not used: {shortened(', '.join(unused))}." if unused else ""
        return say(f"{rows:,} rows compared.{left_out}") + figures_table(result) + plot, result

    def compare_upload(content: bytes, *settings: Any) -> tuple[str, str, dict[str, float] | None]:
        try:
            text = read_upload(content)
        except ValueError as error:
            return "", say(str(error), alert=True), None
        return text, *compare(text, *settings)

    # The names of the options become the names of the endpoint's parameters.
    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    parameters = [inspect.Parameter(name, kind) for name in ("table", *fields)]
    compare.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]

    with gr.Blocks(title=title, analytics_enabled=False) as page:
        gr.Markdown(f"# {title}\n{metric.description.strip()}\n\n{column_help(names, max_rows)} {cells}")
        table = gr.Textbox(label="Table", info="CSV, with a header line", lines=8, max_lines=14)
        with gr.Row():
            run = gr.Button("Compare", variant="primary")
            show = gr.Button("Try the example")
            upload = gr.UploadButton("Upload a CSV file", file_types=[".csv", ".tsv", ".txt"], type="binary")
        with gr.Accordion("Options", open=False), gr.Row():
            controls = option_controls(metric, defaults, fields, choices or {})
        figures = gr.HTML(elem_id="figures")
        with gr.Accordion("The same figures as JSON", open=False):
            plain = gr.JSON(show_label=False)
        outputs = [figures, plain]
        run.click(compare, [table, *controls], outputs, api_name="compare")
        filled = show.click(lambda: example, None, table, api_visibility="private")
        filled.then(compare, [table, *controls], outputs, api_visibility="private")
        upload.upload(compare_upload, [upload, *controls], [table, *outputs], api_visibility="private")
    return page


def start(page: gr.Blocks, **settings: Any) -> Any:
    """Serve the page."""
    return serve(page, css=resources.text("faces/widget.css"), **settings)


# The table that came in becomes the arguments of the metric.


def read_table(text: str, names: Sequence[str], max_rows: int) -> tuple[dict[str, Any], int, list[str]]:
    """The columns of a CSV text by argument, `predictions_0, predictions_1, ...` as rows; row count; unused columns.

    >>> read_table("references,predictions_0,predictions_1\\n1,.25,.75", ["references", "predictions"], 10)
    ({'references': [1], 'predictions': [[0.25, 0.75]]}, 1, [])
    """
    check_text(text)
    lines = text.strip().splitlines()
    if len(lines) < 2:
        raise ValueError("the table is empty: give a header line with the column names, then one line per example")
    delimiter = max(",;\t", key=lines[0].count)
    if lines[0].count(delimiter) >= MAX_COLUMNS:
        raise ValueError(f"the header has {lines[0].count(delimiter) + 1:,} columns; this page takes {MAX_COLUMNS:,}")
    try:
        header, *rows = [row for row in csv.reader(lines, delimiter=delimiter, strict=True) if row]
    except csv.Error as error:
        raise ValueError(f"the table could not be read as CSV: {error}") from None
    if len(rows) > max_rows:
        raise ValueError(f"the table has {len(rows):,} rows; this page takes up to {max_rows:,}")
    header = [name.strip() for name in header]
    if repeated := sorted(name for name, count in Counter(header).items() if count > 1):
        raise ValueError(f"the header has the column {shortened(repeated[0])} more than once")
    for place, row in enumerate(rows, start=1):
        if len(row) != len(header):
            raise ValueError(f"row {place} of the table has {len(row)} cells, but the header has {len(header)}")
        if (longest := max(map(len, row))) > MAX_CELL:
            raise ValueError(f"row {place} of the table has a cell of {longest:,} characters; it may have {MAX_CELL:,}")
    columns = {name: read_column(name, cells) for name, cells in zip(header, zip(*rows, strict=True), strict=True)}
    inputs, used = {}, set()
    for name in names:
        parts = sorted((part for part in columns if re.fullmatch(rf"{name}_\d+", part)), key=lambda p: (len(p), p))
        if parts and name in columns:
            raise ValueError(f"the table has both {name} and {parts[0]}; give one column of labels or one per class")
        if not parts and name not in columns:
            raise ValueError(
                f"the table has no column {name} (or {name}_0, {name}_1, ...), only {shortened(', '.join(header))}"
            )
        if parts != [f"{name}_{i}" for i in range(len(parts))]:
            raise ValueError(
                f"the columns of {name} must be numbered from 0 without gaps, got {shortened(', '.join(parts))}"
            )
        used |= {name, *parts}
        values = zip(*(columns[part] for part in parts), strict=True)
        inputs[name] = [list(row) for row in values] if parts else columns[name]
    return inputs, len(rows), [name for name in header if name not in used]


def read_column(name: str, cells: Sequence[str]) -> list[Any]:
    """All whole numbers, or all numbers, or else words."""
    cells, name = [cell.strip() for cell in cells], shortened(name)
    if "" in cells:
        raise ValueError(f"the column {name} is empty in row {cells.index('') + 1}")
    if all(WHOLE.fullmatch(cell) for cell in cells):
        if (digits := max(map(len, cells))) > MAX_DIGITS:
            raise ValueError(f"the column {name} holds a whole number of {digits:,} digits; at most {MAX_DIGITS:,}")
        return [int(cell) for cell in cells]
    return [float(cell) for cell in cells] if all(DECIMAL.fullmatch(cell) for cell in cells) else cells


def check_text(text: Any) -> None:
    """Refuses what is no text, too long, or holds half a character, which nothing can show."""
    if not isinstance(text, str):
        raise ValueError("the table must be text: a header line, then one line per example, as CSV")
    if len(text) > MAX_CHARACTERS:
        raise ValueError(f"the table is too long for this page (more than {MAX_CHARACTERS:,} characters)")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError(
            "the table holds half a character (a lone surrogate): save it as UTF-8 and try again"
        ) from None


def shortened(text: str, most: int = 300) -> str:
    return text if len(text) <= most else f"{text[:most]} …"


def read_upload(content: bytes) -> str:
    """The text of an uploaded file, as if it had been pasted."""
    if len(content) > MAX_CHARACTERS:
        raise ValueError(f"the file is too large for this page (more than {MAX_CHARACTERS:,} bytes)")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ValueError("the file is not text in UTF-8: save it as CSV and try again") from None


def to_csv(columns: Mapping[str, Any]) -> str:
    """Columns as the CSV text that `read_table` reads; a two-dimensional one becomes `name_0, name_1, ...`.

    >>> to_csv({"references": [1], "predictions": [[0.25, 0.75]]})
    'references,predictions_0,predictions_1\\n1,0.25,0.75\\n'
    """
    flat: dict[str, Any] = {}
    for name, values in columns.items():
        array = np.asarray(values)
        flat |= {f"{name}_{i}": column for i, column in enumerate(array.T)} if array.ndim == 2 else {name: array}
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(flat)
    writer.writerows(zip(*(column.tolist() for column in flat.values()), strict=True))
    return out.getvalue()


# The options of the metric become controls, and what the controls hold becomes options.


def option_controls(
    metric: Any, defaults: Any, fields: Sequence[str], choices: Mapping[str, Sequence[str]]
) -> list[Any]:
    """One control per option: its kind and value from the default, its explanation from the metric's documentation."""
    help_text = argument_help(metric.inputs_description)
    controls: list[Any] = []
    for name in fields:
        value = getattr(defaults, name)
        texts: dict[str, Any] = {"label": name, "info": help_text.get(name)}
        if isinstance(value, bool):
            controls.append(gr.Checkbox(value, **texts))
        elif name in choices:
            controls.append(gr.Radio(list(choices[name]), value=value, **texts))
        elif isinstance(value, list | tuple):
            controls.append(gr.Textbox(", ".join(map(str, value)), **texts))
        elif isinstance(value, int | float):
            whole = isinstance(value, int)
            controls.append(gr.Number(value, precision=0 if whole else None, step=1 if whole else 0.01, **texts))
        else:
            controls.append(gr.Textbox(value, **texts))
    return controls


def read_settings(defaults: Any, settings: Mapping[str, Any]) -> dict[str, Any]:
    """What the controls hold, as options: an emptied one is None; several whole numbers have commas between them."""
    options = {}
    for name, value in settings.items():
        default = getattr(defaults, name)
        if value in (None, ""):
            value = None
        elif default is None or isinstance(default, list | tuple):
            try:
                numbers = [int(part) for part in str(value).split(",")]
            except ValueError:
                raise ValueError(f"{name} takes whole numbers (commas between several), got {value!r}") from None
            value = numbers if default is not None else numbers[0]
        options[name] = value
    return options


def column_help(names: Sequence[str], max_rows: int) -> str:
    shown = ", ".join(f"`{name}`" for name in names)
    return f"Paste or upload a table with the columns {shown}, one line per example, up to {max_rows:,}."


# The result becomes a table.


def figures_table(result: Mapping[str, float]) -> str:
    """Figures that both models have stand side by side with their gap; those of the pair stand below."""
    both = [name for name in result if f"large_{name}" in result]
    seen = {key for name in both for key in (name, f"large_{name}", f"{name}_gap")}
    seen |= {f"{key}_{end}" for key in result for end in ("low", "high")}
    parts = []
    if both:
        rows = [(name, [cell(result, key) for key in (name, f"large_{name}", f"{name}_gap")]) for name in both]
        parts.append(html_table("Each model", ["compressed", "large", "gap"], rows))
    if pair := [(name, [cell(result, name)]) for name in result if name not in seen]:
        parts.append(html_table("The pair", ["value"], pair))
    note = "<p>In brackets: the interval of that figure.</p>" if any(key.endswith("_low") for key in result) else ""
    return "".join(parts) + note


def html_table(caption: str, columns: Sequence[str], rows: Sequence[tuple[str, Sequence[str]]]) -> str:
    head = "".join(f'<th scope="col">{escape(column)}</th>' for column in ["figure", *columns])
    body = "".join(
        f'<tr><th scope="row"><code>{escape(name).replace("_", "_<wbr>")}</code></th>'
        + "".join(f"<td>{text}</td>" for text in cells)
        + "</tr>"
        for name, cells in rows
    )
    table = f"<caption>{escape(caption)}</caption><thead><tr>{head}</tr></thead><tbody>{body}</tbody>"
    return f'<div class="wide" tabindex="0" role="group" aria-label="{escape(caption)}"><table>{table}</table></div>'


def plot_image(figure: Any, alt: str) -> str:
    """A matplotlib Figure inside the page."""
    png = io.BytesIO()
    figure.savefig(png, format="png", dpi=130)
    return picture(png.getvalue(), alt)


def picture(png: bytes, alt: str) -> str:
    """Those who do not see it are told what it says; where the screen is narrow it is scrolled, with keys as well."""
    image = f'<img src="data:image/png;base64,{base64.b64encode(png).decode()}" alt="{escape(alt)}">'
    scrolled = f'<div tabindex="0" role="group" aria-label="Plot">{image}</div>'
    return (
        f'<figure class="picture">{scrolled}<figcaption>Scroll right to see the rest of the plot.</figcaption></figure>'
    )


def cell(result: Mapping[str, float], key: str) -> str:
    """A figure, with its interval in brackets where it has one.

    >>> cell({"ece": 0.125, "ece_low": 0.1, "ece_high": 0.15}, "ece")
    '0.125 <small>[0.100, 0.150]</small>'
    """
    if key not in result:
        return ""
    low, high = result.get(f"{key}_low"), result.get(f"{key}_high")
    interval = "" if low is None or high is None else f" <small>[{number(low)}, {number(high)}]</small>"
    return number(result[key]) + interval


def say(text: str, alert: bool = False) -> str:
    """A line above the results; a problem is announced to screen readers and does not rely on colour.

    >>> say("k < 1", alert=True)
    '<p role="alert"><strong>This did not work:</strong> k &lt; 1</p>'
    """
    if alert:
        return f'<p role="alert"><strong>This did not work:</strong> {escape(text)}</p>'
    return f'<p role="status">{escape(text)}</p>'
