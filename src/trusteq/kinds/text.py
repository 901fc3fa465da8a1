"""Texts, and pairs of texts: their units are words, which can be found, left out and replaced.

Explainers see a text as a line of whitespace words (`word_places`), of which each can be left out (`without`); attacks
see the words of letters in it (`Draft`), of which each can be left out or replaced.
"""

import re
import unicodedata
from collections.abc import Iterable, Sequence
from functools import lru_cache
from itertools import chain, pairwise
from typing import Any

import numpy as np

from trusteq.checks import brief, check_characters

Text = str | tuple[str, str]
PIECE = 2**22  # characters of the variants of a text that are asked about, or tokenized, at a time

# What comes in.


def check_texts(name: str, texts: Any) -> None:
    """A list of strings, or of pairs of strings; not both."""
    if isinstance(texts, str) or not isinstance(texts, Sequence) or len(texts) == 0:
        raise ValueError(f"{name} needs a list of texts, or of pairs of texts, got {type(texts).__name__}")
    pair = isinstance(texts[0], tuple)
    for i, text in enumerate(texts):
        parts = text if pair and isinstance(text, tuple) and len(text) == 2 else (text,)
        if len(parts) != (2 if pair else 1) or not all(isinstance(part, str) for part in parts):
            kind = "a pair of strings, as the first one is" if pair else "a string"
            raise ValueError(f"{name}[{i}] must be {kind}, got {brief(text)}")
        for part in parts:
            check_characters(f"{name}[{i}]", part)


def split_pairs(texts: Sequence[Text]) -> tuple[list[str], list[str] | None]:
    if isinstance(texts[0], tuple):
        return [text[0] for text in texts], [text[1] for text in texts]
    return [str(text) for text in texts], None


def as_list(name: str, values: Any) -> list[Any]:
    """A list, NumPy array, torch tensor, or a column of pandas, Arrow or datasets as a list."""
    given = type(values).__name__
    try:
        for method in ("to_pylist", "tolist"):
            values = getattr(values, method)() if hasattr(values, method) else values
        if not isinstance(values, str | bytes | dict | set):
            return list(values)
    except Exception:  # what cannot be gone through, or is on no device
        pass
    raise ValueError(f"{name} needs a list with one entry per text, got {given}")


def as_texts(name: str, values: Any) -> list[Any]:
    """Texts as a list; a pair may also come as a list of two, as it does from JSON and from Arrow.

    >>> as_texts("texts", [["a question", "its answer"], ("another", "one")])
    [('a question', 'its answer'), ('another', 'one')]
    """
    texts = [text.tolist() if isinstance(text, np.ndarray) else text for text in as_list(name, values)]
    return [tuple(text) if is_pair(text) else text for text in texts]


def is_pair(text: Any) -> bool:
    return isinstance(text, list) and len(text) == 2 and all(isinstance(part, str) for part in text)


def parts_of(text: Text) -> tuple[str, ...]:
    return (text,) if isinstance(text, str) else text


def is_blank(text: Text) -> bool:
    return not all(part.strip() for part in parts_of(text))


def check_not_blank(texts: Sequence[Text], indices: Iterable[int]) -> None:
    for i in indices:
        if is_blank(texts[i]):
            raise ValueError(f"texts[{i}] is empty or blank")


PRIVATE = (range(0xE000, 0xF900), range(0xF0000, 0x110000))  # characters without a meaning, neither letter nor space

# A pair of texts is one line to the explainers, with a boundary that no perturbation removes.


def one_line(text: Text) -> tuple[str, str]:
    """The text, or both texts of a pair around a boundary, and the boundary: a character that the texts do not have."""
    present = set(chain.from_iterable(text))
    boundary = next((chr(code) for code in chain(*PRIVATE) if chr(code) not in present), None)
    if boundary is None:
        raise ValueError("the text has every private-use character of Unicode, so none is left to mark its boundary")
    if isinstance(text, Question):
        return text[0], boundary
    return (text if isinstance(text, str) else boundary.join(text)), boundary


def whole(text: Text, lines: Iterable[str], boundary: str, strip: bool = False) -> list[Text]:
    """The texts that changed lines of this one stand for; the options of a question stay.

    >>> whole(Question.of("What purrs?", ["a cat", "a dog"]), ["purrs?"], "|")
    [('purrs?', 'a cat\\na dog')]
    """
    if isinstance(text, str):
        return list(lines)
    if isinstance(text, Question):
        return [(line.strip() if strip else line, text[1]) for line in lines]
    return [split(line, boundary, strip) for line in lines]


def changeable(text: Text) -> tuple[str, ...]:
    """The parts whose words explanations and attacks may take."""
    return text[:1] if isinstance(text, Question) else parts_of(text)


class Question(tuple[str, str]):
    """A question and its options, a line each: explanations take words from the question alone.

    >>> Question.of("What purrs?", ["a cat", "a dog"])
    ('What purrs?', 'a cat\\na dog')
    """

    @classmethod
    def of(cls, question: str, options: Sequence[str]) -> "Question":
        return cls((question, "\n".join(" ".join(option.split()) for option in options)))


def options_of(question: Text) -> list[str]:
    return question[1].split("\n")


def split(line: str, boundary: str, strip: bool = False) -> tuple[str, str]:
    """The pair that a line stands for.

    >>> split("A man sleeps.| Nobody is awake.", "|", strip=True)
    ('A man sleeps.', 'Nobody is awake.')
    """
    first, _, second = line.partition(boundary)
    return (first.strip(), second.strip()) if strip else (first, second)


class WordTokenizer:
    """Whitespace words, each with the space before it, and the boundary, in the form that shap's maskers ask for.

    Space in front rather than behind keeps `...` apart from the next word when the one before it is masked.
    shap never masks what equals `sep_token`.

    >>> WordTokenizer("|")("A man  sleeps.|He dreams. ")["input_ids"]
    ['A', ' man', '  sleeps.', '|', 'He', ' dreams. ']
    """

    def __init__(self, boundary: str):
        self.sep_token = self.sep_token_id = boundary
        end = re.escape(boundary)
        self.pattern = re.compile(rf"{end}|(?<!\s)\s*+[^\s{end}]++(?:\s++(?={end}|\Z))?")

    def __call__(self, line: str, return_offsets_mapping: bool = True) -> dict[str, Any]:
        found = list(self.pattern.finditer(line))
        return {"input_ids": [match.group() for match in found], "offset_mapping": [match.span() for match in found]}


def word_places(line: str, boundary: str) -> list[tuple[int, int]]:
    """Where the whitespace words of a line are, each with the space before it.

    >>> line = "A man sleeps.|He dreams. "
    >>> [line[start:end] for start, end in word_places(line, "|")]
    ['A', ' man', ' sleeps.', 'He', ' dreams. ']
    """
    spans = [match.span() for match in WordTokenizer(boundary).pattern.finditer(line)]
    return [(start, end) for start, end in spans if line[start:end] != boundary]


def without(line: str, place: tuple[int, int]) -> str:
    """A line from which one word is left out; all else in it stays as it is.

    >>> without("a good, long film", (1, 7))
    'a long film'
    """
    return (line[: place[0]] + line[place[1] :]).strip()


# Words of letters, which attacks replace.

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
