"""What may come in? Every body is read here first: as fast and as long as is right, as JSON, and of the right kinds.

Gradio fetches whatever address a request names as a file, in any component; so no body holds file data, but for a
finished upload where a button takes one. What asks and does not listen for the answer is not worked on.
"""

import asyncio
import json
import math
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import gradio as gr
from gradio.utils import get_upload_folder
from limits import BYTES, WAITING
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse
from work import LISTENING

BODY_SECONDS = 30.0  # for a body to come in
FILE = {"path", "url", "orig_name", "size", "mime_type", "is_stream", "meta"}  # what a browser says of an upload
DEPTH = 20  # of lists in lists
CALLS = re.compile(r"/gradio_api/(?:queue/join|(?:run|api)/([\w.-]{1,80})|call/(?:v2/)?([\w.-]{1,80}))/?")
STREAMS = re.compile(r"/gradio_api/(?:queue/data|call/[\w.-]{1,80}/([0-9a-zA-Z-]{1,80}))/?")
SESSION = re.compile(r"session_hash=([0-9A-Za-z_-]{1,80})")
EVENT = re.compile(r'\{"event_id":\s*"([0-9a-zA-Z-]{1,80})"\}')
Door = TypeVar("Door", gr.UploadButton, gr.File)
LINKED = re.compile(r"[a-z][a-z0-9+.-]{0,30}:", re.IGNORECASE | re.ASCII)


class Refused(ValueError):
    """Why a body is not taken."""


class Guard:
    """The outermost part of the server; `page` says which function takes what."""

    def __init__(self, app: Any, page: gr.Blocks, most: int = BYTES, seconds: float = BODY_SECONDS):
        self.app, self.page, self.most, self.seconds = app, page, most, seconds
        self.sessions: dict[str, str] = {}  # that asked, by event

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        receive = self.limited(receive)
        if scope["method"] == "GET":
            with self.listening(scope):
                return await self.app(scope, receive, send)
        kind = next((value for name, value in scope["headers"] if name.lower() == b"content-type"), b"")
        if kind.startswith(b"multipart/") or scope["method"] != "POST":
            return await self.app(scope, receive, send)
        try:
            content = await whole(receive)
            body = parsed(content)
            call = CALLS.fullmatch(scope["path"])
            fits(body, self.blocks(body, *call.groups()) if call else [])
        except HTTPException as error:
            return await answer(error.status_code, error.detail)(scope, receive, send)
        except Refused as error:
            return await answer(422, str(error))(scope, receive, send)
        given = iter([{"type": "http.request", "body": content, "more_body": False}])

        async def again() -> Any:
            return next(given, None) or await receive()

        await self.app(scope, again, self.told(send, body) if call else send)

    def limited(self, receive: Any) -> Any:
        """What comes in, up to the limits of size and time."""
        come, end, over = 0, time.monotonic() + self.seconds, False

        async def take() -> Any:
            nonlocal come, over
            if over:
                return await receive()
            try:
                message = await asyncio.wait_for(receive(), max(0.01, end - time.monotonic()))
            except TimeoutError:
                raise HTTPException(408, "this came in too slowly", {"connection": "close"}) from None
            come += len(message.get("body", b""))
            over = not message.get("more_body", False)
            if come > self.most:
                raise HTTPException(413, "this is more than the page takes", {"connection": "close"})
            return message

        return take

    def blocks(self, body: Any, run: str | None, called: str | None) -> list[Any]:
        """The components that the function of this body takes: of the one that Gradio will run.

        Where it may be named by a number, the number counts, whatever name stands in the address.
        """
        number = body.get("fn_index") if isinstance(body, dict) and called is None else None
        if number is None:
            name = run or called
            found = next((one for one in self.page.fns.values() if name and one.api_name == name), None)
        else:
            found = self.page.fns.get(number) if type(number) is int else None
        if found is None:
            raise Refused("there is no such function on this page")
        return list(found.inputs)

    # Who asks, and listens for the answer?

    @contextmanager
    def listening(self, scope: Any) -> Iterator[None]:
        """An answer's stream is open: that of a session, or of one event."""
        stream, session = STREAMS.fullmatch(scope["path"]), SESSION.search(scope["query_string"].decode("latin-1"))
        who = stream and (self.sessions.get(str(stream.group(1)), stream.group(1)) or (session and session.group(1)))
        if not who:
            yield
            return
        LISTENING[who] += 1
        try:
            yield
        finally:
            LISTENING[who] -= 1
            if not LISTENING[who]:
                del LISTENING[who]

    def told(self, send: Any, body: Any) -> Any:
        """The answer to a question names the event; here is noted which session asked."""

        async def out(message: Any) -> None:
            event = EVENT.fullmatch(message.get("body", b"")[:200].decode("latin-1"))
            if event and isinstance(session := body.get("session_hash"), str):
                self.sessions[event.group(1)] = session
                if len(self.sessions) > 20 * WAITING:
                    self.sessions.pop(next(iter(self.sessions)))
            await send(message)

        return out


