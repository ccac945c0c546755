"""All numbers of a study of modifications in one dictionary, from which page, pictures and tables are made."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from gapscope.core.progress import Task
from gapscope.inference import adjusted
from gapscope.studies.classes import Changes, Part, changes, class_f1, discoveries, f1_estimate
from gapscope.studies.crossed import Estimate, accuracy, estimated, paired, within
from gapscope.studies.modifications.predictions import TrainingPredictions
from gapscope.studies.modifications.robustness import robustness_section

LEVEL = 0.05
STEPS = 5
# The pictures and the page call the images as they are by this name.
ORIGINAL = 0


def findings(predictions: TrainingPredictions, about: dict[str, Any], task: Task) -> dict[str, Any]:
    """Everything the study says.

    Arrays stand in the order of ``trainings`` and ``tests``, of which the first are the original images; estimates are
    dictionaries of value, low, high and, where something is tested, p and adjusted p. `task` advances `STEPS` times.

    Parameters
    ----------
    about
        Plain values that the page needs: names of dataset, split and network.
    """
    findings: dict[str, Any] = {
        **about,
        "trainings": list(predictions.trainings),
        "tests": list(predictions.tests),
        "class_names": list(predictions.class_names),
        "images": predictions.n,
        "images_per_class": _reach(np.bincount(predictions.label, minlength=len(predictions.class_names))),
        "seeds": predictions.seeds,
        "learnt": predictions.train_accuracy,
    }
    sections: dict[str, Callable[[], Any]] = {
        "accuracy": lambda: _accuracies(predictions),
        "differences": lambda: differences_section(predictions),
        "robustness": lambda: robustness_section(predictions),
        "f1": lambda: _f1(predictions),
        "classes": lambda: classes_section(predictions),
    }
    for name, section in sections.items():
        findings[name] = section()
        task.advance()
    return findings


def _reach(counts: np.ndarray) -> list[int]:
    return [int(counts.min()), int(counts.max())]


def _accuracies(predictions: TrainingPredictions) -> dict[str, np.ndarray]:
    """Accuracy of each training on each test set with its interval, ``(t, m)``, and of each seed, ``(t, m, s)``."""
    cells = [[accuracy(right) for right in row] for row in predictions.correct]
    return {**columns(cells), "by_seed": predictions.correct.mean(axis=2)}


def columns(cells: Sequence[Any]) -> dict[str, np.ndarray]:
    """Estimates in any arrangement as an array for each of their fields."""
    return {name: _field(cells, index) for index, name in enumerate(Estimate._fields)}


def _field(cells: Any, index: int) -> np.ndarray:
    if isinstance(cells, Estimate):
        return np.array(cells[index])
    return np.array([_field(one, index) for one in cells])


def differences_section(predictions: TrainingPredictions) -> dict[str, Any]:
    """What a modification takes from the original training, and what each training gains over it on each test set.

    ``lost : (m,)`` is NaN for the original images; ``gained : (t, m)`` for the original training, as is
    ``gained_mean : (t,)``, the mean over modified test sets. p-values are corrected by Benjamini-Hochberg: those
    of the losses together, those of all gains together.
    """
    right = predictions.correct
    base = right[ORIGINAL, ORIGINAL]
    lost = columns([paired(base, one) for one in right[ORIGINAL, 1:]])
    gained = columns([[paired(*pair) for pair in zip(row, right[ORIGINAL], strict=True)] for row in right[1:]])
    mean = [_mean_change(row[1:], right[ORIGINAL, 1:]) for row in right[1:]]
    return {
        "lost": _first_empty(_corrected(lost)),
        "gained": _first_empty(_corrected(gained)),
        "gained_mean": _first_empty(columns(mean)),
    }


def _mean_change(one: np.ndarray, other: np.ndarray) -> Estimate:
    """The gain in accuracy of ``one`` over ``other : (m, n, s) bool``, the mean over test sets."""
    change = (one.astype(np.float64) - other).mean(axis=0)
    return within(estimated(float(change.mean()), change), -1.0)


def _corrected(findings: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    corrected = adjusted(findings["p"].ravel(), "bh").reshape(findings["p"].shape)
    return {**findings, "adjusted_p": corrected}


def _first_empty(findings: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The same with a first row of NaN, for what is compared with itself."""
    return {
        name: np.concatenate([np.full((1, *column.shape[1:]), np.nan), column]) for name, column in findings.items()
    }


def _f1(predictions: TrainingPredictions) -> dict[str, np.ndarray]:
    """F1 of each training on each test set by class with its interval, ``(t, m, k)``."""
    classes = range(len(predictions.class_names))
    return columns(
        [
            [[f1_estimate(class_f1(predictions.label, one, index)) for index in classes] for one in row]
            for row in predictions.predicted
        ]
    )


def classes_section(predictions: TrainingPredictions) -> dict[str, Any]:
    """For each modified test set the classes that lose most, and those that gain or lose by training on it.

    ``lost`` is the F1 on the original images less that on modified ones, trained on the original; it is tested against
    the mean class. ``won`` is the F1 of the training on the modification less that of the original training, both on
    modified images; it is tested against none. Arrays are ``(m - 1, k)``; ``won`` has NaN where no training is on that
    modification. Each family of tests is corrected by Benjamini-Hochberg.
    """
    places = range(1, len(predictions.tests))
    lost = [_lost(predictions, place) for place in places]
    won = [_won(predictions, place) for place in places]
    return {"lost": _stacked(lost), "won": _stacked(won)}


def _lost(predictions: TrainingPredictions, place: int) -> Changes:
    original = predictions.predicted[ORIGINAL]

    def part(index: int) -> Part:
        return class_f1(predictions.label, original[0], index).less(class_f1(predictions.label, original[place], index))

    return changes(predictions.label, len(predictions.class_names), part, against_mean=True)


def _won(predictions: TrainingPredictions, place: int) -> Changes:
    classes = len(predictions.class_names)
    if predictions.tests[place] not in predictions.trainings:
        return Changes(*np.full((len(Changes._fields), classes), np.nan))
    own = predictions.predicted[predictions.trainings.index(predictions.tests[place]), place]

    def part(index: int) -> Part:
        before = class_f1(predictions.label, predictions.predicted[ORIGINAL, place], index)
        return class_f1(predictions.label, own, index).less(before)

    return changes(predictions.label, classes, part, against_mean=False)


def _stacked(findings: Sequence[Changes]) -> dict[str, np.ndarray]:
    stacked = {name: np.array([getattr(one, name) for one in findings]) for name in Changes._fields}
    corrected = discoveries(stacked["p"])
    return {**stacked, "adjusted_p": corrected, "flagged": np.nan_to_num(corrected, nan=1.0) <= LEVEL}
