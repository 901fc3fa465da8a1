"""What calibration_gap takes beside torchmetrics, netcal, scikit-learn and relplot. Part of benchmark.py."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
from benchmark_rows import Row, Settings, best_times, extra_memory, flat, load

BATCHES = """
import evaluate, numpy as np
rng = np.random.default_rng(0)
gold, small = rng.integers(0, 3, {batch}), rng.random(({batch}, 3))
small /= small.sum(1, keepdims=True)
gap = evaluate.load("metrics/calibration_gap")
for _ in range({count} // {batch}):
    gap.add_batch(predictions=small, references=gold, large_predictions=small[::-1])
gap.compute(binning="uniform")
"""


def rows(given: Settings) -> Iterator[Row]:
    n = given.size(1_000_000, tiny=1000)
    rng = np.random.default_rng(0)
    gold, small, large = rng.integers(0, 3, n), rng.dirichlet([1, 1, 1], n), rng.dirichlet([2, 1, 1], n)
    gap = load("calibration_gap")
    peers = peers_of(gold, (small, large))

    def ours(level: float | None = None, binning: str = "quantile") -> dict[str, Any]:
        options = {"confidence_level": level, "binning": binning}
        return gap.compute(predictions=small, references=gold, large_predictions=large, **options)

    points, intervals, *times = best_times(5, ours, partial(ours, 0.95), *peers.values())
    theirs = dict(zip(peers, times, strict=True))
    together = theirs["torchmetrics"] + theirs["scikit-learn"] + theirs["relplot"]
    what = f"{n:,} x 3, all point figures, two models"
    yield Row(f"{what}; torchmetrics + scikit-learn + relplot for five of them", points, together, 0.5)
    yield Row("the same with intervals; twice that was allowed", intervals, together, 1.0)
    for (name, time), part in zip(theirs.items(), ("ece, mce", "ece, mce", "nll, brier", "smooth_ece"), strict=True):
        yield Row(f"all point figures again; {name} alone, for {part}", points, time)
    yield from same_figures(ours(binning="uniform"), gold, small)
    inputs = (small.nbytes + large.nbytes + gold.nbytes) / 2**20
    yield Row("extra memory of one call; its inputs", extra_memory(partial(ours, 0.95)), inputs, 2, "MiB")
    batch = given.size(100_000, tiny=100)
    code = BATCHES.replace("{batch}", str(batch))
    yield flat("{count} rows through add_batch (uniform bins)", code, 10 * batch, 100 * batch)


def peers_of(gold: np.ndarray, models: tuple[np.ndarray, np.ndarray]) -> dict[str, Callable[[], None]]:
    """Each peer's figures of both models, for as many of ours as it has."""
    import relplot
    import torch
    from netcal.metrics import ECE, MCE
    from sklearn.metrics import brier_score_loss, log_loss
    from torchmetrics.functional.classification import multiclass_calibration_error

    def torchmetrics() -> None:
        for given in models:
            for norm in ("l1", "max"):
                multiclass_calibration_error(torch.from_numpy(given), torch.from_numpy(gold), 3, n_bins=10, norm=norm)

    def netcal() -> None:
        for given in models:
            ECE(10).measure(given, gold)
            MCE(10).measure(given, gold)

    def scikit_learn() -> None:
        for given in models:
            log_loss(gold, given)
            brier_score_loss(gold, given)

    def smooth() -> None:
        for given in models:
            relplot.smECE(given.max(axis=1), (given.argmax(axis=1) == gold).astype(float))

    return {"torchmetrics": torchmetrics, "netcal": netcal, "scikit-learn": scikit_learn, "relplot": smooth}


def same_figures(result: dict[str, Any], gold: np.ndarray, rows: np.ndarray) -> Iterator[Row]:
    """That it is the same work: the figure of bins of equal width, as the peers have it (torchmetrics adds up in
    float32, which shows in the fifth digit of a million rows)."""
    import torch
    from netcal.metrics import ECE
    from torchmetrics.functional.classification import multiclass_calibration_error

    found = {
        "torchmetrics": float(multiclass_calibration_error(torch.from_numpy(rows), torch.from_numpy(gold), 3, 10)),
        "netcal": float(ECE(10).measure(rows, gold)),
    }
    for name, theirs in found.items():
        yield Row(f"how far ece lies from that of {name}; that itself", abs(result["ece"] - theirs), theirs, 0.001, "")
