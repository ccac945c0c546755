"""Nuclear norm: predictions that are sure and spread over all classes go with accuracy.

The norm is no accuracy; its fall from source to target counts as the fall of the accuracy.

References
----------
Deng et al. (2023), "Confidence and dispersity speak: characterising prediction matrix for unsupervised accuracy
estimation".
"""

from dataclasses import dataclass

import numpy as np

from gapscope.forecasts.forecast import Forecast, ForecastOptions
from gapscope.forecasts.resampled import bounds_of, resampled_means, seeds, shown
from gapscope.forecasts.scored import Scored

# Eigenvalues below this share of the largest are rounding.
TINY = 1e-9


@dataclass(frozen=True)
class NuclearNorm:
    """``accuracy(source) + norm(target) - norm(source)``, kept between 0 and 1."""

    needs: tuple[str, ...] = ("probabilities",)

    def estimate(self, source: Scored, target: Scored, options: ForecastOptions) -> Forecast:
        """See `Method`; the norms' part of the interval is of first order in the resampled rows."""
        first, second = seeds(options.seed)
        right = resampled_means(source.sample_id, source.right[:, None], first, options.replicates)[:, 0]
        before, after = _norms(source, first, options), _norms(target, second, options)
        value, *rest = np.clip(right + after - before, 0, 1)
        low, high = bounds_of(rest)
        sentence = f"the nuclear norm goes from {before[0]:.3f} on {source.name} to {after[0]:.3f}; if accuracy goes "
        sentence += f"with it, {shown(value, low, high)} of {target.name} is right"
        return Forecast("nuclear-norm", float(value), low, high, target.n, sentence)


def normalised(gram: np.ndarray) -> float:
    """``|P|_* / sqrt(n k)`` of a matrix ``P : (n, k)`` from ``gram = P^T P / n``, between 0 and 1."""
    values = np.linalg.eigvalsh(gram)
    return float(np.sqrt(np.clip(values, 0, None)).sum() / np.sqrt(len(gram)))


def _norms(rows: Scored, seed: int, options: ForecastOptions) -> np.ndarray:
    """The norm, and its replicates: ``d tr(G^(1/2)) = tr(G^(-1/2) dG) / 2`` over the rows whose vectors are kept."""
    values, vectors = np.linalg.eigh(rows.gram)
    solid = values > TINY * max(values[-1], TINY)
    projected = rows.probabilities @ (vectors[:, solid] / values[solid] ** 0.25)
    pull = np.einsum("rk,rk->r", projected, projected) / (2 * np.sqrt(rows.classes))
    means = resampled_means(rows.sample_id[rows.kept], pull[:, None], seed, options.replicates)[:, 0]
    # Fewer rows scatter more than all of them would.
    return normalised(rows.gram) + (means - means[0]) * np.sqrt(len(rows.kept) / rows.n)


NUCLEAR_NORM = NuclearNorm()
