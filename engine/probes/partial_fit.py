"""Any classifier of scikit-learn's that learns by `partial_fit`, chunk after chunk.

That is sequential by nature: chunks are taken in store order in this process, whatever the workers; only the pass
before it, which finds means and variances, runs on them. Features are standardised on the way, unless asked otherwise,
and what was learnt is rewritten for features as they are stored. (`SGDClassifier` averages its weights, which a few
passes need.) Then the classifier becomes a rule of `gapscope.probes.rules`, so that no saved model needs scikit-learn.

The held-out rows give a temperature; then nothing is left to choose, and they follow as further chunks, once.

A checkpoint has the numbers of the classifier and of its optimiser as arrays and plain values (see
`gapscope.probes.estimator_state`), never as a pickle, which would run code when it is read. Continuing is exact,
because scikit-learn seeds its random numbers anew in every call of `partial_fit`.

`sgd` is the baseline: scikit-learn's `SGDClassifier.partial_fit` over raw chunks in order, as people do it today.
One-vs-rest, row by row, without scaling or averaging: to be compared with, not to be recommended.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from inspect import signature
from time import perf_counter
from typing import Any, NamedTuple

import numpy as np
from sklearn.linear_model import SGDClassifier

from gapscope.core.checkpoint import NO_CHECKPOINT, Checkpoint, Saved
from gapscope.core.chunk import Chunk
from gapscope.core.errors import DivergedError, InputError, SchemaError, unknown_name
from gapscope.core.progress import SILENT, Progress
from gapscope.core.registry import Registry
from gapscope.probes.estimator_state import packed, restored
from gapscope.probes.imbalance import class_weights
from gapscope.probes.metric import CONSTANT
from gapscope.probes.model import Classifier, Rule
from gapscope.probes.options import ProbeOptions
from gapscope.probes.rules.gaussian import Gaussian
from gapscope.probes.rules.linear import Linear
from gapscope.probes.rules.network import Network
from gapscope.probes.training import Holdout, Labels, with_holdout, without_labels
from gapscope.store import View
from gapscope.stream import CHUNK_ROWS, Workers, each, fold

Array = np.ndarray
LARGEST = np.finfo(np.float32).max
SGD = "SGDClassifier"

ESTIMATORS = Registry(
    "classifier with partial_fit",
    {
        "SGDClassifier": "sklearn.linear_model:SGDClassifier",
        "Perceptron": "sklearn.linear_model:Perceptron",
        "PassiveAggressiveClassifier": "sklearn.linear_model:PassiveAggressiveClassifier",
        "GaussianNB": "sklearn.naive_bayes:GaussianNB",
        "BernoulliNB": "sklearn.naive_bayes:BernoulliNB",
        "MultinomialNB": "sklearn.naive_bayes:MultinomialNB",
        "ComplementNB": "sklearn.naive_bayes:ComplementNB",
        "MLPClassifier": "sklearn.neural_network:MLPClassifier",
    },
)


class Spread(NamedTuple):
    """Count, mean, squared deviations and least value of each feature over labelled rows, and the rows of each class.

    The cheap pass: ``O(n d)`` flops and ``O(d)`` numbers, where `Moments` takes d times as much of both.

    Attributes
    ----------
    n
        Number of labelled rows.
    mean, squares, least : (d,) float64
    count : (C,) int64
        Rows of each class.
    unlabelled
        Number of rows labelled -1.
    """

    n: int
    mean: Array
    squares: Array
    least: Array
    count: Array
    unlabelled: int

    @classmethod
    def of(cls, chunk: Chunk, classes: int) -> "Spread":
        """Of a chunk whose labels lie in -1…classes-1."""
        known = chunk.y >= 0
        x = np.asarray(chunk.x if known.all() else chunk.x[known], np.float64)
        mean = x.mean(axis=0) if len(x) else np.zeros(x.shape[1])
        squares = np.square(x - mean).sum(axis=0)
        count = np.bincount(chunk.y[known], minlength=classes)
        return cls(len(x), mean, squares, x.min(axis=0, initial=np.inf), count, len(known) - len(x))

    def merge(self, other: "Spread") -> "Spread":
        """Of both row sets together."""
        n = self.n + other.n
        share = other.n / n if n else 0.0
        delta = other.mean - self.mean
        return Spread(
            n,
            self.mean + delta * share,
            self.squares + other.squares + delta**2 * (self.n * share),
            np.minimum(self.least, other.least),
            self.count + other.count,
            self.unlabelled + other.unlabelled,
        )


@dataclass(frozen=True)
class Units:
    """The features as the classifier sees them, ``(x - shift) * factor``.

    Attributes
    ----------
    shift, factor : (d,) float32
        The factor is zero for a feature that is constant up to float32 rounding.
    """

    shift: Array
    factor: Array

    @classmethod
    def raw(cls, dim: int) -> "Units":
        """The features as they are."""
        return cls(np.zeros(dim, np.float32), np.ones(dim, np.float32))

    @classmethod
    def standard(cls, spread: Spread) -> "Units":
        """The features with mean 0 and variance 1."""
        deviation = np.sqrt(spread.squares / spread.n)
        varies = deviation > CONSTANT * np.abs(spread.mean)
        factor = np.divide(1, deviation, out=np.zeros_like(deviation), where=varies)
        return cls(spread.mean.astype(np.float32), factor.astype(np.float32))

    def __call__(self, x: Array) -> Array:
        x = x - self.shift
        x *= self.factor
        return x


def _linear(model: Any, units: Units, labels: Labels) -> Rule:
    return _folded(*_both_sides(model.coef_, model.intercept_), units, labels)


def _counting(model: Any, units: Units, labels: Labels) -> Rule:
    """Multinomial naive Bayes; the complement kind has no priors in its score."""
    prior = model.class_log_prior_ if type(model).__name__ == "MultinomialNB" else np.zeros(len(model.classes_))
    return _folded(model.feature_log_prob_, prior, units, labels)


def _folded(weight: Array, bias: Array, units: Units, labels: Labels) -> Linear:
    """The linear rule on stored features from ``weight (p, d)`` and ``bias (p,)`` on features in `units`."""
    weight = weight * units.factor.astype(np.float64)
    return Linear.over_all(weight, bias - weight @ units.shift, labels.present, labels.classes)


def _gaussian(model: Any, units: Units, labels: Labels) -> Rule:
    """A constant feature gets the same Gaussian in every class: it decides nothing."""
    unit = np.divide(1, units.factor, out=np.zeros(len(units.factor)), where=units.factor > 0)
    mean, variance = model.theta_ * unit + units.shift, np.where(unit > 0, model.var_ * unit**2, 1)
    return Gaussian.over_all(mean, variance, np.log(model.class_prior_), labels.present, labels.classes)


def _bernoulli(model: Any, units: Units, labels: Labels) -> Rule:
    """Bernoulli naive Bayes is linear in whether each feature is above zero."""
    absent = np.log1p(-np.exp(model.feature_log_prob_))
    bias = model.class_log_prior_ + absent.sum(axis=1)
    return _network([(model.feature_log_prob_ - absent).T], [bias], units, labels, entry="step")


def _perceptron(model: Any, units: Units, labels: Labels) -> Rule:
    *inner, last = model.coefs_
    *before, offset = model.intercepts_
    weight, bias = _both_sides(last.T, offset)
    return _network([*inner, weight.T], [*before, bias], units, labels, activation=model.activation)


def _network(weights: list[Array], biases: list[Array], units: Units, labels: Labels, **functions: str) -> Network:
    layers = [tuple(np.asarray(array, np.float32) for array in arrays) for arrays in (weights, biases)]
    return Network(units.shift, units.factor, *layers, **functions).over_all(labels.present, labels.classes)


@dataclass(frozen=True)
class Kind:
    """What has to be known of a classifier of scikit-learn's.

    Attributes
    ----------
    rule
        Its fitted attributes as a rule on stored features.
    counts
        Whether it only counts, so that a second pass adds nothing, and gives likelihoods.
    positive
        Whether features must not be negative; it then takes them raw.
    likelihood
        Whether the softmax of its scores is meant as probabilities even without held-out rows.
    """

    rule: Callable[[Any, Units, Labels], Rule]
    counts: bool = False
    positive: bool = False
    likelihood: bool = False


KINDS: Mapping[str, Kind] = {
    "SGDClassifier": Kind(_linear),
    "Perceptron": Kind(_linear),
    "PassiveAggressiveClassifier": Kind(_linear),
    "GaussianNB": Kind(_gaussian, counts=True, likelihood=True),
    "BernoulliNB": Kind(_bernoulli, counts=True, likelihood=True),
    "MultinomialNB": Kind(_counting, counts=True, positive=True, likelihood=True),
    "ComplementNB": Kind(_counting, counts=True, positive=True),
    "MLPClassifier": Kind(_perceptron, likelihood=True),
}


def estimator_of(options: ProbeOptions, **settings: Any) -> Any:
    """The unfitted classifier that `options` name, with scikit-learn's own settings but for `settings`.

    Raises
    ------
    InputError
        scikit-learn has none of that name, or none that learns by `partial_fit` and can become a rule; or a loss that
        ``SGDClassifier`` does not have.
    """
    name = options.estimator
    if name not in ESTIMATORS and name in _all_with_partial_fit():
        raise InputError(
            f"{name} learns by partial_fit, but what it learns cannot be saved as a model; "
            f"these can: {', '.join(sorted(ESTIMATORS))}"
        )
    if name == SGD and options.loss not in SGDClassifier.loss_functions:
        raise unknown_name("loss of SGDClassifier", options.loss, SGDClassifier.loss_functions)
    maker = ESTIMATORS[name]
    if "random_state" in signature(maker).parameters:
        settings["random_state"] = options.seed
    return maker(**settings, loss=options.loss) if name == SGD else maker(**settings)


def _all_with_partial_fit() -> set[str]:
    """Classifiers of scikit-learn's with ``partial_fit``; finding them imports all of it, which takes seconds."""
    from sklearn.utils import all_estimators

    return {name for name, result in all_estimators("classifier") if hasattr(result, "partial_fit")}


