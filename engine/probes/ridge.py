"""Ridge regression on class indicators: one pass over the rows, then closed form for every penalty.

With the same ``alpha`` it is scikit-learn's ``RidgeClassifier(alpha)``: targets are +1 for a row's own class and -1 for
the others, the intercept is not penalised. (Of two classes scikit-learn keeps one column; here are both, one the
negative of the other.) All it needs are moments: with ``S`` the scatter of the rows around their mean ``m``, and class
``c`` of ``n_c`` rows with mean ``m_c``, its weights are ``(S + alpha I)^-1 2 n_c (m_c - m)``. Rows that weigh ``w_c``
count ``w_c`` times in all of these, which costs a second pass: the weights are known after the first.

A penalty that nobody named is a share of the mean eigenvalue of ``S``, on standardised features, chosen by the accuracy
on held-out rows: regression on indicators has no likelihood. One temperature then makes its scores fit as logits. Few
held-out rows cannot tell it, so training rows speak too, each with the scores of the regression without that row, which
follow from the one with it (Allen 1974, "The relationship between variable selection and data augmentation").
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from time import perf_counter
from typing import Any, NamedTuple

import numpy as np

from gapscope.core.checkpoint import NO_CHECKPOINT, Checkpoint
from gapscope.core.chunk import Chunk
from gapscope.core.errors import InputError
from gapscope.core.progress import SILENT, Progress
from gapscope.probes.imbalance import class_weights
from gapscope.probes.model import Classifier
from gapscope.probes.options import ProbeOptions
from gapscope.probes.rules.linear import Linear
from gapscope.probes.spectrum import spectrum_of
from gapscope.probes.training import Holdout, Labels, labels_of, moments_of, with_holdout
from gapscope.probes.units import RAW, STANDARDISED, scale_of, seen_as
from gapscope.store import View
from gapscope.stream import Workers, fold
from gapscope.summaries import LabelledMoments, WeightedMoments

Array = np.ndarray
# Rows that tell a temperature to a few per cent.
ENOUGH = 2000
# Penalties as shares of the mean eigenvalue; the first is taken when there are no held-out rows to choose by.
SHARES = (1e-3, 1e-6, 1e-5, 1e-4, 3e-4, 3e-3, 1e-2, 3e-2, 0.1, 1.0, 10.0)


class Weighed(NamedTuple):
    """Moments of rows that weigh by their class.

    Attributes
    ----------
    moments
        Of the rows as they are.
    weights : (C,)
        What a row of each class weighs.
    scatter : (d, d)
        Weighted, around the weighted mean.
    """

    moments: LabelledMoments
    weights: Array
    scatter: Array


@dataclass(frozen=True)
class Regression:
    """Ridge regressions with any penalty, in coordinates where the scatter of the rows is diagonal.

    Attributes
    ----------
    basis : (d, r)
        ``eigenvectors / scale``: raw weights are ``basis @ w`` for weights ``w`` in the eigenbasis; r is d, or fewer
        where the rows span no more.
    eigenvalues : (d,)
        Of the weighted scatter, features being measured in units of the scale; nought beyond r.
    products : (r, p)
        Of the centred rows, in the eigenbasis, with the targets.
    origin : (d,)
        Weighted mean of all rows.
    targets : (p,)
        Weighted mean of the targets.
    """

    basis: Array
    eigenvalues: Array
    products: Array
    origin: Array
    targets: Array

    @classmethod
    def of(cls, weighed: Weighed, scale: Array | None = None) -> "Regression":
        """From the moments of the rows; features are divided by ``scale : (d,)`` first. One eigendecomposition,
        O(d³), or O(d n²) of fewer rows than features.
        """
        moments, present = weighed.moments, weighed.moments.present
        inverse = np.ones(len(moments.total.mean)) if scale is None else 1 / scale
        eigenvalues, axes = spectrum_of(weighed.scatter * np.outer(inverse, inverse), moments.total.n)
        basis = inverse[:, None] * axes
        mass = weighed.weights[present] * moments.classes.count[present]
        means = moments.classes.mean[present]
        origin = mass @ means / mass.sum()
        products = basis.T @ (2 * mass[:, None] * (means - origin)).T
        return cls(basis, eigenvalues, products, origin, 2 * mass / mass.sum() - 1)

    def left_out(self, rows: Holdout, alpha: float, mass: float) -> Array:
        """Scores ``(n, p)`` of training rows by the regression without each of them, where all weigh one.

        ``mass`` is the number of training rows. With the leverage h of a row and its target y, its score s becomes
        ``s - h / (1 - h) (y - s)``.
        """
        weight, bias = self.solve(alpha)
        inside = (rows.x - self.origin) @ self.basis
        spectrum = np.maximum(self.eigenvalues[: self.basis.shape[1]] + alpha, np.finfo(float).tiny)
        leverage = np.minimum(1 / mass + np.square(inside) @ (1 / spectrum), 1 - 1e-6)[:, None]
        scores = rows.x @ weight + bias
        targets = np.where(np.arange(len(bias)) == rows.y[:, None], 1.0, -1.0)
        return (scores - leverage / (1 - leverage) * (targets - scores)).astype(np.float32)

    def solve(self, alpha: float) -> tuple[Array, Array]:
        """``weight (d, p)`` and ``bias (p,)`` float64, on the features as they are stored.

        Without a penalty, directions without scatter carry no weight, as with a pseudo-inverse.
        """
        spectrum = self.eigenvalues + alpha
        floor = spectrum.max(initial=0) * len(spectrum) * np.finfo(float).eps if alpha == 0 else 0
        inverse = np.divide(1, spectrum, out=np.zeros_like(spectrum), where=spectrum > floor)
        weight = self.basis @ (inverse[: len(self.products), None] * self.products)
        return weight, self.targets - self.origin @ weight


@dataclass(frozen=True)
class Setting:
    """A penalty, as a number or as a share of the mean eigenvalue, on features in certain units."""

    view: str
    alpha: float | None = None
    share: float | None = None

    def penalty(self, regression: Regression) -> float:
        """The penalty in the regression's own units."""
        return self.alpha if self.share is None else self.share * float(regression.eigenvalues.mean())


