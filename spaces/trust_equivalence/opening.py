"""What does a visitor see first? Audits that were made before: all compressed models of a family, from Yes to No.

They lie in opening/, as scripts/release/keep_opening.py keeps them: each an audit's report.json without its examples,
and these in a file of their own, which is fetched when a number is pressed."""

import json
from collections import Counter
from html import escape
from pathlib import Path
from typing import Any

import gradio as gr
import shelf
from look import show
from models import Models

from trusteq.dimensions.registry import DIMENSIONS
from trusteq.report.forest import forest
from trusteq.report.page import overview
from trusteq.report.preferred import preference, preferred
from trusteq.report.queries import ANSWERS, in_order, judged, measured, models_of
from trusteq.report.words import SIGNS, answer, floor_says, floor_word, parameters
from trusteq.wording import percent, points

Audit = dict[str, Any]
FOLDER = Path(__file__).with_name("opening")
NUMBERS = ("none", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
# A click on a row chooses its model, also where it is on a number, which shows its examples (link.js) as well; the
# links in it work without this, too, and in another window.
PICK = """element.addEventListener('click', (event) => {
  const row = event.target.closest('tr[data-compressed]');
  if (!row || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  trigger('select', {compressed: row.dataset.compressed});
});"""


def opening_of(name: str) -> Audit:
    """An audit that was made before.

    >>> sorted(opening_of("family")["models"])
    ['alone', 'distilled', 'kept', 'large', 'quantized', 'repaired', 'twin-1', 'twin-2']
    """
    found: Audit = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    return found | {"pairs": in_order(found)}


def examples_of(name: str) -> str:
    """The examples behind its counts, or nothing where none were kept."""
    place = FOLDER / f"{name}.examples.json"
    return place.read_text(encoding="utf-8").strip() if place.is_file() else ""


def family_opening(models: Models, large: Any, compressed: Any) -> None:
    """The bundled family; a click on one of its models chooses it for all tabs."""
    audit = opening_of("family")
    held = {name for name in audit["models"] if name in models.names}
    page = gr.HTML(opening_page(audit, "family", held), elem_id="opening", js_on_load=PICK)

    def pick(event: gr.EventData) -> Any:
        name = event._data.get("compressed") if isinstance(event._data, dict) else None
        return ("large", name) if isinstance(name, str) and name in held else (gr.skip(), gr.skip())

    page.select(pick, None, [large, compressed], queue=False, api_visibility="private", show_progress="hidden")


def language_opening() -> str:
    """SmolLM2 in fewer and fewer bits."""
    return opening_page(opening_of("smollm2"), "smollm2", set())


TITLES = {
    "family": "Which of {count} compressed models can stand in?",
    "smollm2": "And a language model in fewer and fewer bits?",
}
TASK = {  # {size}: of the large model
    "family": "{texts} labelled reviews: positive or negative? large: {size}.",
    "smollm2": "{texts} labelled sentences of SST-2: positive or negative? large: SmolLM2-135M-Instruct, {size}.",
}
ABOUT = {
    "family": "Sentiment models that ship with this page. Choose one, and every tab will be about it; press a number "
    "for the examples behind it. quantized is the large one rounded to 8 bits as a simulation, with no file to ship; "
    "kept and distilled are smaller and learned from it, kept so as to keep more than accuracy; repaired is distilled "
    "with its confidences scaled; alone never met it.",
    "smollm2": "Its weights are rounded in groups of 32, 30 % of them pruned, or layers 20 to 23 dropped. It was "
    "audited beforehand and cannot be chosen above.",
}


def opening_page(audit: Audit, name: str, held: set[str]) -> str:
    """The answer in a sentence, all models in a table, and how far each is from the large one."""
    rows = overview(audit)
    title = TITLES[name].format(count=count_of(len(rows)))
    head = "".join(f"<th scope='col'>{escape(DIMENSIONS[one].question)}</th>" for one in measured(audit))
    examples, place = examples_of(name), f"browse-{name}"
    body = "".join(row(audit, one, held, place) for one in rows)
    browse = shelf.browser(place, shelf.name_of(examples), bool(held)) if examples else ""
    data, choice, far = audit["data"], preferred(audit), f"{preference(audit)} {how_far(audit)}".strip()
    (large,) = models_of(audit, "large")
    task = TASK[name].format(texts=f"{data['examples']:,}", size=size_of(audit["models"][large], " parameters"))
    made = f"{probed(audit)}Compared with {floor_says(audit)}. Made with version {audit['version']}."
    return show(
        f"<section class='opening with-examples' aria-labelledby='opening-{name}'><h2 id='opening-{name}'>{title}</h2>"
        f"<p class='says task soft'>{escape(task)}</p>"
        f"<p class='says'>{escape(in_short(audit) + (f' Prefer {choice[0]}.' if choice else ''))}</p>"
        "<table class='all'><thead><tr><th scope='col'>model</th><th scope='col'>answer</th>"
        f"<th scope='col'>right</th>{head}</tr></thead><tbody>{body}</tbody></table>{browse}"
        f"<details><summary><b>How far is each from the large model?</b></summary><p>{escape(far)}</p>"
        f"{forest(audit, links=False)}</details><p class='soft made'>{escape(ABOUT[name])} {escape(made)}</p></section>"
    )


def row(audit: Audit, one: dict[str, Any], held: set[str], place: str) -> str:
    """A model: its answer, its accuracy, and its verdicts with their figures, which lead to examples."""
    lists = audit["lists"].get(one["name"], [])
    pair = list(audit["lists"]).index(one["name"]) if lists else 0

    def leads(dimension: str, says: str) -> str:
        found = shelf.behind(lists, dimension)
        return shelf.link(found, place, pair, says) if found else says

    name, model = escape(one["name"]), audit["models"][one["name"]]
    said = name.replace("_", "_<wbr>")
    link = f"<a href='?compressed={name}'>{said}</a>" if one["name"] in held else said
    chosen = f" data-compressed='{name}'" if one["name"] in held else ""
    size = f"<small>{size_of(model)}</small>"
    cells = "".join(
        f"<td class='cell'><span class='verdict {cell['found']}' title='{escape(cell['question'])}'>"
        f"<span aria-hidden='true'>{SIGNS[cell['found']]}</span> {cell['found']}</span>"
        f"<small>{leads(dimension, escape(cell['says']))}</small>"
        f"<small class='soft'>{escape(cell['beside'])}</small></td>"
        for dimension, cell in zip(measured(audit), one["cells"], strict=True)
        if cell["found"]
    )
    return (
        f"<tr{chosen}><th scope='row'>{link}{size}</th><td class='word {one['verdict']}'>{escape(one['word'])}</td>"
        f"<td class='right'>{percent(model['accuracy'])}"
        f"<span class='phone'> right; {leads('prediction_error_jaccard', in_a_line(one))}</span></td>{cells}</tr>"
    )


def in_a_line(one: dict[str, Any]) -> str:
    """
    >>> in_a_line({"cells": [{"found": "equivalent"}, {"found": "inconclusive"}]})
    '1 of 2 equivalent, 1 open'
    """
    found = [cell["found"] for cell in one["cells"]]
    words = {"different": "different", "equivalent": "equivalent", "inconclusive": "open"}
    parts = [f"{found.count(name)} {word}" for name, word in words.items() if name in found]
    return ", ".join([parts[0].replace(" ", f" of {len(found)} ", 1), *parts[1:]])


def size_of(model: dict[str, Any], unit: str = "") -> str:
    """Parameters, and megabytes of the file, where there is one.

    >>> size_of({"parameters": 1_198_210, "simulated": False, "disk_megabytes": 2.401})
    '1.2 M, 2.4 MB'
    >>> size_of({"parameters": 134_515_008, "simulated": True, "disk_megabytes": None}, " parameters")
    '134.5 M parameters, simulated'
    """
    disk = model.get("disk_megabytes")
    file = "simulated" if model["simulated"] else disk and f"{disk:,.{int(disk < 100)}f} MB"
    return ", ".join(filter(None, (parameters(model) + unit, file)))


def probed(audit: Audit) -> str:
    """How many of the texts were explained, and how many attacked, or that none were."""
    found = {
        word: max((pair["dimensions"][name]["examples"] or 0 for pair in judged(audit)), default=0)
        for name, word in (("attribution_alignment", "explained"), ("attack_divergence", "attacked"))
        if name in measured(audit)
    }
    says = " and ".join(f"{count:,} {word}" for word, count in found.items())
    return f"Of the texts, {says}. " if found else "No text was explained or attacked. "


def in_short(audit: Audit) -> str:
    """By accuracy, and by all that was asked."""
    (large,) = models_of(audit, "large")
    best, pairs = audit["models"][large]["accuracy"], judged(audit)
    gap = max(abs(audit["models"][pair["compressed"]]["accuracy"] - best) for pair in pairs)
    counts = Counter(answer(pair).verdict for pair in pairs)
    says = {"equivalent": ("can", "can"), "different": ("cannot", "cannot"), "inconclusive": ("is open", "are open")}
    parts = [f"{count_of(count)} {says[verdict][count > 1]}" for verdict in ANSWERS if (count := counts[verdict])]
    text = ", ".join(parts)
    return (
        f"By accuracy, all {count_of(len(pairs))} are within {points(gap)} of the large one ({percent(best)}). "
        f"By all {count_of(len(measured(audit)))} questions, {text}."
    )


def count_of(count: int) -> str:
    """
    >>> count_of(5), count_of(12)
    ('five', '12')
    """
    return NUMBERS[count] if count < len(NUMBERS) else str(count)


def how_far(audit: Audit) -> str:
    if not models_of(audit, "twin"):
        return "At 0 a model is like the large one; up to “margin” it counts as equivalent."
    word = floor_word(audit)
    return (
        f"At “{word}” a model is as far from the large one as the {word} {'are' if word == 'twins' else 'is'}; the "
        "grey band is the interval of that distance. Up to “margin” it counts as equivalent."
    )
