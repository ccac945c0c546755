"""What a sample says of its population: intervals, resampling, paired tests, corrections for many tests."""

from engine.inference.bootstrap import interval_of, poisson_weights, resampled_sums
from engine.inference.interval import clopper_pearson
from engine.inference.line import ProbitLine, probit
from engine.inference.multiplicity import adjusted
from engine.inference.paired import mcnemar
from engine.inference.verdict import Verdict

__all__ = [
    "ProbitLine",
    "Verdict",
    "adjusted",
    "clopper_pearson",
    "interval_of",
    "mcnemar",
    "poisson_weights",
    "probit",
    "resampled_sums",
]
