"""What goes into a README? The audit as Markdown, and a model card for the Hub with its `model-index`."""

import re
from typing import Any

from trusteq.audit.advice import shared, too_small
from trusteq.dimensions.registry import DIMENSIONS
from trusteq.report.preferred import preference
from trusteq.report.queries import ORDER_SAYS, between, headline_of, judged, measured, models_in_order, models_of
from trusteq.report.slices import slice_tables
from trusteq.report.tasks import COLUMNS, tables
from trusteq.report.words import (
    ANSWER_TAKES,
    SIGNS,
    VERDICT_TAKES,
    Audit,
    Entry,
    Pair,
    answer,
    counted_says,
    described,
    figure_name,
    floor_head,
    floor_value,
    floor_word,
    held_says,
    interval,
    interval_name,
    labels_say,
    left_out,
    looks_say,
    made_by,
    margins_say,
    marks_say,
    settings_told,
    shown,
    simulated,
    status,
    taken_off,
    task_says,
    together,
    unread,
    value_of,
)
from trusteq.wording import and_so_on, clean, points

PROJECT = "trust-equivalence"


def markdown(audit: Audit) -> str:
    """The whole audit, without its plots but for the summary, which lies beside it."""
    data = md(" ".join(filter(None, (task_says(audit), counted_says(audit), left_out(audit)))))
    parts = ["# Trust-equivalence audit", made_by(audit, code), data, md(held_says(audit))]
    if small := too_small(audit):
        parts += [
            f"**{md(small.says)}**",
            *([f"With enough of them:\n\n{command(clean(small.line))}"] if small.line else []),
        ]
    parts += (
        [md(one) for one in (preference(audit), ANSWER_TAKES, VERDICT_TAKES, margins_say(audit))]
        if judged(audit)
        else []
    )
    parts += [f"Stopped when sure: {looks_say(audit)}."] * ("looks" in audit)
    if audit["failures"]:
        parts += ["**Not everything could be measured.**", "\n".join(failure(item) for item in audit["failures"])]
    parts += [ORDER_SAYS] * (len(judged(audit)) > 1)
    for pair in judged(audit):
        says = answer(pair)
        parts += [f"## Can {md(pair['compressed'])} stand in for {md(pair['large'])}? {says.word}.", md(says.summary)]
        parts += [verdicts(audit, pair), sentences(pair)]
    parts += [what_next(audit)]
    for one in slice_tables(audit):
        parts += [f"## By {md(one['name'])}", md(one["says"]), slices(one), md(one["unasked"])]
        parts += ["\n".join(f"- **{md(name)}**: {md(text)}" for name, text in one["worst"])]
    parts += [
        "## Summary",
        "![Divergence of every pair and dimension, in margins](plots/summary.svg)",
        md(marks_say(audit)),
    ]
    for one in tables(audit):
        parts += [f"## {md(one['name'])} against {md(one['large'])}, task by task", *task_by_task(one)]
    parts += ["## Models", models(audit), md(labels_say(audit)), md(simulated(audit)), md(unread(audit))]
    if any(pair["role"] == "other" for pair in audit["pairs"]):  # else the tables above say it
        parts += ["## Every pair", *(matrix(audit, name) for name in measured(audit))]
    if noticed := audit["data"].get("noticed"):
        parts += ["## What was left out or noticed", "\n".join(f"- {md(one)}" for one in noticed)]
    settings = [[md(name), md(value)] for name, value in settings_told(audit)]
    parts += ["## Settings", table(["setting", "value"], settings), signature(audit)]
    return "\n\n".join(part for part in parts if part) + "\n"


def task_by_task(one: dict[str, Any]) -> list[str]:
    rows = [[md(row[name]) for name in COLUMNS] for row in one["rows"]]
    return [table(list(COLUMNS), rows), md(one["moved"])]


def failure(item: dict[str, str]) -> str:
    return f"- {md(item['pair'])}, {item['dimension']}: {md(item['reason'])}"


def verdicts(audit: Audit, pair: Pair) -> str:
    floor = floor_word(audit) if models_of(audit, "twin") else ""
    ends = interval_name(audit)
    head = ["dimension", "figure", "value", ends, *([floor_head(audit)] if floor else []), "chance"]
    head += [f"further than the {floor}" if floor else "divergence", f"tested {ends}", "allowed", "n", "verdict"]
    rows = [verdict_row(name, entry, len(head), bool(floor)) for name, entry in pair["dimensions"].items()]
    return table(head, rows)


def verdict_row(name: str, entry: Entry, columns: int, floor: bool) -> list[str]:
    verdict = f"{SIGNS[status(entry)]} {status(entry)}"
    if entry["status"] != "done":
        return [DIMENSIONS[name].question, *[""] * (columns - 2), verdict]
    cells = [figure_name(entry["headline"]), value_of(entry), interval(entry)]
    cells += [*([floor_value(entry)] if floor else []), shown(entry["expected"], entry["kind"])]
    further = ", ".join(filter(None, [shown(entry["divergence"], "gap"), taken_off(name, entry)]))
    cells += [further, interval(entry, "divergence_low", "divergence_high", "gap")]
    return [DIMENSIONS[name].question, *cells, points(entry["margin"]), f"{entry['examples']:,}", verdict]


def sentences(pair: Pair) -> str:
    """What each figure says, or why there is none."""
    lines = []
    for name, entry in pair["dimensions"].items():
        says = entry["sentence"] if entry["status"] == "done" else entry["reason"]
        lines.append(f"- **{DIMENSIONS[name].question}** {md(says)}")
    return "\n".join(lines)


