"""What each column of a table of predictions means."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa

from gapscope.core.errors import InputError, unknown_name

LABEL = "label"
IDS = ("sample_id", "image", "path", "id")
ANSWERS = ("predicted", "top")
SCORES = ("probabilities", "logits", "scores")
NUMBERED = re.compile(r"(?:probability|prob|p|logit|score)_(.+)|(\d+)")
SYNTHETIC = "is_synthetic"
KNOWN = {LABEL, *IDS, *ANSWERS, *SCORES, "confidence", "log_likelihood", SYNTHETIC}


@dataclass(frozen=True)
class Columns:
    """The columns of one model's predictions, by name; empty where there is none.

    Attributes
    ----------
    model
        Of the wide tables that have a column for each model, the one that was asked for.
    predicted, top
        The best class; the best classes, best first.
    scores
        A list for each row.
    by_class
        One column for each class, in the order of the classes.
    """

    identity: str = ""
    label: str = ""
    model: str = ""
    predicted: str = ""
    top: str = ""
    scores: str = ""
    by_class: tuple[str, ...] = ()
    confidence: str = ""
    log_likelihood: str = ""


def models_of(table: pa.Schema, class_names: Sequence[str] = ()) -> list[str]:
    """The columns of a wide table, one for each model; empty where the table is of a single model."""
    if _single(table, class_names):
        return []
    return [field.name for field in table if field.name not in KNOWN and _holds_classes(field.type)]


def columns_of(table: pa.Schema, where: str, model: str, class_names: Sequence[str] = ()) -> Columns:
    """The columns to read of the table `where`.

    Raises
    ------
    InputError
        There is no label, no prediction, or no such model.
    """
    names = table.names
    if LABEL not in names:
        raise InputError(f"{where} has no column {LABEL!r}, it has {', '.join(names[:12])}; name the true class so")
    identity = next((name for name in IDS if name in names), "")
    wide = models_of(table, class_names)
    if wide:
        return Columns(identity=identity, label=LABEL, model=_chosen(wide, model, where))
    result = {name: name for name in ("confidence", "log_likelihood", *ANSWERS) if name in names}
    scores = next((name for name in SCORES if name in names), "")
    by_class = () if scores else _by_class(table, class_names)
    if not (scores or by_class or "predicted" in result or "top" in result):
        raise InputError(
            f"{where} has no prediction: none of the columns {', '.join((*ANSWERS, *SCORES))}, no column for each "
            f"class, and no column of a model; it has {', '.join(names[:12])}"
        )
    return Columns(identity=identity, label=LABEL, scores=scores, by_class=by_class, **result)


def _chosen(wide: Sequence[str], model: str, where: str) -> str:
    if model in wide:
        return model
    if model:
        raise unknown_name(f"model in {where}", model, wide)
    if len(wide) == 1:
        return wide[0]
    raise InputError(f"{where} has {len(wide)} models; choose one with the option for the model: {', '.join(wide)}")


def _single(table: pa.Schema, class_names: Sequence[str]) -> bool:
    return bool({*ANSWERS, *SCORES} & set(table.names)) or bool(_by_class(table, class_names))


def _by_class(table: pa.Schema, class_names: Sequence[str]) -> tuple[str, ...]:
    """Columns with a number for each class: named as the classes, or numbered, or ``probability_`` before either."""
    numbers = [field.name for field in table if _is_number(field.type) and field.name not in KNOWN]
    if class_names and set(class_names) <= set(numbers):
        return tuple(class_names)
    result = {(match[1] or match[2]): name for name in numbers if (match := NUMBERED.fullmatch(name))}
    if class_names and set(class_names) <= set(result):
        return tuple(result[name] for name in class_names)
    if len(result) > 1 and all(name.isdigit() for name in result):
        if sorted(map(int, result)) == list(range(len(result))):
            return tuple(result[name] for name in sorted(result, key=int))
        return ()
    return tuple(result.values()) if len(result) > 1 else ()


def names_in(by_class: Sequence[str]) -> tuple[str, ...]:
    """The classes that columns like ``probability_cat`` speak of."""
    return tuple(match[1] or match[2] if (match := NUMBERED.fullmatch(name)) else name for name in by_class)


def _is_number(kind: pa.DataType) -> bool:
    return pa.types.is_floating(kind) or pa.types.is_integer(kind)


def _holds_classes(kind: pa.DataType) -> bool:
    lists = (pa.types.is_list, pa.types.is_large_list, pa.types.is_fixed_size_list)
    return pa.types.is_integer(kind.value_type if any(is_list(kind) for is_list in lists) else kind)
