"""Which models is an answer about? It says so, and is marked (link.js) once others are chosen."""

from html import escape
from typing import Any


def of_models(page: Any, asked: dict[str, Any]) -> Any:
    """An answer that says which models it is about, so that it can be marked once others are chosen.

    >>> of_models("<p>yes</p>", {"large": "large", "compressed": "kept"}).count("kept")
    2
    """
    names = [asked.get(side) for side in ("large", "compressed")]  # of models; files are none
    if not isinstance(page, str) or not page or not all(isinstance(name, str) for name in names):
        return page
    large, compressed = (escape(str(name).strip()) for name in names)
    note = (
        f"<div class='show notice'><p class='old' role='status' hidden><b>From before.</b> Everything below on this "
        f"tab is about {compressed} beside {large}. Ask again to see the models chosen now.</p></div>"
    )
    return f'<div class="answer-of" data-large="{large}" data-compressed="{compressed}">{note}{page}</div>'
