"""Copies: synthetic rows that lie nearer to a real image than real images lie to one another.

Three distances of a row say that it is a copy: to its nearest training row; to the nearest of its own class, in units
of that class's median distance, so that dense and sparse classes are alike; and to its nearest row over that to the
second nearest, which is small for an altered copy even far out. Each is ranked among those of the training rows
themselves, every row left out of its own neighbours. The least of the three ranks is the row's suspicion; it is a copy
where that is so small that not more than 1 % of the training rows are as suspicious. So a fresh real image is taken for
a copy about once in a hundred times; more often where there are fewer than some hundred rows, for the most suspicious
of them always sets a mark. Training rows with an exact duplicate do not count: they would make every copy look usual.

The test rows are searched with the same measure: a row that copies one of them is no use, wherever it comes from. But
only where no training row is nearer: a mean of two training images lies near many images, test ones among them, and is
made of none of those.

References
----------
Yoon et al. (2023), "Diffusion probabilistic models generalize when they fail to memorize": the ratio of the two
nearest. Carlini et al. (2023), "Extracting training data from diffusion models". Meehan, Chaudhuri and Dasgupta (2020),
"A non-parametric test to detect data-copying in generative models": training against held-out distances.
"""

from typing import NamedTuple

import numpy as np

from gapscope.core.errors import InputError
from gapscope.core.progress import SILENT, Progress
from gapscope.inference import Verdict, clopper_pearson
from gapscope.realism.neighbours import nearest
from gapscope.realism.sets import Sets
from gapscope.store import View
from gapscope.stream import Workers

Array = np.ndarray
RATE = 0.01


class Distances(NamedTuple):
    """How near some rows are to a real set; all ``(m,)``.

    Attributes
    ----------
    sample_id
        The nearest row.
    overall, within
        Distance to it, and to the nearest of the same class; infinite where there is none.
    ratio
        `overall` over the distance to the second nearest; 0 for an exact copy.
    """

    sample_id: Array
    overall: Array
    within: Array
    ratio: Array


class Yardstick(NamedTuple):
    """The three distances of the training rows among themselves.

    Attributes
    ----------
    scale : (C,)
        Median distance to the nearest row of the class; that of all rows for a class with one row.
    sorted : three (n,)
        Overall, within over scale, and ratio, each ascending.
    threshold
        Suspicion up to which a row is a copy.
    """

    scale: Array
    sorted: tuple[Array, Array, Array]
    threshold: float

    @classmethod
    def of(cls, distances: Distances, y: Array, classes: int, rate: float) -> "Yardstick":
        """From training rows with classes ``y : (n,)``, each left out of its own neighbours."""
        single = distances.overall > 0
        distances, y = Distances(*(column[single] for column in distances)), y[single]
        scale = _medians(distances.within, y, classes)
        kinds = tuple(np.sort(values) for values in _kinds(distances, y, scale))
        blank = cls(scale, kinds, 0.0)
        # Each training row is among those that it is ranked with; a synthetic row is not.
        own = blank.suspicion(distances, y) - 1 / max(len(y), 1)
        return blank._replace(threshold=_threshold(own, rate))

    def suspicion(self, distances: Distances, y: Array) -> Array:
        """The least of the three ranks, ``(m,)``: the share of training rows that are as near or nearer."""
        n = max(len(self.sorted[0]), 1)
        kinds = zip(self.sorted, _kinds(distances, y, self.scale), strict=True)
        return np.min([np.searchsorted(known, values, side="right") / n for known, values in kinds], axis=0)

    def are_copies(self, distances: Distances, y: Array) -> Array:
        """Which rows are copies, ``(m,) bool``."""
        return self.suspicion(distances, y) <= self.threshold


