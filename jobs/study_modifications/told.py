"""What a study tells machines and people: results, a table, sentences, and the command that makes it again."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from gapscope.jobs.study_modifications.sets import Modified
from gapscope.runs.result import Table
from gapscope.schemas.results import Result
from gapscope.studies.modifications.findings import ORIGINAL
from gapscope.studies.modifications.verdict import verdict


def results_of(found: Mapping[str, Any], sets: Sequence[Modified]) -> list[Result]:
    """Accuracy and F1 of each training on each test set, gains over the original training, corruption errors."""
    return [*_cells(found, sets), *_robustness(found, sets)]


def _cells(found: Mapping[str, Any], sets: Sequence[Modified]) -> Iterator[Result]:
    gained = found["differences"]["gained"]
    for row, training in enumerate(found["trainings"]):
        for column, one in enumerate(sets):
            place = {"dataset": one.dataset.name, "split": found["test_split"], "model": _model(found, training)}
            place["n"] = found["images"]
            yield Result(**place, metric="accuracy", **_ends(found["accuracy"], (row, column)))
            if row != ORIGINAL:
                yield Result(**place, metric="accuracy_gain", **_ends(gained, (row, column)))
                yield Result(**place, metric="accuracy_gain_p_value", value=float(gained["adjusted_p"][row, column]))
            for index, name in enumerate(found["class_names"]):
                yield Result(**place, metric="f1", class_name=name, **_ends(found["f1"], (row, column, index)))


def _model(found: Mapping[str, Any], training: str) -> str:
    return f"{found['network']} trained on {training}"


def _ends(side: Mapping[str, np.ndarray], place: tuple[int, ...]) -> dict[str, float]:
    return {name: float(side[name][place]) for name in ("value", "low", "high")}


def _robustness(found: Mapping[str, Any], sets: Sequence[Modified]) -> Iterator[Result]:
    metrics = {"mce": "mean_corruption_error", "relative_mce": "relative_mean_corruption_error"}
    for row, training in enumerate(found["trainings"]):
        for key, metric in metrics.items():
            one = found["robustness"][key][row]
            if np.isfinite(one.value):
                place = {"dataset": sets[0].dataset.name, "split": found["test_split"], "n": found["images"]}
                ends = {"value": one.value, "low": one.low, "high": one.high}
                yield Result(**place, model=_model(found, training), metric=metric, **ends)


def accuracy_table(found: Mapping[str, Any]) -> Table:
    """Accuracy of each training on what it learnt and on each test set."""
    value, learnt = found["accuracy"]["value"], found["learnt"].mean(axis=1)
    rows = [
        (
            training,
            f"{learnt[row]:.2%}" if np.isfinite(learnt[row]) else None,
            *(f"{one:.2%}" for one in value[row]),
        )
        for row, training in enumerate(found["trainings"])
    ]
    return Table("Accuracy by training set and test set", ("trained on", "learnt images", *found["tests"]), rows)


def notes_of(found: Mapping[str, Any]) -> list[str]:
    """The verdict, a sentence each."""
    return [line.replace("**", "") for part in verdict(found) for line in part.splitlines()]
