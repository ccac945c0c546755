"""What labels buy: how well the accuracy is known from n of them, and how many points a head fitted to n wins back.

*Measure*: the half width of a 95 % interval, of n rows drawn at random, and drawn in proportion from strata of the
model's confidence, whose accuracies a pilot of labelled rows gives. *Regain*: heads fitted to n rows of the pilot, and
judged on the rest of it, beside the head that is chosen without labels.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from gapscope.core.errors import InputError
from gapscope.core.location import Location
from gapscope.core.random import stream
from gapscope.core.text import counted
from gapscope.evaluation.copies import first_of_each
from gapscope.evaluation.recorded import recorded
from gapscope.predictions import Predictions
from gapscope.probes.model import Classifier
from gapscope.probes.rules.linear import Linear
from gapscope.repairs.cross_fit import FEWEST, why_not
from gapscope.repairs.judge import NORMAL
from gapscope.repairs.labelled import Rows, anchored_logistic
from gapscope.repairs.labels import read_label_file
from gapscope.store import EmbeddingStore
from gapscope.store.selected import Selected, whole_of

Array = np.ndarray
SIZES = (10, 30, 100, 300, 1000, 3000)
# Of the pilot, at most so much is fitted to; draws of each size; strata of the confidence.
MOST_FITTED, DRAWS, STRATA = 0.7, 8, 5


class Spent(NamedTuple):
    """What n labels buy.

    Attributes
    ----------
    plain, stratified
        Half widths of the interval of the accuracy, as shares.
    gain, low, high
        Points over the old head, and where 95 % of draws of n labels lie; NaN where the pilot is too small.
    draws
        How many draws that rests on.
    """

    labels: int
    plain: float
    stratified: float
    gain: float
    low: float
    high: float
    draws: int


def half_widths(correct: Array, confidence: Array, labels: int) -> tuple[float, float]:
    """Of the interval of an accuracy that `labels` rows give, plain and stratified by confidence, from a pilot."""
    edges = np.quantile(confidence, np.linspace(0, 1, STRATA + 1)[1:-1])
    stratum = np.searchsorted(edges, confidence, side="right")
    within = [correct[stratum == one] for one in np.unique(stratum)]
    left = sum(len(some) / len(correct) * _variance(some) for some in within)
    return tuple(float(NORMAL * np.sqrt(one / labels)) for one in (_variance(correct), left))


def _variance(correct: Array) -> float:
    """Of one row, with a correct row and a wrong one more: a pilot without an error is no proof that there is none."""
    share = (correct.sum() + 1) / (len(correct) + 2)
    return float(share * (1 - share))


def check_pilot(rows: int) -> None:
    """Refuse a pilot that says nothing.

    Raises
    ------
    InputError
        It has fewer labels than could choose between heads.
    """
    if rows < FEWEST:
        raise InputError(
            f"a pilot of {counted(rows, 'label')} says nothing of what more of them buy; give {FEWEST} or more"
        )


def budget(
    old: Linear, chosen: Linear, temperature: float, rows: Rows, confidence: Array, names: Sequence[str], *, seed: int
) -> list[Spent]:
    """What each of `SIZES` buys; the first row, no label, is the gain of the head `chosen` without labels."""
    correct = old.scores(rows.z).argmax(axis=1) == rows.y
    free = (chosen.scores(rows.z).argmax(axis=1) == rows.y).astype(int) - correct
    half = NORMAL * float(free.std()) / np.sqrt(len(free))
    result = [Spent(0, np.nan, np.nan, float(free.mean()), float(free.mean() - half), float(free.mean() + half), 1)]
    for size in SIZES:
        gains = []
        if FEWEST <= size <= MOST_FITTED * len(rows.y):
            gains = [_gain(old, chosen, temperature, rows, size, names, seed, draw) for draw in range(DRAWS)]
        mean, spread = (float(np.mean(gains)), float(np.std(gains, ddof=1))) if gains else (np.nan, np.nan)
        low, high = mean - NORMAL * spread, mean + NORMAL * spread
        result.append(Spent(size, *half_widths(correct, confidence, size), mean, low, high, len(gains)))
    return result


def measured(known: Predictions) -> list[Spent]:
    """What each of `SIZES` buys in certainty alone, from a pilot of predictions with labels; no gain is known."""
    unsure = np.zeros(known.n) if known.confidence is None else known.confidence
    widths = [(size, *half_widths(known.right, unsure, size)) for size in SIZES]
    nan = float("nan")
    return [
        Spent(size, plain, nan if known.confidence is None else by_stratum, nan, nan, nan, 0)
        for size, plain, by_stratum in widths
    ]


def pilot_of(
    folder: Location, model: Classifier, target: EmbeddingStore | Selected, place: str, rows: int
) -> Predictions:
    """The predictions of the rows that have a label in a file, with these; without one, of the first `rows` labelled.

    Raises
    ------
    InputError
        Too few have a label.
    """
    labels = read_label_file(place, model.class_names) if place else None
    known = recorded(folder, model, whole_of(target) if labels else target)
    if labels is None:
        pilot = known.labelled()
        pilot = pilot.rows(np.arange(min(rows, pilot.n)))
    else:
        pilot = known.rows(np.flatnonzero(np.isin(known.sample_id, labels.sample_id)))
        pilot = pilot.rows(np.flatnonzero(first_of_each(target, pilot.sample_id)))
        label = labels.label[np.searchsorted(labels.sample_id, pilot.sample_id)]
        pilot = replace(pilot, label=label.astype(np.int32))
    check_pilot(pilot.n)
    return pilot


def _gain(
    old: Linear, chosen: Linear, temperature: float, rows: Rows, size: int, names: Sequence[str], seed: int, draw: int
) -> float:
    """What a head fitted to one draw of labels gains on the rows that were not drawn; that of no label where the draw
    cannot choose a head.
    """
    order = stream(seed, "budget", str(size), str(draw)).permutation(len(rows.y))
    fitted, judged = rows.take(order[:size]), rows.take(order[size:])
    head = chosen if why_not(fitted, old, names) else anchored_logistic(chosen, temperature, fitted, seed).head
    before = (old.scores(judged.z).argmax(axis=1) == judged.y).mean()
    return float((head.scores(judged.z).argmax(axis=1) == judged.y).mean() - before)
