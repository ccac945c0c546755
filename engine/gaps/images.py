"""What attributes of the images and columns of the user have to do with a gap: what moved, what it costs, slices."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gapscope.attributes.columns import Column, columns_of, kind_of, than
from gapscope.attributes.moved import Move, corrected, moved_columns
from gapscope.core.errors import InputError
from gapscope.gaps.image_terms import ImageTerms, Rows, image_terms
from gapscope.gaps.keys import keys_of_stores
from gapscope.gaps.sides import Side
from gapscope.gaps.slices import Slices, find_slices
from gapscope.store.beside import beside, has_beside
from gapscope.store.workspace import command_about

Array = np.ndarray
# An image is unusual as 5 % of the reference's are.
UNUSUAL = 0.05
# Attributes that are named for one image.
NAMED = 2


@dataclass(frozen=True, eq=False)
class ImageEvidence:
    """What is known of the images.

    Attributes
    ----------
    moved
        What differs between the sets, those that moved most first.
    terms
        What each column has to do with the gap.
    found
        The slices that lost more than the rest.
    unusual : (m,) bool
        Which target images have an attribute that hardly any of the reference's has.
    sliced : (m,) bool
        Which are in a slice.
    reasons
        What is said of each image of the target, None where nothing is.
    """

    moved: tuple[Move, ...]
    terms: tuple[ImageTerms, ...]
    found: Slices
    unusual: Array
    sliced: Array
    reasons: list[str | None]


def image_evidence(sides: Sequence[Side], *, replicates: int, seed: int) -> ImageEvidence | None:
    """The evidence on two sets whose rows carry predictions; None where nothing is known of the images.

    Raises
    ------
    InputError
        Only one of the sets has attributes.
    """
    known = [has_beside(side.store) for side in sides]
    if not any(known):
        return None
    if not all(known):
        bare = sides[known.index(False)].store
        measuring = command_about(bare, shlex.join(["measure", bare.name]))
        raise InputError(f"{bare.name} has none; {measuring} measures them where there are images")
    columns = columns_of(*(beside(side.store) for side in sides))
    keys = keys_of_stores([side.store for side in sides], [side.predictions.sample_id for side in sides])
    labelled = [side.predictions.known for side in sides]
    rows = [
        Rows(side.predictions.right[own], side.predictions.label[own], key[own])
        for side, key, own in zip(sides, keys, labelled, strict=True)
    ]
    judged = [column.rows(*labelled) for column in columns] if all(len(one.right) for one in rows) else []
    found = find_slices(judged, *rows, seed=seed)
    sliced = np.zeros((len(found.slices), len(labelled[1])), bool)
    sliced[:, labelled[1]] = found.members
    unusual, said = unusual_images(columns, len(labelled[1]))
    return ImageEvidence(
        tuple(corrected(moved_columns(columns))),
        tuple(image_terms(judged, *rows, replicates=replicates, seed=seed)),
        found,
        unusual,
        sliced.any(axis=0),
        _reasons(found, sliced, said),
    )


def unusual_images(columns: Sequence[Column], images: int) -> tuple[Array, list[str | None]]:
    """Which of the target's `images` have an attribute so far out that no more than 5 % of the reference's have any as
    far out, and which attributes these are, in words.
    """
    numbers = [column for column in columns if not column.values and column.known[0].any()]
    if not numbers:
        return np.zeros(images, bool), [None] * images
    tails = [_tails(column) for column in numbers]
    own = np.min([np.minimum(*reference) for reference, _ in tails], axis=0)
    limit = float(np.quantile(own, UNUSUAL))
    below, above = (np.stack([target[side] for _, target in tails]) for side in (0, 1))
    lowest = np.minimum(below, above)
    unusual = lowest.min(axis=0) < limit
    said: list[str | None] = [None] * images
    for row in np.flatnonzero(unusual).tolist():
        order = [at for at in np.argsort(lowest[:, row], kind="stable") if lowest[at, row] < limit]
        far = list({kind_of(numbers[at].name): at for at in reversed(order)}.values())[::-1][:NAMED]
        said[row] = ", ".join(_in_words(numbers[at], below[at, row], above[at, row]) for at in far)
    return unusual, said


def _in_words(column: Column, below: float, above: float) -> str:
    """How far out an image is, to one side."""
    word, share = (column.wording.less, 1 - below) if below < above else (column.wording.more, 1 - above)
    return than(word, share)


def _tails(column: Column) -> tuple[tuple[Array, Array], tuple[Array, Array]]:
    """For each row of both sets the share of the reference that has as little of it or less, and as much or more; 1
    where it is unknown.
    """
    known = np.sort(column.reference[column.known[0]])
    sides = []
    for side in column.sides:
        below = np.searchsorted(known, side, "right") / len(known)
        above = 1 - np.searchsorted(known, side, "left") / len(known)
        unknown = np.isnan(side)
        sides.append((np.where(unknown, 1.0, below), np.where(unknown, 1.0, above)))
    return sides[0], sides[1]


def _reasons(found: Slices, sliced: Array, said: list[str | None]) -> list[str | None]:
    """The unusual attributes of each image and the slices that it is in."""
    names = [" and ".join(one.conditions) for one in found.slices]
    result = list(said)
    for at, name in enumerate(names):
        for row in np.flatnonzero(sliced[at]).tolist():
            result[row] = f"{result[row]}; {name}" if result[row] else name
    return result