def fit(
    train: View,
    holdout: View | Chunk,
    options: ProbeOptions,
    workers: Workers,
    progress: Progress = SILENT,
    checkpoint: Checkpoint = NO_CHECKPOINT,
) -> Classifier:
    """Train ``options.estimator`` on `train`, ``options.epochs`` times (naive Bayes once), then on `holdout`.

    Classes are those that `train` has rows of. Memory: a chunk, and what the classifier keeps.

    Raises
    ------
    InputError
        The classifier is not known, cannot be saved, or cannot be used with such features, view or class weights; no
        row has a label; or a feature is not finite.
    DivergedError
        The weights are no longer finite.
    """
    start = perf_counter()
    settings = {"average": True} if options.estimator == SGD else {}  # two passes end in noise that averages out
    model, kind = estimator_of(options, **settings), KINDS[options.estimator]
    view, passes = _view_of(options, kind), _passes_of(options, kind)
    _check_weights(model, options)
    spread = spread_of(train, workers, progress, checkpoint, "spread")
    labels = _labels_of(spread.count, train)
    _check_sign(spread, kind, options, train)
    units = Units.standard(spread) if view == "standardised" else Units.raw(train.store.dim)
    held = Holdout.of(holdout, labels)
    teaching = Teaching(
        units, labels, _weights_of(options, spread.count[labels.present]), np.float64 if kind.counts else None
    )
    rule_of = partial(_rule_of, kind=kind, units=units, labels=labels)
    model = taught(model, train, passes, teaching, checkpoint, progress, "chunks")
    scores = rule_of(model).scores(held.x)[:, labels.present]
    temperature = held.temperature(scores)
    judged = held.judge(scores / np.float32(temperature))
    tail = train.store.view(train.stop, with_holdout(train, holdout).stop)
    rest = spread_of(tail, workers, progress, checkpoint, "held-out-spread")
    model = taught(model, tail, 1, teaching, checkpoint, progress, "held-out-chunks")
    class_rows = np.zeros(labels.classes, np.int64)
    class_rows[labels.present] = (spread.count + rest.count)[labels.present]
    chosen = {"estimator": options.estimator, "view": view} | ({"loss": model.loss} if hasattr(model, "loss") else {})
    details = {
        **chosen,
        "settings": [{**chosen, "temperature": temperature, **judged}],
        **held.summary(labels),
        "rows": int(class_rows.sum()),
        "unlabelled": spread.unlabelled + rest.unlabelled,
        "class_rows": class_rows.tolist(),
        "passes": 1 + passes,
        "seconds": perf_counter() - start,
    }
    probabilistic = len(held.y) > 0 or kind.likelihood
    return Classifier("partial-fit", rule_of(model), probabilistic, temperature, details=details)


