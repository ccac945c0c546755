"""The drop that classes share, and the classes that stand apart from it."""

import numpy as np
from scipy.special import chdtrc

from gapscope.gaps.classes import ClassDrops

Array = np.ndarray
LEVEL = 0.05


def standing_apart(drops: ClassDrops) -> Array:
    """Which classes ``(k,) bool`` do not share the drop of the others: none where all drops may be alike.

    The class farthest from the weighted mean of the others is set apart, one after another, until the drops of the rest
    may be alike (Cochran's Q). Where that takes more than half of the classes they have no drop in common, and none is
    set apart. Of two classes the one that moved farther from no drop at all is set apart.
    """
    apart = np.zeros(len(drops.raw), bool)
    tested = np.isfinite(drops.raw)
    if tested.sum() < 2 or drops.homogeneity_p > LEVEL:
        return apart
    for _ in range(int(tested.sum()) // 2):
        rest = tested & ~apart
        apart[_farthest(drops, rest)] = True
        rest = tested & ~apart
        if chdtrc(max(rest.sum() - 1, 1), _heterogeneity(drops, rest)) > LEVEL:
            return apart
    return np.zeros_like(apart)


def mean_drop(raw: Array, error: Array, spread: float) -> Array:
    """Mean of drops ``(..., k)`` with standard errors ``error : (k,)`` that spread beyond them; NaN is left out."""
    weight = np.isfinite(raw) / (error**2 + spread**2)
    total = weight.sum(axis=-1)
    return np.divide((weight * np.nan_to_num(raw)).sum(axis=-1), total, out=np.zeros_like(total), where=total > 0)


def _farthest(drops: ClassDrops, rest: Array) -> int:
    if rest.sum() == 2:
        return int(np.argmax(np.where(rest, np.abs(drops.raw), -1)))
    score = np.abs(drops.raw - mean_drop(drops.raw[rest], drops.error[rest], 0.0)) / drops.error
    return int(np.argmax(np.where(rest, score, -1)))


def _heterogeneity(drops: ClassDrops, rest: Array) -> float:
    raw, error = drops.raw[rest], drops.error[rest]
    return float((((raw - mean_drop(raw, error, 0.0)) / error) ** 2).sum())
