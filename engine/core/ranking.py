"""The likeliest classes of a row, from its scores."""

import numpy as np

from gapscope.schemas.predictions import TOP


def best_classes(scores: np.ndarray, count: int = TOP) -> np.ndarray:
    """The `count` classes with the highest of ``scores : (n, k)``, best first, lower index first among equals."""
    count = min(count, scores.shape[1])
    rows = np.arange(len(scores))[:, None]
    top = np.sort(np.argpartition(-scores, count - 1, axis=1)[:, :count], axis=1)
    top = top[rows, np.argsort(-scores[rows, top], axis=1, kind="stable")]
    last = scores[rows[:, 0], top[:, -1]]
    tied = np.count_nonzero(scores >= last[:, None], axis=1) > count  # a partition takes any of the equals
    top[tied] = np.argsort(-scores[tied], axis=1, kind="stable")[:, :count]
    return top.astype(np.int32)
