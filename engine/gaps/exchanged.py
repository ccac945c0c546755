"""Labels that seem exchanged between two classes: fewer images of one, more of the other, which look like the first.

Where seven in ten dogs are called elephants, there are fewer dogs, more elephants, and many elephants that the model
takes for dogs. Counted by label alone that is a class mix and a fall of the elephants; but inputs are as they were. So
the rows of a confusion that has grown, between a class that lost rows and one that gained them, and of which the model
is as sure as it is of the first class, are put back to where they seem to come from. A class mix that changed while, by
coincidence, just that confusion grew looks the same, which is said.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from gapscope.gaps.scored import Scored
from gapscope.inference.bootstrap import mixed
from gapscope.predictions import Predictions

Array = np.ndarray
# Part of the rows that changed class which the confusion must account for.
ACCOUNTED = 0.5


class Evidence(NamedTuple):
    """What an exchange takes.

    Attributes
    ----------
    moved, grown
        Standard errors by which both shares must have moved, and by which the confusion must have grown.
    fewest
        Rows of the confusion.
    doubt
        Standard errors by which the model may be less sure of them than it has to be.
    """

    moved: float
    grown: float
    fewest: int
    doubt: float = 0.0


# Of all pairs of classes, which are many, hardly one comes so far by chance.
SEEN = Evidence(2.0, 4.0, 5)
# Of which a class mix that is seen beside it cannot be told by these rows.
SUSPECTED = Evidence(0.0, 2.0, 3, doubt=2.0)


class Exchange(NamedTuple):
    """Rows of the target that are labelled `label` and seem to be of class `seeming`.

    Attributes
    ----------
    rows
        How many.
    error
        Standard error of that.
    """

    label: int
    seeming: int
    rows: int
    error: float


def exchanges(
    reference: Scored,
    target: Scored,
    confidence: tuple[Array, Array] | None = None,
    evidence: Evidence = SEEN,
) -> list[Exchange]:
    """The exchanges for which there is such evidence, the largest first.

    Parameters
    ----------
    confidence
        Probability of the best class of all rows of both sets, in the order of `Scored.place`'s; where it is known, a
        confusion of which the model is as unsure as of its errors on the reference is none.
    """
    k = reference.classes
    before, now = (dict(zip(*_confusions(side), strict=True)) for side in (reference, target))
    result = []
    for pair, count in now.items():
        if count < evidence.fewest:
            continue
        label, seeming = divmod(int(pair), k)
        found = _exchange(label, seeming, (int(before.get(pair, 0)), int(count)), (reference, target), evidence)
        if found and (confidence is None or _as_sure(found, (reference, target), confidence, evidence.doubt)):
            result.append(found)
    return sorted(result, key=lambda one: -one.rows)


def restored(target: Scored, found: Sequence[Exchange]) -> Scored:
    """The target with the rows of each exchange put back; which of the confused ones decides a hash of their keys."""
    label, right = target.label.copy(), target.right.copy()
    order = np.argsort(mixed(target.key.astype(np.uint64)), kind="stable")
    for one in found:
        confused = order[(target.label[order] == one.label) & (target.predicted[order] == one.seeming)]
        label[confused[: one.rows]], right[confused[: one.rows]] = one.seeming, True
    return Scored(target.key, label, target.predicted, right, target.place, target.classes)


def shares_as_seen(reference: Predictions, target: Predictions) -> tuple[Array, Array]:
    """The shares of the classes in both sets, with labels of the target that seem exchanged put back, ``(k,)`` each."""
    sides = [Scored.of(one, one.sample_id, one.right, one.known) for one in (reference, target)]
    sure = (
        None if reference.confidence is None or target.confidence is None else (reference.confidence, target.confidence)
    )
    found = exchanges(*sides, sure)
    return sides[0].counts.share, restored(sides[1], found).counts.share


def confidence_of(reference: Predictions, target: Predictions) -> tuple[Array, Array] | None:
    """Probabilities of the best class of both sets, where both are known."""
    one, other = reference.confidence, target.confidence
    return None if one is None or other is None else (one, other)


def _confusions(side: Scored) -> tuple[Array, Array]:
    """Pairs ``label * k + predicted`` that occur among the errors, ascending, and how often."""
    wrong = ~side.right & (side.predicted >= 0)
    pairs = side.label[wrong].astype(np.int64) * side.classes + side.predicted[wrong]
    values, counts = np.unique(pairs, return_counts=True)
    return values, counts


def _exchange(
    label: int, seeming: int, counts: tuple[int, int], sides: tuple[Scored, Scored], evidence: Evidence
) -> Exchange | None:
    """The exchange of a confusion that occurs `counts` times in the two sets, if the classes' shares moved with it."""
    rows = [side.counts.rows for side in sides]
    n, m = (float(one.sum()) for one in rows)
    # A class that is gone has no row left that could show what became of the others.
    gone = evidence is SEEN and not rows[1][seeming]
    if gone or not (rows[0][label] and rows[0][seeming]):
        return None
    shares = rows[0] / n
    errors = np.sqrt(m * shares * (1 - shares) * (1 + m / n))
    lost = shares[seeming] * m - rows[1][seeming]
    gained = rows[1][label] - shares[label] * m
    rate = (counts[0] + 0.5) / (rows[0][label] + 1)
    grown = counts[1] - rate * rows[1][label]
    error = float(np.sqrt(max(counts[1], 1) + rows[1][label] ** 2 * rate * (1 - rate) / rows[0][label]))
    wanted = sides[0].counts.right[seeming] / rows[0][seeming] * min(lost, gained)
    moved = lost > evidence.moved * errors[seeming] and gained > evidence.moved * errors[label]
    count = int(min(grown, lost, gained))
    if not (moved and count) or grown < evidence.grown * error or grown < ACCOUNTED * wanted:
        return None
    return Exchange(label, seeming, count, error)


def _as_sure(one: Exchange, sides: tuple[Scored, Scored], confidence: tuple[Array, Array], doubt: float) -> bool:
    """Whether the model is as sure of the confused rows as of that class's own: nearer to them than to its errors, by
    means or, where there is `doubt`, but for so many standard errors.
    """
    reference, target = sides
    sure = [column[side.place].astype(np.float64) for column, side in zip(confidence, sides, strict=True)]
    of_class = sure[0][(reference.label == one.seeming) & (reference.predicted == one.seeming)]
    wrong = sure[0][~reference.right]
    confused = sure[1][(target.label == one.label) & (target.predicted == one.seeming)]
    if not (len(of_class) and len(wrong)):
        return True
    variance = confused.var() / len(confused) + (of_class.var() / len(of_class) + wrong.var() / len(wrong)) / 4
    return bool(confused.mean() + doubt * np.sqrt(variance) > (of_class.mean() + wrong.mean()) / 2)
