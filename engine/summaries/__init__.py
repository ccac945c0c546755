"""Statistics of a set of rows as values that merge, so that a `fold` may take the rows in any chunks and any order."""

from engine.summaries.fourth import FourthPowers
from engine.summaries.labelled import LabelledMoments
from engine.summaries.moments import ClassMeans, ClassMoments, Moments
from engine.summaries.weighted import WeightedMoments

__all__ = ["ClassMeans", "ClassMoments", "FourthPowers", "LabelledMoments", "Moments", "WeightedMoments"]
