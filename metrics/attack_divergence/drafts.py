"""A text while it is being attacked: its words, what stands between them, and which words were changed."""

import re
import unicodedata
from collections.abc import Iterable
from functools import lru_cache
from itertools import pairwise

from .predictor import Text

WORD = re.compile(r"(?:w(?!m*e)m*)+(?:'+(?:w(?!m*e)m*)+)*")  # of the kinds of characters (see `kind`)


class Draft:
    """The words of a text, of which any may be replaced while all that stands between them stays as it is.

    Of a pair, only the text number `field` has words; the other one stays.

    >>> draft = Draft("It's good, really!")
    >>> draft.words
    ["It's", 'good', 'really']
    >>> draft.with_word(1, ["goood", "g ood"])
    ["It's goood, really!", "It's g ood, really!"]
    >>> draft.without([0, 1])
    ['good, really!', "It's , really!"]
    """

    def __init__(self, text: Text, field: int = 1):
        self.original = self.text = text
        self.field = None if isinstance(text, str) else field
        part = self.part(text)
        self.spans = word_spans(part)
        self.original_words = tuple(part[start:end] for start, end in self.spans)
        self.words = list(self.original_words)
        ends = [0, *(place for span in self.spans for place in span), len(part)]
        self.pieces = [part[start:end] for start, end in pairwise(ends)]  # gap, word, gap, ..., gap
        self.changed: set[int] = set()
        self.changeable = False  # whether any change was possible so far

    def part(self, text: Text) -> str:
        """Of a text, or of a pair, what may be changed."""
        return text if isinstance(text, str) else text[self.field or 0]

    def whole(self, part: str) -> Text:
        if self.field is None:
            return part
        return (part, self.original[1]) if self.field == 0 else (self.original[0], part)

    def with_word(self, index: int, replacements: Iterable[str]) -> list[Text]:
        """The text as it is now, with each of the replacements for one word."""
        before, after = "".join(self.pieces[: 2 * index + 1]), "".join(self.pieces[2 * index + 2 :])
        return [self.whole(before + word + after) for word in replacements]

    def without(self, indices: Iterable[int]) -> list[Text]:
        """The text as it is now, without each of the words; a blank beside it goes with it."""
        texts = []
        for index in indices:
            before, after = "".join(self.pieces[: 2 * index + 1]), "".join(self.pieces[2 * index + 2 :])
            if after[:1].isspace() and (not before or before[-1].isspace()):
                after = after[1:]
            elif not after:
                before = before.rstrip()
            texts.append(self.whole(before + after))
        return texts

    def replace(self, index: int, word: str) -> None:
        self.words[index] = self.pieces[2 * index + 1] = word
        self.changed.add(index)
        self.text = self.whole("".join(self.pieces))


def word_spans(text: str) -> list[tuple[int, int]]:
    """Where the words are: runs of letters and digits, with marks and joiners behind them and apostrophes inside.

    An emoji is no word, though it may hold marks, joiners and even a digit (a keycap's).

    >>> [text[a:b] for text in ("don't stop-me 2day…", "हिन्दी ist schön") for a, b in word_spans(text)]
    ["don't", 'stop', 'me', '2day', 'हिन्दी', 'ist', 'schön']
    >>> word_spans("\N{HEAVY BLACK HEART}\N{VARIATION SELECTOR-16}"), word_spans("1\N{COMBINING ENCLOSING KEYCAP}")
    ([], [])
    """
    kinds = "".join(map(kind, text))
    return [match.span() for match in WORD.finditer(kinds)]


@lru_cache(maxsize=10_000)
def kind(character: str) -> str:
    """w for letters and digits, m for what joins them, e for what makes emoji of them, ' for apostrophes; or blank."""
    if character in "'\N{RIGHT SINGLE QUOTATION MARK}":
        return "'"
    if character in "\N{VARIATION SELECTOR-16}\N{COMBINING ENCLOSING KEYCAP}":
        return "e"
    if character in "\N{ZERO WIDTH JOINER}\N{ZERO WIDTH NON-JOINER}":
        return "m"
    return {"L": "w", "N": "w", "M": "m"}.get(unicodedata.category(character)[0], " ")


def letters(word: str) -> list[str]:
    """The characters of a word as a reader counts them: a mark goes with the letter before it.

    >>> letters("scho\\u0308n") == ["s", "c", "h", "o\\u0308", "n"]
    True
    """
    if word.isascii():
        return list(word)
    found: list[str] = []
    for character in word:
        mark = unicodedata.category(character)[0] in "MC"  # or a joiner, which is of category C
        if found and (mark or found[-1].endswith("\N{ZERO WIDTH JOINER}")):
            found[-1] += character
        else:
            found.append(character)
    return found


def in_case_of(old: str, new: str) -> str:
    """The new word in capitals where the old one is, or with the old one's capital.

    >>> in_case_of("GOOD", "great"), in_case_of("Good", "great"), in_case_of("good", "great"), in_case_of("I", "we")
    ('GREAT', 'Great', 'great', 'We')
    """
    if old.isupper() and len(old) > 1:
        return new.upper()
    return new[:1].upper() + new[1:] if old[:1].isupper() else new
