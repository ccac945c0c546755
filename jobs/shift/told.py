"""What `shift` tells a person: verdicts, the features that differ most, the classes that moved most."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from gapscope.jobs.shift.found import Compared
from gapscope.jobs.shift.sets import Sets
from gapscope.runs.result import Table, finite
from gapscope.store import EmbeddingStore
from gapscope.store.selected import Selected

if TYPE_CHECKING:  # this loads much of SciPy, and `--help` has to be instant
    from gapscope.inference import Verdict

SHOWN = 10
# A p-value below this is only said to be smaller.
LEAST_P = 1e-300
MOVED = "class_mean_shift"
# Columns of features.parquet that the terminal shows, and what it calls them; the first that is there ranks.
SHOWN_COLUMNS = {
    "ks": "Kolmogorov-Smirnov",
    "standardised_difference": "difference of means, sd",
    "wasserstein_sd": "Wasserstein, sd",
    "log_variance_ratio": "log variance ratio",
    "ks_adjusted_p": "adjusted p",
}


def notes_of(sets: Sets) -> list[str]:
    """What has to be said about the rows and their labels."""
    return sets.chosen.notes(sets.stores) + [
        f"{view.store.name} has no class names; nothing is said of its classes"
        for view, store in zip(sets.views, sets.stores, strict=True)
        if not view.store.class_names or not store.class_names
    ]


def tables_of(reference: EmbeddingStore | Selected, one: Compared) -> list[Table]:
    """The tables for the terminal, the verdicts first."""
    pair = f"{one.store.name} against {reference.name}"
    rows = [_row(verdict) for verdict in one.verdicts if verdict.class_name is None]
    columns = ("statistic", "value", "95 % interval", "p", "effect", "meaning")
    return [Table(f"Shift of {pair}", columns, rows), *_features(pair, one.features), *_classes(pair, one.classes)]


def _row(verdict: "Verdict") -> tuple[str | float | None, ...]:
    bounded = verdict.low is not None and verdict.high is not None
    interval = f"{verdict.low:.3g} - {verdict.high:.3g}" if bounded else "-"
    value, p, effect = map(finite, (verdict.value, verdict.p, verdict.effect))
    p = f"< {LEAST_P:.0e}" if p is not None and p <= LEAST_P else p
    return verdict.statistic, value, interval, p, effect, verdict.sentence


def _features(pair: str, columns: Mapping[str, np.ndarray]) -> list[Table]:
    shown = [name for name in SHOWN_COLUMNS if name in columns]
    if not shown:
        return []
    best = np.argsort(-np.abs(columns[shown[0]]), kind="stable")[:SHOWN]
    rows = [(str(feature), *(float(columns[name][feature]) for name in shown)) for feature in best]
    title = f"The {len(best)} features that differ most, {pair}"
    return [Table(title, ("feature", *(SHOWN_COLUMNS[name] for name in shown)), rows)]


def _classes(pair: str, columns: Mapping[str, np.ndarray]) -> list[Table]:
    if MOVED not in columns:
        return []
    moved = np.nan_to_num(columns[MOVED], nan=-1.0)
    best = [index for index in np.argsort(-moved, kind="stable")[:SHOWN] if moved[index] >= 0]
    names = columns.get("class", np.arange(len(moved)))
    fields = ("rows_reference", "rows_target", MOVED, "class_mean_adjusted_p")
    rows = [(str(names[index]), *(columns[field][index].item() for field in fields)) for index in best]
    heading = ("class", "rows before", "rows after", "shift of the mean, sd", "adjusted p")
    return [Table(f"The {len(best)} classes that moved most, {pair}", heading, rows)]
