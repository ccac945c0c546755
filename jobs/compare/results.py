"""The results of a comparison: accuracies of models and differences of pairs."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from gapscope.inference.interval import clopper_pearson
from gapscope.predictions import Predictions
from gapscope.schemas.results import Result

if TYPE_CHECKING:  # this loads much of SciPy, and `--help` has to be instant
    from gapscope.evaluation.comparison import Difference


def accuracies(side: Sequence[Predictions]) -> list[Result]:
    """Of each model, with its exact interval."""
    found = []
    for one in side:
        right, n = int(one.right[one.known].sum()), int(one.known.sum())
        low, high = clopper_pearson(right, n)
        found.append(result_of(one, "accuracy", right / n, n, low=low, high=high))
    return found


def results_of_pairs(place: Predictions, pairs: "Sequence[Difference]") -> list[Result]:
    """Of each pair, the difference and both p-values of its test."""
    found = []
    for pair in pairs:
        where = {"dataset": place.dataset, "split": place.split, "model": f"{pair.one} - {pair.other}", "n": pair.n}
        found.append(Result(**where, metric="accuracy_difference", value=pair.value, low=pair.low, high=pair.high))
        found.append(Result(**where, metric="mcnemar_p_value", value=pair.p))
        found.append(Result(**where, metric="mcnemar_holm_p_value", value=pair.adjusted_p))
    return found


def result_of(one: Predictions, metric: str, value: float, n: int, **interval: float) -> Result:
    """A number of one model."""
    return Result(dataset=one.dataset, split=one.split, model=one.model, metric=metric, value=value, n=n, **interval)
