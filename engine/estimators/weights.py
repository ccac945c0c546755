"""What the rows count as: scikit-learn's ``sample_weight`` and ``class_weight={label: weight}``."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from sklearn.utils.class_weight import compute_class_weight
from sklearn.utils.validation import _check_sample_weight

from gapscope.core.errors import InputError
from gapscope.store import ArrayStore, EmbeddingStore, Piece, View, Weighted


class Weights(NamedTuple):
    """A row of class c counts as ``by_class[c]`` rows, times its own weight.

    Attributes
    ----------
    by_class : (k,) float64
    by_row : (n,) float64 or None
    """

    by_class: np.ndarray
    by_row: np.ndarray | None

    @classmethod
    def of(cls, class_weight: Any, sample_weight: Any, classes: np.ndarray, rows: int) -> "Weights | None":
        """What was asked for of `rows` rows; None where all count as one.

        Raises
        ------
        ValueError
            A weight is negative or not finite, a class is not known, or there is not one weight for each row.
        """
        named = isinstance(class_weight, Mapping)
        if sample_weight is None and not named:
            return None
        by_class = np.ones(len(classes))
        if named:
            by_class = compute_class_weight(dict(class_weight), classes=classes, y=classes).astype(np.float64)
            _check(by_class, classes, class_weight)
        by_row = None
        if sample_weight is not None:
            like = np.empty((rows, 0))
            by_row = _check_sample_weight(sample_weight, like, dtype=np.float64, ensure_non_negative=True)
        return cls(by_class, by_row)

    def on(self, view: View) -> View:
        """The rows of `view`, to which the weights belong in this order, counting as so many."""
        by_row = None
        if self.by_row is not None:
            by_row = np.zeros(view.store.rows)
            by_row[view.start : view.stop] = self.by_row
        return Weighted(view.store, self.by_class, by_row).view(view.start, view.stop)


def unweighted(view: View) -> tuple[View, Weights | None]:
    """Rows without the weights that they bring along, and these; None where they bring none."""
    if not isinstance(view.store, Weighted):
        return view, None
    own = view.store
    by_row = None if own.by_row is None else own.by_row[view.start : view.stop]
    return own.store.view(view.start, view.stop), Weights(own.by_class, by_row)


def both(one: Weights | None, other: Weights | None) -> Weights | None:
    """What rows count as that count as `one` says, times what `other` says."""
    if one is None or other is None:
        return one or other
    by_row = [weights.by_row for weights in (one, other) if weights.by_row is not None]
    return Weights(one.by_class * other.by_class, np.prod(by_row, axis=0) if by_row else None)


def _check(by_class: np.ndarray, classes: np.ndarray, asked: Mapping[Any, float]) -> None:
    bad = ~(np.isfinite(by_class) & (by_class >= 0))
    if bad.any():
        label = classes[bad][0]
        raise InputError(f"class_weight of class {label} is {asked[label]}; give a finite number from 0 up")


def of_mean_one(view: View, weights: Weights | None) -> tuple[View, float]:
    """The rows of `view` with weights whose mean is one, so that rows stay what penalties and steps are counted in,
    and the mean that they had.

    Raises
    ------
    InputError
        No row counts.
    """
    if weights is None:
        return view, 1.0
    weighted = weights.on(view).store
    values = weighted.weights(labels_of(view), Piece(view.start, view.stop))
    if not values.any():
        raise InputError(f"none of the {view.rows:,} rows has a label and a weight above 0; nothing can be learnt")
    mean = float(values[values > 0].mean())
    return Weighted(weighted.store, weighted.by_class / mean, weighted.by_row).view(view.start, view.stop), mean


def labels_of(view: View) -> np.ndarray:
    """The class index of each row of a view, ``(n,) int``; features are read only where they cannot be left out."""
    if isinstance(view.store, ArrayStore):
        return np.asarray(view.store.y[view.start : view.stop])
    if isinstance(view.store, EmbeddingStore):
        return view.store.labels()[view.start : view.stop]
    return np.concatenate([np.empty(0, np.int32), *(chunk.y for chunk in view.chunks())])
