"""How alike two images are: by what the network sees of them, and by how they look to a few plain numbers.

A row of an image holds its features and, behind them, its appearance. Either view has the mean of three Gaussian
kernels, at half, once and twice the median distance of both sets, and the kernel of the rows is their weighted sum, so
that a distance is a sum over views too. The weight lets the appearance count for as much of the distance as the
features do, or, where the network hardly notices a shift, for what the noise of the features allows.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from gapscope.causes.appearance import NormalScores
from gapscope.causes.chance import Exchanged, exchanged

Array = np.ndarray
OCTAVES = (0.5, 1.0, 2.0)
# A distance of the features that may be chance, or is below so many standard deviations, is no measure of what the
# appearance may count for.
LEVEL, NOTICED = 0.01, 10


@dataclass(frozen=True, eq=False)
class View:
    """One way to look at images.

    Attributes
    ----------
    columns
        Of the rows.
    scaled
        From these columns to those that distances are taken of.
    bandwidth
        The median distance of the rows of both sets.
    by_chance
        How far apart the sets are in this view, and how far by chance.
    """

    columns: slice
    scaled: Callable[[Array], Array]
    bandwidth: float
    by_chance: Exchanged
    weight: float = 1.0

    def of_pairs(self, x: Array, y: Array) -> Array:
        """Values ``(n, m)`` of all pairs of rows that are scaled already, with the weight."""
        return self.weight * _values(_squares(x, y), self.bandwidth)


@dataclass(frozen=True, eq=False)
class Kernel:
    """The views of two sets, that of the features first."""

    views: tuple[View, ...]

    @classmethod
    def of(cls, reference: Array, target: Array, dim: int, different: Array, rng: np.random.Generator) -> "Kernel":
        """That of the rows of both sets, of which the first `dim` columns are features.

        Parameters
        ----------
        different : (n, m)
            Which pairs of a row of either set are of different images.
        """
        rows = np.concatenate([reference, target]).astype(np.float64)
        centre = rows[:, :dim].mean(axis=0)
        features = _view(slice(0, dim), lambda x: x - centre, rows, different, rng)
        if rows.shape[1] == dim:
            return cls((features,))
        seen = _view(slice(dim, None), NormalScores(rows[:, dim:]), rows, different, rng)
        return cls((features, replace(seen, weight=_weight(features, seen))))

    def scaled(self, rows: Array) -> list[Array]:
        """Rows as each view has them."""
        return [view.scaled(rows[:, view.columns]).astype(np.float64) for view in self.views]

    def of_pairs(self, x: Sequence[Array], y: Sequence[Array]) -> Array:
        """Values ``(n, m)`` of all pairs of `scaled` rows."""
        return np.sum([view.of_pairs(*both) for view, *both in zip(self.views, x, y, strict=True)], axis=0)

    @property
    def features(self) -> "Kernel":
        """That of the features alone."""
        return Kernel(self.views[:1])

    @property
    def p(self) -> float:
        """How probable so large a distance is in any view where the sets are samples of one population (Bonferroni)."""
        return min(1.0, len(self.views) * min(view.by_chance.p for view in self.views))


def _view(
    columns: slice, scaled: Callable[[Array], Array], rows: Array, different: Array, rng: np.random.Generator
) -> View:
    """That of the ``rows : (n + m, w)`` of both sets."""
    seen = scaled(rows[:, columns])
    squares = _squares(seen, seen)
    bandwidth = float(np.median(np.sqrt(squares[np.triu_indices(len(seen), 1)]))) or 1.0
    return View(columns, scaled, bandwidth, exchanged(_values(squares, bandwidth), different, rng))


def _weight(features: View, other: View) -> float:
    one, seen = features.by_chance, other.by_chance
    allowed = one.deviation / seen.deviation if seen.deviation else 0.0
    if one.p > LEVEL or seen.distance <= 0:
        return allowed
    return min(allowed, max(one.distance, NOTICED * one.deviation) / seen.distance)


def _values(squares: Array, bandwidth: float) -> Array:
    """The mean over the octaves, of which each is the fourth power of the next."""
    widest = np.exp(-squares / (2 * bandwidth**2 * OCTAVES[-1] ** 2))
    middle = widest**4
    return (widest + middle + middle**4) / len(OCTAVES)


def _squares(x: Array, y: Array) -> Array:
    result = np.einsum("nd,nd->n", x, x)[:, None] + np.einsum("nd,nd->n", y, y) - 2 * x @ y.T
    return np.maximum(result, 0)
