"""A linear classifier in the forms of other libraries, with all that it does to features and scores folded in."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np

from gapscope.core.errors import InputError
from gapscope.probes.rules.linear import Linear

if TYPE_CHECKING:  # only one of them is wanted at a time
    from sklearn.base import ClassifierMixin
    from torch import nn

Array = np.ndarray


class Fitted(Protocol):
    """What is read of `gapscope.probes.model.Classifier`."""

    name: str
    rule: Any
    temperature: float
    normalised: bool
    scale: float


class Folded(NamedTuple):
    """Logits ``x @ weight.T + bias``, of rows of length one where `normalised`; their softmax are the probabilities.

    Attributes
    ----------
    weight : (k, d) float32
    bias : (k,) float32
        Very low for a class that had no training rows.
    """

    weight: Array
    bias: Array
    normalised: bool


def folded(model: Fitted) -> Folded:
    """The weights of a model with its scale and its temperature in them.

    Raises
    ------
    InputError
        The model is not linear.
    """
    if not isinstance(model.rule, Linear):
        raise InputError(
            f"{model.name} is no linear model, so no weights and biases say what it does; "
            "softmax, logistic, ridge, lda, nearest-mean and sgd are"
        )
    weight, bias = (np.asarray(one, np.float64) / model.temperature for one in (model.rule.weight, model.rule.bias))
    scale = 1.0 if model.normalised else model.scale  # of rows of length one nothing is left of it
    return Folded((weight * scale).astype(np.float32), bias.astype(np.float32), model.normalised)


def to_sklearn(model: Fitted, classes: Sequence[Any] | Array) -> "ClassifierMixin":
    """A fitted `LogisticRegression` for raw features whose answers are those of a model, behind a `Normalizer` where
    rows are scaled to length one.

    Parameters
    ----------
    classes : (k,)
        What it is to answer, in the order of the model's classes; their numbers when empty. scikit-learn knows
        classes in ascending order alone.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import Normalizer

    one = folded(model)
    classes = classes if len(classes) else range(len(one.bias))
    order = np.argsort(np.asarray(classes), kind="stable")
    weight, bias = one.weight[order].astype(np.float64), one.bias[order].astype(np.float64)
    if len(order) == 2:  # scikit-learn has one row for two classes, what speaks for the second
        weight, bias = weight[1:] - weight[:1], bias[1:] - bias[:1]
    result = LogisticRegression()
    result.classes_, result.coef_, result.intercept_ = np.asarray(classes)[order], weight, bias
    result.n_features_in_, result.n_iter_ = weight.shape[1], np.zeros(1, np.int32)
    if not one.normalised:
        return result
    before = Normalizer().fit(np.ones((1, weight.shape[1])))
    return make_pipeline(before, result)


def to_torch(model: Fitted) -> "nn.Module":
    """An `nn.Linear` from raw features to logits whose softmax are the probabilities; behind a layer that scales rows
    to length one, where the model does so.
    """
    import torch
    from torch import nn

    one = folded(model)
    layer = nn.Linear(one.weight.shape[1], one.weight.shape[0])
    with torch.no_grad():
        layer.weight.copy_(torch.from_numpy(one.weight))
        layer.bias.copy_(torch.from_numpy(one.bias))
    return nn.Sequential(_unit_rows(), layer).eval() if one.normalised else layer.eval()


def _unit_rows() -> "nn.Module":
    from torch import nn

    class UnitRows(nn.Module):
        """Scales rows to length one."""

        def forward(self, x: Any) -> Any:
            return nn.functional.normalize(x, dim=-1)

    return UnitRows()
