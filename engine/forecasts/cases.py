"""One model on one target: its forecasts, the truth where labels give it, and the results of both."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from gapscope.forecasts.forecast import Forecast, ForecastOptions, Truth, backtested, forecasts, truth
from gapscope.forecasts.recommended import LearnedErrors, Recommendation, recommend
from gapscope.forecasts.scored import Scored
from gapscope.runs.result import finite
from gapscope.schemas.results import Result

RECOMMENDED = "forecast_recommended"


class Case(NamedTuple):
    """One model on one target.

    Attributes
    ----------
    model, dataset, split
        What results call them.
    rows
        Of the target.
    truth
        The accuracy where labels give it.
    missing
        A sentence for each thing that keeps methods from making a forecast.
    recommended
        The one to use, or why there is none.
    """

    model: str
    dataset: str
    split: str
    rows: int
    forecasts: list[Forecast]
    truth: Truth | None
    missing: list[str]
    recommended: Recommendation

    @classmethod
    def of(
        cls,
        source: Scored,
        target: Scored,
        place: tuple[str, str],
        methods: Sequence[str],
        options: ForecastOptions,
        learnt: LearnedErrors | None,
    ) -> "Case":
        """The forecasts of `methods` for `target`, which results call ``place = (dataset, split)``, and the one that is
        recommended by what was `learnt` of shifts of the reference.
        """
        made, missing = forecasts(source, target, methods, options)
        return cls(source.model, *place, target.n, made, truth(target), missing, recommend(source, target, learnt))

    def error(self, one: Forecast) -> float:
        """Forecast less truth; NaN where either is missing."""
        return backtested(one, self.truth) if self.truth else float("nan")

    def results(self) -> Iterator[Result]:
        """The truth where it is known, then each forecast and, where the truth is known, how far it is off."""
        place = {"dataset": self.dataset, "split": self.split, "model": self.model}
        if self.truth:
            value, low, high, n = self.truth
            yield Result(**place, metric="accuracy", value=value, low=low, high=high, n=n)
        advised = self.recommended
        if advised.value is not None:
            numbers = {"value": advised.value, "low": advised.low, "high": advised.high}
            yield Result(**place, metric=RECOMMENDED, **numbers, n=self.rows)
            if self.truth:
                yield Result(
                    **place, metric=f"{RECOMMENDED}_error", value=advised.value - self.truth.value, n=self.truth.n
                )
        for one in self.forecasts:
            metric = f"forecast_{one.name.replace('-', '_')}"
            yield Result(**place, metric=metric, value=finite(one.value), low=one.low, high=one.high, n=one.n)
            error = self.error(one)
            if np.isfinite(error):
                yield Result(**place, metric=f"{metric}_error", value=error, n=self.truth.n)

    def advice(self) -> dict[str, Any]:
        """The recommendation, as a run keeps it."""
        name = f"{self.dataset}/{self.split}" if self.split else self.dataset
        return {"set": name, "model": self.model, **self.recommended._asdict()}

    def sentences(self) -> list[dict[str, str]]:
        """What each forecast means, as a run keeps it."""
        name = f"{self.dataset}/{self.split}" if self.split else self.dataset
        return [
            {"set": name, "model": self.model, "method": one.name, "sentence": one.sentence} for one in self.forecasts
        ]
