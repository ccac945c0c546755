"""Difference of confidences: accuracy falls as far as the mean confidence does.

References
----------
Guillory et al. (2021), "Predicting with confidence on unseen distributions".
"""

from dataclasses import dataclass

import numpy as np

from gapscope.forecasts.forecast import Forecast, ForecastOptions
from gapscope.forecasts.resampled import bounds_of, resampled_means, seeds, shown
from gapscope.forecasts.scored import Scored


@dataclass(frozen=True)
class DifferenceOfConfidences:
    """``accuracy(source) - (confidence(source) - confidence(target))``, kept between 0 and 1."""

    needs: tuple[str, ...] = ("confidence",)

    def estimate(self, source: Scored, target: Scored, options: ForecastOptions) -> Forecast:
        """See `Method`."""
        first, second = seeds(options.seed)
        overconfident = source.right - source.confidence
        bias = resampled_means(source.sample_id, overconfident[:, None], first, options.replicates)[:, 0]
        mean = resampled_means(target.sample_id, target.confidence[:, None], second, options.replicates)[:, 0]
        value, *rest = np.clip(bias + mean, 0, 1)
        low, high = bounds_of(rest)
        sentence = f"confidence falls by {100 * (source.confidence.mean() - mean[0]):.1f} points from {source.name}, "
        sentence += f"where {100 * source.right.mean():.1f} % is right, which leaves {shown(value, low, high)}"
        return Forecast("doc", float(value), low, high, target.n, sentence)


DIFFERENCE_OF_CONFIDENCES = DifferenceOfConfidences()
