"""Two views of a result: how accuracy falls and who broke what, or one example's original and adversarial texts."""

from typing import Any


def plot(result: dict[str, Any], example: int | None = None) -> Any:
    raise ValueError("plot needs a result with details: call compute(..., details=True)")
