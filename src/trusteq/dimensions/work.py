"""All that the models said, of which every pair is compared."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from trusteq.groups import Groups, some_of
from trusteq.kinds.text import Text
from trusteq.looks import Look


@dataclass
class Work:
    """All that the pairs are made of, by the models' names."""

    gold: np.ndarray
    texts: list[Text]
    groups: Groups = None  # of the texts
    ood_groups: Groups = None  # of those out of distribution
    probabilities: dict[str, np.ndarray] = field(default_factory=dict)
    embeddings: dict[str, np.ndarray] = field(default_factory=dict)  # of the models that have any
    ood: dict[str, np.ndarray] = field(default_factory=dict)  # probabilities of the out-of-distribution texts
    strangeness: dict[str, np.ndarray] = field(default_factory=dict)  # of the texts, to language models; `ood` is, too
    told: dict[str, np.ndarray] = field(default_factory=dict)  # of language models: p(any of the answers); was it cut?
    labels: dict[str, np.ndarray] = field(default_factory=dict)  # of records: 0 for right, others for wrong answers
    confidence: dict[str, np.ndarray] = field(default_factory=dict)  # of what was said, where that alone is known
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

    def right(self, model: str) -> np.ndarray:
        """Which examples the model has right."""
        if model in self.labels:
            return np.asarray(self.labels[model] == 0)
        return np.asarray(self.probabilities[model].argmax(axis=1) == self.gold)

    def within(self, examples: Sequence[int]) -> "Work":
        """The same of some of the examples; the texts out of distribution are those of all.

        >>> work = Work(np.zeros(3, int), ["a", "b", "c"], explained=[0, 2], explanations={"large": {0: "x", 2: "y"}})
        >>> part = work.within([1, 2])
        >>> part.texts, part.explained, part.explanations
        (['b', 'c'], [1], {'large': {1: 'y'}})
        """
        places = {example: place for place, example in enumerate(examples)}

        def of(found: dict[int, Any]) -> dict[int, Any]:
            return {places[i]: value for i, value in found.items() if i in places}

        return replace(
            self,
            gold=self.gold[examples],
            texts=[self.texts[i] for i in examples],
            groups=some_of(self.groups, examples),
            labels={name: labels[examples] for name, labels in self.labels.items()},
            strangeness={name: found[examples] for name, found in self.strangeness.items()},
            told={name: rows[examples] for name, rows in self.told.items()},
            confidence={name: said[examples] for name, said in self.confidence.items()},
            probabilities={name: rows[examples] for name, rows in self.probabilities.items()},
            embeddings={name: rows[examples] for name, rows in self.embeddings.items()},
            explained=[places[i] for i in self.explained if i in places],
            explanations={name: of(found) for name, found in self.explanations.items()},
            attacked=[places[i] for i in self.attacked if i in places],
            outcomes={name: of(found) for name, found in self.outcomes.items()},
            transfers={ways: of(found) for ways, found in self.transfers.items()},
            floors={},
            measured={},
            drawn={},
            reaches={},
        )
