"""What is a compressed model held against? Twins, or what stands in for them; each with its words in one place."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Floor:
    """What two models differ by that ought to count as the same."""

    beside: str  # what a compressed model is further away than, with its verb
    name: str  # what its own figure is called beside the compressed model's
    than: str  # the same, explained
    near: str  # what a compressed model may be as near as
    says: str  # in a report, with what it does not cover
    of_compressed: bool = False  # the distance from the compressed model, not from the large one


NO_SEEDS = "what another seed of training changes is not covered"

TWIN = Floor(
    beside="the twin is",
    name="twin",
    than="the twin is, a second large model that was trained with another seed",
    near="its twin",
    says="one twin ({names}), a large model trained with another seed: verdicts are relative to this twin, and another"
    " might lie elsewhere",
)
TWINS = Floor(
    beside="its {count} twins are on average",
    name="{count} twins on average",
    than="its twins are on average, large models that were trained with other seeds",
    near="its twins",
    says="{count} twins ({names}), large models trained with other seeds: their mean, of gaps the mean size. Intervals"
    " are over examples alone, but for that of how much further a model is than the twins: it includes how much seeds"
    " scatter, as far as these twins show it",
)
STAND_INS: Mapping[str, Floor] = {
    "rounding": Floor(
        beside="itself in other numbers is",
        name="itself in other numbers",
        than="the large model itself is when it computes in other numbers",
        near="itself in other numbers",
        says=f"itself in other numbers (rounding): {NO_SEEDS}",
    ),
    "batch": Floor(
        beside="itself, asked one question at a time, is",
        name="itself, one question at a time",
        than="the large model itself is when it is asked one question at a time",
        near="itself, asked one question at a time",
        says=f"itself, asked once more and one question at a time (batch): {NO_SEEDS}",
    ),
    "kernels": Floor(
        beside="itself by other kernels is",
        name="itself by other kernels",
        than="the large model itself is when other kernels compute it, llama.cpp's or those of transformers",
        near="itself by other kernels",
        says=f"itself by other kernels (kernels), llama.cpp's or those of transformers: {NO_SEEDS}",
    ),
    "wording": Floor(
        beside="itself under another prompt is",
        name="itself under another prompt",
        than="the large model itself is when its prompt is said otherwise",
        near="itself under another prompt",
        says=f"itself under another prompt (wording): {NO_SEEDS}",
    ),
    "calibration": Floor(
        beside="the same compression with other calibration data is from it",
        name="the same compression with other calibration data",
        than="two compressions are from each other that had other calibration data",
        near="another compression",
        says="the same compression with other calibration data ({names}): a verdict says whether compressing changed"
        f" more than the draw of those data does; {NO_SEEDS}",
        of_compressed=True,
    ),
}


def floor_named(stand_in: str | None, count: int) -> Floor:
    """Of an audit with so many twins, or with what stands in for them.

    >>> floor_named(None, 1).near, floor_named("rounding", 1).near
    ('its twin', 'itself in other numbers')
    """
    return STAND_INS[stand_in] if stand_in else TWINS if count > 1 else TWIN


def of_compressed(options: Any) -> bool:
    """Whether the floor's distances are measured from the compressed model."""
    return bool(options.floor and STAND_INS[options.floor].of_compressed)
