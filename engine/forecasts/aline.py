"""The two forms of agreement on the line, for one model among or beside those compared."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from gapscope.forecasts.agreement import AgreementLine, agreement_on_the_line, on_the_line
from gapscope.forecasts.forecast import Forecast, ForecastOptions
from gapscope.forecasts.resampled import bounds_of, resampled_means, seeds, shown
from gapscope.forecasts.scored import Heads, Scored


@dataclass(frozen=True)
class FromTheLine:
    """ALine-S: the line through the agreements of all pairs, at the model's own source accuracy."""

    needs: tuple[str, ...] = ("line",)

    def estimate(self, source: Scored, target: Scored, options: ForecastOptions) -> Forecast:
        """See `Method`; a model that is not among those compared is placed on their line."""
        result = lined(source.heads, target.heads, options)
        accuracy = source.right.mean()
        if source.own >= 0:
            value, replicates = result.estimates[source.own], result.replicates[:, source.own]
        else:
            right = resampled_means(
                source.sample_id, source.right[:, None], seeds(options.seed)[0], options.replicates
            )[:, 0]
            value = result.expected(accuracy)
            replicates = on_the_line(result.lines[:, 0], result.lines[:, 1], right[1:])
        return forecast("aline-s", float(value), bounds_of(replicates), source, target, result)


@dataclass(frozen=True)
class Direct:
    """ALine-D: the accuracies of all models at once, from how far each pair lies from the line."""

    needs: tuple[str, ...] = ("line", "own")

    def estimate(self, source: Scored, target: Scored, options: ForecastOptions) -> Forecast:
        """See `Method`."""
        result = lined(source.heads, target.heads, options)
        low, high = (float(one[source.own]) for one in (result.direct_low, result.direct_high))
        bounds = (low, high) if np.isfinite(low) else (None, None)
        return forecast("aline-d", float(result.direct[source.own]), bounds, source, target, result)


@lru_cache(maxsize=2)
def lined(source: Heads, target: Heads, options: ForecastOptions) -> AgreementLine:
    """The line of the models compared; that of the last sets is kept, because every one of the models asks for it."""
    return agreement_on_the_line(
        source.predicted.T,
        target.predicted.T,
        source.label,
        group=source.group,
        replicates=options.replicates,
        seed=options.seed,
        sample_id=(source.sample_id, target.sample_id),
    )


def forecast(
    name: str,
    value: float,
    bounds: tuple[float | None, float | None],
    source: Scored,
    target: Scored,
    result: AgreementLine,
) -> Forecast:
    """The value with its sentence, or why there is none."""
    accuracy = source.right.mean()
    if np.isnan(value):
        reason = f"an accuracy of exactly {100 * accuracy:.0f} % on {source.name} has no place on a probit axis"
        sentence = reason if accuracy in (0, 1) else f"the models agree too evenly for a line ({result.pairs} pairs)"
        return Forecast(name, value, None, None, target.n, sentence)
    sentence = f"the line of {result.pairs} pairs of models (slope {result.slope:.2f}, r {result.r:.3f}) takes "
    sentence += f"{100 * accuracy:.1f} % on {source.name} to {shown(value, *bounds)} on {target.name}"
    return Forecast(name, value, *bounds, target.n, sentence)


ALINE_S, ALINE_D = FromTheLine(), Direct()
