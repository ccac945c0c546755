"""`evaluate`: what predictions are worth, from a run or from anybody's file."""

from jobs.evaluate.config import EvaluateConfig
from jobs.evaluate.job import run

__all__ = ["EvaluateConfig", "run"]
