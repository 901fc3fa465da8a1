"""The sentences of a text, or of both texts of a pair: how they are found, and what a text is without some of them."""

import re
from collections.abc import Collection

from trusteq.kinds.text import Question, Text, changeable

CLOSING = r"\"'\u2019\u201d\xbb)\]\u300d\u300f\uff09"  # quotation marks and brackets
END = re.compile(
    rf"(?<![.!?\u2026])[.!?\u2026]++[{CLOSING}]*+(?=\s|$)|[\u3002\uff01\uff1f]+[{CLOSING}]*|(?=\n)"  # in linear time
)
BEFORE_A_NAME = re.compile(r"(?:^|[\s(\"'])(?:[A-HJ-Z]|Mr|Mrs|Ms|Dr|Prof|St|vs|e\.g|i\.e|cf)\.$")
VISIBLE = re.compile(r"\S")


class Sentences:
    """The units of a text; of a question those of the question alone.

    >>> sentences = Sentences("It is good. Is it? So Mr. X says.")
    >>> sentences.names
    ['It is good.', 'Is it?', 'So Mr. X says.']
    >>> sentences.left({0, 2}, gaps=False), sentences.left({0, 2}, gaps=True), sentences.left(set(), gaps=False)
    ('It is good. So Mr. X says.', 'It is good. ... So Mr. X says.', '')
    """

    def __init__(self, text: Text):
        self.text = text
        self.parts = [[part[start:end] for start, end in sentence_places(part)] for part in changeable(text)]
        self.names = [" ".join(piece.split()) for part in self.parts for piece in part]

    def left(self, kept: Collection[int], gaps: bool) -> Text:
        """The text with these sentences alone; with `gaps`, as SHAP masks, `...` stands for those that are gone."""
        if len(kept) == len(self.names):
            return self.text
        found, place = [], 0
        for part in self.parts:
            pieces: list[str] = []
            gone = False
            for piece in part:
                if place in kept:
                    pieces.append(piece)
                elif gaps and not gone:
                    pieces.append(" ...")
                gone = place not in kept
                place += 1
            found.append("".join(pieces).strip())
        if isinstance(self.text, str):
            return found[0]
        return (found[0], self.text[1]) if isinstance(self.text, Question) else (found[0], found[1])


def sentence_places(text: str) -> list[tuple[int, int]]:
    """Where the sentences are, each with the space before it; a line break ends one, too.

    A full stop before a small letter ends none, unless the whole text is in small letters.

    >>> [text[a:b] for text in ["It costs 3.50 (i.e. a lot). So?\\nYes"] for a, b in sentence_places(text)]
    ['It costs 3.50 (i.e. a lot).', ' So?', '\\nYes']
    >>> [text[a:b] for text in ["good . not bad . "] for a, b in sentence_places(text)]
    ['good .', ' not bad . ']
    """
    small = text == text.lower()
    found: list[tuple[int, int]] = []
    start = 0
    for match in END.finditer(text):
        end = match.end()
        following = VISIBLE.search(text, end)
        goes_on = following is not None and following[0].islower() and not small
        if match[0] and (goes_on or BEFORE_A_NAME.search(text, max(start, end - 8), end)):
            continue
        if text[start:end].strip():
            found.append((start, end))
            start = end
    if text[start:].strip():
        found.append((start, len(text)))
    elif found:
        found[-1] = found[-1][0], len(text)
    return found
