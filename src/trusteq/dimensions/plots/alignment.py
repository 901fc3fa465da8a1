"""Two views of a result: how the examples' overlaps are spread, and one example's words for both models."""

import textwrap
import unicodedata
from typing import Any

import numpy as np

from trusteq.checks import check_integer
from trusteq.dimensions.plots.colors import BOTH, COMPRESSED, GREY, LARGE
from trusteq.dimensions.plots.drawable import drawable
from trusteq.dimensions.plots.images import plot_image
from trusteq.kinds.text import parts_of
from trusteq.options import details_of

SHARED = "#E4DCE8"
LONGEST_WORD = 20
MOST_ROWS = 30


def plot(result: dict[str, Any], example: int | None = None) -> Any:
    """The spread over examples beside chance and ceiling, or one example's words or patches; a matplotlib Figure.

    >>> plot({"jaccard_at_10": 0.5})
    Traceback (most recent call last):
    ValueError: plot needs a result with details: call compute(..., details=True)
    """
    details = details_of(result, "attribution_alignment")
    if example is None:
        return plot_spread(result)
    check_integer("example", example, at_least=0, at_most=len(details["per_example"]) - 1)
    draw = plot_image if details.get("unit") == "patch" else plot_example
    return draw(details, int(example))


# The spread over examples.


def plot_spread(result: dict[str, Any]) -> Any:
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    details = result["details"]
    sizes, examples, unit = details["k"], details["per_example"], details.get("unit", "word")
    figure = Figure(figsize=(9, 1.6 + 1.7 * len(sizes)), layout=ConstrainedLayoutEngine(w_pad=0.1))
    panels = figure.subplots(len(sizes), 1, sharex=True, squeeze=False)[:, 0]
    for axis, k in zip(panels, sizes, strict=True):
        key = f"jaccard_at_{k}"
        values = np.array([example[key] for example in examples])
        centers, width, share = bars(values, k, details["runs"])
        axis.bar(centers, share, width=width, color=BOTH, label="examples with this Jaccard")
        height = 1.25 * share.max()
        chance = result[f"expected_{key}"]
        axis.axvline(chance, color=GREY, linestyle=":", linewidth=2, label="two random sets (chance)")
        lines = [f"mean {result[key]:.3f}", f"chance {chance:.3f}"]
        if f"max_{key}" in result:
            most = result[f"max_{key}"]
            axis.axvline(most, color=GREY, linestyle="--", linewidth=2, label="the most that the patches' sizes allow")
            lines.append(f"most possible {most:.3f}")
        if f"{key}_low" in result:
            low, high = result[f"{key}_low"], result[f"{key}_high"]
            axis.hlines(height, low, high, color="black", linewidth=2.5)
            lines.insert(1, f"({low:.3f} to {high:.3f})")
        label = "mean and its interval" if f"{key}_low" in result else "mean"
        axis.plot(result[key], height, "D", color="black", markersize=5, label=label, clip_on=False)
        if f"self_{key}" in result:
            for name, prefix, color in (("large", "large_", LARGE), ("compressed", "", COMPRESSED)):
                own = result[f"{prefix}self_{key}"]
                axis.axvline(own, color=color, linestyle="--", label=f"{name} with itself (other seed)")
                lines.append(f"{name} with itself {own:.3f}")
            lines.append(f"alignment {result[f'alignment_at_{k}']:.3f}")
        axis.locator_params(axis="y", nbins=5)
        axis.set_yticks([tick for tick in axis.get_yticks() if tick <= 100])
        axis.set(ylim=(0, 1.2 * height), xlim=(-0.03, 1.03), ylabel="% of examples")
        axis.text(1.02, 0.5, "\n".join(lines), transform=axis.transAxes, va="center")
        many = f"{k} most important {'patches' if unit == 'patch' else f'{unit}s'}"
        axis.set_title(f"the {many}" if k > 1 else f"the most important {unit}", loc="left", fontsize=10)
        axis.spines[["top", "right"]].set_visible(False)
    what = "pixels of an image's most important patches" if unit == "patch" else f"an example's most important {unit}s"
    panels[-1].set_xlabel(f"overlap of {what} in the two models (Jaccard)")
    figure.suptitle(f"Same reasons? {len(examples):,} {'example' if len(examples) == 1 else 'examples'}", fontsize=11)
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=3, frameon=False)
    return figure


