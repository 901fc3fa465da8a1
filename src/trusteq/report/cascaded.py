"""How much would have to be passed on? A cascade as a table for a terminal, as a plot, and as a page."""

import json
from pathlib import Path
from typing import Any

from trusteq.audit.advice import IN_CASCADE
from trusteq.dimensions.plots.colors import GREY
from trusteq.dimensions.registry import DIMENSIONS
from trusteq.report.page import template
from trusteq.report.planned import COLORS, LONGEST, STYLES
from trusteq.report.summary_plot import with_boxes
from trusteq.report.svg import inline_svg, pictures
from trusteq.report.terminal import wrapped
from trusteq.report.write import write_whole
from trusteq.wording import clean, percent, shorten, signed

Cascade = dict[str, Any]
SHOWN = range(0, 21, 2)  # of the points of a curve, those in a table


def cascade_table(found: Cascade) -> str:
    """For a terminal of 100 columns: the half of the texts that judges.

    >>> entry = {"divergence": 0.1, "divergence_low": 0.0, "divergence_high": 0.2, "margin": 0.1,
    ...          "verdict": "inconclusive"}
    >>> point = {"threshold": 0.0, "passed_on": 0.0, "accuracy": 0.8, "entries": {"calibration_gap": entry}}
    >>> last = point | {"passed_on": 1.0, "entries": {"calibration_gap": entry | {"verdict": "equivalent"}}}
    >>> found = {"model": "tiny", "dimensions": ["calibration_gap"], "judging": [point] * 20 + [last],
    ...          "chosen": None, "why_not": "Too few.", "chosen_on": 50, "judged_on": 50, "not_computed": {}}
    >>> print(cascade_table(found).split("\\n")[2])
      0 %          80 %      +0.100 (0.000 to 0.200) ?
    """
    lines = wrapped(f"{shorten(clean(found['model']), LONGEST)} answers where it is sure, large elsewhere.", "")
    cells = [f"{name:26}" for name in found["dimensions"]]
    lines.append(f"  {'passed on':13}{'accuracy':10}{''.join(cells)}".rstrip())
    for point in (found["judging"][i] for i in SHOWN):
        row = [f"{divergence(point['entries'][name]):26}" for name in found["dimensions"]]
        lines.append(f"  {percent(point['passed_on']):13}{percent(point['accuracy']):10}{''.join(row)}".rstrip())
    lines.append(
        "  How far the pair is from large, or how much further than its twin: = equivalent, ≠ different, ? open."
    )
    return "\n".join([*lines, "", *[line for text in says(found) for line in wrapped(text, "")]])


SIGNS = {"equivalent": "=", "different": "≠", "inconclusive": "?"}


def written(entry: dict[str, Any]) -> tuple[str, str]:
    """A divergence and its interval."""
    low, high = entry["divergence_low"], entry["divergence_high"]
    return signed(f"{entry['divergence']:+.3f}"), signed(f"{low:.3f} to {high:.3f}")


def divergence(entry: dict[str, Any]) -> str:
    value, interval = written(entry)
    return f"{value} ({interval}) {SIGNS[entry['verdict']]}"


def says(found: Cascade) -> list[str]:
    """Which threshold to use, what the other half says of it, and what cannot be said."""
    halves = f"Chosen on {found['chosen_on']:,} texts, judged on {found['judged_on']:,} others."
    listed = [f"{name} cannot be computed: {reason}." for name, reason in found["not_computed"].items()]
    if found["chosen"] is None:
        return [f"No share makes the pair equivalent: {found['why_not']} {halves}", *listed]
    threshold, judged = found["chosen"]["threshold"], found["chosen"]["judged"]
    share = percent(judged["passed_on"])
    open_yet = [name for name, entry in judged["entries"].items() if entry["verdict"] != "equivalent"]
    use = f"Pass on what the compressed model is less than {100 * threshold:.1f} % sure of: {share} of the requests"
    if threshold > 1:
        use = "Only with all requests passed on is the pair equivalent: the compressed model saves nothing"
    elif not threshold:
        use = "Nothing has to be passed on: the compressed model alone is equivalent in what can be computed"
    if far := judged.get("ood_passed_on"):
        use += f", {percent(far)} of those out of distribution"
    verdict = "equivalent in all that can be computed" if not open_yet else f"not equivalent in {', '.join(open_yet)}"
    return [f"{use}. On the half that judges, the pair is then {verdict}. {halves}", *listed]


