"""Where values lie that are seen with noise: each is drawn towards their mean as far as its noise demands.

The values are taken for draws from a normal distribution. Its mean has a flat prior. Its spread, which is integrated
out on a grid, has one that is flat up to the noise of a value and flat in its logarithm beyond: with a flat one, a
dozen values seem to spread by a quarter more than they do.

References
----------
Morris (1983), "Parametric empirical Bayes inference". Gelman et al. (2013), "Bayesian data analysis", 5.4: the normal
hierarchical model.
"""

from typing import NamedTuple

import numpy as np

Array = np.ndarray
SPREADS = 80
NORMAL = 1.96


class BySpread(NamedTuple):
    """What is known of k values for each of g spreads that they may have beyond their noise.

    Attributes
    ----------
    spread, weight : (g,)
        Each spread, and how likely it is.
    mean, doubt : (g,)
        Of the distribution: its mean, and the variance of that.
    keep : (g, k)
        Share of the way from the mean to a value, as seen, at which it lies.
    own : (g, k)
        Variance of each value around that place, were the mean known.
    apart : (g, k)
        How far from the mean it lies.
    """

    spread: Array
    weight: Array
    mean: Array
    doubt: Array
    keep: Array
    own: Array
    apart: Array

    @property
    def median(self) -> float:
        """The spread that is as likely too large as too small."""
        return float(np.interp(0.5, np.cumsum(self.weight), self.spread))

    def half_width(self, centre: Array) -> Array:
        """Half of a 95 % interval around ``centre : (k,)``, with the doubt about spread and mean."""
        away = self.mean[:, None] + self.apart - centre
        variance = self.own + (1 - self.keep) ** 2 * self.doubt[:, None] + away**2
        return NORMAL * np.sqrt(self.weight @ variance)


def by_spread(raw: Array, error: Array) -> BySpread:
    """Of two values or more, seen as ``raw : (k,)`` with standard errors ``error : (k,)``."""
    variance = error**2
    spread = np.linspace(0.0, 1.0, SPREADS) ** 2 * max(4 * raw.std(), 2 * float(error.min()))
    total = variance + spread[:, None] ** 2
    doubt = 1 / (1 / total).sum(axis=1)
    mean = doubt * (raw / total).sum(axis=1)
    keep = spread[:, None] ** 2 / total
    apart = (raw - mean[:, None]) * keep
    noise = 1 / np.sqrt((1 / variance).mean())
    return BySpread(spread, _weight(raw, total, mean, doubt, spread, noise), mean, doubt, keep, keep * variance, apart)


def _weight(raw: Array, total: Array, mean: Array, doubt: Array, spread: Array, noise: float) -> Array:
    """Posterior weights of the spreads ``(g,)``, by the log-likelihood with the mean integrated out."""
    log = 0.5 * np.log(doubt) - 0.5 * (np.log(total) + (raw - mean[:, None]) ** 2 / total).sum(axis=1)
    density = np.exp(log - log.max()) * np.gradient(spread) / np.hypot(noise, spread)
    return density / density.sum()


def shrunk(raw: Array, error: Array) -> tuple[Array, Array, Array]:
    """Posterior mean and 95 % interval of values seen as ``raw : (k,)`` with standard errors ``error : (k,)``.

    A single value stays where it is.
    """
    if len(raw) < 2:
        return raw, raw - NORMAL * error, raw + NORMAL * error
    known = by_spread(raw, error)
    centre = known.weight @ (known.mean[:, None] + known.apart)
    half = known.half_width(centre)
    return centre, centre - half, centre + half
