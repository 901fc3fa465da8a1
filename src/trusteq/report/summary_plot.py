"""How far is each compressed model from the large one, beside the margin and the twin? One figure of all dimensions."""

from functools import cache
from typing import Any

from trusteq.dimensions.plots.colors import GREY
from trusteq.dimensions.registry import DIMENSIONS
from trusteq.report.geometry import in_margins, reach
from trusteq.report.queries import judged, models_of
from trusteq.report.words import SIGNS, Audit, Pair, figure_name, floor_word, status, value_of
from trusteq.wording import clean, shorten

COLORS = {"equivalent": "#0F6B4F", "different": "#A3223F", "inconclusive": "#8A6A00", "reference": "#5E5A55"}
MARKERS = {"equivalent": "o", "different": "X", "inconclusive": "D", "reference": "."}
ZONE, FLOOR = "#E3F1EB", "#BBBBBB"
LONGEST_NAME = 60


def summary_plot(audit: Audit) -> Any:
    """For every pair and dimension the divergence with its interval, counted in margins; a matplotlib Figure.

    Left of the line at 1 lies what the margin allows. 0 is the floor, the twins' own divergence, where there are twins.
    """
    from matplotlib.figure import Figure

    pairs = judged(audit) or audit["pairs"]
    most = max((len(pair["dimensions"]) for pair in pairs), default=1)
    columns = 1 if len(pairs) < 3 else 2
    rows = -(-max(1, len(pairs)) // columns)
    size = (9.0 if columns == 1 else 15.0, 1.2 + rows * (0.75 + 0.42 * most))
    figure = Figure(figsize=size, layout="constrained")
    panels, floor = figure.subplots(rows, columns, squeeze=False).flatten(), ""
    if models_of(audit, "twin"):
        floor = floor_word(audit)
    for panel, pair in zip(panels, pairs, strict=False):
        draw_pair(panel, pair, reach(audit), floor)
    for panel in panels[len(pairs) :]:
        panel.set_axis_off()
    for panel in panels[max(0, len(pairs) - columns) : len(pairs)]:
        panel.set_xlabel(f"divergence {f'beyond the {floor}, ' if floor else ''}in margins", fontsize=9)
    handles, labels = legend()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels), frameon=False, fontsize=9)
    return figure


def draw_pair(panel: Any, pair: Pair, ends: tuple[float, float], floor: str) -> None:
    """A row a dimension: the mark and its interval; the grey band is how sure the floor's own figure is."""
    panel.axvspan(ends[0], 1, color=ZONE, zorder=0)
    panel.axvline(0, color=GREY, linewidth=1, linestyle="--", zorder=1)
    panel.axvline(1, color=GREY, linewidth=1, zorder=1)
    entries = list(pair["dimensions"].items())
    for row, (_, entry) in enumerate(entries):
        span, found = in_margins(entry), status(entry)
        words = found if entry["status"] != "done" or found == "reference" else f"{SIGNS[found]} {found}"
        if span is not None:
            if span.floor:
                panel.hlines(row, *(within(end, ends) for end in span.floor), color=FLOOR, linewidth=9, zorder=1)
            low, middle, high = (within(x, ends) for x in (span.low, span.middle, span.high))
            panel.hlines(row, low, high, color=COLORS[found], linewidth=2.2)
            for end, shown, arrow in ((span.low, low, "<"), (span.high, high, ">")):
                if end != shown:
                    panel.plot(shown, row, arrow, color=COLORS[found], markersize=6)
            if middle == span.middle:
                panel.plot(middle, row, MARKERS[found], color=COLORS[found], markersize=8, markeredgecolor="white")
            words += f"\n{figure_name(entry['headline'])} {value_of(entry)}"
        panel.text(1.015, row, words, transform=panel.get_yaxis_transform(), va="center", fontsize=8.5)
    panel.set_yticks(range(len(entries)), [DIMENSIONS[name].question for name, _ in entries])
    panel.set(xlim=ends, ylim=(len(entries) - 0.4, -0.6))
    ticks = range(3, int(ends[1]) + 1)
    panel.set_xticks([0, 1, *ticks], [f"{floor} " if floor else "0", "margin", *map(str, ticks)])
    for label, side in zip(panel.get_xticklabels(), ("right" if floor else "center", "left"), strict=False):
        label.set_horizontalalignment(side)
    panel.tick_params(axis="both", length=0)
    panel.spines[["top", "right", "left"]].set_visible(False)
    names = [with_boxes(shorten(clean(pair[key]), LONGEST_NAME)) for key in ("compressed", "large")]
    panel.set_title(f"{names[0]} against {names[1]}", loc="left", fontsize=11, fontweight="bold", parse_math=False)


def within(value: float, ends: tuple[float, float]) -> float:
    return min(max(value, ends[0]), ends[1])


def legend() -> tuple[list[Any], list[str]]:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    verdicts = ("equivalent", "different", "inconclusive")
    marks: list[Any] = [
        Line2D([], [], color=COLORS[v], marker=MARKERS[v], linewidth=2.2, markersize=7) for v in verdicts
    ]
    return [*marks, Patch(color=ZONE), Patch(color=FLOOR)], [
        *verdicts,
        "inside the margin",
        "interval of the floor's own",
    ]


def with_boxes(text: str) -> str:
    """Characters that the font does not have become boxes, without a warning for each.

    >>> with_boxes("naïve 模型")
    'naïve □□'
    """
    return "".join(character if ord(character) in characters() else "\N{WHITE SQUARE}" for character in text)


@cache
def characters() -> frozenset[int]:
    from matplotlib import font_manager

    return frozenset(font_manager.get_font(font_manager.findfont("DejaVu Sans")).get_charmap())
