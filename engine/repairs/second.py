"""A second head, fitted to the reference: what both say of the target, after the same repair of each, is seldom wrong.

Linear discriminants from a few thousand labelled rows of the reference; the model was fitted to others. How often two
heads that were fitted to different rows agree is about how often either is right (Jiang et al. 2022, "Assessing
generalization of SGD via disagreement"), so it shows without labels whether a repair made the model better.
"""

from dataclasses import replace

import numpy as np

from gapscope.core.chunk import Chunk
from gapscope.probes.model import Classifier
from gapscope.probes.rules.linear import NEVER, Linear
from gapscope.probes.training import best_temperature
from gapscope.repairs.seen import prepared
from gapscope.summaries.shrinkage import oas_share, shrunk

Array = np.ndarray


def second_head(model: Classifier, reference: Chunk) -> Classifier:
    """The discriminants of labelled rows, for features as `model` sees them; each half is scored by the other, for the
    temperature.
    """
    z, y = prepared(model, reference.x).astype(np.float64), reference.y
    k = len(model.class_names)
    half = np.arange(len(y)) % 2 == 0
    scores = np.empty((len(y), k))
    for rows in (half, ~half):
        scores[rows] = _discriminants(z[~rows], y[~rows], k).scores(z[rows])
    known = np.isin(y, np.intersect1d(y[half], y[~half]))
    temperature = 1 / best_temperature(scores[known], y[known])
    return replace(model, name="lda", rule=_discriminants(z, y, k), temperature=temperature)


def _discriminants(z: Array, y: Array, k: int) -> Linear:
    """Linear discriminants of ``z : (n, d)`` with one covariance within classes, drawn towards a sphere."""
    count = np.bincount(y, minlength=k)
    member = np.zeros((k, len(y)))
    member[y, np.arange(len(y))] = 1
    mean = member @ z / np.maximum(count, 1)[:, None]
    inside = z - mean[y]
    within = inside.T @ inside / max(len(z), 1)
    share = oas_share(within, len(z))
    weight = np.linalg.lstsq(shrunk(within, share), mean.T, rcond=None)[0].T
    bias = np.log(np.maximum(count, 1) / max(len(y), 1)) - 0.5 * (weight * mean).sum(axis=1)
    bias[count == 0] = NEVER
    return Linear(weight.astype(np.float32), bias.astype(np.float32))
