"""Predictions of a model over a store, and what they are worth, with intervals."""

from engine.evaluate.classes import align_classes
from engine.evaluate.metrics import METRICS, PER_CLASS, measure
from engine.evaluate.predict import predict

__all__ = ["METRICS", "PER_CLASS", "align_classes", "measure", "predict"]
