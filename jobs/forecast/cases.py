"""One model on one target: its forecasts, and the truth where labels tell it."""

from typing import NamedTuple

from gapscope.forecasts.forecast import Forecast, ForecastOptions, Truth, backtested, forecasts, truth
from gapscope.forecasts.scored import Scored
from gapscope.jobs.forecast.config import ForecastConfig


class Case(NamedTuple):
    """One model on one target.

    Attributes
    ----------
    model, dataset, split
        What results call them.
    made
        The forecasts.
    found
        The truth where labels tell it.
    """

    model: str
    dataset: str
    split: str
    made: list[Forecast]
    found: Truth | None

    @property
    def name(self) -> str:
        """Of the target: ``dataset/split``."""
        return f"{self.dataset}/{self.split}" if self.split else self.dataset

    def error(self, one: Forecast) -> float:
        """Forecast less truth; NaN where either is missing."""
        return backtested(one, self.found) if self.found else float("nan")


def case_of(source: Scored, target: Scored, dataset: str, split: str, config: ForecastConfig) -> tuple[Case, list[str]]:
    """The forecasts for `target`, and a sentence for each thing that keeps methods from making one."""
    options = ForecastOptions(config.seed, config.replicates)
    made, left_out = forecasts(source, target, config.methods, options)
    return Case(source.model, dataset, split, made, truth(target)), left_out