def settings_of(options: ProbeOptions) -> list[Setting]:
    """What to try; the first serves when there are no held-out rows to choose by.

    Raises
    ------
    InputError
        The penalty asked for is negative or not a number.
    """
    if options.alpha is not None:
        if not 0 <= options.alpha < np.inf:
            raise InputError(f"alpha {options.alpha} is no penalty; 0 means none, and larger numbers smaller weights")
        return [Setting(seen_as("ridge", options.view, RAW), alpha=options.alpha)]
    views = [seen_as("ridge", options.view, STANDARDISED)]
    if options.grid and not options.view:
        views.append(RAW)
    return [Setting(view, share=share) for view in views for share in SHARES]


def fit(
    train: View,
    holdout: View | Chunk,
    options: ProbeOptions,
    workers: Workers,
    progress: Progress = SILENT,
    checkpoint: Checkpoint = NO_CHECKPOINT,
) -> Classifier:
    """Train on `train`; the penalty with the best accuracy on `holdout` is taken unless `options` names one.

    Once it is chosen, the held-out rows join the others, for the price of one more eigendecomposition. One pass, two
    where classes weigh differently; about as long as lda. Up to 2,000 rows are read once more for the temperature.

    Raises
    ------
    InputError
        The penalty asked for is negative, no row has a label, or a feature is not finite.
    """
    start = perf_counter()
    settings = settings_of(options)
    rest = with_holdout(train, holdout)
    kept, everything = weighed_rows(train, rest, options.class_weight, workers, progress, checkpoint)
    labels = labels_of(kept.moments, train)
    held = Holdout.of(holdout, labels)
    held_out = held.summary(labels)
    more = _more_rows(train, labels, held, options)
    regressions = {one: Regression.of(kept, scale_of(one, kept.moments)) for one in {one.view for one in settings}}
    table = list(tried(regressions, float(kept.moments.total.n), settings, held, more))
    best = max(range(len(table)), key=lambda row: (table[row]["accuracy"], -table[row]["log_loss"]))
    setting = settings[best]
    labels = labels_of(everything.moments, rest)
    regression = regressions[setting.view]
    if rest.stop > train.stop:
        regression = Regression.of(everything, scale_of(setting.view, everything.moments))
    alpha = setting.penalty(regression)
    weight, bias = regression.solve(alpha)
    moments = everything.moments
    details = {
        "alpha": alpha,
        "view": setting.view,
        "settings": table,
        **held_out,
        **({} if more is None else {"left_out_rows": len(more.y)}),
        "rows": moments.total.n,
        "unlabelled": moments.classes.unlabelled,
        "class_rows": moments.classes.count.tolist(),
        "passes": 1 if options.class_weight == "none" else 2,
        "seconds": perf_counter() - start,
    }
    rule = Linear.over_all(weight.T, bias, labels.present, labels.classes)
    temperature = table[best]["temperature"]
    return Classifier("ridge", rule, probabilistic=len(held.y) > 0, temperature=temperature, details=details)


