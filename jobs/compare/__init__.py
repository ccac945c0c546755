"""`compare`: models against each other on the same images, and against the line that models lie on."""

from jobs.compare.config import CompareConfig
from jobs.compare.job import run

__all__ = ["CompareConfig", "run"]
