"""What a model says of every row of a store, written as a predictions table and counted on the way."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import NamedTuple, Protocol

import numpy as np
import pyarrow as pa
from scipy.special import logsumexp

from gapscope.core.chunk import Chunk
from gapscope.core.errors import DamageError, InputError
from gapscope.core.files import damaged, read_arrays, read_table, write_arrays, write_table
from gapscope.core.location import Location
from gapscope.core.progress import SILENT, Progress
from gapscope.core.ranking import best_classes
from gapscope.predictions.origin import Origin, origin_of
from gapscope.schemas.embeddings import PART_NAME
from gapscope.schemas.predictions import DIGEST, PREDICTIONS_SCHEMA, SYNTHETIC
from gapscope.store import Piece, View
from gapscope.stream import CHUNK_ROWS, Workers, fold
from gapscope.summaries.outcomes import Outcomes
from gapscope.summaries.scores import ClassScores, rank_bins

# What was counted from the scores of a part, which the part does not hold; Arrow passes over names that begin so.
SCORES_NAME = "_scores-{:05d}.npz"
# Log-likelihoods below belong to classes without training rows, whose probability is 0. They count as that of the
# smallest probability that scikit-learn's `log_loss` takes, the spacing of float64 numbers at 1: 36 nats a row.
UNTRAINED, LEAST_LOG_LIKELIHOOD = -1e20, float(np.log(np.finfo(np.float64).eps))
# Which of the rows that are read from a piece are synthetic, (n,) bool.
Flags = Callable[[Piece], np.ndarray]


class Model(Protocol):
    """What can be evaluated: scores, and whether they are, divided by the temperature, log-likelihoods up to a
    constant for each row."""

    probabilistic: bool
    temperature: float

    def scores(self, x: np.ndarray) -> np.ndarray:
        """Scores ``(n, k)``, higher for likelier classes, of embeddings ``x : (n, d)``."""


class Said(NamedTuple):
    """The predictions table of a chunk, and what was counted of its probabilities; None where the model gives none."""

    table: pa.Table
    scores: ClassScores | None


def predictions(model: Model, chunk: Chunk) -> Said:
    """What a model says of a chunk whose labels are the model's class indices."""
    scores = np.asarray(model.scores(chunk.x), np.float64)
    top = best_classes(scores)
    rows = np.arange(len(top))
    columns = {"sample_id": chunk.sample_id, "label": chunk.y, "predicted": top[:, 0]}
    counted = None
    if model.probabilistic:
        tempered = scores / model.temperature
        log_likelihood = tempered - logsumexp(tempered, axis=1, keepdims=True)
        columns["confidence"] = np.exp(log_likelihood[rows, top[:, 0]])
        of_label = log_likelihood[rows, np.maximum(chunk.y, 0)]
        of_label = np.where(of_label < UNTRAINED, LEAST_LOG_LIKELIHOOD, of_label)
        columns["log_likelihood"] = pa.array(of_label, pa.float32(), mask=chunk.y < 0)
        counted = ClassScores.of(log_likelihood, chunk.y)
    else:
        columns["confidence"] = scores[rows, top[:, 0]]
        columns["log_likelihood"] = pa.nulls(len(top), pa.float32())
    columns["top"] = list(top)
    table = pa.table({name: pa.array(columns[name]) for name in PREDICTIONS_SCHEMA.names})
    return Said(table.cast(PREDICTIONS_SCHEMA), counted)


def outcomes_of(said: Said, classes: int) -> Outcomes:
    """The counts of what a model with `classes` classes said."""
    table, scores = said
    top = table["top"].combine_chunks()
    best = top.flatten().to_numpy(zero_copy_only=False).reshape(len(table), -1)
    likelihood, confidence = (table[name].to_numpy() for name in ("log_likelihood", "confidence"))
    if scores is None:
        likelihood = confidence = None
    return Outcomes.of(table["label"].to_numpy(), best, likelihood, classes, confidence, scores)


@dataclass(frozen=True)
class _Count:
    model: Model
    classes: np.ndarray
    width: int
    name: str

    def __call__(self, chunk: Chunk) -> Outcomes:
        return outcomes_of(self.said(chunk), self.width)

    def said(self, chunk: Chunk) -> Said:
        check_finite(chunk, self.name)
        label = np.append(self.classes, -1)[chunk.y].astype(np.int32)  # -1 points at the last entry
        return predictions(self.model, chunk._replace(y=label))


