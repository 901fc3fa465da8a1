"""The verdict on a model in one small picture, for a README."""

from html import escape

from trusteq.report.words import Pair, answer
from trusteq.wording import clean, shorten

COLORS = {"equivalent": "#0f6b4f", "different": "#a3223f", "inconclusive": "#745800"}
LONGEST = 40


def badge(pair: Pair) -> str:
    """
    >>> svg = badge({"compressed": "tiny", "large": "bert", "dimensions": {}})
    >>> svg.startswith("<svg"), "stands in for bert: not settled" in svg
    (True, True)
    """
    says = answer(pair)
    left, right = f"stands in for {shorten(clean(pair['large']), LONGEST)}", says.word.lower()
    title = escape(f"{shorten(clean(pair['compressed']), LONGEST)} {left}: {right}")
    wide, more = 7 * len(left) + 16, 7 * len(right) + 16
    style = 'font-family="Verdana, DejaVu Sans, sans-serif" font-size="11" fill="#fff" text-anchor="middle"'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{wide + more}" height="20" role="img" aria-label="{title}">'
        f'<title>{title}</title><rect width="{wide + more}" height="20" rx="3" fill="#44403c"/>'
        f'<path d="M{wide} 0h{more - 3}a3 3 0 0 1 3 3v14a3 3 0 0 1 -3 3h-{more - 3}z" fill="{COLORS[says.verdict]}"/>'
        f'<g {style}><text x="{wide / 2}" y="14" textLength="{wide - 16}">{escape(left)}</text>'
        f'<text x="{wide + more / 2}" y="14" textLength="{more - 16}">{escape(right)}</text></g></svg>\n'
    )