def cascade_plot(cascades: list[Cascade]) -> Any:
    """Each dimension's divergence in margins against the share passed on, a panel a model; a matplotlib Figure."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(1.5 + 6 * len(cascades), 4.6), layout="constrained")
    panels = figure.subplots(1, len(cascades), squeeze=False)[0]
    for panel, found in zip(panels, cascades, strict=True):
        panel.axhspan(-100, 1, color="#F2F2F2", zorder=0)
        panel.axhline(1, color=GREY, linewidth=1, linestyle="--")
        highest = 2.0
        for name in found["dimensions"]:
            place = IN_CASCADE.index(name)
            look = {"color": COLORS[place], "linestyle": STYLES[place], "marker": "osD"[place]}
            x = [100 * point["passed_on"] for point in found["judging"]]
            entries = [point["entries"][name] for point in found["judging"]]
            middle, low, high = (
                [entry[key] / entry["margin"] for entry in entries]
                for key in ("divergence", "divergence_low", "divergence_high")
            )
            panel.plot(x, middle, markersize=4, label=DIMENSIONS[name].question, **look)
            panel.fill_between(x, low, high, color=look["color"], alpha=0.15, linewidth=0)
            highest = max(highest, *high)
        if found["chosen"] is not None:
            at = 100 * found["chosen"]["judged"]["passed_on"]
            panel.axvline(at, color="black", linewidth=1.2, linestyle=":")
            panel.annotate("chosen", (at, 0.98), xycoords=("data", "axes fraction"), ha="right", va="top", rotation=90)
        panel.set(xlim=(-2, 102), ylim=(-2, min(highest, 8) * 1.05))
        panel.set(xlabel="requests passed on to large, %", ylabel="divergence, in margins (shaded: allowed)")
        panel.spines[["top", "right"]].set_visible(False)
        name = with_boxes(shorten(clean(found["model"]), LONGEST))
        panel.set_title(name, loc="left", fontsize=11, fontweight="bold", parse_math=False)
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3, frameon=False)
    return figure


def cascade_page(cascades: list[Cascade]) -> str:
    from markupsafe import Markup

    shown = []
    for place, found in enumerate(cascades):
        drawn = pictures(cascade_plot([found]), png=False)["svg"].decode()
        label = f"divergence against the share of requests passed on, {found['model']}"
        judged = found["chosen"]["judged"] if found["chosen"] else None
        shown.append(
            {
                "name": found["model"],
                "says": says(found),
                "plot": Markup(inline_svg(drawn, f"c{place}-", label)),
                "questions": [DIMENSIONS[name].question for name in found["dimensions"]],
                "points": [point_of(point, found["dimensions"], point == judged) for point in found["judging"]],
            }
        )
    return str(template("report/cascaded.html").render(cascades=shown))


def point_of(point: dict[str, Any], names: list[str], chosen: bool) -> dict[str, Any]:
    """A row of the page's table."""
    cells = [
        dict(zip(("value", "interval"), written(entry), strict=True))
        | {"verdict": entry["verdict"], "sign": SIGNS[entry["verdict"]]}
        for entry in (point["entries"][name] for name in names)
    ]
    threshold = f"{100 * min(point['threshold'], 1):.1f} %" if point["threshold"] else "none"
    row = {"passed_on": percent(point["passed_on"]), "threshold": threshold, "accuracy": percent(point["accuracy"])}
    return row | {"cells": cells, "chosen": chosen}


def write_cascades(cascades: list[Cascade], folder: Path) -> list[Path]:
    """cascade.html, cascade.json and cascade.svg; the paths of what was written."""
    data = json.dumps({found["model"]: found for found in cascades}, indent=1, allow_nan=False)
    plot = pictures(cascade_plot(cascades), png=False)["svg"]
    contents: dict[str, str | bytes] = {
        "cascade.html": cascade_page(cascades),
        "cascade.json": data,
        "cascade.svg": plot,
    }
    return [write_whole(folder / name, content) for name, content in contents.items()]
