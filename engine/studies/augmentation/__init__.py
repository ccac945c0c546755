"""A study of what helps a small, imbalanced set of images, from the predictions of all trainings on test images."""

from gapscope.studies.augmentation.predictions import TrainingPredictions, read_predictions

__all__ = ["TrainingPredictions", "read_predictions"]
