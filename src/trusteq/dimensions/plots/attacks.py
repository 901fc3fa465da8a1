"""Two views of a result: how accuracy falls and who broke what, or one example's original and adversarial texts."""

import difflib
from typing import Any

import numpy as np

from trusteq.checks import check_integer
from trusteq.dimensions.plots.colors import BOTH, COMPRESSED, GREY, LARGE
from trusteq.dimensions.plots.drawable import drawable
from trusteq.options import details_of

MODELS = (("compressed", "", "outcome", COMPRESSED), ("large", "large_", "large_outcome", LARGE))
WIDTH, MARGIN, LINE = 10.0, 0.12, 0.27  # of the figure of an example, in inches
MOST_WORDS = 120  # of a text; of longer ones, what lies near a change is drawn


def plot(result: dict[str, Any], example: int | None = None) -> Any:
    """Accuracy against the number of questions and who broke what, or one example's texts; a matplotlib Figure.

    >>> plot({"accuracy": 0.5})
    Traceback (most recent call last):
    ValueError: plot needs a result with details: call compute(..., details=True)
    """
    details = details_of(result, "attack_divergence")
    entries = details["per_example"]
    if example is None:
        return plot_falls(result)
    check_integer("example", example, at_least=0, at_most=len(entries) - 1)
    entry = entries[int(example)]
    if any(entry[key][name] is None for *_, key, _ in MODELS for name in ("text", "adversarial")):
        raise ValueError(f"example {example} has no texts: these outcomes were given without text and adversarial")
    return plot_example(entry)


# How accuracy falls, and who broke what.


def plot_falls(result: dict[str, Any]) -> Any:
    from matplotlib.figure import Figure

    entries = result["details"]["per_example"]
    figure = Figure(figsize=(10, 4.6), layout="constrained")
    grid = figure.add_gridspec(2, 2, width_ratios=(1.15, 1), height_ratios=(1, 2.2))
    left, top, bottom = (figure.add_subplot(grid[place]) for place in ((slice(None), 0), (0, 1), (1, 1)))
    draw_curves(left, result, entries)
    draw_sets(top, entries)
    draw_overlap(bottom, result)
    attack = result["details"]["attack"]
    heading = f"Breaks the same way? {len(entries):,} {'example' if len(entries) == 1 else 'examples'}"
    figure.suptitle(f"{heading}, attacked by {attack}" if attack else heading, fontsize=11)
    return figure


def draw_curves(axis: Any, result: dict[str, Any], entries: list[dict[str, Any]]) -> None:
    """What is left of each model's accuracy once every attack has asked so many questions."""
    most = max((entry[key]["queries"] for entry in entries for *_, key, _ in MODELS), default=1)
    ends = []
    for (name, prefix, key, color), style in zip(MODELS, ("-", "--"), strict=True):
        outcomes = [entry[key] for entry in entries]
        broken = np.sort([outcome["queries"] for outcome in outcomes if outcome["status"] == "broken"])
        accuracy = 100 * result[f"{prefix}accuracy"]
        steps = accuracy - 100 * np.arange(len(broken) + 1) / len(outcomes)
        x, y = np.concatenate([[0], broken, [most]]), np.concatenate([steps, steps[-1:]])
        axis.step(x, y, where="post", color=color, linestyle=style, linewidth=2, label=name)
        ends.append((y[-1], f"{name}: {y[0]:.0f} % to {y[-1]:.0f} %", color))
    axis.set(xlim=(0, most * 1.02), ylim=(0, 104), xlabel="questions asked of the model", ylabel="accuracy, %")
    axis.set_title("accuracy under attack", loc="left", fontsize=10)
    handles, _ = axis.get_legend_handles_labels()
    axis.legend(handles, [text for _, text, _ in ends], frameon=False, loc="upper right")
    axis.spines[["top", "right"]].set_visible(False)


