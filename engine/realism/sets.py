"""The three sets of features that belong together: real training rows, synthetic rows, real test rows."""

from dataclasses import dataclass

import numpy as np

from gapscope.core.chunk import Chunk
from gapscope.core.errors import InputError
from gapscope.core.random import stream
from gapscope.store import View


@dataclass(frozen=True, eq=False)
class Sets:
    """Features by one backbone, in stores or in arrays (`ArrayStore`).

    Attributes
    ----------
    train
        The real rows that the generator was trained on.
    synthetic
        Generated rows, labelled with the class that was requested.
    test
        Real rows that no generator may have seen, looked at for copies and for nothing else; None where there are none.
    """

    train: View
    synthetic: View
    test: View | None = None

    @property
    def class_names(self) -> list[str]:
        """Names of the classes, by class index."""
        return list(self.train.store.class_names)

    def check(self) -> None:
        """Refuse sets that do not belong together.

        Raises
        ------
        InputError
            Different lengths of features, other classes, or too few rows.
        """
        for name, view in (("synthetic", self.synthetic), ("test", self.test)):
            if view is not None:
                self._check_other(name, view)
        if self.train.rows < 3:
            raise InputError(f"nearest neighbours need 3 training rows or more, {self.train.store.name} has "
                             f"{self.train.rows}")  # fmt: skip

    def _check_other(self, name: str, view: View) -> None:
        here, there = self.train.store, view.store
        if here.dim != there.dim:
            raise InputError(f"{name} features have length {there.dim}, those of training {here.dim}; extract both "
                             "with the same backbone")  # fmt: skip
        if list(here.class_names) != list(there.class_names):
            raise InputError(f"the {name} set names {len(there.class_names)} classes and the training set "
                             f"{len(here.class_names)}, or in another order; both need one class list")  # fmt: skip


def some_rows(view: View, most: int, seed: int, name: str) -> Chunk:
    """All rows of the view, or `most` of them drawn at random, in the order in which they stand."""
    if view.rows <= most:
        chunk = view.read()
    else:
        chosen = np.sort(stream(seed, "some rows", name).choice(view.rows, most, replace=False))
        chunk = _gathered(view, chosen)
    if not np.isfinite(chunk.x).all():
        raise InputError(f"a feature of the {name} rows is not finite; extract these images again")
    return chunk


def _gathered(view: View, chosen: np.ndarray) -> Chunk:
    parts, first = [], 0
    for chunk in view.chunks():
        mine = chosen[(chosen >= first) & (chosen < first + len(chunk.y))] - first
        parts.append(chunk.take(mine))
        first += len(chunk.y)
    return Chunk.joined(parts)


def of_class(chunk: Chunk, label: int) -> Chunk:
    """The rows of one class."""
    return chunk.take(chunk.y == label)
