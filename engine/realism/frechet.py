"""Fréchet distance beside the value that a perfect generator would get with as many rows.

With few rows the distance measures above all how few they are. So the real rows are halved at random: the distance of
one half from the other is what a perfect generator would get, the distance of one half from as many synthetic rows is
what this one gets, and both are means over the same `HALVINGS` random halvings.

With fewer rows than features the covariances are singular, and need neither be regularised nor projected: the distance
asks for the trace of a matrix root, which is the nuclear norm of the product of the two centred sets, a matrix of rows
by rows. Axes chosen from the rows would let the set with fewer rows look more variable than it is.

References
----------
Heusel et al. (2017), "GANs trained by a two time-scale update rule". Dowson and Landau (1982), "The Fréchet distance
between multivariate normal distributions". Chong and Forsyth (2020), "Effectively unbiased FID and Inception Score":
the bias of few rows. Mathiasen and Hvilshøj (2020), "Backpropagating through Fréchet Inception Distance": the trace
from the product of the rows.
"""

from typing import NamedTuple

import numpy as np

from gapscope.core.random import stream
from gapscope.inference import Verdict, interval_of

Array = np.ndarray
HALVINGS = 20
# On each side of a distance; more would cost minutes and tell no more beside their null.
MOST_ROWS = 1000
FEWEST_ROWS = 4


class Matched(NamedTuple):
    """Squared distances of random halvings.

    Attributes
    ----------
    values, null : (r,)
        From the synthetic rows, and between the halves.
    rows
        On each side of a distance.
    """

    values: Array
    null: Array
    rows: int


def frechet_verdict(real: Array, synthetic: Array, *, seed: int = 0, halvings: int = HALVINGS) -> Verdict:
    """The distance of ``synthetic : (m, d)`` from ``real : (n, d)``, its null, and its excess as the effect.

    The interval holds 95 % of the halvings. The effect is the root of what exceeds the null, in standard deviations of
    the real rows. NaN below 4 real or 2 synthetic rows.
    """
    n, m = len(real), len(synthetic)
    if n < FEWEST_ROWS or m < 2:
        sentence = f"Halves need {FEWEST_ROWS} real and 2 synthetic rows, there are {n} and {m}: no Fréchet distance."
        return Verdict("frechet", float("nan"), sentence, n=n + m)
    distances = matched(real, synthetic, seed, halvings)
    value, null = float(distances.values.mean()), float(distances.null.mean())
    low, high = interval_of(distances.values)
    spread = float(np.var(real, axis=0, ddof=1, dtype=np.float64).sum())
    effect = float(np.sqrt(max(value - null, 0.0) / spread)) if spread > 0 else 0.0
    usual = " to ".join(f"{bound:.4g}" for bound in interval_of(distances.null))
    sentence = (
        f"The squared Fréchet distance is {value:.4g} where a perfect generator gets {null:.4g} ({usual}), with "
        f"{distances.rows:,} rows on each side."
    )
    return Verdict("frechet", value, sentence, low, high, effect=effect, null=null, n=n + m)


def matched(real: Array, synthetic: Array, seed: int, halvings: int = HALVINGS) -> Matched:
    """The distances of `halvings` random halvings, with as many rows on each side as the sets allow."""
    rows = min(len(real) // 2, len(synthetic), MOST_ROWS)
    rng = stream(seed, "frechet halvings")
    pairs = [_halving(real, synthetic, rows, rng) for _ in range(halvings)]
    values, null = np.array(pairs).T
    return Matched(values, null, rows)


def _halving(x: Array, y: Array, rows: int, rng: np.random.Generator) -> tuple[float, float]:
    order = rng.permutation(len(x))
    half, other = x[order[:rows]], x[order[rows : 2 * rows]]
    drawn = y[rng.choice(len(y), rows, replace=False)]
    return squared_distance(half, drawn), squared_distance(half, other)


def squared_distance(x: Array, y: Array) -> float:
    """Squared Fréchet distance of the Gaussians fitted to ``x : (n, d)`` and ``y : (m, d)``, n and m above 1.

    Costs ``2 n m d`` flops and the singular values of a matrix of at most d by d.
    """
    x, y = np.asarray(x, np.float64), np.asarray(y, np.float64)
    between = x.mean(axis=0) - y.mean(axis=0)
    one, other = _root(x), _root(y)
    common = np.linalg.svd(one @ other.T, compute_uv=False).sum()
    return max(float(between @ between + np.vdot(one, one) + np.vdot(other, other) - 2 * common), 0.0)


def _root(x: Array) -> Array:
    """A matrix R of at most d rows whose ``R'R`` is the covariance of ``x : (n, d)``."""
    root = (x - x.mean(axis=0)) / np.sqrt(len(x) - 1)
    return np.linalg.qr(root, mode="r") if len(x) > x.shape[1] else root
