"""How an attack looks for a text that reaches its goal: word by word in the order of importance, or not at all."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from trusteq.attack.goals import Goal
from trusteq.attack.moves import pick
from trusteq.attack.outcomes import Questions
from trusteq.kinds.text import PIECE, Draft, Text, parts_of

ROUNDING = 1e-5  # scores that differ by less are equal: other batches round differently, and must not change the text


class Attack(Protocol):
    """What a search has to know of the attack that it is a part of."""

    @property
    def goal(self) -> Goal: ...

    def may_change(self, draft: Draft, index: int) -> bool: ...

    def prepare(self, draft: Draft, indices: Sequence[int], ask: Questions) -> None: ...

    def candidates(
        self, draft: Draft, index: int, ask: Questions, rng: np.random.Generator
    ) -> tuple[list[str], list[Text]]: ...


@dataclass(frozen=True)
class GreedyByImportance:
    """The word without which the model comes nearest to the goal is replaced first, by what brings it nearest."""

    def __call__(
        self, attack: Attack, draft: Draft, row: np.ndarray, label: int, ask: Questions, rng: np.random.Generator
    ) -> np.ndarray | None:
        """The model's row of the draft once it has reached the goal, or None."""
        goal = attack.goal
        best = goal.score(row[None], label)[0]
        for index in by_importance(attack, draft, label, ask):
            if not attack.may_change(draft, index):
                continue
            words, texts = attack.candidates(draft, index, ask, rng)
            if not texts:
                continue
            rows = ask(texts)
            if not len(rows):
                break  # the questions have run out
            scores, reached = goal.score(rows, label), goal.reached(rows, label)
            if reached.any():
                scores = np.where(reached, scores, -1)
            chosen = int(np.argmax(scores >= scores.max() * (1 - ROUNDING)))
            if reached.any() or scores[chosen] > best * (1 + ROUNDING):
                draft.replace(index, words[chosen])
                best = scores[chosen]
            if reached.any():
                return rows[chosen]
        return None


def by_importance(attack: Attack, draft: Draft, label: int, ask: Questions) -> list[int]:
    """The words that may be replaced, those first whose deletion brings the model nearest to the goal."""
    places = [index for index in range(len(draft.words)) if attack.may_change(draft, index)]
    attack.prepare(draft, places, ask)
    if len(places) < 2:
        return places
    at_a_time = max(1, PIECE // (1 + sum(map(len, parts_of(draft.text)))))
    rows = np.concatenate([ask(draft.without(places[at : at + at_a_time])) for at in range(0, len(places), at_a_time)])
    if len(rows) < len(places):
        draft.changeable = True  # as far as anybody knows: the questions have run out
        return []
    order = np.argsort(-attack.goal.score(rows, label), kind="stable")
    return [places[i] for i in order]


@dataclass(frozen=True)
class NoSearch:
    """Every word that may be replaced is, by one of its candidates at random; the model is asked once."""

    def __call__(
        self, attack: Attack, draft: Draft, row: np.ndarray, label: int, ask: Questions, rng: np.random.Generator
    ) -> np.ndarray | None:
        places = [index for index in range(len(draft.words)) if attack.may_change(draft, index)]
        attack.prepare(draft, places, ask)
        for index in places:
            draft.changeable = True  # chance may have left every word as it is
            words, _ = attack.candidates(draft, index, ask, rng) if attack.may_change(draft, index) else ([], [])
            if words:
                draft.replace(index, pick(words, rng))
        rows = ask([draft.text]) if draft.changed else ask.none
        return rows[0] if len(rows) and attack.goal.reached(rows, label)[0] else None
