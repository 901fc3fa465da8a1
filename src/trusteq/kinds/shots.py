"""The solved examples that stand before a question: what each is called, and which are left without some of them."""

from collections.abc import Collection, Sequence

from trusteq.kinds.text import Text, parts_of

LONGEST = 60  # characters of a shot's name


class Shots:
    """The units of a prompt with shots.

    >>> shots = Shots([("a good film", "positive"), ("dull", "negative")])
    >>> shots.names
    ['1. a good film → positive', '2. dull → negative']
    >>> shots.left({1}, gaps=False)
    [('dull', 'negative')]
    """

    def __init__(self, shots: Sequence[tuple[Text, str]]):
        self.shots = [(text, label) for text, label in shots]
        self.names = [f"{i}. {named(text)} → {named(label)}" for i, (text, label) in enumerate(self.shots, 1)]

    def left(self, kept: Collection[int], gaps: bool) -> list[tuple[Text, str]]:
        """Those that are kept, in their order; nothing stands for the others."""
        return [shot for place, shot in enumerate(self.shots) if place in kept]


def named(text: Text) -> str:
    line = " / ".join(" ".join(part.split()) for part in parts_of(text))
    return line if len(line) <= LONGEST else f"{line[: LONGEST - 1]}…"
