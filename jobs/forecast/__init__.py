"""`forecast`: how accurate models are on a set whose labels are not looked at."""

from jobs.forecast.config import ForecastConfig
from jobs.forecast.job import run

__all__ = ["ForecastConfig", "run"]
