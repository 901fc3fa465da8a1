"""What does the address say? The models, the tab, what was typed and chosen, and which answers are shown.

The page writes it as it changes (link.js), and reads it when it is opened. Nothing in it is trusted: each value passes
the check of the control that it is for, or the control stays as it is, and the page says so."""

import json
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple
from urllib.parse import parse_qs

import gradio as gr
from limits import check_hub_id, in_a_sentence, one_of
from look import say
from models import Models

LONGEST = 6000  # characters of an address that are read
FIELDS = 60  # of an address
OTHERS = ("tab", "shown")
SENTENCES = {"text": "attacked", "second": "attacked_second"}  # the same of Why and of Break it


class Field(NamedTuple):
    """A control that is in the address; `check` gives its value from a string, or raises a ValueError."""

    block: Any
    check: Callable[[str], Any]


class Part(NamedTuple):
    """What a tab has to do with the address."""

    name: str  # of the tab
    fields: dict[str, Field]
    page: Any = None  # where its answer stands
    asked: Any = None  # a State: a change of it asks for the answer
    own: tuple[Any, ...] = ()  # what a visitor gave that is too long for an address: with it, no answer is in it


def number(name: str, least: int, most: int) -> Callable[[str], int]:
    """
    >>> number("bins", 2, 30)("12")
    12
    """

    def check(value: str) -> int:
        if not (value.isascii() and value.isdigit() and len(value) <= 6 and least <= int(value) <= most):
            raise ValueError(f"{name} must be a whole number from {least} to {most}")
        return int(value)

    return check


def choice(name: str, choices: Any) -> Callable[[str], str]:
    """
    >>> choice("method", ["lime", "shap"])("lime")
    'lime'
    """
    return lambda value: one_of(name, value, choices)


def permalinks(
    page: gr.Blocks, tabs: Any, notice: Any, lead: Any, models: Models, pickers: tuple[Any, Any], parts: list[Part]
) -> None:
    """`tabs` are the page's, each part is the tab of that id; `notice` is where it says what was not understood, and
    `lead` what is told when a link within the page is followed, so that nothing has to be loaded anew."""

    def known(name: str) -> str:
        return name if name in models.names else check_hub_id(name)

    fields = {name: Field(one, known) for name, one in zip(("large", "compressed"), pickers, strict=True)}
    for part in parts:
        fields |= part.fields
    answers = [part for part in parts if part.asked]
    address = gr.Textbox(visible=False)
    read = Reader(fields, [part.name for part in parts], answers)
    # Written whenever anything changes, and not before it was read.
    blocks = [field.block for field in fields.values()]
    pages, own = [part.page for part in answers], [block for part in answers for block in part.own]
    writes = {
        "fn": None,
        "trigger_mode": "multiple",
        "inputs": [*blocks, *pages, *own],
        "js": script(fields, answers),
        "api_visibility": "private",
    }
    restored = [notice, tabs, *blocks, *(part.asked for part in answers)]
    lead.select(read.followed, None, restored, api_visibility="private", show_progress="hidden", queue=False)
    opened = page.load(
        read.restored,
        address,
        restored,
        js="() => [location.search]",
        api_visibility="private",
        show_progress="hidden",
    )
    opened.then(None, js="() => space.begin()", api_visibility="private").then(**writes)
    gr.on([block.change for block in [*blocks, *pages, *own]], **writes)
    for tab in tabs.children:
        chosen = tab.select(None, js=f"() => space.open({json.dumps(tab.id)})", api_visibility="private")
        chosen.then(**writes)


def script(fields: dict[str, Field], answers: list[Part]) -> str:
    """A function of all values, in the order in which they are given: it writes them into the address."""
    names = json.dumps(list(fields))
    first = json.dumps([str(field.block.value or "") for field in fields.values()])
    parts = json.dumps({part.name: len(part.own) for part in answers})
    return f"""(...values) => {{
      const next = () => values.shift(), names = {names}, first = {first}, parts = {parts};
      const fields = Object.fromEntries(names.map((name, i) => [name, {{ value: next(), first: first[i] }}]));
      const pages = Object.keys(parts).map((name) => [name, {{ page: next() }}]);
      for (const [name, part] of pages) part.own = Array.from({{ length: parts[name] }}, next);
      space.write(fields, Object.fromEntries(pages));
    }}"""


class Reader:
    """The handler that reads an address."""

    def __init__(self, fields: dict[str, Field], tabs: list[str], answers: list[Part]):
        self.fields, self.tabs, self.answers = fields, tabs, [part.name for part in answers]

    def followed(self, event: gr.EventData) -> list[Any]:
        """A link within the page: both tabs get its sentence, and what stands there of another one goes."""
        found = self.restored(event._data.get("address") if isinstance(event._data, dict) else "")
        for names in SENTENCES.items():
            places = [2 + list(self.fields).index(name) for name in names]
            text = next((found[place] for place in places if isinstance(found[place], str)), "")
            for place in places:
                found[place] = text
        return found

    def restored(self, address: Any) -> list[Any]:
        """What the notice, the tabs, every control and every wish for an answer become."""
        unchanged = [*[gr.skip()] * (2 + len(self.fields)), *[False] * len(self.answers)]
        if not isinstance(address, str) or not address.strip("?"):
            return unchanged
        wrong: list[str] = []
        given = dict(self.values(address, wrong))
        tab = given.get("tab", "verdict")
        shown = given.get("shown", tab if tab in ("why", "break") and "text" in given else "").split()
        if tab == "break" and "attacked" not in given:  # a link of a report says which text, and which tab
            given |= {to: given.pop(name) for name, to in SENTENCES.items() if name in given}
        found = {name: self.value(name, given[name], wrong) for name in self.fields if name in given}
        if "large" in found or "compressed" in found:
            pair = [found.get(name, self.fields[name].block.value) for name in ("large", "compressed")]
            if pair[0] == pair[1]:
                wrong.append("the large and the compressed model are one and the same")
                found = {name: value for name, value in found.items() if name not in ("large", "compressed")}
        found = {name: value for name, value in found.items() if value is not None}
        place = gr.Tabs(selected=tab) if tab in self.tabs else gr.skip()
        if tab not in self.tabs:
            wrong.append(f"there is no tab {tab[:40]!r}")
        said = f"this page did not understand all of its address: {'; '.join(wrong)}." if wrong else ""
        return [
            gr.HTML(say(said, alert=True), visible=True) if said else gr.skip(),
            place,
            *(found.get(name, gr.skip()) for name in self.fields),
            *(name in shown for name in self.answers),
        ]

    def values(self, address: str, wrong: list[str]) -> Iterator[tuple[str, str]]:
        """What it says of anything that is ours; other names in it belong to others."""
        if len(address) > LONGEST:
            wrong.append(f"it has {len(address):,} characters, more than {LONGEST:,}")
            return
        try:
            given = parse_qs(address.removeprefix("?"), max_num_fields=FIELDS, errors="strict")
        except ValueError:
            wrong.append("it is damaged")
            return
        for name, values in given.items():
            if name in self.fields or name in OTHERS:
                yield name, values[-1]

    def value(self, name: str, text: str, wrong: list[str]) -> Any:
        """One control's value, or None and what is wrong with it."""
        try:
            return self.fields[name].check(text)
        except ValueError as error:
            wrong.append(f"{name}: {in_a_sentence(error)}")
            return None
