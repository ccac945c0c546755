"""Average confidence: a calibrated model is right as often as it says.

References
----------
Hendrycks and Gimpel (2017), "A baseline for detecting misclassified and out-of-distribution examples".
"""

from dataclasses import dataclass

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
