"""What heads reach that are trained on the target's own labels, judged on other rows.

It estimates the most that a change of features in front of a linear head could win back, and is an oracle and no
remedy: it uses what no remedy may see. A linear change of the features in front of a linear head is itself a linear
head, so what the best linear head of the target cannot do, no such change can. Which head is best is not known, so
several are trained, and the best is told:

* ``mixed``: logits of a new head added to those of the model, or of the model behind one of the remedies, with a weight
  that held-out target rows choose, none included;
* ``ridge``: a regression on the features alone, with a penalty chosen on rows that are left out;
* ``ridge on top``: the same on what the model's probabilities leave over.

All are cross-fitted: no row is judged by a head that saw it; of a large target some folds are judged, whose rows tell
an accuracy well enough. They say what heads learn from so many rows, and not what more rows, or a network that is
trained again, could.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar, NamedTuple

import numpy as np

from gapscope.core.chunk import Chunk
from gapscope.core.progress import SILENT, Progress
from gapscope.gaps.target_ridge import Principal, TargetRidge, rows_for
from gapscope.probes.model import Classifier
from gapscope.probes.options import ProbeOptions
from gapscope.probes.train import train
from gapscope.remedies.fitted import FittedRemedy
from gapscope.store import Piece, View
from gapscope.store.rows import Viewed
from gapscope.stream import Workers

Array = np.ndarray
PROBE = "lda"
FOLDS = 5
# Folds are judged until they hold so many labelled rows, which tell an accuracy to 0.7 points.
JUDGED_ROWS = 20_000
# Of the rows that are not judged, the share that chooses penalty and weight, and the most rows that are read for it.
HELD_OUT, HELD_OUT_ROWS = 0.2, 10_000
# How much the new head's logits count beside the model's; infinity leaves the new head alone.
WEIGHTS = (0.0, 0.1, 0.2, 0.35, 0.5, 1.0, 2.0, 5.0, np.inf)
AS_IT_IS = FittedRemedy("", "", "")
BLOCK_ROWS = 64


@dataclass(frozen=True, eq=False)
class Oracle:
    """Logits of a model behind a remedy and, `weight` times, those of a head trained on target labels; picklable."""

    model: Classifier
    remedy: FittedRemedy
    head: Classifier
    weight: float

    name: ClassVar[str] = "mixed"

    def predict(self, x: Array) -> Array:
        """Class index ``(n,)`` of each row of ``x : (n, d)``."""
        old, new = _tempered(self.remedy.scores(self.model, x), self.model), _tempered(self.head.scores(x), self.head)
        return mixtures(old, new, (self.weight,))[0]


@dataclass(frozen=True, eq=False)
class RidgeOracle:
    """A ridge regression of target labels, on top of a model's probabilities or, without it, alone; picklable."""

    head: TargetRidge
    on_top_of: Classifier | None = None

    @property
    def name(self) -> str:
        """What it is called."""
        return "ridge" if self.on_top_of is None else "ridge on top"

    def predict(self, x: Array) -> Array:
        """Class index ``(n,)`` of each row of ``x : (n, d)``."""
        start = 0.0 if self.on_top_of is None else self.on_top_of.probabilities(x)
        return self.head.scores(x, start).argmax(axis=1)


def _ridges(model: Classifier, rest: "Without", classes: int) -> list[RidgeOracle]:
    """Both regressions on rows of `rest`; the second only where the model gives probabilities."""
    chunk = rest.view(0, min(rest.rows, rows_for(rest.dim, classes))).read()
    known = chunk.y >= 0
    x, y = chunk.x[known], chunk.y[known]
    rows = Principal.of(x)
    alone = RidgeOracle(TargetRidge.fit(rows, y, classes))
    if not model.probabilistic:
        return [alone]
    return [alone, RidgeOracle(TargetRidge.fit(rows, y, classes, model.probabilities(x)), model)]


def _tempered(scores: Array, model: Classifier) -> Array:
    return np.maximum(scores / np.float32(model.temperature), -1e4)


