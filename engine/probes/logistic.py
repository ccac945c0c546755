"""Multinomial logistic regression brought to its optimum, with a certificate of how near it is.

1. *Moments.* One `fold` gives class means and covariances: the metric, and the shrunk discriminants to start from.
2. *Path.* The penalties of the path are minimised together, each evaluation one `fold` for all of them, on the training
   rows; held-out rows choose one, and the temperature.
3. *Optimum.* The held-out rows join the others, and L-BFGS goes on from there until the duality gap is small.

The minimum is that of scikit-learn's ``LogisticRegression`` with ``C = 1 / (l2 n)``: with three classes and more of
the same function; with two, where scikit-learn penalises one vector of weights and this file two, with ``l2`` twice as
large, which `penalty_of` sees to.

L-BFGS starts from the metric of the features (see `engine.probes.metric`), so that ten evaluations do what takes
hundreds without it. A pass costs ``4 d k`` flops a row. Rows that fit into the memory that is allowed are read once.
"""

from dataclasses import dataclass

import numpy as np

from engine.core.checkpoint import NO_CHECKPOINT, Checkpoint
from engine.core.chunk import Chunk
from engine.core.progress import SILENT, Progress
from engine.probes.convex import Aim, Descent, minimise
from engine.probes.model import Classifier
from engine.probes.options import ProbeOptions
from engine.probes.problem import Problem, cached, certificate, check_penalty, sides
from engine.probes.rules.linear import Linear
from engine.probes.training import Clock, Holdout, with_holdout
from engine.store import View
from engine.stream import Workers

Array = np.ndarray
# Multiples of d / (n k); the first serves when there are no held-out rows to choose by.
PATH = (3.0, 100.0, 30.0, 10.0, 1.0, 0.3, 0.1, 0.03, 0.01, 1e-3, 1e-4)
# Near enough to choose by.
TO_CHOOSE = Aim(3e-4, 25)
# Columns that are trained side by side.
COLUMNS = 512
# Flops that the path may cost; beyond, it is walked on the first rows, with penalties for their number.
PATH_FLOPS, PATH_EVALUATIONS = 2e13, 12


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
    walked = _shortened(problem, options)
    if walked < rows.rows:
        few = rows.store.view(rows.start, rows.start + walked)
        first = Problem.of(few, "moments of the path", options, workers, progress, checkpoint)
    else:
        first = problem
    path = walk(first, held, options, checkpoint)
    clock.lap("path")
    if everything.rows > rows.rows:
        problem = problem.joined(everything, checkpoint)
    point = problem.carried(first, path.point, held)
    (descent,) = minimise(
        problem.objective, problem.metric, [point], [problem.l2(path.factor)], problem.aim, checkpoint, "optimum"
    )
    clock.lap("optimum")
    weight, bias = problem.raw(descent.minimiser.point)
    moments, labels = problem.moments, problem.labels
    details = {
        "l2": descent.l2,
        "c": sides(labels) / (descent.l2 * moments.total.n) if descent.l2 else None,
        "settings": path.table,
        "certificate": certificate(descent),
        "holdout_rows": len(held.y),
        "rows": moments.total.n,
        "unlabelled": moments.classes.unlabelled,
        "class_rows": moments.classes.count.tolist(),
        "passes": 1 + descent.minimiser.evaluations + path.evaluations,
        "seconds": clock.laps,
    }
    rule = Linear.over_all(weight.T, bias, labels.present, labels.classes)
    return Classifier("logistic", rule, temperature=path.temperature, details=details)


@dataclass(frozen=True)
class Path:
    """What was chosen among the penalties, and the table it was chosen from."""

    factor: float
    point: Array
    temperature: float
    table: list[dict]
    evaluations: int


def walk(problem: Problem, held: Holdout, options: ProbeOptions, checkpoint: Checkpoint) -> Path:
    """Every penalty of the path nearly minimised, together as far as memory allows; held-out rows choose."""
    named = options.l2 is not None or options.c is not None
    factors = PATH[:1] if named or not len(held.y) else PATH
    start, found = problem.start(held), []
    width = max(1, COLUMNS // problem.metric.classes)
    for number, group in enumerate(factors[i : i + width] for i in range(0, len(factors), width)):
        l2s = [problem.l2(factor) for factor in group]
        found += minimise(
            problem.objective,
            problem.metric,
            [start] * len(group),
            l2s,
            TO_CHOOSE,
            checkpoint,
            f"path {number + 1}",
        )
    judged = [_judged(problem, descent, held) for descent in found]
    best = min(range(len(found)), key=lambda index: judged[index]["log_loss"])
    evaluations = max(one.minimiser.evaluations for one in found)
    return Path(factors[best], found[best].minimiser.point, judged[best]["temperature"], judged, evaluations)


def _judged(problem: Problem, descent: Descent, held: Holdout) -> dict:
    scores = held.scores(*problem.raw(descent.minimiser.point))
    temperature = held.temperature(scores)
    evaluations = descent.minimiser.evaluations
    return {
        "l2": descent.l2,
        "temperature": temperature,
        "evaluations": evaluations,
        **held.judge(scores / temperature),
    }


def _shortened(problem: Problem, options: ProbeOptions) -> int:
    """Rows that the path is walked on: all, unless that would cost more than `PATH_FLOPS`."""
    rows = problem.objective.view.rows
    if options.l2 is not None or options.c is not None:
        return rows
    one_row = 4 * len(problem.metric.scale) * problem.metric.classes * len(PATH) * PATH_EVALUATIONS
    return min(rows, max(int(PATH_FLOPS / one_row), 10 * problem.metric.classes))


def _only_class(problem: Problem, held: Holdout) -> Classifier:
    """The answer where there is nothing to tell apart."""
    moments, labels = problem.moments, problem.labels
    details = {
        "rows": moments.total.n,
        "unlabelled": moments.classes.unlabelled,
        "class_rows": moments.classes.count.tolist(),
        "holdout_rows": len(held.y),
        "settings": [],
        "passes": 1,
    }
    rule = Linear.over_all(np.zeros((1, len(moments.total.mean))), np.zeros(1), labels.present, labels.classes)
    return Classifier("logistic", rule, details=details)
