"""`map`: two coordinates for every row of one or several stored sets in one common space."""

from gapscope.jobs.map.config import MapConfig
from gapscope.jobs.map.job import run

__all__ = ["MapConfig", "run"]
