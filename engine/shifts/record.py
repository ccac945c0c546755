"""What the statistics say of each target, and what a run of `shift` leaves of it: verdicts, tables and results."""

from collections.abc import Sequence
from dataclasses import asdict, replace
from itertools import chain
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from gapscope.core.files import write_json
from gapscope.core.progress import Progress
from gapscope.inference import Verdict
from gapscope.runs.folder import RunFolder
from gapscope.runs.result import finite
from gapscope.schemas.results import Result
from gapscope.shifts import SHIFTS
from gapscope.shifts.battery import Battery
from gapscope.shifts.class_mix import class_mix
from gapscope.shifts.exchanges import least_p
from gapscope.shifts.label_shift import LabelShift
from gapscope.shifts.matrix import distances
from gapscope.store import EmbeddingStore
from gapscope.store.selected import Selected

LEVEL = 0.05
# What a verdict says instead of a difference that rows so few cannot show.
FEW = "the rows are too few to show a difference"


class TargetShift(NamedTuple):
    """What the statistics say of one target.

    Attributes
    ----------
    verdicts
        In the order of the statistics; those of a class have its name.
    features, classes
        Columns with a row for each.
    """

    store: EmbeddingStore | Selected
    verdicts: list[Verdict]
    features: dict[str, np.ndarray]
    classes: dict[str, np.ndarray]

    def with_class_mix(self, reference: np.ndarray, target: np.ndarray, names: Sequence[str]) -> "TargetShift":
        """With the verdict on the shares of the classes ``(n,)`` of the rows of both sets, -1 where unknown."""
        counts = (np.bincount(one[one >= 0], minlength=len(names)) for one in (reference, target))
        mix = class_mix(*counts, names)
        return self._replace(verdicts=[*self.verdicts, mix]) if mix else self

    def with_label_shift(self, shift: LabelShift, class_names: Sequence[str]) -> "TargetShift":
        """With the verdicts on class shares, and their columns where the model has these classes in this order."""
        columns = shift.columns() if list(shift.class_names) == list(class_names) else {}
        return self._replace(verdicts=[*self.verdicts, *shift.verdicts()], classes={**self.classes, **columns})

    def with_class_names(self, names: Sequence[str]) -> "TargetShift":
        """With a first column of the reference's class `names`, where there is a row for each."""
        rows = len(next(iter(self.classes.values()), ()))
        if not rows or rows != len(names):
            return self
        return self._replace(classes={"class": np.asarray(names, dtype=object), **self.classes})


def compare_target(
    battery: Battery, index: int, store: EmbeddingStore | Selected, made: RunFolder, progress: Progress
) -> TargetShift:
    """All statistics on the target at `index` of the battery."""
    shift = TargetShift(store, [], {}, {})
    dim, least = battery.sample.dim, least_p(battery.views[0].rows, store.rows)
    with progress.task(f"compare with {store.name}", len(battery.names), "statistics") as task:
        for name in battery.names:
            with made.timed(f"{name} {store.name}"):
                findings = battery.compare(0, index, [name])[name]
            shift.verdicts.extend(_no_surer(one, least) for one in findings.verdicts)
            for title, column in {**findings.columns, **findings.class_columns}.items():
                of_classes = title in findings.class_columns or len(column) != dim
                table = shift.classes if of_classes else shift.features
                table[title if title not in table else f"{name}_{title}"] = np.asarray(column)
            task.advance()
    return shift


def _no_surer(one: Verdict, least: float) -> Verdict:
    """The verdict, no surer than rows so few can be: laws of many rows say more of them than they hold."""
    return (
        one
        if one.p is None or one.p >= least
        else replace(one, p=least, sentence=FEW if least > LEVEL else one.sentence)
    )


def write(made: RunFolder, reference: str, rows: int, shifts: Sequence[TargetShift]) -> None:
    """Verdicts as JSON, features and classes as Parquet; the `reference` has so many `rows`."""
    verdicts = [
        {"reference": reference, "target": one.store.name, "rows": [rows, one.store.rows]} | _as_json(verdict)
        for one in shifts
        for verdict in one.verdicts
    ]
    write_json(made.place / "verdicts.json", verdicts, allow_nan=False)
    _write_columns(made, "features.parquet", "feature", [(one.store.name, one.features) for one in shifts])
    _write_columns(made, "classes.parquet", "index", [(one.store.name, one.classes) for one in shifts])


def write_matrix(battery: Battery, made: RunFolder, progress: Progress) -> None:
    """Distances between all sets by the statistics that read once, and the trees that these make."""
    progress.say(f"comparing {len(battery.views)} sets two by two")
    with made.timed("matrix"):
        every = distances(battery, [name for name in battery.names if not SHIFTS[name].needs_rows])
    made.write_table("distances.parquet", pa.Table.from_pylist(list(chain.from_iterable(one.rows() for one in every))))
    made.write_table("linkage.parquet", pa.Table.from_pylist(list(chain.from_iterable(one.tree() for one in every))))


def _as_json(verdict: Verdict) -> dict[str, Any]:
    """Without NaN and infinity, which JSON has not."""
    fields = asdict(verdict).items()
    return {name: finite(value) if isinstance(value, float) else value for name, value in fields}


def _write_columns(
    made: RunFolder, name: str, index: str, columns_of: Sequence[tuple[str, dict[str, np.ndarray]]]
) -> None:
    """A table with the rows of all targets below each other; none where there are no columns."""
    tables = []
    for target, columns in columns_of:
        if columns:
            rows = len(next(iter(columns.values())))
            numbered = {"target": pa.array([target] * rows), index: pa.array(np.arange(rows))}
            tables.append(pa.table(numbered | {title: pa.array(column) for title, column in columns.items()}))
    if tables:
        made.write_table(name, pa.concat_tables(tables, promote_options="default"))


def results_of(reference: str, one: TargetShift) -> list[Result]:
    """A row for each value, p-value, effect and null value; the model's place holds the name of the reference."""
    target = one.store.provenance
    results = []
    for verdict in one.verdicts:
        place = {"dataset": target.dataset, "split": target.split, "model": reference, "class_name": verdict.class_name}
        numbers = {name: finite(getattr(verdict, name)) for name in ("value", "low", "high")}
        results.append(Result(**place, metric=verdict.statistic, **numbers, n=verdict.n))
        for name, value in (("p_value", verdict.p), ("effect", verdict.effect), ("null", verdict.null)):
            if finite(value) is not None:
                results.append(Result(**place, metric=f"{verdict.statistic}_{name}", value=float(value), n=verdict.n))
    return results
