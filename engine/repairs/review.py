"""How many labels of a set are wrong, from a review of about 200 images that are drawn where errors are likely.

Strata are made of what the model says: images that it is sure have another label, others that it classifies wrongly,
images of whose label it is unsure, and all others. Each gets as many reviews as its size and its expected share of
wrong labels deserve (Neyman), and counts as the images that it stands for, so that the estimate is one of all images.

References
----------
Neyman (1934), "On the two different aspects of the representative method". Brown, Cai and DasGupta (2001), "Interval
estimation for a binomial proportion": Jeffreys' interval.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from gapscope.core.errors import InputError
from gapscope.core.random import stream
from gapscope.predictions import Predictions
from gapscope.repairs.labels import LabelFile

Array = np.ndarray
# The strata with the share of wrong labels that is expected in each: it decides how many are drawn, and no estimate.
STRATA: Mapping[str, float] = {
    "surely another class": 0.3,
    "another class": 0.15,
    "this class, unsure": 0.05,
    "this class": 0.01,
}
# Of the images classified wrongly, the most confident share; of the others, the least confident.
SURE, UNSURE = 1 / 3, 1 / 4
FEWEST = 10
DRAWS = 20_000
# By how much each outcome of a review changes how many predictions are right: label right; wrong; wrong, and the
# prediction is right; wrong, and the prediction was right before.
CHANGE = (0, 0, 1, -1)
# What a label may turn out to be beside a class: the image is of none of them.
NO_CLASS = "none"


class Share(NamedTuple):
    """A share or a difference of shares with a 95 % interval."""

    value: float
    low: float
    high: float


class Stratum(NamedTuple):
    """Images of a kind: how many there are, were reviewed, and had a wrong label."""

    kind: str
    images: int
    reviewed: int
    wrong: int


class Review(NamedTuple):
    """What a review found.

    Attributes
    ----------
    errors
        Share of all labels that is wrong.
    change
        By how much the accuracy rises when labels are put right.
    by_class : (k,)
        The same by the class that rows are labelled as; sums to the value of `change`.
    left_out
        Reviewed images that were not drawn, and say nothing of the others.
    """

    errors: Share
    change: Share
    by_class: Array
    strata: list[Stratum]
    left_out: int


def strata_of(predictions: Predictions) -> Array:
    """Which of `STRATA` each labelled row is in, ``(n,)``; without confidences the first and the third are empty."""
    right, sure = predictions.right, predictions.confidence
    result = np.where(right, 3, 1)
    if sure is None:
        return result
    for rows, share, kind in ((~right, 1 - SURE, 0), (right, UNSURE, 2)):
        if rows.any():
            edge = np.quantile(sure[rows], share)
            result[rows & (sure > edge if kind == 0 else sure < edge)] = kind
    return result


def drawn(stratum: Array, count: int, seed: int) -> Array:
    """Positions ``(m,)`` of about `count` rows to review, in random order: the first of them are a sample too."""
    size = np.bincount(stratum, minlength=len(STRATA))
    worth = size * np.sqrt([share * (1 - share) for share in STRATA.values()])
    wanted = np.minimum(size, np.maximum(np.round(count * worth / worth.sum()), FEWEST)).astype(int)
    order = stream(seed, "review").permutation(len(stratum))
    before = np.zeros(len(order), int)  # how many of its stratum stand before each row
    for kind in range(len(STRATA)):
        rows = stratum[order] == kind
        before[rows] = np.arange(rows.sum())
    return order[before < wanted[stratum[order]]]


def review(predictions: Predictions, labels: LabelFile, count: int, seed: int) -> Review:
    """What the labels of reviewed images say of all; `predictions` has labelled rows alone.

    Raises
    ------
    InputError
        A stratum has no reviewed image.
    """
    stratum = strata_of(predictions)
    asked = drawn(stratum, count, seed)
    place = np.searchsorted(labels.sample_id, predictions.sample_id[asked]).clip(max=len(labels.sample_id) - 1)
    there = labels.sample_id[place] == predictions.sample_id[asked]
    rows, true = asked[there], labels.label[place[there]]
    was, now = predictions.label[rows], predictions.predicted[rows]
    outcome = np.where(was == true, 0, 1 + (now == true) + 2 * (now == was))
    table = np.zeros((len(STRATA), len(CHANGE)), int)
    np.add.at(table, (stratum[rows], outcome), 1)
    size = np.bincount(stratum, minlength=len(STRATA))
    reviewed = table.sum(axis=1)
    missing = [kind for kind, images, seen in zip(STRATA, size, reviewed, strict=True) if images and not seen]
    if missing:
        raise InputError(
            f"no image of the kind {missing[0]!r} is reviewed, so its labels are unknown; review the images from the "
            f"top of the list on, {len(rows):,} of {len(asked):,} are"
        )
    errors, change = (_estimated(table, size, worth, seed) for worth in ((0, 1, 1, 1), CHANGE))
    stands_for = (size / np.maximum(reviewed, 1))[stratum[rows]] / size.sum()
    by_class = np.bincount(was, stands_for * np.array(CHANGE)[outcome], minlength=len(predictions.class_names))
    found = zip(STRATA, size, reviewed, table[:, 1:].sum(axis=1), strict=True)
    strata = [Stratum(kind, int(images), int(seen), int(wrong)) for kind, images, seen, wrong in found if images]
    return Review(errors, change, by_class, strata, len(labels.sample_id) - len(rows))


def _estimated(table: Array, size: Array, worth: tuple[int, ...], seed: int) -> Share:
    """The mean of the outcomes' `worth` over all images, from those reviewed in each stratum.

    The images that were not reviewed are drawn from the posterior of each stratum, with Jeffreys' prior; reviewed ones
    are known, so that a stratum that is reviewed whole adds no error.
    """
    weight, rng = np.array(worth, float), stream(seed, "review", *map(str, worth))
    value, draws = 0.0, np.zeros(DRAWS)
    for counts, images in zip(table, size, strict=True):
        if not images:
            continue
        value += images * float(counts @ weight) / counts.sum()
        grouped = np.array([counts[weight == one].sum() for one in (-1, 0, 1)])
        possible = np.flatnonzero(np.isin((-1, 0, 1), weight))
        shares = rng.dirichlet(grouped[possible] + 0.5, DRAWS)
        left = images - counts.sum()
        draws += counts @ weight + left * (shares @ (possible - 1.0))
    low, high = np.quantile(draws / size.sum(), [0.025, 0.975])
    value /= size.sum()
    return Share(value, min(float(low), value), max(float(high), value))
