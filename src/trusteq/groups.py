"""What belongs together (the questions on one passage, the sentences of one user, a repeated text) counts together.

Rows of a group are alike, so that many of them tell less than as many independent ones: intervals count groups."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from scipy.special import ndtri, stdtrit

from trusteq.arrays import Arrays, as_entries, as_rows, check_labels, take

Groups = np.ndarray | None  # of every row the number of its group, from 0; None where every row stands alone
NO_SPREAD = 1e9  # standard errors: with hardly more than one group nothing is known of the spread


def read_groups(values: Any) -> np.ndarray:
    """What belongs together, as it is given: a string or a whole number for every example.

    >>> read_groups(["passage 1", "passage 1", None])
    Traceback (most recent call last):
    ValueError: groups are missing for 1 of 3 examples, the first in row 2: give every example one, or none at all
    """
    entries = list(as_entries("groups", values, "a group (a string or a whole number)"))
    if missing := [row for row, value in enumerate(entries) if is_missing(value)]:
        where = f"groups are missing for {len(missing):,} of {len(entries):,} examples, the first in row {missing[0]}"
        raise ValueError(f"{where}: give every example one, or none at all")
    return check_labels("groups", as_rows("groups", entries))


def take_with_groups(inputs: dict[str, Any], groups: Any, read: Callable[[str, Any], np.ndarray]) -> Arrays:
    """Every argument as an array, the groups among them where they are given."""
    if groups is None:
        return take(inputs, read)
    return take(
        inputs | {"groups": groups},
        lambda name, values: read_groups(values) if name == "groups" else read(name, values),
    )


def is_missing(value: Any) -> bool:
    """
    >>> is_missing(None), is_missing(float("nan")), is_missing(""), is_missing(0), is_missing("0")
    (True, True, True, False, False)
    """
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return True
    return value == "" if isinstance(value, str) else isinstance(value, float | np.floating) and value != value


def codes_of(groups: Any) -> np.ndarray:
    """Groups as numbers from 0, in the order in which they come, so that their names have no influence.

    >>> codes_of(["b", "a", "b", "c"]).tolist()
    [0, 1, 0, 2]
    """
    seen: dict[Any, int] = {}
    values = groups.tolist() if isinstance(groups, np.ndarray) else groups
    return np.array([seen.setdefault(group, len(seen)) for group in values], dtype=np.intp)


def groups_for(values: Any, what: str, examples: Any) -> Groups:
    """The groups of so many texts or images, as numbers; None where none are given."""
    if values is None:
        return None
    groups = read_groups(values)
    if len(groups) != len(examples):
        counts = f"{what} has {len(examples)}, groups has {len(groups)}"
        raise ValueError(f"all arguments need one entry per example, but {counts}")
    return codes_of(groups)


def some_of(groups: Groups, rows: Any) -> Groups:
    return None if groups is None else codes_of(groups[np.asarray(rows, dtype=None if len(rows) else np.intp)])


def count_of(groups: Groups) -> int | None:
    return None if groups is None else len(np.unique(groups))


def units_of(groups: np.ndarray, held: np.ndarray | None = None) -> float:
    """How many groups of equal size (by the rows, or by what of a figure's whole they hold) are worth as much.

    >>> units_of(np.array([0, 0, 1, 1])), round(units_of(np.array([0, 0, 0, 0, 0, 0, 1, 2])), 2)
    (2.0, 1.68)
    """
    sizes = np.bincount(groups, held)
    return float(sizes.sum() ** 2 / max((sizes**2).sum(), 1e-300))


def together_of(groups: np.ndarray, held: np.ndarray) -> float:
    """How many of what is held come together in a group, met at random; 1 where nothing is.

    >>> together_of(np.array([0, 0, 0, 0, 1]), np.array([1, 1, 1, 0, 1])), together_of(np.array([0, 0]), np.zeros(2))
    (2.5, 1.0)
    """
    return float(held.sum()) / units_of(groups, held) if held.any() else 1.0


class Design(NamedTuple):
    """What groups do to an interval: so many rows tell as much as one that stands alone, and of how many groups the
    spread is known (less one: the degrees of freedom of Student's t)."""

    effect: float = 1.0
    freedom: float = np.inf

    def alone(self, rows: float) -> float:
        """So many rows as a number of rows that stand alone.

        >>> Design(effect=2.0).alone(10)
        5.0
        """
        return rows if self.effect == 1 else rows / self.effect

    def quantile(self, level: float, freedom: float = np.inf) -> float:
        """How many standard errors a two-sided interval of this level reaches, from so many degrees or fewer.

        >>> round(ALONE.quantile(0.95), 3), round(ALONE.quantile(0.95, freedom=9), 3)
        (1.96, 2.262)
        """
        freedom = min(self.freedom, freedom)
        if np.isinf(freedom):
            return float(ndtri((1 + level) / 2))
        return float(stdtrit(freedom, (1 + level) / 2)) if freedom >= 0.5 else NO_SPREAD


ALONE = Design()


def design(deviations: np.ndarray, groups: Groups, held: np.ndarray | None = None) -> Design:
    """The design effect of a figure: its variance over groups against that over rows, never below 1.

    `deviations` say how far each row moves the figure (they sum to 0), `held` what of the figure's whole it is: 1 for a
    mean, of a share of errors 1 for an error and 0 for the rest. A group that holds much of the whole has pulled the
    figure to itself, and counts for more. One more group joins that is wholly alike, since of a few groups that look
    independent little is known. Rows that are repeated three times with their groups have the effect 3.

    >>> values = np.array([1, 1, 0, 0, 1, 1, 0, 0.0])
    >>> design(values - 0.5, np.arange(8) // 2), design(values - 0.5, np.arange(8))
    (Design(effect=2.0, freedom=3.0), Design(effect=1.0, freedom=7.0))
    """
    if groups is None:
        return ALONE
    held = np.ones(len(groups)) if held is None else held.astype(np.float64)
    sums, sizes = np.bincount(groups, deviations), np.bincount(groups, held)
    whole = sizes.sum()
    if not whole:
        return Design(freedom=0.0)
    share, together = sizes / whole, together_of(groups, held)
    rest = np.where(share < 1, 1 - share, 1.0)
    among_groups = (sums**2 / rest).sum() * (1 - (share**2).sum())
    among_rows = (deviations**2).sum()
    one = among_rows / whole
    effect = (among_groups + together**2 * one) / (among_rows + together * one) if one > 0 else together
    return Design(float(max(1.0, effect)), units_of(groups, held) - 1)