def fit_sgd(
    train: View,
    holdout: View | Chunk,
    options: ProbeOptions,
    workers: Workers,
    progress: Progress = SILENT,
    checkpoint: Checkpoint = NO_CHECKPOINT,
) -> Classifier:
    """Train on `train` and on `holdout` if it stands behind, chunk after chunk in this process; nothing is chosen.

    Raises
    ------
    InputError
        No row has a label, or the loss is not one of ``SGDClassifier``.
    DivergedError
        The weights are no longer finite.
    """
    start = perf_counter()
    model, kind = estimator_of(replace(options, estimator=SGD)), KINDS[SGD]
    passes = _passes_of(options, kind)
    train = with_holdout(train, holdout)
    counts = sum(each(train, _Counts(len(train.store.class_names)), workers, progress=progress, description="labels"))
    labels = _labels_of(counts[:-1], train)
    units = Units.raw(train.store.dim)
    model = taught(model, train, passes, Teaching(units, labels), checkpoint, progress, "chunks")
    details = {
        "loss": options.loss,
        "rows": int(counts[:-1].sum()),
        "unlabelled": int(counts[-1]),
        "class_rows": counts[:-1].tolist(),
        "passes": passes + 1,
        "seconds": perf_counter() - start,
    }
    return Classifier("sgd", _rule_of(model, kind, units, labels), probabilistic=False, details=details)


