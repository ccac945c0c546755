"""What a review of labels (`verify-labels`) says of a set, for the line of wrong labels in its breakdown."""

from typing import NamedTuple

import numpy as np

from gapscope.core.errors import InputError
from gapscope.core.files import read_json
from gapscope.core.location import Location
from gapscope.predictions import Predictions
from gapscope.runs.run import find_run

Array = np.ndarray
SAME = 1e-9


class Reviewed(NamedTuple):
    """By how much the accuracy of a set rises when its labels are put right, as a share of its rows.

    Attributes
    ----------
    by_class : (k,)
        By the class that rows are labelled as; sums to the whole change.
    low, high
        95 % interval of the whole change.
    images, errors
        How many images were reviewed, and the share of all labels that is wrong.
    """

    by_class: Array
    low: float
    high: float
    images: int
    errors: float


BothReviews = tuple[Reviewed | None, Reviewed | None]
NO_REVIEWS: BothReviews = (None, None)


def reviews_of_both(workspace: Location, runs: tuple[str, ...], sides: tuple[Predictions, Predictions]) -> BothReviews:
    """The reviews that runs of `verify-labels` hold, each for the set that it is about.

    Raises
    ------
    InputError
        A run has no reviewed labels, or is about other predictions than those of either set, or both are about one.
    """
    found: dict[int, Reviewed] = {}
    for run in runs:
        side, review = _review(workspace, run, sides)
        if side in found:
            raise InputError(f"--verified names two reviews of {sides[side].name}; name one for each set")
        found[side] = review
    return found.get(0), found.get(1)


def _review(workspace: Location, run: str, sides: tuple[Predictions, Predictions]) -> tuple[int, Reviewed]:
    about = read_json(find_run(workspace, run) / "about.json")
    if "by_class" not in about:
        raise InputError(
            f"{run} holds no reviewed labels; fill in its queue and run `verify-labels` again with --labels"
        )
    for side, one in enumerate(sides):
        if about["set"] == one.name and abs(one.accuracy() - about["accuracy"]) <= SAME:
            by_class = np.array([about["by_class"].get(name, 0.0) for name in one.class_names])
            span = (about["change"]["low"], about["change"]["high"])
            return side, Reviewed(by_class, *span, about["reviewed"], about["errors"]["value"])
    sets = " or ".join(one.name for one in sides)
    raise InputError(
        f"{run} reviews labels of {about['set']} beside predictions of {about['model']}, and not those of "
        f"{sides[0].model} for {sets}; run `verify-labels` on the predictions that the gap is of"
    )
