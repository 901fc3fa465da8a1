"""How many examples will it take? A plan as a table for a terminal, as Markdown and as a plot."""

import json
from pathlib import Path
from typing import Any

from trusteq.audit.planning import NUMBERS
from trusteq.dimensions.plots.colors import GREY
from trusteq.dimensions.registry import DIMENSIONS
from trusteq.report.markdown import md, table
from trusteq.report.summary_plot import with_boxes
from trusteq.report.svg import pictures
from trusteq.report.terminal import wrapped
from trusteq.report.write import write_whole
from trusteq.wording import NOTHING, clean, plain, shorten

Plan = dict[str, Any]
Row = dict[str, Any]
STYLES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (1, 1)))
COLORS = ("#0072B2", "#D55E00", "#5B3A6B", "#0F6B4F", "#A3223F", "#8A6A00")
LONGEST = 40  # characters of a model's name

FROM_AUDIT = (
    "The chance, in percent, that so many examples settle it, whichever way, if those of the audit are among them (or "
    "that fewer of those do)."
)
FROM_GUESSES = (
    "The chance, in percent, that a model that does not differ is called equivalent beside one twin, by closed "
    "formulas for the standard errors; what seeds scatter is not in it. Neighbours and reasons depend too much on the "
    "models to be guessed: plan them from an audit of a few hundred examples."
)
DASH = "A dash: so few get no verdict"
DASH_OF_AUDIT = f"{DASH}, or the audit had as many and left it open."
HALF_WIDTHS = "Half the width of the interval of how much further than the twin, in points:"


def about(plan: Plan) -> str:
    return FROM_GUESSES if plan["guesses"] else FROM_AUDIT


def dashes(plan: Plan) -> str:
    """What a dash means, where there is one."""
    if not any(NOTHING in chances(row) for row in plan["rows"] if row["chances"] is not None):
        return ""
    return f"{DASH}." if plan["guesses"] else DASH_OF_AUDIT


def by_model(plan: Plan) -> list[list[Row]]:
    names = dict.fromkeys(row["compressed"] for row in plan["rows"])
    return [[row for row in plan["rows"] if row["compressed"] == name] for name in names]


def short(count: int) -> str:
    """
    >>> short(500), short(20_000)
    ('500', '20k')
    """
    return f"{count // 1000}k" if count >= 1000 else str(count)


def chances(row: Row) -> list[str]:
    """In percent; a dash where there is none."""
    if row["chances"] is None:
        return [NOTHING] * len(NUMBERS)
    return [f"{100 * chance:.0f}" if chance else NOTHING for chance in row["chances"]]


def half_widths(row: Row) -> list[str]:
    return [points(width) for width in row["half_widths"]]


def points(share: float) -> str:
    return f"{100 * share:.1f}"


def needed(row: Row) -> str:
    """How many examples have the power, or why there is no number.

    >>> needed({"needed": 2600, "says": ""}), needed({"needed": None, "says": "needs more twins"})
    ('2,600', 'needs more twins')
    """
    return f"{row['needed']:,}" if row["needed"] and not row["says"] else row["says"]


def plan_table(plan: Plan) -> str:
    """For a terminal of 100 columns."""
    power = f"{100 * plan['power']:.0f} % with"
    head = [short(count) for count in plan["numbers"]]
    lines = wrapped(about(plan), "")
    if plan["guesses"]:
        lines += wrapped(f"Guesses: {plain(plan['guesses'])}.", "")
    for rows in by_model(plan):
        lines += ["", *([shorten(clean(rows[0]["compressed"]), LONGEST)] if rows[0]["compressed"] else [])]
        lines += [line(["dimension", *head], power)]
        notes = []
        for row in rows:
            said = needed(row)
            fits = len(said) <= 20
            lines.append(line([row["dimension"], *chances(row)], said if fits else "see below"))
            said = row.get("note", "") if fits else said
            notes += [] if not said else wrapped(f"{row['dimension']}: {clean(said)}", "  ")
        lines += notes
        if plan["guesses"]:
            lines += ["", *wrapped(HALF_WIDTHS, ""), line(["dimension", *head], "margin")]
            lines += [line([row["dimension"], *half_widths(row)], points(row["margin"])) for row in rows]
    counted = dict.fromkeys(
        f"{row['dimension']}: {row['counted']}" for row in plan["rows"] if row["counted"] != "examples"
    )
    return "\n".join(
        [*lines, "", *wrapped(f"Counted are examples; of {'; of '.join(counted)}.", ""), *wrapped(dashes(plan), "")]
    )


