"""A second head, fitted to the reference: what both say of the target, after the same repair of each, is seldom wrong.

Linear discriminants from a few thousand labelled rows of the reference; the model was fitted to others. How often two
heads that were fitted to different rows agree is about how often either is right (Jiang et al. 2022, "Assessing
generalization of SGD via disagreement"), so it shows without labels whether a repair made the model better.
"""

from dataclasses import replace

import numpy as np

from gapscope.core.chunk import Chunk
from gapscope.probes.discriminant import Discriminant
from gapscope.probes.lda import shrunk
from gapscope.probes.model import Classifier
from gapscope.probes.rules.linear import Linear
from gapscope.probes.training import best_temperature
from gapscope.repairs.seen import prepared
from gapscope.summaries import LabelledMoments
from gapscope.summaries.shrinkage import oas_share


def second_head(model: Classifier, reference: Chunk) -> Classifier:
    """The discriminants of labelled rows, for features as `model` sees them; each half is scored by the other, for the
    temperature.
    """
    seen = reference._replace(x=prepared(model, reference.x), weight=None)
    y, k = reference.y, len(model.class_names)
    half = np.arange(len(y)) % 2 == 0
    scores = np.empty((len(y), k))
    for rows in (half, ~half):
        scores[rows] = _discriminants(seen.take(~rows), k).scores(seen.x[rows])
    known = np.isin(y, np.intersect1d(y[half], y[~half]))
    temperature = 1 / best_temperature(scores[known], y[known])
    return replace(model, name="lda", rule=_discriminants(seen, k), temperature=temperature)


def _discriminants(rows: Chunk, k: int) -> Linear:
    """Linear discriminants of labelled rows, with one covariance within classes, drawn towards a sphere."""
    moments = LabelledMoments.of(rows, k)
    discriminant = Discriminant.of(moments)
    share = oas_share(moments.within_covariance(), moments.total.n)
    weight, bias = discriminant.solve(shrunk(discriminant.eigenvalues, share))
    return Linear.over_all(weight.T, bias, moments.present, k)
