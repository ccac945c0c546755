"""What may have happened to features themselves, where there are no images: changes that are fitted to two samples.

Each is a function that makes of the reference's features what they would be had this happened to them. Simple ones
stand before those that have more to fit, and can do what the simple ones do.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from scipy.optimize import linear_sum_assignment

from gapscope.blocks.formats import listed, percent
from gapscope.core.text import counted

Array = np.ndarray
Apply = Callable[[Array, np.random.Generator], Array]
# Features and directions that are named; at how many quantiles columns are matched, and how many at most.
NAMED, QUANTILES, MATCHED = 3, 21, 2048
# A trace that a target without the change shows in so many trials is none.
CHANCE = 0.01
# A unit is another one from this factor on: images alone make features a little longer or shorter.
FAR = 3
# Added to variances along directions, as a share of their mean, so that directions without variance can be divided by.
RIDGE = 1e-3
TINY = 1e-12


class Fitted(NamedTuple):
    """A change with its numbers: how it is applied to rows ``(n, d)``, these numbers in words, and whether such a
    change comes from how features are computed or written, rather than from the images.
    """

    apply: Apply
    said: str
    of_files: bool = False


class Change(NamedTuple):
    """A kind of change.

    Attributes
    ----------
    words
        What it does, after "features are".
    fit
        From samples ``(n, d)`` and ``(m, d)`` of reference and target; None where it cannot be what happened.
    like
        Simpler changes, which it can do too.
    """

    words: str
    fit: Callable[[Array, Array], Fitted | None]
    like: tuple[str, ...] = ()

    def can_do(self, name: str) -> bool:
        """Whether it explains all that the change `name` does."""
        return name in self.like or any(CHANGES[one].can_do(name) for one in self.like)


def _plain(change: Callable[[Array], Array]) -> Apply:
    return lambda x, _: change(x)


def _unit_length(reference: Array, target: Array) -> Fitted | None:
    length, before = (np.linalg.norm(one, axis=1) for one in (target, reference))
    if not _is_one_number(length) or _is_one_number(before):
        return None
    size = float(length.mean())
    divided = _plain(lambda x: size * x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), TINY))
    return Fitted(divided, f"every row of the target has the length {size:.3g}", of_files=True)


def _is_one_number(lengths: Array) -> bool:
    return bool(lengths.std() <= 1e-3 * lengths.mean())


def _by_chance(share: Array, rows: int, looks: int = 1) -> Array:
    """Whether none of so many rows has what a `share` of the others have, by chance, in any of so many looks."""
    return looks * (1 - share) ** rows > CHANCE


def _rectified(reference: Array, target: Array) -> Fitted | None:
    if target.min() < 0 or _by_chance((reference < 0).any(axis=1).mean(), len(target)):
        return None
    share = float((reference < 0).mean())
    return Fitted(
        _plain(lambda x: np.maximum(x, 0)), f"{percent(share)} of the reference's values are negative", of_files=True
    )


def _scaled(reference: Array, target: Array) -> Fitted | None:
    size = float(np.sqrt(np.square(target).mean() / max(np.square(reference).mean(), TINY)))
    return Fitted(_plain(lambda x: size * x), f"by {size:.3g}", of_files=not 1 / FAR < size < FAR)


def _constant(reference: Array, target: Array) -> Fitted | None:
    varies = ~_by_chance((reference != target[0]).mean(axis=0), len(target), reference.shape[1])
    gone = np.flatnonzero((np.ptp(target, axis=0) == 0) & varies)
    if not len(gone):
        return None
    value = target[0, gone]

    def change(x: Array) -> Array:
        x = x.copy()
        x[:, gone] = value
        return x

    return Fitted(_plain(change), _features(gone, reference.shape[1]), of_files=True)


def _standardised(reference: Array, target: Array) -> Fitted | None:
    mean, deviation = reference.mean(axis=0), reference.std(axis=0)
    return Fitted(
        _plain(lambda x: (x - mean) / np.maximum(deviation, TINY)), "to mean 0 and deviation 1 each", of_files=True
    )


def _reordered(reference: Array, target: Array) -> Fitted | None:
    """Columns are matched by their quantiles (assignment of least cost); more than `MATCHED` would take minutes."""
    if reference.shape[1] > MATCHED:
        return None
    at = np.linspace(0, 1, QUANTILES)
    one, other = (np.quantile(rows, at, axis=0).T for rows in (reference, target))
    spread = np.concatenate([one, other]).std() or 1.0
    squares = [np.square(rows / spread).sum(axis=1) for rows in (one, other)]
    cost = squares[1][:, None] + squares[0] - 2 * (other / spread) @ (one / spread).T
    order = linear_sum_assignment(cost)[1]
    moved = int((order != np.arange(len(order))).sum())
    said = f"{moved:,} of {len(order):,} at another place"
    return Fitted(_plain(lambda x: x[:, order]), said, of_files=True) if moved else None


def _shifted(reference: Array, target: Array) -> Fitted | None:
    away = target.mean(axis=0) - reference.mean(axis=0)
    return Fitted(_plain(lambda x: x + away), _most(away, reference))


def _spread(reference: Array, target: Array) -> Fitted | None:
    centre, away = reference.mean(axis=0), target.mean(axis=0) - reference.mean(axis=0)
    size = float(np.sqrt(target.var(axis=0).sum() / max(reference.var(axis=0).sum(), TINY)))
    said = f"{size:.3g} times as far from their mean"
    return Fitted(_plain(lambda x: centre + away + size * (x - centre)), said)


def _noise(reference: Array, target: Array) -> Fitted | None:
    """Along the principal directions of both samples together, in which the target varies more."""
    away = target.mean(axis=0) - reference.mean(axis=0)
    directions = _directions(reference, target)
    more = np.maximum((target @ directions.T).var(axis=0) - (reference @ directions.T).var(axis=0), 0)
    if not more.any():
        return None
    size = np.sqrt(more)
    shares = np.sort(more)[::-1].cumsum() / more.sum()
    count = int(np.searchsorted(shares, 0.9)) + 1
    said = f"nine tenths of the noise along {counted(count, 'direction')} of {len(directions):,}"
    return Fitted(lambda x, rng: x + away + (rng.standard_normal((len(x), len(size))) * size) @ directions, said)


def _rescaled(reference: Array, target: Array) -> Fitted | None:
    (mean, deviation), (new_mean, new) = ((one.mean(axis=0), one.std(axis=0)) for one in (reference, target))
    size = np.divide(new, deviation, out=np.ones_like(new), where=deviation > TINY)
    low, high = np.quantile(size, [0.1, 0.9])
    return Fitted(_plain(lambda x: new_mean + (x - mean) * size), f"most by factors of {low:.3g} to {high:.3g}")


def _turned(reference: Array, target: Array) -> Fitted | None:
    """Means and covariances, along the principal directions of both samples; others stay (Sun et al. 2016, CORAL)."""
    directions, mean, new_mean = _directions(reference, target), reference.mean(axis=0), target.mean(axis=0)
    one, other = (_root(np.cov(rows @ directions.T, rowvar=False)) for rows in (reference, target))
    turn = np.linalg.solve(one, other) - np.eye(len(directions))
    said = "each is another mixture of the old ones"
    return Fitted(_plain(lambda x: x - mean + (x - mean) @ directions.T @ turn @ directions + new_mean), said)


def _directions(reference: Array, target: Array) -> Array:
    """Principal directions ``(r, d)`` of the rows of both, each about its own mean."""
    rows = np.concatenate([one - one.mean(axis=0) for one in (reference, target)])
    _, sizes, directions = np.linalg.svd(rows, full_matrices=False)
    return directions[sizes > 1e-6 * sizes[0]]


def _root(covariance: Array) -> Array:
    """The symmetric root of ``covariance : (r, r)``, with a little added to its diagonal."""
    values, vectors = np.linalg.eigh(np.atleast_2d(covariance))
    values = np.maximum(values, 0) + RIDGE * max(float(values.mean()), TINY)
    return (vectors * np.sqrt(values)) @ vectors.T


def _most(away: Array, reference: Array) -> str:
    """In which features half of a movement is, in units of their deviations."""
    size = np.square(away / np.maximum(reference.std(axis=0), TINY))
    order = np.argsort(size)[::-1]
    count = int(np.searchsorted(size[order].cumsum(), size.sum() / 2)) + 1
    return f"half of the movement in {_features(order[:count], len(away))}"


def _features(which: Sequence[int], dim: int) -> str:
    """How many of the features, and some of them by their numbers."""
    return f"{len(which):,} of {dim:,} features ({listed([str(one) for one in which], NAMED)}, counted from 0)"


def _after(first: str, second: str) -> Callable[[Array, Array], Fitted | None]:
    """The second change, fitted to what the first one leaves."""

    def fit(reference: Array, target: Array) -> Fitted | None:
        one = CHANGES[first].fit(reference, target)
        if one is None:
            return None
        # Noise of the first would be other noise when it is applied; none of the firsts draws any.
        rng = np.random.default_rng(0)
        other = CHANGES[second].fit(one.apply(reference, rng), target)
        if other is None:
            return None
        said = f"{one.said}; then {other.said}"
        return Fitted(lambda x, rng: other.apply(one.apply(x, rng), rng), said, of_files=one.of_files or other.of_files)

    return fit


def _then(second: str) -> dict[str, Change]:
    """Each change of files with `second` after it."""
    words = CHANGES[second].words
    return {
        f"{first}, then {second}": Change(
            f"{CHANGES[first].words}, then {words}", _after(first, second), (first, second)
        )
        for first in TRACED
    }


# Those that leave a trace by which they are known: they are not fitted where the target does not show it.
TRACED = ("unit length", "no negatives", "constant features")
# The simplest first.
CHANGES: dict[str, Change] = {
    "unit length": Change("divided by the length of their row", _unit_length),
    "no negatives": Change("0 where they were negative", _rectified),
    "constant features": Change("the same value for all images, in part", _constant),
    "another unit": Change("multiplied by one number", _scaled),
    "standardised": Change("standardised", _standardised),
    "another order": Change("in another order", _reordered),
    "shifted": Change("moved, for all images the same way", _shifted),
    "shifted and spread": Change(
        "moved, and further from their mean or nearer to it", _spread, ("shifted", "another unit")
    ),
    "shifted and noisier": Change("moved and noisier", _noise, ("shifted",)),
    "rescaled": Change(
        "moved and rescaled, each by numbers of its own",
        _rescaled,
        ("shifted and spread", "standardised", "constant features"),
    ),
}
CHANGES |= _then("shifted") | _then("rescaled")
CHANGES |= {"turned": Change("moved, rescaled and mixed with each other", _turned, ("rescaled", "another order"))}
