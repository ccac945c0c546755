"""Which classes are more or less frequent in a target without labels, estimated from what a classifier predicts there.

It presumes that the rows of each class look the same in both sets and only the classes' shares differ. Where that is
not so, the numbers say how the predictions moved and not how the classes did.

* BBSE solves ``C w = mu``: C the joint shares of (predicted, true) in the source, mu the shares of predictions in the
  target, w how many times as frequent each class has become. It needs nothing but predicted classes, and holds for bad
  probabilities as well as for good ones.
* MLLS finds the shares of highest likelihood by expectation maximisation. It is sharper, where the probabilities are
  calibrated: first give each class a bias and all one temperature (`bias_corrected`).

Intervals are by the keyed bootstrap, each replicate one Newton step from the estimate: solving anew in every replicate
would cost ``k³`` each.

References
----------
Lipton, Wang and Smola (2018), "Detecting and correcting for label shift with black box predictors". Azizzadenesheli et
al. (2019), "Regularized learning for domain adaptation under label shifts". Saerens, Latinne and Decaestecker (2002),
"Adjusting the outputs of a classifier to new a priori probabilities". Alexandari, Kundaje and Shrikumar (2020),
"Maximum likelihood with bias-corrected calibration is hard-to-beat at label shift adaptation".
"""

from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array
from scipy.special import chdtrc, ndtr

from gapscope.blocks.formats import percent
from gapscope.core.progress import SILENT, Progress
from gapscope.inference import Verdict, adjusted, interval_of, poisson_weights
from gapscope.inference.bootstrap import BLOCK, GRAIN, REPLICATES, ends_of
from gapscope.predictions.table import Predictions
from gapscope.shifts.bias_corrected import bias_corrected
from gapscope.shifts.black_box import Blackbox, possible, solved
from gapscope.shifts.class_shares import TargetRows, mlls
from gapscope.store import ArrayStore, View
from gapscope.stream import Workers

Array = np.ndarray
SIGNIFICANT = 0.05
# Cells of the test with fewer expected rows than this are taken together.
LEAST_EXPECTED = 5.0
NAMED = 3


