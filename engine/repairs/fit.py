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

from gapscope.core.chunk import Chunk
from gapscope.core.progress import Progress
from gapscope.probes.model import Classifier
from gapscope.probes.rules.linear import Linear
from gapscope.repairs import REPAIRS
from gapscope.repairs.criterion import (
    ROWS,
    Signs,
    another_mix,
    chosen,
    information,
    shared,
)
from gapscope.repairs.fitted import Old
from gapscope.repairs.second import second_head
from gapscope.repairs.seen import Labelled, LabelledBy, Seen, SeenBy, prepared
from gapscope.store import View
from gapscope.stream import Workers, fold

Array = np.ndarray
NOTHING = "nothing"
# Groups that are left out in turn.
GROUPS = 5
CAUSE = "cause"
# Repairs that only labels choose: scores that are no probabilities of this model, and the least reliable.
NEEDS_LABELS = ("t3a", "directions")


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
    signs
        What chooses without labels; None where it is not known.
    """

    name: str
    head: Linear | None
    note: str
    refitted: tuple[Linear, ...] = ()
    seconds: float = 0.0
    labels: int = 0
    signs: Signs | None = None


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
    result = {}
    for name in REPAIRS:
        begun = time.perf_counter()
        fitted = REPAIRS[name](old, reference, every)
        result[name] = Candidate(name, fitted.head, fitted.note, (), time.perf_counter() - begun)
    for left in groups if len(groups) > 1 else ():
        rest = reduce(Seen.merge, [one for one in groups if one is not left])
        for name, one in result.items():
            head = None if one.head is None or name == NOTHING else REPAIRS[name](old, reference, rest).head
            if head is not None:
                result[name] = replace(one, refitted=(*one.refitted, head))
    return list(result.values())


def probabilities(model: Classifier, head: Linear, z: Array) -> Array:
    """Of the rows ``z`` as the head sees them."""
    return softmax(head.scores(z).astype(np.float64) / model.temperature, axis=1)


def with_signs(model: Classifier, candidates: Sequence[Candidate], reference: View, target: View) -> list[Candidate]:
    """The candidates with what chooses between them, by the first rows of each set; without it where the reference has
    too few labels or the target too few rows.
    """
    views = (view.store.view(view.start, min(view.start + ROWS, view.stop)) for view in (reference, target))
    return signed(model, candidates, *(view.read() for view in views))


def signed(model: Classifier, candidates: Sequence[Candidate], reference: Chunk, rows: Chunk) -> list[Candidate]:
    """See `with_signs`; `rows` are those of the target."""
    known = reference.take(reference.y >= 0)
    if (np.bincount(known.y) > 1).sum() < 2 or len(rows.y) < 2:
        return list(candidates)
    before, theirs = probabilities(model, model.rule, prepared(model, known.x)), prepared(model, rows.x)
    after = {one.name: probabilities(model, one.head, theirs) for one in candidates if one.head is not None}
    other = second_head(model, known)
    repaired = without_labels(other, LabelledBy(other)(known), [SeenBy(other)(rows)])
    second = {one.name: probabilities(other, one.head, theirs) for one in repaired if one.head is not None}
    classes = len(np.unique(known.y))
    signs = {
        name: Signs(
            another_mix(before, q),
            shared(q, second[name]) if name in second else 0.0,
            information(q),
            information(before) / np.log(classes),
            classes,
        )
        for name, q in after.items()
    }
    return [replace(one, signs=signs.get(one.name)) for one in candidates]


def chosen_without_labels(candidates: Sequence[Candidate], rows: int, *, same_mix: bool = False) -> str:
    """The repair that `criterion.chosen` names; with `same_mix` the class mix is known to be that of the reference."""
    left_out = (*NEEDS_LABELS, CAUSE)
    known = {one.name: one.signs for one in candidates if one.signs and one.name not in left_out}
    return chosen(known, NOTHING, rows, same_mix=same_mix) if known else NOTHING
