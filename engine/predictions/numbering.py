"""Class numbers that nobody has named: whether labels and answers count alike, and whether a number is a stray one."""

from typing import NamedTuple

import numpy as np

from gapscope.core.errors import InputError
from gapscope.predictions.table import UNLABELLED

# Standard errors of a difference that is beyond chance; share of rows below which answers are odd ones; share of the
# class numbers up to the largest label that labels have where none is left out.
BEYOND, RARE, DENSE = 4.0, 0.01, 0.9


class Shifted(NamedTuple):
    """Answers that count from another number than labels: both accuracies, as they are and after the shift."""

    by: int
    accuracy: float
    shifted_accuracy: float


def shifted(label: np.ndarray, predicted: np.ndarray) -> Shifted | None:
    """Whether one of ``label, predicted : (n,)`` counts classes from 1 and the other from 0; None where they agree.

    The signature: only one side has a class 0, and the answers moved by one agree with the labels at least twice as
    often, beyond chance.
    """
    known = label != UNLABELLED
    label, predicted = label[known], predicted[known]
    if not len(label) or (label.min() == 0) == (predicted.min() == 0):
        return None
    by = -1 if label.min() == 0 else 1
    now, then = predicted == label, predicted + by == label
    gained, lost = int((then & ~now).sum()), int((now & ~then).sum())
    if then.sum() < 2 * now.sum() or gained - lost <= BEYOND * np.sqrt(gained + lost):
        return None
    return Shifted(by, float(now.mean()), float(then.mean()))


def check_numbering(label: np.ndarray, top: np.ndarray, where: str, name: str) -> None:
    """Refuse answers ``top : (n, t)`` that are counted from another number than ``label : (n,)``, and stray ones.

    A stray answer is a class beyond all labels, of which these leave out few or none, in less than 1 % of the rows, and
    with classes in between that nobody has.

    Raises
    ------
    InputError
        See above; the message has the accuracy after the shift, or the row and the number.
    """
    moved = shifted(label, top[:, 0])
    if moved is not None:
        first, second = (name, "label") if moved.by < 0 else ("label", name)
        raise InputError(
            f"{where}: {first} counts classes from 1 and {second} from 0, shifted by one: "
            f"{100 * moved.shifted_accuracy:.1f} % of the images are classified correctly after the shift, "
            f"{100 * moved.accuracy:.1f} % as they are; subtract 1 from {first}"
        )
    row = _stray(label, top)
    if row is not None:
        labels = int(label.max())
        raise InputError(
            f"{where}: {name} is {top[row].max()} in row {row}, the labels have the classes 0 to {labels}; repair that "
            f"row, or list all classes in classes.json beside the file"
        )


def _stray(label: np.ndarray, top: np.ndarray) -> int | None:
    """The first row with a stray answer; None without any."""
    classes = np.unique(label[label != UNLABELLED])
    if not len(classes) or len(classes) < DENSE * (classes[-1] + 1):
        return None
    beyond = top > classes[-1]
    rows = beyond.any(axis=1)
    if not rows.any() or rows.mean() >= RARE:
        return None
    added = np.unique(top[beyond])
    return None if added[-1] - classes[-1] == len(added) else int(np.argmax(rows))
