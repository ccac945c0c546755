"""Images whose label is probably wrong, where it can be known that at least half of those named are.

A model that is surely wrong, as under a shift, looks like a wrong label. So a second opinion is asked: discriminants
that are fitted on the labels of the target's other rows. Rows on which both agree, and their label does not, are either
genuine errors of both or wrong labels. The two kinds are told apart by the second class: a genuine error is often
mended by it, as often as the probabilities of the second opinion say, a wrong label of whatever kind mostly not. From
the most confident rows on, as many are named as leave this estimate of the share of wrong labels above one half.

References
----------
Northcutt, Jiang and Chuang (2021), "Confident learning", for the idea that labels are judged by out-of-sample
probabilities; the share by the second class is a mixture of two known rates.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from typing import NamedTuple

import numpy as np

from gapscope.core.chunk import Chunk
from gapscope.core.progress import SILENT, Progress
from gapscope.core.ranking import best_classes
from gapscope.core.text import counted
from gapscope.probes.discriminant import Discriminant
from gapscope.probes.metric import scales
from gapscope.probes.training import best_temperature
from gapscope.store import View
from gapscope.stream import Workers, each, fold
from gapscope.summaries import LabelledMoments

Array = np.ndarray
FOLDS = 3
# What is added to the variances of standardised features; rows that choose it and the temperature.
RIDGES, SAMPLE = (0.1, 1.0, 10.0), 4000
# Fewest rows that a share is estimated from; fewest classes that leave room for a third; share that must be wrong.
FEWEST, CLASSES, HALF = 10, 3, 0.5


class LabelErrors(NamedTuple):
    """Which rows are named ``(n,) bool``, the share of them that is wrong by estimate, and why none are, if so."""

    named: Array
    precision: float
    reason: str


class ByFold(NamedTuple):
    """Picklable: moments of the labelled rows of each fold, which go by the rows' ids."""

    parts: tuple[LabelledMoments, ...]

    def merge(self, other: "ByFold") -> "ByFold":
        """The moments of both row sets."""
        return ByFold(tuple(one.merge(two) for one, two in zip(self.parts, other.parts, strict=True)))


@dataclass(frozen=True)
class _Moments:
    """Picklable: the moments of a chunk by fold."""

    classes: int

    def __call__(self, chunk: Chunk) -> ByFold:
        folds = _fold_of(chunk)
        return ByFold(tuple(LabelledMoments.of(_rows(chunk, folds == one), self.classes) for one in range(FOLDS)))


def _fold_of(chunk: Chunk) -> Array:
    return np.asarray(chunk.sample_id) % FOLDS


def _rows(chunk: Chunk, chosen: Array) -> Chunk:
    return Chunk(chunk.sample_id[chosen], chunk.x[chosen], chunk.y[chosen])


@dataclass(frozen=True, eq=False)
class Opinion:
    """Picklable: what discriminants of the other folds say of the rows of a chunk.

    Attributes
    ----------
    heads
        For each fold, weights ``(d, p)`` and biases ``(p,)``.
    present
        For each fold, the classes that have rows in the others.
    factor
        What scores are multiplied by.
    """

    heads: tuple[tuple[Array, Array], ...]
    present: tuple[Array, ...]
    factor: float = 1.0

    def __call__(self, _index: int, chunk: Chunk) -> dict[str, Array]:
        """The best class and the second, ``(n,) int``, the best one's probability, and the second's among the rest."""
        probability, classes = self.probabilities(chunk)
        top = best_classes(probability, 2)
        rows = np.arange(len(top))
        first, second = probability[rows, top[:, 0]], probability[rows, top[:, 1]]
        columns = np.stack([classes[rows, top[:, i]] for i in (0, 1)])
        rest = np.maximum(1 - first, 1e-12)
        return {"best": columns[0], "second": columns[1], "first": first, "odds": np.minimum(second / rest, 1.0)}

    def probabilities(self, chunk: Chunk) -> tuple[Array, Array]:
        """Probabilities ``(n, p)`` of the classes ``(n, p) int``; p is that of the fold with the most, 0 beyond."""
        width = max(len(one) for one in self.present)
        scores = np.full((len(chunk.x), width), -np.inf)
        classes = np.zeros((len(chunk.x), width), np.int64)
        folds = _fold_of(chunk)
        for number, ((weight, bias), present) in enumerate(zip(self.heads, self.present, strict=True)):
            rows = folds == number
            scores[rows, : len(present)] = (chunk.x[rows] @ weight + bias) * self.factor
            classes[rows, : len(present)] = present
        scores -= scores.max(axis=1, keepdims=True)
        np.exp(scores, out=scores)
        return scores / scores.sum(axis=1, keepdims=True), classes


