"""A calibration that rises: from the margins of a classifier of two sets to log odds.

References
----------
Platt (1999), "Probabilistic outputs for support vector machines": the targets.
"""

from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit

Array = np.ndarray
# Where pieces end, as shares of both sets at equal weight; one piece for fewer rows of a set.
KNOTS = (0.005, 0.05, 0.25, 0.5, 0.75, 0.9, 0.95, 0.98, 0.995)
LEAST_FOR_PIECES = 100
# How much each piece's rise is held back, against one row.
STIFFNESS = 0.1


@dataclass(frozen=True, eq=False)
class Curve:
    """Log odds at equal sizes from margins: a continuous curve of straight pieces that nowhere falls.

    Attributes
    ----------
    knots : (q,)
        Ends of the pieces, ascending; the outer pieces go on beyond.
    rises : (q - 1,)
        By how much the log odds rise over each piece, 0 or more.
    offset
        Log odds at the first knot.
    loss
        Balanced, in nats, on the rows that it was fitted to; infinite where there were none.
    """

    knots: Array
    rises: Array
    offset: float
    loss: float

    @classmethod
    def fit(cls, reference: Array, target: Array) -> "Curve":
        """The curve of least loss through margins of the two sets, both weighing the same.

        Targets are not 0 and 1 but a row short of that, as Platt proposes (here alike for both sets, which keeps equal
        sets at even odds), so that separable margins give finite numbers. A head that ranks rows the wrong way round
        has found nothing: the curve is flat then. Without rows of both sets the margins are taken as they stand.
        """
        n, m = len(reference), len(target)
        if not (n and m):
            return cls(np.array([0.0, 1.0]), np.ones(1), 0.0, np.inf)
        margin = np.concatenate([reference, target])
        short = 1 / (min(n, m) + 2)
        wanted = np.repeat([short, 1 - short], [n, m])
        share = np.repeat([0.5 / n, 0.5 / m], [n, m])
        knots = _knots(reference, target)
        columns = np.concatenate([_pieces(margin, knots), np.ones((1, n + m))])
        stiffness = np.append(np.full(len(knots) - 1, STIFFNESS / (n + m)), 0.0)

        def loss(point: Array) -> tuple[float, Array]:
            score = point @ columns
            value = share @ (np.logaddexp(0, score) - wanted * score) + 0.5 * stiffness @ np.square(point)
            return float(value), columns @ (share * (expit(score) - wanted)) + stiffness * point

        bounds = [(0, None)] * (len(knots) - 1) + [(None, None)]
        result = minimize(loss, np.zeros(len(knots)), jac=True, method="L-BFGS-B", bounds=bounds)
        return cls(knots, result.x[:-1], float(result.x[-1]), float(result.fun))

    def __call__(self, margin: Array) -> Array:
        """Log odds ``(n,)``."""
        return self.rises @ _pieces(np.asarray(margin, np.float64), self.knots) + self.offset


def _knots(reference: Array, target: Array) -> Array:
    """The margins at fixed shares of both sets; one piece where there are few rows, or few different ones."""
    shares = KNOTS if min(len(reference), len(target)) >= LEAST_FOR_PIECES else (KNOTS[0], KNOTS[-1])
    pooled = (
        np.concatenate([reference, target]),
        np.repeat([0.5 / len(reference), 0.5 / len(target)], [len(reference), len(target)]),
    )
    order = np.argsort(pooled[0], kind="stable")
    reached = np.cumsum(pooled[1][order])
    knots = np.unique(pooled[0][order][np.minimum(np.searchsorted(reached, shares), len(order) - 1)])
    return knots if len(knots) > 1 and np.ptp(knots) > 1e-12 else np.array([knots[0] - 1, knots[0] + 1])


def _pieces(margin: Array, knots: Array) -> Array:
    """How far along each piece margins ``(n,)`` are, ``(q - 1, n)``: 0 to 1, and beyond at the outer ends."""
    along = (margin - knots[:-1, None]) / np.diff(knots)[:, None]
    low, high = np.zeros(len(along)), np.ones(len(along))
    low[0], high[-1] = -np.inf, np.inf
    return np.clip(along, low[:, None], high[:, None])
