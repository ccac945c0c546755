"""`compare`: models against each other on the same images, and against the line that models lie on."""

from gapscope.jobs.compare.config import CompareConfig
from gapscope.jobs.compare.job import run

__all__ = ["CompareConfig", "run"]
