"""How well margins or probabilities tell two sets apart."""

import numpy as np

from gapscope.inference import average_ranks

Array = np.ndarray
BINS = 15


def area_under_curve(reference: Array, target: Array) -> float:
    """How often a margin of the target is above one of the reference, ties counting half."""
    ranks = average_ranks(np.concatenate([reference, target]))
    m = len(target)
    return float((ranks[len(reference) :].sum() - m * (m + 1) / 2) / (len(reference) * m))


def balanced_accuracy(reference: Array, target: Array) -> float:
    """Mean of the shares of each set on its side of 0; a margin of 0 is half right."""
    return float(0.5 + (np.sign(target).mean() - np.sign(reference).mean()) / 4)


def calibration_error(reference: Array, target: Array, bins: int = BINS) -> float:
    """Expected calibration error of probabilities of being the target's, over right-closed bins of equal width."""
    probability = np.concatenate([reference, target])
    where = np.clip(np.ceil(probability * bins).astype(int) - 1, 0, bins - 1)
    promised = np.bincount(where, weights=probability, minlength=bins)
    kept = np.bincount(where[len(reference) :], minlength=bins)
    return float(np.abs(promised - kept).sum() / len(probability))
