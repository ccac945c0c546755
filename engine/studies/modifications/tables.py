"""The tables of a study of modifications, one row for each training, test set and class; and its results."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from gapscope.schemas.results import Result
from gapscope.studies.modifications.findings import ORIGINAL
from gapscope.studies.modifications.plan import ModifiedSet
from gapscope.studies.saved import rows_of

Findings = Mapping[str, Any]
ENDS = ("value", "low", "high")
ROBUSTNESS = {"mce": "mean_corruption_error", "relative_mce": "relative_mean_corruption_error"}


def results(findings: Findings, sets: Sequence[ModifiedSet]) -> list[Result]:
    """Accuracy and F1 of each training on each test set, gains over the original training, corruption errors."""
    names = [one.dataset.name for one in sets]
    return [*_cell_results(findings, names), *_robustness_results(findings, names[0])]


def _cell_results(findings: Findings, datasets: Sequence[str]) -> Iterator[Result]:
    gained = findings["differences"]["gained"]
    for row, column in np.ndindex(findings["accuracy"]["value"].shape):
        place = _place(findings, row, datasets[column])
        yield Result(**place, metric="accuracy", **_ends(findings["accuracy"], (row, column)))
        if row != ORIGINAL:
            yield Result(**place, metric="accuracy_gain", **_ends(gained, (row, column)))
            yield Result(**place, metric="accuracy_gain_p_value", value=float(gained["adjusted_p"][row, column]))
        for index, name in enumerate(findings["class_names"]):
            yield Result(**place, metric="f1", class_name=name, **_ends(findings["f1"], (row, column, index)))


def _place(findings: Findings, row: int, dataset: str) -> dict[str, Any]:
    model = f"{findings['network']} trained on {findings['trainings'][row]}"
    return {"dataset": dataset, "split": findings["test_split"], "model": model, "n": findings["images"]}


def _ends(side: Mapping[str, np.ndarray], place: tuple[int, ...]) -> dict[str, float]:
    return {name: float(side[name][place]) for name in ENDS}


def _robustness_results(findings: Findings, dataset: str) -> Iterator[Result]:
    for row in range(len(findings["trainings"])):
        for key, metric in ROBUSTNESS.items():
            one = findings["robustness"][key][row]
            if np.isfinite(one.value):
                ends = {name: getattr(one, name) for name in ENDS}
                yield Result(**_place(findings, row, dataset), metric=metric, **ends)


def tables(findings: Findings) -> dict[str, pa.Table]:
    """Arrow tables by the name of their file."""
    trainings, tests, names = (findings[key] for key in ("trainings", "tests", "class_names"))
    gained, f1 = findings["differences"]["gained"], findings["f1"]
    changes = {
        change: {name: side[name] for name in ("raw", "shrunk", "low", "high", "p", "adjusted_p", "flagged")}
        for change, side in findings["classes"].items()
    }
    rows = {
        "accuracies": _accuracies(findings),
        "differences": rows_of(
            {"trained_on": trainings[1:], "tested_on": tests},
            {name: gained[name][1:] for name in ("value", "low", "high", "p", "adjusted_p")},
        ),
        "robustness": _robustness(findings),
        "classes": rows_of(
            {"trained_on": trainings, "tested_on": tests, "class": names},
            {"f1": f1["value"], "low": f1["low"], "high": f1["high"]},
        ),
        "changes": [
            row
            for change, columns in changes.items()
            for row in rows_of({"modification": tests[1:], "class": names}, {"change": change, **columns})
        ],
    }
    return {name: pa.Table.from_pylist(some) for name, some in rows.items()}


def _accuracies(findings: Findings) -> list[dict[str, Any]]:
    """The mean over seeds first, then each seed."""
    side, train, n = findings["accuracy"], findings["learnt"], findings["images"]
    axes = {"trained_on": findings["trainings"], "tested_on": findings["tests"]}
    ends = {"accuracy": side["value"], "low": side["low"], "high": side["high"]}
    mean = rows_of(axes, {"seed": None, **ends, "train_accuracy": train.mean(axis=1), "n": n})
    seeds = [
        rows_of(
            axes,
            {
                "seed": seed,
                "accuracy": side["by_seed"][:, :, seed],
                "low": None,
                "high": None,
                "train_accuracy": train[:, seed],
                "n": n,
            },
        )
        for seed in range(findings["seeds"])
    ]
    return [row for cell in zip(mean, *seeds, strict=True) for row in cell]


def _robustness(findings: Findings) -> list[dict[str, Any]]:
    side = findings["robustness"]
    estimates = {
        f"{name}{ending}": [getattr(one, field) for one in side[name]]
        for name in ("mce", "relative_mce", "mce_unseen")
        for ending, field in (("", "value"), ("_low", "low"), ("_high", "high"), ("_p", "p"))
    }
    errors = {f"ce {name}": side["ce"][:, place] for place, name in enumerate(side["modifications"])}
    return rows_of({"trained_on": findings["trainings"]}, estimates | errors)
