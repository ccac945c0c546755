"""`evaluate`: what predictions are worth, from a run or from anybody's file."""

from gapscope.jobs.evaluate.config import EvaluateConfig
from gapscope.jobs.evaluate.job import run

__all__ = ["EvaluateConfig", "run"]