class _Counts:
    """Rows of each class in a chunk, and at the end those without a label; ``(classes + 1,)``."""

    def __init__(self, classes: int):
        self.classes = classes

    def __call__(self, _index: int, chunk: Chunk) -> Array:
        return np.bincount(np.where(chunk.y < 0, self.classes, chunk.y), minlength=self.classes + 1)


def spread_of(view: View, workers: Workers, progress: Progress, checkpoint: Checkpoint, stage: str) -> Spread:
    """One pass over the rows of a view; taken from the checkpoint where it was made already.

    Raises
    ------
    InputError
        A feature is not finite.
    """
    saved = checkpoint.load(stage)
    if saved:
        return Spread(**saved.arrays, **saved.about)
    of = partial(Spread.of, classes=len(view.store.class_names))
    spread = fold(view, of, workers, progress=progress, description=stage)
    bad = np.flatnonzero(~np.isfinite(spread.squares))
    if bad.size:
        raise InputError(
            f"feature {bad[0]} of {view.store.name} has NaN or infinite values, as have {bad.size - 1} others; "
            "extract or import it again with bad rows rejected"
        )
    arrays = {name: getattr(spread, name) for name in ("mean", "squares", "least", "count")}
    checkpoint.save(stage, arrays, {"n": spread.n, "unlabelled": spread.unlabelled})
    return spread


def _labels_of(count: Array, train: View) -> Labels:
    present = np.flatnonzero(count)
    if not len(present):
        raise without_labels(train)
    return Labels(present, len(count))


def _view_of(options: ProbeOptions, kind: Kind) -> str:
    """Standardised unless asked otherwise; rows of length one, which come as such, are taken as they are."""
    if options.view == "whitened":
        raise InputError(
            "partial-fit scales each feature by itself and does not whiten; choose raw, standardised or normalised"
        )
    if kind.positive and options.view == "standardised":
        raise InputError(
            f"{options.estimator} counts what is positive and cannot use standardised features; choose raw"
        )
    return "standardised" if not (options.view or kind.positive) else options.view or "raw"


def _passes_of(options: ProbeOptions, kind: Kind) -> int:
    if options.epochs < 1:
        raise InputError(f"epochs is {options.epochs}; learning chunk by chunk needs at least one pass over the rows")
    return 1 if kind.counts else options.epochs


def _check_weights(model: Any, options: ProbeOptions) -> None:
    if options.class_weight != "none" and "sample_weight" not in signature(model.partial_fit).parameters:
        raise InputError(f"{options.estimator} takes no weights of rows; leave --class-weight at none")


def _check_sign(spread: Spread, kind: Kind, options: ProbeOptions, train: View) -> None:
    least = int(spread.least.argmin())
    if kind.positive and spread.least[least] < 0:
        raise InputError(
            f"{options.estimator} needs features that are not negative, and feature {least} of {train.store.name} "
            f"goes down to {spread.least[least]:.3g}; GaussianNB takes such features"
        )