@dataclass(frozen=True)
class _Predict:
    of: _Count
    folder: Location
    origin: Origin
    pieces: Sequence[Piece] = ()
    synthetic: Flags | None = None
    digests: np.ndarray | None = None

    def __call__(self, index: int, chunk: Chunk) -> Outcomes:
        place, counts = (self.folder / name.format(index) for name in (PART_NAME, SCORES_NAME))
        said = self._left(place, counts, chunk) or self._made(index, place, counts, chunk)
        return outcomes_of(said, self.of.width)

    def _left(self, place: Location, counts: Location, chunk: Chunk) -> Said | None:
        table = _kept(place, chunk, self.origin)
        if table is None or not self.of.model.probabilistic:
            return table and Said(table, None)
        scores = _read_scores(counts) if counts.exists() else None
        ranked = scores is not None and scores.positive.shape == (self.of.width, rank_bins(self.of.width))
        return Said(table, scores) if ranked else None

    def _made(self, index: int, place: Location, counts: Location, chunk: Chunk) -> Said:
        said = self.of.said(chunk)
        if said.scores is not None:
            write_arrays(counts, said.scores._asdict())
        table = said.table
        if self.synthetic is not None:
            table = table.append_column(SYNTHETIC, pa.array(self.synthetic(self.pieces[index])))
        if self.digests is not None:
            table = table.append_column(DIGEST, pa.array(self.digests[chunk.sample_id]))
        write_table(place, table.replace_schema_metadata(self.origin.metadata(index)))
        return said


def check_finite(chunk: Chunk, name: str) -> None:
    """Refuse a chunk of the set `name` that no model can judge.

    Raises
    ------
    InputError
        A row has features that are NaN or infinite.
    """
    if np.isfinite(chunk.x.sum(axis=1, dtype=np.float64)).all():
        return
    bad = ~np.isfinite(chunk.x).all(axis=1)
    raise InputError(
        f"{name} has {int(bad.sum())} of {len(bad)} rows with features that are not finite, such as the one with "
        f"sample id {chunk.sample_id[bad][0]}; extract or import it again with bad rows rejected"
    )


def _read_scores(place: Location) -> ClassScores:
    result = read_arrays(place)
    if set(result) != set(ClassScores._fields):
        raise damaged(place, f"it holds {', '.join(result)}")
    return ClassScores(int(result["n"]), float(result["squared"]), *(result[name] for name in ClassScores._fields[2:]))


def scores_left(folder: Location) -> ClassScores | None:
    """What `predict` counted of the scores of all parts in `folder`; None where it counted nothing, or not of each."""
    names = folder.names()
    parts = [name for name in names if name.startswith("part-")]
    counts = [folder / name for name in names if name.startswith("_scores-")]
    if not counts or len(counts) != len(parts):
        return None
    return reduce(ClassScores.merge, (_read_scores(place) for place in counts))


def _kept(place: Location, chunk: Chunk, origin: Origin) -> pa.Table | None:
    """The predictions of just this model for just these rows that an interrupted run has left, if any."""
    try:
        table = read_table(place)
    except (FileNotFoundError, DamageError):
        return None
    same = origin_of(table.schema.metadata) == origin
    return table if same and np.array_equal(table["sample_id"].to_numpy(), chunk.sample_id) else None


def origin_in(model: Model, view: View) -> Origin:
    """What the predictions of a model for the rows of a view are made from."""
    store = view.store
    place = getattr(store, "folder", "")
    return Origin(getattr(model, "digest", ""), getattr(store, "digest", ""), str(place), view.rows)


def predict(
    model: Model,
    class_names: Sequence[str],
    view: View,
    classes: np.ndarray,
    folder: Location,
    workers: Workers,
    *,
    synthetic: Flags | None = None,
    digests: np.ndarray | None = None,
    progress: Progress = SILENT,
) -> Outcomes:
    """Write the predictions for all rows of `view` into `folder` and return their counts.

    Parts that lie there already are counted and not computed again: `folder` must hold predictions of this model for
    these rows, or nothing.

    Parameters
    ----------
    class_names
        The model's classes.
    classes : (c,) int
        The model's class index for each class index of the store, as `align_classes` gives it.
    synthetic
        Says which rows are synthetic; None where none is, and the table then has no column for it.
    digests
        By sample id, of the bytes that each image is made from; a network's source fills it in as images are read.
    """
    pieces = view.pieces(CHUNK_ROWS) if synthetic is not None else ()
    origin = origin_in(model, view)
    work = _Predict(
        _Count(model, classes, len(class_names), view.store.name), folder, origin, pieces, synthetic, digests
    )
    if not view.rows:
        return Outcomes.none(len(class_names))
    return fold(view, work, workers, numbered=True, progress=progress, description=f"predict {view.store.name}")


def count(model: Model, class_names: Sequence[str], view: View, classes: np.ndarray, workers: Workers) -> Outcomes:
    """The counts that `predict` would return; nothing is written."""
    return fold(view, _Count(model, classes, len(class_names), view.store.name), workers)