class SyntheticCopies(NamedTuple):
    """What the copy check measured of m synthetic rows.

    Attributes
    ----------
    y : (m,)
        Labels.
    train, test
        Distances to the training and the test rows; test is None where there are no test rows.
    of_train, of_test : (m,) bool
        Which rows are copies.
    suspicion : (m,)
        With respect to the training rows, 0 to 1; small is suspicious.
    """

    y: Array
    train: Distances
    test: Distances | None
    of_train: Array
    of_test: Array
    suspicion: Array

    @property
    def train_over_test(self) -> Array:
        """Distance to the nearest training row over that to the nearest test row, ``(m,)``.

        Around a constant for rows that owe nothing to single images; NaN without test rows.
        """
        if self.test is None:
            return np.full(len(self.y), np.nan)
        both = self.train.overall, self.test.overall
        return np.divide(*both, out=np.where(both[0] > 0, np.inf, np.nan), where=both[1] > 0)

    def verdicts(self, label: int | None = None, name: str | None = None) -> list[Verdict]:
        """Shares of copies, and the median of `train_over_test`; of a class, or all."""
        mine = np.ones(len(self.y), bool) if label is None else self.y == label
        if not mine.any():
            return []
        verdicts = [_share("copies_of_training", self.of_train[mine], "training", name)]
        if self.test is not None:
            verdicts.append(_share("copies_of_test", self.of_test[mine], "test", name))
            known = self.train_over_test[mine]
            known = known[~np.isnan(known)]
            median = float(np.median(known)) if len(known) else float("nan")
            sentence = (
                f"A synthetic row lies {median:.3g} times as far from its nearest training row as from its nearest "
                "test row (median)."
            )
            verdicts.append(Verdict("train_over_test_distance", median, sentence, n=int(mine.sum()), class_name=name))
        return verdicts


def find_copies(sets: Sets, workers: Workers, *, rate: float = RATE, progress: Progress = SILENT) -> SyntheticCopies:
    """The copies among the synthetic rows; ``2 d n (n + m)`` flops for n training and m synthetic rows, twice.

    Raises
    ------
    InputError
        The sets do not belong together, or rows have no label.
    """
    sets.check()
    y, own_y = labels_of(sets.synthetic), labels_of(sets.train)
    for name, labels in (("synthetic", y), ("training", own_y)):
        if (labels < 0).any():
            raise InputError(f"{(labels < 0).sum():,} {name} rows have no label; leave them out")
    own = distances(sets.train, sets.train, workers, leave_out_itself=True, progress=progress)
    yardstick = Yardstick.of(own, own_y, len(sets.class_names), rate)
    to_train = distances(sets.synthetic, sets.train, workers, progress=progress)
    to_test = None
    of_test = np.zeros(len(y), bool)
    if sets.test is not None and sets.test.rows:
        to_test = distances(sets.synthetic, sets.test, workers, progress=progress)
        of_test = yardstick.are_copies(to_test, y) & (to_test.overall <= to_train.overall)
    suspicion = yardstick.suspicion(to_train, y)
    return SyntheticCopies(y, to_train, to_test, suspicion <= yardstick.threshold, of_test, suspicion)


def distances(
    queries: View, rows: View, workers: Workers, *, leave_out_itself: bool = False, progress: Progress = SILENT
) -> Distances:
    """How near each of `queries` is to `rows`."""
    two = nearest(queries, rows, 2, workers, leave_out_itself=leave_out_itself, progress=progress)
    own = nearest(queries, rows, 1, workers, within_class=True, leave_out_itself=leave_out_itself, progress=progress)
    first, second = two.distance.T
    ratio = np.divide(first, second, out=np.where(first > 0, 1.0, 0.0), where=np.isfinite(second) & (second > 0))
    return Distances(two.sample_id[:, 0], first, own.distance[:, 0], ratio)


def labels_of(view: View) -> Array:
    """Labels of all rows, ``(n,)``."""
    parts = [np.zeros(0, np.int32), *(chunk.y for chunk in view.chunks())]
    return np.concatenate(parts)


def _threshold(own: Array, rate: float) -> float:
    """The largest suspicion that at most a share `rate` of the rows stay below or reach; the least where none is."""
    if not len(own):
        return 0.0
    values, counts = np.unique(own, return_counts=True)
    few = values[np.cumsum(counts) <= rate * len(own)]
    return float(few[-1] if len(few) else values[0])


def _kinds(distances: Distances, y: Array, scale: Array) -> tuple[Array, Array, Array]:
    return distances.overall, distances.within / scale[y], distances.ratio


def _medians(within: Array, y: Array, classes: int) -> Array:
    finite = np.isfinite(within) & (within > 0)
    everywhere = float(np.median(within[finite])) if finite.any() else 1.0
    by_class = [within[finite & (y == label)] for label in range(classes)]
    return np.array([np.median(values) if len(values) else everywhere for values in by_class])


def _share(statistic: str, copied: Array, of: str, name: str | None) -> Verdict:
    low, high = clopper_pearson(int(copied.sum()), len(copied))
    sentence = f"{int(copied.sum()):,} of {len(copied):,} synthetic rows are copies of {of} images."
    return Verdict(statistic, float(copied.mean()), sentence, low, high, n=len(copied), class_name=name)
