"""Predictions of a model over a store, and what they are worth, with intervals."""

from gapscope.evaluation.classes import align_classes
from gapscope.evaluation.metrics import METRICS, PER_CLASS, measure
from gapscope.evaluation.predict import predict

__all__ = ["METRICS", "PER_CLASS", "align_classes", "measure", "predict"]
