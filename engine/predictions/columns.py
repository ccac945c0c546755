"""What each column of a table of predictions means."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from gapscope.core.errors import InputError, unknown_name
from gapscope.predictions.cells import chosen_class, is_list, is_number, is_text, known_share
from gapscope.predictions.scores import are_probabilities
from gapscope.predictions.table import UNLABELLED

# The first name of each is this project's; the others are what other programs write.
LABELS = ("label", "labels", "y_true", "true_label", "true_class", "true", "truth", "ground_truth", "gt", "gt_label",
          "target", "targets", "actual", "class", "y")  # fmt: skip
IDS = ("sample_id", "image", "path", "id", "image_path", "image_id", "image_name", "filename", "file_name", "file",
       "filepath", "file_path", "img", "img_path", "name")  # fmt: skip
PREDICTED = ("predicted", "pred", "preds", "prediction", "predictions", "y_pred", "yhat", "y_hat", "predicted_label",
             "predicted_class", "pred_label", "pred_class", "answer")  # fmt: skip
TOP = ("top", "top5", "top_5", "topk", "top_k")
PROBABILITIES = ("probabilities", "probs", "softmax", "probas", "proba", "y_prob", "y_proba", "y_probs",
                 "predict_proba")  # fmt: skip
SCORES = (*PROBABILITIES, "log_probabilities", "logits", "scores", "y_score", "y_scores", "decision_function")
CONFIDENCES = ("confidence", "conf", "max_prob", "max_probability")
LIKELIHOODS = ("log_likelihood",)
NUMBERED = re.compile(r"(?:probability|prob|p|logit|score)_(.+)|(\d+)")
SYNTHETIC, DIGEST = "is_synthetic", "digest"
KNOWN = {*LABELS, *IDS, *PREDICTED, *TOP, *SCORES, *CONFIDENCES, *LIKELIHOODS, SYNTHETIC, DIGEST}
# Columns of whole numbers that tables of images have beside predictions.
OTHER = re.compile(
    r"|unnamed:?_?\d*|index|level_\d+|__index_level_\d+__|row|row_number|idx|fold|split|width|height|size|depth|"
    r"channels|bytes|file_?size|seed|epoch|batch|group|count|n"
)
# Of fewer rows than this, a model's answers may count up by chance, or agree as chance does; standard errors that a
# model is beyond chance.
ENOUGH_TO_COUNT, ENOUGH, BEYOND = 20, 100, 4.0
CHANCE = "it agrees with the labels as often as chance does"


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

    @property
    def answers(self) -> str:
        """The column of the best class, or classes."""
        return self.model or self.top or self.predicted


class Models(NamedTuple):
    """The columns of a wide table: one for each model, and those that are none, with the reason."""

    names: tuple[str, ...]
    left_out: Mapping[str, str]


@lru_cache(maxsize=10_000)  # a wide table asks for each of its columns once for each of its models
def plain(name: str) -> str:
    """The name of a column as it is compared.

    >>> plain(" True Label")
    'true_label'
    """
    return re.sub(r"[\s\-.]+", "_", name.strip().lower())


def found(table: pa.Schema, names: Sequence[str]) -> list[str]:
    """The columns that have one of `names`, in the order of these."""
    return [column for name in names for column in table.names if plain(column) == name]


def models_of(table: pa.Table, class_names: Sequence[str] = ()) -> Models:
    """The columns of a wide table that hold a model's answers; none where the table is of a single model.

    A column of classes is no model's where its name says so (fold, width, an index), where it counts the rows, or where
    100 rows or more agree with their labels no more and no less often than chance.
    """
    label = _label(table.schema)
    if not label or _single(table, class_names):
        return Models((), {})
    candidates = [field.name for field in table.schema if plain(field.name) not in KNOWN and _may_be(field.type)]
    reasons = {name: _why_not(table, name, label, class_names) for name in candidates}
    models = tuple(name for name, reason in reasons.items() if not reason)
    doubtful = [name for name, reason in reasons.items() if reason == CHANCE]
    if not models and len(doubtful) == 1:
        models = (doubtful[0],)
    return Models(models, {name: reason for name, reason in reasons.items() if name not in models})


def _why_not(table: pa.Table, name: str, label: str, class_names: Sequence[str]) -> str:
    """Why a column is no model's; empty where it may be one."""
    if OTHER.fullmatch(plain(name)):
        return "it is called so"
    column = table[name]
    if is_text(column.type):
        few = known_share(column, class_names or table[label]) <= 0.5
        return "few of its words are classes" if few else ""
    answers = chosen_class(column)
    if answers is None:
        return "it holds no whole numbers"
    if len(answers) >= ENOUGH_TO_COUNT and (np.abs(answers - answers[0]) == np.arange(len(answers))).all():
        return "it counts the rows"
    if is_text(table.schema.field(label).type):
        return "" if class_names else "labels are words and it holds numbers"
    labels = chosen_class(table[label])
    return CHANCE if labels is not None and _as_chance(answers, labels) else ""


