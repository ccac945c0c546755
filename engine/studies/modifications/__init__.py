"""A study of training on original and on modified images, from the predictions of all trainings on all test sets."""

from gapscope.studies.modifications.answers import Answers, Training, Trial, read_answers

__all__ = ["Answers", "Training", "Trial", "read_answers"]
