"""The optimum of the penalty that suits the held-out rows: a path of penalties walked together, and the best end.

1. *Path.* All penalties are nearly minimised together, each evaluation one `fold` for all of them, on the training
   rows; held-out rows choose one, and the temperature.
2. *Optimum.* The held-out rows join the others, and L-BFGS goes on from there until the duality gap is small.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from gapscope.core.checkpoint import Checkpoint
from gapscope.probes.convex import Aim, Descent, minimise
from gapscope.probes.lbfgs import Lbfgs
from gapscope.probes.options import ProbeOptions
from gapscope.probes.problem import Problem, certificate, sides
from gapscope.probes.training import Holdout
from gapscope.store import View

Array = np.ndarray
# Multiples of d / (n k); the first serves when there are no held-out rows to choose by.
PATH = (3.0, 100.0, 30.0, 10.0, 1.0, 0.3, 0.1, 0.03, 0.01, 1e-3, 1e-4)
# Near enough to choose by.
TO_CHOOSE = Aim(3e-4, 40)
# Columns that are trained side by side.
COLUMNS = 512
# Flops that the path may cost; beyond, it is walked on the first rows, with penalties for their number.
PATH_FLOPS, PATH_EVALUATIONS = 2e13, 12


@dataclass(frozen=True)
class Optimum:
    """The head at the optimum, and how it came about.

    Attributes
    ----------
    problem
        Of all rows.
    weight : (d, p) float64
    bias : (p,) float64
    temperature
        Of the head that had not seen the held-out rows.
    details
        As a member of the family reports them.
    """

    problem: Problem
    weight: Array
    bias: Array
    temperature: float
    details: dict[str, Any]


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
    start, result = problem.start(held), []
    width = max(1, COLUMNS // problem.metric.classes)
    for number, group in enumerate(factors[i : i + width] for i in range(0, len(factors), width)):
        l2s = [problem.l2(factor) for factor in group]
        result += minimise(
            problem.objective,
            problem.metric,
            [problem.affordable(start, l2) for l2 in l2s],
            l2s,
            TO_CHOOSE,
            checkpoint,
            f"path {number + 1}",
        )
    judged = [_judged(problem, descent, held) for descent in result]
    best = _simplest(problem, result, judged, held)
    evaluations = max(one.minimiser.evaluations for one in result)
    return Path(factors[best], result[best].minimiser.point, judged[best]["temperature"], judged, evaluations)


def _simplest(problem: Problem, result: list[Descent], judged: list[dict], held: Holdout) -> int:
    """The strongest penalty that is not surely worse than the one with the least log-loss.

    Where a class has no held-out row that could speak for it, scikit-learn's default ``C = 1`` is the strongest, if
    there is a weaker one that is not surely worse.

    By the rule of one standard error (Breiman et al. 1984), of the difference here: few held-out rows of classes that
    lie far apart are fitted by any small penalty alike. A penalty whose minimum is still far away is not judged, unless
    all are: what a descent is worth that was stopped early says nothing of the optimum that would follow.
    """
    scores = [
        held.scores(*problem.raw(one.minimiser.point)) / np.float32(row["temperature"])
        for one, row in zip(result, judged, strict=True)
    ]
    near = [index for index, one in enumerate(result) if _is_near(one.minimiser)] or range(len(result))
    best = min(near, key=lambda index: judged[index]["log_loss"])
    equal = [index for index in near if not held.prefers(scores[best], scores[index])]
    if not len(held.y):
        return best
    if held.absent(problem.labels):
        default = sides(problem.labels) / problem.moments.total.n
        equal = [index for index in equal if result[index].l2 <= default] or [min(equal, key=lambda i: result[i].l2)]
    return max(equal, key=lambda index: result[index].l2)


def _is_near(minimiser: Lbfgs) -> bool:
    return minimiser.stuck or minimiser.decrement <= TO_CHOOSE.decrement * minimiser.value


def _judged(problem: Problem, descent: Descent, held: Holdout) -> dict:
    scores = held.scores(*problem.raw(descent.minimiser.point))
    evaluations = descent.minimiser.evaluations
    return {
        "l2": descent.l2,
        "evaluations": evaluations,
        **held.judge_tempered(scores),
    }


def ended(
    problem: Problem, everything: View, path: Path, first: Problem, held: Holdout, checkpoint: Checkpoint
) -> Optimum:
    """The optimum for the penalty of a path on `everything`, whose first rows are those of `problem`.

    `first` is the problem that the path was walked on.
    """
    passes = 1 + path.evaluations
    if everything.stop > problem.objective.view.stop:
        problem = problem.joined(everything, checkpoint)
    point = problem.carried(first, path.point, held)
    l2 = problem.l2(path.factor)
    (descent,) = minimise(problem.objective, problem.metric, [point], [l2], problem.aim, checkpoint, "optimum")
    weight, bias = problem.raw(descent.minimiser.point)
    details = {
        "l2": l2,
        "c": sides(problem.labels) / (l2 * problem.moments.total.n) if l2 else None,
        "certificate": certificate(descent, problem.aim),
        "rows": problem.moments.total.n,
        "unlabelled": problem.moments.classes.unlabelled,
        "class_rows": problem.moments.classes.count.tolist(),
        "passes": passes + descent.minimiser.evaluations,
    }
    return Optimum(problem, weight, bias, path.temperature, details)


def path_flops(problem: Problem) -> float:
    """What one row of a path costs."""
    return 4 * len(problem.metric.scale) * problem.metric.classes * len(PATH) * PATH_EVALUATIONS


def shortened(problem: Problem, options: ProbeOptions) -> int:
    """Rows that the path is walked on: all, unless that would cost more than `PATH_FLOPS`."""
    rows = problem.objective.view.rows
    if options.l2 is not None or options.c is not None:
        return rows
    return min(rows, max(int(PATH_FLOPS / path_flops(problem)), 10 * problem.metric.classes))
