"""The memory that training last layers again takes, known before the first image is read."""

import numpy as np

from gapscope.cnn.refit.method import Method
from gapscope.cnn.refit.source import SourceRun
from gapscope.core.budget import Budget, parse_bytes
from gapscope.generators.balance import targets

# Rows of features in memory: as they came from the network, in random order, and what a fit keeps beside them.
COPIES = 3


def check_memory(run: SourceRun, method: Method, allowed: str) -> None:
    """Refuse features of the images of a run that would not fit, or a method that would need too much for them.

    Raises
    ------
    BudgetError
        The projected need is above what is `allowed`, such as ``2GB``.
    """
    labels, classes = run.source.listing.labels, len(run.source.listing.class_names)
    counts, count, extra = np.bincount(labels[labels >= 0], minlength=classes), len(labels), 0
    if method.generator is not None:
        wanted = targets(counts, method.balance)
        count += int(wanted.sum())
        extra = method.generator.memory(int(counts[wanted > 0].sum()), run.dim, classes)
    what = f"learning from {count:,} rows of {run.dim:,} features"
    Budget(parse_bytes(allowed)).require(4 * COPIES * run.dim * count + extra, what, "raise --memory")
