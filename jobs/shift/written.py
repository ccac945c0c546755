"""What a run of `shift` leaves: verdicts as JSON, features and classes as tables, results."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from gapscope.core.files import write_json
from gapscope.jobs.shift.found import Compared
from gapscope.runs.folder import RunFolder
from gapscope.runs.result import finite
from gapscope.schemas.results import Result
from gapscope.store import EmbeddingStore
from gapscope.store.selected import Selected

if TYPE_CHECKING:  # this loads much of SciPy, and `--help` has to be instant
    from gapscope.inference import Verdict

VERDICTS, FEATURES, CLASSES = "verdicts.json", "features.parquet", "classes.parquet"


def write(folder: RunFolder, reference: EmbeddingStore | Selected, found: Sequence[Compared]) -> None:
    """Verdicts as JSON, features and classes as Parquet."""
    verdicts = [
        {"reference": reference.name, "target": one.store.name} | _as_json(verdict)
        for one in found
        for verdict in one.verdicts
    ]
    write_json(folder.place / VERDICTS, verdicts, allow_nan=False)
    _write_columns(folder, FEATURES, "feature", [(one.store.name, one.features) for one in found])
    _write_columns(folder, CLASSES, "index", [(one.store.name, one.classes) for one in found])


def _as_json(verdict: "Verdict") -> dict[str, Any]:
    """Without NaN and infinity, which JSON has not."""
    fields = asdict(verdict).items()
    return {name: finite(value) if isinstance(value, float) else value for name, value in fields}


def _write_columns(
    folder: RunFolder, name: str, index: str, found: Sequence[tuple[str, dict[str, np.ndarray]]]
) -> None:
    """A table with the rows of all targets below each other; none where there are no columns."""
    tables = []
    for target, columns in found:
        if columns:
            rows = len(next(iter(columns.values())))
            numbered = {"target": pa.array([target] * rows), index: pa.array(np.arange(rows))}
            tables.append(pa.table(numbered | {title: pa.array(column) for title, column in columns.items()}))
    if tables:
        folder.write_table(name, pa.concat_tables(tables, promote_options="default"))


def results_of(reference: str, one: Compared) -> list[Result]:
    """A row for each value, p-value, effect and null value; the model's place holds the name of the reference."""
    made = one.store.provenance
    results = []
    for verdict in one.verdicts:
        common = {"dataset": made.dataset, "split": made.split, "model": reference, "class_name": verdict.class_name}
        numbers = {name: finite(getattr(verdict, name)) for name in ("value", "low", "high")}
        results.append(Result(**common, metric=verdict.statistic, **numbers, n=verdict.n))
        for name, value in (("p_value", verdict.p), ("effect", verdict.effect), ("null", verdict.null)):
            if finite(value) is not None:
                results.append(Result(**common, metric=f"{verdict.statistic}_{name}", value=float(value), n=verdict.n))
    return results
