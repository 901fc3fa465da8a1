"""What a predictor was asked, so that the same questions can be asked once more in one plain pass."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any
from unittest.mock import patch


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


def plainly() -> AbstractContextManager[Any]:
    """PyTorch answers, and no engine beside it."""
    from trusteq.models.engines import Engine

    return patch.object(Engine, "copy_for", return_value=None)


class Asked:
    """Work that asks a predictor, and one pass over the distinct texts of its latest run: plain, or by our engine."""

    def __init__(self, predictor: Any, work: Callable[[], Any]):
        self.predictor, self.work = predictor, work
        self.texts: list[Any] = []

    def run(self) -> None:
        with remembered(self.predictor) as seen:
            self.work()
        self.texts = list(seen)

    def once(self) -> None:
        with plainly():
            self.predictor(self.texts)

    def once_by_engine(self) -> None:
        self.predictor(self.texts)