def _as_chance(answers: np.ndarray, label: np.ndarray) -> bool:
    """Whether answers agree with labels as often as independent ones would."""
    if len(label) < ENOUGH:
        return False
    (values, counts), (others, times) = (np.unique(side, return_counts=True) for side in (answers, label))
    _, mine, theirs = np.intersect1d(values, others, assume_unique=True, return_indices=True)
    expected, seen = float(counts[mine] @ times[theirs]) / len(label) ** 2, float((answers == label).mean())
    error = np.sqrt(max(expected * (1 - expected), 1 / len(label)) / len(label))
    return abs(seen - expected) <= BEYOND * error


def columns_of(table: pa.Table, where: str, model: str, class_names: Sequence[str] = ()) -> Columns:
    """The columns to read of the table `where`.

    Raises
    ------
    InputError
        There is no label, no prediction, or no such model; or two columns may be the label or the prediction.
    """
    names = table.column_names
    label = _only(found(table.schema, LABELS), LABELS[0], "the true class", where)
    if not label:
        raise InputError(
            f"{where} has no column 'label' (or y_true, target, …), it has {', '.join(names[:12])}; name the true "
            f"class so{_of_results(names)}"
        )
    identity = next(iter(found(table.schema, IDS)), "")
    if model in names and plain(model) not in KNOWN and not _single(table, class_names):
        return Columns(identity=identity, label=label, model=model)
    wide = models_of(table, class_names)
    if wide.names:
        return Columns(identity=identity, label=label, model=_chosen(wide, model, where))
    predicted = _only(found(table.schema, PREDICTED), PREDICTED[0], "the prediction", where)
    top, scores, confidence, likelihood = (
        next(iter(found(table.schema, kind)), "") for kind in (TOP, SCORES, CONFIDENCES, LIKELIHOODS)
    )
    if scores and (predicted or top) and is_number(table.schema.field(scores).type):
        scores = ""  # of one class of two, or of the best
    if predicted and not scores and _holds_scores(table[predicted]):
        predicted, scores = "", predicted
    by_class = () if scores else _by_class(table, class_names)
    if not (scores or by_class or predicted or top):
        raise InputError(
            f"{where} has no prediction: none of the columns {', '.join((PREDICTED[0], TOP[0], *SCORES[:3]))}, no "
            f"column for each class, and no column of a model; it has {', '.join(names[:12])}"
        )
    return Columns(identity, label, "", predicted, top, scores, by_class, confidence, likelihood)


def _holds_scores(column: pa.ChunkedArray) -> bool:
    """Whether a column called a prediction has a score for each class, as networks give them, and no classes."""
    if not is_list(column.type) or not pa.types.is_floating(column.type.value_type):
        return False
    values = pc.list_flatten(column).to_numpy()
    return bool((values != np.trunc(values)).any())


def _label(table: pa.Schema) -> str:
    return next(iter(found(table, LABELS)), "")


def _only(columns: Sequence[str], first: str, what: str, where: str) -> str:
    """The one column, or the one of several that is called `first`."""
    if len(columns) > 1 and plain(columns[0]) != first:
        raise InputError(f"{where} has {' and '.join(columns)}, and each may be {what}; call that column {first}")
    return columns[0] if columns else ""


