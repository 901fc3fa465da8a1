"""What does the bundled audit take besides asking models: until the first question, and for its plots?

python scripts/benchmarks/benchmark_start.py            # writes its section of benchmarks.md
python scripts/benchmarks/benchmark_start.py --tiny     # does all of it run? Printed only
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any

from benchmark_rows import ROOT, Row, Settings, load, run_table

from trusteq.options import details_of
from trusteq.report.plots import plot_pair
from trusteq.report.svg import Layouts, pictures

SECTION = "Beside the questions"
HEAD = """\
Printed by `python scripts/benchmarks/benchmark_start.py`: processor time, which on a quiet machine is the time on the
clock, since one thread does all the work; medians of three.
"""
COLUMNS = """\
| what; what was asked for | ours | theirs | ratio | asked for |
| --- | ---: | ---: | ---: | --- |
"""
FIRST_QUESTION = """
import os, sys, time
import trusteq.models.predictor as predictor
def both(*given, **how):
    print(time.process_time(), flush=True)
    os._exit(0)
predictor.Predictor.both = both
from trusteq.cli.main import main
main(["audit", "--out", sys.argv[1]])
"""


def rows(given: Settings) -> Iterator[Row]:
    turns = given.size(3, tiny=1)
    yield Row("from the command to the first question; 3 s", median(first_question() for _ in range(turns)), 3, 1)
    metric = load("trust_equivalence")
    family = metric.bundled() | {"data_name": "some of the bundled reviews"}
    some = {name: family[name][: given.size(300, tiny=60)] for name in ("texts", "references", "ood_texts")}
    result = metric.compute(**family | some | {"explained": 5, "attacked": 5}, details=True)
    pairs = details_of(result, "trust_equivalence")["pairs"]
    count = sum(entry["status"] == "done" for pair in pairs for entry in pair["dimensions"].values())
    yield Row(f"the {count} plots of its report; 1 s", median(plots(pairs) for _ in range(turns)), 1, 1)


def first_question() -> float:
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-c", FIRST_QUESTION, str(Path(folder) / "out")]
        environment = os.environ | {"PYTHONPATH": str(ROOT / "src")}
        done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    return float(done.stdout.split()[-1])


def plots(pairs: list[dict[str, Any]]) -> float:
    begin, layouts = time.process_time(), dict[str, Layouts]()
    for pair in pairs:
        for name in (name for name, entry in pair["dimensions"].items() if entry["status"] == "done"):
            pictures(plot_pair(name, pair), False, layouts.setdefault(name, {}))
    return time.process_time() - begin


def main(argv: list[str] | None = None) -> None:
    run_table(__doc__, SECTION, HEAD, COLUMNS, ("torch", "transformers", "matplotlib"), rows, argv)


if __name__ == "__main__":
    main()
