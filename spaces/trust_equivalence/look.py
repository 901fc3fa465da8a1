"""How does the page look? Colours for light and dark that do not mean anything by themselves: words and signs do."""

import functools
import inspect
import threading
from collections.abc import Callable, Collection, Generator, Iterator, Sequence
from html import escape
from pathlib import Path
from typing import Any

import gradio as gr
from about_models import of_models
from limits import in_a_sentence
from work import heard, newest

from trusteq import report, resources
from trusteq.faces import widget

DRAWING = threading.Lock()
CSS = [Path(__file__).with_name("look.css"), Path(report.__file__).with_name("forest.css")]
# Of examples, as in the report; Gradio gives everything a colour and margins.
STYLE = f".show .browse {{* {{ color: inherit; margin-block: 0; }} {resources.text('report/browse.css')}}}"


def show(html: str) -> str:
    """A piece of the page in its look."""
    return f'<div class="show">{html}</div>'


def say(text: str, alert: bool = False) -> str:
    """What the page is doing, or what did not work: announced to screen readers, and escaped."""
    return show(widget.say(text, alert=alert))


def answered(handler: Callable[..., Iterator[Any]], others: int, empty: Any = None, latest: str | None = None) -> Any:
    """The handler of a button: what it shows meanwhile and what went wrong, in its first output, the `others` empty.

    Of what a visitor asks in the place called `latest`, only the newest is answered.
    """

    names = list(inspect.signature(handler).parameters)

    def shown(*inputs: Any) -> Generator[tuple[Any, ...], None, None]:
        asked = dict(zip(names, inputs, strict=False))
        try:
            for found in handler(*inputs):
                if isinstance(found, str):
                    yield found, *[empty] * others
                else:
                    yield of_models(found[0], asked), *found[1:]
        except Exception as error:
            yield say(in_a_sentence(error), alert=True), *[empty] * others

    @functools.wraps(handler)
    def run(*inputs: Any) -> Iterator[tuple[Any, ...]]:
        *given, request = inputs if inputs and isinstance(inputs[-1], gr.Request) else (*inputs, None)
        session = request and request.session_hash
        asked = shown(*given)
        if latest and session:
            asked = newest(asked, (latest, session), nothing=(gr.skip(),) * (1 + others))
        yield from heard(asked, session)

    # Gradio gives the request to whoever asks for it by type.
    signature, kind = inspect.signature(handler), inspect.Parameter.POSITIONAL_OR_KEYWORD
    asks = inspect.Parameter("request", kind, default=None, annotation=gr.Request)
    run.__signature__ = signature.replace(parameters=[*signature.parameters.values(), asks])  # type: ignore[attr-defined]
    run.__annotations__ = handler.__annotations__ | {"request": gr.Request}
    return run


WORKING = '<p role="status"'  # stands in the page as long as an answer is worked on, or waited for


def stops(button: Any, page: Any, asked: list[Any], says: str) -> None:
    """The button ends what was `asked`, and the page says so where something was going on."""

    def stopped(shown: str) -> Any:
        return say(says) if WORKING in (shown or "") else gr.skip()

    button.click(stopped, page, page, cancels=asked, api_visibility="private", show_progress="hidden", queue=False)


def where_wished(handler: Any, outputs: int) -> Any:
    """The same for a link that asks for the answer: its wish comes first. It may be False, since setting a State
    changes it, even to what it was."""

    def run(wish: Any, *inputs: Any) -> Iterator[Any]:
        if wish:
            yield from handler(*inputs)
        else:
            yield (gr.skip(),) * outputs

    first = inspect.Parameter("wish", inspect.Parameter.POSITIONAL_OR_KEYWORD)
    signature = inspect.signature(handler)
    run.__signature__ = signature.replace(parameters=[first, *signature.parameters.values()])  # type: ignore[attr-defined]
    run.__annotations__ = handler.__annotations__
    return run


def figure_picture(figure: Any, alt: str) -> str:
    """A matplotlib Figure in the page; one at a time, since what draws is not made for several threads."""
    with DRAWING:
        return widget.plot_image(figure, alt)


def bars(rows: Sequence[tuple[str, float, str]], against: Collection[str] = (), words: bool = False) -> str:
    """Lines of a name, a bar from 0 to 1 and what stands behind it; those in `against` are hatched.

    With `words` the names are words of a text, which light up together with it.
    """
    lines = [
        f'<li class="{"against" if name in against else ""}" {"data-word" if words else "data-name"}="{escape(name)}">'
        f"<span>{escape(name)}</span>"
        f'<span class="bar"><span style="width:{100 * min(1.0, max(0.0, share)):.0f}%"></span></span>'
        f'<span class="value">{escape(value)}</span></li>'
        for name, share, value in rows
    ]
    return f'<ul class="bars">{"".join(lines)}</ul>'


def model_card(kind: str, name: str, inside: str) -> str:
    """One of two models side by side."""
    role = "the compressed model" if kind == "compressed" else "the large model"
    return f'<div class="model of-{kind}"><h2>{escape(name)}<small>{role}</small></h2>{inside}</div>'


def prediction(classes: list[str], row: Any) -> str:
    """What a model says and how sure it is."""
    best = int(max(range(len(row)), key=lambda i: row[i]))
    order = sorted(range(len(row)), key=lambda i: -row[i])[:5] if len(row) > 5 else range(len(row))
    says = f'<p class="says">says <b>{escape(classes[best])}</b>, {percent(row[best])} sure</p>'
    return says + bars([(classes[i], float(row[i]), percent(row[i])) for i in order])


def percent(share: float) -> str:
    """
    >>> percent(0.934), percent(0.9996), percent(0.0004)
    ('93 %', 'over 99.9 %', 'under 0.1 %')
    """
    if share > 0.999 and share < 1:
        return "over 99.9 %"
    if share < 0.001 and share > 0:
        return "under 0.1 %"
    return f"{100 * share:.0f} %" if 0.01 <= share <= 0.99 else f"{100 * share:.1f} %"
