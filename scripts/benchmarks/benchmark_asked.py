"""What a predictor was asked, so that the same questions can be asked once more in one plain pass."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def remembered(predictor: Any) -> Iterator[dict[Any, None]]:
    """The distinct texts that come to this predictor."""
    seen: dict[Any, None] = {}
    answer = predictor._answer

    def remember(texts: list[Any], *rest: Any) -> Any:
        seen.update(dict.fromkeys(texts))
        return answer(texts, *rest)

    predictor._answer = remember
    try:
        yield seen
    finally:
        predictor._answer = answer


class Asked:
    """Work that asks a predictor, and one pass over the distinct texts of its latest run, by the same engine."""

    def __init__(self, predictor: Any, work: Callable[[], Any]):
        self.predictor, self.work = predictor, work
        self.texts: list[Any] = []

    def run(self) -> None:
        with remembered(self.predictor) as seen:
            self.work()
        self.texts = list(seen)

    def once(self) -> None:
        self.predictor(self.texts)

    @property
    def engine(self) -> str:
        return str(self.predictor.engine.used)
