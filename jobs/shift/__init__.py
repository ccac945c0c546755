"""`shift`: how far stored sets are apart, and which features and classes moved."""

from gapscope.jobs.shift.config import ShiftConfig
from gapscope.jobs.shift.job import run

__all__ = ["ShiftConfig", "run"]
