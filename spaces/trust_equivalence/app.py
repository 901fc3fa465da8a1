"""The Space: can a compressed model stand in for the large one? Try it in a browser.

A face only: every figure comes from the metrics. Start it with `python app.py`.
"""

import os

os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")  # requests run side by side already
os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")

from functools import partial
from itertools import product
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import break_it
import gradio as gr
import logs
import opening
import shelf
import why
from about import about_page
from confidence import confidence_tab
from guard import Guard
from limits import CLEAN_EVERY, OLDEST, UPLOAD_MEGABYTES, WAITING
from look import CSS, STYLE, say, show
from models import Models
from own_table import table_tab
from permalink import Part, permalinks
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from verdict import verdict_tab
from work import few_arenas
from workshop import WORKSHOP

from trusteq import report
from trusteq.faces.looks import serve

TITLE = "Can the compressed model stand in for the large one?"
LEAD = (
    "Accuracy says that it nearly can. But does it make the same mistakes, for the same reasons, as honest about its "
    "confidence, and no easier to break?"
)
LEADS = "space.lead = (address) => trigger('select', { address });"  # only a component of Gradio's can tell the server
SCRIPTS = [Path(report.__file__).with_name("page.js"), *map(Path(__file__).with_name, ("link.js", "words.js"))]
OPENING_CSS = Path(__file__).with_name("opening.css")


def build(family: dict[str, Any] | None = None) -> gr.Blocks:
    """The page for the bundled family, or for another one of the same form."""
    models = Models(family)
    WORKSHOP.preload = (logs.__name__,)  # and with it what tables need
    with gr.Blocks(title=TITLE, analytics_enabled=False, delete_cache=(CLEAN_EVERY, OLDEST)) as page:
        head = show(f"<h1>{TITLE}</h1><p class='lead'>{LEAD}</p>")
        masthead = gr.HTML(head, elem_classes="masthead", js_on_load=LEADS)
        notice = gr.HTML(elem_id="notice", visible=False)
        with gr.Row(elem_classes="chosen"):
            pick: dict[str, Any] = {"min_width": 140, "allow_custom_value": True}
            large = gr.Dropdown(models.names, value="large", label="The large model", **pick)
            compressed = gr.Dropdown(models.names, value="distilled", label="The compressed model", **pick)
        with gr.Tabs() as tabs:
            with gr.Tab("Verdict", id="verdict"):
                parts = [verdict_tab(models, large, compressed, partial(home, page))]
            with gr.Tab("Why", id="why"):
                part, how = why.why_tab(models, large, compressed)
                parts += [part]
            with gr.Tab("Break it", id="break"):
                parts += [break_it.break_tab(models, large, compressed, how)]
            with gr.Tab("Confidence", id="confidence") as tab:
                parts += [confidence_tab(models, large, compressed, tab)]
            with gr.Tab("Your own predictions", id="table"):
                parts += [table_tab(models, large, compressed)]
            with gr.Tab("Your logs", id="logs"):
                parts += [logs.logs_tab()]
            with gr.Tab("About", id="about"):
                gr.HTML(about_page())
                parts += [Part("about", {})]
        with gr.Row():
            link = gr.Button("Copy a link to what you see", size="sm", scale=0, min_width=280)
            gr.HTML(say(""), elem_id="copied")
        link.click(None, js="() => space.copy()", api_visibility="private")
        permalinks(page, tabs, notice, masthead, models, (large, compressed), parts)
    # Who waits costs nothing; turns are dealt by work.py.
    return page.queue(max_size=WAITING, default_concurrency_limit=WAITING)


def home(page: gr.Blocks) -> str | None:
    """Where the page is: on the Hub, or on this machine. It is never read from a request, which may say anything."""
    if host := os.environ.get("SPACE_HOST"):
        return f"https://{host}/"
    port = urlsplit(getattr(page, "local_url", None) or "").port
    return f"http://localhost:{port}/" if port else None


def warm_up(page: gr.Blocks) -> None:
    """Ask everything once, so that no visitor waits for what is loaded at the first question."""
    handlers: dict[Any, Any] = {one.api_name: one.fn for one in page.fns.values()}
    pair = ("large", "distilled")
    for example, method in product(why.EXAMPLES, why.METHODS):
        list(handlers["why"](*pair, example, method, 5))
    for example, attack in product(break_it.EXAMPLES, break_it.ATTACKS):
        list(handlers["break_it"](*pair, example, attack))
    list(handlers["confidence"](*pair, 10, "quantile"))
    list(handlers["compare"]("references,predictions,large_predictions\n0,0,1\n1,1,1\n"))


def start(page: gr.Blocks, **settings: Any) -> Any:
    """Serve the page."""
    given: dict[str, Any] = {
        "css_paths": [*CSS, OPENING_CSS],
        "css": STYLE,
        "script": "".join(path.read_text(encoding="utf-8") for path in SCRIPTS),
        "max_file_size": f"{UPLOAD_MEGABYTES}mb",
        "footer_links": ["api", "settings"],
    }
    given |= {"ssr_mode": False, "run_history": False, "enable_monitoring": False, "show_error": False}
    # The page itself is half of what a visitor first waits for; packed, it is a fifth of its size.
    packed = Middleware(GZipMiddleware, minimum_size=20_000, compresslevel=6)
    examples = shelf.routes(*(opening.examples_of(name) for name in opening.TITLES))
    given["app_kwargs"] = {"middleware": [Middleware(Guard, page=page), packed], "routes": examples}
    given["max_threads"] = 2 * WAITING
    return serve(page, **given | settings)


if __name__ == "__main__":
    import torch

    few_arenas()
    torch.set_num_threads(max(1, (os.cpu_count() or 2) // 2))  # an audit leaves room for small requests
    page = build()
    warm_up(page)
    start(page)
