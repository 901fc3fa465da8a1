"""The attacks that have a name, each composed of a goal, constraints, transformations and a search."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from trusteq.attack.constraints import Constraint, EditDistance, NoStopWord, NoWordTwice, ShareOfWords, Similarity
from trusteq.attack.goals import Goal, Untargeted
from trusteq.attack.masked_words import MaskedWords
from trusteq.attack.moves import (
    DeleteLetter,
    InContext,
    InsertLetter,
    KeyboardLetter,
    SimilarLetter,
    SubstituteLetter,
    SwapNeighbours,
    Typos,
)
from trusteq.attack.outcomes import Outcome, Questions, outcome
from trusteq.attack.search import GreedyByImportance, NoSearch
from trusteq.attack.word_vectors import WordVectors
from trusteq.checks import brief
from trusteq.kinds.text import Draft, Text

Transformation = Callable[[str, np.random.Generator], list[str]] | InContext
Search = GreedyByImportance | NoSearch


@dataclass(frozen=True)
class Attack:
    """What is wanted of the model, what is forbidden, how a word may be replaced, and in which order that is tried.

    A transformation is a callable from a word and a random generator to the words that may stand in its place.
    """

    transformations: Sequence[Transformation]
    constraints: Sequence[Constraint] = (NoWordTwice(),)
    search: Search = GreedyByImportance()  # noqa: RUF009 - it has no state
    goal: Goal = Untargeted()  # noqa: RUF009

    def run(
        self,
        ask: Questions,
        text: Text,
        label: int,
        rng: np.random.Generator,
        field: int = 1,
        max_queries: int | None = None,
    ) -> Outcome:
        """Attack one text, in a pair the text number `field`, with at most so many questions."""
        ask.most = max_queries
        (clean,) = ask([text])
        if clean.argmax() != label or not self.goal.possible(label):
            return outcome(text, label, clean, ask.count)
        draft = Draft(text, field)
        row = self.search(self, draft, clean, label, ask, rng)
        found = None if row is None else (draft.text, row, len(draft.changed))
        return outcome(text, label, clean, ask.count, found, draft.changeable)

    def may_change(self, draft: Draft, index: int) -> bool:
        return all(constraint.may_change(draft, index) for constraint in self.constraints)

    def prepare(self, draft: Draft, indices: Sequence[int], ask: Questions) -> None:
        """What the transformations can look up for all words of a text at once."""
        for transformation in self.transformations:
            if isinstance(transformation, InContext) and indices:
                transformation.prepare(draft, indices, ask)

    def candidates(
        self, draft: Draft, index: int, ask: Questions, rng: np.random.Generator
    ) -> tuple[list[str], list[Text]]:
        """The words that may stand in the place of one, and the texts with them."""
        word = draft.words[index]
        words: dict[str, None] = {}
        for transformation in self.transformations:
            if isinstance(transformation, InContext):
                words |= dict.fromkeys(transformation.replacements(draft, index, ask))
            else:
                words |= dict.fromkeys(transformation(word, rng))
        words.pop(word, None)
        some = list(words)
        if odd := [other for other in some if not isinstance(other, str)]:
            raise ValueError(f"a transformation must give a list of words, got {brief(odd[0])} for {brief(word)}")
        texts = draft.with_word(index, some)
        for constraint in self.constraints:
            if some:
                allowed = constraint.allows(draft, index, some, texts, ask)
                some = [other for other, may in zip(some, allowed, strict=True) if may]
                texts = [text for text, may in zip(texts, allowed, strict=True) if may]
        draft.changeable |= bool(some)
        return some, texts


def textbugger(vectors: WordVectors | None = None, similarity: Similarity | None = None) -> Attack:
    """TextBugger (Li et al. 2018) as it attacks a black box.

    Words are ranked by how much the model's confidence falls without them. The most important ones get the best of
    these bugs: a blank inserted, an inner letter deleted, two inner letters swapped, a letter replaced by one that
    looks like it or lies beside it on the keyboard, the word replaced by one of the five nearest word vectors. The
    sentence must stay similar; without an encoder that can tell, at most 40 % of its words change.
    """
    return Attack(
        transformations=[
            InsertLetter(" ", inside=True),
            DeleteLetter(inside=True),
            SwapNeighbours(inside=True),
            SimilarLetter(),
            KeyboardLetter(),
            *([vectors] if vectors else []),
        ],
        constraints=[NoStopWord(), NoWordTwice(), similarity or ShareOfWords(0.4)],
    )


def deepwordbug() -> Attack:
    """DeepWordBug (Gao et al. 2018): the most important words get the best of four misspellings.

    Neighbouring letters swapped, a letter substituted, deleted or inserted; at most 30 edits in all.
    """
    return Attack(
        transformations=[SwapNeighbours(), SubstituteLetter(), DeleteLetter(), InsertLetter()],
        constraints=[NoStopWord(), NoWordTwice(), EditDistance(30)],
    )


def bert_attack(substitutes: MaskedWords, similarity: Similarity | None = None) -> Attack:
    """BERT-Attack (Li et al. 2020): the most important words become others that a masked language model expects there.

    The 48 likeliest ones in the original text, which the model reads unmasked; at most 40 % of the words change.
    """
    return Attack(
        transformations=[substitutes],
        constraints=[NoStopWord(), NoWordTwice(), ShareOfWords(0.4), *([similarity] if similarity else [])],
    )


def typos(rate: float) -> Attack:
    """Ordinary noise, for contrast with an adversary: keys slip at random, and nobody looks what comes of it."""
    return Attack(transformations=[Typos(rate)], constraints=[], search=NoSearch())


RECIPES: dict[str, Any] = {
    "textbugger": textbugger,
    "deepwordbug": deepwordbug,
    "bert_attack": bert_attack,
    "typos": typos,
}
