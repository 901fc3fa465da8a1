"""What may a stranger ask of this machine? The limits of the page, and how its errors are put into a sentence."""

import logging
import re
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from concurrent.futures import Future, wait
from contextlib import contextmanager
from typing import Any

from trusteq.checks import InVain

CHARACTERS = 600  # of a sentence that is explained or attacked
ROWS = 400  # of a table of texts
ROW_CHARACTERS = 1000  # of each of its texts
MEGABYTES = 600  # of a model from the Hub
SECONDS = 20  # for a sentence
PROMPT_CHARACTERS = 600
LANGUAGE_SECONDS = 60  # for a sentence, of language models
AUDIT_SECONDS = 600
TABLE_SECONDS = 20  # to read one
LOG_SECONDS = 60  # to compare two logs and to draw their report
UPLOAD_MEGABYTES = 2  # of a file
HUB_SECONDS = 300  # to fetch a model from there
BYTES = 4_000_000  # of a request
HUB_MEGABYTES = 2400  # of models from the Hub that are kept in memory
OLDEST = 3600  # seconds after which an upload or a report is removed
CLEAN_EVERY = 900  # seconds between two looks for such files
KEPT = 512  # answers that are remembered
STEP = 0.3  # seconds between two looks at the clock
WAITING = 60  # requests that wait for their turn; further ones are told to come back

HUB_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,95}(/[A-Za-z0-9][A-Za-z0-9._-]{0,95})?", re.ASCII)
PATH = re.compile(r"(?<![\w/:])(?:~|[A-Za-z]:)?[/\\][\w.@~+-]+(?:[/\\][\w.@~+-]*)+")


def check_sentence(text: Any) -> str:
    """One sentence, as typed.

    >>> check_sentence("  a good film ")
    'a good film'
    """
    text = text.strip() if isinstance(text, str) else ""
    if not text:
        raise ValueError("there is no sentence yet: type one, or press one of the examples")
    if len(text) > CHARACTERS:
        raise ValueError(f"the sentence has {len(text):,} characters; this page takes up to {CHARACTERS}")
    if any("\ud800" <= character <= "\udfff" for character in text):
        raise ValueError("the sentence holds half a character (a lone surrogate), which nothing can show")
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


class OutOfTime(InVain):
    """The request took longer than this page allows, or whoever asked has gone: nothing of it goes on."""

    def __init__(self, says: str = "this took longer than the page allows: try a shorter text, or a smaller model"):
        super().__init__(says)


CLOCK = threading.local()  # what a thread works on has an end; models look at it before every batch


@contextmanager
def time_limit(seconds: float, gone: threading.Event | None) -> Iterator[None]:
    """Within it, models that `watch_clock` was told of refuse to answer once the time is up, or nobody waits."""
    before = getattr(CLOCK, "end", None), getattr(CLOCK, "gone", None)
    CLOCK.end, CLOCK.gone = time.monotonic() + seconds, gone
    try:
        yield
    finally:
        CLOCK.end, CLOCK.gone = before


def watch_clock(model: Any) -> None:
    model.register_forward_pre_hook(look_at_clock)


def look_at_clock(*_: Any) -> None:
    end, gone = getattr(CLOCK, "end", None), getattr(CLOCK, "gone", None)
    if (end is not None and time.monotonic() > end) or (gone is not None and gone.is_set()):
        raise OutOfTime


# Answers that were given before.


class Kept:
    """The latest answers by what was asked, up to a total weight; who asks the same meanwhile shares the work, and its
    failure."""

    def __init__(self, most: float = KEPT, weigh: Callable[[Any], float] = lambda _: 1):
        self.most, self.weigh = most, weigh
        self.answers: OrderedDict[Any, Any] = OrderedDict()
        self.lock = threading.Lock()
        self.working: dict[Any, Future[Any]] = {}

    def __contains__(self, question: Any) -> bool:
        return question in self.answers

    def get(self, question: Any, answer: Callable[[], Any]) -> Any:
        """
        >>> kept = Kept(most=1)
        >>> kept.get("a", lambda: 1), kept.get("a", lambda: 2), kept.get("b", lambda: 3), kept.get("a", lambda: 4)
        (1, 1, 3, 4)
        """
        while True:
            with self.lock:
                if question in self.answers:
                    self.answers.move_to_end(question)
                    return self.answers[question]
                found = self.working.get(question)
                if mine := found is None:
                    found = self.working[question] = Future()
            if mine:
                return self.work_out(question, answer, found)
            try:
                return shared(found)
            except OutOfTime:
                look_at_clock()  # the time of another is up, or its visitor has left; ours has not

    def work_out(self, question: Any, answer: Callable[[], Any], shared: "Future[Any]") -> Any:
        try:
            found = answer()
        except BaseException as error:
            with self.lock:
                del self.working[question]
            shared.set_exception(error)
            raise
        with self.lock:
            del self.working[question]
            self.answers[question] = found
            while len(self.answers) > 1 and sum(map(self.weigh, self.answers.values())) > self.most:
                self.answers.popitem(last=False)
        shared.set_result(found)
        return found

    def forget(self, which: Callable[[Any], bool]) -> None:
        """Lets go of the answers to these questions."""
        with self.lock:
            for question in [one for one in self.answers if which(one)]:
                del self.answers[question]


def shared(found: "Future[Any]") -> Any:
    """What another works out, as long as somebody waits for it here."""
    while not wait([found], STEP).done:
        look_at_clock()
    return found.result()


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
    text = (str(error)[:2000].strip().splitlines() or [""])[0]
    if isinstance(error, ValueError) and text:
        return PATH.sub("…", text)[:500]
    logging.getLogger("space").error("a request failed", exc_info=error)
    return "something went wrong on this side, and it was written down for the owner of the page"
