"""`forecast`: how accurate models are on a set whose labels are not looked at."""

from gapscope.jobs.forecast.config import ForecastConfig
from gapscope.jobs.forecast.job import run

__all__ = ["ForecastConfig", "run"]