def _more_rows(train: View, labels: Labels, held: Holdout, options: ProbeOptions) -> Holdout | None:
    """Training rows beside few held-out ones; None where these are enough, or where rows weigh differently."""
    few = ENOUGH - len(held.y)
    if few <= 0 or not len(held.y) or options.class_weight != "none":
        return None
    return Holdout.of(train.store.view(train.start, min(train.stop, train.start + few)), labels)


def tried(
    regressions: Mapping[str, Regression],
    mass: float,
    settings: Sequence[Setting],
    held: Holdout,
    more: Holdout | None = None,
) -> Iterable[dict[str, Any]]:
    """For each setting: its fields, the temperature that suits the held-out rows and `more` of `mass` training rows,
    and how the held-out rows are then classified.
    """
    for setting in settings:
        regression = regressions[setting.view]
        alpha = setting.penalty(regression)
        scores = held.scores(*regression.solve(alpha))
        temperature = held.temperature(scores)
        if more is not None:
            left_out = regression.left_out(more, alpha, mass)
            both = Holdout(held.x, np.concatenate([held.y, more.y]))
            temperature = both.temperature(np.concatenate([scores, left_out]))
        yield {
            "view": setting.view,
            "alpha": alpha,
            "temperature": temperature,
            **held.judge(scores / np.float32(temperature)),
        }


def weighed_rows(
    train: View, rest: View, treatment: str, workers: Workers, progress: Progress, checkpoint: Checkpoint
) -> tuple[Weighed, Weighed]:
    """Weighted moments of the training rows, and of these with the held-out rows that stand behind them.

    Weights go by the class sizes of all these rows, so that one weighted pass serves both.
    """
    tail = rest.store.view(train.stop, rest.stop)
    kept = everything = moments_of(train, workers, progress, checkpoint)
    labels_of(kept, train)
    if tail.rows:
        everything = kept.merge(moments_of(tail, workers, progress, checkpoint, "held-out-moments"))
    weights = np.ones(len(kept.classes.count))
    if treatment == "none":
        return Weighed(kept, weights, kept.total.scatter), Weighed(everything, weights, everything.total.scatter)
    weights[everything.present] = class_weights(treatment, everything.classes.count[everything.present])
    first = weighted_of(train, weights, workers, progress, checkpoint, "weighted-moments")
    both = first.merge(weighted_of(tail, weights, workers, progress, checkpoint, "held-out-weighted-moments"))
    return Weighed(kept, weights, first.scatter), Weighed(everything, weights, both.scatter)


def weighted_of(
    rows: View, weights: Array, workers: Workers, progress: Progress, checkpoint: Checkpoint, stage: str
) -> WeightedMoments:
    """One pass over the rows of a view; taken from the checkpoint where it was made already."""
    saved = checkpoint.load(stage)
    if saved:
        return WeightedMoments(saved.about["weight"], saved.arrays["mean"], saved.arrays["scatter"])
    of = partial(WeightedMoments.of, class_weights=weights)
    result = fold(rows, of, workers, progress=progress, description=stage)
    checkpoint.save(stage, {"mean": result.mean, "scatter": result.scatter}, {"weight": result.weight})
    return result
