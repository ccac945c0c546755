"""How sure a classifier is of a row, beside the row's features."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

Array = np.ndarray
Change = Callable[[Array], Array]


COLUMNS = 3


@dataclass(frozen=True, eq=False)
class Sureness:
    """How sure a classifier is, in three columns: the best probability, the entropy, and the log odds of best against
    second; picklable.

    Attributes
    ----------
    probabilities
        Features ``(n, d)`` to ``(n, k)``.
    """

    probabilities: Change

    def __call__(self, x: Array) -> Array:
        """``(n, 3)`` float64; zeros for a single class."""
        return sureness(self.probabilities(x))


def sureness(probabilities: Array) -> Array:
    """The three columns ``(n, 3)`` of probabilities ``(n, k)``."""
    p = np.maximum(np.asarray(probabilities, np.float64), 1e-12)
    if p.shape[1] < 2:
        return np.zeros((len(p), COLUMNS))
    second, best = np.partition(p, p.shape[1] - 2, axis=1)[:, -2:].T
    return np.stack([best, -(p * np.log(p)).sum(axis=1), np.log(best / second)], axis=1)


@dataclass(frozen=True, eq=False)
class WithConfidence:
    """A change that sets beside the features how sure a classifier is; picklable.

    A model errs where it is unsure, and how sure it is is no linear function of features. A domain classifier that is
    to explain lost accuracy should see it.

    Attributes
    ----------
    probabilities
        Features ``(n, d)`` to ``(n, k)``.
    """

    probabilities: Change

    @staticmethod
    def emphasis(dim: int, columns: int = COLUMNS) -> Array:
        """The `emphasis` ``(dim + columns,)`` with which these count as much as all ``dim`` features together; else
        they drown among a thousand others.
        """
        return np.append(np.ones(dim), np.full(columns, np.sqrt(max(dim / columns, 1))))

    def __call__(self, x: Array) -> Array:
        """Features ``(n, d + 3)`` float32."""
        return np.concatenate([x, Sureness(self.probabilities)(x)], axis=1).astype(np.float32)