def _weights_of(options: ProbeOptions, count: Array) -> Array | None:
    return None if options.class_weight == "none" else class_weights(options.class_weight, count)


def _rule_of(model: Any, kind: Kind, units: Units, labels: Labels) -> Rule:
    """The rule of a fitted classifier; of one class only nothing was learnt, and it is always the answer."""
    if len(labels.present) == 1:
        return _folded(np.zeros((1, len(units.shift))), np.zeros(1), units, labels)
    return kind.rule(model, units, labels)


@dataclass(frozen=True)
class Teaching:
    """How a chunk is put before a classifier.

    Attributes
    ----------
    weights : (p,)
        What a row of each present class weighs; None where they weigh the same.
    dtype
        What the features are converted to; naive Bayes computes in what it is given, and needs float64.
    """

    units: Units
    labels: Labels
    weights: Array | None = None
    dtype: type = np.float32

    def give(self, model: Any, chunk: Chunk, where: str) -> None:
        """Let `model` learn the labelled rows of a chunk.

        Raises
        ------
        DivergedError
            scikit-learn refuses the rows or its own weights, or these exceed float32.
        """
        y = self.labels.positions(chunk.y)
        if not (y >= 0).any():
            return
        x = self.units(np.asarray(chunk.x[y >= 0], self.dtype))
        weighed = {} if self.weights is None else {"sample_weight": self.weights[y[y >= 0]]}
        try:
            model.partial_fit(x, y[y >= 0], classes=np.arange(len(self.labels.present)), **weighed)
        except ValueError as error:  # scikit-learn's own check of its input and of its weights
            raise DivergedError(f"{type(model).__name__} stopped at {where}: {error}") from error
        if _largest(model) > LARGEST:
            raise DivergedError(
                f"the weights of {type(model).__name__} exceed float32 at {where}; scale the features first"
            )


def _largest(model: Any) -> float:
    """The largest weight, infinite where one is not finite."""
    arrays = getattr(model, "coefs_", None) or [getattr(model, "coef_", np.zeros(1))]
    result = max(float(np.abs(array).max()) for array in arrays)
    return result if np.isfinite(result) else np.inf


def taught(
    model: Any,
    view: View,
    passes: int,
    teaching: Teaching,
    checkpoint: Checkpoint,
    progress: Progress,
    stage: str,
) -> Any:
    """`model` after so many passes over the rows of a view, from where the checkpoint has it."""
    if len(teaching.labels.present) == 1:
        return model
    saved, done = checkpoint.load(stage), 0
    if saved:
        model, done = _continued(model, view.store.dim, teaching, saved), saved.about["done"]
    pieces = view.pieces(CHUNK_ROWS)
    with progress.task(stage, passes * view.rows, "rows") as task:
        task.advance(sum(pieces[index % len(pieces)].rows for index in range(done)))
        for index in range(done, passes * len(pieces)):
            epoch, step = divmod(index, len(pieces))
            teaching.give(model, view.store.read(pieces[step]), f"epoch {epoch + 1}, chunk {step + 1}")
            task.advance(pieces[step].rows)
            if checkpoint.due() or index + 1 == passes * len(pieces):
                arrays, values = packed(model)
                checkpoint.save(stage, arrays, {"done": index + 1, "values": values})
    return model


def _continued(model: Any, dim: int, teaching: Teaching, saved: Saved) -> Any:
    """The unfitted `model` as it was when it was saved.

    Raises
    ------
    SchemaError
        The state was saved by another version, as a pickle, which is not read.
    """
    if "values" not in saved.about:
        raise SchemaError(
            "the checkpoint of this training was written by an older version, as a pickle, which could run any code; "
            "delete the run's checkpoint folder to start the training again"
        )
    if not hasattr(model, "classes_"):
        classes = np.arange(len(teaching.labels.present))
        model.partial_fit(np.zeros((len(classes), dim), teaching.dtype), classes, classes=classes)
    return restored(model, saved.arrays, saved.about["values"])


def _both_sides(weight: Array, bias: Array) -> tuple[Array, Array]:
    """With two classes scikit-learn keeps one weight vector, whose sign decides: the first class gets its negative.

    Halved, so that the softmax of the two is the logistic function of the one.
    """
    if len(weight) > 1:
        return weight, bias
    return np.concatenate([-weight, weight]) / 2, np.concatenate([-bias, bias]) / 2
