"""A trained generator of embeddings: makes the rows of a class by number."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from engine.core.chunk import Chunk
from engine.core.errors import InputError

# Class, numbers of its rows and seed to rows (m, d) float32.
DrawRows = Callable[[int, range, int], np.ndarray]


@dataclass(frozen=True)
class FeatureGenerator:
    """A trained member of `FEATURE_GENERATORS`.

    Attributes
    ----------
    name
        In the registry.
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
            raise InputError(f"rows are numbered from 0 on, but {indices} was asked for")
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
