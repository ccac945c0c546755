"""Which arrays of a file that holds several belong together: those of one split, with as many rows as the features."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from gapscope.core.errors import InputError
from gapscope.core.splits import split_and_rest, without_split
from gapscope.data.vocabulary import IMAGE_SUFFIXES
from gapscope.formats.table import Column
from gapscope.store.imports.columns import LABEL_NAMES


class Wanted(NamedTuple):
    """What the user said of the arrays: the split, and the names of those that hold the features."""

    split: str = ""
    features: tuple[str, ...] = ()


ANY = Wanted()
# What an array with the names of the classes is called.
CLASS_LISTS = ("classes", "class_names", "classnames", "label_names", "target_names", "categories")


class Parts(NamedTuple):
    """What the name of an array says: the folder it is in, the split, and what it is called beside that.

    >>> Parts.of("train/features"), Parts.of("y_test").called, Parts.of("deep/labels/train").called
    (Parts(folder='train', split='train', called='features'), 'y', 'labels')
    """

    folder: str
    split: str | None
    called: str

    @classmethod
    def of(cls, name: str) -> "Parts":
        """The parts of `name`, in lower case."""
        rest = without_split(name) or name
        return cls(name.rpartition("/")[0].lower(), split_and_rest(name)[0], rest.rpartition("/")[2].lower())


def chosen_of(
    columns: Mapping[str, Column], shapes: Mapping[str, Sequence[int]], wanted: Wanted, where: str
) -> tuple[tuple[Column, ...], dict[str, int]]:
    """The columns that belong to the wanted split or features and have as many rows; the others with their rows.

    Raises
    ------
    InputError
        The features are there for several splits, none of them the wanted one.
    """
    _refuse_images(columns, where)
    asked = {name.lower() for name in wanted.features}
    first = [name for name in columns if name.lower() in asked]
    if not first:
        vectors = [name for name, column in columns.items() if column.kind == "vectors"]
        first = _of_split(vectors, wanted.split, where) or list(columns)
    rows = max((shapes[name][0] for name in first), default=0)
    splits = {Parts.of(name).split for name in first}
    fits = splits if len(splits) == 1 and None not in splits else set()
    here = [name for name in columns if shapes[name][0] == rows and (not fits or Parts.of(name).split in {*fits, None})]
    return tuple(columns[name] for name in here), {name: shapes[name][0] for name in columns if name not in here}


def with_class_names(
    columns: tuple[Column, ...], others: Sequence[Column], read: Callable[[str], Sequence[str | bytes]]
) -> tuple[Column, ...]:
    """The columns, of which those called like labels have the names of the classes, where one of the arrays of texts
    beside them is called like a list of these; `read` gives the texts of an array.
    """
    lists = [one.name for one in others if one.kind == "texts" and Parts.of(one.name).called in CLASS_LISTS]
    if len(lists) != 1:
        return columns
    names = tuple(one.decode() if isinstance(one, bytes) else str(one) for one in read(lists[0]))
    is_label = [one.kind == "numbers" and Parts.of(one.name).called in LABEL_NAMES for one in columns]
    return tuple(
        one._replace(class_names=names) if those else one for one, those in zip(columns, is_label, strict=True)
    )


def _refuse_images(columns: Mapping[str, Column], where: str) -> None:
    """Refuse arrays that are called like images, one for each: side by side, they would be read as features."""
    images = [name for name in columns if name.rpartition(".")[2].lower() in IMAGE_SUFFIXES]
    if images:
        raise InputError(
            f"{where} holds an array for each image, such as {images[0]!r}; save them as one of shape (rows, "
            "features), np.save(FILE, np.stack(VECTORS)), and their names beside it, for --names"
        )


def _of_split(names: list[str], split: str, where: str) -> list[str]:
    """Those of a split, where all of them say one and they are several."""
    splits = {name: Parts.of(name).split for name in names}
    if None in splits.values() or len(set(splits.values())) < 2:
        return names
    asked = split_and_rest(split)[0] or split
    if asked not in splits.values():
        there = ", ".join(sorted(map(str, set(splits.values()))))
        raise InputError(f"{where} holds the splits {there}; choose one with --split")
    return [name for name, one in splits.items() if one == asked]


def beside(names: Sequence[str], known: Sequence[str], array: str) -> str:
    """The first of the `known` names that one of `names` is called, of the split of the `array` or of none, in its
    folder, else in one above it, else where there is one alone; empty where none is.
    """
    parts, own = {name: Parts.of(name) for name in names}, Parts.of(array)
    fitting = [name for name, one in parts.items() if one.split in (own.split, None)]
    for word in known:
        called = [name for name in fitting if parts[name].called == word]
        same = [name for name in called if parts[name].folder == own.folder]
        above = [name for name in called if own.folder.startswith(f"{parts[name].folder}/") or not parts[name].folder]
        found = same or above or (called if len(called) == 1 else [])
        if found:
            return found[0]
    return ""
