"""p-values of many tests, corrected for their number."""

from collections.abc import Callable, Mapping

import numpy as np


def _bonferroni(p: np.ndarray) -> np.ndarray:
    return np.minimum(p * p.size, 1.0)


def _holm(p: np.ndarray) -> np.ndarray:
    order = np.argsort(p, kind="stable")
    stepped = np.maximum.accumulate(p[order] * np.arange(p.size, 0, -1))
    corrected = np.empty(p.size)
    corrected[order] = np.minimum(stepped, 1.0)
    return corrected


def _false_discovery(p: np.ndarray) -> np.ndarray:
    order = np.argsort(p, kind="stable")[::-1]
    stepped = np.minimum.accumulate(p[order] * p.size / np.arange(p.size, 0, -1))
    corrected = np.empty(p.size)
    corrected[order] = np.minimum(stepped, 1.0)
    return corrected


def _under_dependence(p: np.ndarray) -> np.ndarray:
    return np.minimum(_false_discovery(p) * (1 / np.arange(1, p.size + 1)).sum(), 1.0)


CORRECTIONS: Mapping[str, Callable[[np.ndarray], np.ndarray]] = {
    "bh": _false_discovery,
    "by": _under_dependence,
    "holm": _holm,
    "bonferroni": _bonferroni,
}


def adjusted(p: np.ndarray, method: str = "bh") -> np.ndarray:
    """Adjusted p-values ``(m,)``: those at or below a level are the discoveries at that level.

    ``bh`` (Benjamini and Hochberg 1995) bounds the share of false discoveries, ``by`` does so under any dependence;
    ``holm`` and ``bonferroni`` bound the probability of a single one.
    """
    p = np.asarray(p, np.float64)
    return CORRECTIONS[method](p) if p.size else p