def draw_sets(axis: Any, entries: list[dict[str, Any]]) -> None:
    """The examples that both had right, by who broke."""
    both = [entry for entry in entries if all(entry[key]["status"] != "skipped" for *_, key, _ in MODELS)]
    broke = [tuple(entry[key]["status"] == "broken" for *_, key, _ in MODELS) for entry in both]
    parts = [
        ("only compressed broke", (True, False), COMPRESSED, "//"),
        ("both broke", (True, True), BOTH, ""),
        ("only large broke", (False, True), LARGE, "\\\\"),
        ("neither broke", (False, False), "#DDDDDD", ""),
    ]
    start = 0
    for label, kind, color, hatch in parts:
        count = broke.count(kind)
        axis.barh(0, count, left=start, color=color, hatch=hatch, edgecolor="white", label=f"{label}: {count:,}")
        start += count
    axis.set(yticks=[], xlim=(0, max(start, 1)))
    axis.xaxis.get_major_locator().set_params(integer=True)
    axis.set_title(f"who broke, of the {len(both):,} that both had right", loc="left", fontsize=10)
    axis.legend(loc="upper center", bbox_to_anchor=(0.3, -0.35), ncols=2, frameon=False, fontsize=9, columnspacing=1)
    axis.spines[["top", "right", "left"]].set_visible(False)


def draw_overlap(axis: Any, result: dict[str, Any]) -> None:
    """The shares of the pair on one scale: the overlap with its interval and chance level, and both transfers."""
    rows = [("same examples break\n(Jaccard)", "broken_jaccard", BOTH, "D")]
    if "transfer_to_large" in result:
        rows.append(("text for compressed\nfools large", "transfer_to_large", COMPRESSED, "o"))
    if "transfer_from_large" in result:
        rows.append(("text for large\nfools compressed", "transfer_from_large", LARGE, "s"))
    for y, (_, key, color, marker) in enumerate(rows):
        axis.hlines(y, 0, 1, color="#EEEEEE", linewidth=7, zorder=0)
        if f"{key}_low" in result:
            axis.hlines(y, result[f"{key}_low"], result[f"{key}_high"], color="black", linewidth=2)
        axis.plot(result[key], y, marker, color=color, markersize=8, clip_on=False)
        axis.text(1.06, y, f"{result[key]:.2f}", va="center", fontsize=10)
    chance = result["expected_broken_jaccard"]
    axis.plot([chance, chance], [-0.42, 0.42], ":", color=GREY, linewidth=2)
    side = "left" if chance < 0.15 else "right" if chance > 0.85 else "center"
    axis.text(chance, -0.45, f"chance {chance:.2f}", ha=side, va="bottom", fontsize=9, color=GREY)
    axis.set(xlim=(-0.02, 1.02), ylim=(len(rows) - 0.4, -0.95), yticks=range(len(rows)))
    axis.set_yticklabels([label for label, *_ in rows], fontsize=9)
    axis.tick_params(axis="y", length=0)
    axis.spines[["top", "right", "left"]].set_visible(False)


# One example.


