"""`refit-head`: the last layer of trained networks, learnt again on their features and on synthetic ones."""

from gapscope.jobs.refit_head.config import RefitHeadConfig
from gapscope.jobs.refit_head.job import run

__all__ = ["RefitHeadConfig", "run"]
