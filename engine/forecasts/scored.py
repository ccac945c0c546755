"""What models predict for the rows of a set, and how sure they are, from one read of the set.

Kept for each row are its id, its label, the classes that the models give and two numbers for how sure a model is, about
40 bytes; of the probabilities, which are too many, the matrix of second moments of all rows and the vectors of as many
rows as `KEPT` numbers hold. Which rows these are depends on their ids alone.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import combinations
from typing import NamedTuple

import numpy as np
from scipy.special import entr, softmax

from gapscope.core.chunk import Chunk
from gapscope.core.errors import InputError
from gapscope.core.progress import SILENT, Progress
from gapscope.predictions import Predictions
from gapscope.predictions.table import UNLABELLED
from gapscope.probes.model import Classifier
from gapscope.probes.training import TEMPERATURE_SCORES, best_temperature
from gapscope.store import View
from gapscope.stream import CHUNK_ROWS, Workers, fold

# 40 MB of float32.
KEPT = 10**7
GOLDEN = np.uint64(0x9E3779B97F4A7C15)
# Log-probabilities further below the best than this are as good as minus infinity, and finite.
FLOOR = -500.0
NO_CONFIDENCE = "there are no confidences"
NO_PROBABILITIES = "there are no probabilities or scores of all classes"
NO_HEADS = "there are fewer than two models to compare"
NO_LINE = "a line needs the agreements of two pairs of models or more"
NOT_OWN = "the model is not among those that are compared"


@dataclass(frozen=True, eq=False)
class Heads:
    """The predictions of m models whose agreement is counted, for the n rows of one set; shared by all of them.

    Attributes
    ----------
    sample_id, label : (n,)
    predicted : (n, m) int32
    group : (m,) int
        Models of one group have seen the same rows in training, so that their agreement tells nothing.
    """

    sample_id: np.ndarray
    label: np.ndarray
    predicted: np.ndarray
    group: np.ndarray

    @property
    def pairs(self) -> list[tuple[int, int]]:
        """The pairs of models of different groups."""
        return [(i, j) for i, j in combinations(range(len(self.group)), 2) if self.group[i] != self.group[j]]

    @cached_property
    def blind(self) -> "Heads":
        """The same predictions without labels."""
        return replace(self, label=np.full(len(self.label), UNLABELLED, np.int32))

    @cached_property
    def labelled(self) -> "Heads":
        """The predictions for the rows that have a label."""
        known = self.label != UNLABELLED
        return Heads(self.sample_id[known], self.label[known], self.predicted[known], self.group)


@dataclass(frozen=True, eq=False)
class Scored:
    """The predictions of one model for the n rows of one set, and those of other models beside it.

    Attributes
    ----------
    model, name
        What tables call the model and the set.
    classes
        Number k of classes.
    sample_id : (n,) int64
    label : (n,) int32
        -1 where unknown.
    predicted : (n,) int32
        The model's predictions.
    heads
        Answers of the models whose agreement is counted.
    own
        Which of the heads is the model itself; -1 when it is none of them.
    confidence : (n,) float64 or None
        Probability of the best class.
    negative_entropy : (n,) float64 or None
        Of the probabilities, nats; higher for surer predictions.
    gram : (k, k) float64 or None
        Mean over all rows of ``outer(p, p)``.
    probabilities : (r, k) float32 or None
        Of the rows `kept`.
    kept : (r,) int or None
        Positions of the rows whose probabilities are at hand.
    strangeness : (n,) float64 or None
        How far the rows lie from all rows of the reference.
    """

    model: str
    name: str
    classes: int
    sample_id: np.ndarray
    label: np.ndarray
    predicted: np.ndarray
    heads: Heads
    own: int = -1
    confidence: np.ndarray | None = None
    negative_entropy: np.ndarray | None = None
    gram: np.ndarray | None = None
    probabilities: np.ndarray | None = None
    kept: np.ndarray | None = None
    strangeness: np.ndarray | None = None

    @property
    def n(self) -> int:
        """Number of rows."""
        return len(self.sample_id)

    @property
    def right(self) -> np.ndarray:
        """Which rows are given their label, ``(n,) bool``."""
        return self.predicted == self.label

    def blind(self) -> "Scored":
        """The same rows without labels."""
        return replace(self, label=np.full(self.n, UNLABELLED, np.int32), heads=self.heads.blind)

    def labelled(self) -> "Scored":
        """The rows that have a label.

        The matrix of second moments stays that of all rows; `score` leaves unlabelled rows out where that matters.
        """
        known = self.label != UNLABELLED
        if known.all():
            return self
        columns = {name: getattr(self, name) for name in BY_ROW}
        chosen = {name: None if column is None else column[known] for name, column in columns.items()}
        if self.kept is not None:
            here = known[self.kept]
            chosen["kept"] = (np.cumsum(known) - 1)[self.kept[here]]
            chosen["probabilities"] = self.probabilities[here]
        return replace(self, **chosen, heads=self.heads.labelled)

    def taken(self, rows: np.ndarray) -> "Scored":
        """The rows at the positions ``rows : (m,)``, which may occur several times, numbered anew; probabilities and
        their second moments stay behind, but for what `confidence` and `negative_entropy` say of them.
        """
        columns = {name: getattr(self, name) for name in BY_ROW}
        chosen = {name: None if column is None else column[rows] for name, column in columns.items()}
        chosen["sample_id"] = np.arange(len(rows), dtype=np.int64)
        heads = Heads(chosen["sample_id"], chosen["label"], self.heads.predicted[rows], self.heads.group)
        vectors = None if self.probabilities is None else self.probabilities[:0]
        kept = None if self.kept is None else self.kept[:0]
        return replace(self, **chosen, heads=heads, gram=None, probabilities=vectors, kept=kept)

    def lacks(self, need: str) -> str:
        """Why a method that needs ``confidence``, ``probabilities``, ``heads`` (a pair of them), ``line`` (two pairs or
        more) or ``own`` (the model is one of them) cannot be used; empty when it can.
        """
        pairs = len(self.heads.pairs)
        return {
            "confidence": NO_CONFIDENCE if self.confidence is None else "",
            "probabilities": NO_PROBABILITIES if self.probabilities is None else "",
            "heads": NO_HEADS if pairs < 1 else "",
            "line": NO_LINE if pairs < 2 else "",
            "own": NOT_OWN if self.own < 0 else "",
        }[need]


BY_ROW = ("sample_id", "label", "predicted", "confidence", "negative_entropy", "strangeness")


@dataclass(frozen=True, eq=False)
class Panel:
    """The models to ask: those to make forecasts for, and those whose agreement is counted.

    Attributes
    ----------
    models, titles, temperatures
        Forecasts are made for these; the temperatures are those of `temperature_of`.
    heads, group
        Other models, and which of them have seen the same rows; when there are none, the models themselves are
        compared.
    strange
        What says how strange the rows of a chunk are; None where nobody asks.
    """

    models: tuple[Classifier, ...]
    titles: tuple[str, ...]
    temperatures: tuple[float, ...]
    heads: tuple[Classifier, ...] = ()
    group: tuple[int, ...] = ()
    strange: Callable[[Chunk], np.ndarray] | None = None


class AnswerSums(NamedTuple):
    """What a panel says of some rows; those of disjoint row sets merge, in the order of the rows.

    Attributes
    ----------
    sample_id, label : (n,), in blocks
    predicted : (n, s + h) int32, in blocks
        By the s models and the h heads.
    surety : (n, s, 2), in blocks
        Confidence and negative entropy of the s models.
    kept : (n,) bool, in blocks
    probabilities : (r, s, k) float32, in blocks
        Of the kept rows.
    strangeness : (n,) in blocks
        NaN where nobody asks.
    gram : (s, k, k)
        Sums over rows of ``outer(p, p)``.
    """

    sample_id: tuple[np.ndarray, ...]
    label: tuple[np.ndarray, ...]
    predicted: tuple[np.ndarray, ...]
    surety: tuple[np.ndarray, ...]
    kept: tuple[np.ndarray, ...]
    probabilities: tuple[np.ndarray, ...]
    strangeness: tuple[np.ndarray, ...]
    gram: np.ndarray

    def merge(self, other: "AnswerSums") -> "AnswerSums":
        """The predictions for both row sets."""
        return AnswerSums(*(mine + theirs for mine, theirs in zip(self, other, strict=True)))


@dataclass(frozen=True, eq=False)
class _Ask:
    """Picklable, for workers: the predictions for a chunk."""

    panel: Panel
    classes: np.ndarray
    share: float
    labelled_only: bool

    def __call__(self, chunk: Chunk) -> AnswerSums:
        if self.labelled_only:
            chunk = chunk.take(chunk.y != UNLABELLED)
        scores = [model.scores(chunk.x) for model in self.panel.models]
        given = [*scores, *(head.scores(chunk.x) for head in self.panel.heads)]
        if not all(np.isfinite(one).all() for one in given):
            raise InputError("scores of some rows are NaN or infinite; extract the set again with bad rows rejected")
        p = [probabilities_of(one, t) for one, t in zip(scores, self.panel.temperatures, strict=True)]
        kept = is_kept(chunk.sample_id, self.share)
        return AnswerSums(
            (chunk.sample_id,),
            (np.append(self.classes, -1)[chunk.y].astype(np.int32),),  # -1 points at the last entry
            (np.stack([one.argmax(axis=1) for one in given], axis=1).astype(np.int32),),
            (np.stack([surety(one) for one in p], axis=1),),
            (kept,),
            (np.stack([one[kept] for one in p], axis=1).astype(np.float32),),
            (np.full(len(chunk.x), np.nan) if self.panel.strange is None else self.panel.strange(chunk),),
            np.stack([one.T @ one for one in p]),
        )


def score(
    view: View,
    panel: Panel,
    classes: np.ndarray,
    workers: Workers,
    *,
    labelled_only: bool = False,
    progress: Progress = SILENT,
) -> list[Scored]:
    """The predictions of each model of a panel for the rows of a view, one read for all.

    Parameters
    ----------
    classes : (c,) int
        The models' class index for each class index of the store.
    labelled_only
        Whether to leave out rows without a label.
    """
    k = len(panel.models[0].class_names)
    share = KEPT / max(1, k * len(panel.models) * view.rows)
    ask = _Ask(panel, np.asarray(classes, np.int64), share, labelled_only)
    result = fold(view, ask, workers, progress=progress, description=f"predictions for {view.store.name}")
    return _parted(result, panel, view.store.name, k)


def _parted(result: AnswerSums, panel: Panel, name: str, classes: int) -> list[Scored]:
    sample_id, label, predicted, surety_, kept, probabilities, strangeness = map(np.concatenate, result[:-1])
    s, n = len(panel.models), max(1, len(label))
    group = panel.group if panel.heads else range(s)
    heads = Heads(sample_id, label, predicted[:, s:] if panel.heads else predicted, np.array(group))
    return [
        Scored(
            title,
            name,
            classes,
            sample_id,
            label,
            predicted[:, i],
            heads,
            -1 if panel.heads else i,
            surety_[:, i, 0],
            surety_[:, i, 1],
            result.gram[i] / n,
            probabilities[:, i],
            np.flatnonzero(kept),
            strangeness if panel.strange else None,
        )
        for i, title in enumerate(panel.titles)
    ]


def temperature_of(scores: np.ndarray, label: np.ndarray) -> float:
    """What to divide ``scores : (n, k)`` by for the least log-loss against ``label : (n,)``, by Newton's method.

    One number needs no more than the first two million scores.

    References
    ----------
    Guo et al. (2017), "On calibration of modern neural networks".
    """
    known = np.flatnonzero(label != UNLABELLED)[: max(1, TEMPERATURE_SCORES // max(1, scores.shape[1]))]
    return 1 / best_temperature(_relative(scores[known]), label[known])


def temperature_rows(view: View, classes: int) -> Chunk:
    """The first rows of a view, enough for `temperature_of`; store order is random."""
    rows = min(view.rows, max(CHUNK_ROWS, TEMPERATURE_SCORES // max(1, classes)))
    return View(view.store, view.start, view.start + rows).read()


def scored_predictions(several: Sequence[Predictions], temperatures: Sequence[float]) -> list[Scored]:
    """The same from predictions in memory, of several models for the same rows in the same order."""
    predicted = np.stack([one.predicted for one in several], axis=1).astype(np.int32)
    heads = Heads(several[0].sample_id, several[0].label, predicted, np.arange(len(several)))
    return [
        Scored(
            one.model,
            one.name,
            len(one.class_names),
            one.sample_id,
            one.label,
            np.asarray(one.predicted, np.int32),
            heads,
            index,
            **_sure(one, temperature),
        )
        for index, (one, temperature) in enumerate(zip(several, temperatures, strict=True))
    ]


def _sure(one: Predictions, temperature: float) -> dict[str, np.ndarray]:
    """How sure the model is, from its scores, or from its confidences when these are probabilities."""
    if one.scores is None:
        given = None if one.confidence is None else np.asarray(one.confidence, np.float64)
        return {} if given is None or not ((given >= 0) & (given <= 1)).all() else {"confidence": given}
    gram, columns, kept, vectors = 0.0, [], [], []
    share = KEPT / max(1, one.n * one.scores.shape[1])
    for start in range(0, max(1, one.n), CHUNK_ROWS):
        p = probabilities_of(np.asarray(one.scores[start : start + CHUNK_ROWS]), temperature)
        here = is_kept(one.sample_id[start : start + CHUNK_ROWS], share)
        columns.append(surety(p))
        kept.append(here)
        vectors.append(p[here].astype(np.float32))
        gram = gram + p.T @ p
    sure = np.concatenate(columns)
    return {
        "confidence": sure[:, 0],
        "negative_entropy": sure[:, 1],
        "gram": gram / max(1, one.n),
        "probabilities": np.concatenate(vectors),
        "kept": np.flatnonzero(np.concatenate(kept)),
    }


def probabilities_of(scores: np.ndarray, temperature: float) -> np.ndarray:
    """Softmax ``(n, k)`` float64 of ``scores / temperature``."""
    return softmax(_relative(scores) / temperature, axis=1)


def _relative(scores: np.ndarray) -> np.ndarray:
    """Scores relative to the best of their row, finite."""
    scores = np.asarray(scores, np.float64)
    best = scores.max(axis=1, keepdims=True)
    if not np.isfinite(best).all():
        raise InputError("a row of scores has NaN, infinity, or no finite value; check the file that they come from")
    return np.maximum(scores - best, FLOOR)


def surety(p: np.ndarray) -> np.ndarray:
    """Confidence and negative entropy ``(n, 2)`` of probabilities ``p : (n, k)``."""
    return np.stack([p.max(axis=1), -entr(p).sum(axis=1)], axis=1)


def is_kept(sample_id: np.ndarray, share: float) -> np.ndarray:
    """Which rows belong to a `share` of all, by a hash of their ids: the same in any order and any chunks."""
    with np.errstate(over="ignore"):
        word = np.asarray(sample_id).astype(np.uint64) * GOLDEN
    return word.astype(np.float64) < share * 2.0**64
