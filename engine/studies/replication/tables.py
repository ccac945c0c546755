"""The tables of a study, one row for each model, class, pair of classes or pair of models."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
from gapscope.core.files import table_bytes


def tables(found: Mapping[str, Any]) -> dict[str, pa.Table]:
    """Arrow tables by the name of their file."""
    return {
        "accuracies": pa.Table.from_pylist(_accuracy_rows(found)),
        "line": pa.Table.from_pylist(_line_rows(found)),
        "classes": _classes(found),
        "pairs": _pairs(found),
        "agreement": pa.Table.from_pylist(_agreement_rows(found)),
        "neighbours": pa.Table.from_pylist(_neighbour_rows(found)),
    }


def _accuracy_rows(found: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [
        {
            "model": model,
            "set": name,
            "accuracy": float(side["value"][place]),
            "low": float(side["low"][place]),
            "high": float(side["high"][place]),
            "right": int(side["right"][place]),
            "n": found["images"][name],
        }
        for name, side in found["accuracy"].items()
        for place, model in enumerate(found["models"])
        if np.isfinite(side["value"][place])
    ]


def _line_rows(found: Mapping[str, Any]) -> list[dict[str, Any]]:
    rows = []
    for name, side in found["by_target"].items():
        columns = {key: side[key] for key in ("drop", "drop_low", "drop_high")}
        for key in ("robustness", "robustness_low", "robustness_high", "robustness_p", "outside_p"):
            columns[key] = side["line"][key]
        for key in ("harder", "harder_low", "harder_high", "rest", "rest_low", "rest_high"):
            columns[key] = side["harder"][key]
        for place, model in enumerate(side["models"]):
            rows.append({"set": name, "model": model, **{key: float(value[place]) for key, value in columns.items()}})
    return rows


def _classes(found: Mapping[str, Any]) -> pa.Table:
    classes = found["classes"]
    names = (
        "raw",
        "shrunk",
        "low",
        "high",
        "p_fell",
        "p_worse",
        "fell",
        "rose",
        "worse",
        "milder",
        "flagged_in_models",
    )
    return pa.table({"class": found["class_names"], **{name: np.asarray(classes[name]) for name in names}})


def _pairs(found: Mapping[str, Any]) -> pa.Table:
    pairs, names = found["pairs"], found["class_names"]
    columns = {key: [names[index] for index in pairs[key]] for key in ("true", "given")}
    return pa.table({**columns, **{key: pairs[key] for key in ("reference", "target", "added")}})


def _agreement_rows(found: Mapping[str, Any]) -> list[dict[str, Any]]:
    both, models = found["agreement"], found["common"]
    return [
        {
            "first": models[one],
            "second": models[two],
            found["reference"]: float(both["reference"][one, two]),
            found["primary"]: float(both["target"][one, two]),
        }
        for one, two in zip(*np.triu_indices(len(models), 1), strict=True)
    ]


def _neighbour_rows(found: Mapping[str, Any]) -> list[dict[str, Any]]:
    ranking = found["ranking"]
    return [
        {
            "better": better,
            "worse": worse,
            **{
                f"{found[key]} {name}": float(ranking[side][name][place])
                for key, side in (("reference", "reference"), ("primary", "target"))
                for name in ("lead", "p")
            },
        }
        for place, (better, worse) in enumerate(ranking["neighbours"])
    ]


def parquet(table: pa.Table) -> bytes:
    """The table as a Parquet file."""
    return table_bytes(table)