def bars(values: np.ndarray, k: int, runs: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Centers, widths and heights (%): one bar a value where there are few possible ones, else 20 equal bins.

    >>> [part.round(2).tolist() for part in bars(np.array([0.0, 1 / 3, 1 / 3, 1.0]), 2, 1)]
    [[0.0, 0.33, 1.0], [0.04, 0.04, 0.04], [25.0, 50.0, 25.0]]
    """
    centers, count = np.unique(values.round(9), return_counts=True)
    if runs > 1 or len(centers) > 25:
        count, edges = np.histogram(values, bins=20, range=(0, 1))
        return (edges[:-1] + edges[1:]) / 2, np.full(20, 0.045), 100 * count / len(values)
    nearest = np.diff(centers).min() if len(centers) > 1 else 1.0
    return centers, np.full(len(centers), min(0.04, 0.8 * nearest)), 100 * count / len(values)


# The words of one example.


def plot_example(details: dict[str, Any], index: int) -> Any:
    """Both models' words in the first run, the most important on top; lines join those that both models name."""
    from matplotlib.figure import Figure
    from matplotlib.patches import ConnectionPatch

    entry, k = details["per_example"][index], max(details["k"])
    models = [
        ("large", entry["large_explanations"][0][:k], LARGE),
        ("compressed", entry["explanations"][0][:k], COMPRESSED),
    ]
    shared = {word for word, _ in models[0][1]} & {word for word, _ in models[1][1]}
    most = max(len(words) for _, words, _ in models)
    rows = min(MOST_ROWS, max(3, most))
    heading, lines = example_heading(entry, index, k, details["runs"], cut=most > rows)
    height = 1.45 + 0.3 * rows + 0.2 * lines
    figure = Figure(figsize=(10, height))
    axes = figure.subplots(1, 2)
    top = 1 - (0.65 + 0.2 * lines) / height
    figure.subplots_adjust(left=0.01, right=0.99, wspace=0.16, bottom=0.65 / height, top=top)
    for axis, (name, words, color), mirrored in zip(axes, models, (False, True), strict=True):
        draw_words(axis, words[:rows], shared, color, mirrored)
        axis.set(xlim=(0, 1), ylim=(rows - 0.4, -0.6))
        axis.set_title(name, color=color, fontsize=12, fontweight="bold")
    places = [{word: row for row, (word, _) in enumerate(words[:rows])} for _, words, _ in models]
    for word in [word for word, _ in models[0][1] if all(word in place for place in places)]:
        start, end = (1.01, places[0][word]), (-0.01, places[1][word])
        opposite = (models[0][1][places[0][word]][1] > 0) != (models[1][1][places[1][word]][1] > 0)
        line = ConnectionPatch(start, end, axes[0].transData, axes[1].transData, color=BOTH, linewidth=1.4)
        line.set_linestyle(":" if opposite else "-")
        figure.add_artist(line)
    text, fonts = drawable(heading, spell=False)
    style: dict[str, Any] = {"fontsize": 10, "fontfamily": fonts, "parse_math": False, "linespacing": 1.35}
    figure.text(0.01, 1 - 0.1 / height, text, va="top", **style)
    note = "Bars to the right (+) speak for the class, to the left (-, hatched) against it, on each model's own scale."
    if shared:
        note += "\nShaded and joined: words of both models, with a dotted line where their signs differ."
    figure.text(0.01, 0.1 / height, note, va="bottom", fontsize=9, color=GREY)
    return figure


def draw_words(axis: Any, words: list[Any], shared: set[str], color: str, mirrored: bool) -> None:
    """A row a word: the bar outside, the word inside, towards the other model; mirrored is the panel on the right."""
    middle, reach, edge = (0.72, 0.19, 0.0) if mirrored else (0.28, 0.19, 1.0)
    greatest = max((abs(weight) for _, weight in words), default=0.0) or 1.0
    for row, (word, weight) in enumerate(words):
        size = reach * weight / greatest
        axis.hlines(row, *sorted((middle, edge)), color="#EEEEEE", linewidth=1, zorder=0)
        style = {"color": color} if weight >= 0 else {"facecolor": "white", "edgecolor": color, "hatch": "/////"}
        axis.barh(row, size, left=middle, height=0.66, linewidth=1, **style)
        number, outward = f"{weight:+.2g}", "left" if weight >= 0 else "right"
        axis.annotate(number, (middle + size, row), (4 if weight >= 0 else -4, 0), textcoords="offset points",
                      ha=outward, va="center", fontsize=8, color=GREY)  # fmt: skip
        text, fonts = drawable(word)
        box = {"boxstyle": "round,pad=0.25", "facecolor": SHARED if word in shared else "white", "edgecolor": "none"}
        axis.text(edge, row, shorten(text), ha="left" if mirrored else "right", va="center", fontsize=10,
                  fontfamily=fonts, parse_math=False, bbox=box)  # fmt: skip
    if not words:
        axis.text(edge, 0, "no words", ha="left" if mirrored else "right", va="center", color=GREY)
    axis.vlines(middle, -0.5, max(len(words), 1) - 0.5, color=GREY, linewidth=1)
    axis.set_axis_off()


def example_heading(entry: dict[str, Any], index: int, k: int, runs: int, cut: bool) -> tuple[str, int]:
    """The text, where the details hold it, and what the example's words come to; with the number of lines."""
    text = entry.get("text") or ""  # None of explanations that were made elsewhere
    parts = parts_of(text)
    wide = any(unicodedata.east_asian_width(character) in "WF" for part in parts for character in part)
    lines = [line for part in parts for line in textwrap.wrap(part, 60 if wide else 120, max_lines=3, placeholder=" …")]
    figures = f"Example {index}. Jaccard of the top {k}: {entry[f'jaccard_at_{k}']:.2f}"
    figures += f" (two random sets: {entry[f'expected_jaccard_at_{k}']:.2f})"
    if runs > 1:
        figures += f", mean of {runs} runs; shown: the first"
    lines.append(f"{figures}; only {MOST_ROWS} words fit here" if cut else figures)
    return "\n".join(lines), len(lines)


def shorten(word: str) -> str:
    """A word that fits its column: no line breaks, and the middle of long ones left out (wide characters count twice).

    >>> shorten("pneumonoultramicroscopicsilicovolcanoconiosis")
    'pneumonoul…oconiosis'
    """
    word = " ".join(word.split())
    room = LONGEST_WORD - sum(unicodedata.east_asian_width(character) in "WF" for character in word[:LONGEST_WORD]) // 2
    return word if len(word) <= room else f"{word[: room // 2]}…{word[1 - room // 2 :]}"
