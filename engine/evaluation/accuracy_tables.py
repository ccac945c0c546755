"""Published tables of accuracies, a row for each model, and the line through two of them."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from gapscope.core.errors import InputError
from gapscope.core.location import Location
from gapscope.evaluation.comparison import Lines, lines_of
from gapscope.inference import ProbitLine
from gapscope.predictions import is_array
from gapscope.predictions.columns import LABELS, found
from gapscope.predictions.files import read_rows

MODELS = ("model", "name", "architecture", "arch")
ACCURACIES = (
    "top1",
    "top_1",
    "acc1",
    "acc_1",
    "accuracy",
    "acc",
    "top1_accuracy",
    "top1_acc",
    "acc@1",
    "top_1_accuracy",
)
# What tells two rows of one model apart.
VARIANTS = ("img_size", "image_size", "crop_pct", "interpolation")


class AccuracyTable(NamedTuple):
    """Accuracies ``(m,)`` between 0 and 1 of models, each named once; what the table is called."""

    name: str
    models: tuple[str, ...]
    accuracy: np.ndarray


class OfModel(NamedTuple):
    """One model beside the line: both accuracies, what the line expects (NaN without one), and whether it lies off."""

    model: str
    reference: float
    target: float
    expected: float
    off: bool


def is_accuracy_table(place: str) -> bool:
    """Whether a file is a table of models and accuracies, such as timm's results, and none of predictions."""
    source = Location.of(place)
    if not source.exists() or source.is_folder() or is_array(source):
        return False
    schema = read_rows(source).schema
    return bool(found(schema, MODELS) and found(schema, ACCURACIES)) and not found(schema, LABELS)


def read_accuracies(place: str) -> AccuracyTable:
    """The accuracies in a table, as shares or as percentages.

    Raises
    ------
    InputError
        A model stands twice, or an accuracy is no number.
    """
    source = Location.of(place)
    table = read_rows(source)
    column = found(table.schema, ACCURACIES)[0]
    try:
        accuracy = table[column].cast(pa.float64()).to_numpy()
    except pa.ArrowException as error:
        raise InputError(f"{place}: the column {column!r} must hold numbers: {error}") from error
    if not (np.isfinite(accuracy).all() and accuracy.min() >= 0 and accuracy.max() <= 100):
        row = int(np.flatnonzero(~((accuracy >= 0) & (accuracy <= 100)))[0])
        raise InputError(f"{place}: {column} is {accuracy[row]} in row {row}, which is no accuracy")
    models = _models(table, place)
    return AccuracyTable(source.name.rpartition(".")[0], models, accuracy / (100 if accuracy.max() > 1 else 1))


def _models(table: pa.Table, place: str) -> tuple[str, ...]:
    """The names of the rows' models, with their image size and such behind them where a name stands twice."""
    named = [table[found(table.schema, MODELS)[0]].cast(pa.string()).to_pylist()]
    named += [table[name].cast(pa.string()).to_pylist() for name in found(table.schema, VARIANTS)]
    for width in range(1, len(named) + 1):
        names = [" ".join(filter(None, row)) for row in zip(*named[:width], strict=True)]
        if len(set(names)) == len(names):
            return tuple(names)
    twice = next(name for name in named[0] if named[0].count(name) > 1)
    raise InputError(f"{place} has several rows of the model {twice!r}; keep one row for each model")


def beside_the_line(
    reference: AccuracyTable, target: AccuracyTable, line: ProbitLine | None, models: Sequence[str] = ()
) -> tuple[Lines, list[OfModel]]:
    """The line through the models of both tables, in the order of `reference`, and each model beside it.

    Raises
    ------
    InputError
        Fewer than two models are in both tables.
    """
    there = dict(zip(target.models, target.accuracy.tolist(), strict=True))
    both = [name for name in reference.models if name in there and (not models or name in models)]
    if len(both) < 2:
        raise InputError(
            f"{len(both)} of the {len(reference.models):,} models of {reference.name} are also in {target.name}; a "
            "line needs two or more, so use the same names"
        )
    known = dict(zip(reference.models, reference.accuracy.tolist(), strict=True))
    x, y = (np.array([side[name] for name in both]) for side in (known, there))
    lines, off = lines_of(both, x, y, line)
    expected = lines.expected(x)
    return lines, [
        OfModel(*row) for row in zip(both, x.tolist(), y.tolist(), expected.tolist(), off.tolist(), strict=True)
    ]
