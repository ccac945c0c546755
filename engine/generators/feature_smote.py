"""SMOTE: a new row lies at random between a training row and one of its nearest rows of the same class.

Of the training rows only those of the classes to be made are stored, in one pass; neighbours are scikit-learn's. The
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

from gapscope.core.chunk import Chunk
from gapscope.core.errors import InputError
from gapscope.core.random import stream
from gapscope.generators.feature_generator import FeatureMethod, Fitted, Seen, Task, checked_counts
from gapscope.stream import fold

Array = np.ndarray
NAME = "smote"


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


class SmallClasses(NamedTuple):
    """Rows of some classes, and how many rows every class has."""

    x: Array
    y: Array
    counts: Array

    @classmethod
    def of(cls, chunk: Chunk, wanted: Sequence[int], classes: int) -> "SmallClasses":
        """The rows of a chunk whose class is wanted."""
        counts = checked_counts(chunk, classes)
        mine = np.isin(chunk.y, wanted)
        return cls(chunk.x[mine], chunk.y[mine], counts)

    def merge(self, other: "SmallClasses") -> "SmallClasses":
        """The rows of both, in order."""
        both = np.concatenate([self.x, other.x]), np.concatenate([self.y, other.y])
        return SmallClasses(*both, self.counts + other.counts)


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


def _look(task: Task) -> Seen:
    """One pass; memory is that of the rows of the wanted classes."""
    of = partial(SmallClasses.of, wanted=task.wanted, classes=task.classes)
    stored = fold(task.view, of, task.workers, progress=task.progress, description="rows of small classes")
    return Seen(stored.counts, stored)


def _fit(task: Task, rows: SmallClasses, recipe: SmoteRecipe) -> Fitted:
    """Neighbours of each class; nothing is worth a checkpoint."""
    neighbourhoods = {label: Neighbourhood.of(rows.x[rows.y == label], recipe.neighbours) for label in task.wanted}
    return Fitted(partial(_drawn, neighbourhoods), {})


def _drawn(classes_of: dict[int, Neighbourhood], label: int, indices: range, seed: int) -> Array:
    if label not in classes_of:
        raise InputError(f"rows of class {label} were not stored; name it among the wanted classes")
    return np.stack([classes_of[label].between(stream(seed, NAME, label, index)) for index in indices])


def _memory(rows: int, dim: int, _classes: int) -> int:
    """The rows that are stored, once more while they are merged and once more by class, and their neighbours."""
    return rows * (3 * 4 * dim + 8 * SmoteRecipe.neighbours)


SMOTE = FeatureMethod(NAME, SmoteRecipe, _look, _fit, _memory, fewest=2, of_rows=True)
