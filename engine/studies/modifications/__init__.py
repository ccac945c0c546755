"""A study of training on original and on modified images, from the predictions of all trainings on all test sets."""

from gapscope.studies.modifications.predictions import SetName, TrainingPredictions, read_predictions

__all__ = ["SetName", "TrainingPredictions", "read_predictions"]
