"""Ours, theirs and the ratio, timed in one run on this machine: the table of benchmarks.md.

    python scripts/benchmark.py                              # everything; writes benchmarks.md
    python scripts/benchmark.py --only calibration_gap       # one part, printed only

Every time is the best of several repetitions that take turns, so that a busy moment of the machine hits both sides.
"""

import argparse
import os
import platform
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import evaluate
import numpy as np

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("evaluate", "numpy", "scipy", "torch", "torchmetrics", "scikit-learn", "relplot", "faiss-cpu")

Row = tuple[str, str, str, str, str]


def load(name: str, **options: Any) -> Any:
    return evaluate.load(str(ROOT / "metrics" / name), **options)


def best_times(repetitions: int, *sides: Callable[[], Any]) -> list[float]:
    """Seconds of each side, the best of several turns."""
    best = [np.inf] * len(sides)
    for _ in range(repetitions):
        for i, side in enumerate(sides):
            begin = time.perf_counter()
            side()
            best[i] = min(best[i], time.perf_counter() - begin)
    return best


def row(what: str, ours: float, theirs: float, limit: float) -> Row:
    """A line of the table: the ratio beside what was asked for, and in plain words whether it was reached."""
    ratio = ours / theirs
    return what, f"{ours:.3f} s", f"{theirs:.3f} s", f"{ratio:.2f}", f"at most {limit}: {verdict(ratio <= limit)}"


def verdict(reached: bool) -> str:
    return "reached" if reached else "**missed**"


def peak_memory(code: str) -> float:
    """Peak memory in MiB of a fresh interpreter that runs this code."""
    measure = "\nimport resource; print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)"
    run = subprocess.run([sys.executable, "-c", code + measure], capture_output=True, text=True, check=True, cwd=ROOT)
    return float(run.stdout.split()[-1])


def extra_memory(call: Callable[[], Any]) -> float:
    """The most bytes that a call held beyond what was there before it (NumPy reports its arrays to tracemalloc)."""
    tracemalloc.start()
    call()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak


def calibration_gap() -> list[Row]:
    import relplot
    import torch
    from sklearn.metrics import brier_score_loss, log_loss
    from torchmetrics.functional.classification import multiclass_calibration_error

    rng = np.random.default_rng(0)
    n = 1_000_000
    gold = rng.integers(0, 3, n)
    small, large = rng.dirichlet([1, 1, 1], n), rng.dirichlet([2, 1, 1], n)
    gap = load("calibration_gap")

    def ours(level: float | None) -> None:
        gap.compute(predictions=small, references=gold, large_predictions=large, confidence_level=level)

    def peers() -> None:
        for rows in (small, large):
            for norm in ("l1", "max"):
                multiclass_calibration_error(torch.from_numpy(rows), torch.from_numpy(gold), 3, n_bins=10, norm=norm)
            log_loss(gold, rows)
            brier_score_loss(gold, rows)
            relplot.smECE(rows.max(axis=1), (rows.argmax(axis=1) == gold).astype(float))

    points, intervals, theirs = best_times(5, lambda: ours(None), lambda: ours(0.95), peers)
    peer = "torchmetrics + scikit-learn + relplot"
    extra = extra_memory(lambda: ours(0.95)) / 2**20
    inputs = (small.nbytes + large.nbytes + gold.nbytes) / 2**20
    return [
        row(f"1,000,000 x 3, all point figures, two models; {peer}", points, theirs, 0.5),
        row("the same with intervals, against twice that", intervals, theirs, 1.0),
        (
            "extra memory of one call, against its inputs",
            f"{extra:.0f} MiB",
            f"{inputs:.0f} MiB",
            f"{extra / inputs:.2f}",
            f"at most 2: {verdict(extra <= 2 * inputs)}",
        ),
        *streaming(),
    ]


