"""How is an audit shown? The answer, a line for each dimension, the plot of them all, and each dimension by itself."""

from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import Any

import shelf
from look import show

from trusteq.dimensions.registry import DIMENSIONS
from trusteq.faces import widget
from trusteq.report.forest import forest
from trusteq.report.words import SIGNS, answer, figure_name, figure_of, interval, shown, status

Audit = dict[str, Any]


def pictures_in(folder: Path) -> dict[str, bytes]:
    """The plots of the compressed model in a report's folder, as PNG, by dimension."""
    found: dict[str, bytes] = {}
    for path in sorted((folder / "plots").glob("*.png")):
        if ".twin--" not in path.name:
            found.setdefault(path.name.split(".")[0], path.read_bytes())
    return found


def verdict_page(
    audit: Audit,
    pictures: Mapping[str, bytes],
    place: str,
    examples: tuple[list[dict[str, Any]], str] = ([], ""),
    more: str = "",
    counted: str = "texts",
) -> str:
    """`pictures` holds the plots as PNG, of every dimension that has one; `examples` the lists of what stands behind
    the counts, and its data, which are shown in `place`; `more` stands behind the picture of all."""
    pair = next(one for one in audit["pairs"] if one["role"] == "compressed")
    says, (lists, data) = answer(pair), examples
    compressed, large = audit["models"][pair["compressed"]], audit["models"][pair["large"]]
    name = "the compressed model" if pair["compressed"] == "compressed" else pair["compressed"]
    accuracy = f"{audit['data']['examples']:,} {counted}."
    if compressed["accuracy"] is not None and large["accuracy"] is not None:
        shares = f"{100 * compressed['accuracy']:.1f} % against {100 * large['accuracy']:.1f} %"
        accuracy = f"By accuracy alone: {shares}, on {accuracy}"
    parts = [
        f"<h2>Can {escape(name)} stand in for the large model?</h2>",
        f'<p class="answer {says.verdict}">{escape(says.word)}.</p>',
        f"<p>{escape(says.summary)} {escape(accuracy)}</p>",
        table(audit, pair, lists, place),
        "<p class='soft'>One different dimension (≠) makes a no; a yes takes all of them (=). <b>Inconclusive</b> (?) "
        f"means that there are too few {counted} to tell: the interval in small print is still too wide.</p>",
        which(shelf.browser(place, shelf.name_of(data), place == "browse-verdict", shelf.links(lists, place)))
        if lists
        else "",
    ]
    parts += ["<h2>All at a glance</h2>", f"<p>{escape(glance(audit))}</p>", forest(audit, links=False)]
    parts += [more, "<h2>One by one</h2>"]
    parts += [dimension(name, entry, pictures.get(name)) for name, entry in pair["dimensions"].items()]
    return f"<div class='with-examples'>{show(''.join(parts))}</div>"


def which(browse: str) -> str:
    return f"<h2>The examples behind the counts</h2><p>Press a number, here or in the table.</p>{browse}"


def table(audit: Audit, pair: dict[str, Any], lists: list[dict[str, Any]], place: str) -> str:
    beside = {"floor": "its twin", "expected": "by chance"}
    entries = pair["dimensions"].values()
    columns = [key for key in beside if any(one["status"] == "done" and one[key] is not None for one in entries)]
    rows = "".join(
        row(name, entry, {key: beside[key] for key in columns}, shelf.behind(lists, name), place)
        for name, entry in pair["dimensions"].items()
    )
    names = ("question", "verdict", "figure", *(beside[key] for key in columns))
    head = "".join(f'<th scope="col">{name}</th>' for name in names)
    caption = "Each question is answered by one figure of the two models"
    caption += (
        ", beside the same figure of two large models that differ only by their seed (the twin)"
        if "floor" in columns
        else ""
    )
    caption += ", and of overlaps what chance alone gives." if "expected" in columns else "."
    return (
        f'<table class="cards"><caption>{caption}</caption><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>'
    )


def row(name: str, entry: dict[str, Any], beside: dict[str, str], behind: dict[str, Any] | None, place: str) -> str:
    """A dimension; its figure leads to the examples behind it."""
    question = f'<th scope="row">{escape(DIMENSIONS[name].question)}</th><td>{badge(entry)}</td>'
    if entry["status"] != "done":
        return f'<tr>{question}<td colspan="{1 + len(beside)}">{escape(str(entry["reason"]))}</td></tr>'
    figure = escape(figure_of(entry, name, brief=True))
    figure = f"{shelf.link(behind, place, words=figure) if behind else figure} <small>{escape(interval(entry))}</small>"
    name_of = escape(figure_name(entry["headline"]))
    cells = f'<td class="num" data-label="{name_of}">{figure}<small class="name">{name_of}</small></td>'
    for key, title in beside.items():
        value = "" if entry[key] is None else escape(shown(entry[key], entry["kind"]))
        cells += f'<td class="num" data-label="{escape(title)}">{value}</td>' if value else "<td></td>"
    return f"<tr>{question}{cells}</tr>"


def badge(entry: dict[str, Any]) -> str:
    found = status(entry)
    return f'<span class="verdict {found}"><span aria-hidden="true">{SIGNS[found]}</span> {found}</span>'


def glance(audit: Audit) -> str:
    if any(model["role"] == "twin" for model in audit["models"].values()):
        return (
            "At “twin” the model is as far from the large one as a second large model, trained with another seed; the "
            "grey band is the interval of that distance. Up to “margin” the two count as equivalent."
        )
    return "At 0 the two models are alike; up to “margin” they count as equivalent."


def dimension(name: str, entry: dict[str, Any], png: bytes | None) -> str:
    about = DIMENSIONS[name]
    inside = f"<p class='soft'>{escape(about.asks)}</p>"
    said = entry["sentence"] if entry["status"] == "done" else entry["reason"]
    inside += f"<p>{escape(str(said))}</p>"
    if png:
        inside += widget.picture(png, f"Plot: {about.question} {said}")
    return f"<details><summary><b>{escape(about.question)}</b>{badge(entry)}</summary>{inside}</details>"
