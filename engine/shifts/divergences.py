"""How far two distributions over the same bins are apart; bins are the last axis."""

import numpy as np
from scipy.special import rel_entr


def jeffreys(counts: np.ndarray) -> np.ndarray:
    """Shares of ``counts : (…, b)``, each raised by one half, so that none is 0 (Jeffreys' prior)."""
    raised = counts + 0.5
    return raised / raised.sum(axis=-1, keepdims=True)


def population_stability(p: np.ndarray, q: np.ndarray) -> np.ndarray:
    """PSI, ``sum (q - p) ln(q / p)``, of positive shares; from 0 to infinity, in nats.

    >>> round(float(population_stability(np.full(4, 0.25), np.array([0.1, 0.2, 0.3, 0.4]))), 9)
    0.22821741
    """
    return ((q - p) * np.log(q / p)).sum(axis=-1)


def jensen_shannon(p: np.ndarray, q: np.ndarray) -> np.ndarray:
    """Root of the Jensen-Shannon divergence with base 2, a distance from 0 to 1.

    >>> round(float(jensen_shannon(np.full(4, 0.25), np.array([0.1, 0.2, 0.3, 0.4]))), 9)
    0.200503323
    """
    middle = (p + q) / 2
    total = (rel_entr(p, middle) + rel_entr(q, middle)).sum(axis=-1)
    return np.sqrt(np.maximum(total, 0.0) / (2 * np.log(2)))


def hellinger(p: np.ndarray, q: np.ndarray) -> np.ndarray:
    """Hellinger's distance, from 0 to 1.

    >>> round(float(hellinger(np.full(4, 0.25), np.array([0.1, 0.2, 0.3, 0.4]))), 9)
    0.167899596
    """
    return np.sqrt(np.square(np.sqrt(p) - np.sqrt(q)).sum(axis=-1) / 2)


def total_variation(p: np.ndarray, q: np.ndarray) -> np.ndarray:
    """Half the sum of absolute differences, from 0 to 1.

    >>> round(float(total_variation(np.full(4, 0.25), np.array([0.1, 0.2, 0.3, 0.4]))), 9)
    0.2
    """
    return np.abs(p - q).sum(axis=-1) / 2
