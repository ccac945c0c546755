"""What the study of ImageNetV2 tells machines and people: results, and a table."""

from collections.abc import Mapping
from typing import Any

from gapscope.runs.result import Table
from gapscope.schemas.results import Result

COLUMNS = ("set", "models", "mean loss, points", "slope", "r", "by harder images, points", "rest, points")


def lost_table(found: Mapping[str, Any]) -> Table:
    """For each replication the mean loss, the line, and how much of the loss harder images explain."""
    rows = [
        (
            name,
            len(side["models"]),
            f"{100 * side['mean_drop']:.2f}",
            f"{side['line']['slope']:.3f}",
            f"{side['line']['r']:.4f}",
            f"{100 * side['harder']['mean_harder']:.2f}",
            f"{100 * side['harder']['mean_rest']:.2f}",
        )
        for name, side in found["by_target"].items()
    ]
    return Table(f"Lost from {found['reference']}", COLUMNS, rows)


def results_of(found: Mapping[str, Any]) -> list[Result]:
    """Accuracy of each model on each set; its loss and effective robustness on each replication."""
    return [*_accuracies(found), *_losses(found)]


def _accuracies(found: Mapping[str, Any]) -> list[Result]:
    return [
        Result(
            **_place(found, name),
            model=model,
            metric="accuracy",
            value=float(side["value"][place]),
            low=float(side["low"][place]),
            high=float(side["high"][place]),
            n=found["images"][name],
        )
        for name, side in found["accuracy"].items()
        for place, model in enumerate(found["models"])
        if side["right"][place] >= 0
    ]


def _losses(found: Mapping[str, Any]) -> list[Result]:
    """Rows for each model and replication; the p-values of effective robustness are corrected by Holm."""
    results = []
    for name, side in found["by_target"].items():
        line = side["line"]
        columns = {
            "accuracy_gap": (side["drop"], side["drop_low"], side["drop_high"]),
            "effective_robustness": tuple(line[f"robustness{end}"] for end in ("", "_low", "_high")),
            "effective_robustness_p_value": (line["robustness_p"],),
        }
        for metric, parts in columns.items():
            for place, model in enumerate(side["models"]):
                numbers = dict(zip(("value", "low", "high"), (float(part[place]) for part in parts), strict=False))
                n = found["images"][name]
                results.append(Result(**_place(found, name), model=model, metric=metric, **numbers, n=n))
    return results


def _place(found: Mapping[str, Any], name: str) -> dict[str, str]:
    return {"dataset": "imagenet" if name == found["reference"] else "imagenetv2", "split": name}
