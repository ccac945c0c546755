"""Which columns differ between two sets of images, by how much, and whether beyond chance."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from scipy.special import chdtrc, ndtr, ndtri

from gapscope.attributes import ATTRIBUTES
from gapscope.attributes.columns import Column, than, wording
from gapscope.blocks.formats import percent
from gapscope.inference import adjusted, average_ranks, interval_of_exceedance

Array = np.ndarray
LEVEL = 0.05
# Fewer images of a side say nothing about an attribute.
LEAST_IMAGES = 10
# Values of which fewer images would be expected on a side are tested together.
LEAST_EXPECTED = 5


class Moved(NamedTuple):
    """A column of numbers in two sets.

    Attributes
    ----------
    name
        In `ATTRIBUTES`, or the user's.
    reference, target
        Medians.
    above
        How often an image of the target has more of it than one of the reference, ties counting half; with its 95 %
        interval `low` to `high`, that of DeLong et al. (1988) and Newcombe's together. One half where nothing moved.
    p
        Of the rank test by Mann and Whitney, corrected for all columns (Holm).
    """

    name: str
    reference: float
    target: float
    above: float
    low: float
    high: float
    p: float

    @property
    def effect(self) -> float:
        """How far `above` is from one half, as a share of the most that it can be, with its sign."""
        return 2 * self.above - 1

    @property
    def sentence(self) -> str:
        """The finding in words, without a full stop.

        >>> Moved("luminance", 118, 54, 0.07, 0.05, 0.1, 1e-9).sentence
        'The target is darker: luminance 54 instead of 118 grey levels, darker than 93.0 % of the reference'
        """
        column = wording(self.name)
        word, share = (column.more, self.above) if self.above > 0.5 else (column.less, 1 - self.above)
        values = f"{column.label} {column.show(self.target)} instead of {column.show(self.reference)} {column.unit}"
        return f"The target is {word}: {values.rstrip()}, {than(word, share)}"


class Changed(NamedTuple):
    """A column of values in two sets.

    Attributes
    ----------
    value
        That whose share differs most.
    reference, target
        Its shares.
    low, high
        95 % interval of the difference of its shares, target less reference, for all values together (Bonferroni).
    apart
        Share of the images that would need another value for both sets to be alike.
    p
        Of Pearson's test, corrected for all columns (Holm).
    """

    name: str
    value: str
    reference: float
    target: float
    low: float
    high: float
    apart: float
    p: float

    @property
    def effect(self) -> float:
        """See `apart`."""
        return self.apart

    @property
    def sentence(self) -> str:
        """The finding in words, without a full stop.

        >>> Changed("camera", "Phone", 0.03, 0.62, 0.5, 0.7, 0.6, 1e-9).sentence
        'The target has another mix of camera: Phone 62.0 % instead of 3.0 %'
        """
        shares = f"{self.value} {percent(self.target)} instead of {percent(self.reference)}"
        none = self.apart >= 1
        what = f"shares no value of {self.name} with the reference" if none else f"has another mix of {self.name}"
        return f"The target {what}: {shares}"


Move = Moved | Changed


def moved_columns(columns: Sequence[Column]) -> list[Move]:
    """Every column that ten images or more of each set have, those that moved most first; p-values are not corrected,
    see `corrected`.
    """
    found = []
    for column in columns:
        one, other = (side[known] for side, known in zip(column.sides, column.known, strict=True))
        if min(len(one), len(other)) >= LEAST_IMAGES:
            found.append(_changed(column, one, other) if column.values else _moved(column.name, one, other))
    return _by_effect(found)


def corrected(found: Sequence[Move]) -> list[Move]:
    """The same with p-values that are corrected for all of them together (Holm)."""
    p = adjusted(np.array([one.p for one in found]), "holm") if found else ()
    return [one._replace(p=float(own)) for one, own in zip(found, p, strict=True)]


def moved_attributes(reference: Array, target: Array) -> list[Moved]:
    """Every attribute that ten images or more of each set have and that is not the same in all of them, those that
    moved most first; p-values are corrected.

    Parameters
    ----------
    reference : (n, a), target : (m, a)
        Rows of `attributes_of`; NaN where an image has none.
    """
    columns = [Column(name, reference[:, index], target[:, index]) for index, name in enumerate(ATTRIBUTES)]
    varied = [one for one in columns if np.nanmax(values := np.concatenate(one.sides), initial=-np.inf)
              > np.nanmin(values, initial=np.inf)]  # fmt: skip
    return [one for one in corrected(moved_columns(varied)) if isinstance(one, Moved)]


def beyond_chance(moved: Sequence[Moved]) -> list[Moved]:
    """Those that moved at the level of 5 %."""
    return [one for one in moved if one.p <= LEVEL]


def _by_effect(found: Sequence[Move]) -> list[Move]:
    return sorted(found, key=lambda one: -abs(one.effect))


def _moved(name: str, one: Array, other: Array) -> Moved:
    n, m = len(one), len(other)
    ranks = average_ranks(np.concatenate([one, other]))
    above = float((ranks[n:].sum() - m * (m + 1) / 2) / (n * m))
    # How often each image of one set is exceeded by, or exceeds, the other set's.
    exceeded = 1 - (ranks[:n] - average_ranks(one)) / m
    exceeds = (ranks[n:] - average_ranks(other)) / n
    error = float(np.sqrt(exceeded.var(ddof=1) / n + exceeds.var(ddof=1) / m))
    reach = float(ndtri(1 - LEVEL / 2)) * error
    low, high = interval_of_exceedance(above, n, m)
    low, high = max(min(low, above - reach), 0.0), min(max(high, above + reach), 1.0)
    p = _rank_test(above, ranks, n, m)
    return Moved(name, float(np.median(one)), float(np.median(other)), above, low, high, p)


def _rank_test(above: float, ranks: Array, n: int, m: int) -> float:
    """Two-sided p of the Mann-Whitney statistic, normal, corrected for ties."""
    counts = np.unique(ranks, return_counts=True)[1].astype(np.float64)
    total = n + m
    ties = float((counts**3 - counts).sum()) / (total * (total - 1))
    deviation = np.sqrt((total + 1 - ties) / (12 * n * m))
    return float(2 * ndtr(-abs(above - 0.5) / deviation)) if deviation else 1.0


def _changed(column: Column, one: Array, other: Array) -> Changed:
    counts = np.stack([np.bincount(side, minlength=len(column.values)) for side in (one, other)]).astype(np.float64)
    share = counts / counts.sum(axis=1, keepdims=True)
    change = share[1] - share[0]
    # Of two values that exchanged images, that which the target has more of.
    most = int(change.argmax() if change.max() >= np.abs(change).max() - 1e-12 else change.argmin())
    # With an image added to either side of the value, so that shares of 0 and 1 have an error (Agresti and Caffo 2000).
    near = (counts[:, most] + 1) / (counts.sum(axis=1) + 2)
    error = float(np.sqrt((near * (1 - near) / counts.sum(axis=1)).sum()))
    reach = float(ndtri(1 - LEVEL / (2 * int((counts.sum(axis=0) > 0).sum())))) * error
    apart = float(np.abs(change).sum() / 2)
    low, high = max(change[most] - reach, -1.0), min(change[most] + reach, 1.0)
    return Changed(column.name, column.values[most], *share[:, most].tolist(), low, high, apart, _pearson(counts))


def _pearson(counts: Array) -> float:
    """p of Pearson's test that both rows of ``counts : (2, v)`` have the same shares, rare values as one."""
    rare = counts.sum(axis=0) * counts.sum(axis=1).min() < LEAST_EXPECTED * counts.sum()
    table = np.concatenate([counts[:, ~rare], counts[:, rare].sum(axis=1, keepdims=True)], axis=1)
    table = table[:, table.sum(axis=0) > 0]
    expected = table.sum(axis=1, keepdims=True) * table.sum(axis=0) / table.sum()
    freedom = table.shape[1] - 1
    return float(chdtrc(freedom, ((table - expected) ** 2 / expected).sum())) if freedom else 1.0


def table_of_moves(moved: Sequence[Move]) -> pa.Table:
    """A row for each, with null in what only the other kind has."""
    kinds = {"value": pa.string(), "above": pa.float64(), "apart": pa.float64()}
    rows = [dict.fromkeys(kinds) | one._asdict() for one in moved]
    names = dict.fromkeys(["name", *(name for row in rows for name in row)])
    return pa.table({name: pa.array([row[name] for row in rows], kinds.get(name)) for name in names})


def move_of(row: Mapping[str, Any]) -> Move:
    """What a row of such a table says."""
    kind = Moved if row["value"] is None else Changed
    return kind(**{name: row[name] for name in kind._fields})
