"""The tables of a study of augmentation: one row for each training and measure, for each class, for each set."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
from gapscope.studies.augmentation.findings import AUGMENTATION, REFITTED

Found = Mapping[str, Any]


def tables(found: Found) -> dict[str, pa.Table]:
    """Arrow tables by the name of their file; that of the sets only where there are some."""
    made = {"accuracies": _scores(found), "changes": _changes(found), "classes": _classes(found)}
    return {name: pa.Table.from_pylist(rows) for name, rows in made.items()}


def _number(value: Any) -> float | None:
    return float(value) if np.isfinite(value) else None


def _scores(found: Found) -> list[dict[str, Any]]:
    side = found["scores"]
    return [
        {
            "training": training,
            "kind": found["kinds"][row],
            "measure": measure,
            **{name: _number(side[name][row, column]) for name in ("value", "low", "high")},
            "n": found["images"],
            "seeds": found["seeds"],
        }
        for row, training in enumerate(found["trainings"])
        for column, measure in enumerate(found["measures"])
    ]


def _changes(found: Found) -> list[dict[str, Any]]:
    """Gains over the first training, over plain augmentation, and over a refitted last layer."""
    fields = ("value", "low", "high", "p", "adjusted_p")
    return [
        {
            "training": training,
            "over": over,
            "measure": measure,
            **{name: _number(found[side][name][row, column]) for name in fields},
        }
        for side, over in (("gained", found["trainings"][0]), ("beyond", AUGMENTATION), ("over_head", REFITTED))
        for row, training in enumerate(found["trainings"])
        for column, measure in enumerate(found["measures"])
        if np.isfinite(found[side]["value"][row, column])
    ]


def _classes(found: Found) -> list[dict[str, Any]]:
    """Recall of every class."""
    side = found["recall"]
    return [
        {
            "training": training,
            "class": name,
            "rare": bool(found["rare"][column]),
            "real_images": int(found["counts"][column]),
            **{end: _number(side[field][row, column]) for end, field in
               (("recall", "value"), ("low", "low"), ("high", "high"))},
        }
        for row, training in enumerate(found["trainings"])
        for column, name in enumerate(found["class_names"])
    ]  # fmt: skip