def plot_example(entry: dict[str, Any]) -> Any:
    """The original with the words that either attack changed, then the text that each attack came to."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    outcomes = [entry[key] for *_, key, _ in MODELS]
    original = words_of(outcomes[0]["text"])
    marks = [0] * len(original)  # 1: changed for the compressed model, 2: for the large one, 3: for both
    blocks: list[tuple[str, str, list[tuple[str, int]]]] = []
    for mark, ((name, *_, color), outcome) in enumerate(zip(MODELS, outcomes, strict=True), start=1):
        adversarial = words_of(outcome["adversarial"]) if outcome["status"] == "broken" else []
        gone, new = changes(original, adversarial) if adversarial else (set(), set())
        for place in gone:
            marks[place] |= mark
        words = [(word, mark if place in new else 0) for place, word in enumerate(adversarial)]
        other = "large" if name == "compressed" else "compressed"
        blocks.append((f"{name}: {verdict(outcome, other)}", color, words))
    label = "" if outcomes[0]["label"] is None else f", gold class {outcomes[0]['label']}"
    blocks.insert(0, (f"original, example {entry['index']}{label}", "black", list(zip(original, marks, strict=True))))

    figure = Figure(figsize=(WIDTH, 1), dpi=100)
    renderer = FigureCanvasAgg(figure).get_renderer()
    lines = [wrap_words(shortened(words), figure, renderer) for *_, words in blocks]
    height = 0.35 + sum(0.55 + LINE * len(some) for some in lines)
    figure.set_size_inches(WIDTH, height)
    top = height - 0.1
    for (heading, color, _), some in zip(blocks, lines, strict=True):
        put(figure, MARGIN, top, heading, color=color, fontweight="bold", fontsize=10)
        top -= 0.3
        for line in some:
            for x, word, mark in line:
                draw_word(figure, renderer, x, top, word, mark)
            top -= LINE
        top -= 0.25
    note = "Underlined: changed for the compressed model (solid), the large one (dashed), or both (double)."
    put(figure, MARGIN, 0.25, note, color=GREY, fontsize=8.5)
    return figure


STYLES = {
    0: {"color": "black"},
    1: {"color": COMPRESSED, "fontweight": "bold"},
    2: {"color": LARGE, "fontweight": "bold"},
    3: {"color": BOTH, "fontweight": "bold"},
}


def put(figure: Any, x: float, y: float, text: str, **style: Any) -> Any:
    """A text with its top left corner so many inches from the left and from the bottom."""
    width, height = figure.get_size_inches()
    shown, fonts = drawable(text)
    return figure.text(x / width, y / height, shown, va="top", fontfamily=fonts, parse_math=False, **style)


def draw_word(figure: Any, renderer: Any, x: float, y: float, word: str, mark: int) -> None:
    from matplotlib.lines import Line2D

    text = put(figure, x, y, word, fontsize=11, **STYLES[mark])
    if mark:
        width, height = figure.get_size_inches()
        right = x + text.get_window_extent(renderer).width / figure.dpi
        for drop in (0.2, 0.23) if mark == 3 else (0.2,):
            line = Line2D([x / width, right / width], [(y - drop) / height] * 2, color=STYLES[mark]["color"])
            line.set(linewidth=1.2, linestyle=(0, (3, 1.5)) if mark == 2 else "-")
            figure.add_artist(line)


def wrap_words(words: list[tuple[str, int]], figure: Any, renderer: Any) -> list[list[tuple[float, str, int]]]:
    """Words with their places on lines as wide as the figure."""
    lines: list[list[tuple[float, str, int]]] = []
    x = WIDTH
    for word, mark in words:
        text = put(figure, 0, 0, word, fontsize=11, **STYLES[mark])
        wide = text.get_window_extent(renderer).width / figure.dpi
        text.remove()
        if x + wide > WIDTH - MARGIN:
            lines.append([])
            x = MARGIN
        lines[-1].append((x, word, mark))
        x += wide + 0.06
    return lines


def shortened(words: list[tuple[str, int]]) -> list[tuple[str, int]]:
    """A long text without the stretches in which nothing changed.

    >>> shortened([("so", 0)] * 200 + [("gooood", 1)] + [("so", 0)] * 3)[0]
    ('…', 0)
    """
    if len(words) <= MOST_WORDS:
        return words
    marked = [place for place, (_, mark) in enumerate(words) if mark] or [0]
    near = max(1, MOST_WORDS // (2 * len(marked)))
    found: list[tuple[str, int]] = []
    for place, word in enumerate(words):
        if any(abs(place - other) <= near for other in marked):
            found.append(word)
        elif not found or found[-1][0] != "…":
            found.append(("…", 0))
    return found


def verdict(outcome: dict[str, Any], other: str) -> str:
    """What became of the example, in a sentence.

    >>> verdict({"status": "withstood", "queries": 31, "changeable": True}, "large")
    'withstood 31 questions'
    """
    if outcome["status"] == "skipped":
        return "wrong before the attack"
    if not outcome["changeable"]:
        return "nothing in it may be changed"
    if outcome["status"] == "withstood":
        return f"withstood {outcome['queries']:,} questions"
    parts = [f"broke after {outcome['queries']:,} questions"]
    if None not in (outcome["scores"], outcome["adversarial_scores"], outcome["label"]):
        before, after = (outcome[key][outcome["label"]] for key in ("scores", "adversarial_scores"))
        parts.append(f"the gold class falls from {before:.2f} to {after:.2f}")
    if outcome["transfers"] is not None:
        parts.append(f"{'also fools' if outcome['transfers'] else 'does not fool'} the {other} one")
    return "; ".join(parts)


def changes(original: list[str], adversarial: list[str]) -> tuple[set[int], set[int]]:
    """The places of the words that went, and of those that came.

    >>> changes("a good film".split(), "a go od film".split())
    ({1}, {1, 2})
    """
    gone: set[int] = set()
    new: set[int] = set()
    for kind, a, b, c, d in difflib.SequenceMatcher(None, original, adversarial, autojunk=False).get_opcodes():
        if kind != "equal":
            gone |= set(range(a, b))
            new |= set(range(c, d))
    return gone, new


def words_of(text: Any) -> list[str]:
    """The words between blanks; a stroke stands between the two texts of a pair."""
    return text.split() if isinstance(text, str) else [*text[0].split(), "|", *text[1].split()]
