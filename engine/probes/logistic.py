"""Multinomial logistic regression brought to its optimum, with a certificate of how near it is.

One `fold` gives class means and covariances: the metric, and the shrunk discriminants to start from. A path of
penalties and the optimum of the best follow; see `gapscope.probes.path`.

The minimum is that of scikit-learn's ``LogisticRegression`` with ``C = 1 / (l2 n)``: with three classes and more of
the same function; with two, where scikit-learn penalises one vector of weights and this file two, with ``l2`` twice as
large, which `Problem.l2` sees to.

L-BFGS starts from the metric of the features (see `gapscope.probes.metric`), so that ten evaluations do what takes
hundreds without it. A pass costs ``4 d k`` flops a row. Rows that fit into the memory that is allowed are read once.
"""

import numpy as np

from gapscope.core.checkpoint import NO_CHECKPOINT, Checkpoint
from gapscope.core.chunk import Chunk
from gapscope.core.progress import SILENT, Progress
from gapscope.probes.model import Classifier
from gapscope.probes.options import ProbeOptions
from gapscope.probes.path import ended, shortened, walk
from gapscope.probes.problem import Problem, cached, check_penalty
from gapscope.probes.rules.linear import Linear
from gapscope.probes.training import Clock, Holdout, with_holdout
from gapscope.store import View
from gapscope.stream import Workers


def fit(
    train: View,
    holdout: View | Chunk,
    options: ProbeOptions,
    workers: Workers,
    progress: Progress = SILENT,
    checkpoint: Checkpoint = NO_CHECKPOINT,
) -> Classifier:
    """Train on `train`; the penalty goes by the tempered log-loss on `holdout`, unless `options` names one.

    Raises
    ------
    InputError
        No row has a label, a feature is not finite, or the penalty is not understood.
    """
    check_penalty(options)
    clock = Clock()
    everything = cached(with_holdout(train, holdout), options, workers)
    rows = everything.store.view(everything.start, everything.start + train.rows)
    problem = Problem.of(rows, "moments", options, workers, progress, checkpoint)
    counts = problem.moments.classes.count[problem.labels.present]
    held = Holdout.of(holdout, problem.labels).weighing(options.class_weight, counts)
    clock.lap("moments")
    if len(problem.labels.present) == 1:
        return _only_class(problem, held)
    walked = shortened(problem, options)
    if walked < rows.rows:
        few = rows.store.view(rows.start, rows.start + walked)
        first = Problem.of(few, "moments of the path", options, workers, progress, checkpoint)
    else:
        first = problem
    path = walk(first, held, options, checkpoint)
    clock.lap("path")
    optimum = ended(problem, everything, path, first, held, checkpoint)
    clock.lap("optimum")
    details = optimum.details | {
        "settings": path.table,
        "penalty_on": options.penalty_on,
        **held.summary(problem.labels),
        "seconds": clock.laps,
    }
    labels = optimum.problem.labels
    rule = Linear.over_all(optimum.weight.T, optimum.bias, labels.present, labels.classes)
    return Classifier("logistic", rule, temperature=path.temperature, details=details)


def _only_class(problem: Problem, held: Holdout) -> Classifier:
    """The answer where there is nothing to tell apart."""
    moments, labels = problem.moments, problem.labels
    details = {
        "rows": moments.total.n,
        "unlabelled": moments.classes.unlabelled,
        "class_rows": moments.classes.count.tolist(),
        **held.summary(labels),
        "settings": [],
        "passes": 1,
    }
    rule = Linear.over_all(np.zeros((1, len(moments.total.mean))), np.zeros(1), labels.present, labels.classes)
    return Classifier("logistic", rule, details=details)
