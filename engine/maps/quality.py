"""How much a map can be believed: whether neighbours on it are neighbours, and whether placed rows lie where laid-out
ones would.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from gapscope.core.random import stream
from gapscope.inference import interval_of, resampled_sums
from gapscope.maps.made import Sheet
from gapscope.maps.nearest import nearest
from gapscope.maps.neighbours import Neighbours
from gapscope.maps.sample import even_shares
from gapscope.maps.space import Space
from gapscope.store import View

Array = np.ndarray
NEIGHBOURS = 15
# Rows that a map is judged by: their ranks take 4 ms a row.
JUDGED = 2000
# Laid-out rows that are placed once more, as if they were new: at most, and at most this share of them.
HELD_OUT, HELD_SHARE = 1000, 0.1
BLOCK = 256
# Of a standard normal variable, within which it lies 95 times of 100.
NORMAL = 1.96


class Measured(NamedTuple):
    """A mean or median over `n` rows, and its 95 % interval."""

    value: float
    low: float
    high: float
    n: int


@dataclass(frozen=True, eq=False)
class Judged:
    """Rows with their features and their places.

    Attributes
    ----------
    x : (n, d) float32
    xy : (n, 2) float32
    fitted : (n,) bool
    """

    x: Array
    xy: Array
    fitted: Array


def last_rows(space: Space, sheet: Sheet, most: int = JUDGED) -> Judged:
    """At most `most` rows from the end of each set, evenly: a fair sample, for rows stand in random order."""
    shares = even_shares(space.counts.sum(axis=1), most)
    firsts = [view.stop - int(share) for view, share in zip(space.views, shares, strict=True)]
    return _judged(space, sheet, firsts, shares)


def first_rows(space: Space, sheet: Sheet, most: int = JUDGED) -> Judged:
    """At most `most` rows that were laid out themselves, from the front of each set, evenly."""
    firsts = [view.start for view in space.views]
    result = _judged(space, sheet, firsts, even_shares(space.counts.sum(axis=1), most))
    return Judged(result.x[result.fitted], result.xy[result.fitted], result.fitted[result.fitted])


def _judged(space: Space, sheet: Sheet, firsts: Sequence[int], shares: Array) -> Judged:
    parts = []
    for number, (first, share) in enumerate(zip(firsts, shares, strict=True)):
        x = View(space.views[number].store, first, first + int(share)).read().x
        parts.append((x, *sheet.points(number, first, x)))
    return Judged(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))


def neighbours_for(rows: int, most: int = NEIGHBOURS) -> int:
    """As many neighbours as trustworthiness is defined for among so many rows, 0 where there are too few.

    >>> neighbours_for(2000), neighbours_for(9), neighbours_for(2)
    (15, 4, 0)
    """
    return min(most, (rows - 1) // 2)


def trust(x: Array, xy: Array, k: int, seed: int = 0) -> Measured:
    """Trustworthiness of places ``xy : (n, 2)`` of rows ``x : (n, d)``: 1 where the `k` nearest of each row on the map
    are its nearest k in truth, less by how far down the ranking they stand; a random map has about 0.5.

    Equal to ``sklearn.manifold.trustworthiness``. 2 n² d flops, a block of rows at a time.

    References
    ----------
    Venna and Kaski (2001), "Neighborhood preservation in nonlinear projection methods".
    """
    n = len(x)
    on_map = _nearest_of_its_own(xy, k)
    beyond = np.concatenate([np.maximum(_ranks(x, start, on_map) - k, 0).sum(axis=1) for start in range(0, n, BLOCK)])
    return mean_of(1 - beyond * (2 / (k * (2 * n - 3 * k - 1))), seed)


def recall(x: Array, xy: Array, k: int, seed: int = 0) -> Measured:
    """Which share of the `k` nearest rows in truth are among the k nearest on the map."""
    result = shared(_nearest_of_its_own(x, k), _nearest_of_its_own(xy, k))
    return mean_of(result, seed)


def shared(one: Array, other: Array) -> Array:
    """Share ``(n,)`` of the indices in each row of ``one : (n, k)`` that are in the same row of ``other : (n, k)``."""
    return (one[:, :, None] == other[:, None, :]).any(axis=2).mean(axis=1)


def mean_of(values: Array, seed: int = 0) -> Measured:
    """The mean of ``values : (n,)`` with an interval from a bootstrap over the rows."""
    sums = resampled_sums(np.arange(len(values)), np.column_stack([values, np.ones(len(values))]), seed)
    low, high = interval_of(sums[:, 0] / np.maximum(sums[:, 1], 1))
    return Measured(float(values.mean()), low, high, len(values))


def median_of(values: Array) -> Measured:
    """The median of ``values : (n,)``, with the order statistics between which a population's lies 95 times of 100."""
    ordered, n = np.sort(values), len(values)
    away = NORMAL * np.sqrt(n) / 2
    low, high = (int(np.clip(place, 0, n - 1)) for place in (np.floor(n / 2 - away), np.ceil(n / 2 + away)))
    return Measured(float(np.median(ordered)), float(ordered[low]), float(ordered[high]), n)


