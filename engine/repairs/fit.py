"""All repairs of a model for one target: fitted on the rows that may be seen, refitted without each fifth of them.

The refitted heads say how far a repair depends on the rows it happened to see (delete-a-group jackknife); together with
the sampling error of the rows that it is judged on they make the interval.

References
----------
Kott (2001), "The delete-a-group jackknife".
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import reduce
from itertools import pairwise

import numpy as np
from scipy.special import softmax

from gapscope.core.progress import Progress
from gapscope.probes.model import Classifier
from gapscope.probes.rules.linear import Linear
from gapscope.repairs import REPAIRS
from gapscope.repairs.criterion import ROWS, Criterion, another_mix, nearest
from gapscope.repairs.fitted import Old
from gapscope.repairs.seen import Labelled, LabelledBy, Seen, SeenBy, prepared
from gapscope.store import View
from gapscope.stream import Workers, fold

Array = np.ndarray
NOTHING = "nothing"
# Groups that are left out in turn.
GROUPS = 5
SHARES = "shares"
# Repairs that are not chosen without labels: their scores are no probabilities of this model.
NEEDS_LABELS = ("t3a",)


@dataclass(frozen=True)
class Candidate:
    """A repair, fitted.

    Attributes
    ----------
    name
        In `REPAIRS`, or ``BASE+NAME`` of one in `WITH_LABELS`.
    head
        None where the repair does not apply.
    note
        What it rests on, or why there is no head.
    refitted
        Heads without each group of the rows; those that could be had.
    seconds
        That the fit took, beside the reading that all repairs share.
    labels
        Target labels that were used.
    distance
        See `Criterion`; None where it is not known.
    mix
        Total variation between the shares of its predictions in the target and of the old head's in the reference, in
        units of what may be chance; None where it is not known.
    """

    name: str
    head: Linear | None
    note: str
    refitted: tuple[Linear, ...] = ()
    seconds: float = 0.0
    labels: int = 0
    distance: float | None = None
    mix: float | None = None


def seen_of(model: Classifier, view: View, workers: Workers, progress: Progress) -> list[Seen]:
    """What is seen of each of `GROUPS` runs of a view's rows, one read in all; fewer where there are fewer rows."""
    bounds = np.unique(np.linspace(view.start, view.stop, GROUPS + 1).astype(int))
    runs = [view.store.view(int(low), int(high)) for low, high in pairwise(bounds)]
    what = f"moments of {view.store.name}"
    return [fold(one, SeenBy(model), workers, progress=progress, description=what) for one in runs]


def known_of(model: Classifier, view: View, workers: Workers, progress: Progress) -> Labelled:
    """What is seen of the reference, with its labels; one read."""
    return fold(view, LabelledBy(model), workers, progress=progress, description=f"moments of {view.store.name}")


def without_labels(model: Classifier, reference: Labelled, groups: Sequence[Seen]) -> list[Candidate]:
    """Every member of `REPAIRS`, from the summaries alone."""
    old = Old(model.rule, model.temperature)
    every = reduce(Seen.merge, groups)
    rest = (
        [reduce(Seen.merge, [one for one in groups if one is not left]) for left in groups] if len(groups) > 1 else []
    )
    result = []
    for name in REPAIRS:
        begun = time.perf_counter()
        fitted = REPAIRS[name](old, reference, every)
        seconds = time.perf_counter() - begun
        again = [] if fitted.head is None or name == NOTHING else [REPAIRS[name](old, reference, one) for one in rest]
        heads = tuple(one.head for one in again if one.head is not None)
        result.append(Candidate(name, fitted.head, fitted.note, heads, seconds))
    return result


def probabilities(model: Classifier, head: Linear, z: Array) -> Array:
    """Of the rows ``z`` as the head sees them."""
    return softmax(head.scores(z).astype(np.float64) / model.temperature, axis=1)


def with_distances(
    model: Classifier, candidates: Sequence[Candidate], reference: View, target: View
) -> list[Candidate]:
    """The candidates with their distances, by the first rows of each set; without a known one where the reference has
    too few labels or the target too few rows.
    """
    first, rows = (
        view.store.view(view.start, min(view.start + ROWS, view.stop)).read() for view in (reference, target)
    )
    known = first.y >= 0
    z = prepared(model, first.x[known])
    before = probabilities(model, model.rule, z)
    criterion = Criterion(before, first.y[known])
    if not criterion.is_known or len(rows.y) < 2:
        return list(candidates)
    theirs = prepared(model, rows.x)

    def measured(one: Candidate, head: Linear) -> Candidate:
        after = probabilities(model, head, theirs)
        return replace(one, distance=criterion.distance(after), mix=another_mix(before, after))

    return [one if one.head is None else measured(one, one.head) for one in candidates]


def chosen_without_labels(candidates: Sequence[Candidate], rows: int) -> str:
    """The simplest repair that is about as near as the nearest, where that is nearer than none by more than chance.

    An alignment presumes the class mix of the reference. Where predictions still have another one after it, the mix has
    changed too, and the alignment has made up for it; then nothing is done.
    """
    known = {one.name: one.distance for one in candidates if one.distance is not None and one.name not in NEEDS_LABELS}
    if not known:
        return NOTHING
    name = nearest(known, rows, NOTHING)
    mix = next(one.mix for one in candidates if one.name == name)
    return name if name == SHARES or mix is None or mix <= 1 else NOTHING
