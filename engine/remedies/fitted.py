"""What a remedy hands back: a change of the features, a change of the scores, or both, for one target set.

A remedy looks at the features of the very rows that it corrects (it is *transductive*) and never at their labels. What
it finds is fixed afterwards: the remedy of a row depends on no other row.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from gapscope.core.chunk import Chunk
from gapscope.core.errors import InputError
from gapscope.core.progress import SILENT, Progress
from gapscope.store import View
from gapscope.stream import Workers, fold
from gapscope.summaries import Moments

Array = np.ndarray
Change = Callable[[Array], Array]
BothMoments = tuple[Moments, Moments]


class Model(Protocol):
    """A classifier on features.

    Attributes
    ----------
    probabilistic
        Whether the softmax of ``scores / temperature`` is meant as probabilities.
    """

    probabilistic: bool
    temperature: float

    def scores(self, x: Array) -> Array:
        """Scores ``(n, k)`` of ``x : (n, d)``."""

    def probabilities(self, x: Array) -> Array:
        """Softmax of the tempered scores, ``(n, k)``."""


@dataclass(frozen=True, eq=False)
class FittedRemedy:
    """A fitted remedy; picklable.

    Attributes
    ----------
    name
        Of the remedy in `REMEDIES`.
    what
        What it does, as the subject of a sentence.
    note
        What it rests on: rows, resolution, strength.
    change
        Of features ``(n, d)``; None leaves them.
    offset : (k,) or None
        Added to the scores.
    """

    name: str
    what: str
    note: str
    change: Change | None = None
    offset: Array | None = None

    def features(self, x: Array) -> Array:
        """The corrected features ``(n, d) float32`` of ``x : (n, d)``."""
        return x if self.change is None else self.change(x)

    def scores(self, model: Model, x: Array) -> Array:
        """The scores ``(n, k)`` that `model` gives to the corrected rows."""
        scores = model.scores(self.features(x))
        return scores if self.offset is None else scores + self.offset


class Remedy(Protocol):
    """A member of `REMEDIES`; a frozen value without state."""

    def fit(
        self,
        model: Model,
        reference: View,
        target: View,
        workers: Workers,
        progress: Progress = SILENT,
        moments: BothMoments | None = None,
    ) -> FittedRemedy:
        """The remedy that brings the rows of `target` to those of `reference`.

        `moments` are those of both sets, where they are known already; remedies that need none ignore them.

        Raises
        ------
        InputError
            A set has no rows, or a feature that is not finite.
        """


@dataclass(frozen=True, eq=False)
class Affine:
    """``x + (x - origin) @ stretch + move``; a row stays where it is, to the bit, when nothing has to be done.

    Attributes
    ----------
    origin, move : (d,) float32
    stretch : (d, d) or (d,) float32, or None
        What the linear part adds to the identity; a vector is a diagonal.
    """

    origin: Array
    move: Array
    stretch: Array | None = None

    def __call__(self, x: Array) -> Array:
        """The changed rows ``(n, d) float32``."""
        x = np.asarray(x, np.float32)
        if self.stretch is None:
            return x + self.move
        centred = x - self.origin
        added = centred @ self.stretch if self.stretch.ndim == 2 else centred * self.stretch
        return x + added + self.move


def affine(moments: BothMoments, stretch: Array | None = None) -> Affine:
    """The change that brings the mean of the target to that of the reference, and stretches around it."""
    reference, target = moments
    small = None if stretch is None else stretch.astype(np.float32)
    return Affine(target.mean.astype(np.float32), (reference.mean - target.mean).astype(np.float32), small)


def moments_of_both(reference: View, target: View, workers: Workers, progress: Progress = SILENT) -> BothMoments:
    """The moments of both sets; one read of each, ``8 d²`` bytes of state.

    Raises
    ------
    InputError
        A set has no rows, or a feature that is not finite.
    """
    return _moments(reference, workers, progress), _moments(target, workers, progress)


def _moments(view: View, workers: Workers, progress: Progress) -> Moments:
    check_rows(view)
    return fold(view, _finite_moments, workers, progress=progress, description=f"moments of {view.store.name}")


def _finite_moments(chunk: Chunk) -> Moments:
    check_finite(chunk)
    return Moments.of(chunk.x)


def check_rows(view: View) -> None:
    """Refuse a set without rows.

    Raises
    ------
    InputError
        See above.
    """
    if not view.rows:
        raise InputError(f"{view.store.name} has no rows; a remedy needs at least one on each side")


def check_finite(chunk: Chunk) -> None:
    """Refuse features that are not finite.

    Raises
    ------
    InputError
        See above.
    """
    finite = np.isfinite(chunk.x)
    if not finite.all():
        row, feature = np.argwhere(~finite)[0]
        raise InputError(
            f"feature {feature} of sample {chunk.sample_id[row]} is {chunk.x[row, feature]}; "
            "extract or import this set again"
        )
