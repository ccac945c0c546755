"""A finished map of several sets: rows that were laid out stay where they are, all others are placed."""

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from gapscope.core.progress import SILENT, Progress
from gapscope.core.text import counted
from gapscope.maps import MAPS
from gapscope.maps.member import Laid, MapOptions
from gapscope.maps.sample import Sample, take
from gapscope.maps.space import Space
from gapscope.stream import Workers

Array = np.ndarray


class Points(NamedTuple):
    """Where rows lie.

    Attributes
    ----------
    xy : (n, 2) float32
    fitted : (n,) bool
        Whether they were laid out themselves, or, on a linear map, have exact coordinates.
    """

    xy: Array
    fitted: Array


@dataclass(frozen=True, eq=False)
class Sheet:
    """A map that is made; travels to workers.

    Attributes
    ----------
    laid
        The layout.
    sample
        The rows that it was fitted on; None where every row is its own.
    """

    laid: Laid
    sample: Sample | None

    @cached_property
    def _known(self) -> dict[int, tuple[Array, Array]]:
        """For each set the rows that were laid out, ascending, and where they lie."""
        sample, numbers = self.sample, np.unique(self.sample.view)
        return {int(one): (sample.row[sample.view == one], self.laid.fitted[sample.view == one]) for one in numbers}

    def points(self, number: int, first: int, x: Array) -> Points:
        """Coordinates of the rows ``x : (n, d)`` that begin at row `first` of set `number`."""
        if self.sample is None:
            return Points(self.laid.place(x), np.ones(len(x), bool))
        xy, fitted = np.empty((len(x), 2), np.float32), np.zeros(len(x), bool)
        row, known = self._known.get(number, (np.empty(0, np.int64), np.empty((0, 2), np.float32)))
        here = slice(*np.searchsorted(row, [first, first + len(x)]))
        fitted[row[here] - first] = True
        xy[fitted] = known[here]
        if not fitted.all():
            xy[~fitted] = self.laid.place(x[~fitted])
        return Points(xy, fitted)


def make_map(
    name: str,
    space: Space,
    options: MapOptions,
    size: int,
    workers: Workers,
    progress: Progress = SILENT,
) -> Sheet:
    """The map `name` of `MAPS`, laid out, where it is one of a sample, on at most `size` rows.

    Raises
    ------
    InputError
        These rows have no such map.
    """
    member = MAPS[name]
    sample = take(space, size, workers, progress) if member.sampled else None
    if sample is not None:
        progress.say(f"laying out {counted(sample.rows, 'row')} with {name}")
    return Sheet(member.lay(space, sample, options), sample)
