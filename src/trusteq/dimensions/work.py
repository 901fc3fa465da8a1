"""All that the models said, of which every pair is compared."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from trusteq.kinds.text import Text
from trusteq.looks import Look


@dataclass
class Work:
    """All that the pairs are made of, by the models' names."""

    gold: np.ndarray
    texts: list[Text]
    probabilities: dict[str, np.ndarray] = field(default_factory=dict)
    embeddings: dict[str, np.ndarray] = field(default_factory=dict)  # of the models that have any
    ood: dict[str, np.ndarray] = field(default_factory=dict)  # probabilities of the out-of-distribution texts
    explained: list[int] = field(default_factory=list)  # which examples
    explanations: dict[str, dict[int, Any]] = field(default_factory=dict)
    attacked: list[int] = field(default_factory=list)
    outcomes: dict[str, dict[int, dict[str, Any]]] = field(default_factory=dict)
    transfers: dict[tuple[str, str], dict[int, bool]] = field(default_factory=dict)  # (whose text, fools whom)
    failures: dict[tuple[str, str], str] = field(default_factory=dict)  # (dimension, model) -> one sentence
    floors: dict[str, dict[str, Any]] = field(default_factory=dict)  # what came out for large and each of its twins
    measured: dict[tuple[str, str, str], dict[str, Any]] = field(default_factory=dict)  # (dimension, pair) -> figures
    drawn: dict[tuple[str, str], np.ndarray] = field(default_factory=dict)  # (dimension, model) -> its figure, redrawn
    reaches: dict[tuple[str, ...], float] = field(default_factory=dict)  # of seeds, by dimension and large models
    looks: dict[str, Look] = field(default_factory=dict)  # by dimension, where more are to come unless it is settled
