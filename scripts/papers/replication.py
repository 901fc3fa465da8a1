"""What does quantizing language models change? The published table of "[Re] Accuracy is Not All You Need", recomputed.

    replication.py FOLDER                       the tables, from MODEL__PRECISION__BENCH.json and items.json in FOLDER
    replication.py FOLDER --out results/re      and a report of each model: a page, tables, every answer that changed
    replication.py FOLDER --page papers.md      and the tables on that page

First what was published: accuracies, and how many answers flip, which way. Then what that leaves out: how much of the
errors is shared, beside what chance gives and the most that is possible, intervals, calibration, and the verdicts of an
audit. Exit status 2, with one sentence, if it cannot be done.
"""

import argparse
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from trusteq.audit.options import AuditOptions
from trusteq.audit.recorded import Family, audit_answers
from trusteq.intervals import share_interval
from trusteq.records.read import read
from trusteq.records.runs import tasks_of
from trusteq.report.flips import csv_of
from trusteq.report.write import write_report, write_whole
from trusteq.reproduce.printing import Table, markdown, write_section
from trusteq.wording import number, percent, signed

LARGE, COMPRESSED = "fp16", ("int8", "int4")
NAMES = {"arc": "ARC-Challenge", "csqa": "CommonsenseQA", "mmlu": "MMLU", "all": "all three"}
LEVEL = 0.95
HEADING = "Quantized language models, from the published answers"
Audit = dict[str, Any]
Cell = tuple[str, str, str, dict[str, Any], dict[str, Any]]  # model, precision, benchmark, the pair, its task


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="the answers and items.json")
    parser.add_argument("--out", type=Path, help="folder of the reports")
    parser.add_argument("--page", type=Path, help="Markdown page whose section of these tables is written anew")
    options = parser.parse_args(argv)
    clock = time.monotonic()
    try:
        audits = {model: audited(options.folder, model, options.out) for model in models_in(options.folder)}
    except (ValueError, OSError) as error:
        print(f"replication.py: {error}", file=sys.stderr)
        return 2
    text = markdown(tables(audits))
    print(text)
    if options.page:
        command = f"python scripts/papers/replication.py {options.folder.name} --page {options.page.name}"
        write_section(options.page, HEADING, f"Printed by `{command}`:\n\n{text}")
    print(f"{len(audits)} models in {time.monotonic() - clock:.1f} s", file=sys.stderr)
    return 0


def models_in(folder: Path) -> list[str]:
    found = sorted({path.name.split("__")[1] for path in folder.glob(f"*__*__{LARGE}__*.json")})
    if not found:
        raise ValueError(f"{folder} holds no answers: looked for MODEL__{LARGE}__BENCH.json")
    return found


def audited(folder: Path, model: str, out: Path | None) -> Audit:
    """One model, large in fp16, compressed to 8 and to 4 bits."""
    precisions = {"large": LARGE, **dict(zip(COMPRESSED, COMPRESSED, strict=True))}
    runs = {name: read(folder / f"*__{model}__{precision}__*.json") for name, precision in precisions.items()}
    tasks, noticed = tasks_of(runs)
    shown = {name: records[0].head["model"] for name, records in runs.items()}
    roles = dict.fromkeys(shown, "compressed") | {"large": "large"}
    family = Family(shown, roles, ", ".join(NAMES.get(task.name, task.name) for task in tasks), tasks, noticed=noticed)
    found, changed = audit_answers(family, AuditOptions())
    if out is not None:
        write_report(found, out / model, kinds=("svg",))
        write_whole(out / model / "flips.csv", csv_of(changed))
    return found


# The tables.


def tables(audits: dict[str, Audit]) -> list[Table]:
    cells = list(cells_of(audits))
    return [published(cells), overlaps(cells), verdicts(cells), moves(audits)]


def cells_of(audits: dict[str, Audit]) -> list[Cell]:
    found: list[Cell] = []
    for model, audit in audits.items():
        for place, precision in enumerate(COMPRESSED):
            for task in audit["tasks"]:
                found.append((model, precision, task["name"], task["pairs"][place], task))
            found.append((model, precision, "all", audit["pairs"][place], audit["data"]))
    return found


def figures(pair: dict[str, Any], dimension: str = "prediction_error_jaccard") -> dict[str, float]:
    return dict(pair["dimensions"][dimension]["figures"])


def line(cell: Cell) -> list[str]:
    model, precision, task, *_ = cell
    return [f"{model.removesuffix('-Instruct')}, {precision}, {NAMES.get(task, task)}"]


