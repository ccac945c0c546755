"""Labels of some rows of a set: stored ones, or those of a file that a person has filled in."""

import json
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from gapscope.core.chunk import Chunk
from gapscope.core.errors import InputError, unknown_name
from gapscope.core.location import Location
from gapscope.core.text import composed, counted
from gapscope.predictions.files import read_rows
from gapscope.store import View
from gapscope.stream import Workers, each

ID, LABEL = "sample_id", "label"


class LabelFile(NamedTuple):
    """Labels by image: ascending ``sample_id : (n,)``, and class indices ``label : (n,)``."""

    sample_id: np.ndarray
    label: np.ndarray


def read_label_file(place: str, class_names: tuple[str, ...]) -> LabelFile:
    """The labels in a CSV, TSV, Parquet or JSON table with the columns sample_id and label, or in what Label Studio
    exports; rows without a label are left out.

    Raises
    ------
    InputError
        There is no such file, a column is missing, a class is unknown, an image occurs twice, or nothing has a label.
    """
    if not Location.of(place).exists():
        raise InputError(
            f"there is no file of labels at {place}; name a table with the columns {ID} and {LABEL}, such as the "
            "queue.csv in the folder of a run of `label-queue`"
        )
    table = _of_label_studio(Location.of(place)) or read_rows(Location.of(place))
    for column in (ID, LABEL):
        if column not in table.column_names:
            raise InputError(
                f"{place} lacks the column {column}: it has {', '.join(table.column_names[:12])}; labels need "
                f"{ID} and {LABEL}"
            )
    filled = [
        (one, name)
        for one, name in zip(_ids(table, place), table[LABEL].to_pylist(), strict=True)
        if name not in (None, "")
    ]
    if not filled:
        raise InputError(f"{place} has no row with a label; fill in the column {LABEL} with names of classes")
    ids = np.array([one for one, _ in filled], np.int64)
    label = np.array([_index(name, class_names, place) for _, name in filled], np.int64)
    order = np.argsort(ids, kind="stable")
    twice = ids[order][1:][np.diff(ids[order]) == 0]
    if len(twice):
        raise InputError(f"{place} has several labels of the image with sample_id {twice[0]}; keep one")
    return LabelFile(ids[order], label[order])


def _of_label_studio(place: Location) -> pa.Table | None:
    """The table of tasks that Label Studio has exported with their annotations; None for another file."""
    if not place.name.endswith(".json") or not place.exists():
        return None
    tasks = json.loads(place.read_text())
    if not (isinstance(tasks, list) and tasks and all(isinstance(one, dict) and "annotations" in one for one in tasks)):
        return None
    return pa.Table.from_pylist([{ID: one["data"].get(ID), LABEL: _annotated(one)} for one in tasks])


def _annotated(task: dict) -> str:
    """The class that was chosen last; empty where none was."""
    chosen = [result["value"].get("choices", []) for one in task["annotations"] for result in one.get("result", [])]
    return str(chosen[-1][0]) if chosen and chosen[-1] else ""


def _ids(table: pa.Table, place: str) -> list[int]:
    try:
        return table[ID].cast(pa.int64()).to_pylist()
    except pa.ArrowException as error:
        raise InputError(f"{place}: {ID} must be whole numbers ({error})") from error


def _index(name: object, class_names: tuple[str, ...], place: str) -> int:
    """The class index of a name, or of a number that is no name."""
    text, index = composed(str(name)), {composed(one): at for at, one in enumerate(class_names)}
    if text in index:
        return index[text]
    if text.isdecimal() and int(text) < len(class_names) and not all(one.isdecimal() for one in class_names):
        return int(text)
    error = unknown_name(f"class in {place}", text, class_names)
    raise InputError(str(error))


@dataclass(frozen=True, eq=False)
class _Picked:
    """Picklable, for workers: the rows of a chunk with the wanted ids."""

    sample_id: np.ndarray

    def __call__(self, _index: int, chunk: Chunk) -> Chunk:
        wanted = np.isin(chunk.sample_id, self.sample_id)
        return chunk.take(wanted)


def rows_of(view: View, sample_id: np.ndarray, workers: Workers) -> Chunk:
    """The rows of a view with these ids, in the order of the view; one read."""
    chunks = each(view, _Picked(sample_id), workers, description=f"chosen rows of {view.store.name}")
    return Chunk.joined(chunks)


def rows_with_labels(view: View, labels: LabelFile, workers: Workers) -> Chunk:
    """The rows of a view that the file names, with its labels; one read.

    Raises
    ------
    InputError
        The file names images that the set has not.
    """
    result = rows_of(view, labels.sample_id, workers)
    missing = np.setdiff1d(labels.sample_id, result.sample_id)
    if len(missing):
        raise InputError(
            f"{len(missing):,} of the {len(labels.sample_id):,} labelled images, such as sample_id {missing[0]}, are "
            f"not in {view.store.name}; give labels of this set"
        )
    at = np.searchsorted(labels.sample_id, result.sample_id)
    return result._replace(y=labels.label[at].astype(np.int32))


def first_labelled(view: View, count: int) -> Chunk:
    """The first `count` rows of a view that have a stored label.

    Raises
    ------
    InputError
        There are fewer.
    """
    found: list[Chunk] = []
    rows = 0
    for chunk in view.chunks():
        known = np.flatnonzero(chunk.y >= 0)[: count - rows]
        found.append(chunk.take(known))
        rows += len(known)
        if rows >= count:
            return Chunk.joined(found)
    raise InputError(
        f"{view.store.name} has {rows:,} stored labels among the {counted(view.rows, 'row')} to fit on, "
        "and --label-rows asks "
        f"for {count:,}; give fewer, or --labels FILE"
    )
