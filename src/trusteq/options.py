"""What can a computation be asked? Options in a frozen dataclass, checked once, and the signature they leave behind."""

import dataclasses
import difflib
import inspect
import re
from typing import Any

from trusteq.checks import check_choice, check_integer, check_number

VERSION = "0.1.0"


@dataclasses.dataclass(frozen=True)
class Options:
    """What every array metric can be asked; a metric adds its own fields and checks."""

    confidence_level: float | None = 0.95
    seed: int = 0
    details: bool = False

    def __post_init__(self) -> None:
        if self.confidence_level is not None:
            check_number("confidence_level", self.confidence_level, above=0, below=1)
        check_integer("seed", self.seed, at_least=0)
        check_choice("details", self.details, (True, False))


def read_options(kind: type[Options], given: dict[str, Any]) -> Any:
    """The options as their dataclass; an unknown name is an error that suggests the nearest."""
    known = [field.name for field in dataclasses.fields(kind)]
    for name in given:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"; did you mean {near[0]}?" if near else f"; the options are {', '.join(known)}"
            raise ValueError(f"unknown option {name}{hint}")
    return kind(**given)


def argument_help(documentation: str) -> dict[str, str]:
    """The explanation of each argument, from the Args part of the documentation.

    >>> argument_help("Args:\\n    k: how many words\\n        are compared.\\nReturns:\\n    jaccard: their overlap.")
    {'k': 'how many words are compared.'}
    """
    part = documentation.partition("Args:")[2].partition("Returns:")[0]
    found = re.findall(r"^    (\w+): (.+(?:\n {5,}.+)*)", part, re.MULTILINE)
    return {name: " ".join(text.split()) for name, text in found}


def arguments_of(kind: type) -> str:
    """What stands under Args in a dataclass's documentation, for that of a function which takes the same."""
    return inspect.cleandoc(kind.__doc__ or "").partition("Args:\n")[2]


def signature(metric: str, options: Options, groups: int | None = None) -> str:
    """One line that says how the figures were made.

    >>> signature("calibration_gap", Options())
    'calibration_gap:0.1.0|confidence_level=0.95|seed=0'
    """
    fields = {k: v for k, v in dataclasses.asdict(options).items() if k != "details"}
    fields |= {} if groups is None else {"groups": groups}
    return "|".join([f"{metric}:{VERSION}", *(f"{k}={v}" for k, v in sorted(fields.items()))])


def with_signature(name: str, result: dict[str, Any], options: Options, groups: int | None = None) -> dict[str, Any]:
    """Plain numbers, and in the details the line that makes the figures reproducible, and how many groups there are."""
    plain = {
        key: value if isinstance(value, int) else float(value) for key, value in result.items() if key != "details"
    }
    if not options.details:
        return plain
    counted = {} if groups is None else {"groups": groups}
    return plain | {"details": {"signature": signature(name, options, groups), **counted, **result["details"]}}


def details_of(result: Any, metric: str) -> dict[str, Any]:
    """What a plot is drawn from, or a sentence where that is not there."""
    details = result.get("details") if isinstance(result, dict) else None
    if not isinstance(details, dict):
        raise ValueError("plot needs a result with details: call compute(..., details=True)")
    if (made := details.get("signature", metric).partition(":")[0]) != metric:
        raise ValueError(f"plot of {metric} needs its own result, got one of {made}")
    return details