def displacement(space: Space, sheet: Sheet, seed: int) -> Measured | None:
    """How far rows that were laid out would lie from there had they been placed: the median distance, in units of the
    map's radius (the root mean square distance from its middle). None for a linear map and for too few rows.

    Some of them are taken out of the sample and placed by neighbours among the rest.
    """
    if sheet.sample is None:
        return None
    m = sheet.sample.rows
    held = stream(seed, "map", "held out").choice(m, min(HELD_OUT, int(HELD_SHARE * m)), replace=False)
    if not len(held):
        return None
    rest, xy = np.delete(np.arange(m), held), sheet.laid.fitted
    place = Neighbours.of(space.principal, sheet.sample.z[rest], xy[rest])
    return median_of(np.linalg.norm(place.among(sheet.sample.z[held]) - xy[held], axis=1) / radius(xy))


def difference(space: Space, sheet: Sheet, judged: Judged, most: int) -> Measured | None:
    """How far apart the library's own placement and that by neighbours put at most `most` rows that were not laid out:
    the median distance, in units of the map's radius; None where there are none.
    """
    new = np.flatnonzero(~judged.fitted)[:most]
    if sheet.sample is None or not len(new):
        return None
    by_neighbours = Neighbours.of(space.principal, sheet.sample.z, sheet.laid.fitted)(judged.x[new])
    apart = np.linalg.norm(by_neighbours - judged.xy[new], axis=1)
    return median_of(apart / radius(sheet.laid.fitted))


def radius(xy: Array) -> float:
    """Root mean square distance of ``xy : (n, 2)`` from its middle."""
    return float(np.sqrt(np.square(xy - xy.mean(axis=0)).sum(axis=1).mean())) or 1.0


def _nearest_of_its_own(x: Array, k: int) -> Array:
    rows = np.asarray(x, np.float64)
    return nearest(rows - rows.mean(axis=0), rows - rows.mean(axis=0), k, np.arange(len(rows)))[1]


def _ranks(x: Array, start: int, on_map: Array) -> Array:
    """The rank by true distance, 1 for the nearest, of each row's neighbours ``on_map[start : start + BLOCK]``."""
    rows = np.asarray(x, np.float64)
    rows = rows - rows.mean(axis=0)
    block = rows[start : start + BLOCK]
    squared = np.einsum("nd,nd->n", rows, rows) - 2 * (block @ rows.T)
    own = np.arange(len(block))
    squared[own, start + own] = -np.inf
    rank = np.argsort(np.argsort(squared, axis=1, kind="stable"), axis=1, kind="stable")
    return np.take_along_axis(rank, on_map[start : start + BLOCK], axis=1)
