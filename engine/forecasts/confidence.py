"""Two forecasts from mean confidences: that of the target itself, and how far it lies below that of the source.

References
----------
Hendrycks and Gimpel (2017), "A baseline for detecting misclassified and out-of-distribution examples": a calibrated
model is right as often as it says. Guillory et al. (2021), "Predicting with confidence on unseen distributions":
accuracy falls as far as the mean confidence does.
"""

from dataclasses import dataclass

import numpy as np

from gapscope.forecasts.forecast import Forecast, ForecastOptions
from gapscope.forecasts.resampled import bounds_of, resampled_means, seeds, shown
from gapscope.forecasts.scored import Scored


@dataclass(frozen=True)
class AverageConfidence:
    """The mean over the target of the probability of the best class."""

    needs: tuple[str, ...] = ("confidence",)

    def estimate(self, source: Scored, target: Scored, options: ForecastOptions) -> Forecast:
        """See `Method`; of the source only the temperature is used, which is in the confidences already."""
        seed = seeds(options.seed)[1]
        value, *rest = resampled_means(target.sample_id, target.confidence[:, None], seed, options.replicates)[:, 0]
        low, high = bounds_of(rest)
        sentence = f"the model's own mean confidence on {target.name} is {shown(value, low, high)}"
        return Forecast("average-confidence", float(value), low, high, target.n, sentence)


AVERAGE_CONFIDENCE = AverageConfidence()


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
