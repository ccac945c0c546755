"""Statistics of a set of rows as values that merge, so that a `fold` may take the rows in any chunks and any order."""

from gapscope.summaries.fourth import FourthPowers
from gapscope.summaries.labelled import LabelledMoments
from gapscope.summaries.moments import ClassMeans, ClassMoments, Moments
from gapscope.summaries.weighted import WeightedMoments

__all__ = ["ClassMeans", "ClassMoments", "FourthPowers", "LabelledMoments", "Moments", "WeightedMoments"]
