"""One read of each set for all statistics of the family, and their verdicts on every pair.

A statistic first takes a *reference sample*: a few rows of each set, from which it chooses its bins, bandwidths and
projections, so that both sets are summarised on the same ones. What it *keeps* of a set is a summary that merges; all
summaries are made in one `fold`. It then *compares* two sets. What does not fit in a summary (ranks, neighbours, a
trained classifier) reads the two views again while comparing.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from types import MappingProxyType
from typing import Any, NamedTuple, Protocol

import numpy as np

from gapscope.core.chunk import Chunk
from gapscope.core.errors import InputError
from gapscope.core.progress import SILENT, Progress
from gapscope.core.text import counted
from gapscope.inference import Verdict
from gapscope.shifts import SHIFTS
from gapscope.store import View
from gapscope.stream import Workers, fold
from gapscope.summaries import ClassMoments, Moments

SAMPLE_ROWS = 2000
NOTHING: Mapping[str, np.ndarray] = MappingProxyType({})
Of = Callable[[Chunk], Any]


@dataclass(frozen=True, eq=False)
class ReferenceSample:
    """A few rows of each set, from which statistics choose what to measure with.

    Attributes
    ----------
    samples
        ``(m, d) float32`` for each set, the reference first; rows are stored in random order, so the first are a fair
        sample.
    seed
        Begins the names of random streams.
    classes
        Number of classes that the sets share.
    labels
        ``(m,) int`` for each set, -1 where there is none.
    """

    samples: tuple[np.ndarray, ...]
    seed: int
    classes: int
    labels: tuple[np.ndarray, ...] = ()

    @property
    def pooled(self) -> np.ndarray:
        """Equally many rows of each set, ``(m, d)``."""
        count = min(len(sample) for sample in self.samples)
        return np.concatenate([sample[:count] for sample in self.samples])

    @property
    def dim(self) -> int:
        """Number of features."""
        return self.samples[0].shape[1]


@dataclass(frozen=True, eq=False)
class Side:
    """One of two sets that are compared: its rows, moments that all statistics share, what this statistic kept, and its
    part of the sample, rows and labels.
    """

    view: View
    moments: Moments
    classes: ClassMoments
    kept: Any = None
    sample: tuple[np.ndarray, ...] = ()

    @property
    def n(self) -> int:
        """Number of rows."""
        return self.moments.n

    @property
    def name(self) -> str:
        """``dataset/split``."""
        return self.view.store.name


@dataclass(frozen=True)
class ShiftOptions:
    """What a user may choose.

    Attributes
    ----------
    seed
        Of everything that is drawn.
    replicates
        Of bootstraps and permutations.
    neighbours
        k of precision, recall, density and coverage.
    neighbour_rows
        Of each set, at most, in these four: their work grows with the product of both numbers.
    correction
        Name in `gapscope.inference.multiplicity.CORRECTIONS`.
    exact_bytes
        Two sets that together take no more than this, as float32, are read again for exact ranks; larger ones are
        compared by certified brackets. At 1024 features, half a GiB holds 131,072 rows.
    """

    seed: int = 0
    replicates: int = 200
    neighbours: int = 5
    neighbour_rows: int = 10_000
    correction: str = "bh"
    exact_bytes: int = 2**29


@dataclass(frozen=True, eq=False)
class Pair:
    """Two sets to compare, and where to compute."""

    reference: Side
    target: Side
    sample: ReferenceSample
    options: ShiftOptions
    workers: Workers
    progress: Progress = SILENT


class Findings(NamedTuple):
    """What a statistic says of two sets.

    Attributes
    ----------
    verdicts
        The headline first: its value is a distance, 0 for equal sets.
    columns
        Arrays with a row for each feature (or, where a statistic has no feature columns, each class).
    class_columns
        Arrays with a row for each class.
    """

    verdicts: Sequence[Verdict]
    columns: Mapping[str, np.ndarray] = NOTHING
    class_columns: Mapping[str, np.ndarray] = NOTHING


class Statistic(Protocol):
    """A member of `SHIFTS`; all of them are frozen values without state.

    Attributes
    ----------
    needs_rows
        Whether comparing reads the sets again, which costs more than the one read that all share.
    """

    needs_rows: bool

    def state_bytes(self, dim: int) -> int:
        """Bytes of the summary of a set with `dim` features, beside the moments that all statistics share."""

    def keeps(self, sample: ReferenceSample) -> Of | None:
        """The summary to make of a chunk, picklable; None for a statistic that needs none but the moments."""

    def compares(self, pair: Pair) -> Findings:
        """The findings on two sets."""


class Summaries(NamedTuple):
    """What is kept of one set: the shared moments, and each statistic's summary or None."""

    moments: Moments
    classes: ClassMoments
    kept: tuple[Any, ...]

    def merge(self, other: "Summaries") -> "Summaries":
        """Of both row sets together."""
        kept = tuple(a if a is None else a.merge(b) for a, b in zip(self.kept, other.kept, strict=True))
        return Summaries(self.moments.merge(other.moments), self.classes.merge(other.classes), kept)


