"""Whether models lost their accuracy on the same images or each on images of its own.

Two extremes follow from the predictions on the reference. Each model may turn wrong on images of its own, drawn at
random among those that it classified correctly, independently of the others; or all models may turn wrong on the same
images. Of two models that both classified a share J of the images correctly and keep shares k and l of their correct
predictions, both stay correct for ``J k l`` in the first case and ``J min(k, l)`` in the second. The target lies
somewhere on this scale.
"""

from collections.abc import Iterator
from itertools import combinations
from typing import Any

import numpy as np

from gapscope.inference.bootstrap import BLOCK, interval_of, resampled_sums
from gapscope.studies.replication.predictions import SetPredictions


def sharing_section(
    reference: SetPredictions, target: SetPredictions, seed: int, replicates: int
) -> dict[str, Any] | None:
    """Where the target lies between losses of each model's own (0) and losses in common (1), and how many models would
    be right about an image in the first case; None where a model has gained.
    """
    if (target.accuracy >= reference.accuracy).any() or not target.accuracy.all():
        return None
    drawn = [_joint(one, seed, replicates) for one in (reference, target)]
    whole = [_whole(one) for one in (reference, target)]
    alone = thinned(reference.correct, target.accuracy / reference.accuracy)
    return {
        "shared": float(scale(*whole)[0]),
        "shared_interval": interval_of(scale(*drawn)),
        "alone": alone,
        "alone_none_right": float(alone[0]),
        "alone_all_right": float(alone[-1]),
    }


def thinned(right: np.ndarray, keep: np.ndarray) -> np.ndarray:
    """Shares ``(m + 1,)`` of images by the number of models still right, if each of ``right : (n, m)`` stays right with
    probability ``keep : (m,)``, independently.
    """
    return sum(_thinned(right[rows], keep) for rows in _blocks(len(right))) / len(right)


def _thinned(right: np.ndarray, keep: np.ndarray) -> np.ndarray:
    images, models = right.shape
    law = np.zeros((models + 1, images))
    law[0] = 1
    for model, stays in enumerate(keep):
        chance = np.where(right[:, model], stays, 0.0)
        law[1 : model + 2] = law[1 : model + 2] * (1 - chance) + law[: model + 1] * chance
        law[0] *= 1 - chance
    return law.sum(axis=1)


def scale(reference: tuple[np.ndarray, np.ndarray], target: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    """Place between 0 and 1, ``(b,)``, from accuracies ``(b, m)`` and joint accuracies ``(b, pairs)`` of both sets."""
    (accuracy, joint), (after, kept) = reference, target
    stays = after / accuracy
    one, two = np.triu_indices(accuracy.shape[1], 1)
    alone = joint * stays[:, one] * stays[:, two]
    together = joint * np.minimum(stays[:, one], stays[:, two])
    return (kept - alone).mean(axis=1) / (together - alone).mean(axis=1)


def _columns(right: np.ndarray) -> np.ndarray:
    """Ones, correct predictions of each model, and of each pair; ``(n, 1 + m + pairs) bool``."""
    pairs = [right[:, one] & right[:, two] for one, two in combinations(range(right.shape[1]), 2)]
    return np.column_stack([np.ones(len(right), bool), right, *pairs])


def _blocks(rows: int) -> Iterator[slice]:
    """Of so many images, runs whose columns fit into memory."""
    return (slice(start, start + BLOCK) for start in range(0, rows, BLOCK))


def _parts(sums: np.ndarray, models: int) -> tuple[np.ndarray, np.ndarray]:
    shares = sums[:, 1:] / sums[:, :1]
    return shares[:, :models], shares[:, models:]


def _whole(predictions: SetPredictions) -> tuple[np.ndarray, np.ndarray]:
    blocks = (_columns(predictions.correct[rows]).sum(axis=0, dtype=np.float64) for rows in _blocks(predictions.n))
    return _parts(sum(blocks)[None], len(predictions.models))


def _joint(predictions: SetPredictions, seed: int, replicates: int) -> tuple[np.ndarray, np.ndarray]:
    blocks = (
        resampled_sums(predictions.sample_id[rows], _columns(predictions.correct[rows]), seed, replicates)
        for rows in _blocks(predictions.n)
    )
    return _parts(sum(blocks), len(predictions.models))
