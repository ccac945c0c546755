"""What a sample says of its population: intervals, resampling, paired tests, corrections for many tests."""

from gapscope.inference.bootstrap import interval_of, poisson_weights, resampled_sums
from gapscope.inference.interval import clopper_pearson, leaves_zero_out
from gapscope.inference.line import ProbitLine, probit
from gapscope.inference.multiplicity import adjusted
from gapscope.inference.paired import mcnemar, paired_interval, paired_interval_of_counts
from gapscope.inference.ranks import average_ranks, interval_of_exceedance, kendall_tau
from gapscope.inference.robust_line import off_line, theil_sen
from gapscope.inference.verdict import Verdict

__all__ = [
    "ProbitLine",
    "Verdict",
    "adjusted",
    "average_ranks",
    "clopper_pearson",
    "interval_of",
    "interval_of_exceedance",
    "kendall_tau",
    "leaves_zero_out",
    "mcnemar",
    "off_line",
    "paired_interval",
    "paired_interval_of_counts",
    "poisson_weights",
    "probit",
    "resampled_sums",
    "theil_sen",
]
