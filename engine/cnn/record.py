"""The tables and pictures that a training leaves beside its model."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from gapscope.cnn.images import Images
from gapscope.cnn.train import Fitted, history_columns
from gapscope.cnn.training_run import TrainingRun
from gapscope.core.files import write_table
from gapscope.core.location import Location
from gapscope.draw import png
from gapscope.draw.history import history
from gapscope.evaluation.training_sets import seen_among
from gapscope.runs.folder import TRAINED_ON, RunFolder
from gapscope.schemas.embeddings import REJECTED_SCHEMA

HISTORY, REJECTED = "history.parquet", "rejected.parquet"
HISTORY_SCHEMA = pa.schema(
    [
        pa.field("epoch", pa.int32(), nullable=False),
        *(pa.field(f"train_{name}", pa.float64(), nullable=False) for name in ("loss", "accuracy")),
        *(pa.field(f"validation_{name}", pa.float64()) for name in ("loss", "accuracy")),
        *(pa.field(name, pa.float64(), nullable=False) for name in ("lr", "seconds", "images_per_second")),
    ]
)
SPLIT_REJECTED_SCHEMA = REJECTED_SCHEMA.insert(0, pa.field("split", pa.string(), nullable=False))


def write_history(run: TrainingRun, title: str, fitted: Fitted) -> None:
    """The history of a training as a table, and its loss and accuracy as pictures."""
    columns = history_columns(fitted.history)
    _write(run.place(title) / HISTORY, pa.table(columns, HISTORY_SCHEMA))
    for what, unit in (("loss", "loss, nats"), ("accuracy", "accuracy")):
        lines = {part: columns[f"{part}_{what}"] for part in ("train", "validation")}
        picture = history(lines, title=f"{title}: {what} by epoch", up=unit, chosen=fitted.epoch)
        run.draw(title, f"history-{what}", png(picture))


def rejected_rows(images: Images) -> list[dict[str, Any]]:
    """The images of a split that could not be decoded, as rows of the table."""
    names = images.source.listing.names
    return [
        {"split": images.name, "sample_id": row, "path": names[row], "reason": why}
        for row, why in sorted(images.rejected.items())
    ]


def rejected_note(name: str, files: int, rows: Sequence[Mapping[str, Any]]) -> str:
    """How many of the files of a set hold no usable image."""
    first = rows[0]
    return (
        f"{name}: {len(rows)} of {files:,} files hold no usable image and were left out, such as {first['path']} "
        f"({first['reason']}); all are in {REJECTED}"
    )


def write_rejected(place: Location, rows: Sequence[Mapping[str, Any]]) -> None:
    """The files that hold no usable image, of all splits; written even when it is empty."""
    _write(place / REJECTED, pa.Table.from_pylist(list(rows), SPLIT_REJECTED_SCHEMA))


def seen_notes(folder: RunFolder, title: str, trained: np.ndarray, tests: Mapping[str, np.ndarray]) -> list[str]:
    """Leave the digests of the images that networks called `title` were ``trained : (n,) uint64`` on, by which every
    later command knows these, and warn of sets to test on, whose digests stand by their names, that hold some.
    """
    folder.write_table(TRAINED_ON, pa.table({"digest": trained}))
    return [
        said for name, of in tests.items() for said in seen_among(title, [trained], name, len(of), lambda of=of: of)
    ]


def usable_digests(images: Images) -> np.ndarray:
    """Of the images that could be decoded; known once all of them were read."""
    return np.delete(images.digests, list(images.rejected))


def _write(place: Location, table: pa.Table) -> None:
    write_table(place, table)
