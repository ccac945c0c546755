"""`study-imagenet-v2`: why models lose accuracy from ImageNet to ImageNetV2, from their predictions alone."""

from gapscope.jobs.study_imagenet_v2.config import StudyImagenetV2Config
from gapscope.jobs.study_imagenet_v2.job import run

__all__ = ["StudyImagenetV2Config", "run"]