def _summarise(chunk: Chunk, keeps: tuple[Of | None, ...], classes: int) -> Summaries:
    kept = tuple(None if of is None else of(chunk) for of in keeps)
    return Summaries(Moments.of(chunk.x), ClassMoments.of(chunk.x, chunk.y, classes), kept)


@dataclass(frozen=True, eq=False)
class Battery:
    """The summaries of several sets, ready to be compared two by two."""

    names: tuple[str, ...]
    views: tuple[View, ...]
    summaries: tuple[Summaries, ...]
    sample: ReferenceSample
    options: ShiftOptions
    workers: Workers
    progress: Progress = field(default=SILENT)

    @classmethod
    def read(
        cls,
        views: Sequence[View],
        names: Sequence[str],
        options: ShiftOptions,
        workers: Workers,
        progress: Progress = SILENT,
    ) -> "Battery":
        """Read each of `views` once, for the statistics `names` of `SHIFTS`.

        The views have the same features and classes; the caller has checked that.

        Raises
        ------
        InputError
            A set has fewer than two rows, or numbers that are not finite.
        """
        for view in views:
            if view.rows < 2:
                raise InputError(
                    f"{view.store.name} has {counted(view.rows, 'distinct row')}; a comparison needs two of each set"
                )
        classes = max(1, len(views[0].store.class_names))
        samples, labels = zip(*(_first(view, SAMPLE_ROWS) for view in views), strict=True)
        for view, sample in zip(views, samples, strict=True):
            _check_finite(view, sample.sum(axis=0, dtype=np.float64))
        sample = ReferenceSample(samples, options.seed, classes, labels)
        keeps = tuple(SHIFTS[name].keeps(sample) for name in names)
        summarise = partial(_summarise, keeps=keeps, classes=classes)
        result = tuple(
            fold(view, summarise, workers, progress=progress, description=f"read {view.store.name}") for view in views
        )
        for view, one in zip(views, result, strict=True):
            _check_finite(view, one.moments.mean)
        return cls(tuple(names), tuple(views), result, sample, options, workers, progress)

    def compare(self, reference: int, target: int, names: Sequence[str] | None = None) -> dict[str, Findings]:
        """The findings of each statistic on the sets at these positions."""
        chosen = self.names if names is None else names
        return {name: SHIFTS[name].compares(self._pair(name, reference, target)) for name in chosen}

    def _pair(self, name: str, reference: int, target: int) -> Pair:
        sides = (self._side(name, reference), self._side(name, target))
        return Pair(*sides, self.sample, self.options, self.workers, self.progress)

    def _side(self, name: str, index: int) -> Side:
        one = self.summaries[index]
        sample = (self.sample.samples[index], self.sample.labels[index])
        return Side(self.views[index], one.moments, one.classes, one.kept[self.names.index(name)], sample)


def _check_finite(view: View, totals: np.ndarray) -> None:
    """Refuse a set whose ``totals : (d,)`` show that a number in it is not finite."""
    wrong = np.flatnonzero(~np.isfinite(totals))
    if wrong.size:
        raise InputError(
            f"{view.store.name} has numbers that are not finite in {wrong.size} of {totals.size} features, the first "
            f"is feature {wrong[0]}; extract or import it again"
        )


def _first(view: View, rows: int) -> tuple[np.ndarray, np.ndarray]:
    chunk = View(view.store, view.start, min(view.stop, view.start + rows)).read()
    return chunk.x, np.asarray(chunk.y)
