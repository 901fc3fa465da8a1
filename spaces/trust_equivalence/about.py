"""The sixth tab: who found this out, what is measured here, where it ends, and how to cite it."""

from html import escape
from pathlib import Path
from string import Template

import asking
from limits import CHARACTERS, CLEAN_EVERY, HUB_MEGABYTES, KEPT, MEGABYTES, OLDEST, ROWS
from look import show

from trusteq.dimensions.registry import DIMENSIONS
from trusteq.papers import MINIATURE, TRUST


def about_page() -> str:
    page = Template(Path(__file__).with_name("about.html").read_text(encoding="utf-8"))
    questions = "".join(f"<li><b>{escape(one.question)}</b> {escape(one.asks)}</li>" for one in DIMENSIONS.values())
    limits = {"characters": CHARACTERS, "rows": ROWS, "megabytes": MEGABYTES, "answers": KEPT, "hub": HUB_MEGABYTES}
    limits["minutes"] = (OLDEST + CLEAN_EVERY) // 60
    limits |= {"samples": asking.SAMPLES, "questions_of_one": asking.QUESTIONS}
    citation = escape((MINIATURE + TRUST).strip())
    return show(page.substitute(questions=questions, citation=citation, **limits))
