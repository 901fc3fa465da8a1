"""How far is it, and how long will it take? A bar on a terminal; of a command, in a file, a line now and then."""

import multiprocessing
import os
import sys
import time
from typing import Any

KNOWN = 0.05  # the share that has to be done before it is known how long the rest takes: the first steps are slower
EVERY = 15.0  # seconds between two lines in a file


def progress_bar(total: int, what: str, quiet: bool = False, unit: str = "text") -> Any:
    """A bar on a terminal for what takes longer than a few seconds; nothing in files, tests and helper processes."""
    from tqdm import tqdm

    quiet = quiet or multiprocessing.parent_process() is not None or rank() > 0
    return tqdm(total=total, desc=what, unit=unit, delay=3, leave=False, disable=True if quiet else None)


def command_progress(what: str, total: int) -> Any:
    """What a command shows of its work: a bar with the time left on a terminal, lines in a file."""
    if rank() > 0:
        return progress_bar(total, what, quiet=True)
    return terminal_bar(what, total) if sys.stderr.isatty() else Lines(what, total)


def terminal_bar(what: str, total: int) -> Any:
    from tqdm import tqdm

    class Bar(tqdm):
        @property
        def format_dict(self) -> dict[str, Any]:
            found = super().format_dict
            return found | {"left": left(found["n"], found["total"], found["elapsed"])}

    shape = "{desc:<14} {percentage:3.0f}% |{bar}| {n_fmt}/{total_fmt}{left}"
    return Bar(total=total, desc=what, bar_format=shape)


class Lines:
    """The same for a file, or a pipe."""

    def __init__(self, what: str, total: int):
        self.what, self.total, self.done = what, total, 0
        self.started = self.said = time.monotonic()

    def update(self, count: int = 1) -> None:
        self.done += count
        if self.done < self.total and time.monotonic() - self.said >= EVERY:
            self.say()

    def write(self, line: str, file: Any) -> None:
        print(line, file=file, flush=True)

    def close(self) -> None:
        self.say()

    def say(self) -> None:
        self.said = time.monotonic()
        elapsed = self.said - self.started
        share = self.done / self.total if self.total else 1
        gone = f"{clock(elapsed)} gone{left(self.done, self.total, elapsed)}"
        print(f"{self.what:<14} {share:4.0%}, {gone}", file=sys.stderr, flush=True)


def left(done: int, total: int, elapsed: float) -> str:
    """How long the rest takes, where that is known.

    >>> left(20, 100, 60), left(1, 100, 60), left(100, 100, 300)
    (', 04:00 left', '', '')
    """
    if not total * KNOWN <= done < total:
        return ""
    return f", {clock(elapsed / done * (total - done))} left"


def clock(seconds: float) -> str:
    """
    >>> clock(61), clock(3 * 3600)
    ('01:01', '3:00:00')
    """
    hours, rest = divmod(int(seconds), 3600)
    minutes, rest = divmod(rest, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes:02}:{rest:02}"


def rank() -> int:
    """Which of several processes this is, under `accelerate launch` or torchrun."""
    return int(os.environ.get("RANK", "0"))
