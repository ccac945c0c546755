"""Generalisation disagreement: two models trained apart agree as often as one of them is right.

References
----------
Jiang et al. (2022), "Assessing generalization of SGD via disagreement".
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gapscope.forecasts.forecast import Forecast, ForecastOptions
from gapscope.forecasts.resampled import bounds_of, resampled_means, seeds, shown
from gapscope.forecasts.scored import Scored


@dataclass(frozen=True)
class Disagreement:
    """The mean agreement on the target of the model with each other one, where it is among those compared; otherwise
    that of the first pair, which has seen the most rows.
    """

    needs: tuple[str, ...] = ("heads",)

    def estimate(self, source: Scored, target: Scored, options: ForecastOptions) -> Forecast:
        """See `Method`; of the source only the sentence speaks."""
        predicted = target.heads.predicted
        pairs = [pair for pair in target.heads.pairs if target.own in pair] or [target.heads.pairs[0]]
        agree = agreeing(predicted, pairs)
        seed = seeds(options.seed)[1]
        value, *rest = resampled_means(target.sample_id, agree[:, None], seed, options.replicates)[:, 0]
        low, high = bounds_of(rest)
        whom = "two models trained on different halves of the rows" if target.own < 0 else "the model and another one"
        mean = f", mean of {len(pairs)} others" if len(pairs) > 1 else ""
        sentence = f"{whom} agree on {shown(value, low, high)} of {target.name}{mean}; on {source.name} they agree on "
        sentence += f"{100 * agreeing(source.heads.predicted, pairs).mean():.1f} % while the model is right on "
        sentence += f"{100 * source.right.mean():.1f} %, which should be the same for this method to hold"
        return Forecast("gde", float(value), low, high, target.n, sentence)


def agreeing(predicted: np.ndarray, pairs: Sequence[tuple[int, int]]) -> np.ndarray:
    """Which share of the pairs agrees on each row, ``(n,)``, for ``predicted : (n, m)``."""
    return np.mean([predicted[:, i] == predicted[:, j] for i, j in pairs], axis=0)


DISAGREEMENT = Disagreement()