@dataclass(frozen=True, eq=False)
class LabelShift:
    """How the shares of the classes moved from a labelled source to a target.

    Attributes
    ----------
    class_names
        k of them.
    source_prior : (k,)
        Shares of the labelled source rows.
    weight : (k,)
        By BBSE: how many times as frequent each class has become; 1 for classes without source rows.
    low, high : (k,)
        95 % intervals of the weights.
    p, adjusted_p : (k,)
        That a weight is 1: by the normal approximation, and Benjamini-Hochberg's of all classes. NaN without source
        rows.
    condition
        Condition number of P(predicted | true).
    regularised
        Whether that was so bad that the weights were pulled towards 1.
    test_p
        Of no label shift at all: a chi-square test that predictions are distributed alike in both sets.
    distance, distance_low, distance_high, distance_null
        Total variation between the shares, its interval, and what chance alone would give.
    likeliest, likeliest_low, likeliest_high : (k,) or None
        Shares in the target by MLLS, where there are probabilities. The errors leave out those of the calibration.
    n
        Rows of both sets.
    """

    class_names: tuple[str, ...]
    source_prior: Array
    weight: Array
    low: Array
    high: Array
    p: Array
    adjusted_p: Array
    condition: float
    regularised: bool
    test_p: float
    distance: float
    distance_low: float
    distance_high: float
    distance_null: float
    likeliest: Array | None
    likeliest_low: Array | None
    likeliest_high: Array | None
    n: int

    @property
    def target_prior(self) -> Array:
        """Shares of the classes in the target by BBSE, ``(k,)``."""
        return self.source_prior * self.weight

    @property
    def changed(self) -> Array:
        """Classes that became more or less frequent, by index, the largest change of share first; none where the test
        of all classes finds no shift.
        """
        result = np.flatnonzero(self.adjusted_p <= SIGNIFICANT) if self.test_p < SIGNIFICANT else np.zeros(0, int)
        return result[np.argsort(-np.abs(self.target_prior - self.source_prior)[result], kind="stable")]

    def verdicts(self) -> list[Verdict]:
        """The shift as a whole, then each class that changed."""
        whole = Verdict(
            "label_shift",
            self.distance,
            self._sentence(),
            self.distance_low,
            self.distance_high,
            self.test_p,
            effect=self.distance,
            null=self.distance_null,
            n=self.n,
        )
        return [whole, *(self._of_class(int(index)) for index in self.changed)]

    def columns(self) -> dict[str, Array]:
        """For each class: shares, weight, interval and p-values."""
        names = ("source_prior", "target_prior", "weight", "low", "high", "p", "adjusted_p")
        table = {f"label_shift_{name}": getattr(self, name) for name in names}
        return table if self.likeliest is None else table | {"label_shift_mlls": self.likeliest}

    def _sentence(self) -> str:
        if self.test_p >= SIGNIFICANT:
            return (
                "The classifier predicts the classes in the same shares for both sets: no label shift beyond what "
                "samples of this size show."
            )
        caveat = " The classifier confuses some classes so much that their shares are pulled towards no change."
        return (
            f"If the rows of each class look alike in both sets, {percent(self.distance)} of the rows changed class "
            f"share: {self._moves()}.{caveat if self.regularised else ''}"
        )

    def _moves(self) -> str:
        more = [self.class_names[i] for i in self.changed if self.weight[i] > 1]
        less = [self.class_names[i] for i in self.changed if self.weight[i] < 1]
        result = [
            f"{_listed(names)} became {word} frequent" for names, word in ((more, "more"), (less, "less")) if names
        ]
        return " and ".join(result) or "no single class stands out"

    def _of_class(self, index: int) -> Verdict:
        name, weight = self.class_names[index], float(self.weight[index])
        sentence = f"{name} is {weight:.2f} times as frequent in the target, if its rows look alike in both sets."
        values = (float(column[index]) for column in (self.low, self.high, self.p))
        return Verdict("label_shift_weight", weight, sentence, *values, null=1.0, n=self.n, class_name=name)


def _listed(names: list[str]) -> str:
    shown = names[:NAMED]
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(shown) + more


def label_shift(
    reference: Predictions,
    target: Predictions,
    *,
    replicates: int = REPLICATES,
    seed: int = 0,
    workers: Workers | None = None,
    progress: Progress = SILENT,
) -> LabelShift:
    """The label shift from the labelled rows of `reference`, which trained nothing, to all rows of `target`.

    With `workers`, and scores of both sets, MLLS is found as well, after temperature and biases.
    """
    source = reference.labelled()
    k = len(reference.class_names)
    confusion = np.bincount(source.label * k + source.predicted, minlength=k * k).reshape(k, k)
    counts = np.bincount(target.predicted, minlength=k)
    black = solved(confusion, counts)
    prior = confusion.sum(axis=1) / confusion.sum()
    moved = _moved(black, source, target, seed, replicates)
    weight = possible(black.weight, prior)
    distances = 0.5 * np.abs(moved + black.weight - 1) @ prior
    distance = float(0.5 * np.abs(weight - 1) @ prior)
    ends = interval_of(distances)
    intervals = ends_of(black.weight + moved)
    p, corrected = _class_p(black.weight, moved, prior)
    likeliest = _likeliest(source, target, prior, seed, replicates, workers, progress)
    return LabelShift(
        class_names=tuple(reference.class_names),
        source_prior=prior,
        weight=weight,
        low=np.maximum(intervals[0], 0),
        high=np.maximum(intervals[1], 0),
        p=p,
        adjusted_p=corrected,
        condition=black.condition,
        regularised=black.regularised,
        test_p=homogeneity_p(confusion.sum(axis=0), counts),
        distance=distance,
        distance_low=max(2 * distance - ends[1], 0.0),
        distance_high=max(2 * distance - ends[0], 0.0),
        distance_null=float(0.5 * (np.abs(moved) @ prior).mean()),
        likeliest=likeliest[0],
        likeliest_low=likeliest[1],
        likeliest_high=likeliest[2],
        n=source.n + target.n,
    )


