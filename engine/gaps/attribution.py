"""Which features moved the margins of a linear head, exactly: in logits, by feature, by class and overall.

The margin of class c is its score less that of its chief rival r. Between two sets its mean over the rows of class c
moves by ``sum_j (W_cj - W_rj)(mu^Q_cj - mu^P_cj)``: one term for each feature, and nothing left over. Only means of the
features of each class are needed, so one pass over each set is enough.

What no difference of scores sees, the *null space* of the centred head, can shift without harm; what remains, its *row
space*, cannot.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import stdtr

from gapscope.blocks.formats import percent
from gapscope.core.errors import InputError
from gapscope.inference import adjusted
from gapscope.summaries import ClassMoments

Array = np.ndarray
# A class that the head never predicts has a bias below this and takes no part.
NEVER = -1e20
LEVEL = 0.05


@dataclass(frozen=True, eq=False)
class Attribution:
    """Changes of mean margins from reference to target, in logits; negative is towards error.

    Attributes
    ----------
    rival : (k,) int
        Chief rival of each class.
    share : (k,)
        Target rows of each class over all labelled ones, among classes with rows on both sides; 0 for others.
    effect : (k, d)
        Change of the mean margin of each class by each feature; 0 for classes without rows on a side.
    feature, error, degrees, p, adjusted_p : (d,)
        Change of the mean margin over all target rows by each feature, its standard error, Welch and Satterthwaite's
        degrees of freedom, two-sided p-value, Benjamini and Hochberg's correction over the features. The head counts as
        fixed. No error where no class has two rows on a side: NaN, with p = 1.
    by_class : (k,)
        ``effect`` summed over the features; NaN for classes without rows on a side.
    margin_reference, margin_target : (k,)
        Mean margin of each class; NaN without rows.
    total
        ``by_class`` weighted by `share`; the sum of `feature`.
    shift : (d,)
        Difference of the class means, weighted by `share`: free of the class mix.
    row_space
        Share of the squared length of `shift` that changes a difference of scores; the rest, `null_space`, is harmless.
    by_chance
        `row_space` of a direction that knows nothing of the head: rank over number of features.
    length, noise
        Squared length of `shift`, and what sampling alone gives it on average.
    """

    rival: Array
    share: Array
    effect: Array
    feature: Array
    error: Array
    degrees: Array
    p: Array
    adjusted_p: Array
    by_class: Array
    margin_reference: Array
    margin_target: Array
    total: float
    shift: Array
    row_space: float
    by_chance: float
    length: float
    noise: float

    @property
    def null_space(self) -> float:
        """Share of the squared length of the mean shift that no difference of scores sees; NaN without a shift."""
        return 1 - self.row_space

    @property
    def order(self) -> Array:
        """Features, the most harmful first."""
        return np.argsort(self.feature, kind="stable")

    def columns(self) -> dict[str, Array]:
        """A table with a row for each feature."""
        return {
            "feature": np.arange(len(self.feature)),
            "margin_change": self.feature,
            "margin_error": self.error,
            "margin_p": self.p,
            "margin_adjusted_p": self.adjusted_p,
            "class_free_shift": self.shift,
        }

    def sentence(self) -> str:
        """What came out, for people."""
        harmful = int(((self.adjusted_p <= LEVEL) & (self.feature < 0)).sum())
        moved = f"the mean margin over the chief rival moves by {self.total:+.3g} logits"
        if not self.length > 0:
            return f"{moved}: no class mean differs"
        where = (
            f"{percent(self.row_space)} of the squared mean shift lies where scores can see it, "
            f"{percent(self.by_chance)} would by chance"
        )
        return f"{moved}; {harmful} of {len(self.feature)} features lower it beyond chance (BH 5 %); {where}"


def attribution(
    weight: Array, bias: Array, reference: ClassMoments, target: ClassMoments, confusion_target: Array
) -> Attribution:
    """The margin changes of a head ``weight : (k, d)``, ``bias : (k,)`` between two sets; ``O(k d min(k, d))`` flops.

    Moments are of the features as the head sees them (rows of length one where it normalises), labels being the head's
    classes. ``confusion_target : (k, k)`` counts ``[label, predicted]`` on the target.

    Raises
    ------
    InputError
        Shapes do not fit, a feature is not finite, or no class has rows on both sides.
    """
    _check(weight, reference, target, confusion_target)
    weight, bias = np.asarray(weight, np.float64), np.asarray(bias, np.float64)
    both = (reference.count > 0) & (target.count > 0) & (bias > NEVER)
    if not both.any():
        raise InputError("no class has labelled rows in both sets, so no margin can be compared; add labels")
    rival = chief_rivals(weight, bias, target, confusion_target)
    contrast = weight - weight[rival]
    shift = np.where(both[:, None], target.mean - reference.mean, 0.0)
    effect = contrast * shift
    share = np.where(both, target.count, 0) / target.count[both].sum()
    sides = [_mean_variance(side, both) for side in (reference, target)]
    error, degrees, p = _tested(share @ effect, share[:, None] * contrast, *sides)
    overall = share @ shift
    row_space, rank = row_space_share(weight[bias > NEVER], overall)
    margins = [_margins(contrast, bias - bias[rival], side) for side in (reference, target)]
    noise = float(np.nansum(share[:, None] ** 2 * (sides[0][0] + sides[1][0])))
    return Attribution(
        rival=rival,
        share=share,
        effect=effect,
        feature=share @ effect,
        error=error,
        degrees=degrees,
        p=p,
        adjusted_p=adjusted(p),
        by_class=np.where(both, effect.sum(axis=1), np.nan),
        margin_reference=margins[0],
        margin_target=margins[1],
        total=float(share @ effect.sum(axis=1)),
        shift=overall,
        row_space=row_space,
        by_chance=rank / weight.shape[1],
        length=float(overall @ overall),
        noise=noise,
    )


def chief_rivals(weight: Array, bias: Array, target: ClassMoments, confusion: Array) -> Array:
    """For each class, the one it is most often predicted as; where it never is, the runner-up at its mean; ``(k,)``."""
    mistaken = np.array(confusion, np.float64)
    np.fill_diagonal(mistaken, 0)
    scores = target.mean @ weight.T + bias
    np.fill_diagonal(scores, -np.inf)
    return np.where(mistaken.sum(axis=1) > 0, mistaken.argmax(axis=1), scores.argmax(axis=1))


def row_space_share(weight: Array, shift: Array) -> tuple[float, int]:
    """Share of the squared length of ``shift : (d,)`` in the row space of the centred ``weight : (k, d)``, and its
    rank. NaN for a shift of length 0.
    """
    centred = weight - weight.mean(axis=0)
    _, values, axes = np.linalg.svd(centred, full_matrices=False)
    rank = int((values > values.max(initial=0) * max(centred.shape) * np.finfo(float).eps).sum())
    length = float(shift @ shift)
    inside = axes[:rank] @ shift
    return (min(float(inside @ inside) / length, 1.0) if length > 0 else float("nan")), rank


def _margins(contrast: Array, offset: Array, side: ClassMoments) -> Array:
    return np.where(side.count > 0, np.einsum("kd,kd->k", contrast, side.mean) + offset, np.nan)


def _mean_variance(side: ClassMoments, both: Array) -> tuple[Array, Array]:
    """Variance ``(k, d)`` of the class means, and the degrees of freedom ``(k,)`` behind it.

    A class with a single row borrows the variance that the others have within.
    """
    spare = int(np.maximum(side.count - 1, 0).sum())
    pooled = side.squares.sum(axis=0) / spare if spare else np.full(side.mean.shape[1], np.nan)
    alone = (side.count == 1)[:, None]
    variance = np.where(alone, pooled, side.squares / np.maximum(side.count - 1, 1)[:, None])
    variance = np.where(both[:, None], variance / np.maximum(side.count, 1)[:, None], 0.0)
    return variance, np.where(side.count > 1, side.count - 1, max(spare, 1))


def _tested(effect: Array, factor: Array, one: tuple[Array, Array], other: tuple[Array, Array]) -> tuple[Array, ...]:
    """Standard error, degrees of freedom and p-value of ``effect : (d,)``, a sum over classes and sides."""
    parts = [factor**2 * variance for variance, _ in (one, other)]
    variance = parts[0].sum(axis=0) + parts[1].sum(axis=0)
    freedoms = (one[1], other[1])
    squares = sum((part**2 / freedom[:, None]).sum(axis=0) for part, freedom in zip(parts, freedoms, strict=True))
    degrees = np.divide(variance**2, squares, out=np.ones_like(variance), where=squares > 0)
    error = np.sqrt(variance)
    z = np.divide(np.abs(effect), error, out=np.where(effect == 0, 0.0, np.inf), where=error > 0)
    return error, degrees, np.where(np.isnan(error), 1.0, 2 * stdtr(degrees, -z))


def _check(weight: Array, reference: ClassMoments, target: ClassMoments, confusion: Array) -> None:
    for name, side in (("reference", reference), ("target", target)):
        if side.mean.shape != weight.shape:
            raise InputError(f"the head is {weight.shape} (classes, features), the {name} {side.mean.shape}")
        if not (np.isfinite(side.mean).all() and np.isfinite(side.squares).all()):
            raise InputError(f"a feature of the {name} is not finite; extract or import this set again")
    if np.shape(confusion) != (len(weight),) * 2:
        raise InputError(f"the confusion matrix is {np.shape(confusion)}, the head has {len(weight)} classes")
