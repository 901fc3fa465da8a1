"""What the simulations share: their command line, trials on all cores, and tables that are printed row by row."""

import argparse
import re
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

LEVEL = 0.95

Tried = tuple[bool, float, bool]  # was the truth held, how wide was the interval, and did another one hold it?


def command(description: str | None, datasets: int, sizes: list[int] | None) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--datasets", type=int, default=datasets, help=f"how many are drawn ({datasets})")
    parser.add_argument("--sizes", type=int, nargs="+", default=sizes, help="how many examples each has")
    return parser


def tries(pool: ProcessPoolExecutor, trial: Callable[[int], Any], count: int) -> np.ndarray:
    """What so many trials found, one row each; a trial is told its number."""
    return np.array(list(pool.map(trial, range(count), chunksize=10)), dtype=float)


def intervals(
    pool: ProcessPoolExecutor,
    trials: Mapping[str, Callable[[int, int], Tried]],
    sizes: list[int],
    count: int,
    beside: str,
) -> None:
    """A table of how often an interval holds the truth, for every population and number of examples."""
    row("population", "examples", "held the truth", "mean width", beside)
    row(*["---"] * 5)
    for name, trial in trials.items():
        for n in sizes:
            held, width, other = tries(pool, partial(trial, n), count).mean(axis=0)
            row(name, f"{n:,}", f"{held:.1%}", f"{width:.3f}", f"{other:.1%}")


def section(path: Path, title: str, text: str) -> None:
    """Writes a part of a page, under its heading, in place of what stood there."""
    old = path.read_text(encoding="utf-8") if path.is_file() else ""
    new = f"## {title}\n\n{text}\n\n"
    pattern = rf"^## {re.escape(title)}\n.*?(?=^## |\Z)"
    found, count = re.subn(pattern, lambda _: new, old, flags=re.MULTILINE | re.DOTALL)
    path.write_text((found if count else f"{old.rstrip()}\n\n{new}").strip() + "\n", encoding="utf-8")


def row(*cells: str) -> str:
    line = line_of(*cells)
    print(line, flush=True)
    return line


def line_of(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def put(lines: list[str], out: Path, name: str) -> None:
    """Into the place of the page that is marked with this name, or at its end."""
    starts, ends = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    before, _, rest = out.read_text(encoding="utf-8").partition(starts)
    after = rest.partition(ends)[2] or "\n"
    out.write_text("\n".join([before.rstrip() + "\n", starts, *lines, ends + after]), encoding="utf-8")