def streaming() -> list[Row]:
    """Peak memory of add_batch and compute with uniform bins, at a tenth of the rows and at all of them."""
    code = (
        "import evaluate, numpy as np; rng = np.random.default_rng(0); n = 100_000;"
        "gold = rng.integers(0, 3, n); small = rng.random((n, 3)); small /= small.sum(1, keepdims=True);"
        "gap = evaluate.load('metrics/calibration_gap')\n"
        "for _ in range({batches}): gap.add_batch(predictions=small, references=gold, large_predictions=small[::-1])\n"
        "gap.compute(binning='uniform')"
    )
    tenth, whole = (peak_memory(code.format(batches=batches)) for batches in (10, 100))
    told = f"flat (within 10 %): {verdict(whole < 1.1 * tenth)}"
    title = "peak memory, 10,000,000 rows through add_batch (uniform bins), against 1,000,000"
    return [(title, f"{whole:.0f} MiB", f"{tenth:.0f} MiB", f"{whole / tenth:.2f}", told)]


def prediction_error_jaccard() -> list[Row]:
    rng = np.random.default_rng(0)
    n = 10_000_000
    gold, small, large = (rng.integers(0, 3, n) for _ in range(3))
    errors = load("prediction_error_jaccard")

    def comparisons() -> None:
        _ = small == gold, large == gold, small == large

    ours, theirs = best_times(
        5, lambda: errors.compute(predictions=small, references=gold, large_predictions=large), comparisons
    )
    return [row("10,000,000 labels with intervals; three NumPy comparisons", ours, theirs, 5)]


def ood_divergence() -> list[Row]:
    from sklearn.metrics import roc_auc_score

    rng = np.random.default_rng(0)
    outside = rng.integers(0, 2, 1_000_000)
    large = rng.normal(size=1_000_000) + 2 * outside
    small = 0.7 * large + rng.normal(size=1_000_000)
    ood = load("ood_divergence")
    ours, theirs = best_times(
        5,
        lambda: ood.compute(predictions=small, references=outside, large_predictions=large, score="given"),
        lambda: (roc_auc_score(outside, small), roc_auc_score(outside, large)),
    )
    return [row("1,000,000 rows with intervals; scikit-learn's roc_auc_score of the two models", ours, theirs, 1.5)]


def stock_evaluate() -> list[Row]:
    """What the rows would cost through evaluate's own way of taking them in, which our fast path goes around."""
    import datasets

    class Stock(evaluate.Metric):
        def _info(self) -> Any:
            row, label = datasets.Sequence(datasets.Value("float64")), datasets.Value("int64")
            features = datasets.Features({"predictions": row, "references": label, "large_predictions": row})
            return evaluate.MetricInfo(description="", citation="", inputs_description="", features=features)

        def _compute(self, **inputs: Any) -> dict[str, Any]:
            return {}

    rng = np.random.default_rng(0)
    n = 100_000
    gold, small, large = rng.integers(0, 3, n), rng.dirichlet([1, 1, 1], n), rng.dirichlet([2, 1, 1], n)
    arguments = {"predictions": small, "references": gold, "large_predictions": large}
    gap, stock = load("calibration_gap"), Stock()
    ours, theirs = best_times(2, lambda: gap.compute(**arguments), lambda: stock.compute(**arguments))
    return [row("100,000 x 3: all figures and intervals; evaluate's stock path taking the rows in", ours, theirs, 1.0)]


PARTS: dict[str, Callable[[], list[Row]]] = {
    "prediction_error_jaccard": prediction_error_jaccard,
    "calibration_gap": calibration_gap,
    "ood_divergence": ood_divergence,
    "stock_evaluate": stock_evaluate,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=list(PARTS))
    arguments = parser.parse_args()
    versions = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    lines = [
        "# Benchmarks",
        "",
        "Printed by `python scripts/benchmark.py`: ours, theirs and the ratio, both sides timed in the same run.",
        "",
        f"Machine: {platform.machine()}, {os.cpu_count()} cores. Python {platform.python_version()}, {versions}.",
        "",
        "| metric | what; the peer | ours | theirs | ratio | asked for |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    print(*lines, sep="\n", flush=True)
    for part in arguments.only or PARTS:
        for cells in PARTS[part]():
            lines.append("| " + " | ".join((part, *cells)) + " |")
            print(lines[-1], flush=True)
    if not arguments.only:
        (ROOT / "benchmarks.md").write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
