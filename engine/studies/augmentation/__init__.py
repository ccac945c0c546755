"""A study of what helps a small, imbalanced set of images, from the predictions of all trainings on unseen images."""

from gapscope.studies.augmentation.answers import Answers, Training, read_answers

__all__ = ["Answers", "Training", "read_answers"]
