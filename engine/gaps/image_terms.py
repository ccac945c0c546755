"""What each attribute or column has to do with a gap: more images that are hard, or such images got harder.

By the bins of one column, of which those with ten images or more in either set are shared, the gap is, exactly,

    w * sum over shared bins of (p - q) (a + b) / 2    more such images: the target has more of the bins that are hard
  + w * sum over shared bins of (p + q) / 2 (a - b)    such images got harder: what bins lost within themselves
  + P (A - m) - Q (B - m)                              images that the other set has no ten of

with accuracies a, b of the shared bins and their shares p, q of the shared images of the reference and of the target
(Kitagawa 1955); w, the mean share of images in shared bins; P, Q and A, B, share and accuracy of the others; and m,
halfway between both accuracies on shared bins. Of what one set alone has it cannot be said what it would cost in the
other. Each column is looked at by itself: the terms of several do not add up, and a column that goes along with a cause
shares its points.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from scipy.sparse import csr_array
from scipy.special import chdtrc, ndtr

from gapscope.attributes.columns import Column
from gapscope.gaps.bins import Bins, bins_of
from gapscope.gaps.mix import Counts
from gapscope.inference import adjusted, interval_of, poisson_weights
from gapscope.inference.bootstrap import BLOCK

Array = np.ndarray
# Images that a bin needs on either side before what happened within it is told.
LEAST_IMAGES = 10


class Rows(NamedTuple):
    """The labelled rows of a set, ``(n,)`` each: whether they are right, their class, their key in a bootstrap."""

    right: Array
    label: Array
    key: Array


@dataclass(frozen=True)
class ImageTerms:
    """What one column has to do with a gap; points lost are positive, intervals hold 95 %.

    Attributes
    ----------
    more, harder, apart
        The terms, with their intervals; they sum to the gap.
    more_p
        Of `more` being nothing, corrected for all columns (Holm).
    matters_p
        Of the reference's accuracy being the same in all bins once classes are taken into account; corrected too.
    uneven_p
        Of all bins having lost alike; corrected too.
    alone
        Share of the target's images in bins that are not shared.
    worst, worst_drop, others_drop
        The bin that lost most, what it lost, and what the other shared bins lost.
    """

    name: str
    more: float
    more_low: float
    more_high: float
    harder: float
    harder_low: float
    harder_high: float
    apart: float
    apart_low: float
    apart_high: float
    more_p: float
    matters_p: float
    uneven_p: float
    alone: float
    worst: str
    worst_drop: float
    others_drop: float


def image_terms(
    columns: Sequence[Column], reference: Rows, target: Rows, *, replicates: int, seed: int
) -> list[ImageTerms]:
    """The terms of every column, whose rows are those of both sets; those that cost most first."""
    if not columns:
        return []
    cut = [bins_of(column) for column in columns]
    sizes = [len(bins.names) for bins in cut]
    sums = [
        _replicated([getattr(bins, side) for bins in cut], sizes, rows, seed, replicates)
        for side, rows in (("reference", reference), ("target", target))
    ]
    starts = np.concatenate([[0], np.cumsum(sizes)])
    parts = [[_part(one, low, high) for one in sums] for low, high in pairwise(starts)]
    found = [_terms(column.name, bins, both, reference) for column, bins, both in zip(columns, cut, parts, strict=True)]
    for name in ("more_p", "matters_p", "uneven_p"):
        corrected = adjusted(np.array([one[name] for one in found]), "holm")
        found = [one | {name: float(p)} for one, p in zip(found, corrected, strict=True)]
    return sorted((ImageTerms(**one) for one in found), key=lambda one: -abs(one.more))


def _replicated(codes: Sequence[Array], sizes: Sequence[int], rows: Rows, seed: int, replicates: int) -> Counts:
    """Correct rows and rows of each bin of each column, of the sample and of its replicates; ``(1 + b, bins)``."""
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    total, bins = np.zeros((1 + replicates, 2, int(sum(sizes)))), int(sum(sizes))
    for low, high in pairwise([*range(0, len(rows.right), BLOCK), len(rows.right)]):
        part = slice(low, high)
        weights = np.ones((1 + replicates, high - low))
        weights[1:] = poisson_weights(seed, replicates, rows.key[part])
        at = np.stack([code[part] + start for code, start in zip(codes, starts, strict=True)], axis=1)
        member = csr_array(
            (np.ones(at.size), at.ravel(), np.arange(0, at.size + 1, at.shape[1])), shape=(high - low, bins)
        )
        total[:, 0] += (weights * rows.right[part]) @ member
        total[:, 1] += weights @ member
    return Counts(total[:, 0], total[:, 1])


def _part(counts: Counts, low: int, high: int) -> Counts:
    return Counts(counts.right[:, low:high], counts.rows[:, low:high])


def _terms(name: str, bins: Bins, both: Sequence[Counts], reference: Rows) -> dict:
    """The terms of a column, with p-values that are not corrected yet."""
    one, other = both
    shared = (one.rows[0] >= LEAST_IMAGES) & (other.rows[0] >= LEAST_IMAGES)
    terms = dict(zip(("more", "harder", "apart"), _split(one, other, shared), strict=True))
    result: dict = {"name": name, "alone": float(other.share[0][~shared].sum())}
    for term, values in terms.items():
        low, high = interval_of(values[1:])
        result |= {term: float(values[0]), f"{term}_low": low, f"{term}_high": high}
    p, drops = _uneven(one, other, shared)
    return result | {
        "more_p": _normal_p(terms["more"]) if shared.sum() > 1 else 1.0,
        "matters_p": _matters(bins, reference),
        "uneven_p": p,
        **_worst(bins, one, other, shared, drops),
    }


def _split(one: Counts, other: Counts, shared: Array) -> tuple[Array, Array, Array]:
    """The three terms of the sample and of its replicates, ``(1 + b,)`` each."""
    mass = [side.share[:, shared].sum(axis=1) for side in (one, other)]
    p, q = (_over(side.share[:, shared], own[:, None]) for side, own in zip((one, other), mass, strict=True))
    a, b = (np.nan_to_num(side.accuracy[:, shared]) for side in (one, other))
    a, b = np.where(one.rows[:, shared] > 0, a, b), np.where(other.rows[:, shared] > 0, b, a)
    weight, middle = (mass[0] + mass[1]) / 2, ((p * a).sum(axis=1) + (q * b).sum(axis=1)) / 2
    lone = [(side.right[:, ~shared].sum(axis=1)) / np.maximum(side.rows.sum(axis=1), 1) for side in (one, other)]
    apart = (lone[0] - (1 - mass[0]) * middle) - (lone[1] - (1 - mass[1]) * middle)
    return (
        weight * ((p - q) * ((a + b) / 2 - middle[:, None])).sum(axis=1),
        weight * ((p + q) / 2 * (a - b)).sum(axis=1),
        apart,
    )


def _over(share: Array, mass: Array) -> Array:
    return np.divide(share, mass, out=np.zeros_like(share), where=mass > 0)


def _normal_p(values: Array) -> float:
    """Two-sided, of a value whose replicates follow it."""
    spread = float(values[1:].std())
    return float(2 * ndtr(-abs(values[0]) / spread)) if spread else 1.0


def _uneven(one: Counts, other: Counts, shared: Array) -> tuple[float, Array]:
    """p of all shared bins having lost alike (Cochran's Q), and what each bin lost, NaN where it is not shared."""
    drops = np.where(shared, one.accuracy[0] - other.accuracy[0], np.nan)
    if shared.sum() < 2:
        return 1.0, drops
    weight = 1 / sum(_variance(side)[shared] for side in (one, other))
    middle = float(weight @ drops[shared] / weight.sum())
    q = float(weight @ (drops[shared] - middle) ** 2)
    return float(chdtrc(shared.sum() - 1, q)), drops


def _variance(counts: Counts) -> Array:
    """Of the accuracy of each bin, as if it had one right and one wrong row more."""
    rows = counts.rows[0] + 2
    near = (counts.right[0] + 1) / rows
    return near * (1 - near) / np.maximum(counts.rows[0], 1)


def _worst(bins: Bins, one: Counts, other: Counts, shared: Array, drops: Array) -> dict:
    if not shared.any():
        return {"worst": "", "worst_drop": float("nan"), "others_drop": float("nan")}
    worst = int(np.nanargmax(drops))
    rest = shared & (np.arange(len(shared)) != worst)
    sums = [side.right[0][rest].sum() / max(side.rows[0][rest].sum(), 1) for side in (one, other)]
    others = float(sums[0] - sums[1]) if rest.any() else float("nan")
    return {"worst": bins.names[worst], "worst_drop": float(drops[worst]), "others_drop": others}


def _matters(bins: Bins, reference: Rows) -> float:
    """p of the reference's rows being right as often in every bin, each class by itself."""
    rest = residuals(reference, reference)
    rows = np.bincount(bins.reference, minlength=len(bins.names))
    sums = np.bincount(bins.reference, rest, minlength=len(bins.names))
    large = rows >= LEAST_IMAGES
    variance = float((rest**2).mean())
    if large.sum() < 2 or not variance:
        return 1.0
    return float(chdtrc(large.sum() - 1, (sums[large] ** 2 / rows[large]).sum() / variance))


def residuals(rows: Rows, reference: Rows) -> Array:
    """For each row whether it is right, less the accuracy of its class in the reference; ``(n,)``."""
    classes = int(max(rows.label.max(initial=0), reference.label.max(initial=0))) + 1
    count = np.bincount(reference.label, minlength=classes)
    right = np.bincount(reference.label, reference.right, minlength=classes)
    overall = reference.right.mean() if len(reference.right) else 0.0
    accuracy = np.where(count > 0, right / np.maximum(count, 1), overall)
    return rows.right - accuracy[rows.label]
