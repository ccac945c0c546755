"""Two models' predictions for the same images, row by row."""

from dataclasses import replace

import numpy as np

from gapscope.core.errors import InputError
from gapscope.core.text import counted
from gapscope.predictions.names import are_numbers
from gapscope.predictions.table import UNLABELLED, Predictions


def matched(one: Predictions, other: Predictions) -> tuple[Predictions, Predictions]:
    """Both predictions in the same order of images, that of `one`.

    Raises
    ------
    InputError
        One has images that the other lacks, or an image has another label, or the classes differ.
    """
    if not np.array_equal(one.sample_id, other.sample_id):
        _check_images(one, other)
        order = np.argsort(other.sample_id, kind="stable")
        other = other.rows(order[np.searchsorted(other.sample_id[order], one.sample_id)])
    one, other = with_classes_of_both(one, other)
    differs = (one.label != other.label) & one.known & other.known
    if differs.any():
        row = int(np.flatnonzero(differs)[0])
        raise InputError(
            f"{counted(int(differs.sum()), 'image has', 'images have')} another label in {_called(other)} than in "
            f"{_called(one)}, such as "
            f"{other.label[row]} instead of {one.label[row]}; make both with the same labels"
        )
    return one, other


def with_classes_of_both(one: Predictions, other: Predictions) -> tuple[Predictions, Predictions]:
    """Both with the same class names: where one names the classes and the other has numbers, or knows more of them.

    Raises
    ------
    InputError
        The names differ, or the numbers are those of another task.
    """
    if one.class_names == other.class_names:
        return one, other
    check_same_task(one, other)
    names = sorted((one.class_names, other.class_names), key=lambda names: (not are_numbers(names), len(names)))[-1]
    for each in (one, other):
        if each.class_names != names and not (_fits(each, names)):
            theirs = next(iter(set(each.class_names) - set(names)), each.class_names[0])
            raise InputError(
                f"{_called(one)} and {_called(other)} have other classes, such as {theirs!r}, or another order; "
                "use the same class names for both"
            )
    return _named(one, names), _named(other, names)


def check_same_task(one: Predictions, other: Predictions) -> None:
    """Refuse two sets whose classes cannot be the same: one has numbers and twice as many, or no name is in both.

    Raises
    ------
    InputError
        See above.
    """
    fewer, more = sorted((one, other), key=lambda each: len(each.class_names))
    known, all_known = (set(each.class_names) for each in (fewer, more))
    if are_numbers(fewer.class_names) and 2 * len(known) <= len(all_known):
        raise InputError(
            f"{_called(fewer)} has {counted(len(known), 'class', 'classes')} and {_called(more)} has "
            f"{len(all_known):,}, so that they are "
            "no sets of one task; where they are, put the same classes.json beside both files"
        )
    if not are_numbers(fewer.class_names) and not are_numbers(more.class_names) and not known & all_known:
        raise InputError(
            f"{_called(one)} and {_called(other)} have no class in common, such as {fewer.class_names[0]!r} and "
            f"{more.class_names[0]!r}: other classes are another task; use the same class names for both"
        )


def _fits(one: Predictions, names: tuple[str, ...]) -> bool:
    """Whether the classes of `one` are among `names`: the first numbers, or some of the names in the same order."""
    if are_numbers(one.class_names):
        return len(one.class_names) <= len(names)
    known = set(one.class_names)
    return one.class_names == tuple(name for name in names if name in known)


def _named(one: Predictions, names: tuple[str, ...]) -> Predictions:
    scores = one.scores if len(names) == len(one.class_names) else None
    label, top = one.label, one.top
    if not are_numbers(one.class_names) and one.class_names != names:
        place = np.append([names.index(name) for name in one.class_names], UNLABELLED).astype(np.int32)
        label, top = place[label], place[top]
    return replace(one, class_names=names, label=label, top=top, scores=scores)


def _check_images(one: Predictions, other: Predictions) -> None:
    for mine, theirs in ((one, other), (other, one)):
        missing = ~np.isin(mine.sample_id, theirs.sample_id)
        if missing.any():
            raise InputError(
                f"{int(missing.sum()):,} of {mine.n:,} images of {_called(mine)} are not in {_called(theirs)}; "
                "compare predictions for the same images"
            )


def _called(one: Predictions) -> str:
    return f"{one.model} on {one.name}"
