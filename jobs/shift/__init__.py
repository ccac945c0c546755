"""`shift`: how far stored sets are apart, and which features and classes moved."""

from jobs.shift.config import ShiftConfig
from jobs.shift.job import run

__all__ = ["ShiftConfig", "run"]
