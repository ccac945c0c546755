"""What a study tells machines and people: results, a table, and the command that makes it again."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from gapscope.runs.result import Table
from gapscope.schemas.results import Result
from gapscope.studies.augmentation.findings import HEADLINE, by_headline
from gapscope.studies.augmentation.measures import MEASURES

# What is told of each measure, and how its name then ends.
SIDES = {
    "scores": "",
    "gained": "_gain",
    "beyond": "_gain_over_augmentation",
    "over_head": "_gain_over_refitted_head",
}
SHOWN = ("accuracy", HEADLINE, "rare_recall", "common_recall")


def results_of(found: Mapping[str, Any]) -> list[Result]:
    """Every measure of each training, its gain over the first, and the recall of each class."""
    return [row for number, name in enumerate(found["trainings"]) for row in _of_training(found, number, name)]


def _of_training(found: Mapping[str, Any], row: int, name: str) -> Iterator[Result]:
    place = {
        "dataset": found["dataset"],
        "split": ", ".join(found["test_splits"]),
        "model": f"{found['network']}, {name}",
        "n": found["images"],
    }
    for column, measure in enumerate(found["measures"]):
        for side, ending in SIDES.items():
            if np.isfinite(found[side]["value"][row, column]):
                yield Result(**place, metric=f"{measure}{ending}", **_ends(found[side], row, column))
        p = found["gained"]["adjusted_p"][row, column]
        if np.isfinite(p):
            yield Result(**place, metric=f"{measure}_gain_p_value", value=float(p))
    for column, class_name in enumerate(found["class_names"]):
        if np.isfinite(found["recall"]["value"][row, column]):
            yield Result(**place, metric="recall", class_name=class_name, **_ends(found["recall"], row, column))


def _ends(side: Mapping[str, np.ndarray], row: int, column: int) -> dict[str, float]:
    return {name: float(side[name][row, column]) for name in ("value", "low", "high")}


def ranking_table(found: Mapping[str, Any]) -> Table:
    """The trainings, the best first."""
    places = [found["measures"].index(name) for name in SHOWN]
    headline = found["measures"].index(HEADLINE)
    rows = [
        (
            found["trainings"][row],
            *(_percent(found["scores"]["value"][row, place]) for place in places),
            _points(found["gained"], row, headline),
        )
        for row in by_headline(found)
    ]
    return Table("What helps, the best first", ("training", *(MEASURES[name] for name in SHOWN), "gain in macro F1"),
                 rows)  # fmt: skip


def _percent(value: float) -> str | None:
    return f"{value:.1%}" if np.isfinite(value) else None


def _points(side: Mapping[str, np.ndarray], row: int, column: int) -> str | None:
    value, low, high = (100 * side[name][row, column] for name in ("value", "low", "high"))
    return f"{value:+.1f} ({low:+.1f} to {high:+.1f})" if np.isfinite(value) else None
