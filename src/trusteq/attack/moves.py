"""How a word may be misspelt: letters swapped, deleted, inserted, or replaced by others that look or lie near.

A transformation is a callable: a word and a random generator in, the possible replacements out; here one at a random
place, or none where the word is too short. What has to know the text, or to ask somebody, is an `InContext` instead."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from trusteq.attack.outcomes import Questions
from trusteq.kinds.text import Draft, in_case_of, letters

Choice = TypeVar("Choice")
ALPHABET = "abcdefghijklmnopqrstuvwxyz"

LOOKS_LIKE = {
    "a": "@", "b": "6", "c": "(", "e": "3", "g": "9", "h": "#", "i": "1", "j": "]", "l": "1", "o": "0", "q": "9",
    "s": "5", "t": "7", "z": "2", "B": "8", "E": "3", "I": "l", "O": "0", "S": "5", "Z": "2",
    "0": "o", "1": "l", "2": "z", "3": "e", "5": "s", "6": "b", "7": "t", "9": "g",
}  # fmt: skip

KEY_ROWS = ("1234567890", "qwertyuiop", "asdfghjkl", "zxcvbnm")  # each half a key further to the right


def key_neighbours() -> dict[str, str]:
    """The keys around each key, in its own row and the rows above and below.

    >>> key_neighbours()["g"], key_neighbours()["p"]
    ('fhtyvb', 'o0l')
    """
    near: dict[str, str] = {}
    for r, row in enumerate(KEY_ROWS):
        above = KEY_ROWS[r - 1] if r else ""
        below = KEY_ROWS[r + 1] if r + 1 < len(KEY_ROWS) else ""
        for i, key in enumerate(row):
            around = [row[i - 1 : i] if i else "", row[i + 1 : i + 2], above[i : i + 2], below[max(0, i - 1) : i + 1]]
            near[key] = "".join(around)
    return near


NEAR_KEYS = key_neighbours()


@dataclass(frozen=True)
class Found:
    """What a helper found for one word: a list that does not pass for a row of numbers on its way."""

    words: list[str]


class InContext:
    """A transformation that asks a helper: about all words of a text at once to `prepare`, then about each word."""

    def prepare(self, draft: Draft, indices: Sequence[int], ask: Questions) -> None:
        raise NotImplementedError

    def replacements(self, draft: Draft, index: int, ask: Questions) -> list[str]:
        raise NotImplementedError


@dataclass(frozen=True)
class SwapNeighbours:
    """Two letters that stand side by side change places; with `inside` neither the first nor the last.

    >>> SwapNeighbours(inside=True)("film", np.random.default_rng(0))
    ['flim']
    """

    inside: bool = False

    def __call__(self, word: str, rng: np.random.Generator) -> list[str]:
        parts = letters(word)
        first, last = (1, len(parts) - 2) if self.inside else (0, len(parts) - 1)
        places = [i for i in range(first, last) if parts[i] != parts[i + 1]]
        if not places:
            return []
        i = pick(places, rng)
        parts[i], parts[i + 1] = parts[i + 1], parts[i]
        return ["".join(parts)]


@dataclass(frozen=True)
class DeleteLetter:
    """A letter is gone; with `inside` neither the first nor the last."""

    inside: bool = False

    def __call__(self, word: str, rng: np.random.Generator) -> list[str]:
        parts = letters(word)
        places = range(1, len(parts) - 1) if self.inside else range(len(parts))
        if len(parts) < 2 or not places:
            return []
        del parts[pick(places, rng)]
        return ["".join(parts)]


@dataclass(frozen=True)
class InsertLetter:
    """A letter, or whatever `letters` holds, is put somewhere; with `inside` not at the ends.

    >>> InsertLetter(" ", inside=True)("to", np.random.default_rng(0))
    ['t o']
    """

    letters: str = ALPHABET
    inside: bool = False

    def __call__(self, word: str, rng: np.random.Generator) -> list[str]:
        parts = letters(word)
        places = range(1, len(parts)) if self.inside else range(len(parts) + 1)
        if not places:
            return []
        parts.insert(pick(places, rng), pick(self.letters, rng))
        return ["".join(parts)]


@dataclass(frozen=True)
class SubstituteLetter:
    """A letter becomes a random other one."""

    def __call__(self, word: str, rng: np.random.Generator) -> list[str]:
        parts = letters(word)
        i = pick(range(len(parts)), rng)
        others = ALPHABET.replace(parts[i].lower(), "") if len(parts[i]) == 1 else ALPHABET
        parts[i] = in_case_of(parts[i], pick(others, rng))
        return ["".join(parts)]


@dataclass(frozen=True)
class SimilarLetter:
    """A letter becomes a character that looks like it."""

    def __call__(self, word: str, rng: np.random.Generator) -> list[str]:
        parts = letters(word)
        places = [i for i, part in enumerate(parts) if part in LOOKS_LIKE or part.lower() in LOOKS_LIKE]
        if not places:
            return []
        i = pick(places, rng)
        parts[i] = LOOKS_LIKE.get(parts[i]) or LOOKS_LIKE[parts[i].lower()]
        return ["".join(parts)]


@dataclass(frozen=True)
class KeyboardLetter:
    """A letter becomes one that lies beside it on the keyboard (QWERTY)."""

    def __call__(self, word: str, rng: np.random.Generator) -> list[str]:
        parts = letters(word)
        places = [i for i, part in enumerate(parts) if part.lower() in NEAR_KEYS]
        if not places:
            return []
        i = pick(places, rng)
        parts[i] = in_case_of(parts[i], pick(near_letters(parts[i]), rng))
        return ["".join(parts)]


@dataclass(frozen=True)
class Typos:
    """Every letter slips with the chance `rate`: a key beside it, doubled, left out, or swapped with the next.

    >>> Typos(rate=0.1)("understanding", np.random.default_rng(14))
    ['understandig']
    """

    rate: float

    def __call__(self, word: str, rng: np.random.Generator) -> list[str]:
        parts = letters(word)
        for i in np.flatnonzero(rng.random(len(parts)) < self.rate)[::-1]:
            slip = pick(("beside", "doubled", "left out", "swapped"), rng)
            if slip == "beside" and parts[i].lower() in NEAR_KEYS:
                parts[i] = in_case_of(parts[i], pick(near_letters(parts[i]), rng))
            elif slip == "doubled":
                parts[i] *= 2
            elif slip == "left out" and len(parts) > 1:
                del parts[i]
            elif slip == "swapped" and i + 1 < len(parts):
                parts[i], parts[i + 1] = parts[i + 1], parts[i]
        slipped = "".join(parts)
        return [slipped] if slipped != word else []


def near_letters(key: str) -> str:
    """The keys beside this one: letters beside letters."""
    near = NEAR_KEYS[key.lower()]
    return "".join(other for other in near if other.isalpha() == key.isalpha()) or near


def pick(choices: Sequence[Choice], rng: np.random.Generator) -> Choice:
    """One of them; far faster than the generator's own `choice`."""
    return choices[int(rng.random() * len(choices))]
