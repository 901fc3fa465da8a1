"""Does an audit get its fair share of a busy machine? It runs beside five plain loops per core.

    python scripts/benchmarks/benchmark_contention.py            # writes its section of benchmarks.md
    python scripts/benchmarks/benchmark_contention.py --tiny     # does all of it run? Printed only

A fair share is what one additional plain loop gets at the same time. It is measured while the audit runs, so that
whatever else the machine does counts for both. The audit should take its own processor time, measured on one thread
with nothing beside it, divided by that share.
"""

import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager

from benchmark_rows import ROOT, Row, Settings, run_table

SECTION = "Beside busy processes"
HEAD = """\
Printed by `python scripts/benchmarks/benchmark_contention.py`: the bundled audit from the command line with fewer texts
explained and attacked, beside plain loops in Python. Its fair share is what one additional loop got meanwhile.
"""
COLUMNS = """\
| what; beside what | ours | theirs | ratio | asked for |
| --- | ---: | ---: | ---: | --- |
"""
LOOPS = 5  # per core
UNTIL = "import os\nbegan = os.getppid()\nwhile os.getppid() == began:\n    for _ in range(10**6): pass"
LOOP = [sys.executable, "-c", UNTIL]  # an orphan ends by itself
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


def rows(given: Settings) -> Iterator[Row]:
    texts = given.size(3, tiny=2)
    some = ["--explained", str(texts), "--attacked", str(texts), "--limit", str(given.size(60, tiny=50))]
    _, work = audit(some, threads="1")
    count = LOOPS * (os.cpu_count() or 1)
    with loops(count), loops(1) as (meter,):
        begin, before = time.monotonic(), processor_time(meter.pid)
        wall, _ = audit(some)
        share = (processor_time(meter.pid) - before) / (time.monotonic() - begin)
    what = f"an audit beside {count} busy processes; at its fair share, {share:.2f} of a core for {work:.1f} s of work"
    yield Row(what, wall, work / share, 1.5)


def audit(some: list[str], threads: str | None = None) -> tuple[float, float]:
    """Seconds on the clock and of processor time, with as many threads as the libraries choose, or as given."""
    environment = {name: value for name, value in os.environ.items() if name not in THREADS}
    environment |= {"PYTHONPATH": str(ROOT / "src")} | ({"OMP_NUM_THREADS": threads} if threads else {})
    begin, before = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
    with tempfile.TemporaryDirectory() as folder:
        words = [sys.executable, "-m", "trusteq.cli.main", "audit", *some, "--out", f"{folder}/out"]
        subprocess.run(words, check=True, capture_output=True, env=environment)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.monotonic() - begin, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


@contextmanager
def loops(count: int) -> Iterator[list[subprocess.Popen[bytes]]]:
    running = [subprocess.Popen(LOOP) for _ in range(count)]
    try:
        yield running
    finally:
        for one in running:
            one.kill()
            one.wait()


def processor_time(process: int) -> float:
    with open(f"/proc/{process}/stat", encoding="utf-8") as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def main(argv: list[str] | None = None) -> None:
    run_table(__doc__, SECTION, HEAD, COLUMNS, ("torch", "transformers", "openvino"), rows, argv)


if __name__ == "__main__":
    main()
