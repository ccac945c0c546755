"""What all estimators have in common: rows in, a trained probe inside, answers out."""

from abc import abstractmethod
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, fields, replace
from functools import partial
from numbers import Integral
from typing import Any, ClassVar

import dask.array as da
import numpy as np
from scipy.special import softmax
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.metrics import accuracy_score
from sklearn.utils import check_random_state, column_or_1d
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from gapscope.core.chunk import Chunk
from gapscope.core.errors import InputError
from gapscope.core.location import Location
from gapscope.core.text import counted
from gapscope.estimators.rows import Labelled, Rows, array_rows, as_rows, dask_rows, divided, stored, whole_rows
from gapscope.estimators.seen import Seen
from gapscope.estimators.weights import Weights, both, unweighted
from gapscope.probes.linear_form import to_sklearn
from gapscope.probes.model import Classifier
from gapscope.probes.options import ProbeOptions
from gapscope.probes.train import train
from gapscope.store import ArrayStore, View
from gapscope.stream import Workers, connect, each

FLOATS = (np.float32, np.float64)
# What `ProbeOptions` calls parameters that have scikit-learn's names.
CALLED = {"C": "c", "n_neighbors": "neighbours", "n_estimators": "trees"}
# The fields of a class are its parameters: scikit-learn reads them from the signature, and compares by identity.
parameters = dataclass(kw_only=True, eq=False, repr=False)


