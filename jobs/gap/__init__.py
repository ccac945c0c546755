"""`gap`: the accuracy lost from one set to another, split into its causes."""

from jobs.gap.config import GapConfig
from jobs.gap.job import run

__all__ = ["GapConfig", "run"]
