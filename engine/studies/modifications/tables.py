"""The tables of a study of modifications: one row for each training and test set, and for each class of these."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa

Found = Mapping[str, Any]


def tables(found: Found) -> dict[str, pa.Table]:
    """Arrow tables by the name of their file."""
    return {
        "accuracies": pa.Table.from_pylist(_accuracies(found)),
        "differences": pa.Table.from_pylist(_differences(found)),
        "robustness": pa.Table.from_pylist(_robustness(found)),
        "classes": pa.Table.from_pylist(_classes(found)),
        "changes": pa.Table.from_pylist(_changes(found)),
    }


def _number(value: Any) -> float | None:
    return float(value) if np.isfinite(value) else None


def _accuracies(found: Found) -> list[dict[str, Any]]:
    """The mean over seeds first, then each seed."""
    side, learnt = found["accuracy"], found["learnt"]
    return [
        {
            "trained_on": training,
            "tested_on": test,
            "seed": seed,
            "accuracy": float(side["value"][row, column] if seed is None else side["by_seed"][row, column, seed]),
            "low": float(side["low"][row, column]) if seed is None else None,
            "high": float(side["high"][row, column]) if seed is None else None,
            "train_accuracy": _number(learnt[row].mean() if seed is None else learnt[row, seed]),
            "n": found["images"],
        }
        for row, training in enumerate(found["trainings"])
        for column, test in enumerate(found["tests"])
        for seed in (None, *range(found["seeds"]))
    ]


def _differences(found: Found) -> list[dict[str, Any]]:
    """Gains over the original training on the same test set."""
    gained = found["differences"]["gained"]
    return [
        {
            "trained_on": training,
            "tested_on": test,
            **{name: float(gained[name][row, column]) for name in ("value", "low", "high", "p", "adjusted_p")},
        }
        for row, training in enumerate(found["trainings"])
        for column, test in enumerate(found["tests"])
        if row
    ]


def _robustness(found: Found) -> list[dict[str, Any]]:
    side = found["robustness"]
    return [
        {
            "trained_on": training,
            **{
                f"{name}{ending}": _number(getattr(side[name][row], field))
                for name in ("mce", "relative_mce", "mce_unseen")
                for ending, field in (("", "value"), ("_low", "low"), ("_high", "high"), ("_p", "p"))
            },
            **{f"ce {name}": _number(side["ce"][row, place]) for place, name in enumerate(side["modifications"])},
        }
        for row, training in enumerate(found["trainings"])
    ]


def _classes(found: Found) -> list[dict[str, Any]]:
    """F1 of every class."""
    return [
        {
            "trained_on": training,
            "tested_on": test,
            "class": name,
            **{
                key: float(found["f1"][field][row, column, place])
                for key, field in (("f1", "value"), ("low", "low"), ("high", "high"))
            },
        }
        for row, training in enumerate(found["trainings"])
        for column, test in enumerate(found["tests"])
        for place, name in enumerate(found["class_names"])
    ]


def _changes(found: Found) -> list[dict[str, Any]]:
    """What each class loses by a modification, and what it wins by training on it."""
    fields = ("raw", "shrunk", "low", "high", "p", "adjusted_p")
    return [
        {
            "modification": test,
            "change": change,
            "class": name,
            **{field: _number(side[field][row, place]) for field in fields},
            "flagged": bool(side["flagged"][row, place]),
        }
        for change, side in found["classes"].items()
        for row, test in enumerate(found["tests"][1:])
        for place, name in enumerate(found["class_names"])
    ]