@parameters
class ProbeClassifier(ClassifierMixin, BaseEstimator):
    """A member of `gapscope.probes` behind scikit-learn's interface; `gapscope.estimators.classifiers` lists them.

    ``X`` may be a NumPy array, a data frame, a sparse matrix, a Dask array, or an embedding store, a view of one or
    anything else that is read as one (`gapscope.store.Rows`), whose labels are its own. Features are used as float32;
    rows of a sparse matrix become dense as they are read. Every parameter has the meaning it has in `ProbeOptions`,
    and these are common to all:

    Parameters
    ----------
    holdout
        Share of the rows, 10,000 at most, that is held out for choosing and calibrating; they join the others
        afterwards. Of a store these are its last rows, of arrays a random sample.
    random_state
        Decides every random choice, the order of an array's rows included.
    n_jobs
        Number of threads; None and -1 for all processors.
    scheduler
        Address of a Dask scheduler whose workers read and compute, where X is a store.

    Attributes
    ----------
    model_ : Classifier
        The trained probe; ``model_.details`` tells how it came about.
    classes_ : (k,)
        Labels in the order of the columns of the scores; class indices where X was a store.
    n_features_in_
        Number of features.
    """

    _probe: ClassVar[str]
    holdout: float = 0.1
    random_state: Any = 0
    n_jobs: int | None = None
    scheduler: str | None = None

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags

    def _fit(self, X: Any, y: Any, sample_weight: Any = None) -> "ProbeClassifier":
        """Train on the rows of ``X : (n, d)`` labelled ``y : (n,)``; a store has its labels with it."""
        self._seen_rows = None
        with self._rows(X, y, sample_weight) as (rows, held, mean_weight), self._workers(X) as workers:
            model = train(self._probe, rows, held, _per_row(self._probe_options(), mean_weight), workers)
        self.model_ = replace(model, class_names=tuple(map(str, rows.store.class_names)))
        return self

    def predict(self, X: Any) -> Any:
        """The label of each row of ``X : (n, d)``; of a Dask array lazily, as a Dask array."""
        return self._answers(X, partial(_labels, classes=self._fitted().classes_))

    def predict_proba(self, X: Any) -> Any:
        """Probabilities ``(n, k)`` float64; of a Dask array lazily.

        Without held-out rows they are as the probe has them, for better or worse.
        """
        return self._answers(X, _probabilities, len(self._fitted().classes_))

    def decision_function(self, X: Any) -> Any:
        """Scores ``(n, k)`` whose softmax is `predict_proba`; of two classes ``(n,)``, the second less the first."""
        columns = len(self._fitted().classes_)
        return self._answers(X, _decisions, None if columns == 2 else columns)

    def score(self, X: Any, y: Any = None, sample_weight: Any = None) -> float:
        """Accuracy on rows that `fit` would take."""
        view = stored(X)
        if view is not None and y is None:
            y = np.concatenate([np.asarray(chunk.y) for chunk in view.chunks()])
        return accuracy_score(np.asarray(y), np.asarray(self.predict(X)), sample_weight=sample_weight)

    def save(self, folder: Any) -> None:
        """Write the model into `folder`, as safetensors and JSON; `gapscope.probes.model.load_model` reads it."""
        self._fitted().model_.save(Location.of(folder))

    def to_sklearn(self) -> Any:
        """A fitted `LogisticRegression` of scikit-learn with the same answers, for linear models.

        Raises
        ------
        InputError
            The model is not linear.
        """
        return to_sklearn(self._fitted().model_, self.classes_)

    def to_torch(self) -> Any:
        """An `nn.Linear` of PyTorch whose softmax is `predict_proba`, for linear models."""
        return self._fitted().model_.to_torch()

    def _fitted(self) -> "ProbeClassifier":
        check_is_fitted(self, "model_")
        return self

    def _probe_options(self) -> ProbeOptions:
        known = self.random_state
        seed = int(known) if isinstance(known, Integral) else int(check_random_state(known).randint(2**31 - 1))
        own = self.get_params().keys() - {field.name for field in fields(ProbeClassifier)}
        options = {CALLED.get(name, name): getattr(self, name) for name in own}
        if "class_weight" in options:
            options["class_weight"] = treatment(self.class_weight)
        return ProbeOptions(**options, seed=seed)

    def _workers(self, X: Any) -> AbstractContextManager[Workers]:
        """The cluster for a store, which its workers can read; threads for arrays."""
        threads = None if self.n_jobs in (None, -1) else self.n_jobs
        return connect(None if stored(X) is None else self.scheduler, threads)

    def _rows(self, X: Any, y: Any, sample_weight: Any) -> AbstractContextManager[Rows]:
        """The rows to train on and to choose by; what they look like is remembered."""
        view = stored(X)
        if view is not None:
            view, own = unweighted(self._begin_store(view, y))
            return nullcontext(divided(view, self.holdout, both(own, self._store_weights(view, sample_weight))))
        if self.scheduler:
            raise InputError(
                f"the workers of {self.scheduler} cannot read an array of this process; "
                "give a store, which they read themselves, or leave scheduler at None"
            )
        seed = self._probe_options().seed
        if isinstance(X, da.Array):
            X = whole_rows(X)
            labels = self._begin_labels(np.asarray(y))
            if len(labels) != len(X):
                raise InputError(
                    f"X has {counted(len(X), 'row')} and y has {counted(len(labels), 'label')}; "
                    "give one label for each row"
                )
            self.n_features_in_ = X.shape[1]
            return dask_rows(X, self._labelled(labels, sample_weight), self.holdout, seed)
        x, y = validate_data(self, X, y, dtype=FLOATS, accept_sparse="csr")
        labels = self._labelled(self._begin_labels(y), sample_weight)
        return nullcontext(array_rows(x, labels, self.holdout, seed))

    def _labelled(self, labels: np.ndarray, sample_weight: Any) -> Labelled:
        return Labelled(labels, self._names(), self._weights(sample_weight, len(labels)))

    def _weights(self, sample_weight: Any, rows: int) -> Weights | None:
        return Weights.of(getattr(self, "class_weight", None), sample_weight, self.classes_, rows)

    def _store_weights(self, view: View, sample_weight: Any) -> Weights | None:
        if sample_weight is not None and self.scheduler:
            raise InputError(
                f"the workers of {self.scheduler} cannot read sample_weight, an array of this process; weigh classes "
                "by class_weight, or leave scheduler at None"
            )
        return self._weights(sample_weight, view.rows)

    def _begin_store(self, view: View, y: Any) -> View:
        if y is not None:
            raise InputError(f"{view.store.name} has its own labels; leave y away")
        self.n_features_in_ = view.store.dim
        self.classes_ = np.arange(len(view.store.class_names))
        return view

    def _begin_labels(self, y: Any) -> np.ndarray:
        check_classification_targets(y)
        self.classes_, labels = np.unique(column_or_1d(y, warn=True), return_inverse=True)
        return labels

    def _names(self) -> list[str]:
        return [str(label) for label in self.classes_]

    def _answers(self, X: Any, answer: Any, columns: int | None = None) -> Any:
        """``answer(scores)`` of every row, where ``scores : (n, k)`` are divided by the temperature."""
        model = self._fitted().model_
        if isinstance(X, da.Array):
            return self._lazily(whole_rows(X), Answer(model, answer), columns)
        view = stored(X)
        if view is None:
            x = as_rows(validate_data(self, X, dtype=FLOATS, reset=False, accept_sparse="csr"))
            view = ArrayStore(x, np.full(len(x), -1), self._names()).view()
        self._check_width(view.store.dim)
        with self._workers(X) as workers:
            return np.concatenate(each(view, Answer(model, answer), workers))

    def _lazily(self, X: da.Array, answer: "Answer", columns: int | None) -> da.Array:
        self._check_width(X.shape[1])
        like = answer.of(np.zeros((1, self.n_features_in_), np.float32))
        shape = {"drop_axis": 1} if columns is None else {"chunks": (X.chunks[0], (columns,))}
        return X.map_blocks(answer.of, dtype=like.dtype, meta=like[:0], **shape)

    def _check_width(self, width: int) -> None:
        if width != self.n_features_in_:
            raise InputError(
                f"X has {counted(width, 'feature')}, but {type(self).__name__} was fitted on {self.n_features_in_}"
            )


