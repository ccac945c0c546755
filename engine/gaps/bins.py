"""Images by attribute: each column of two sets cut into a few bins that both sets share out."""

from itertools import pairwise
from typing import NamedTuple

import numpy as np

from gapscope.attributes.columns import Column

Array = np.ndarray
QUANTILES = (0, 0.25, 0.5, 0.75, 1)
# Values that have a bin of their own, those with most images; the others share one.
MOST_VALUES = 12
OTHERS, UNKNOWN = "another", "unknown"


class Bins(NamedTuple):
    """The bin of each row of both sets, ``(n,)`` and ``(m,)`` places in `names`."""

    names: tuple[str, ...]
    reference: Array
    target: Array


def bins_of(column: Column) -> Bins:
    """Numbers are cut at the quartiles and the ends of both sets, so that what one set alone has is by itself; values
    have bins of their own, and so has what is unknown.
    """
    return _of_values(column) if column.values else _of_numbers(column)


def _of_numbers(column: Column) -> Bins:
    known = [side[ok] for side, ok in zip(column.sides, column.known, strict=True)]
    cuts = np.unique(np.concatenate([np.quantile(side, QUANTILES) for side in known if len(side)] or [np.empty(0)]))
    codes = [np.where(np.isnan(side), len(cuts) + 1, np.searchsorted(cuts, side, "left")) for side in column.sides]
    shown = [column.wording.show(cut) for cut in cuts]
    label, unit = column.wording.label, f" {column.wording.unit}".rstrip()
    between = [f"{label} {low} to {high}{unit}" for low, high in pairwise(shown)]
    ends = (f"{label} up to {shown[0]}{unit}", f"{label} above {shown[-1]}{unit}") if shown else (label, label)
    return Bins((ends[0], *between, ends[1], f"{label} {UNKNOWN}"), codes[0], codes[1])


def _of_values(column: Column) -> Bins:
    sizes = sum(np.bincount(side[side >= 0], minlength=len(column.values)) / max(len(side), 1) for side in column.sides)
    frequent = np.sort(np.argsort(-np.asarray(sizes), kind="stable")[:MOST_VALUES])
    place = np.full(len(column.values) + 1, len(frequent))
    place[frequent], place[-1] = np.arange(len(frequent)), len(frequent) + 1
    names = [f"{column.name} {column.values[value]}" for value in frequent]
    names += [f"{column.name} {word}" for word in (OTHERS, UNKNOWN)]
    return Bins(tuple(names), *(place[side] for side in column.sides))
