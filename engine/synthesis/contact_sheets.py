"""Contact sheets: for each class its training images, the new ones, and the training images nearest to these."""

from collections.abc import Iterator
from io import BytesIO
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from PIL import Image

from gapscope.data.copies import class_folder_names
from gapscope.draw.contact import ClassSheet, Shown, contact_sheet
from gapscope.synthesis.image_set import NOT_NEEDED
from gapscope.synthesis.samples import Samples
from gapscope.synthesis.training_images import TrainingImages

# Images across, and classes on the sheet that stands for all.
ACROSS, TOGETHER = 8, 6
# Classes beyond which only those with the fewest images get a sheet of their own.
MOST = 100
ALL = "contact"


class Sheet(NamedTuple):
    """A picture and the name of its file."""

    name: str
    content: bytes


def sheets_of(table: pa.Table, samples: Samples, data: TrainingImages, title: str) -> Iterator[Sheet]:
    """The classes with the fewest images together, then each class by itself."""
    made = np.unique(table["class"].to_numpy())
    rare = made[np.argsort(data.counts[made], kind="stable")]
    classes = {int(label): _class(table, samples, data, int(label)) for label in rare[:MOST]}
    yield Sheet(ALL, _png(contact_sheet([classes[int(label)] for label in rare[:TOGETHER]], title=title)))
    folders = class_folder_names(data.class_names)
    for label in sorted(classes):
        yield Sheet(f"{ALL}-{folders[label]}", _png(contact_sheet([classes[label]], title=title)))


def _class(table: pa.Table, samples: Samples, data: TrainingImages, label: int) -> ClassSheet:
    """Some training images, and the first new ones that were needed, dropped ones too."""
    own = np.flatnonzero(data.labels == label)[:ACROSS]
    rows = [row for row in table.filter(_of(table, label)).to_pylist() if row["reason"] != NOT_NEEDED][:ACROSS]
    shown = [
        Shown(
            samples.pixels(row["sample_id"]),
            data.images.pixels[row["nearest_training"]],
            row["training_distance"],
            row["reason"],
        )
        for row in rows
    ]
    return ClassSheet(data.class_names[label], list(data.pixels[own]), shown)


def _of(table: pa.Table, label: int) -> pa.Array:
    return pa.array(table["class"].to_numpy() == label)


def _png(image: Image.Image) -> bytes:
    file = BytesIO()
    image.save(file, format="PNG")
    return file.getvalue()
