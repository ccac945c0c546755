"""All numbers of a study of modifications in one dictionary, from which page, pictures and tables are made."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from gapscope.core.progress import Task
from gapscope.inference import adjusted
from gapscope.studies.classes import Changes, Part, changes, class_f1, discoveries, f1_estimate
from gapscope.studies.crossed import Estimate, accuracy, estimated, paired, within
from gapscope.studies.modifications.answers import Answers
from gapscope.studies.modifications.robustness import robustness_section

LEVEL = 0.05
STEPS = 5
# The pictures and the page call the images as they are by this name.
ORIGINAL = 0


def findings(answers: Answers, about: dict[str, Any], task: Task) -> dict[str, Any]:
    """Everything the study says.

    Arrays stand in the order of ``trainings`` and ``tests``, of which the first are the original images; estimates are
    dictionaries of value, low, high and, where something is tested, p and adjusted p. `task` advances `STEPS` times.

    Parameters
    ----------
    about
        Plain values that the page needs: names of dataset, split and network.
    """
    found: dict[str, Any] = {
        **about,
        "trainings": list(answers.trainings),
        "tests": list(answers.tests),
        "class_names": list(answers.class_names),
        "images": answers.n,
        "images_per_class": _reach(np.bincount(answers.label, minlength=len(answers.class_names))),
        "seeds": answers.seeds,
        "learnt": answers.learnt,
    }
    sections: dict[str, Callable[[], Any]] = {
        "accuracy": lambda: _accuracies(answers),
        "differences": lambda: differences_section(answers),
        "robustness": lambda: robustness_section(answers),
        "f1": lambda: _f1(answers),
        "classes": lambda: classes_section(answers),
    }
    for name, section in sections.items():
        found[name] = section()
        task.advance()
    return found


def _reach(counts: np.ndarray) -> list[int]:
    return [int(counts.min()), int(counts.max())]


def _accuracies(answers: Answers) -> dict[str, np.ndarray]:
    """Accuracy of each training on each test set with its interval, ``(t, m)``, and of each seed, ``(t, m, s)``."""
    cells = [[accuracy(right) for right in row] for row in answers.right]
    return {**columns(cells), "by_seed": answers.right.mean(axis=2)}


def columns(cells: Sequence[Any]) -> dict[str, np.ndarray]:
    """Estimates in any arrangement as an array for each of their fields."""
    return {name: _field(cells, index) for index, name in enumerate(Estimate._fields)}


def _field(cells: Any, index: int) -> np.ndarray:
    if isinstance(cells, Estimate):
        return np.array(cells[index])
    return np.array([_field(one, index) for one in cells])


def differences_section(answers: Answers) -> dict[str, Any]:
    """What a modification takes from the original training, and what each training gains over it on each test set.

    ``lost : (m,)`` is NaN for the original images; ``gained : (t, m)`` for the original training, as is
    ``gained_mean : (t,)``, the mean over modified test sets. p-values are corrected by Benjamini-Hochberg: those
    of the losses together, those of all gains together.
    """
    right = answers.right
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


def _corrected(found: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    corrected = adjusted(found["p"].ravel(), "bh").reshape(found["p"].shape)
    return {**found, "adjusted_p": corrected}


def _first_empty(found: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The same with a first row of NaN, for what is compared with itself."""
    return {name: np.concatenate([np.full((1, *column.shape[1:]), np.nan), column]) for name, column in found.items()}


def _f1(answers: Answers) -> dict[str, np.ndarray]:
    """F1 of each training on each test set by class with its interval, ``(t, m, k)``."""
    classes = range(len(answers.class_names))
    return columns(
        [
            [[f1_estimate(class_f1(answers.label, one, index)) for index in classes] for one in row]
            for row in answers.predicted
        ]
    )


def classes_section(answers: Answers) -> dict[str, Any]:
    """For each modified test set the classes that lose most, and those that gain or lose by training on it.

    ``lost`` is the F1 on the original images less that on modified ones, trained on the original; it is tested against
    the mean class. ``won`` is the F1 of the training on the modification less that of the original training, both on
    modified images; it is tested against none. Arrays are ``(m - 1, k)``; ``won`` has NaN where no training is on that
    modification. Each family of tests is corrected by Benjamini-Hochberg.
    """
    places = range(1, len(answers.tests))
    lost = [_lost(answers, place) for place in places]
    won = [_won(answers, place) for place in places]
    return {"lost": _stacked(lost), "won": _stacked(won)}


def _lost(answers: Answers, place: int) -> Changes:
    said = answers.predicted[ORIGINAL]

    def part(index: int) -> Part:
        return class_f1(answers.label, said[0], index).less(class_f1(answers.label, said[place], index))

    return changes(answers.label, len(answers.class_names), part, against_mean=True)


def _won(answers: Answers, place: int) -> Changes:
    classes = len(answers.class_names)
    if answers.tests[place] not in answers.trainings:
        return Changes(*np.full((len(Changes._fields), classes), np.nan))
    own = answers.predicted[answers.trainings.index(answers.tests[place]), place]

    def part(index: int) -> Part:
        before = class_f1(answers.label, answers.predicted[ORIGINAL, place], index)
        return class_f1(answers.label, own, index).less(before)

    return changes(answers.label, classes, part, against_mean=False)


def _stacked(found: Sequence[Changes]) -> dict[str, np.ndarray]:
    stacked = {name: np.array([getattr(one, name) for one in found]) for name in Changes._fields}
    corrected = discoveries(stacked["p"])
    return {**stacked, "adjusted_p": corrected, "flagged": np.nan_to_num(corrected, nan=1.0) <= LEVEL}


def plain(value: Any) -> Any:
    """`value` as JSON knows it: lists for arrays, dictionaries for estimates, None for NaN."""
    if isinstance(value, Estimate):
        return plain(value._asdict())
    if isinstance(value, dict):
        return {str(key): plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    if isinstance(value, np.ndarray | np.generic):
        return plain(value.tolist())
    return None if isinstance(value, float) and not np.isfinite(value) else value