def _moved(black: Blackbox, source: Predictions, target: Predictions, seed: int, replicates: int) -> Array:
    """By how much the weights move in each bootstrap replicate, ``(replicates, k)``."""
    k = len(black.weight)
    explained = _resampled(source.sample_id, source.predicted, black.weight[source.label], k, seed, replicates)
    result = _resampled(target.sample_id, target.predicted, np.ones(target.n), k, seed, replicates)
    return (result - explained) @ black.inverse.T


def _resampled(sample_id: Array, column: Array, value: Array, k: int, seed: int, replicates: int) -> Array:
    """In each replicate, the mean over rows of `value` in the row's column, less that of all rows; ``(replicates, k)``.

    Values are rounded as in `resampled_sums`, which would ask for a dense matrix, so that sums are exact.
    """
    value = np.rint(value / GRAIN) * GRAIN
    total, rows = np.zeros((replicates, k)), np.zeros((replicates, 1))
    for start in range(0, len(column), BLOCK):
        part = slice(start, start + BLOCK)
        times = poisson_weights(seed, replicates, sample_id[part]).astype(np.float64)
        count = times.shape[1]
        total += times @ csr_array((value[part], (np.arange(count), column[part])), shape=(count, k))
        rows += times.sum(axis=1, keepdims=True)
    return total / np.maximum(rows, 1) - np.bincount(column, weights=value, minlength=k) / max(len(column), 1)


def _class_p(weight: Array, moved: Array, prior: Array) -> tuple[Array, Array]:
    error = moved.std(axis=0)
    p = np.full(len(weight), np.nan)
    there = prior > 0
    z = np.divide(np.abs(weight - 1), error, out=np.where(np.abs(weight - 1) > 1e-9, np.inf, 0.0), where=error > 0)
    p[there] = 2 * ndtr(-z[there])
    corrected = p.copy()
    corrected[there] = adjusted(p[there])
    return p, corrected


def homogeneity_p(one: Array, other: Array) -> float:
    """p-value of Pearson's chi-square test that counts ``(k,)`` of two samples come from one distribution.

    Columns in which the smaller sample expects fewer than five rows are taken together first.
    """
    table = np.stack([one, other]).astype(np.float64)
    pooled = table.sum(axis=0)
    rare = pooled * (table.sum(axis=1).min() / table.sum()) < LEAST_EXPECTED
    table = np.column_stack([table[:, ~rare], table[:, rare].sum(axis=1)])
    table = table[:, table.sum(axis=0) > 0]
    if table.shape[1] < 2:
        return 1.0
    expected = np.outer(table.sum(axis=1), table.sum(axis=0)) / table.sum()
    return float(chdtrc(table.shape[1] - 1, (np.square(table - expected) / expected).sum()))


def _likeliest(
    source: Predictions,
    target: Predictions,
    prior: Array,
    seed: int,
    replicates: int,
    workers: Workers | None,
    progress: Progress,
) -> tuple[Array | None, Array | None, Array | None]:
    if workers is None or source.scores is None or target.scores is None:
        return None, None, None
    corrected = bias_corrected(_rows(source), _as_they_are, workers, progress)
    rows = TargetRows(_rows(target), corrected, workers, progress)
    result = mlls(prior, rows)
    low, high = ends_of(rows.replicates(prior, result, seed, replicates))
    return result, np.maximum(low, 0), np.minimum(high, 1)


def _rows(predictions: Predictions) -> View:
    names = list(predictions.class_names)
    return ArrayStore(predictions.scores, predictions.label, names, predictions.name, predictions.sample_id).view()


def _as_they_are(scores: Array) -> Array:
    return scores
