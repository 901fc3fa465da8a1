"""Ours, theirs and the ratio, timed in one run on this machine: the first table of benchmarks.md.

    python scripts/benchmarks/benchmark.py                              # everything; writes benchmarks.md
    python scripts/benchmarks/benchmark.py --only calibration_gap       # one subject, printed only
    python scripts/benchmarks/benchmark.py --only calibration_gap --write   # its rows in place of the older ones
    python scripts/benchmarks/benchmark.py --tiny                       # does all of it run? Printed only

Times are the best of several repetitions that take turns, so that a busy moment of the machine hits both sides (lime,
shap and TextAttack take too long for more than one or two).
Where a ratio is above what was asked for, the table says so. benchmark_growth.py writes the second table.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path

import benchmark_attacks
import benchmark_audit
import benchmark_calibration
import benchmark_engines
import benchmark_errors
import benchmark_explainers
import benchmark_neighbors
import benchmark_ood
import benchmark_records
import benchmark_running_text
import benchmark_stock
from benchmark_rows import Settings, Subject, machine, read_section, write_section

SUBJECTS: dict[str, Subject] = {
    "prediction_error_jaccard": benchmark_errors.rows,
    "calibration_gap": benchmark_calibration.rows,
    "representation_overlap": benchmark_neighbors.rows,
    "ood_divergence": benchmark_ood.rows,
    "attribution_alignment": benchmark_explainers.rows,
    "attack_divergence": benchmark_attacks.rows,
    "engines": benchmark_engines.rows,
    "records": benchmark_records.rows,
    "running_text": benchmark_running_text.rows,
    "trust_equivalence": benchmark_audit.rows,
    "stock_evaluate": benchmark_stock.rows,
}
ON_PUBLIC_DATA = {"attribution_alignment", "attack_divergence"}
OURS = ("evaluate", "datasets", "numpy", "scipy", "torch", "transformers")
PEERS = ("torchmetrics", "netcal", "relplot", "scikit-learn", "faiss-cpu", "lime", "shap", "openvino", "onnxruntime")

SECTION = "Beside others"

HEAD = """\
Printed by `python scripts/benchmarks/benchmark.py`: ours, theirs and the ratio, both sides timed in the same run. Where
nothing was asked of a ratio, it is stated. A plain pass asks a model in our batches, by the engine that answers our own
side, too (src/trusteq/models/engines.py): the fastest at hand. Beside such a pass, times are medians of processor time.
"""

COLUMNS = """\
| metric | what; the peer | ours | theirs | ratio | asked for |
| --- | --- | ---: | ---: | ---: | --- |
"""


def main(given: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=list(SUBJECTS), help="these subjects; printed, and not written")
    parser.add_argument("--write", action="store_true", help="put the rows of --only in place of the older ones, too")
    parser.add_argument("--tiny", action="store_true", help="tiny sizes, printed only; the figures mean nothing")
    parser.add_argument("--data", type=Path, default=Settings.data, help="folder with rt_polarity and sst2")
    parser.add_argument("--classifier", type=Path, help="folder to keep the trained classifier in")
    parser.add_argument("--textattack-python", type=Path, default=Settings.textattack, help="in its own environment")
    options = parser.parse_args(given)
    chosen = options.only or list(SUBJECTS)
    there = all((options.data / name).is_dir() for name in ("rt_polarity", "sst2"))
    if not there and ON_PUBLIC_DATA & set(chosen):
        parser.error(f"--data must be the folder that holds rt_polarity and sst2, got {options.data}")
    head = [*HEAD.splitlines(), "", machine(OURS + PEERS), "", *COLUMNS.splitlines()]
    older = rows_on_page(head) if options.only else {}
    if options.write and options.only and not older:
        parser.error("--write needs a page of this machine and these versions: run it once without --only")
    settings = Settings(options.data, options.classifier, options.textattack_python, options.tiny)
    print(*head, sep="\n", flush=True)
    found = {subject: list(measured(subject, settings)) for subject in chosen}
    if not options.tiny and (options.write or not options.only):
        rows = older | found
        write_section(SECTION, head + [line for subject in SUBJECTS for line in rows.get(subject, [])])


def measured(subject: str, settings: Settings) -> Iterator[str]:
    """The lines of a subject, each printed as soon as it is there."""
    for row in SUBJECTS[subject](settings):
        line = "| " + " | ".join((subject, *row.cells())) + " |"
        print(line, flush=True)
        yield line


def rows_on_page(head: list[str]) -> dict[str, list[str]]:
    """The rows of each subject that stand on the page, if they were measured on this machine with these versions."""
    section = read_section(SECTION)
    if section[: len(head)] != head:
        return {}
    return {subject: [line for line in section if line.startswith(f"| {subject} |")] for subject in SUBJECTS}


if __name__ == "__main__":
    main()
