"""`study-augmentation`: what helps a small, imbalanced set, and whether synthetic images are part of it."""

from gapscope.jobs.study_augmentation.config import StudyAugmentationConfig
from gapscope.jobs.study_augmentation.job import run

__all__ = ["StudyAugmentationConfig", "run"]