def _of_results(names: Sequence[str]) -> str:
    if {"model", "top1"} <= set(map(plain, names)):
        return "; a table of models and their accuracies goes to `compare` as --reference and --target"
    return ""


def _chosen(wide: Models, model: str, where: str) -> str:
    if model:
        raise unknown_name(f"model in {where}", model, wide.names)
    if len(wide.names) == 1:
        return wide.names[0]
    raise InputError(f"{where} has {len(wide.names)} models; choose one with --model: {', '.join(wide.names)}")


def _single(table: pa.Table, class_names: Sequence[str]) -> bool:
    return bool(found(table.schema, (*PREDICTED, *TOP, *SCORES))) or bool(_by_class(table, class_names))


def _by_class(table: pa.Table, class_names: Sequence[str]) -> tuple[str, ...]:
    """Columns with a number for each class: named as the classes, or numbered, or ``probability_`` before either; in
    the order of `class_names`, or of their own names where there are none.
    """
    numbers = [field.name for field in table.schema if is_number(field.type) and plain(field.name) not in KNOWN]
    words = tuple(class_names) or _words(table)
    if len(words) > 1 and set(words) <= set(numbers):
        return words if class_names else _with_unlabelled(table, words, numbers)
    result = {(match[1] or match[2]): name for name in numbers if (match := NUMBERED.fullmatch(name))}
    if class_names and set(class_names) <= set(result):
        return tuple(result[name] for name in class_names)
    if len(result) < 2:
        return ()
    if not all(name.isdigit() for name in result):
        return tuple(result[name] for name in sorted(result))
    if sorted(map(int, result)) == list(range(len(result))) or _are_codes(result, table):
        return tuple(result[name] for name in sorted(result, key=int))
    return ()


def _with_unlabelled(table: pa.Table, words: tuple[str, ...], numbers: Sequence[str]) -> tuple[str, ...]:
    """The columns of `words`, and those of classes that no row is labelled with: without these a row that belongs to
    them would have another answer.

    Raises
    ------
    InputError
        Scores do not say which columns are classes.
    """
    others = tuple(name for name in numbers if name not in words and not OTHER.fullmatch(plain(name)))
    every = tuple(sorted({*words, *others}))
    if _sum_to_one(table, every):
        return every
    if not others or _sum_to_one(table, words):
        return words
    raise InputError(
        f"the columns of {len(words)} classes, such as {words[0]!r}, are no probabilities without others, and "
        f"{others[0]!r} may be a class without labels or no class; put a classes.json with all names beside the file, "
        f"or call the columns of classes logit_{words[0]} and so on"
    )


def _sum_to_one(table: pa.Table, names: Sequence[str]) -> bool:
    return are_probabilities(np.column_stack([table[name].to_numpy() for name in names]))


def _are_codes(numbers: Iterable[str], table: pa.Table) -> bool:
    """Whether numbers in the names of columns are those that the labels have: classes with numbers for names."""
    column = table[_label(table.schema)].drop_null()
    if is_text(column.type):
        return set(_words(table)) <= set(numbers)
    labels = chosen_class(column)
    return labels is not None and set(labels.tolist()) - {UNLABELLED} <= set(map(int, numbers))


def _words(table: pa.Table) -> tuple[str, ...]:
    """The words that labels and answers are, sorted; none where they are numbers."""
    names = [_label(table.schema), *found(table.schema, PREDICTED)]
    columns = [table[name] for name in names if name and is_text(table.schema.field(name).type)]
    return tuple(sorted({word for one in columns for word in one.unique().cast(pa.string()).to_pylist() if word}))


def names_in(by_class: Iterable[str]) -> tuple[str, ...]:
    """The classes that columns like ``probability_cat`` speak of."""
    return tuple(match[1] or match[2] if (match := NUMBERED.fullmatch(name)) else name for name in by_class)


def _may_be(kind: pa.DataType) -> bool:
    """Whether a column of this type may hold classes, or lists of them."""
    inner = kind.value_type if is_list(kind) else kind
    return is_number(inner) or (is_text(inner) and not is_list(kind)) or pa.types.is_boolean(kind)
