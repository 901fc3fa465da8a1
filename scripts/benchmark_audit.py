"""How much longer does the bundled audit take than its models themselves, and how fast is it the second time?

Part of benchmark.py, which gives it the ways to measure and to tell.
"""

import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

Asked = dict[int, tuple[Any, dict[Any, None]]]  # by the model: one predictor of it, and the distinct texts


def audit_times(metric: Any) -> tuple[float, float, float, int]:
    """Seconds of the whole audit with its report, of the same again over kept work, and of plain passes of all models
    over the distinct texts that were asked; and how many these are."""
    with tempfile.TemporaryDirectory() as folder:
        with recorded() as asked:
            first = seconds_of(metric, Path(folder), resume=False)
        second = seconds_of(metric, Path(folder), resume=True)
    begin = time.perf_counter()
    for predictor, texts in asked.values():
        predictor(list(texts))
    plain = time.perf_counter() - begin
    return first, second, plain, sum(len(texts) for _, texts in asked.values())


def seconds_of(metric: Any, folder: Path, resume: bool) -> float:
    begin = time.perf_counter()
    result = metric.compute(**metric.bundled(), folder=folder / "work", resume=resume, details=True)
    metric.report(result, folder)
    return time.perf_counter() - begin


@contextmanager
def recorded() -> Iterator[Asked]:
    """What every model is asked, in whichever metric: each of them has its own copy of the predictor."""
    asked: Asked = {}
    kinds = [module.ModelPredictor for name, module in sys.modules.items() if name.endswith(".predictor")]
    before = [kind._answer for kind in kinds]

    def record(answer: Any) -> Any:
        def recording(self: Any, texts: Any, *rest: Any) -> Any:
            asked.setdefault(id(self.model), (self, {}))[1].update(dict.fromkeys(texts))
            return answer(self, texts, *rest)

        return recording

    try:
        for kind in kinds:
            kind._answer = record(kind._answer)
        yield asked
    finally:
        for kind, answer in zip(kinds, before, strict=True):
            kind._answer = answer
