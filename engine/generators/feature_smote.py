"""SMOTE: a new row lies at random between a training row and one of its nearest rows of the same class.

Of the training rows only those of the classes to be made are kept, in one pass; neighbours are scikit-learn's. The
choices are those of imbalanced-learn's ``SMOTE``, but each row has random numbers of its own, so that it does not
depend on what else is made.

References
----------
Chawla et al. (2002), "SMOTE: synthetic minority over-sampling technique".
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import numpy as np
from sklearn.neighbors import NearestNeighbors

from engine.core.checkpoint import NO_CHECKPOINT, Checkpoint
from engine.core.chunk import Chunk
from engine.core.errors import InputError
from engine.core.progress import SILENT, Progress
from engine.core.random import stream
from engine.generators.feature_generator import FeatureGenerator, check_classes, checked_counts
from engine.store import View
from engine.stream import Workers, fold

Array = np.ndarray
NAME, FEWEST = "smote", 2


@dataclass(frozen=True)
class SmoteRecipe:
    """How rows are mixed.

    Attributes
    ----------
    neighbours
        Nearest rows of the class to choose from; all there are in a class that has fewer.
    """

    neighbours: int = 5

    def check(self) -> None:
        """Refuse values that make no sense."""
        if self.neighbours < 1:
            raise InputError(f"neighbours is {self.neighbours}; give 1 or more")


class Kept(NamedTuple):
    """Rows of some classes, and how many rows every class has."""

    x: Array
    y: Array
    counts: Array

    @classmethod
    def of(cls, chunk: Chunk, wanted: Sequence[int], classes: int) -> "Kept":
        """The rows of a chunk whose class is wanted."""
        counts = checked_counts(chunk, classes)
        mine = np.isin(chunk.y, wanted)
        return cls(chunk.x[mine], chunk.y[mine], counts)

    def merge(self, other: "Kept") -> "Kept":
        """The rows of both, in order."""
        both = np.concatenate([self.x, other.x]), np.concatenate([self.y, other.y])
        return Kept(*both, self.counts + other.counts)


class Neighbourhood(NamedTuple):
    """Rows of one class ``x : (n, d)``, and for each the numbers of its nearest others ``near : (n, k)``."""

    x: Array
    near: Array

    @classmethod
    def of(cls, x: Array, neighbours: int) -> "Neighbourhood":
        """With scikit-learn's exact neighbours."""
        k = min(neighbours, len(x) - 1)
        return cls(x, NearestNeighbors(n_neighbors=k).fit(x).kneighbors(return_distance=False))

    def between(self, rng: np.random.Generator) -> Array:
        """A row ``(d,)``."""
        row, neighbour, step = rng.integers(len(self.x)), rng.integers(self.near.shape[1]), rng.uniform()
        return self.x[row] + np.float32(step) * (self.x[self.near[row, neighbour]] - self.x[row])


def learn(
    view: View,
    wanted: Sequence[int],
    workers: Workers,
    recipe: SmoteRecipe | None = None,
    checkpoint: Checkpoint = NO_CHECKPOINT,
    progress: Progress = SILENT,
) -> FeatureGenerator:
    """One pass; memory is that of the rows of the `wanted` classes. Nothing is worth a `checkpoint`.

    Raises
    ------
    InputError
        A wanted class has fewer than two rows, so that there is nothing between them.
    """
    recipe = recipe or SmoteRecipe()
    recipe.check()
    classes = len(view.store.class_names)
    of = partial(Kept.of, wanted=tuple(wanted), classes=classes)
    kept = fold(view, of, workers, progress=progress, description="rows of small classes")
    counts = tuple(kept.counts.tolist())
    check_classes(wanted, counts, FEWEST, NAME)
    classes_of = {label: Neighbourhood.of(kept.x[kept.y == label], recipe.neighbours) for label in wanted}
    return FeatureGenerator(NAME, view.store.dim, counts, FEWEST, partial(_drawn, classes_of))


def _drawn(classes_of: dict[int, Neighbourhood], label: int, indices: range, seed: int) -> Array:
    if label not in classes_of:
        raise InputError(f"rows of class {label} were not kept; name it among the wanted classes")
    return np.stack([classes_of[label].between(stream(seed, NAME, label, index)) for index in indices])
