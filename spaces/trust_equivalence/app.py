"""The Space: can a compressed model stand in for the large one? Try it in a browser.

A face only: every figure comes from the metrics. Start it with `python app.py`.
"""

import os

os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")  # requests run side by side already
os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")

from itertools import product
from typing import Any

import break_it
import gradio as gr
import why
from about import about_page
from confidence import confidence_tab
from guard import Guard
from limits import CLEAN_EVERY, OLDEST, WAITING
from look import CSS, show
from models import Models
from own_table import table_tab
from starlette.middleware import Middleware
from verdict import verdict_tab
from work import few_arenas

from trusteq.faces.looks import serve

TITLE = "Can the compressed model stand in for the large one?"
LEAD = (
    "You have a large model that you trust, and a compressed one, made from it or instead of it, that is nearly as "
    "accurate. Before you swap them: does it make the same mistakes, for the same reasons, is it as honest about its "
    "confidence, and does it break no sooner?"
)


def build(family: dict[str, Any] | None = None) -> gr.Blocks:
    """The page for the bundled family, or for another one of the same form."""
    models = Models(family)
    with gr.Blocks(title=TITLE, analytics_enabled=False, delete_cache=(CLEAN_EVERY, OLDEST)) as page:
        gr.HTML(show(f"<h1>{TITLE}</h1><p class='lead'>{LEAD}</p>"))
        with gr.Row():
            large = gr.Dropdown(
                models.names,
                value="large",
                label="The large model",
                min_width=280,
                info="Bundled, or a name on the Hugging Face Hub",
                allow_custom_value=True,
            )
            compressed = gr.Dropdown(
                models.names,
                value="distilled",
                label="The compressed model",
                min_width=280,
                info="Could it take the large one's place? Bundled, or a name on the Hub",
                allow_custom_value=True,
            )
        with gr.Tabs():
            with gr.Tab("Verdict"):
                verdict_tab(models, large, compressed)
            with gr.Tab("Why"):
                why.why_tab(models, large, compressed)
            with gr.Tab("Break it"):
                break_it.break_tab(models, large, compressed)
            with gr.Tab("Confidence") as tab:
                confidence_tab(models, large, compressed, tab)
            with gr.Tab("Your own predictions"):
                table_tab(models, large, compressed)
            with gr.Tab("About"):
                gr.HTML(about_page())
    # Who waits costs nothing; turns are dealt by work.py.
    return page.queue(max_size=WAITING, default_concurrency_limit=WAITING)


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
        "css_paths": CSS,
        "footer_links": ["api", "settings"],
    }
    given |= {"ssr_mode": False, "run_history": False, "enable_monitoring": False, "show_error": False}
    given["app_kwargs"] = {"middleware": [Middleware(Guard, page=page)]}
    given["max_threads"] = 2 * WAITING
    return serve(page, **given | settings)


if __name__ == "__main__":
    import torch

    few_arenas()
    torch.set_num_threads(max(1, (os.cpu_count() or 2) // 2))  # an audit leaves room for small requests
    page = build()
    warm_up(page)
    start(page)