def second_opinion(target: View, workers: Workers, progress: Progress = SILENT) -> dict[str, Array] | None:
    """What `Opinion` says of every row of the target, in order; None where a fold leaves less than three classes.

    Two reads of the target. Memory: ``24 d²`` bytes for the moments of three folds.
    """
    classes = len(target.store.class_names)
    said = f"label checks of {target.store.name}"
    parts = fold(target, _Moments(classes), workers, progress=progress, description=said).parts
    others = [reduce(LabelledMoments.merge, parts[:one] + parts[one + 1 :]) for one in range(FOLDS)]
    if min(len(one.present) for one in others) < CLASSES:
        return None
    opinion = _opinion(others, target)
    found = each(target, opinion, workers, progress=progress, description=said)
    return {name: np.concatenate([part[name] for part in found]) for name in found[0]} if found else None


def _opinion(others: Sequence[LabelledMoments], target: View) -> Opinion:
    """The discriminants with the ridge that is most often right about a sample of the rows it has not seen."""
    sample = target.store.view(target.start, min(target.stop, target.start + SAMPLE)).read()
    fitted = [Discriminant.of(one, scales(one.total)) for one in others]
    present = tuple(one.present for one in others)
    tried = []
    for ridge in RIDGES:
        heads = tuple(one.solve(one.eigenvalues + ridge) for one in fitted)
        opinion = Opinion(heads, present)
        tried.append((float((opinion(0, sample)["best"] == sample.y).mean()), opinion))
    best = max(tried, key=lambda pair: pair[0])[1]
    return Opinion(best.heads, present, _factor(best, sample))


def _factor(opinion: Opinion, sample: Chunk) -> float:
    """The temperature's inverse by the labels of the sample, wrong ones among them."""
    scores = np.full((len(sample.x), max(len(one) for one in opinion.present)), -1e30, np.float32)
    own = np.full(len(sample.x), -1)
    folds = _fold_of(sample)
    for number, ((weight, bias), present) in enumerate(zip(opinion.heads, opinion.present, strict=True)):
        rows = np.flatnonzero(folds == number)
        scores[rows, : len(present)] = sample.x[rows] @ weight + bias
        place = np.searchsorted(present, sample.y[rows])
        there = (place < len(present)) & (present[np.minimum(place, len(present) - 1)] == sample.y[rows])
        own[rows] = np.where(there, place, -1)
    known = own >= 0
    scores = np.where(scores < -1e29, scores[known].min(initial=0, where=scores[known] > -1e29) - 50, scores)
    return best_temperature(scores[known].astype(np.float32), own[known])


def label_errors(label: Array, predicted: Array, opinion: dict[str, Array] | None, classes: int) -> LabelErrors:
    """Rows whose ``label : (n,)`` is probably wrong; -1 is none.

    ``predicted : (n,)`` is the model's answer, in the same classes as the labels and those of the `opinion`.
    """
    nobody = np.zeros(len(label), bool)
    if opinion is None or classes < CLASSES:
        return LabelErrors(nobody, float("nan"), "fewer than three classes have enough rows for a second opinion")
    against = (label >= 0) & (predicted == opinion["best"]) & (label != predicted)
    rows = np.flatnonzero(against)
    rows = rows[np.argsort(-opinion["first"][rows], kind="stable")]
    if len(rows) < FEWEST:
        few = f"the model and a second opinion agree against the label of only {counted(len(rows), 'image')}"
        return LabelErrors(nobody, float("nan"), f"{few}, too few to know how many labels are wrong")
    share, error = _wrong_share(label, opinion, rows, classes)
    enough = (share - error >= HALF) & (np.arange(1, len(rows) + 1) >= FEWEST)
    if not enough.any():
        return LabelErrors(nobody, float("nan"), "no threshold is known at which half of the marked labels are wrong")
    last = int(np.flatnonzero(enough)[-1])
    nobody[rows[: last + 1]] = True
    return LabelErrors(nobody, float(min(share[last], 1.0)), "")


def _wrong_share(label: Array, opinion: dict[str, Array], rows: Array, classes: int) -> tuple[Array, Array]:
    """For the first 1, 2, … of the `rows`, the share whose label is wrong and its standard error, ``(m,)`` each.

    Of genuine errors the second class is right at the rate that the probabilities say, but no more than it is among the
    less confident half of the rows; of wrong labels at that of guessing among the other classes.
    """
    count = np.arange(1, len(rows) + 1)
    second = opinion["second"][rows] == label[rows]
    less_sure = second[len(rows) // 2 :].mean()
    genuine = np.minimum(np.cumsum(opinion["odds"][rows]) / count, less_sure)
    guessing = 1 / (classes - 1)
    seen = np.cumsum(second) / count
    room = np.maximum(genuine - guessing, 1e-9)
    share = np.where(genuine > 1.5 * guessing, (genuine - seen) / room, 0.0)
    smooth = (np.cumsum(second) + 1) / (count + 2)
    return share, np.sqrt(smooth * (1 - smooth) / count) / room
