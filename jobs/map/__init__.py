"""`map`: two coordinates for every row of one or several stored sets in one common space."""

from jobs.map.config import MapConfig
from jobs.map.job import run

__all__ = ["MapConfig", "run"]
