"""One model on one target: its forecasts, the truth where labels give it, and the results of both."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from gapscope.forecasts.forecast import Forecast, ForecastOptions, Truth, backtested, forecasts, truth
from gapscope.forecasts.scored import Scored
from gapscope.runs.result import finite
from gapscope.schemas.results import Result


class Case(NamedTuple):
    """One model on one target.

    Attributes
    ----------
    model, dataset, split
        What results call them.
    truth
        The accuracy where labels give it.
    missing
        A sentence for each thing that keeps methods from making a forecast.
    """

    model: str
    dataset: str
    split: str
    forecasts: list[Forecast]
    truth: Truth | None
    missing: list[str]

    @classmethod
    def of(
        cls,
        source: Scored,
        target: Scored,
        place: tuple[str, str],
        methods: Sequence[str],
        options: ForecastOptions,
    ) -> "Case":
        """The forecasts of `methods` for `target`, which results call ``place = (dataset, split)``."""
        made, missing = forecasts(source, target, methods, options)
        return cls(source.model, *place, made, truth(target), missing)

    def error(self, one: Forecast) -> float:
        """Forecast less truth; NaN where either is missing."""
        return backtested(one, self.truth) if self.truth else float("nan")

    def results(self) -> Iterator[Result]:
        """The truth where it is known, then each forecast and, where the truth is known, how far it is off."""
        place = {"dataset": self.dataset, "split": self.split, "model": self.model}
        if self.truth:
            value, low, high, n = self.truth
            yield Result(**place, metric="accuracy", value=value, low=low, high=high, n=n)
        for one in self.forecasts:
            metric = f"forecast_{one.name.replace('-', '_')}"
            yield Result(**place, metric=metric, value=finite(one.value), low=one.low, high=one.high, n=one.n)
            error = self.error(one)
            if np.isfinite(error):
                yield Result(**place, metric=f"{metric}_error", value=error, n=self.truth.n)

    def sentences(self) -> list[dict[str, str]]:
        """What each forecast means, as a run keeps it."""
        name = f"{self.dataset}/{self.split}" if self.split else self.dataset
        return [
            {"set": name, "model": self.model, "method": one.name, "sentence": one.sentence} for one in self.forecasts
        ]
