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
SENTENCES = threading.BoundedSemaphore(4)  # small requests that are worked on at once; one audit may run beside them
AUDITS = threading.BoundedSemaphore(1)
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


def newest(shown: Generator[T, None, None], where: Any) -> Generator[T, None, None]:
    """It ends as soon as the same visitor asks something newer in the same place: older answers never come after it."""
    mine = LATEST[where] = object()
    try:
        with closing(shown):
            for one in shown:
                if LATEST.get(where) is not mine:
                    return
                yield one
    finally:
        if LATEST.get(where) is mine:
            del LATEST[where]


def waited(work: Callable[[], T], page: Callable[[], str], patience: float = PATIENCE) -> Generator[str, None, T]:
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
def turn(turns: threading.BoundedSemaphore, seconds: float | None = None) -> Iterator[None]:
    """When it is this request's turn, with that much time from then on; a visitor who leaves gives the place up."""
    while not turns.acquire(timeout=STEP):
        look_at_clock()
    if turns is AUDITS and hasattr(os, "setpriority"):  # a small request goes before it
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 10)
    try:
        with time_limit(limits.SECONDS if seconds is None else seconds, limits.CLOCK.gone):
            look_at_clock()
            yield
    finally:
        turns.release()


def remembered(
    kept: Kept,
    question: Any,
    work: Callable[[], T],
    page: Callable[[], str],
    turns: threading.BoundedSemaphore = SENTENCES,
    seconds: float | None = None,
) -> Generator[str, None, T]:
    """The answer that was given before, at once; or the work for it, in its turn."""
    if question in kept:
        return kept.get(question, work)

    def in_turn() -> T:
        with turn(turns, seconds):
            return work()

    return (yield from waited(lambda: kept.get(question, in_turn), page))


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
