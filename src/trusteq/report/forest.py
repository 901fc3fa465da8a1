"""How far is every model from the large one, in every dimension, beside the margin and the floor? One picture, as SVG.

All divergences are counted in margins: at 0 a model is as far from the large one as the floor (or, without one, not at
all), left of 1 it counts as equivalent. A page holds the picture twice: a grid, and for phones a column of panels."""

import re
from collections.abc import Iterator
from html import escape

from trusteq.dimensions.registry import DIMENSIONS
from trusteq.report.geometry import in_margins, place_of, reach
from trusteq.report.queries import judged, measured, models_of
from trusteq.report.words import Audit, Entry, Pair, figure_of, floor_word, held_against, status
from trusteq.resources import text
from trusteq.wording import clean, shorten

WIDE, NARROW = 1020, 360  # of the two pictures, in units of a pixel
LETTER, BOLD = 7.0, 8.4  # about the width of one, of 13 pixels
Ends = tuple[float, float]
Box = tuple[float, float, float, float]  # x, y, width, height


def forest(audit: Audit, links: bool = True) -> str:
    """For a page that has the styles (palette.css and forest.css): both pictures. With links a mark leads to its
    dimension's place on the page."""
    if not judged(audit):
        return ""
    both = "".join(picture(audit, width) for width in (WIDE, NARROW))
    return f'<div class="forest">{both if links else unlinked(both)}</div>'


def unlinked(picture: str) -> str:
    """Marks that can still be pointed at and reached, but lead nowhere."""
    return re.sub(r'<a href="#\w+"', '<g tabindex="0" role="img"', picture).replace("</a>", "</g>")


def forest_file(audit: Audit) -> str:
    """The wide picture as a file of its own, with its styles."""
    own = text("report/palette.css").replace(":root", ".forest") + text("report/forest.css")
    return unlinked(picture(audit, WIDE)).replace("<title>", f"<style>{own}</style><title>", 1) + "\n"


def picture(audit: Audit, width: int) -> str:
    pairs, names, ends = judged(audit) or audit["pairs"], measured(audit), reach(audit)
    floor = floor_word(audit) if models_of(audit, "twin") else "0"
    layout = panels if width == NARROW else grid if len(pairs) > 1 else lines
    height, drawn = layout(pairs, names, ends, floor)
    kind = "narrow" if width == NARROW else "wide"
    title = "How far every model is from the large one, in margins, with intervals"
    head = f'<svg xmlns="http://www.w3.org/2000/svg" class="forest {kind}" viewBox="0 0 {width} {height}" role="group"'
    return f'{head} aria-label="{title}"><title>{title}</title>{drawn}</svg>'


# The three layouts: each gives its height and what is drawn.


def grid(pairs: list[Pair], names: list[str], ends: Ends, floor: str) -> tuple[int, str]:
    """A row for each model, a column for each dimension."""
    label, head = column_of(pairs, 168), 68
    across = (WIDE - label) / max(1, len(names))
    down = 46 if len(pairs) <= 8 else 28
    out = []
    for column, name in enumerate(names):
        x = label + column * across
        out += [
            written(x + 4, 14 + 15 * i, line, "head") for i, line in enumerate(split(DIMENSIONS[name].question, across))
        ]
        out.append(scale(x + 6, head - 5, across - 16, ends, floor))
    for row, pair in enumerate(pairs):
        y = head + row * down
        out.append(written(0, y + 18, shorten(clean(pair["compressed"]), int(label / BOLD)), "name"))
        for column, name in enumerate(names):
            entry, x = pair["dimensions"].get(name), label + column * across
            under = y + 38 if down > 40 else None
            out.append(mark(pair, name, entry, (x + 6, y, across - 16, 28), ends, under))
    return head + down * len(pairs) + 4, "".join(out)


def lines(pairs: list[Pair], names: list[str], ends: Ends, floor: str) -> tuple[int, str]:
    """Of a single model: a row for each dimension, with its figure beside it."""
    head, down, label, across = 30, 40, 250, 470
    out = [scale(label, head - 5, across, ends, floor)]
    for row, name in enumerate(names):
        y, entry = head + row * down, pairs[0]["dimensions"].get(name)
        asked = split(DIMENSIONS[name].question, label)
        out += [written(0, y + 26.5 - 7.5 * len(asked) + 15 * i, line, "name") for i, line in enumerate(asked)]
        out.append(mark(pairs[0], name, entry, (label, y, across, 28), ends, None))
        out.append(written(label + across + 18, y + 19, beside(entry, name), "value"))
    return head + down * len(names) + 4, "".join(out)


def panels(pairs: list[Pair], names: list[str], ends: Ends, floor: str) -> tuple[int, str]:
    """For phones: dimension after dimension, with the models below each other."""
    out, y, several = [], 0, len(pairs) > 1
    for name in names:
        asked = split(DIMENSIONS[name].question, NARROW)
        out += [written(0, y + 16 + 17 * i, line, "name") for i, line in enumerate(asked)]
        top, label = y + 27 + 17 * len(asked), column_of(pairs, 112) if several else 0
        across = NARROW - label - 8
        down = 40 if len(pairs) <= 8 else 26
        out.append(scale(label + 4, top - 5, across, ends, floor))
        for row, pair in enumerate(pairs):
            at, entry = top + row * down, pair["dimensions"].get(name)
            if several:
                out.append(written(0, at + 17, shorten(clean(pair["compressed"]), int(label / LETTER)), "label"))
            under = at + 35 if down > 30 else None
            out.append(mark(pair, name, entry, (label + 4, at, across, 24), ends, under))
        y = top + down * len(pairs) + 18
    return y, "".join(out)


# The parts.