def line(cells: list[str], last: str) -> str:
    return f"  {cells[0]:24}{''.join(f'{cell:>5}' for cell in cells[1:])}   {last}".rstrip()


def plan_markdown(plan: Plan) -> str:
    parts = ["# How many examples will it take?", md(about(plan))]
    if plan["guesses"]:
        parts.append(f"Guesses: {md(plain(plan['guesses']))}.")
    head = [f"{count:,}" for count in plan["numbers"]]
    for rows in by_model(plan):
        if rows[0]["compressed"]:
            parts.append(f"## {md(rows[0]['compressed'])}")
        named = [[DIMENSIONS[row["dimension"]].question, row["counted"]] for row in rows]
        cells = [[*name, *chances(row), md(needed(row))] for name, row in zip(named, rows, strict=True)]
        parts.append(table(["dimension", "counted", *head, f"{100 * plan['power']:.0f} % with"], cells))
        if plan["guesses"]:
            cells = [[*name, *half_widths(row), points(row["margin"])] for name, row in zip(named, rows, strict=True)]
            parts += [HALF_WIDTHS, table(["dimension", "counted", *head, "margin"], cells)]
    parts += [dashes(plan)] * bool(dashes(plan))
    return "\n\n".join([*parts, "![The chance to be settled against the number of examples](plan.svg)"]) + "\n"


def plan_plot(plan: Plan) -> Any:
    """The chance against the number of examples, a panel for each compressed model; a matplotlib Figure."""
    from matplotlib.figure import Figure

    models = by_model(plan)
    columns = min(2, len(models))
    rows = -(-len(models) // columns)
    figure = Figure(figsize=(1.5 + 6 * columns, 1.6 + 3.4 * rows), layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False).flatten()
    names = [name for name in DIMENSIONS if any(row["dimension"] == name for row in plan["rows"])]
    for panel, found in zip(panels, models, strict=False):
        panel.axhline(100 * plan["power"], color=GREY, linewidth=1, linestyle="--")
        for row in found:
            if row["chances"] is not None:
                place = list(DIMENSIONS).index(row["dimension"])
                look = {"color": COLORS[place % 6], "linestyle": STYLES[place % 6], "marker": "osD^vX"[place % 6]}
                points = [(x, 100 * y) for x, y in zip(plan["numbers"], row["chances"], strict=True) if y]
                panel.plot(
                    *zip(*points, strict=True), markersize=5, label=DIMENSIONS[row["dimension"]].question, **look
                )
        panel.set(xscale="log", xlim=(plan["numbers"][0] / 1.1, plan["numbers"][-1] * 1.1), ylim=(-3, 103))
        panel.set_xticks(plan["numbers"], [short(count) for count in plan["numbers"]])
        panel.minorticks_off()
        panel.set(xlabel="examples", ylabel=f"chance {'of an equivalent' if plan['guesses'] else 'to be settled'}, %")
        panel.spines[["top", "right"]].set_visible(False)
        if found[0]["compressed"]:
            name = with_boxes(shorten(clean(found[0]["compressed"]), LONGEST))
            panel.set_title(name, loc="left", fontsize=11, fontweight="bold", parse_math=False)
    for panel in panels[len(models) :]:
        panel.set_axis_off()
    handles = {
        label: handle for panel in panels for handle, label in zip(*panel.get_legend_handles_labels(), strict=True)
    }
    order = [DIMENSIONS[name].question for name in names if DIMENSIONS[name].question in handles]
    columns = 2 if len(models) == 1 else 3
    figure.legend([handles[x] for x in order], order, loc="outside lower center", ncols=columns, frameon=False)
    return figure


def write_plan(plan: Plan, folder: Path) -> list[Path]:
    """plan.json, plan.md and plan.svg; the paths of what was written."""
    files: dict[str, str | bytes] = {
        "plan.json": json.dumps(plan, indent=1, allow_nan=False),
        "plan.md": plan_markdown(plan),
        "plan.svg": pictures(plan_plot(plan))["svg"],
    }
    return [write_whole(folder / name, content) for name, content in files.items()]
