"""What a run of `repair` leaves on disk: the repaired model, a table of all repairs, and the rows it was fitted to."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pyarrow as pa

from gapscope.probes.model import Classifier
from gapscope.repairs.criterion import Signs
from gapscope.repairs.fit import NOTHING, Candidate
from gapscope.repairs.judge import Gain
from gapscope.repairs.words import words
from gapscope.runs.folder import FITTED_ON, MODELS, RunFolder
from gapscope.schemas.results import Result
from gapscope.schemas.selection import SELECTION_SCHEMA
from gapscope.store import EmbeddingStore

REPAIRS, CELLS = "repairs", "groups"
NUMBERS = ("before", "after", "value", "low", "high", "p", "n")
REPAIRS_SCHEMA = pa.schema(
    [
        pa.field("name", pa.string(), nullable=False),
        pa.field("chosen", pa.bool_(), nullable=False),
        pa.field("applies", pa.bool_(), nullable=False),
        pa.field("labels", pa.int64(), nullable=False),
        pa.field("seconds", pa.float64(), nullable=False),
        *(pa.field(name, pa.float64()) for name in Signs._fields),
        pa.field("note", pa.string(), nullable=False),
        *(pa.field(f"{side}_{name}", pa.float64()) for side in ("target", "reference") for name in NUMBERS),
    ]
)


def table_of(
    candidates: Sequence[Candidate], chosen: str, target: Mapping[str, Gain], reference: Mapping[str, Gain]
) -> pa.Table:
    """A row for each repair, also for those that do not apply."""
    rows = []
    for one in candidates:
        row = {"name": one.name, "chosen": one.name == chosen, "applies": one.head is not None, "note": one.note}
        row |= {"labels": one.labels, "seconds": one.seconds} | (one.signs._asdict() if one.signs else {})
        for side, gains in (("target", target), ("reference", reference)):
            if one.name in gains:
                row |= {f"{side}_{name}": float(value) for name, value in gains[one.name]._asdict().items()}
        rows.append(row)
    return pa.Table.from_pylist(rows, REPAIRS_SCHEMA)


def results_of(gains: Mapping[str, Gain], model: Classifier, store: EmbeddingStore, metric: str) -> list[Result]:
    """The gain of every repair on a set as results."""
    about = {"dataset": store.provenance.dataset, "split": store.provenance.split, "metric": metric}
    return [
        Result(**about, model=title(model, name), value=one.value, low=one.low, high=one.high, n=one.n)
        for name, one in gains.items()
    ]


def title(model: Classifier, name: str) -> str:
    """What results call a repaired model; the old one is not repaired."""
    return model.name if name == NOTHING else f"{model.name} repaired to {words(name)}"


def save(model: Classifier, chosen: Candidate, target: str, made: RunFolder) -> Classifier:
    """Write the repaired model below the run's models, and return it."""
    about = {"repair": chosen.name, "repaired_for": target, "labels": chosen.labels, "note": chosen.note}
    result = replace(model, name=title(model, chosen.name), rule=chosen.head, details=model.details | about)
    result.save(made.place / MODELS / chosen.name)
    return result


def save_rows(rows: Sequence[tuple[EmbeddingStore, np.ndarray]], made: RunFolder) -> None:
    """Write the rows of sets that the repair was fitted to, by their sample ids, as a selection, for ``--exclude``."""
    tables = []
    for store, sample_id in rows:
        made_by = store.provenance
        names = (pa.array([one] * len(sample_id), pa.string()) for one in (made_by.dataset, made_by.split))
        tables.append(pa.table([pa.array(np.sort(sample_id), pa.int64()), *names], schema=SELECTION_SCHEMA))
    made.write_table(FITTED_ON, pa.concat_tables(tables))
