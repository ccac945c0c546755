"""The tables of a study of replications: one row for each model, class, pair of classes or pair of models."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from gapscope.schemas.results import Result
from gapscope.studies.replication.line import rises

Findings = Mapping[str, Any]
OF_CLASS = (
    *("raw", "shrunk", "low", "high", "p_fell", "p_worse", "fell", "rose", "worse", "milder", "flagged_in_models"),
)
# Columns of each model, of its loss, its place beside the line, and the parts of its loss.
OF_MODEL = (
    ("drop", "drop_low", "drop_high"),
    ("robustness", "robustness_low", "robustness_high", "robustness_p", "outside_p"),
    ("harder", "harder_low", "harder_high", "rest", "rest_low", "rest_high"),
)


def results(findings: Findings) -> list[Result]:
    """Accuracy of each model on each set; its loss and effective robustness on each replication."""
    return [*_accuracies(findings), *_losses(findings)]


def _accuracies(findings: Findings) -> Iterator[Result]:
    for name, side in findings["accuracy"].items():
        for place, model in enumerate(findings["models"]):
            if side["right"][place] >= 0:
                numbers = {end: float(side[end][place]) for end in ("value", "low", "high")}
                yield Result(**_set(findings, name), model=model, metric="accuracy", **numbers)


def _losses(findings: Findings) -> Iterator[Result]:
    """Rows for each model and replication; the p-values of effective robustness are corrected by Holm."""
    for name, side in findings["by_target"].items():
        line = side["line"]
        columns = {"accuracy_gap": (side["drop"], side["drop_low"], side["drop_high"])}
        if rises(line):
            columns["effective_robustness"] = tuple(line[f"robustness{end}"] for end in ("", "_low", "_high"))
            columns["effective_robustness_p_value"] = (line["robustness_p"],)
        for metric, parts in columns.items():
            for place, model in enumerate(side["models"]):
                numbers = dict(zip(("value", "low", "high"), (float(part[place]) for part in parts), strict=False))
                yield Result(**_set(findings, name), model=model, metric=metric, **numbers)


def _set(findings: Findings, name: str) -> dict[str, Any]:
    dataset, split = findings["places"][name]
    return {"dataset": dataset, "split": split, "n": findings["images"][name]}


def tables(findings: Findings) -> dict[str, pa.Table]:
    """Arrow tables by the name of their file."""
    names, models = np.array(findings["class_names"]), findings["common"]
    classes, pairs, both = findings["classes"], findings["pairs"], findings["agreement"]
    first, second = np.triu_indices(len(models), 1)
    sets = {"reference": findings["reference"], "target": findings["primary"]}
    leads = {f"{name} {key}": findings["ranking"][side][key] for side, name in sets.items() for key in ("lead", "p")}
    better, worse = zip(*findings["ranking"]["neighbours"], strict=True)
    return {
        "accuracies": pa.Table.from_pylist(_accuracy_rows(findings)),
        "line": pa.concat_tables(_line(name, side) for name, side in findings["by_target"].items()),
        "classes": pa.table({"class": names, **{name: np.asarray(classes[name]) for name in OF_CLASS}}),
        "pairs": pa.table(
            {key: names[pairs[key]] for key in ("true", "given")}
            | {key: pairs[key] for key in ("reference", "target", "added")}
        ),
        "agreement": pa.table(
            {"first": [models[one] for one in first], "second": [models[two] for two in second]}
            | {name: both[side][first, second] for side, name in sets.items()}
        ),
        "neighbours": pa.table({"better": better, "worse": worse, **leads}),
    }


def _accuracy_rows(findings: Findings) -> list[dict[str, Any]]:
    return [
        {"model": model, "set": name}
        | {key: float(side[column][place]) for key, column in (("accuracy", "value"), ("low", "low"), ("high", "high"))}
        | {"right": int(side["right"][place]), "n": findings["images"][name]}
        for name, side in findings["accuracy"].items()
        for place, model in enumerate(findings["models"])
        if np.isfinite(side["value"][place])
    ]


def _line(name: str, side: Findings) -> pa.Table:
    """A row for each model with predictions for a replication."""
    parts = (side, side["line"], side["harder"])
    columns = {key: part[key] for part, keys in zip(parts, OF_MODEL, strict=True) for key in keys}
    return pa.table({"set": [name] * len(side["models"]), "model": side["models"], **columns})
