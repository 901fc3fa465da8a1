"""How does the page wait? Work goes on in threads of its own and ends with the visitor who asked for it.

A handler is a generator: while its work goes on it yields the page again and again, which costs nothing, and it is
closed when its visitor leaves. What asks a model looks at the clock before every batch (limits.py); what only computes,
as a table does, is done in a process that can be ended at any moment (workshop.py).
"""

import ctypes
import os
import threading
import time
from collections import Counter
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future, wait
from contextlib import closing, contextmanager
from typing import Any, TypeVar

import limits
from limits import STEP, Kept, look_at_clock, time_limit

T = TypeVar("T")
PATIENCE = 900.0  # seconds for everything that a request may wait for


class Line:
    """First come, first served, `places` at a time; everybody can see how many are before them."""

    def __init__(self, places: int, what: str):
        self.places, self.what = places, what
        self.waiting: list[object] = []  # those that are served stand first
        self.moved = threading.Condition()

    def before(self, ticket: object) -> int:
        """How many have to end before this one is served.

        >>> line = Line(1, "audit")
        >>> line.waiting = ["first", "second", "third"]
        >>> line.before("first"), line.before("third"), line.before("gone")
        (0, 2, 0)
        """
        with self.moved:
            return max(0, self.waiting.index(ticket) + 1 - self.places) if ticket in self.waiting else 0

    @contextmanager
    def turn(self, ticket: object) -> Iterator[None]:
        with self.moved:
            self.waiting.append(ticket)
        try:
            while self.before(ticket):
                look_at_clock()
                with self.moved:
                    self.moved.wait(STEP)
            yield
        finally:
            with self.moved:
                self.waiting.remove(ticket)
                self.moved.notify_all()

    def place(self, ticket: object) -> str:
        """What the page says to one who waits, or nothing.

        >>> line = Line(1, "audit")
        >>> line.waiting = ["first", "second", "third"]
        >>> line.place("third")
        'You are number 2 in line: 2 audits from other visitors come before yours.'
        >>> line.place("first")
        ''
        """
        if not (count := self.before(ticket)):
            return ""
        others = (
            f"1 {self.what} from another visitor comes"
            if count == 1
            else f"{count} {self.what}s from other visitors come"
        )
        return f"You are number {count} in line: {others} before yours."


SENTENCES = Line(4, "question")  # small requests that are worked on at once; one audit may run beside them
AUDITS = Line(1, "audit")
LISTENING: Counter[str] = Counter()  # streams that are open, by session; guard.py counts them
LISTEN_SECONDS = 3.0  # after which nobody will come any more for the answer to what was asked


def heard(shown: Generator[T, None, None], session: str | None) -> Iterator[T]:
    """Nothing is begun before somebody listens for the answer, and it ends when nobody does any more."""
    end = time.monotonic() + LISTEN_SECONDS
    while session and not LISTENING[session]:
        if time.monotonic() > end:
            return
        time.sleep(0.02)
    with closing(shown):
        for one in shown:
            if session and not LISTENING[session]:
                return
            yield one


LATEST: dict[Any, object] = {}  # what a visitor asked last, by where


def newest(shown: Generator[T, None, None], where: Any, nothing: T) -> Generator[T, None, None]:
    """It ends as soon as the same visitor asks something newer in the same place: older answers never come after it.
    Its last word is `nothing`, since what was said last is sent once more when it has ended."""
    mine = LATEST[where] = object()
    try:
        with closing(shown):
            for one in shown:
                if LATEST.get(where) is not mine:
                    yield nothing
                    return
                yield one
    finally:
        if LATEST.get(where) is mine:
            del LATEST[where]


def waited(work: Callable[[], T], page: Callable[[], Any], patience: float = PATIENCE) -> Generator[Any, None, T]:
    """Yields the page while `work` goes on in a thread, and returns what it found; who leaves, ends it."""
    gone = threading.Event()
    outcome: Future[T] = Future()

    def run() -> None:
        try:
            with time_limit(patience, gone):
                outcome.set_result(work())
        except BaseException as error:
            outcome.set_exception(error)
        finally:
            give_back()

    threading.Thread(target=run, daemon=True).start()
    try:
        while not wait([outcome], STEP).done:
            yield page()
        return outcome.result()
    finally:
        gone.set()


@contextmanager
def turn(line: Line, seconds: float | None = None, ticket: object = None) -> Iterator[None]:
    """When it is this request's turn, with that much time from then on; a visitor who leaves gives the place up."""
    with line.turn(ticket or object()):
        if line is AUDITS and hasattr(os, "setpriority"):  # a small request goes before it
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 10)
        with time_limit(limits.SECONDS if seconds is None else seconds, limits.CLOCK.gone):
            look_at_clock()
            yield


def remembered(
    kept: Kept,
    question: Any,
    work: Callable[[], T],
    page: Callable[[], Any],
    line: Line = SENTENCES,
    seconds: float | None = None,
) -> Generator[Any, None, T]:
    """The answer that was given before, at once; or the work for it, in its turn, and until then the place in line."""
    if question in kept:
        return kept.get(question, work)

    ticket = object()

    def in_turn() -> T:
        with turn(line, seconds, ticket):
            return work()

    def shown() -> Any:
        place = line.place(ticket)
        return f'<div class="show"><p role="status" class="place">{place}</p></div>' if place else page()

    return (yield from waited(lambda: kept.get(question, in_turn), shown))


TRIM = threading.Lock()  # held while memory is about to be given back


def give_back() -> None:
    """A second after work has ended, memory that the C library holds back goes to the system again."""
    if TRIM.acquire(blocking=False):
        timer = threading.Timer(1.0, trim)
        timer.daemon = True
        timer.start()


def trim() -> None:
    TRIM.release()
    if malloc_trim := getattr(ctypes.CDLL(None), "malloc_trim", None):
        malloc_trim(0)


def few_arenas() -> None:
    """Every request has a thread of its own, and each of those would get a heap that hardly shrinks again."""
    if set_option := getattr(ctypes.CDLL(None), "mallopt", None):
        set_option(-8, 2)  # M_ARENA_MAX
