"""The tables of a study of augmentation, one row for each training and measure, and for each class; and its results."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from gapscope.schemas.results import Result
from gapscope.studies.augmentation.findings import AUGMENTATION, REFITTED
from gapscope.studies.saved import rows_of

Findings = Mapping[str, Any]
# What is said of each measure, and how its name then ends.
SIDES = {
    "scores": "",
    "gained": "_gain",
    "beyond": "_gain_over_augmentation",
    "over_head": "_gain_over_refitted_head",
}


def results(findings: Findings) -> list[Result]:
    """Every measure of each training, its gain over the first, and the recall of each class."""
    return [row for number in range(len(findings["trainings"])) for row in _of_training(findings, number)]


def _of_training(findings: Findings, row: int) -> Iterator[Result]:
    place = {
        "dataset": findings["dataset"],
        "split": ", ".join(findings["test_splits"]),
        "model": f"{findings['network']}, {findings['trainings'][row]}",
        "n": findings["images"],
    }
    for column, measure in enumerate(findings["measures"]):
        for side, ending in SIDES.items():
            if np.isfinite(findings[side]["value"][row, column]):
                yield Result(**place, metric=f"{measure}{ending}", **_ends(findings[side], row, column))
        p = findings["gained"]["adjusted_p"][row, column]
        if np.isfinite(p):
            yield Result(**place, metric=f"{measure}_gain_p_value", value=float(p))
    for column, class_name in enumerate(findings["class_names"]):
        if np.isfinite(findings["recall"]["value"][row, column]):
            yield Result(**place, metric="recall", class_name=class_name, **_ends(findings["recall"], row, column))


def _ends(side: Mapping[str, np.ndarray], row: int, column: int) -> dict[str, float]:
    return {name: float(side[name][row, column]) for name in ("value", "low", "high")}


def tables(findings: Findings) -> dict[str, pa.Table]:
    """Arrow tables by the name of their file."""
    of_measures = {"training": findings["trainings"], "measure": findings["measures"]}
    scores, recall = findings["scores"], findings["recall"]
    about = {"kind": findings["kinds"], "n": findings["images"], "seeds": findings["seeds"]}
    of_class = {
        "rare": np.tile(findings["rare"], (len(findings["trainings"]), 1)),
        "real_images": np.tile(findings["counts"], (len(findings["trainings"]), 1)),
    }
    others = (("gained", findings["trainings"][0]), ("beyond", AUGMENTATION), ("over_head", REFITTED))
    fields = ("value", "low", "high", "p", "adjusted_p")
    rows = {
        "accuracies": rows_of(of_measures, {name: scores[name] for name in ("value", "low", "high")} | about),
        "changes": [
            row
            for side, over in others
            for row in rows_of(of_measures, {"over": over} | {name: findings[side][name] for name in fields})
            if row["value"] is not None
        ],
        "classes": rows_of(
            {"training": findings["trainings"], "class": findings["class_names"]},
            of_class | {"recall": recall["value"], "low": recall["low"], "high": recall["high"]},
        ),
    }
    return {name: pa.Table.from_pylist(some) for name, some in rows.items()}