def published(cells: list[Cell]) -> Table:
    """Accuracies in percent, and answers that flip: counted, and as a share of all."""
    head = ["model, precision, benchmark", "questions", "fp16", "compressed", "right to wrong", "wrong to right"]
    rows = []
    for cell in cells:
        pair, task = cell[3:]
        said, found = pair["answers"], figures(pair)
        accuracies = [of_all(said[name], task["examples"]) for name in ("large_accuracy", "accuracy")]
        counts = [f"{found[name]:,.0f}" for name in ("compressed_only_errors", "large_only_errors")]
        flips = f"{percent(found['flip_rate'])} ({between(found, 'flip_rate')})"
        rows.append([*line(cell), f"{task['examples']:,}", *accuracies, *counts, flips])
    note = "The paper's own figures are not at hand here; these are computed from the answers that it published."
    return Table("Accuracy (%) and flips, with their 95 % intervals", [*head, "flips"], rows, (note,))


def of_all(share: float, count: int) -> str:
    low, high = share_interval(round(share * count), count, LEVEL)
    return f"{100 * share:.1f} ({100 * low:.1f} to {100 * high:.1f})"


def overlaps(cells: list[Cell]) -> Table:
    head = ["model, precision, benchmark", "other answers", "jaccard", "95 %", "chance", "most possible", "McNemar p"]
    rows = []
    for cell in cells:
        found = figures(cell[3])
        changed = f"{percent(found['answer_change_rate'])} ({between(found, 'answer_change_rate')})"
        ends = f"[{found['jaccard_low']:.3f}, {found['jaccard_high']:.3f}]"
        overlap = [f"{found['jaccard']:.3f}", ends, f"{found['expected_jaccard']:.3f}", f"{found['max_jaccard']:.3f}"]
        rows.append([*line(cell), changed, *overlap, number(found["mcnemar_p"])])
    title = "What flips leave out: answers that changed at all, and shared errors beside chance"
    return Table(title, head, rows, ("Of the questions counted in the first table.",))


def verdicts(cells: list[Cell]) -> Table:
    head = ["model, precision, benchmark", "ECE, fp16", "ECE", "by chance", "gap", "its size, 95 %"]
    head += ["same mistakes?", "as honest?"]
    rows = []
    for cell in cells:
        found, pair = figures(cell[3], "calibration_gap"), cell[3]["dimensions"]
        entry = pair["calibration_gap"]
        ends = f"{entry['divergence_low']:.3f} to {entry['divergence_high']:.3f}"
        gap = signed(f"{found['ece_gap']:+.3f}")
        said = [pair[name]["verdict"] for name in ("prediction_error_jaccard", "calibration_gap")]
        chance = f"{by_chance(entry['details']['compressed']):.3f}"
        rows.append([*line(cell), f"{found['large_ece']:.3f}", f"{found['ece']:.3f}", chance, gap, ends, *said])
    note = (
        "Of the questions counted in the first table. By chance: what an honest model with the confidences of the "
        "compressed one is expected to have. The verdicts are those of `trusteq compare` without a floor: "
        "nobody ran fp16 twice. The gap may be 0.03."
    )
    return Table("Calibration (ECE, ten bins), and the verdicts", head, rows, (note,))


def by_chance(bins: dict[str, Any]) -> float:
    """The calibration error of an honest model: in each bin of n answers, right as often as it says but for chance, by
    the mean size of a normal error.

    >>> round(by_chance({"rows": [100], "confidence": [0.5]}), 3)
    0.04
    """
    rows, sure = np.array(bins["rows"], dtype=float), np.array(bins["confidence"])
    return float((rows * np.sqrt(2 / np.pi * sure * (1 - sure) / np.maximum(rows, 1))).sum() / rows.sum())


def moves(audits: dict[str, Audit]) -> Table:
    rows = []
    for model, audit in audits.items():
        for place, precision in enumerate(COMPRESSED):
            tests = audit["pairs"][place].get("moved", [])
            moved = [one for one in tests if one["moved"]]
            told = [f"{NAMES.get(one['task'], one['task'])} ({number(one['corrected_p'])})" for one in moved]
            rows.append([f"{model.removesuffix('-Instruct')}, {precision}", ", ".join(told) or "none"])
    title = "Benchmarks whose accuracy moved (McNemar; p corrected for three benchmarks by Holm)"
    note = "In brackets p; the intervals of the accuracies stand in the first table."
    return Table(title, ["model, precision", "moved"], rows, (note,))


def between(found: dict[str, float], name: str) -> str:
    return f"{100 * found[f'{name}_low']:.1f} to {100 * found[f'{name}_high']:.1f}"


if __name__ == "__main__":
    sys.exit(main())
