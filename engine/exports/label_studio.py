"""Images with the model's prediction as tasks of Label Studio, the misclassified and the most certain of them first."""

from collections.abc import Iterator
from itertools import chain

import numpy as np
import pyarrow as pa

from gapscope.blocks.formats import percent
from gapscope.core.location import Location
from gapscope.core.text import counted
from gapscope.data.source import Source
from gapscope.exports.lists import write_list
from gapscope.exports.subject import Subject, Written, file_of
from gapscope.predictions import Predictions
from gapscope.repairs.queue_files import LABEL_STUDIO, tasks_of

ROWS = 10_000


def export(subject: Subject, out: Location) -> Written:
    """Write one list of tasks for all sets that a run has predicted."""
    tables = chain.from_iterable(_tables(one, subject.images(one)) for one in subject.predictions())
    count = write_list(out / LABEL_STUDIO, chain.from_iterable(map(tasks_of, tables)))
    opens = (
        f"Import {LABEL_STUDIO} into a project whose labelling interface has an Image tag called image and a Choices "
        "tag called choice; images by path need its local storage"
    )
    return Written(counted(count, "task"), opens)


def _tables(predictions: Predictions, source: Source | None) -> Iterator[pa.Table]:
    """What a task says of each image, in the order in which they are worth a look; some rows at a time."""
    confidence = np.full(predictions.n, np.nan) if predictions.confidence is None else predictions.confidence
    wrong = predictions.known & ~predictions.right
    order = np.lexsort([-np.nan_to_num(confidence), ~wrong])
    names = predictions.class_names
    for rows in np.split(order, range(ROWS, len(order), ROWS)):
        yield pa.table(
            {
                "image": [_place(source, int(predictions.sample_id[row])) for row in rows],
                "sample_id": predictions.sample_id[rows],
                "predicted": [names[index] for index in predictions.predicted[rows]],
                "confidence": np.nan_to_num(confidence[rows]).astype(np.float64),
                "reason": [_reason(predictions, int(row), float(confidence[row])) for row in rows],
            }
        )


def _place(source: Source | None, sample: int) -> str:
    """The image's file, or its name."""
    if source is None:
        return str(sample)
    return str(file_of(source, sample) or source.listing.names[sample])


def _reason(predictions: Predictions, row: int, confidence: float) -> str:
    names = predictions.class_names
    label = int(predictions.label[row])
    known = f"labelled {names[label]}" if label >= 0 else "without a label"
    sure = f" with {percent(confidence)}" if np.isfinite(confidence) else ""
    return f"{predictions.name}: {known}, predicted as {names[predictions.predicted[row]]}{sure}"
