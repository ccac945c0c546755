"""The estimators: one class for each kind of probe, whose parameters are those that concern it."""

from collections.abc import Mapping
from typing import Any, ClassVar

from gapscope.core.checkpoint import NO_CHECKPOINT
from gapscope.core.errors import InputError
from gapscope.core.progress import SILENT
from gapscope.estimators.classifier import MergingClassifier, ProbeClassifier, WeighingClassifier, parameters, treatment
from gapscope.estimators.seen import Seen
from gapscope.probes.model import unit_rows
from gapscope.probes.nearest_mean import summary_of
from gapscope.probes.training import moments_of
from gapscope.store import Changed, View
from gapscope.stream import Workers


@parameters
class SoftmaxClassifier(WeighingClassifier):
    """Multinomial logistic regression by preconditioned descent in a few passes: the default choice.

    No `partial_fit`: its descent starts from moments of all rows, and its steps are planned for their number.

    Parameters
    ----------
    C, l2
        Strength of the penalty, in scikit-learn's terms or as ``l2 / 2 sum(w²)`` beside the mean loss; chosen by
        held-out rows if neither is given.
    epochs
        Passes over the rows.
    learning_rate, batch_rows
        Chosen by the number of rows and features if not given.
    class_weight
        A treatment of `gapscope.probes.imbalance` by name, or weights by label.
    view
        raw, standardised, whitened or normalised features; empty for what suits the probe.
    device
        ``cpu`` computes with NumPy; ``cuda`` and ``torch:cpu`` with torch.
    """

    _probe: ClassVar[str] = "softmax"
    C: float | None = None
    l2: float | None = None
    epochs: int = 2
    learning_rate: float | None = None
    batch_rows: int | None = None
    class_weight: str | Mapping[Any, float] | None = None
    view: str = ""
    device: str = "cpu"


@parameters
class LogisticClassifier(WeighingClassifier):
    """Multinomial logistic regression brought to its optimum: scikit-learn's ``LogisticRegression`` with the same C.

    Parameters
    ----------
    C, l2
        Strength of the penalty, in scikit-learn's terms or as ``l2 / 2 sum(w²)`` beside the mean loss; chosen by
        held-out rows if neither is given.
    class_weight
        A treatment of `gapscope.probes.imbalance` by name, or weights by label.
    view
        raw, standardised, whitened or normalised features; empty for what suits the probe.
    device
        ``cpu`` computes with NumPy; ``cuda`` and ``torch:cpu`` with torch.
    """

    _probe: ClassVar[str] = "logistic"
    C: float | None = None
    l2: float | None = None
    class_weight: str | Mapping[Any, float] | None = None
    view: str = ""
    device: str = "cpu"


@parameters
class RidgeProbeClassifier(MergingClassifier):
    """Ridge regression on class indicators, in closed form: scikit-learn's ``RidgeClassifier`` with the same alpha.

    Parameters
    ----------
    alpha
        Penalty; chosen by held-out rows if not given.
    class_weight
        balanced or effective-number, which need a second look at the rows, so that `partial_fit` has them not; or
        weights by label.
    view
        raw, standardised or normalised features; empty for what suits the probe.
    """

    _probe: ClassVar[str] = "ridge"
    alpha: float | None = None
    class_weight: str | Mapping[Any, float] | None = None
    view: str = ""

    def _summary(self, rows: View, workers: Workers) -> Seen:
        if treatment(self.class_weight) != "none":
            raise InputError(f"class_weight {self.class_weight} needs all rows at once; use fit, or leave it at None")
        return Seen("moments", moments_of(_seen(rows, self.view), workers, SILENT))


@parameters
class DiscriminantClassifier(MergingClassifier):
    """Linear discriminant analysis with a shrunk covariance, in closed form.

    Parameters
    ----------
    shrinkage
        Share of the identity in the covariance, 0 to 1, as in scikit-learn's ``LinearDiscriminantAnalysis``, or
        ``ledoit-wolf``, which needs a second look at the rows, so that `partial_fit` has it not; chosen by held-out
        rows if not given.
    view
        raw, standardised or normalised features; empty for what suits the probe.
    """

    _probe: ClassVar[str] = "lda"
    shrinkage: str | float | None = None
    view: str = ""

    def _summary(self, rows: View, workers: Workers) -> Seen:
        if isinstance(self.shrinkage, str):
            raise InputError(f"shrinkage {self.shrinkage} needs all rows at once; use fit, or give a number")
        return Seen("moments", moments_of(_seen(rows, self.view), workers, SILENT))


@parameters
class NearestMeanClassifier(MergingClassifier):
    """The class whose mean is nearest: scikit-learn's ``NearestCentroid``.

    Parameters
    ----------
    view
        raw, standardised, whitened or normalised features: what distances are measured in.
    """

    _probe: ClassVar[str] = "nearest-mean"
    view: str = ""

    def _summary(self, rows: View, workers: Workers) -> Seen:
        return Seen("means", summary_of(self.view, _seen(rows, self.view), workers, SILENT, NO_CHECKPOINT, "means"))


@parameters
class NeighboursClassifier(ProbeClassifier):
    """The votes of the nearest training rows by cosine similarity, exactly.

    The rows of an array are kept in memory, those of a Dask array in the temporary file as long as the estimator
    lives; of a store the model keeps the address.

    Parameters
    ----------
    n_neighbors
        How many vote; chosen by held-out rows if not given.
    """

    _probe: ClassVar[str] = "knn"

    def fit(self, X: Any, y: Any = None) -> "NeighboursClassifier":
        """Keep the rows of ``X : (n, d)`` labelled ``y : (n,)``; a store has its labels with it."""
        return self._fit(X, y)

    n_neighbors: int | None = None


@parameters
class ForestClassifier(WeighingClassifier):
    """A random forest of scikit-learn's trees, each grown on a chunk of the rows.

    Parameters
    ----------
    n_estimators
        Number of trees; by the number of rows if not given.
    class_weight
        balanced, effective-number, or weights by label.
    """

    _probe: ClassVar[str] = "forest"
    n_estimators: int | None = None
    class_weight: str | Mapping[Any, float] | None = None


def _seen(rows: View, view: str) -> View:
    """The rows as a probe with that view of the features is given them."""
    return Changed(rows.store, unit_rows).view(rows.start, rows.stop) if view == "normalised" else rows
