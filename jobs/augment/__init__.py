"""`augment`: synthetic images for the small classes of a dataset, checked before anybody learns from them."""

from jobs.augment.config import AugmentConfig
from jobs.augment.job import run

__all__ = ["AugmentConfig", "run"]