def answer(status: int, sentence: str) -> JSONResponse:
    """A sentence; of a body that is not taken (422) in the form that Gradio's clients read."""
    wrong = [{"__type__": "validate", "is_valid": False, "parameter_name": "request", "message": sentence}]
    return JSONResponse({"detail": wrong if status == 422 else sentence}, status, {"connection": "close"})


async def whole(receive: Any) -> bytes:
    parts = []
    while True:
        message = await receive()
        parts.append(message.get("body", b""))
        if not message.get("more_body", False):
            return b"".join(parts)


def parsed(content: bytes) -> Any:
    """
    >>> parsed(b'{"data": [1]}')
    {'data': [1]}
    """
    if not content.strip():
        return None
    try:
        return json.loads(content, parse_constant=no_number)
    except (ValueError, RecursionError):
        raise Refused("the body is no JSON in UTF-8") from None


def no_number(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


def fits(body: Any, blocks: list[Any]) -> None:
    """Refuses a body with anything that its function does not take."""
    given = body.get("data") if isinstance(body, dict) else None
    if blocks and isinstance(given, list):
        if len(given) != len(blocks):
            raise Refused(f"this takes {len(blocks)} values, not {len(given)}")
        for block, value in zip(blocks, given, strict=True):
            fits_block(block, value)
        body = {key: value for key, value in body.items() if key != "data"}
        if any(map(takes_files, blocks)) and uploads(body.get("event_data")):
            body.pop("event_data", None)  # the browser names the file there, too
        plain([value for block, value in zip(blocks, given, strict=True) if not takes_files(block)])
    elif blocks and isinstance(body, dict) and "data" in body:
        raise Refused("data must be a list of values")
    plain(body)


def takes_files(block: Any) -> bool:
    return isinstance(block, gr.UploadButton | gr.File)


def fits_block(block: Any, value: Any) -> None:
    label = getattr(block, "label", None) or "a value"
    if takes_files(block):
        if not uploads(value):
            raise Refused("only a file of your own can be uploaded, and it must be there already")
    elif isinstance(block, gr.Slider | gr.Number):
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise Refused(f"{label} must be a number")
        low = -math.inf if block.minimum is None else block.minimum
        high = math.inf if block.maximum is None else block.maximum
        if not low <= value <= high:
            raise Refused(f"{label} must be between {low:g} and {high:g}")
    elif isinstance(block, gr.Textbox | gr.Radio) and not isinstance(value, str | None):
        raise Refused(f"{label} must be text")
    elif isinstance(block, gr.Radio) and value not in (None, *(one for _, one in block.choices)):
        raise Refused(f"{label} must be one of {', '.join(str(one) for _, one in block.choices)}")


def uploads(value: Any) -> bool:
    return all(map(finished_upload, value if isinstance(value, list) else [value]))


def finished_upload(value: Any) -> bool:
    """A file that came in through this page's own door, complete, and nothing beside its name."""
    if value is None:
        return True
    if not isinstance(value, dict) or not isinstance(path := value.get("path"), str) or "\0" in path:
        return False
    if not set(value) <= FILE or value.get("is_stream") or value.get("meta") != {"_type": "gradio.FileData"}:
        return False
    place, folder = Path(path), Path(get_upload_folder()).resolve()
    return place.is_absolute() and place.resolve().is_relative_to(folder) and place.is_file()


def plain(value: Any, depth: int = 0) -> None:
    """Refuses file data, half characters and what is too deep, wherever in a value they are."""
    if depth > DEPTH:
        raise Refused("the body holds lists in lists in lists")
    if isinstance(value, str):
        if not value.isascii() and re.search("[\ud800-\udfff]", value):
            raise Refused("the body holds half a character (a lone surrogate), which nothing can show")
    elif isinstance(value, list):
        for one in value:
            plain(one, depth + 1)
    elif isinstance(value, dict):
        if isinstance(value.get("path"), str) or "_type" in value or "__type__" in value:
            raise Refused("the body holds file data where none is taken")
        for key, one in value.items():
            plain(key, depth + 1)
            plain(one, depth + 1)


def only_uploads(button: Door) -> Door:
    """The button or place for files that a browser sent; as it comes, it would fetch any address that it is given."""
    take = button.async_move_resource_to_block_cache

    async def take_file(url_or_file_path: str | Path | None) -> str | None:
        if LINKED.match(str(url_or_file_path)):
            raise gr.Error("only a file of your own can be uploaded", print_exception=False)
        return await take(url_or_file_path)

    button.async_move_resource_to_block_cache = take_file  # type: ignore[method-assign]
    return button
