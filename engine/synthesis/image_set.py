"""The new set on disk: images in class folders, a table with a row for each that was made, and its record."""

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from PIL import Image

from gapscope.core.files import write_json, write_table
from gapscope.core.location import Location
from gapscope.core.progress import Progress
from gapscope.data.copies import COMPRESSION, class_folder_names
from gapscope.data.synthetic import IMAGES, LEARNT, RECORD
from gapscope.synthesis.samples import Samples
from gapscope.synthesis.training_images import TrainingImages

NOT_NEEDED = "not_needed"
FILE = "{}/{:06d}.png"


def table_of(filtered: pa.Table, data: TrainingImages, wanted: np.ndarray) -> pa.Table:
    """A row for each image in the order of its making: as `SYNTHETIC_SCHEMA`, with names beside numbers.

    Of the images of a class that pass, the first ``wanted[class]`` are kept; the others were made in case more would
    fail. ``nearest_training`` becomes the position in the listing of the split.
    """
    table = needed(filtered.sort_by("sample_id"), wanted)
    label, kept = table["class"].to_numpy(), table["kept"].to_numpy()
    folders = class_folder_names(data.class_names)
    files = [FILE.format(folders[one], index) for one, index in zip(label, table["index"].to_numpy(), strict=True)]
    nearest = data.rows.train[table["nearest_training"].to_numpy()]
    listed = data.source.listing.names
    columns = {
        "nearest_training": pa.array(nearest),
        "class_name": pa.array([data.class_names[one] for one in label.tolist()]),
        "file": pa.array([file if one else None for file, one in zip(files, kept.tolist(), strict=True)], pa.string()),
        "nearest_path": pa.array([listed[row] for row in nearest.tolist()]),
    }
    return _with(table, columns)


def needed(filtered: pa.Table, wanted: np.ndarray) -> pa.Table:
    """A table of the checks in which of each class no more than ``wanted[class]`` are kept, the first that pass."""
    label, passed = filtered["class"].to_numpy(), filtered["kept"].to_numpy()
    place = np.zeros(len(label), np.int64)
    for one in np.unique(label):
        mine = label == one
        place[mine] = np.cumsum(passed[mine])
    kept = passed & (place <= wanted[label])
    reason = np.where(passed & ~kept, NOT_NEEDED, np.array(filtered["reason"].to_pylist(), object))
    return _with(filtered, {"kept": pa.array(kept), "reason": pa.array(reason.tolist(), pa.string())})


def _with(table: pa.Table, columns: Mapping[str, pa.Array]) -> pa.Table:
    """The table with these columns, in the places of those that are called the same."""
    for name, column in columns.items():
        at = table.schema.get_field_index(name)
        table = table.set_column(at, name, column) if at >= 0 else table.append_column(name, column)
    return table


def begin_set(place: Location) -> None:
    """An empty folder; an earlier set there is gone, its record first, so that no half of it passes for a set."""
    (place / RECORD).delete()
    place.delete_folder()


def write_set(
    place: Location,
    table: pa.Table,
    samples: Samples,
    data: TrainingImages,
    record: Mapping[str, Any],
    progress: Progress,
) -> None:
    """Write the images that are kept, the table and, last of all, the record that makes them a set."""
    begin_set(place)
    kept = table.filter(table["kept"])
    rows = zip(kept["sample_id"].to_pylist(), kept["file"].to_pylist(), strict=True)
    with progress.task("write images", kept.num_rows, "images") as task:
        for row, file in rows:
            folder, _, name = file.partition("/")
            image = _image(samples.pixels(row))
            (place / folder / name).write_atomically(partial(image.save, format="PNG", compress_level=COMPRESSION))
            task.advance()
    write_table(place / IMAGES, table)
    write_table(place / LEARNT, pa.table({"row": data.rows.train}))
    fingerprint = data.source.listing.fingerprint().model_dump()
    about = {**record, "fingerprint": fingerprint, "images": kept.num_rows, "status": "complete"}
    write_json(place / RECORD, about)


def counted(table: pa.Table) -> dict[str, int]:
    """How many images were kept, and how many were left out for each reason."""
    reasons = pc.value_counts(table["reason"]).to_pylist()
    counts = {one["values"]: one["counts"] for one in reasons}
    return {"kept": counts.pop("", 0)} | dict(sorted(counts.items()))


def _image(pixels: np.ndarray) -> Image.Image:
    return Image.fromarray(np.ascontiguousarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels))
