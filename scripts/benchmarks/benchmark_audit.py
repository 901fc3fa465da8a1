"""What the bundled audit takes beside its models' own time, and the second time. Part of benchmark.py."""

import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any
from unittest.mock import patch

from benchmark_rows import Row, Settings, load, peak_memory

from trusteq.models.classifiers import ModelPredictor

Asked = dict[int, tuple[Any, dict[Any, None]]]  # by the model: one predictor of it, and the distinct texts

# Two of the bundled models on random words, in the four dimensions that need no probing.
ARRAYS = """
import evaluate, numpy as np
metric = evaluate.load("metrics/trust_equivalence")
given = metric.bundled()
rng = np.random.default_rng(0)
words = np.array(sorted(set(" ".join(given["texts"]).split())))
texts = [" ".join(rng.choice(words, 6)) for _ in range({count})]
metric.compute(
    large=given["large"], compressed={{"distilled": given["compressed"]["distilled"]}}, texts=texts,
    references=rng.integers(2, size=len(texts)), ood_texts=given["ood_texts"],
    dimensions=["prediction_error_jaccard", "calibration_gap", "representation_overlap", "ood_divergence"],
)
"""


def rows(given: Settings) -> Iterator[Row]:
    """The bundled audit as a user runs it: from nothing, and again."""
    metric = load("trust_equivalence")
    family = metric.bundled()
    if given.tiny:
        family |= {name: family[name][:8] for name in ("texts", "references", "ood_texts")}
        family |= {"compressed": {"distilled": family["compressed"]["distilled"]}, "twin": None}
    first, second, plain, asked = audit_times(metric, family, turns=given.size(3, tiny=1))
    whole = f"the bundled audit with its report; plain passes of its models over their {asked:,} distinct texts"
    yield Row(whole, first, plain, 1.3)
    yield Row("the same; three minutes", first, 180, 1)
    yield Row("the same audit again over kept work; the first time", second, first, 0.05)
    few, many = given.size(1000, tiny=20), given.size(100_000, tiny=40)
    compressed, large = (peak_memory(ARRAYS.format(count=count)) for count in (few, many))
    what = f"peak memory of the array dimensions, {many:,} texts, beyond that of {few:,}; 1 GiB"
    yield Row(what, max(0, large - compressed), 1024, 1, "MiB")


def audit_times(metric: Any, family: dict[str, Any], turns: int) -> tuple[float, float, float, int]:
    """Seconds of the whole audit with its report, of the same again over kept work, and of passes of all models over
    the distinct texts that were asked; and how many texts these are. All are medians of some turns."""
    times = []
    for _ in range(turns):
        with tempfile.TemporaryDirectory() as folder:
            with recorded() as asked:
                first = seconds_of(metric, family, Path(folder), resume=False)
            second = seconds_of(metric, family, Path(folder), resume=True)
        times.append((first, second, passes(asked)))
    first, second, plain = (median(side) for side in zip(*times, strict=True))
    return first, second, plain, sum(len(texts) for _, texts in asked.values())


def passes(asked: Asked) -> float:
    begin = time.process_time()
    for predictor, texts in asked.values():
        predictor(list(texts))
    return time.process_time() - begin


def seconds_of(metric: Any, family: dict[str, Any], folder: Path, resume: bool) -> float:
    begin = time.process_time()
    result = metric.compute(**family, folder=folder / "work", resume=resume, details=True)
    metric.report(result, folder)
    return time.process_time() - begin


@contextmanager
def recorded() -> Iterator[Asked]:
    """What every model is asked, in whichever dimension."""
    asked: Asked = {}
    answer = ModelPredictor._answer

    def recording(self: Any, texts: Any, *rest: Any) -> Any:
        asked.setdefault(id(self.model), (self, {}))[1].update(dict.fromkeys(texts))
        return answer(self, texts, *rest)

    with patch.object(ModelPredictor, "_answer", recording):
        yield asked
