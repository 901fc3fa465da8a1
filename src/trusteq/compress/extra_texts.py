"""Which texts without labels does a student also learn from? They are read from files and data sets.

What is left out is counted. A text that the student will be judged by is left out, also where it only shares eight
words in a row with one."""

import os
import random
import re
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from trusteq.kinds.text import Text, is_blank, parts_of
from trusteq.records.labelled_texts import read_columns

IN_A_ROW = 8  # words: fewer are shared by chance


@dataclass
class Counts:
    """What became of the texts that were read."""

    read: int = 0
    blank: int = 0
    repeated: int = 0
    in_training_data: int = 0
    in_evaluation_data: int = 0
    used: int = 0

    def __str__(self) -> str:
        left = {name.replace("_", " "): count for name, count in asdict(self).items() if name not in ("read", "used")}
        said = [f"{count:,} {name}" for name, count in left.items() if count]
        return f"{self.used:,} of {self.read:,} texts without labels are used" + (
            f"; left out: {', '.join(said)}" if said else ""
        )


def extra_texts(
    sources: Sequence[str],
    columns: Sequence[str],
    split: str,
    pairs: bool,
    training: Sequence[Text],
    judged: Sequence[Text],
) -> tuple[list[Text], Counts]:
    """The texts of all sources that are new and not those that the model will be judged by."""
    counts, found = Counts(), []
    taught, seen, apart = set(map(words, training)), set(), Apart(judged)
    for text in (text for source in sources for text in texts_of(source, columns, split, pairs)):
        counts.read += 1
        key = words(text)
        if is_blank(text) or not key:
            counts.blank += 1
        elif key in seen:
            counts.repeated += 1
        elif key in taught:
            counts.in_training_data += 1
        elif apart.holds(text):
            counts.in_evaluation_data += 1
        else:
            found.append(text)
        seen.add(key)
    counts.used = len(found)
    if not found:
        raise ValueError(f"`text_only` leaves no text to learn from: {counts}")
    return found, counts


def texts_of(source: str, columns: Sequence[str], split: str, pairs: bool) -> list[Text]:
    """Each line of a txt file; each text of those of the columns that a table has."""
    path = Path(os.path.expanduser(source))
    if path.suffix.lower() == ".txt":
        if pairs:
            raise ValueError(f"{source} holds single texts, but pairs are learned: give a file with two columns")
        try:
            return [line.strip() for line in path.read_text(encoding="utf-8-sig").splitlines() if line.strip()]
        except (OSError, UnicodeDecodeError) as error:
            why = "it is not text in UTF-8" if isinstance(error, UnicodeDecodeError) else error.strerror
            raise ValueError(f"{source} could not be read as txt: {why}") from None
    table, _ = read_columns(source, split)
    there = [name for name in columns if name in table]
    if not there or (pairs and len(there) != 2):
        wanted = " and ".join(columns) if pairs else " or ".join(columns)
        raise ValueError(
            f"{source} has no column {wanted}; its columns are {', '.join(table)}: name them by `text_only_columns`"
        )
    rows: Iterable[Any]
    rows = zip(*(table[name] for name in there), strict=True) if pairs else (v for name in there for v in table[name])
    return [tuple(map(str, row)) if pairs else str(row) for row in rows if row is not None]  # type: ignore[misc]


class Apart:
    """Whether a text is one of these, or shares eight words in a row with one of them.

    >>> apart = Apart(["A fine film!", "one of those films in which nothing at all goes right"])
    >>> apart.holds("a fine film"), apart.holds("a fine, fine film")
    (True, False)
    >>> apart.holds("He wrote: one of those films in which nothing at all ...")
    True
    """

    def __init__(self, texts: Sequence[Text]):
        self.whole = set(map(words, texts))
        self.rows = {row for text in texts if isinstance(text, str) for row in rows_of(words(text))}

    def holds(self, text: Text) -> bool:
        key = words(text)
        return key in self.whole or (isinstance(text, str) and any(row in self.rows for row in rows_of(key)))


def words(text: Text) -> str:
    """A text as it is compared: its letters and digits in lower case; of a pair, in whichever order.

    >>> words("It's FINE , really ."), words(("B b", "a")) == words(("a", "b B"))
    ('it s fine really', True)
    """
    return " / ".join(sorted(" ".join(re.findall(r"\w+", part.casefold())) for part in parts_of(text)))


def rows_of(key: str) -> Iterable[str]:
    parts = key.split()
    return (" ".join(parts[i : i + IN_A_ROW]) for i in range(len(parts) - IN_A_ROW + 1))


def perturbed(texts: Sequence[Text], count: int, share: float, seed: int) -> list[Text]:
    """So many of the texts, drawn anew, with this share of their words each taken from another text.

    >>> (text,) = perturbed(["a b c d"], 1, 0.25, seed=1)
    >>> len(text.split()), sum(new != old for new, old in zip(text.split(), "abcd", strict=True)) <= 1
    (4, True)
    """
    chance = random.Random(seed)
    pool = [word for text in texts for part in parts_of(text) for word in part.split()] or [""]

    def altered(part: str) -> str:
        own = part.split()
        for place in chance.sample(range(len(own)), max(1, round(share * len(own))) if own else 0):
            own[place] = chance.choice(pool)
        return " ".join(own)

    drawn = chance.sample(range(len(texts)), min(count, len(texts)))
    return [
        tuple(map(altered, text)) if isinstance(text, tuple) else altered(text)  # type: ignore[misc]
        for text in (texts[i] for i in drawn)
    ]
