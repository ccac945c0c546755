"""Generators of embeddings: a method is trained on the rows of a view, then makes the rows of a class by number."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple

import numpy as np

from gapscope.core.checkpoint import NO_CHECKPOINT, Checkpoint
from gapscope.core.chunk import Chunk
from gapscope.core.errors import InputError
from gapscope.core.progress import SILENT, Progress
from gapscope.store import View
from gapscope.stream import Workers

# Class, numbers of its rows and seed to rows (m, d) float32.
DrawRows = Callable[[int, range, int], np.ndarray]


class Task(NamedTuple):
    """What a method has to work with.

    Attributes
    ----------
    view
        Training rows, and nothing else.
    wanted
        Classes whose rows will be made.
    checkpoint
        Where a long training keeps what it has reached.
    """

    view: View
    wanted: tuple[int, ...]
    workers: Workers
    checkpoint: Checkpoint
    progress: Progress

    @property
    def classes(self) -> int:
        """How many there are; some may have no row."""
        return len(self.view.store.class_names)


class Seen(NamedTuple):
    """What one pass over the rows gives: how many each class has, ``counts : (classes,)``, and what is fitted to."""

    counts: np.ndarray
    what: Any


class Fitted(NamedTuple):
    """A function that makes rows, and how it was fitted, for people."""

    draw: DrawRows
    details: Mapping[str, Any]


@dataclass(frozen=True)
class FeatureMethod:
    """A member of `FEATURE_GENERATORS`.

    Attributes
    ----------
    recipe
        A frozen dataclass of plain values with a method `check`.
    look
        The pass over the rows.
    fit
        From what was seen to a function that makes rows.
    memory
        Bytes that this takes, by the labelled rows of the wanted classes, features and classes.
    fewest
        Training rows that a class must have.
    of_rows
        Whether new rows are made of training rows, so that likeness to them is their nature and not a failure.
    """

    name: str
    recipe: type
    look: Callable[[Task], Seen]
    fit: Callable[[Task, Any, Any], Fitted]
    memory: Callable[[int, int, int], int]
    fewest: int = 1
    of_rows: bool = False

    def train(
        self,
        view: View,
        wanted: Sequence[int],
        workers: Workers,
        recipe: Any = None,
        checkpoint: Checkpoint = NO_CHECKPOINT,
        progress: Progress = SILENT,
    ) -> "FeatureGenerator":
        """A generator that has seen the rows of `view` and nothing else, and can make those of the classes `wanted`.

        A training that finds something in `checkpoint` continues behind it, and ends in the same rows.

        Raises
        ------
        InputError
            The recipe makes no sense, a wanted class has too few rows, or a feature is not finite.
        DivergedError
            A loss is no longer a number.
        """
        recipe = self.recipe() if recipe is None else recipe
        recipe.check()
        task = Task(view, tuple(wanted), workers, checkpoint, progress)
        counts, what = self.look(task)
        counts = tuple(counts.tolist())
        check_classes(wanted, counts, self.fewest, self.name)
        fitted = self.fit(task, what, recipe)
        return FeatureGenerator(self.name, asdict(recipe), view.store.dim, counts, self.fewest, *fitted)


@dataclass(frozen=True)
class FeatureGenerator:
    """A trained `FeatureMethod`.

    Attributes
    ----------
    name
        Of the method.
    recipe
        How it was trained, and makes rows.
    dim
        Features of a row.
    counts : (classes,)
        Training rows of each class.
    fewest
        Training rows that a class must have.
    draw
        Makes rows.
    details
        How the training went, for people.
    """

    name: str
    recipe: Mapping[str, Any]
    dim: int
    counts: tuple[int, ...]
    fewest: int
    draw: DrawRows = field(repr=False)
    details: Mapping[str, Any] = field(default_factory=dict, repr=False)

    def sample(self, label: int, indices: range, seed: int) -> np.ndarray:
        """Rows number `indices` of the class `label`, ``(m, d) float32``.

        Each is a function of (seed, label, index) alone: shards may be cut anywhere and made anywhere.

        Raises
        ------
        InputError
            There is no such class, or it has too few training rows.
        """
        check_classes([label], self.counts, self.fewest, self.name)
        if not len(indices):
            return np.zeros((0, self.dim), np.float32)
        if min(indices) < 0:
            raise InputError(f"rows are numbered from 0 on, but {indices} was requested")
        return self.draw(label, indices, seed).astype(np.float32, copy=False)


def check_classes(wanted: Sequence[int], counts: Sequence[int], fewest: int, name: str) -> None:
    """Refuse classes that do not exist or have fewer than `fewest` training rows."""
    for label in wanted:
        if not 0 <= label < len(counts):
            raise InputError(f"there is no class {label}; the training rows have {len(counts)}, from 0 on")
        if counts[label] < fewest:
            way_out = "gaussian works from 1 on" if counts[label] else "give it some, or leave it out"
            raise InputError(
                f"class {label} has {counts[label]} training rows but {name} needs {fewest} or more; {way_out}"
            )


def checked_counts(chunk: Chunk, classes: int) -> np.ndarray:
    """Rows of each class, ``(classes,)``, of a chunk whose features are all finite; unlabelled rows do not count."""
    if not np.isfinite(chunk.x).all():
        raise InputError("a feature of the training rows is not finite; extract these images again")
    return np.bincount(chunk.y[chunk.y >= 0], minlength=classes)
