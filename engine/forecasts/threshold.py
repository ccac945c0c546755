"""Average thresholded confidence: rows are right when they are surer than a threshold learned on the source.

The threshold t is such that on the source the share of rows below t is the error there. Scores that tie at the
threshold count by the fraction that makes the source come out at its own accuracy exactly, so that a model whose
confidences are all the same is no special case.

References
----------
Garg et al. (2022), "Leveraging unlabeled data to predict out-of-distribution performance".
"""

from dataclasses import dataclass

import numpy as np

from gapscope.forecasts.forecast import Forecast, ForecastOptions
from gapscope.forecasts.resampled import blocks, bounds_of, seeds, shown, weights_with_all
from gapscope.forecasts.scored import Scored


@dataclass(frozen=True)
class Threshold:
    """The share of target rows whose score is at or above the threshold.

    Attributes
    ----------
    name, score, called
        The method, the column of `Scored` that says how sure the model is, and what people call that.
    """

    name: str
    score: str
    called: str
    needs: tuple[str, ...]

    def estimate(self, source: Scored, target: Scored, options: ForecastOptions) -> Forecast:
        """See `Method`; takes ``b`` bytes a source row for b replicates, all rows being ranked in each."""
        first, second = seeds(options.seed)
        weights = [weights_with_all(source.sample_id[a:b], first, options.replicates) for a, b in blocks(source.n)]
        cut, share = thresholds(getattr(source, self.score), source.right, np.concatenate(weights, axis=1))
        value, *rest = _above(target.sample_id, getattr(target, self.score), cut, share, second)
        low, high = bounds_of(rest)
        sentence = f"{shown(value, low, high)} of {target.name} has {self.called} above the threshold {cut[0]:.4g}, "
        sentence += f"which the right share of {source.name}, {100 * source.right.mean():.1f} %, exceeds"
        return Forecast(self.name, float(value), low, high, target.n, sentence)


def thresholds(score: np.ndarray, right: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """For each row of ``weights : (b, n)`` the threshold, and which fraction of rows right at it counts as above.

    Both ``(b,)``: the weight above the threshold and that fraction of the weight at it are the weight of right rows.
    NaN where a replicate has no row.
    """
    levels, level = np.unique(score, return_inverse=True)
    cut, share = np.full(len(weights), np.nan), np.full(len(weights), np.nan)
    for b, weight in enumerate(weights):
        mass = np.bincount(level, weight, minlength=len(levels))
        correct = float(weight @ right.astype(np.float64))
        if not mass.sum():
            continue
        above = mass[::-1].cumsum()[::-1] - mass
        # The highest level at which the weight from it upwards reaches that of the right rows.
        reached = np.flatnonzero((above + mass >= correct) & (mass > 0))
        index = reached[-1]
        cut[b], share[b] = levels[index], (correct - above[index]) / mass[index]
    return cut, share


def _above(sample_id: np.ndarray, score: np.ndarray, cut: np.ndarray, share: np.ndarray, seed: int) -> np.ndarray:
    """The share of rows above the thresholds ``(1 + b,)``, the plain one first, each replicate with its own."""
    total, drawn = np.zeros(len(cut)), np.zeros(len(cut))
    for start, stop in blocks(len(score)):
        weight = weights_with_all(sample_id[start:stop], seed, len(cut) - 1)
        here = score[None, start:stop]
        counted = (here > cut[:, None]) + share[:, None] * (here == cut[:, None])
        total += np.einsum("bn,bn->b", weight, counted)
        drawn += weight.sum(axis=1)
    return total / np.where(drawn > 0, drawn, np.nan)


BY_CONFIDENCE = Threshold("atc-mc", "confidence", "a confidence", ("confidence",))
BY_ENTROPY = Threshold("atc-ne", "negative_entropy", "a negative entropy", ("probabilities",))
