"""How do our pages in Gradio look and answer keys? The same theme, style and keys for the widgets and the Space."""

import json
from typing import Any

import gradio as gr

from trusteq import resources

SANS = ("system-ui", "-apple-system", "Segoe UI", "Roboto", "Noto Sans", "Arial", "sans-serif")  # nothing is fetched
MONO = ("ui-monospace", "SF Mono", "Cascadia Mono", "Menlo", "Consolas", "Noto Sans Mono", "monospace")
PURPLES = "#f6f1f9 #ebe1f1 #d9c8e4 #c6a3dc #a681bd #7d5592 #5b3a6b #4d3059 #3f2749 #2f1d37 #20132a"
THEME = gr.themes.Base(
    primary_hue=gr.themes.Color(*PURPLES.split()), neutral_hue="stone", radius_size="md", font=SANS, font_mono=MONO
).set(**json.loads(resources.text("faces/theme.json")))
CSS = resources.text("faces/looks.css")
KEYS = resources.text("faces/keys.js")  # what Gradio's tabs and lists do not do by themselves


def serve(page: gr.Blocks, script: str = "", **settings: Any) -> Any:
    """Start a page in our look, with a script of its own if it has one."""
    given: dict[str, Any] = {"theme": THEME, "head": f"<script>{KEYS}{script}</script>", "max_file_size": "2mb"}
    return page.launch(**given | settings | {"css": CSS + settings.get("css", "")})
