"""What calibration_gap takes beside torchmetrics, netcal, scikit-learn and relplot. Part of benchmark.py."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
from benchmark_rows import Row, Settings, best_times, extra_memory, flat, load

BATCHES = """
import evaluate, numpy as np
rng = np.random.default_rng(0)
gold, compressed = rng.integers(0, 3, {batch}), rng.random(({batch}, 3))
compressed /= compressed.sum(1, keepdims=True)
gap = evaluate.load("metrics/calibration_gap")
for _ in range({count} // {batch}):
    gap.add_batch(predictions=compressed, references=gold, large_predictions=compressed[::-1])
gap.compute(binning="uniform")
"""


def rows(given: Settings) -> Iterator[Row]:
    n = given.size(1_000_000, tiny=1000)
    rng = np.random.default_rng(0)
    gold, compressed, large = rng.integers(0, 3, n), rng.dirichlet([1, 1, 1], n), rng.dirichlet([2, 1, 1], n)
    gap = load("calibration_gap")
    peers = peers_of(gold, (compressed, large))

    def ours(level: float | None = None, binning: str = "quantile") -> dict[str, Any]:
        options = {"confidence_level": level, "binning": binning}
        return gap.compute(predictions=compressed, references=gold, large_predictions=large, **options)

    points, intervals, *times = best_times(5, ours, partial(ours, 0.95), *peers.values())
    theirs = dict(zip(peers, times, strict=True))
    together = theirs["torchmetrics"] + theirs["scikit-learn"] + theirs["relplot"]
    what = f"{n:,} x 3, all point figures, two models"
    yield Row(f"{what}; torchmetrics + scikit-learn + relplot for five of them", points, together, 0.5)
    yield Row("the same with intervals; twice that was allowed", intervals, together, 1.0)
    for (name, time), part in zip(theirs.items(), ("ece, mce", "ece, mce", "nll, brier", "smooth_ece"), strict=True):
        yield Row(f"all point figures again; {name} alone, for {part}", points, time)
    ece = ours(binning="uniform")["ece"]  # that it is the same work: bins of equal width, as the peers have them
    for name in ("torchmetrics", "netcal"):  # torchmetrics adds up in float32: the fifth digit of a million rows
        there, *_ = peers[name]()
        yield Row(f"how far ece lies from that of {name}; that itself", abs(ece - there), there, 0.001, "")
    inputs = (compressed.nbytes + large.nbytes + gold.nbytes) / 2**20
    yield Row("extra memory of one call; its inputs", extra_memory(partial(ours, 0.95)), inputs, 2, "MiB")
    batch = given.size(100_000, tiny=100)
    code = BATCHES.replace("{batch}", str(batch))
    yield flat("{count} rows through add_batch (uniform bins)", code, 10 * batch, 100 * batch)


def peers_of(gold: np.ndarray, models: tuple[np.ndarray, np.ndarray]) -> dict[str, Callable[[], list[float]]]:
    """Each peer's figures of both models, for as many of ours as it has; the first is its ECE, where it has one."""
    import relplot
    import torch
    from netcal.metrics import ECE, MCE
    from sklearn.metrics import brier_score_loss, log_loss
    from torchmetrics.functional.classification import multiclass_calibration_error

    def torchmetrics(given: np.ndarray, norm: Any) -> float:
        rows, labels = torch.from_numpy(given), torch.from_numpy(gold)
        return float(multiclass_calibration_error(rows, labels, 3, n_bins=10, norm=norm))

    def smooth(given: np.ndarray) -> float:
        return relplot.smECE(given.max(axis=1), (given.argmax(axis=1) == gold).astype(float))

    return {
        "torchmetrics": lambda: [torchmetrics(given, norm) for given in models for norm in ("l1", "max")],
        "netcal": lambda: [float(kind(10).measure(given, gold)) for given in models for kind in (ECE, MCE)],
        "scikit-learn": lambda: [loss(gold, given) for given in models for loss in (log_loss, brier_score_loss)],
        "relplot": lambda: [smooth(given) for given in models],
    }