class WeighingClassifier(ProbeClassifier):
    """A probe that may count a row as several, or as a part of one."""

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> "WeighingClassifier":
        """Train on the rows of ``X : (n, d)`` labelled ``y : (n,)``; a store has its labels with it.

        A row with ``sample_weight : (n,)`` of 2 counts as two rows, one of 0 as none; ``class_weight={label: weight}``
        multiplies the weights of the rows of a class, and rows of classes that it does not name count as one.
        """
        return self._fit(X, y, sample_weight)


class MergingClassifier(WeighingClassifier):
    """A probe in closed form, which may therefore be trained on rows that come bit by bit.

    After any number of calls of `partial_fit` it is what `fit` makes of all their rows with ``holdout=0``, up to
    rounding; nothing is chosen by held-out rows.
    """

    @abstractmethod
    def _summary(self, rows: View, workers: Workers) -> Seen:
        """The summary that the probe begins with, of some rows.

        Raises
        ------
        InputError
            With these parameters more than a summary is needed.
        """

    def partial_fit(self, X: Any, y: Any = None, classes: Any = None, sample_weight: Any = None) -> "MergingClassifier":
        """Train on the rows of all calls so far; the first call names all `classes`, unless X is a store.

        Rows that `fit` was given do not count: the first call after it starts anew, with the classes found there.
        """
        first = getattr(self, "_seen_rows", None) is None
        view = self._batch(X, y, classes, first=first)
        view, own = unweighted(view)
        weights = both(own, self._store_weights(view, sample_weight))
        view = view if weights is None else weights.on(view)
        with self._workers(X) as workers:
            result = self._summary(view, workers)
            seen = result if first else self._seen_rows.with_more(result)
            none = Chunk(np.arange(0), np.zeros((0, view.store.dim), np.float32), np.zeros(0, np.int32))
            model = train(self._probe, view, none, self._probe_options(), workers, checkpoint=seen.checkpoint())
        self._seen_rows = seen
        self.model_ = replace(model, class_names=tuple(map(str, view.store.class_names)))
        return self

    def _batch(self, X: Any, y: Any, classes: Any, *, first: bool) -> View:
        """The rows of one call, labelled by position among the classes of all calls."""
        view = stored(X)
        if view is not None:
            if first:
                return self._begin_store(view, y)
            self._check_width(view.store.dim)
            return view
        x, y = validate_data(self, X, y, dtype=FLOATS, reset=first, accept_sparse="csr")
        check_classification_targets(y)
        if first and (classes is not None or not hasattr(self, "classes_")):
            self.classes_ = self._all_classes(classes)
        return ArrayStore(as_rows(x), self._positions(column_or_1d(y, warn=True)), self._names()).view()

    def _all_classes(self, classes: Any) -> np.ndarray:
        if classes is None:
            raise ValueError("classes must be passed on the first call to partial_fit, all that will ever come")
        return np.unique(classes)

    def _positions(self, y: np.ndarray) -> np.ndarray:
        strangers = np.setdiff1d(y, self.classes_)
        if strangers.size:
            known = ", ".join(self._names())
            raise ValueError(f"y has {strangers[0]}, which is not one of the classes of the first call: {known}")
        return np.searchsorted(self.classes_, y)


@dataclass(frozen=True)
class Answer:
    """What a model says of rows, wherever they are; travels to workers.

    Attributes
    ----------
    model
        Trained.
    finish
        Makes of scores ``(n, k)``, divided by the temperature, what was asked for.
    """

    model: Classifier
    finish: Callable[[np.ndarray], np.ndarray]

    def of(self, x: np.ndarray) -> np.ndarray:
        """The answer for ``x : (n, d)``."""
        scores = self.model.scores(np.asarray(x, np.float32))
        return self.finish(scores.astype(np.float64) / self.model.temperature)

    def __call__(self, _index: int, chunk: Chunk) -> np.ndarray:
        return self.of(chunk.x)


def _per_row(options: ProbeOptions, mean_weight: float) -> ProbeOptions:
    """The options for weights divided by their mean; penalties in scikit-learn's terms are relative to their sum."""
    c, alpha = options.c, options.alpha
    return replace(
        options, c=None if c is None else c * mean_weight, alpha=None if alpha is None else alpha / mean_weight
    )


def treatment(class_weight: Any) -> str:
    """How unequal classes are treated, by name; weights of labels are weights of their rows."""
    return class_weight if isinstance(class_weight, str) else "none"


def _labels(scores: np.ndarray, classes: np.ndarray) -> np.ndarray:
    return classes[scores.argmax(axis=1)]


def _probabilities(scores: np.ndarray) -> np.ndarray:
    return softmax(scores, axis=1)


def _decisions(scores: np.ndarray) -> np.ndarray:
    return scores[:, 1] - scores[:, 0] if scores.shape[1] == 2 else scores
