"""Errors where the next token is a class: how much of its probability a compressed model lays on other tokens.

Which tokens are wrong hardly moves: the right one is seldom the top one, and a perplexity 14 times as high still
shares 73 % of the errors. The probability that moved (the total variation) tells 7 bits from 8 on 1,500 tokens. It is
how often a token drawn from the one model has to be another than one drawn from the other, at least."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from trusteq.dimensions.prediction_error_jaccard import DIMENSION
from trusteq.dimensions.prediction_error_jaccard import measure as measure_errors
from trusteq.dimensions.record import Entry, Figures
from trusteq.dimensions.work import Work
from trusteq.next_tokens import drawn_means, mean_interval
from trusteq.wording import percent

MARGIN = (
    0.05  # of SmolLM2 7 bits move 0.03 more than bfloat16 does (perplexity +1 %), and 6 bits 0.08 (+6 %): papers.md
)


@dataclass
class TokenWork(Work):
    """What was said of tokens; by model, how much of each token's probability lies elsewhere than in large."""

    moved: Mapping[str, np.ndarray] = field(default_factory=dict)


def measure(work: Any, compressed: str, large: str, options: Any, level: float) -> Figures:
    moved = work.moved[compressed].astype(np.float64)
    low, high = mean_interval(moved, work.groups, level, options.seed)
    own = {"moved_probability": float(moved.mean())}
    own |= {"moved_probability_low": max(0.0, low), "moved_probability_high": min(1.0, high)}
    return own | measure_errors(work, compressed, large, options, level)


def redrawn(work: Any, others: Sequence[str], large: str, options: Any) -> np.ndarray:
    return drawn_means([work.moved[name].astype(np.float64) for name in others], work.groups, options.seed)


def told(f: Figures, entry: Entry, compressed: str, large: str) -> str:
    moved = percent(f["moved_probability"])
    moved = f"{compressed} lays {moved} of the next token's probability on other tokens than {large}"
    wrong = f"{percent(f['error_rate'])} of its top tokens are wrong, and {percent(f['large_error_rate'])} of {large}'s"
    share, chance = percent(f["jaccard"]), percent(f["expected_jaccard"])
    return f"{moved}. {wrong}; of all these errors {share} are shared, where chance would give {chance}"


ERRORS = replace(
    DIMENSION,
    question="Same next tokens?",
    asks=(
        "After every token of a text a model says how probable each next one is. This is how much of that probability "
        "the two models lay on different tokens, on average: none where they say the same, all where nothing is shared."
    ),
    headline="moved_probability",
    kind="gap",
    expected=None,
    most=None,
    words={"moved_probability": "probability on other tokens"},
    told=told,
    hidden=lambda figures: None,
    counted="tokens",
    count=lambda work, figures: len(work.gold),
    margin=MARGIN,
    alone=MARGIN,
    measure=measure,
    redrawn=redrawn,
)