def mixtures(old: Array, new: Array, weights: Sequence[float]) -> Array:
    """Class index ``(w, n)`` under ``old + weight new`` for each weight, or `new` alone for one of infinity, of logits
    ``(n, k)``; a few rows at a time, which stay in a processor's cache.
    """
    result = np.empty((len(weights), len(old)), np.int64)
    for start in range(0, len(old), BLOCK_ROWS):
        rows = slice(start, start + BLOCK_ROWS)
        for index, weight in enumerate(weights):
            mixed = new[rows] if np.isinf(weight) else old[rows] + np.float32(weight) * new[rows]
            result[index, rows] = mixed.argmax(axis=1)
    return result


def chosen(model: Classifier, remedies: Sequence[FittedRemedy], head: Classifier, held: Chunk) -> Oracle:
    """The mixture that hits most held-out labels; the model as it is unless that is beaten by a standard error."""
    known = held.take(held.y >= 0)
    new = _tempered(head.scores(known.x), head)
    candidates, hits = [], []
    for remedy in (AS_IT_IS, *remedies):
        old = _tempered(remedy.scores(model, known.x), model)
        candidates += [Oracle(model, remedy, head, weight) for weight in WEIGHTS]
        hits += list(mixtures(old, new, WEIGHTS) == known.y)
    best = int(np.argmax([hit.sum() for hit in hits]))
    better, differ = int(hits[best].sum()) - int(hits[0].sum()), int((hits[best] != hits[0]).sum())
    return candidates[best if better > np.sqrt(differ) else 0]


@dataclass(frozen=True, eq=False)
class Without(Viewed):
    """The rows of a view except a run of them, as a store; with their labels as a model's class indices.

    Attributes
    ----------
    source
        All rows.
    start, stop
        Rows of the source that are left out, counted from its first.
    classes : (c + 1,) int
        The model's class index for each class index of the source, and -1.
    class_names
        The model's.
    """

    source: View
    start: int
    stop: int
    classes: Array
    class_names: list[str]

    @property
    def dim(self) -> int:
        """Number of features."""
        return self.source.store.dim

    @property
    def name(self) -> str:
        """The source's own."""
        return self.source.store.name

    @property
    def rows(self) -> int:
        """Number of rows that are left."""
        return self.source.rows - (self.stop - self.start)

    def read(self, piece: Piece, into: Array | None = None) -> Chunk:
        """The rows of `piece`: first those before the gap, then those behind it."""
        front = Piece(min(piece.start, self.start), min(piece.stop, self.start))
        moved = self.stop - self.start
        back = Piece(max(piece.start, self.start) + moved, max(piece.stop, self.start) + moved)
        chunks = [self._read(part) for part in (front, back) if part.rows]
        chunk = Chunk.joined(chunks) if chunks else self._read(front)
        return chunk._replace(y=self.classes[chunk.y].astype(np.int32))

    def _read(self, part: Piece) -> Chunk:
        return self.source.store.read(Piece(self.source.start + part.start, self.source.start + part.stop))


class Fold(NamedTuple):
    """A run of rows, and the oracles that were trained without it."""

    oracles: tuple[Oracle | RidgeOracle, ...]
    rows: View


def oracles(
    model: Classifier,
    target: View,
    classes: Array,
    remedies: Sequence[FittedRemedy],
    workers: Workers,
    progress: Progress = SILENT,
    *,
    probe: str = PROBE,
    folds: int = FOLDS,
    judged: int = FOLDS,
    seed: int = 0,
) -> list[Fold]:
    """Oracles for each of the first `judged` of `folds` runs of the target, trained on the labels of the others.

    Two times `judged` reads of the target and as many trainings; `classes` is the model's class index for each of the
    target's. Rows stand in random order in a store, so a run of them is a fair fold.

    Raises
    ------
    InputError
        The rows of a fold's complement have no labels.
    """
    width = model.scores(np.zeros((1, target.store.dim), np.float32)).shape[1]
    names = list(model.class_names) or [str(index) for index in range(width)]
    bounds = [target.rows * fold // folds for fold in range(min(judged, folds) + 1)]
    result = []
    for start, stop in pairwise(bounds):
        rest = Without(target, start, stop, np.append(classes, -1), names)
        cut = rest.rows - min(int(rest.rows * HELD_OUT), HELD_OUT_ROWS)
        held = rest.view(cut).read()
        head = train(probe, rest.view(0, cut), held, ProbeOptions(seed=seed), workers, progress)
        rows = View(target.store, target.start + start, target.start + stop)
        result.append(Fold((chosen(model, remedies, head, held), *_ridges(model, rest, len(names))), rows))
    return result
