"""What two sets lost within classes, split by the features of their rows: DISDE on sets that have one class mix."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.special import expit, logit

from gapscope.gaps.disde import Disde, Rows, disde
from gapscope.gaps.expected import expected_accuracy
from gapscope.gaps.mix import Counts, mix_of
from gapscope.gaps.scored import Scored
from gapscope.shifts.looks import Looks

Array = np.ndarray
Pair = tuple[Array, Array]


class Seen(NamedTuple):
    """What features and the model say of all rows of the reference and of the target, labelled or not.

    Attributes
    ----------
    domain
        The cross-fitted probability that a row with its features is the target's, at the sets' own sizes.
    mix_odds
        How much likelier the target is by its class mix alone, ``sum_c P(c | x) q_c / p_c``. The domain scores are
        freed of it, so that a class mix is not taken for an X-shift. Without it the row's own label stands for its
        class probabilities, which errs for rows that look like another class.
    looks
        What further classifiers say of the first rows of both sets, without which shared inputs are taken on trust.
    confidence
        Probability of the best class.
    """

    domain: Pair
    mix_odds: Pair | None = None
    looks: Looks | None = None
    confidence: Pair | None = None

    @property
    def logits(self) -> list[Array]:
        """The domain scores as log odds, freed of the class mix where its odds are known."""
        odds = self.mix_odds or (1.0, 1.0)
        return [logit(np.asarray(one, np.float64)) - np.log(by) for one, by in zip(self.domain, odds, strict=True)]

    @property
    def alpha(self) -> float:
        """The share of target rows at which the domain scores hold."""
        return len(self.domain[1]) / (len(self.domain[0]) + len(self.domain[1]))


def split_within(sides: Sequence[Scored], seen: Seen, *, replicates: int, seed: int) -> Disde | None:
    """DISDE of the rows of classes that both sets have, weighted so that both have the mean of their class mixes; None
    where they have no class in common.
    """
    counts = [side.counts for side in sides]
    weight = mix_of(*counts).weight
    if not weight.sum() > 0:
        return None
    scale = [np.divide(weight, one.share, out=np.zeros_like(weight), where=one.share > 0) for one in counts]
    undone = np.zeros_like(weight) if seen.mix_odds is None else _by_label(scale, counts)
    there = [by_class[side.label] > 0 for side, by_class in zip(sides, scale, strict=True)]
    columns = [
        {"sample_id": side.key, "label": side.label, "right": side.right, "weight": by_class[side.label]}
        | {"domain": expit(logits[side.place] - undone[side.label])}
        | (_looked_at(seen.looks, index, len(logits), side.place) if seen.looks is not None else {})
        for index, (side, by_class, logits) in enumerate(zip(sides, scale, seen.logits, strict=True))
    ]
    columns = [{name: one[by] for name, one in some.items()} for some, by in zip(columns, there, strict=True)]
    if seen.confidence is not None:
        sure = [one[side.place][by] for one, side, by in zip(seen.confidence, sides, there, strict=True)]
        expected = expected_accuracy(sure, *([some[name] for some in columns] for name in ("right", "weight")))
        columns = [some | {"expected": one} for some, one in zip(columns, expected, strict=True)]
    rows = [Rows(**some) for some in columns]
    return disde(*rows, replicates=replicates, seed=seed, classes=len(weight), alpha=seen.alpha)


def _by_label(scale: list[Array], counts: list[Counts]) -> Array:
    """By how much `disde` moves the logits of a class because of its weights, ``(k,)``."""
    both = scale[0] > 0
    each = [one / np.average(one[both], weights=side.rows[both]) for one, side in zip(scale, counts, strict=True)]
    return np.log(np.divide(each[1], each[0], out=np.ones_like(each[0]), where=both))


def _looked_at(looks: Looks, index: int, rows: int, place: Array) -> dict[str, Array]:
    """The scores of each look and whether a row lies near one of the other set, for the rows at `place` of the
    reference (0) or the target (1); NaN for rows that were not looked at.
    """
    near = (looks.recalled, looks.held)[index]
    table = np.full((rows, len(looks.each) + 1), np.nan, np.float32)
    table[: len(near), :-1] = np.stack([(look.reference, look.target)[index] for look in looks.each], axis=1)
    table[: len(near), -1] = near
    return {"looks": table[place, :-1], "near": table[place, -1]}