def column_of(pairs: list[Pair], most: float) -> float:
    """As wide as the longest name, where there is room."""
    return min(most, 16 + BOLD * max(len(clean(pair["compressed"])) for pair in pairs))


def scale(x: float, y: float, across: float, ends: Ends, floor: str) -> str:
    """What the lines at the floor and at the margin are called."""
    zero, margin = (x + across * place_of(at, ends) / 100 for at in (0, 1))
    return written(zero - 3, y, floor, "tick end") + written(margin + 3, y, "margin", "tick")


def ground(box: Box, ends: Ends) -> str:
    """The zone inside the margin, and the lines at the floor and at the margin."""
    x, y, across, high = box
    zero, margin = (x + across * place_of(at, ends) / 100 for at in (0, 1))
    zone = f'<rect class="zone" x="{x:.1f}" y="{y}" width="{margin - x:.1f}" height="{high}"/>'
    return f'{zone}<path class="zero" d="M{zero:.1f} {y}v{high}"/><path class="margin" d="M{margin:.1f} {y}v{high}"/>'


def mark(pair: Pair, name: str, entry: Entry | None, box: Box, ends: Ends, under: float | None) -> str:
    """A divergence with its interval and the floor's, and what they are in words for whoever points at it."""
    x, y, across, high = box
    found = status(entry) if entry else "skipped"
    told = " ".join(
        [f"{clean(pair['compressed'])}: {DIMENSIONS[name].question}", *spoken(entry, name), *beyond(entry, ends)]
    )
    drawn = "".join(shapes(entry, found, box, ends)) if entry else ""
    if drawn:
        drawn = ground(box, ends) + drawn
    else:
        drawn = written(x + across / 2, y + high / 2 + 4, "not asked" if entry is None else found, "tick middle")
    if under is not None and entry and entry["status"] == "done":
        drawn += written(x, under, figure_of(entry, name, brief=True), f"under {found}")
    cover = f'<rect class="cover" x="{x}" y="{y}" width="{across:.1f}" height="{high}"/>'
    head = f'<a href="#{name}" class="mark {found}"><title>{escape(told)}</title>'
    return f"{head}{drawn}{cover}</a>"


def strip(entry: Entry, ends: Ends) -> str:
    """One divergence in a table's cell, beside a sentence that says what it is; of what was not measured, nothing."""
    box = (0.0, 0.0, 240.0, 28.0)
    drawn = "".join(shapes(entry, status(entry), box, ends))
    head = '<svg xmlns="http://www.w3.org/2000/svg" class="forest" viewBox="0 0 240 28" aria-hidden="true">'
    return f'{head}<g class="mark {status(entry)}">{ground(box, ends)}{drawn}</g></svg>' if drawn else ""


def shapes(entry: Entry, found: str, box: Box, ends: Ends) -> Iterator[str]:
    span = in_margins(entry)
    if span is None:
        return
    x, y, across, high = box
    middle = y + high / 2

    def at(value: float) -> float:
        return x + across * place_of(value, ends) / 100

    if span.floor:
        low, far = map(at, span.floor)
        yield f'<rect class="floor" x="{low:.1f}" y="{middle - 6}" width="{max(1, far - low):.1f}" height="12"/>'
    yield f'<path class="bar" d="M{at(span.low):.1f} {middle}H{at(span.high):.1f}"/>'
    if span.low < ends[0]:
        yield f'<path class="arrow" d="M{x:.1f} {middle}l8 -5v10z"/>'
    if span.high > ends[1]:
        yield f'<path class="arrow" d="M{x + across:.1f} {middle}l-8 -5v10z"/>'
    if ends[0] <= span.middle <= ends[1]:
        yield dot(found, at(span.middle), middle)
    for words in beyond(entry, ends):
        yield written(x + across - 12, middle - 7, words, "tick end")


def beyond(entry: Entry | None, ends: Ends) -> list[str]:
    """How far off a mark lies that has no room, in margins."""
    span = in_margins(entry) if entry else None
    return [f"{span.middle:.0f}×"] if span and span.middle > ends[1] else []


def dot(found: str, x: float, y: float) -> str:
    """Its shape says what its colour says: a disc, a square, a diamond."""
    if found == "different":
        return f'<rect class="dot" x="{x - 5:.1f}" y="{y - 5}" width="10" height="10"/>'
    if found == "inconclusive":
        return f'<path class="dot" d="M{x:.1f} {y - 7}l7 7l-7 7l-7 -7z"/>'
    return f'<circle class="dot" cx="{x:.1f}" cy="{y}" r="5.5"/>'


def spoken(entry: Entry | None, name: str) -> list[str]:
    if entry is None:
        return ["Not asked."]
    if entry["status"] != "done":
        return [f"{status(entry).capitalize()}: {clean(entry['reason'])}"]
    found = f"{status(entry).capitalize()}, {figure_of(entry, name, brief=True)}: {figure_of(entry, name)}."
    return [found, held_against(entry)]


def beside(entry: Entry | None, name: str) -> str:
    if entry is None or entry["status"] != "done":
        return "not asked" if entry is None else status(entry)
    return f"{status(entry)}, {figure_of(entry, name, brief=True)}"


def written(x: float, y: float, words: str, kind: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.0f}" class="{kind}">{escape(words)}</text>'


def split(words: str, room: float) -> list[str]:
    """In lines that fit into so many pixels.

    >>> split("As alert to out-of-distribution inputs?", 130)
    ['As alert to', 'out-of-', 'distribution', 'inputs?']
    """
    most, lines = int(room / BOLD), [""]
    for part in re.findall(r"[^\s-]+-?\s?", words):
        if len(lines[-1]) + len(part.rstrip()) > most:
            lines.append("")
        lines[-1] += part
    return [line.strip() for line in lines]
