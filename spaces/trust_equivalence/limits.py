"""What may a stranger ask of this machine? The limits of the page, and how its errors are put into a sentence."""

import logging
import re
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import gradio as gr
from starlette.exceptions import HTTPException

CHARACTERS = 600  # of a sentence that is explained or attacked
ROWS = 400  # of a table of texts
ROW_CHARACTERS = 1000  # of each of its texts
MEGABYTES = 600  # of a model from the Hub
SECONDS = 20  # for a sentence
AUDIT_SECONDS = 600
BYTES = 4_000_000  # of a request
KEPT = 512  # answers that are remembered
WAITING = 60  # requests that wait for their turn; further ones are told to come back

HUB_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,95}(/[A-Za-z0-9][A-Za-z0-9._-]{0,95})?", re.ASCII)
PATH = re.compile(r"(?<![\w/:])(?:~|[A-Za-z]:)?[/\\][\w.@~+-]+(?:[/\\][\w.@~+-]*)+")


def check_sentence(text: Any) -> str:
    """One sentence, as typed.

    >>> check_sentence("  a good film ")
    'a good film'
    """
    text = str(text or "").strip()
    if not text:
        raise ValueError("there is no sentence yet: type one, or press one of the examples")
    if len(text) > CHARACTERS:
        raise ValueError(f"the sentence has {len(text):,} characters; this page takes up to {CHARACTERS}")
    if not any(character.isalnum() for character in text):
        raise ValueError("the sentence has no word in it")
    return text


def check_hub_id(name: Any) -> str:
    """`name` or `owner/name`, as models on the Hub are called; never a path or an address.

    >>> check_hub_id(" distilbert/distilbert-base-uncased ")
    'distilbert/distilbert-base-uncased'
    """
    name = name.strip() if isinstance(name, str) else ""
    if not HUB_ID.fullmatch(name) or ".." in name or "--" in name or name.endswith((".git", ".ipynb")):
        raise ValueError("a model is one of the list, or the name of one on the Hugging Face Hub, such as owner/name")
    return name


def whole(name: str, value: Any, least: int, most: int) -> int:
    """A slider's number: nobody but the page keeps to the slider's ends.

    >>> whole("bins", 10.0, 2, 30)
    10
    """
    if isinstance(value, bool) or not isinstance(value, int | float) or value != value or not least <= value <= most:
        raise ValueError(f"{name} must be a whole number from {least} to {most}")
    return int(value)


def one_of(name: str, value: Any, choices: Any) -> str:
    if not isinstance(value, str) or value not in choices:
        raise ValueError(f"{name} must be one of {', '.join(choices)}")
    return value


# Time.


class OutOfTime(ValueError):
    """The request took longer than this page allows, or whoever asked has gone."""

    def __init__(self) -> None:
        super().__init__("this took longer than the page allows: try a shorter text, or a smaller model")


CLOCK = threading.local()  # what a thread works on has an end; models look at it before every batch


@contextmanager
def time_limit(seconds: float = SECONDS, gone: threading.Event | None = None) -> Iterator[None]:
    """Within it, models that `watch_clock` was told of refuse to answer once the time is up, or nobody waits."""
    CLOCK.end, CLOCK.gone = time.monotonic() + seconds, gone
    try:
        yield
    finally:
        CLOCK.end = CLOCK.gone = None


def watch_clock(model: Any) -> None:
    model.register_forward_pre_hook(look_at_clock)


def look_at_clock(*_: Any) -> None:
    end, gone = getattr(CLOCK, "end", None), getattr(CLOCK, "gone", None)
    if (end is not None and time.monotonic() > end) or (gone is not None and gone.is_set()):
        raise OutOfTime


# Answers that were given before.


class Kept:
    """The latest answers by what was asked; equal questions that come at the same time are worked out once."""

    def __init__(self, most: int = KEPT):
        self.most = most
        self.answers: OrderedDict[Any, Any] = OrderedDict()
        self.lock = threading.Lock()
        self.working: dict[Any, threading.Lock] = {}

    def get(self, question: Any, answer: Callable[[], Any]) -> Any:
        """
        >>> kept = Kept(most=1)
        >>> kept.get("a", lambda: 1), kept.get("a", lambda: 2), kept.get("b", lambda: 3), kept.get("a", lambda: 4)
        (1, 1, 3, 4)
        """
        with self.lock:
            mine = self.working.setdefault(question, threading.Lock())
        try:
            with mine:
                with self.lock:
                    if question in self.answers:
                        self.answers.move_to_end(question)
                        return self.answers[question]
                found = answer()
                with self.lock:
                    self.answers[question] = found
                    if len(self.answers) > self.most:
                        self.answers.popitem(last=False)
                return found
        finally:
            with self.lock:
                self.working.pop(question, None)


# Errors.


def in_a_sentence(error: BaseException) -> str:
    """What went wrong for the visitor: never a path of this machine, never what only its owner should know.

    >>> in_a_sentence(ValueError("k must be at least 1, got 0"))
    'k must be at least 1, got 0'
    """
    causes: list[BaseException] = [error]
    while (behind := causes[-1].__cause__ or causes[-1].__context__) is not None and behind not in causes:
        causes.append(behind)
    for cause in causes:
        if isinstance(cause, OutOfTime):
            return str(cause)
    text = (str(error).strip().splitlines() or [""])[0]
    if isinstance(error, ValueError) and text:
        return PATH.sub("…", text)[:500]
    logging.getLogger("space").error("a request failed", exc_info=error)
    return "something went wrong on this side, and it was written down for the owner of the page"


# Uploads, and whatever else is sent.


class BodyLimit:
    """Refuses what is larger than anything that the page takes, while it comes in."""

    def __init__(self, app: Any, most: int = BYTES):
        self.app, self.most = app, most

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        come = 0

        async def limited() -> Any:
            nonlocal come
            message = await receive()
            come += len(message.get("body", b""))
            if come > self.most:
                raise HTTPException(413, "this is more than the page takes")
            return message

        await self.app(scope, limited if scope["type"] == "http" else receive, send)


def only_uploads(button: gr.UploadButton) -> gr.UploadButton:
    """The button for files that a browser sent; as it comes, it would fetch any address that a request names."""
    take = button.async_move_resource_to_block_cache

    async def take_file(url_or_file_path: str | Path | None) -> str | None:
        if re.match(r"[a-z][a-z0-9+.-]*:", str(url_or_file_path), re.IGNORECASE | re.ASCII):
            raise gr.Error("only a file of your own can be uploaded", print_exception=False)
        return await take(url_or_file_path)

    button.async_move_resource_to_block_cache = take_file  # type: ignore[method-assign]
    return button
