"""Predictions of a file as those of stored images: every row of the file and every image accounted for.

Rows are matched by the names of images, or by the column sample_id. Rows that are only counted are taken in the order
of the listing, and only where their labels agree with those of the images row by row.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from gapscope.attributes.naming import other_split, rows_named
from gapscope.blocks.formats import listed
from gapscope.core.errors import InputError
from gapscope.core.text import counted
from gapscope.evaluation.classes import align_classes
from gapscope.predictions import Predictions
from gapscope.predictions.names import are_numbers
from gapscope.predictions.scores import answers_of
from gapscope.predictions.table import UNLABELLED
from gapscope.store import EmbeddingStore, Piece

Array = np.ndarray
BY_ID = "the column sample_id"
# Labels that change less often than once in so many rows are sorted, and say nothing of the order within a class.
SORTED = 4


class Joined(NamedTuple):
    """Predictions of stored images, in the order of their rows.

    Attributes
    ----------
    predictions
        With the sample ids of the store, and its labels where it has some, as the model numbers its classes.
    taken : (m,) bool
        Which rows of the file are of an image of this set.
    missing
        Images without a prediction.
    notes
        How rows were matched, and what was left out.
    """

    predictions: Predictions
    taken: Array
    missing: int
    notes: list[str]


def joined(
    given: Predictions, store: EmbeddingStore, identity: str, *, partial: bool = False, named: bool = False
) -> Joined:
    """The predictions `given` in a file for the rows of a store.

    Parameters
    ----------
    identity
        The column that says which images the rows are of; empty where none does.
    partial
        Whether images may lack a prediction.
    named
        Whether the order of the classes was given.

    Raises
    ------
    InputError
        The images cannot be told, some have no prediction, or labels contradict each other.
    """
    rows, how = _rows(given, store, identity)
    has = rows >= 0
    missing = int((~has).sum())
    if not has.any() or (missing and not partial):
        raise InputError(_incomplete(given, store, has, identity))
    index, note = align_classes(given.class_names, store.class_names, store.name) if store.class_names else ([], "")
    stored = np.append(np.asarray(index, np.int64), UNLABELLED)[store.labels()[has]] if len(index) else None
    result = given.rows(rows[has])
    label = _label(result, stored, store)
    if stored is not None and not named and not are_numbers(given.class_names) and are_numbers(store.class_names):
        _check_order(result, stored, store)
    result = replace(
        result,
        dataset=store.provenance.dataset,
        split=store.provenance.split,
        sample_id=store.sample_ids()[has],
        label=label,
        log_likelihood=_likelihood(result, label),
        store=str(store.folder),
    )
    taken = np.isin(np.arange(given.n), rows[has])
    return Joined(result, taken, missing, [one for one in (how, note, _labels_note(result, stored, store)) if one])


def _rows(given: Predictions, store: EmbeddingStore, identity: str) -> tuple[Array, str]:
    """The row of the file for each row of the store, below 0 where it has none; and how it was found."""
    if given.image is not None:
        return _by_name(given.image.to_pylist(), given, store)
    if identity == "sample_id":
        rows = _positions(given.sample_id, store.sample_ids())
        return rows, f"{given.model} on {store.name}: matched by {BY_ID}, {_share(rows, store)}."
    if identity:
        found = _by_name([str(one) for one in given.sample_id.tolist()], given, store)
        if (found[0] >= 0).any():
            return found
    return _by_order(given, store, identity)


def _by_name(names: Sequence[str], given: Predictions, store: EmbeddingStore) -> tuple[Array, str]:
    paths, made = store.paths(Piece(0, store.rows)), store.provenance
    found = rows_named(paths, names, made.dataset, made.split)
    if found.ambiguous.any():
        at = int(np.argmax(found.ambiguous))
        raise InputError(
            f"{given.model}: {counted(int(found.ambiguous.sum()), 'image')} of {store.name}, such as {paths[at]}, "
            f"cannot be told by {found.form}, for others are called the same; name the images with their folders, as "
            "they are stored, or give the column sample_id"
        )
    if not found.found.any():
        return found.rows, ""
    at = int(np.argmax(found.found))
    name = names[found.rows[at]]
    if other := other_split(made.split, paths[at], name):
        raise InputError(
            f"{given.model} names images of the split {other}, such as {name}, and {store.name} is another one; join "
            "them to the set that they are of"
        )
    form = "their paths" if name == paths[at] else f"{found.form} ({paths[at]} by {name})"
    return found.rows, f"{given.model} on {store.name}: matched by {form}, {_share(found.rows, store)}."


def _share(rows: Array, store: EmbeddingStore) -> str:
    return f"{int((rows >= 0).sum()):,} of {counted(store.rows, 'image')}"


def _positions(known: Array, asked: Array) -> Array:
    """Where each of ``asked`` stands in ``known``, -1 where it does not."""
    order = np.argsort(known, kind="stable")
    place = order[np.minimum(np.searchsorted(known, asked, sorter=order), len(known) - 1)]
    return np.where(known[place] == asked, place, UNLABELLED)


def _by_order(given: Predictions, store: EmbeddingStore, identity: str) -> tuple[Array, str]:
    """Rows in the order of the listing, with or without the images that were rejected, where all labels agree."""
    ids = store.sample_ids()
    orders = [_positions(given.sample_id, ids)] if identity else []
    listing = store.rows + store.manifest.rejected
    if given.n == store.rows:
        orders.append(np.argsort(np.argsort(ids, kind="stable"), kind="stable"))
    if given.n == listing and int(ids.max(initial=0)) < listing:
        orders.append(ids)
    called = f"the numbers in {identity}" if identity else "no name of any image"
    if not orders:
        raise InputError(
            f"{given.model} has {counted(given.n, 'row')} with {called}, and {store.name} has "
            f"{counted(store.rows, 'image')}; name the image of each row, in a column path or with --names"
        )
    if not store.class_names or not given.known.any():
        raise InputError(
            f"{given.model} has {called}, and no labels by which the order of its rows could be checked; name the "
            "image of each row, in a column path or with --names, or give labels with --labels"
        )
    index, _ = align_classes(given.class_names, store.class_names, store.name)
    stored = np.append(index, UNLABELLED)[store.labels()]
    best = min((_disagreeing(given.label, stored, rows) for rows in orders), key=lambda one: one[0])
    if best[0]:
        raise InputError(
            f"{given.model} has {called}, and in the order of its rows {best[0]:,} of {counted(store.rows, 'label')} "
            f"are others than those of {store.name}, so that its rows are not known; name the image of each row, in a "
            "column path or with --names"
        )
    return best[1], _order_note(given, store, stored, ids, called)


def _disagreeing(label: Array, stored: Array, rows: Array) -> tuple[int, Array]:
    """How many labels of the images that have a row differ, or are known to one side only; and the rows."""
    has = rows >= 0
    return (int((label[rows[has]] != stored[has]).sum()) if has.any() else len(rows)), rows


def _order_note(given: Predictions, store: EmbeddingStore, stored: Array, ids: Array, called: str) -> str:
    label = stored[np.argsort(ids, kind="stable")]
    changes = int((label[1:] != label[:-1]).sum())
    said = f"{given.model} on {store.name}: it has {called}; its rows are in the order of the images, for all "
    said += f"{counted(store.rows, 'label')} agree"
    if changes * SORTED < len(label):
        return f"warning: {said}. The labels are sorted, and cannot say whether the order within a class is the same; "\
               "name the images to know it."  # fmt: skip
    return f"{said}."


def _incomplete(given: Predictions, store: EmbeddingStore, has: Array, identity: str) -> str:
    """Why no join was made: images without a prediction."""
    at = int(np.argmin(has))
    path = store.paths(Piece(at, at + 1))[0]
    example = given.image[0].as_py() if given.image is not None else int(given.sample_id[0])
    if not has.any():
        called = f"{identity} {example}".strip()
        return (
            f"{given.model} has no row of an image of {store.name}: its rows are such as {called}, "
            f"and the images such as {path}; name the images as they are stored, or name the set that they are of"
        )
    return (
        f"{given.model} has no prediction for {int((~has).sum()):,} of the {counted(store.rows, 'image')} of "
        f"{store.name}, such as {path}; predict them, or add --partial to go on without them"
    )


def _label(result: Predictions, stored: Array | None, store: EmbeddingStore) -> Array:
    """The labels of the store, and of the file where the store has none."""
    if stored is None:
        return result.label
    differs = (stored != result.label) & (stored != UNLABELLED) & result.known
    if differs.any():
        names = result.class_names
        at = int(np.argmax(differs))
        both = result.known & (stored != UNLABELLED)
        from_one = (result.label[both] == stored[both] + 1).all()
        pairs = f"{names[result.label[at]]!r} instead of {names[stored[at]]!r}"
        pairs += ", each by one too high, as of classes counted from 1: count them from 0" if from_one else ""
        raise InputError(
            f"{result.model} has other labels than {store.name} for {int(differs.sum()):,} of "
            f"{counted(int(both.sum()), 'image')}, such as {pairs}; if the rows are "
            "of these images, leave the labels out of the file, or name its classes with --classes; else name the "
            "images right"
        )
    return np.where(stored == UNLABELLED, result.label, stored).astype(np.int32)


def _check_order(result: Predictions, stored: Array, store: EmbeddingStore) -> None:
    """Refuse words for classes that the store has numbers for, unless labels say which is which."""
    if not (result.known & (stored != UNLABELLED)).any():
        raise InputError(
            f"{result.model} has words for its classes, such as {result.class_names[0]!r}, and {store.name} has "
            "numbers; say with --classes which word is which number, or give labels beside the predictions"
        )


def _likelihood(result: Predictions, label: Array) -> Array | None:
    """That of the labels: by the scores, or as the file has it where its labels are these."""
    if result.scores is not None:
        return answers_of(result.scores, label).log_likelihood
    return result.log_likelihood if np.array_equal(label, result.label) else None


def _labels_note(result: Predictions, stored: Array | None, store: EmbeddingStore) -> str:
    """A sentence where labels come from the file."""
    more = int(result.known.sum()) - (0 if stored is None else int((stored != UNLABELLED).sum()))
    return f"{store.name}: the labels of {counted(more, 'image')} are those of the file." if more else ""


def left_over(given: Predictions, sets: Sequence[Joined]) -> str:
    """A sentence about the rows of a file that are of no image of the sets; empty where there are none."""
    free = ~np.any([one.taken for one in sets], axis=0)
    if not free.any():
        return ""
    first = int(np.argmax(free))
    example = given.image[first].as_py() if given.image is not None else int(given.sample_id[first])
    names = listed([one.predictions.name for one in sets])
    rows = counted(int(free.sum()), "row")
    return f"{given.model}: {rows}, such as {example}, are of no image of {names}, and left out."
