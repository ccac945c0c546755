"""All numbers of a study of augmentation in one dictionary, from which page, pictures and tables are made."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from gapscope.core.progress import Task
from gapscope.studies.augmentation.measures import MEASURES, measures
from gapscope.studies.augmentation.predictions import BOTH, FEATURES, TrainingPredictions
from gapscope.studies.classes import Part, discoveries
from gapscope.studies.crossed import Estimate, estimated, within

LEVEL, FIRST = 0.05, 0
AUGMENTATION, HEADLINE = "augmentation", "macro_f1"
# The last layer trained again without anything: what synthetic features are compared with.
REFITTED = "head refitted"
NONE = Estimate(*[np.nan] * len(Estimate._fields))


def findings(
    predictions: TrainingPredictions, about: Mapping[str, Any], sets: Sequence[Mapping[str, Any]], task: Task
) -> dict[str, Any]:
    """Everything the study says; `task` advances once for each training.

    Arrays are ``(t, q)`` for t trainings and the q of `MEASURES`, ``(t, k)`` for classes, in dictionaries of value,
    low, high and, where something is tested, p and adjusted p. ``gained`` is over the first training, ``beyond`` over
    plain augmentation, by the trainings that have both, ``over_head`` over a refitted last layer, by those with
    synthetic features; NaN elsewhere. p-values of one measure are corrected together.

    Parameters
    ----------
    about
        Plain values that the page needs: names of dataset, splits and network, seeds, epochs.
    sets
        The synthetic sets: name, method, images made and kept, and what the checks measured.
    """
    measured = []
    for predicted in predictions.predicted:
        measured.append(measures(predictions.label, predicted, predictions.rare))
        task.advance()
    plain, head = (_place(predictions, name) for name in (AUGMENTATION, REFITTED))
    own = [one for one, _ in measured]
    return {
        **about,
        "trainings": list(predictions.trainings),
        "kinds": list(predictions.kinds),
        "measures": list(MEASURES),
        "class_names": list(predictions.class_names),
        "counts": predictions.counts,
        "rare": predictions.rare,
        "images": len(predictions.label),
        "seeds": predictions.predicted.shape[2],
        "scores": _columns([[_share(part) for part in one.values()] for one in own]),
        "gained": _changes(own, lambda row: None if row == FIRST else FIRST),
        "beyond": _changes(own, lambda row: plain if predictions.kinds[row] == BOTH else None),
        "over_head": _changes(own, lambda row: head if predictions.kinds[row] == FEATURES else None),
        "recall": _recalls(predictions, [recalls for _, recalls in measured]),
        "sets": [dict(one) for one in sets],
    }


def _place(predictions: TrainingPredictions, training: str) -> int | None:
    return predictions.trainings.index(training) if training in predictions.trainings else None


def _share(part: Part) -> Estimate:
    if np.isnan(part.value):
        return NONE
    return within(estimated(*part), 0.0)._replace(p=np.nan)


def _changes(own: Sequence[Mapping[str, Part]], against) -> dict[str, np.ndarray]:
    """The difference of each training to that whose place ``against(row)`` gives; NaN where it gives None."""
    rows = []
    for row, one in enumerate(own):
        other = against(row)
        rows.append([NONE if other is None else _change(one[name], own[other][name]) for name in MEASURES])
    columns = _columns(rows)
    corrected = np.stack([discoveries(column) for column in columns["p"].T], axis=1)
    return {**columns, "adjusted_p": corrected}


def _change(one: Part, other: Part) -> Estimate:
    if np.isnan(one.value) or np.isnan(other.value):
        return NONE
    return within(estimated(*one.less(other)), -1.0)


def _recalls(predictions: TrainingPredictions, recalls: Sequence[Mapping[int, Part]]) -> dict[str, np.ndarray]:
    """Recall of each class, ``(t, k)``; NaN for a class without test images."""
    classes = range(len(predictions.class_names))
    return _columns([[_share(one[index]) if index in one else NONE for index in classes] for one in recalls])


def _columns(rows: Sequence[Sequence[Estimate]]) -> dict[str, np.ndarray]:
    values = np.array([[tuple(one) for one in row] for row in rows], np.float64)
    return {name: values[:, :, place] for place, name in enumerate(Estimate._fields)}


def by_headline(findings: Mapping[str, Any]) -> list[int]:
    """The trainings in the order of their macro F1, the best first."""
    return np.argsort(-findings["scores"]["value"][:, findings["measures"].index(HEADLINE)], kind="stable").tolist()


def is_sure(findings: Mapping[str, Any], side: str, row: int, measure: str = HEADLINE) -> int:
    """1 for a gain and -1 for a loss that chance does not explain, else 0."""
    place = row, findings["measures"].index(measure)
    change = findings[side]
    known = change["adjusted_p"][place] <= LEVEL
    apart = change["low"][place] > 0 or change["high"][place] < 0
    return int(np.sign(change["value"][place])) if known and apart else 0