def what_next(audit: Audit) -> str:
    """What addresses each dimension that is different or open, with its command, once for all models that share it."""
    listed = [
        f"- **{md(and_so_on(one.models))}: {' '.join(DIMENSIONS[name].question for name in one.dimensions)}** "
        f"{md(one.says)}\n\n{command(clean(one.line))}"
        for one in shared(audit)
    ]
    return "\n".join(["## What to do next", "", *listed]) if listed else ""


def command(line: str) -> str:
    """In a block to copy from; one with names that are markup somewhere is shown as text.

    >>> print(command("trusteq cascade results/audit"))
      ```bash
      trusteq cascade results/audit
      ```
    >>> print(command("trusteq cascade '<b>'"))
      trusteq cascade '&lt;b&gt;'
    """
    return f"  ```bash\n  {line}\n  ```" if PLAIN.fullmatch(line) else f"  {md(line)}"


PLAIN = re.compile(r"[\w ./=:@,+'-]+")


def code(line: str) -> str:
    """
    >>> print(code("trusteq audit"), code("trusteq audit '<b>'"))
    `trusteq audit` trusteq audit '&lt;b&gt;'
    """
    return f"`{clean(line)}`" if PLAIN.fullmatch(clean(line)) else md(line)


def slices(of: dict[str, Any]) -> str:
    rows = []
    for row in of["rows"]:
        cells = [f"{SIGNS[cell['found']]} {cell['value']}" if cell["found"] else cell["value"] for cell in row["cells"]]
        rows.append([md(row["slice"]), *([md(row["model"])] if of["several"] else []), row["examples"], *cells])
    return table(["slice", *(["model"] if of["several"] else []), "examples", *of["columns"]], rows)


def models(audit: Audit) -> str:
    rows = []
    for name in models_in_order(audit):
        model = audit["models"][name]
        accuracy = f"{shown(model['accuracy'], 'overlap')} ({interval(model, 'accuracy_low', 'accuracy_high')})"
        rows.append([md(name), model["role"], accuracy.replace(" ()", ""), *map(md, described(model).values())])
    head = [
        "model",
        "role",
        "accuracy",
        "source",
        "architecture",
        "parameters",
        "weights",
        "how it was made",
        "runs as",
    ]
    return table([*head, "tokenizer", "labels", "SHA-256 of the weights"], rows)


def matrix(audit: Audit, name: str) -> str:
    names = models_in_order(audit)
    rows = []
    for row in names:
        found = [between(audit, name, row, column) for column in names]
        rows.append([md(row), *("" if pair is None else shown(*pair) for pair in found)])
    title = f"{DIMENSIONS[name].question} {headline_of(audit, name)}, row against column:"
    return title + "\n\n" + table(["", *map(md, names)], rows)


def table(head: list[str], rows: list[list[str]]) -> str:
    return "\n".join(f"| {' | '.join(cells)} |" for cells in [head, ["---"] * len(head), *rows])


def signature(audit: Audit) -> str:
    return f"Signature:\n\n```text\n{clean(audit['signature'])}\n```"


def md(text: str) -> str:
    """A text that Markdown and HTML leave as it is, in a table too.

    >>> print(md("a|b *c* <img> [d](e)"))
    a\\|b \\*c\\* &lt;img&gt; \\[d\\](e)
    """
    text = clean(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return "".join(f"\\{character}" if character in "\\`*_[]|#~$!" else character for character in text)


# The model card.


def model_card(audit: Audit, pair: Pair) -> str:
    """To paste into the compressed model's README on the Hub: `model-index` metadata, then the verdicts."""
    return "---\n" + metadata(audit, pair) + "---\n\n" + verdict_text(audit, pair) + "\n"


def verdict_text(audit: Audit, pair: Pair) -> str:
    """The verdict on one model, under a heading of its own."""
    says, large, data = answer(pair), md(pair["large"]), audit["data"]
    tried = f"Tried on {md(data['name'])}: {together(audit)}"
    parts = [
        f"## Can this model stand in for {large}?",
        f"**{says.word}.** {md(says.summary)} {tried}",
        verdicts(audit, pair),
        sentences(pair),
        *(part for one in tables(audit) if one["name"] == pair["compressed"] for part in task_by_task(one)),
        signature(audit),
    ]
    return "\n\n".join(part for part in parts if part)


def metadata(audit: Audit, pair: Pair) -> str:
    """The `model-index`: accuracy, and the figure of every dimension that was measured."""
    from huggingface_hub import ModelCardData

    results = results_of(audit, pair) or None
    card = ModelCardData(model_name=clean(pair["compressed"]), eval_results=results, tags=[PROJECT])
    return card.to_yaml() + "\n"


def results_of(audit: Audit, pair: Pair) -> list[Any]:
    """As the Hub's model cards hold them."""
    from huggingface_hub import EvalResult

    data = clean(audit["data"]["name"]) or "unnamed"
    where: dict[str, Any] = {"task_type": "text-classification", "dataset_type": data, "dataset_name": data}
    results = [
        EvalResult(
            **where,
            metric_type=dimension,
            metric_name=f"{figure_name(entry['headline'])}, against {clean(pair['large'])}",
            metric_value=entry["value"],
            metric_config=entry["headline"],
        )
        for dimension, entry in pair["dimensions"].items()
        if entry["status"] == "done"
    ]
    model = audit["models"].get(pair["compressed"])
    if model and model["accuracy"] is not None:
        accuracy = EvalResult(**where, metric_type="accuracy", metric_name="accuracy", metric_value=model["accuracy"])
        results = [accuracy, *results]
    return results
