"""Which texts of an audit belong together? Those of one group, and those that are the same text again."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from trusteq.groups import Groups, count_of, groups_for
from trusteq.kinds.text import Text


class Grouped(NamedTuple):
    """The texts' groups, and what there is to say of them."""

    codes: Groups = None
    groups: int | None = None  # None where none were given
    duplicates: int = 0  # texts that are in a group as they are there already
    apart: int = 0  # that are there already, but in another group: these count again


def grouped(texts: Sequence[Text], groups: Any = None) -> Grouped:
    """Without groups a text and its repetitions are one; with them a text that comes in two groups counts in both.

    >>> grouped(["good", "bad", "good"])
    Grouped(codes=array([0, 1, 0]), groups=None, duplicates=1, apart=0)
    >>> grouped(["good", "good", "good"], ["a", "a", "b"])
    Grouped(codes=array([0, 0, 1]), groups=2, duplicates=1, apart=1)
    """
    codes = groups_for(groups, "texts", texts)
    first: dict[Text, int] = {}
    same = np.array([first.setdefault(text, len(first)) for text in texts])
    repeated = len(texts) - len(first)
    if codes is None:
        return Grouped(same if repeated else None, None, repeated)
    alike = len(set(zip(same.tolist(), codes.tolist(), strict=True)))
    return Grouped(codes, count_of(codes), len(texts) - alike, alike - len(first))
