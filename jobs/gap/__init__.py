"""`gap`: the accuracy lost from one set to another, split into its causes."""

from gapscope.jobs.gap.config import GapConfig
from gapscope.jobs.gap.job import run

__all__ = ["GapConfig", "run"]
