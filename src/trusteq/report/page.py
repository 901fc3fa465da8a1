"""How does the audit look as a page? One file that asks for nothing: first the verdicts, then the rest.

What is filled in comes from here; headings, and where everything stands, from page.html; how it looks from page.css.
Without its script (page.js) the page says the same, but shows only some of the examples behind the counts."""

import base64
import hashlib
import json
import re
from functools import cache
from typing import Any, NamedTuple

from trusteq.audit.advice import Shared, next_steps, shared, too_small
from trusteq.audit.sentences import would_decide
from trusteq.dimensions.registry import DIMENSIONS
from trusteq.report.disagreements import disagreements
from trusteq.report.examples import attack, explanation, some
from trusteq.report.flips import shown_flips
from trusteq.report.forest import forest
from trusteq.report.preferred import preference
from trusteq.report.queries import (
    ORDER_SAYS,
    between,
    headline_of,
    in_order,
    judged,
    measured,
    models_in_order,
    models_of,
)
from trusteq.report.slices import slice_tables
from trusteq.report.tasks import COLUMNS, is_written, partings, score_tables, tables
from trusteq.report.words import (
    ANSWER_TAKES,
    MARKS,
    VERDICT_TAKES,
    Audit,
    Entry,
    Pair,
    answer,
    beside_it,
    command_line,
    described,
    figure_name,
    figure_of,
    floor_interval,
    floor_says,
    floor_value,
    floor_word,
    held_says,
    interval,
    interval_name,
    labels_say,
    looks_say,
    margins_say,
    settings_told,
    shown,
    simulated,
    size_says,
    status,
    taken_off,
    task_says,
    than_floor,
    together,
    unread,
    value_of,
)
from trusteq.resources import text
from trusteq.wording import and_so_on, clean, plain, points

FEW = 8  # models, whose next steps stand beside their answers
TOO_FEW = re.compile(r"([\d,]+) .* are too few for a verdict, which takes at least (\d+)")  # said once, at the top
DEEPEST = 60  # percent of colour in a cell of a heat map: what stands in it stays easy to read


class Drawn(NamedTuple):
    """A plot as inline SVG, or why there is none, or the file where it lies."""

    svg: str
    problem: str = ""
    file: str = ""


Plots = dict[tuple[str, str], Drawn]


def page(audit: Audit, plots: Plots, space: str | None = None, of_plots: str = "") -> str:
    """The page; `plots` holds what was drawn for (pair, dimension), `of_plots` its styles; `space` is the address of a
    Space that has the models."""
    from markupsafe import Markup

    examples = disagreements(audit, space)
    script = text("report/page.js") if examples else ""

    answers = [answer_of(audit, pair, f"model-{i}") for i, pair in enumerate(judged(audit))]
    explanations = audit["examples"]["explanations"]
    attacks = [x for x in audit["examples"]["attacks"] if "broken" in (x["compressed"]["status"], x["large"]["status"])]
    return template().render(
        script=Markup(script),
        allowed=f"'sha256-{sha256(script)}'" if script else "'none'",
        disagreements=examples,
        data=Markup(as_data(examples["data"]) if examples else ""),
        title=" · ".join([*(f"{item['name']}: {item['word']}" for item in answers[:3]), "Trust-equivalence audit"]),
        large=(models_of(audit, "large") or ["the large model"])[0],
        answers=answers,
        few=FEW,
        names=[item["name"] for item in answers],
        preference=preference(audit),
        steps=next_for(next_steps(audit)),
        advice=next_for(shared(audit)),
        of_plots=Markup(of_plots),
        task=task_says(audit),
        failures=[item | {"question": DIMENSIONS[item["dimension"]].question} for item in audit["failures"]],
        facts=facts(audit),
        overview=overview(audit) if len(answers) > 1 else [],
        forest=Markup(forest(audit)),
        questions=[(name, DIMENSIONS[name].question) for name in measured(audit)],
        order_says=ORDER_SAYS,
        floor=floor_word(audit) if models_of(audit, "twin") else "",
        held_says=held_says(audit),
        than_floor=than_floor(audit),
        interval_name=interval_name(audit),
        models=[model_row(audit, name) for name in models_in_order(audit)],
        answer_takes=ANSWER_TAKES,
        verdict_takes=VERDICT_TAKES,
        margins_say=margins_say(audit),
        small=too_small(audit),
        marks=MARKS,
        verdicts=len(
            [0 for pair in judged(audit) for entry in pair["dimensions"].values() if entry["status"] == "done"]
        ),
        labels_say=labels_say(audit),
        simulated=simulated(audit),
        unread=unread(audit),
        dimensions=[dimension_of(audit, name, plots, examples) for name in measured(audit)],
        slicings=slice_tables(audit),
        pages=pages_of_all(audit, plots),
        matrices=matrices_of(audit) if len(audit["models"]) > 2 else [],
        tasks=tables(audit),
        by_task=COLUMNS,
        written=is_written(audit),
        scores=score_tables(audit),
        partings=partings(audit),
        noticed=audit["data"].get("noticed", []),
        flips=shown_flips(audit),
        explanations=[explanation(audit, item) for item in some(explanations)],
        more_explanations=len(explanations) - len(some(explanations)),
        attacks=[attack(audit, item) for item in some(attacks)],
        more_attacks=len(attacks) - len(some(attacks)),
        signature=audit["signature"],
        settings=settings_told(audit),
        run=run_rows(audit),
    )


