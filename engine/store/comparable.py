"""Whether two stores hold the same kind of features and name the same classes."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gapscope.core.chunk import Chunk
from gapscope.core.errors import InputError
from gapscope.core.text import composed
from gapscope.schemas.embeddings import Provenance
from gapscope.store.plan import Piece
from gapscope.store.rows import Over, View
from gapscope.store.store import EmbeddingStore

MUST_AGREE = ("dim", "backbone", "backbone_args", "weights_hash", "layer", "preprocessing", "precision")
FEATURES = {*MUST_AGREE, "weights"}
COLUMNS = "columns"
# How several columns of one feature each are called in the provenance: the first, the last, a hash of all names.
NAMED = re.compile(r" to .*, [0-9a-f]{16}$", re.DOTALL)
UNLABELLED = -1
OTHER_CLASSES = (
    "call classes that are the same alike in both, leave the rows of further ones out, or make both (and the set that "
    "a model is trained on) with a --classes file that lists the classes of both"
)


def check_comparable(reference: EmbeddingStore, target: EmbeddingStore) -> np.ndarray:
    """The reference's class index for each class index of the target, ``(k,) int64``, -1 where labels say nothing.

    Class lists are matched by name: the target may list the reference's classes in another order, or fewer. A list of
    the numbers 0, 1, 2, … has no names, and its indices are taken as they are. Without a class list on one side there
    is nothing to match, and the labels are left out.

    Raises
    ------
    InputError
        The features were made differently, or the target has other classes; the message has both values.
    """
    check_same_features(reference, target)
    return _classes(reference, target)


def check_same_features(reference: EmbeddingStore, target: EmbeddingStore) -> None:
    """Refuse stores whose features were made differently.

    Raises
    ------
    InputError
        They were; the message has both values.
    """
    here, there = meaning_of(reference.provenance), meaning_of(target.provenance)
    if field := difference(here, there):
        raise InputError(
            f"{reference.name} and {target.name} cannot be compared: {field} is {here[field]!r} in the first and "
            f"{there[field]!r} in the second; {way_out(target.provenance)}"
        )


def meaning_of(made: Provenance) -> dict[str, Any]:
    """What decides the meaning of a feature.

    Of an import the files are its own: what a feature means is said by the name of its column, and by nothing where
    rows are vectors of one column or of an array, which have no names.
    """
    result = made.model_dump(include=FEATURES)
    if made.is_imported:
        columns = made.preprocessing["features"]
        result["preprocessing"] = {COLUMNS: columns if NAMED.search(columns) else ""}
    return result


def difference(here: Mapping[str, Any], there: Mapping[str, Any], fields: Sequence[str] = MUST_AGREE) -> str:
    """The first of the `fields` in which the meaning of two kinds of features differs; empty where there is none."""
    return next((field for field in fields if not _alike(here.get(field), there.get(field))), "")


def _alike(here: Any, there: Any) -> bool:
    """Whether two values agree, or are both of imports of which one does not name its columns."""
    if here == there:
        return True
    both = all(isinstance(one, dict) and COLUMNS in one for one in (here, there))
    return both and not (here[COLUMNS] and there[COLUMNS])


def way_out(made: Provenance) -> str:
    """What makes features comparable, as the end of a sentence."""
    if made.is_imported:
        return "import both from columns of the same names, and with the same --backbone"
    return "extract both with the same backbone and options"


def _classes(reference: EmbeddingStore, target: EmbeddingStore) -> np.ndarray:
    known, result = reference.class_names, target.class_names
    if list(known) == list(result):
        return np.arange(len(result))
    if not known or not result:
        return np.full(len(result), UNLABELLED)
    index = {composed(name): i for i, name in enumerate(known)}
    unknown = [name for name in result if composed(name) not in index]
    if not unknown:
        return np.array([index[composed(name)] for name in result], np.int64)
    if len(result) <= len(known) and (is_numbered(known) or is_numbered(result)):
        return np.arange(len(result))
    raise InputError(
        f"{reference.name} and {target.name} cannot be compared: {len(unknown)} of the {len(result)} classes of the "
        f"second, such as {unknown[0]!r}, are not among the {len(known)} of the first, such as {known[0]!r}; "
        f"{OTHER_CLASSES}"
    )


def is_numbered(names: Sequence[str]) -> bool:
    """Whether the names are 0, 1, 2, …, which are none."""
    return list(names) == [str(index) for index in range(len(names))]


def numbered(index: Sequence[int] | np.ndarray, store: EmbeddingStore) -> np.ndarray:
    """The labels of a store by the class ``index : (k,)`` of each of its classes; -1 where there is none."""
    label = store.labels()
    if not len(index):
        return np.full(len(label), -1)
    return np.where(label >= 0, np.asarray(index)[label], -1)


@dataclass(frozen=True, eq=False)
class _Renamed(Over):
    """A store whose classes are called by `names`, by label."""

    store: EmbeddingStore
    names: list[str]

    @property
    def class_names(self) -> list[str]:
        """By label."""
        return self.names

    def paths(self, piece: Piece) -> list[str]:
        """Image paths of the rows of `piece`."""
        return self.store.paths(piece)


@dataclass(frozen=True, eq=False)
class Relabelled(_Renamed):
    """A store whose labels are translated as its rows are read, by the new label of each old one, ``index : (k,)
    int64``, -1 for none; picklable.
    """

    index: np.ndarray

    def read(self, piece: Piece, into: np.ndarray | None = None) -> Chunk:
        """The rows of `piece`, relabelled; rows without a label stay so."""
        chunk = self.store.read(piece, into)
        return chunk._replace(y=np.append(self.index, UNLABELLED)[chunk.y].astype(np.int32))


@dataclass(frozen=True, eq=False)
class Labelled(_Renamed):
    """A store whose rows have the labels ``label : (n,) int32``; picklable."""

    label: np.ndarray

    def read(self, piece: Piece, into: np.ndarray | None = None) -> Chunk:
        """The rows of `piece` with these labels."""
        return self.store.read(piece, into)._replace(y=self.label[piece.start : piece.stop])


def comparable_view(reference: EmbeddingStore, target: EmbeddingStore) -> View:
    """All rows of the target with the reference's class indices.

    Raises
    ------
    InputError
        See `check_comparable`.
    """
    index = check_comparable(reference, target)
    if np.array_equal(index, np.arange(len(index))) and target.class_names == reference.class_names:
        return target.view()
    return Relabelled(target, list(reference.class_names), index).view()
