"""`augment`: synthetic images or embeddings for small classes, checked before anybody learns from them."""

from gapscope.jobs.augment.config import AugmentConfig
from gapscope.jobs.augment.job import run

__all__ = ["AugmentConfig", "run"]
