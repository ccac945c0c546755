"""Labels that know better than those of a set: several valid classes for an image, or corrected ones.

A prediction is correct where it is among the valid classes. Images that a file gives no class at all are left out, as
ReaL does; images that it does not mention keep their label.

References
----------
Beyer et al. (2020), "Are we done with ImageNet?" (ReaL). Northcutt et al. (2021): label errors in test sets.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from gapscope.core.errors import InputError
from gapscope.core.location import Location
from gapscope.predictions import Predictions
from gapscope.predictions.files import read_table
from gapscope.predictions.images import ids_of_names

IDENTITIES, CLASSES = ("sample_id", "image", "path", "id"), ("labels", "label", "classes", "class")


@dataclass(frozen=True, eq=False)
class ValidLabels:
    """Which classes each image may be given.

    Attributes
    ----------
    sample_id : (u,) int64 or None
        Ascending; None where the file lists images in the order of the set.
    rows
        u.
    valid : (v,) int64
        ``position * classes + class`` for each valid class, ascending.
    classes
        k.
    place
        The file, for messages.
    """

    sample_id: np.ndarray | None
    rows: int
    valid: np.ndarray
    classes: int
    place: str

    def of(self, sample_id: np.ndarray) -> np.ndarray:
        """Position of each image in this value, -1 for those that it does not mention.

        Raises
        ------
        InputError
            Images stand in the order of the set, which has another number of them.
        """
        if self.sample_id is None:
            if len(sample_id) != self.rows:
                raise InputError(
                    f"{self.place} lists {self.rows:,} images without their names, the set has {len(sample_id):,}; "
                    "name the images, or give one file for each side"
                )
            return np.arange(self.rows)
        place = np.minimum(np.searchsorted(self.sample_id, sample_id), max(self.rows - 1, 0))
        result = self.sample_id[place] == sample_id if self.rows else np.zeros(len(sample_id), bool)
        return np.where(result, place, -1)


@dataclass(frozen=True, eq=False)
class Rescored:
    """The predictions of one set under better labels, ``(n,) bool`` each.

    Attributes
    ----------
    right
        Whether the prediction is correct.
    kept
        Whether the image counts: it has a label, and the file does not leave it without one.
    mentioned
        Whether the file speaks of it.
    """

    right: np.ndarray
    kept: np.ndarray
    mentioned: np.ndarray


def rescored(predictions: Predictions, labels: ValidLabels | None) -> Rescored:
    """The rows of `predictions` scored with `labels`, or as they are with None."""
    known = predictions.known
    if labels is None:
        return Rescored(predictions.right, known, np.zeros(predictions.n, bool))
    place = labels.of(predictions.sample_id)
    mentioned = place >= 0
    counts = np.bincount(labels.valid // labels.classes, minlength=labels.rows)
    some = mentioned & (np.append(counts, 0)[place] > 0)
    right = np.isin(place * labels.classes + predictions.predicted, labels.valid)
    return Rescored(np.where(some, right, predictions.right & ~mentioned), known & (some | ~mentioned), mentioned)


def read_labels(place: str, class_names: Sequence[str]) -> ValidLabels:
    """Valid labels from a file.

    A JSON list holds a list of classes for each image of the set, in its order (as ReaL's does); a JSON object holds
    them by image name. A table (Parquet, CSV, JSON lines) has a column sample_id, image, path or id, and a column
    labels or label: a list, a class, or classes with blanks or commas between them. Classes are numbers or names.

    Raises
    ------
    InputError
        The file is not there or says something else.
    """
    source = Location.of(place)
    if not source.exists():
        raise InputError(f"there is no file of labels at {place}")
    names, sets = _json(source) if place.endswith(".json") else (None, None)
    if sets is None:
        names, sets = _table(read_table(source), place)
    return _valid(names, sets, class_names, place)


def _json(source: Location) -> tuple[Sequence | None, list | None]:
    """Names and class sets of a JSON list of lists or an object; nothing for a JSON table."""
    try:
        result = json.loads(source.read_text())
    except ValueError:
        return None, None
    if isinstance(result, dict) and all(isinstance(one, list | int | str) for one in result.values()):
        return list(result), [_several(one) for one in result.values()]
    if isinstance(result, list) and all(isinstance(one, list | int) for one in result):
        return None, [_several(one) for one in result]
    return None, None


def _table(table: pa.Table, place: str) -> tuple[Sequence, list]:
    identity = next((name for name in IDENTITIES if name in table.column_names), None)
    column = next((name for name in CLASSES if name in table.column_names), None)
    if identity is None or column is None:
        raise InputError(
            f"{place} has the columns {', '.join(table.column_names)}; labels need one of {', '.join(IDENTITIES)} and "
            f"one of {', '.join(CLASSES)}"
        )
    return table[identity].to_pylist(), [_several(one) for one in table[column].to_pylist()]


def _several(value: object) -> list:
    """The classes in one cell."""
    if value is None:
        return []
    if isinstance(value, str):
        return [value]
    return list(value) if isinstance(value, Iterable) else [value]


def _valid(names: Sequence | None, sets: list, class_names: Sequence[str], place: str) -> ValidLabels:
    classes = len(class_names)
    index = {name: i for i, name in enumerate(class_names)}
    ids = None if names is None else _ids(names)
    unique, position = (None, np.arange(len(sets))) if ids is None else np.unique(ids, return_inverse=True)
    pairs = {
        int(at) * classes + one
        for at, cell in zip(position, sets, strict=True)
        for word in cell
        for one in _indices(word, index, place)
    }
    rows = len(sets) if unique is None else len(unique)
    return ValidLabels(unique, rows, np.array(sorted(pairs), np.int64), classes, place)


def _ids(names: Sequence) -> np.ndarray:
    if all(isinstance(name, int) for name in names):
        return np.array(names, np.int64)
    return ids_of_names([str(name) for name in names])


def _indices(word: object, index: dict[str, int], place: str) -> list[int]:
    """Class indices of a number, a name, or several with blanks or commas between them."""
    if isinstance(word, str) and word in index:
        return [index[word]]
    parts = word.replace(",", " ").split() if isinstance(word, str) else [word]
    result = [index.get(part, part) if isinstance(part, str) else part for part in parts]
    numbers = [int(one) if str(one).lstrip("-").isdigit() else -2 for one in result]
    for part, number in zip(parts, numbers, strict=True):
        if not -1 <= number < len(index):
            raise InputError(f"{place} has a class {part!r} that is not among the {len(index)} classes of the set")
    return [number for number in numbers if number >= 0]
