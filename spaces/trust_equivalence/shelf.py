"""Which examples stand behind the counts? All of them, kept here and fetched by the page when a number is pressed.

They are what a report holds (report/disagreements.py), shown by the same script (report/page.js). Their name is a
checksum of what they hold; those of audits made here go when newer ones have come."""

import hashlib
from collections.abc import Iterable
from html import escape
from typing import Any

from limits import Kept
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from trusteq.report.disagreements import disagreements
from trusteq.report.page import as_data
from trusteq.wording import clean

SHELF = Kept(32)
GONE = "these examples are no longer kept here: ask again"


def examples_of(audit: dict[str, Any]) -> tuple[list[dict[str, Any]], str]:
    """The lists of the compressed model's examples with their counts, and the data that shows them, if there is any."""
    found = disagreements(audit)
    return (found["pairs"][0]["lists"], as_data(found["data"])) if found else ([], "")


def put(data: str) -> str:
    """
    >>> put("{}") == name_of("{}") and found("44136fa355b3678a1146ad16f7e8649e").status_code
    200
    """
    if data:
        SHELF.get(name_of(data), lambda: data)
    return name_of(data)


def name_of(data: str) -> str:
    return hashlib.sha256(data.encode()).hexdigest()[:32]


def found(name: str, kept: dict[str, str] | None = None) -> Response:
    data = (kept or {}).get(name) or SHELF.answers.get(name)
    if data is None:
        return Response(GONE, 404, media_type="text/plain")
    return Response(data, media_type="application/json", headers={"cache-control": "private, max-age=3600"})


def routes(*always: str) -> list[Route]:
    """Where the page fetches them; those that it opens with are always there."""
    kept = {name_of(data): data for data in always}

    def answer(request: Request) -> Response:
        return found(request.path_params["name"], kept)

    return [Route("/examples/{name}", answer)]


def links(lists: Iterable[dict[str, Any]], place: str, pair: int = 0) -> str:
    """Every list with its count; pressed, it is shown in `place`."""
    items = "".join(f"<li>{link(one, place, pair)}</li>" for one in lists)
    return f"<ul class='behind'>{items}</ul>"


def link(one: dict[str, Any], place: str, pair: int = 0, words: str | None = None) -> str:
    """
    >>> link({"kind": "alone", "count": "41", "title": "only tiny wrong"}, "browse")
    "<a href='#browse' data-pair='0' data-kind='alone'><b>41</b> only tiny wrong</a>"
    """
    says = f"<b>{one['count']}</b> {escape(clean(one['title']))}" if words is None else words
    return f"<a href='#{place}' data-pair='{pair}' data-kind='{one['kind']}'>{says}</a>"


def browser(place: str, name: str, asks: bool, inside: str = "") -> str:
    """Where the examples of that name are shown once a number is pressed; `asks`: models can be asked about them."""
    return f"<div class='browse' id='{place}' data-from='{name}'{' data-asks' * asks}>{inside}</div>"


def behind(lists: list[dict[str, Any]], dimension: str) -> dict[str, Any] | None:
    """The first list that a dimension counts, if it holds any."""
    return next((one for one in lists if one["dimension"] == dimension and one["count"] != "0"), None)