@cache
def template(name: str = "report/page.html") -> Any:
    """Compiled once for all pages of a process."""
    import jinja2
    from markupsafe import Markup

    def safe(value: Any) -> Any:
        """Whatever the template shows is free of characters that cannot be seen; only what is Markup is none of it."""
        return clean(value) if isinstance(value, str) and not isinstance(value, Markup) else value

    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True, finalize=safe
    )
    style = Markup("".join(text(f"report/{name}.css") for name in ("palette", "page", "browse", "forest")))
    return environment.from_string(text(name), {"style": style})


def sha256(script: str) -> str:
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()


def as_data(data: dict[str, Any]) -> str:
    """JSON that cannot end the element that it stands in.

    >>> as_data({"texts": ["</script><!--"]})
    '{"texts":["\\\\u003c/script>\\\\u003c!--"]}'
    """
    return json.dumps(data, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")


# The head of the page, and a card for every compressed model.


def answer_of(audit: Audit, pair: Pair, anchor: str) -> dict[str, Any]:
    compressed, large = (audit["models"].get(pair[key]) for key in ("compressed", "large"))
    accuracy = ""
    if compressed and large and compressed["accuracy"] is not None and large["accuracy"] is not None:
        accuracy = f"Accuracy: {100 * compressed['accuracy']:.1f} % (large: {100 * large['accuracy']:.1f} %). "
    if compressed and (size := size_says(compressed)):
        accuracy += f"{size}."
    rows = [summary_row(name, entry) for name, entry in pair["dimensions"].items()]
    names: dict[str, Any] = {"name": pair["compressed"], "large": pair["large"], "anchor": anchor}
    return {**names, "accuracy": accuracy, "rows": rows, **answer(pair)._asdict()}


def next_for(steps: list[Shared]) -> list[dict[str, Any]]:
    """What to do, once for all the models that it is for."""
    return [
        {"models": and_so_on(one.models), "says": one.says, "line": one.line}
        | {"questions": " ".join(DIMENSIONS[name].question for name in one.dimensions)}
        for one in steps
    ]


def facts(audit: Audit) -> list[tuple[str, str]]:
    """What its sentence on the task leaves out."""
    data = audit["data"]
    rows = [("examples", together(audit).rstrip(".").replace(" examples", "", 1))]
    if data["unlabelled"]:
        rows.append(("left out, without a label", f"{data['unlabelled']:,}"))
    rows.append(("held against", floor_says(audit).partition(":")[0]))
    return [*rows, *([("stopped when sure", looks_say(audit))] * ("looks" in audit))]


def overview(audit: Audit) -> list[dict[str, Any]]:
    """A row for each compressed model: the verdict of every dimension, with its figure."""
    rows = []
    for place, pair in enumerate(judged(audit)):
        entries = [(name, pair["dimensions"].get(name)) for name in measured(audit)]
        cells = [
            {"question": DIMENSIONS[name].question, "found": status(entry) if entry else "", "says": brief(name, entry)}
            | {"beside": beside_it(audit, entry, name) if entry and entry["status"] == "done" else ""}
            for name, entry in entries
        ]
        rows.append({"name": pair["compressed"], "anchor": f"model-{place}", "cells": cells, **answer(pair)._asdict()})
    return rows


def brief(name: str, entry: Entry | None) -> str:
    return figure_of(entry, name, brief=True) if entry and entry["status"] == "done" else ""


def summary_row(name: str, entry: Entry) -> dict[str, Any]:
    row = {"anchor": name, "question": DIMENSIONS[name].question, "found": status(entry)}
    if entry["status"] != "done":
        return row | {"name": "", "needed": "", "reason": entry["reason"]}
    needed = entry["examples_needed"] if status(entry) == "inconclusive" else None
    return row | {
        "reason": "",
        "name": figure_name(entry["headline"]),
        "needed": would_decide(needed, DIMENSIONS[name].counted) if needed else brief_reason(entry),
        "value": value_of(entry),
        "interval": interval(entry),
        "floor": floor_value(entry),
        "floor_interval": floor_interval(entry),
        "further": shown(entry["divergence"], "gap"),
        "further_interval": interval(entry, "divergence_low", "divergence_high", "gap"),
        "taken_off": taken_off(name, entry),
        "allowed": points(entry["margin"]),
    }


def brief_reason(entry: Entry) -> str:
    """Why a verdict is open whatever its interval says, up to the first stop; the rest is in its sentence.

    >>> brief_reason({"open_because": "The two err in opposite directions: one by 7.8 points. Look at both."})
    'The two err in opposite directions'
    >>> brief_reason({"open_because": "150 examples are too few for a verdict, which takes at least 400."})
    'too few: 150 of 400'
    """
    if few := TOO_FEW.match(entry["open_because"] or ""):
        return f"too few: {few[1]} of {few[2]}"
    return re.split(r"[:.] ", clean(entry["open_because"] or ""))[0].rstrip(".")


def model_row(audit: Audit, name: str) -> dict[str, Any]:
    model = audit["models"][name]
    role = model["role"] if model["role"] != name else ""
    ends = {"interval": interval(model, "accuracy_low", "accuracy_high")}
    return {"name": name, "role": role, "accuracy": shown(model["accuracy"], "overlap")} | ends | described(model)


# The dimensions.


def dimension_of(audit: Audit, name: str, plots: Plots, examples: dict[str, Any] | None) -> dict[str, Any]:
    order = {"compressed": 0, "twin": 1, "other": 2}
    pairs = sorted((p for p in in_order(audit) if name in p["dimensions"]), key=lambda pair: order[pair["role"]])
    pairs = [pair for pair in pairs if pair["role"] != "other"] or pairs
    entries = [pair["dimensions"][name] for pair in pairs]
    measured = any(entry["status"] == "done" for entry in entries)
    if not measured and len({entry["reason"] for entry in entries}) == 1:
        pairs, entries = pairs[:1], entries[:1]  # why nothing was measured is said once
    return {
        "anchor": name,
        "question": DIMENSIONS[name].question,
        "asks": DIMENSIONS[name].asks,
        "headline": headline_of(audit, name) if measured else "",
        "kind": DIMENSIONS[name].kind,
        "cells": [
            dimension_cell(pair, name, entry, plots.get((pair["name"], name), Drawn("")))
            | {"lists": lists_for(pair, name, examples)}
            for pair, entry in zip(pairs, entries, strict=True)
        ],
    }


def lists_for(pair: Pair, name: str, examples: dict[str, Any] | None) -> list[dict[str, Any]]:
    """The examples behind the counts of this dimension, if there are any: where each list is found."""
    return [
        {**one, "pair": place}
        for place, other in enumerate(examples["pairs"] if examples else [])
        if (other["compressed"], other["large"]) == (pair["compressed"], pair["large"])
        for one in other["lists"]
        if one["dimension"] == name
    ]


def dimension_cell(pair: Pair, name: str, entry: Entry, drawn: Drawn) -> dict[str, Any]:
    from markupsafe import Markup

    cell = {side: pair[side] for side in ("compressed", "large")} | {"found": status(entry)}
    cell |= {"headline": value_of(entry), "reason": entry["reason"]}
    if entry["status"] != "done":
        return cell
    return cell | {
        "sentence": entry["sentence"],
        "numbers": numbers(name, entry),
        "svg": Markup(drawn.svg),
        "plot_failed": drawn.problem,
        "plot_file": drawn.file,
        "figures": [(key, plain(value)) for key, value in entry["figures"].items()],
    }


def numbers(dimension: str, entry: Entry) -> list[tuple[str, str, str]]:
    """What they are, their values, and what is to be said of them."""
    kind, twin = entry["kind"], entry["floor"] is not None
    rows = [(figure_name(entry["headline"]), value_of(entry), interval(entry))]
    if twin:
        rows.append((entry["floor_name"] or "the floor", floor_value(entry), floor_interval(entry)))
    for key, name in (("expected", "chance alone"), ("most", "the most possible")):
        if entry[key] is not None:
            rows.append((name, shown(entry[key], kind), ""))
    if entry["verdict"] is not None:
        what = f"further than {entry['beside']}" if twin else "divergence"
        name = "; ".join(filter(None, [what, taken_off(dimension, entry), f"allowed {points(entry['margin'])}"]))
        ends = interval(entry, "divergence_low", "divergence_high", "gap")
        rows.append((name, shown(entry["divergence"], "gap"), ends))
    needed = entry["examples_needed"]
    return [*rows, ("examples", f"{entry['examples']:,}", would_decide(needed) if needed else "")]


# Every pair.


def matrices_of(audit: Audit) -> list[dict[str, Any]]:
    """One per dimension where compressed models were compared among themselves; else one, of the pairs with large."""
    names, models = measured(audit), models_in_order(audit)

    def row(label: str, more: str, name: str, places: list[tuple[str, str]]) -> dict[str, Any]:
        return {"name": label, "more": more, "cells": [cell_of(audit, name, *place) for place in places]}

    if any(pair["role"] == "other" for pair in audit["pairs"]):
        return [
            {"question": DIMENSIONS[name].question, "name": headline_of(audit, name), "columns": models}
            | {"rows": [row(one, "", name, [(one, other) for other in models]) for one in models]}
            for name in names
        ]
    large = audit["pairs"][0]["large"]
    others = [model for model in models if model != large]
    places = [(other, large) for other in others]
    rows = [row(DIMENSIONS[name].question, headline_of(audit, name), name, places) for name in names]
    return [{"question": f"Against {large}", "name": "", "columns": others, "rows": rows}]


def cell_of(audit: Audit, name: str, row: str, column: str) -> dict[str, Any] | None:
    found = between(audit, name, row, column)
    if found is None:
        return None
    value, kind = found
    if kind == "overlap":
        return {"value": shown(value, kind), "level": round(DEEPEST * max(0.0, value)), "kind": ""}
    entries = [pair["dimensions"].get(name, {"status": "skipped"}) for pair in audit["pairs"]]
    greatest = max(abs(entry["value"]) for entry in entries if entry["status"] == "done") or 1.0
    level, side = round(DEEPEST * abs(value) / greatest), "plus" if value > 0 else "minus"
    return {"value": shown(value, kind).removesuffix("s").removesuffix(" point"), "level": level, "kind": side}


# The end of the page.


def pages_of_all(audit: Audit, plots: Plots) -> int:
    """About how many A4 pages all of it takes in print: nearly one for each plot, and some for the rest."""
    drawn = sum(bool(one.svg) for one in plots.values())
    others = sum(len(pair["dimensions"]) for pair in audit["pairs"] if pair["role"] != "other") - drawn
    return round(7 + 0.9 * drawn + 0.25 * others)


def run_rows(audit: Audit) -> list[tuple[str, str]]:
    run = audit["run"]
    rows = [("command", clean(line))] if (line := command_line(audit)) else []
    rows += [("version", audit["version"]), ("data fingerprint", audit["data"]["fingerprint"])]
    rows += [(f"fingerprint of {name}", model["fingerprint"]) for name, model in audit["models"].items()]
    rows += [("started", run["started"]), ("seconds", f"{run['seconds']:.0f}"), ("processes", str(run["processes"]))]
    return [*rows, *run["versions"].items()]
