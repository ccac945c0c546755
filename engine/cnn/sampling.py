"""Which training images an epoch shows, in which order."""

from collections.abc import Callable, Mapping

import numpy as np

# Rows (n,), their labels (n,) and random numbers to the rows of an epoch, (n,).
Sampler = Callable[[np.ndarray, np.ndarray, np.random.Generator], np.ndarray]


def shuffled(rows: np.ndarray, labels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Each row once."""
    return rng.permutation(rows)


def balanced(rows: np.ndarray, labels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """As many rows, drawn with replacement: first a class, any alike, then one of its rows.

    >>> rows = balanced(np.arange(1000), np.arange(1000) // 900, np.random.default_rng(0))
    >>> len(rows), bool(abs((rows < 900).mean() - 0.5) < 0.1)
    (1000, True)
    """
    counts = np.bincount(labels)
    chance = 1 / counts[labels]
    return rng.choice(rows, len(rows), p=chance / chance.sum())


SAMPLERS: Mapping[str, Sampler] = {"shuffled": shuffled, "balanced": balanced}
