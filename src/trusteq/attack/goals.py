"""What an attack wants of the model: any wrong class, or one class of its choice."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Untargeted:
    """The model no longer says the gold class.

    >>> rows = np.array([[0.25, 0.75], [0.5, 0.5]])
    >>> Untargeted().reached(rows, label=1).tolist(), Untargeted().score(rows, label=1).tolist()
    ([False, True], [0.25, 0.5])
    """

    def possible(self, label: int) -> bool:
        return True

    def reached(self, rows: np.ndarray, label: int) -> np.ndarray:
        return rows.argmax(axis=1) != label

    def score(self, rows: np.ndarray, label: int) -> np.ndarray:
        """How near each text comes, from 0 to 1."""
        return 1 - rows[:, label]


@dataclass(frozen=True)
class Targeted:
    """The model says this class; an example of the class itself cannot be led there, and withstands.

    >>> Targeted(0).reached(np.array([[0.25, 0.75], [0.5, 0.5]]), label=1).tolist()
    [False, True]
    """

    target: int

    def possible(self, label: int) -> bool:
        return label != self.target

    def reached(self, rows: np.ndarray, label: int) -> np.ndarray:
        return rows.argmax(axis=1) == self.target

    def score(self, rows: np.ndarray, label: int) -> np.ndarray:
        return rows[:, self.target]


Goal = Untargeted | Targeted
