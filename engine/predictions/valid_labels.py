"""Labels that know better than those of a set: the valid classes of each image, several or corrected ones.

Images are matched by name. A list without names is in some order of the images: that of the table, that of the numbers
in their names, or that of the names; it is the one in which the images' own labels are valid.

References
----------
Beyer et al. (2020), "Are we done with ImageNet?" (ReaL). Northcutt et al. (2021): label errors in test sets.
"""

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from gapscope.core.errors import InputError
from gapscope.core.location import Location
from gapscope.core.text import composed
from gapscope.predictions.columns import IDS, found
from gapscope.predictions.files import read_table, suffix_of
from gapscope.predictions.images import ids_of_names
from gapscope.predictions.names import are_numbers
from gapscope.predictions.table import Predictions

CLASSES = ("labels", "label", "classes", "class")
# Share of images whose own label must be valid, and standard errors by which it must be beyond chance.
MOST, BEYOND = 0.5, 4.0


@dataclass(frozen=True, eq=False)
class ValidLabels:
    """The valid classes of m images: those of image i are ``classes[start[i] : start[i + 1]]``.

    Attributes
    ----------
    sample_id : (m,) int64, or None
        Ascending; None where the file does not name its images.
    start : (m + 1,) int64
    classes : (total,) int64
        Ascending for each image.
    place
        The file, for messages.
    """

    sample_id: np.ndarray | None
    start: np.ndarray
    classes: np.ndarray
    place: str

    @property
    def images(self) -> int:
        """m."""
        return len(self.start) - 1

    def rows_of(self, predictions: Predictions) -> np.ndarray:
        """The position of each predicted image in this value, ``(n,)``; -1 where it is not mentioned.

        Raises
        ------
        InputError
            The file has a list for another number of images, or the images' own labels are not among the valid ones.
        """
        if self.sample_id is not None:
            rows = _places(self.sample_id, predictions.sample_id)
            agreeing = self._agreeing(predictions, rows)
        else:
            orders = list(_orders(predictions, self.images))
            if not orders:
                raise InputError(
                    f"{self.place} lists {self.images:,} images without their names, the set has {predictions.n:,}; "
                    "name the images, or give one file for each set"
                )
            rows = max(orders, key=lambda order: self._agreeing(predictions, order)[0])
            agreeing = self._agreeing(predictions, rows)
        share, chance = agreeing
        if share < MOST or (share < 1 and share <= chance):
            raise InputError(
                f"{self.place} does not belong to {predictions.name}: the own label of an image is among its valid "
                f"ones for {100 * share:.1f} % of the images; name the images in it, and use the same class numbers"
            )
        return rows

    def _agreeing(self, predictions: Predictions, rows: np.ndarray) -> tuple[float, float]:
        """The share of labelled images whose own label is valid or that are not mentioned, and what chance may give.

        By chance, as many agree as if the labels were dealt out anew; 0 where only some images are named.
        """
        size, member = self._lookup(rows, predictions.label[:, None])
        known = predictions.known & ((size > 0) | (rows < 0))
        if not known.any():
            return 1.0, 0.0
        fine = member[:, 0] | (rows < 0)
        if self.sample_id is not None:
            return float(fine[known].mean()), 0.0
        labels = predictions.label[known]
        valid = np.bincount(self._classes_of(rows[known]), minlength=int(labels.max()) + 1)[labels].mean() / known.sum()
        error = np.sqrt(valid * max(1 - valid, 0) / known.sum())
        return float(fine[known].mean()), float(valid + BEYOND * error)

    def _classes_of(self, rows: np.ndarray) -> np.ndarray:
        """The valid classes of all images at `rows`, one after another."""
        size = np.diff(self.start)[rows]
        first = np.repeat(self.start[rows] - np.concatenate([[0], np.cumsum(size)[:-1]]), size)
        return self.classes[first + np.arange(size.sum())]

    def member(self, predictions: Predictions) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """For the rows of `predictions`, the number of valid classes ``(n,)``, whether each of the best classes is one
        ``(n, t)``, and whether the image is mentioned ``(n,)``.
        """
        rows = self.rows_of(predictions)
        return (*self._lookup(rows, predictions.top), rows >= 0)

    def _lookup(self, rows: np.ndarray, asked: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Number of valid classes at `rows`, and which of the classes ``asked : (n, t)`` are valid there."""
        size = np.append(np.diff(self.start), 0)
        width = 1 + max(int(self.classes.max(initial=0)), int(asked.max(initial=0)))
        pairs = np.repeat(np.arange(self.images), np.diff(self.start)) * width + self.classes
        wanted = np.where((rows[:, None] >= 0) & (asked >= 0), rows[:, None] * width + asked, -1)
        place = np.minimum(np.searchsorted(pairs, wanted), max(len(pairs) - 1, 0))
        return size[rows], pairs[place] == wanted if len(pairs) else np.zeros(asked.shape, bool)


def _places(known: np.ndarray, asked: np.ndarray) -> np.ndarray:
    """The position of each id in ``known``, ascending; -1 where it is not there."""
    if not len(known):
        return np.full(len(asked), -1)
    place = np.minimum(np.searchsorted(known, asked), len(known) - 1)
    return np.where(known[place] == asked, place, -1)


def _orders(predictions: Predictions, images: int) -> Iterator[np.ndarray]:
    """Positions of the rows in a list of `images` images, for each order that it may have."""
    if predictions.n == images:
        yield np.arange(images)
    numbers = [predictions.sample_id]
    if predictions.image is not None:
        names = predictions.image.to_pylist()
        numbered = _numbers(names)
        numbers = [] if numbered is None else [numbered, numbered - 1]
        if predictions.n == images:
            yield np.argsort(np.argsort(np.array(names, dtype=object), kind="stable"), kind="stable")
    for one in numbers:
        if one.min(initial=0) >= 0 and one.max(initial=0) < images:
            yield one


def _numbers(names: Sequence[str]) -> np.ndarray | None:
    """The last number in each image's name; None where one has none or two have the same."""
    result = [re.findall(r"\d+", name.rpartition(".")[0] or name)[-1:] for name in names]
    if not all(result):
        return None
    numbers = np.array([min(int(one[0]), 1 << 62) for one in result], np.int64)
    return numbers if len(np.unique(numbers)) == len(numbers) else None


def read_valid_labels(place: str, class_names: Sequence[str]) -> ValidLabels:
    """Valid labels from a file.

    A JSON list holds a list of classes for each image (as ReaL's does, in the order of the images' numbers); a JSON
    object holds them by image name. A table (Parquet, CSV, JSON lines) has a column sample_id, image, path or id, and a
    column labels or label: a list, a class, or classes with blanks or commas between them. Classes are numbers or
    names.

    Raises
    ------
    InputError
        The file is not there or says something else.
    """
    source = Location.of(place)
    if not source.exists():
        raise InputError(f"there is no file of labels at {place}")
    names, sets = _json(source) if suffix_of(source) == ".json" else (None, None)
    if sets is None:
        names, sets = _table(read_table(source), place)
    return _valid(names, sets, class_names, place)


def _json(source: Location) -> tuple[Sequence | None, list | None]:
    """Names and class sets of a JSON list of lists or an object; nothing for a JSON table."""
    try:
        result = json.loads(source.read_text())
    except ValueError:
        return None, None
    if isinstance(result, dict) and "labels" not in result:
        if all(isinstance(one, list | int | str) for one in result.values()):
            return list(result), [_several(one) for one in result.values()]
    if isinstance(result, list) and all(isinstance(one, list | int) for one in result):
        return None, [_several(one) for one in result]
    return None, None


def _table(table: pa.Table, place: str) -> tuple[Sequence, list]:
    identity, column = (next(iter(found(table.schema, names)), None) for names in (IDS, CLASSES))
    if identity is None or column is None:
        raise InputError(
            f"{place} has the columns {', '.join(table.column_names)}; labels need one of {', '.join(IDS[:4])} and "
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
    index = {composed(name): i for i, name in enumerate(class_names)}
    limit = None if are_numbers(class_names) else len(class_names)
    ids = None if names is None else _ids(names)
    unique, position = (None, np.arange(len(sets))) if ids is None else np.unique(ids, return_inverse=True)
    images = len(sets) if unique is None else len(unique)
    merged: list[set[int]] = [set() for _ in range(images)]
    for at, cell in zip(position.tolist(), sets, strict=True):
        merged[at].update(one for word in cell for one in _indices(word, index, limit, place))
    sizes = [len(one) for one in merged]
    classes = np.array([one for valid in merged for one in sorted(valid)], np.int64)
    return ValidLabels(unique, np.concatenate([[0], np.cumsum(sizes, dtype=np.int64)]), classes, place)


def _ids(names: Sequence) -> np.ndarray:
    if all(isinstance(name, int) for name in names):
        return np.array(names, np.int64)
    return ids_of_names([str(name) for name in names])


def _indices(word: object, index: dict[str, int], limit: int | None, place: str) -> list[int]:
    """Class indices of a number, a name, or several with blanks or commas between them; -1 is no class."""
    word = composed(word) if isinstance(word, str) else word
    if isinstance(word, str) and word in index:
        return [index[word]]
    parts = word.strip("[]() ").replace(",", " ").split() if isinstance(word, str) else [word]
    result = [index.get(part, part) if isinstance(part, str) else part for part in parts]
    numbers = [_whole(one) for one in result]
    for part, number in zip(parts, numbers, strict=True):
        if number < -1 or (limit is not None and number >= limit):
            raise InputError(f"{place} has a class {part!r} that is not among the {len(index)} classes of the set")
    return [number for number in numbers if number >= 0]


def _whole(value: object) -> int:
    """A class number; -2 for what is none."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    text = str(value)
    return int(text) if text.lstrip("-").isdigit() else -2
