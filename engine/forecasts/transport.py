"""Confidence optimal transport: how far the target's probabilities are from the source's labels.

The cost of taking a probability vector p for the class c is ``1 - p_c``, which is both the largest difference to the
one-hot vector of c and half the sum of differences. The expected accuracy is one minus the Wasserstein-1 distance: the
best mean of ``p_c`` when the rows are given classes whose shares are those of the source's labels. It is solved as one
problem over the rows whose probabilities are kept, through its dual

    min over prices v of  mean_i max_c (p_ic - v_c) + sum_c q_c v_c,

smoothed and then sharpened step by step. Any prices bound the accuracy from above and any plan from below, so that the
distance to the optimum is known; the sentence says so when it could be seen.

References
----------
Lu et al. (2023), "Characterizing out-of-distribution error via optimal transport". Peyré and Cuturi (2019),
"Computational optimal transport", section 4.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy.optimize import minimize

from gapscope.forecasts.forecast import Forecast, ForecastOptions
from gapscope.forecasts.resampled import bounds_of, resampled_means, seeds, shown
from gapscope.forecasts.scored import Scored

SHARPNESS = (0.1, 0.03, 0.01, 0.003, 0.001, 0.0003, 0.0001)
STEPS = 200
CLOSE = 5e-4
SEEN = 5e-4


class Plan(NamedTuple):
    """The optimum: its value lies between `low` and `high`, and ``prices : (k,)`` reach `high`."""

    low: float
    high: float
    prices: np.ndarray


@dataclass(frozen=True)
class Transport:
    """The mean probability of the class that each row is given by the cheapest plan."""

    needs: tuple[str, ...] = ("probabilities",)

    def estimate(self, source: Scored, target: Scored, options: ForecastOptions) -> Forecast:
        """See `Method`; the replicates keep the prices, which is right to first order."""
        first, second = seeds(options.seed)
        shares = np.bincount(source.label, minlength=source.classes) / source.n
        plan = transported(target.probabilities, shares)
        gain = (target.probabilities - plan.prices).max(axis=1)
        ids = target.sample_id[target.kept]
        above = resampled_means(ids, gain[:, None], second, options.replicates)[:, 0]
        priced = resampled_means(source.sample_id, plan.prices[source.label][:, None], first, options.replicates)[:, 0]
        value, *rest = np.clip(above + priced, 0, 1)
        low, high = bounds_of(rest)
        rows = "" if len(ids) == target.n else f" ({len(ids):,} of {target.n:,} rows)"
        slack = f", at most {100 * (plan.high - plan.low):.1f} points too high" if plan.high - plan.low > SEEN else ""
        sentence = f"given classes in the shares of {source.name}, the rows of {target.name}{rows} have a mean "
        sentence += f"probability of {shown(value, low, high)}{slack}"
        return Forecast("cot", float(value), low, high, len(ids), sentence)


def transported(p: np.ndarray, shares: np.ndarray) -> Plan:
    """The best mean of ``p : (n, k)`` over plans that give each class c the share ``shares[c]`` of the rows.

    About a hundred evaluations of n k exponentials.
    """
    used = np.flatnonzero(shares > 0)
    p_used, q = p[:, used], shares[used]
    prices, low, high = np.zeros(len(used)), 0.0, 1.0
    for sharpness in SHARPNESS:
        options = {"maxiter": STEPS, "ftol": 1e-9, "gtol": 1e-6}
        result = minimize(_smooth, prices, (p_used, q, sharpness), jac=True, method="L-BFGS-B", options=options)
        prices = result.x
        high = float((p_used - prices).max(axis=1).mean() + q @ prices)
        low = max(low, _reached(p_used, q, prices, sharpness))
        if high - low < CLOSE:
            break
    # A class that the source lacks is given to no row, whatever its price above this.
    everything = np.full(p.shape[1], 2.0 + abs(prices).max())
    everything[used] = prices
    return Plan(min(low, high), high, everything)


def _smooth(prices: np.ndarray, p: np.ndarray, q: np.ndarray, sharpness: float) -> tuple[float, np.ndarray]:
    """The dual with a soft maximum, and its gradient."""
    soft, best, total = _softly(p, prices, sharpness)
    value = float((best + sharpness * np.log(total)).mean())
    return value + float(q @ prices), q - ((1 / total).astype(soft.dtype) @ soft).astype(np.float64) / len(p)


def _softly(p: np.ndarray, prices: np.ndarray, sharpness: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """How much of each row goes to each class, ``(n, k)`` in the precision of `p`; the maxima ``(n,)`` and sums."""
    soft = p - prices.astype(p.dtype)
    best = soft.max(axis=1)
    soft -= best[:, None]
    soft *= p.dtype.type(1 / sharpness)
    np.exp(soft, out=soft)
    return soft, best.astype(np.float64), (soft @ np.ones(soft.shape[1], p.dtype)).astype(np.float64)


def _reached(p: np.ndarray, q: np.ndarray, prices: np.ndarray, sharpness: float) -> float:
    """The value of a plan near the soft one: over-full classes are scaled down, what is left goes where there is room.

    Altschuler, Weed and Rigollet (2017), "Near-linear time approximation algorithms for optimal transport".
    """
    soft, _, total = _softly(p, prices, sharpness)
    plan = soft / (len(p) * total[:, None])
    given = plan.sum(axis=0)
    plan *= np.minimum(1, q / np.where(given > 0, given, 1))
    rows, room = 1 / len(p) - plan.sum(axis=1), q - plan.sum(axis=0)
    left = max(float(rows.sum()), 0.0)
    return float((plan * p).sum() + (rows @ p @ room / left if left > 1e-15 else 0.0))


TRANSPORT = Transport()
