"""What was made faster or smaller, before and after in one run: the explainers' arithmetic, long texts, many rows.

    python scripts/benchmarks/benchmark_before.py            # writes its section of benchmarks.md
    python scripts/benchmarks/benchmark_before.py --tiny     # does all of it run? Printed only

Where times are measured the models cost nothing, so that what is left is the explainers' own time. Before is what was
done until then: the packages themselves, and long texts kept whole and tokenized by the thousand.
"""

import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
from benchmark_rows import Row, Settings, best_times, extra_memory, load, peak_memory, run_table
from benchmark_texts import sentences

from trusteq.explain.methods import explain

SECTION = "Before and after"
HEAD = """\
Printed by `python scripts/benchmarks/benchmark_before.py`: both sides took turns in one run; times are the best of 3
of processor time.
Where times are measured the models answer at once, so that these are the explainers' own.
"""
COLUMNS = """\
| what; beside what | ours | theirs | ratio | asked for |
| --- | ---: | ---: | ---: | --- |
"""

LONG_TEXT = """
import evaluate
from trusteq import side_by_side
from trusteq.models import predictor
if {before}:
    side_by_side.LONG = predictor.PIECE = 10**12
model = evaluate.load("metrics/trust_equivalence").bundled()["compressed"]["alone"]
text = " ".join(["film", "plot", "good", "dull"] * {quarter})
metric = evaluate.load("metrics/attribution_alignment")
free = lambda texts: [[0.25, 0.75]] * len(texts)
metric.compute(texts=[text], references=[1], model=model, large_model=free, method="occlusion")
"""


def rows(given: Settings) -> Iterator[Row]:
    yield from arithmetic(given)
    yield from many_rows(given)
    yield from long_texts(given)


def arithmetic(given: Settings) -> Iterator[Row]:
    from lime.lime_text import LimeTextExplainer

    texts = sentences(given, "pos", given.size(32, tiny=2))
    samples = {"lime_package": given.size(1000, tiny=30), "shap": given.size(500, tiny=30), "shap_permutation": 100}

    def free(asked: Any) -> np.ndarray:
        share = np.array([len(text) % 7 for text in asked]) / 7
        return np.stack([1 - share, share], axis=1)

    def ours(method: str) -> None:
        for i, text in enumerate(texts):
            explain(method, text, free, target=1, seed=i, samples=samples[method])

    def by_lime() -> None:
        for i, text in enumerate(texts):
            explainer = LimeTextExplainer(random_state=i)
            explainer.explain_instance(text, free, labels=(1,), num_features=20, num_samples=samples["lime_package"])

    def by_shap(algorithm: str, most: int) -> None:
        import shap

        explainer = shap.Explainer(free, shap.maskers.Text(r"\s+"), algorithm=algorithm)
        for text in texts:
            explainer([text], max_evals=max(most, 2 * len(text.split()) + 1), silent=True)

    packages: dict[str, Callable[[], None]] = {
        "lime_package": by_lime,
        "shap": partial(by_shap, "partition", samples["shap"]),
        "shap_permutation": partial(by_shap, "permutation", samples["shap_permutation"]),
    }
    for method, package in packages.items():
        package()  # shap compiles; not a part of either side's time
        mine, theirs = best_times(given.size(3, tiny=1), partial(ours, method), package, clock=time.process_time)
        yield Row(f"{method}, {len(texts)} sentences, {samples[method]} samples; the package", mine, theirs, 0.5)


def many_rows(given: Settings) -> Iterator[Row]:
    count, ood = given.size(10_000_000, tiny=200_000), load("ood_divergence")
    rng = np.random.default_rng(0)
    outside = rng.integers(0, 2, count)
    compressed, large = (rng.random((count, 3)) for _ in range(2))
    for rows_of_one in (compressed, large):
        rows_of_one /= rows_of_one.sum(axis=1, keepdims=True)
    size = sum(array.nbytes for array in (outside, compressed, large)) / 2**20
    extra = extra_memory(lambda: ood.compute(predictions=compressed, references=outside, large_predictions=large))
    yield Row(
        f"memory of ood_divergence, {count:,} rows with intervals, inputs included; the inputs",
        size + extra,
        size,
        3,
        "MiB",
    )


def long_texts(given: Settings) -> Iterator[Row]:
    """Before, it grew with the square of the words: every variant was kept, and all were tokenized at once."""
    words = given.size(2000, tiny=40)
    code = LONG_TEXT.replace("{quarter}", str(words // 4))
    before, after = (peak_memory(code.replace("{before}", str(flag))) for flag in (True, False))
    nothing = peak_memory(LONG_TEXT.replace("{quarter}", "2").replace("{before}", "False"))
    what = f"memory of occlusion, a text of {words:,} words, beyond that of one of 8; before"
    yield Row(what, after - nothing, before - nothing, None, "MiB")
    words = given.size(8000, tiny=80)
    most = peak_memory(LONG_TEXT.replace("{quarter}", str(words // 4)).replace("{before}", "False"))
    yield Row(f"the same, a text of {words:,} words; 500 MB", most - nothing, 500e6 / 2**20, 1, "MiB")


def main(argv: list[str] | None = None) -> None:
    run_table(__doc__, SECTION, HEAD, COLUMNS, ("numpy", "lime", "shap", "torch", "transformers"), rows, argv)


if __name__ == "__main__":
    main()
