"""What chooses without labels: whether predictions have the class mix of the reference, how much they say of the
classes, and how far a second head shares them that is repaired in the same way.

An alignment presumes the mix of the reference. After one of means and deviations, and after one of covariances,
predictions have this mix where it has not changed, and seldom where it has. Where they have it, the alignment whose
predictions say most is chosen. The second head overrules this: two heads that were fitted to different rows agree about
as often as either is right, so the repair is chosen after which they agree most.

References
----------
Jiang et al. (2022), "Assessing generalization of SGD via disagreement". Shi and Sha (2012), "Information-theoretical
learning of discriminative clusters for unsupervised domain adaptation": what predictions say of the classes.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

Array = np.ndarray
# Rows of each set that are looked at, at most.
ROWS = 2000
# Alignments, which presume the class mix of the reference, and what the second head chooses.
ALIGNED, USUAL_ALIGNMENT, SHARED = ("mean", "scale", "coral"), ("scale",), ("scale", "mixture", "mixture-and-shares")
# Share of the information that predictions of the reference have, from which on a model is clear; the largest
# `another_mix` that is the same mix, after an alignment of covariances of a model that is not clear, and else. Set, as
# all that follow, on made shifts so that at most 1 point is lost in 97 % of targets of each kind.
CLEAR, UNCLEAR_SAME, SEEN_SAME = 0.6, 0.3, 0.9
# By how much more predictions must say, in nats, and be shared, each with what chance adds, divided by the rows; and
# the share of what they say without a repair that they must keep, as class shares can collapse onto a few classes.
MORE_INFORMATION, CHANCE_INFORMATION, MORE_SHARED, CHANCE_SHARED, LEAST_KEPT = 0.05, 5.0, 0.04, 1.0, 0.5
# Total variation between two class mixes that is no other mix, beside what chance gives k classes.
SAME_MIX, CHANCE = 0.1, 0.4
# A second head chooses only of so many classes, by so many rows for each of them. The probability of one of two is a
# single number, which another mix moves as another appearance does: a mix that was found there cost up to 24 points on
# photographs of cats and dogs. Covariances of two classes cost up to 5 where the others did not.
SEVERAL, ROWS_OF_CLASS = 3, 4


def another_mix(before: Array, after: Array) -> float:
    """How far apart the class shares of predictions ``(n, k)`` and ``(m, k)`` are; above 1 beyond chance."""
    return mixes_apart(before.argmax(axis=1), after.argmax(axis=1), before.shape[1])


def mixes_apart(before: Array, after: Array, k: int) -> float:
    """How far apart the shares of k classes among ``(n,)`` and ``(m,)`` class indices are; above 1 beyond chance.

    Total variation; of two samples of one mix of k equal classes it is about ``0.4 sqrt(k (1/n + 1/m))``.
    """
    shares = [np.bincount(one, minlength=k) / len(one) for one in (before, after)]
    variation = 0.5 * float(np.abs(shares[0] - shares[1]).sum())
    return variation / (SAME_MIX + CHANCE * float(np.sqrt(k * (1 / len(before) + 1 / len(after)))))


class Signs(NamedTuple):
    """What can be said of a repaired head without labels.

    Attributes
    ----------
    mix
        See `another_mix`, from the old head on the reference to this one on the target.
    shared
        See `shared`, by the second head after the same repair.
    information
        How much its predictions say of the classes, in nats: the entropy of the mean of the probabilities less the mean
        of their entropies.
    strength
        What the old head's predictions of the reference say as a share of what could be said of so many classes.
    classes
        Of the reference.
    """

    mix: float
    shared: float
    information: float
    strength: float
    classes: int

    @property
    def is_clear(self) -> bool:
        """Whether predictions say enough for another class mix to be seen in them."""
        return self.strength >= CLEAR


def information(q: Array) -> float:
    """Of probabilities ``q : (n, k)``; see `Signs`."""
    mean = q.mean(axis=0)
    entropy = [-(one * np.log(np.maximum(one, 1e-300))).sum(axis=-1) for one in (mean, q)]
    return float(entropy[0] - entropy[1].mean())


def shared(one: Array, other: Array) -> float:
    """How often two heads with probabilities ``(n, k)`` say the same: the mean of the share of rows whose likeliest
    class is the same, and of the chance that classes drawn from both are.
    """
    same = one.argmax(axis=1) == other.argmax(axis=1)
    return float((same.mean() + (one * other).sum(axis=1).mean()) / 2)


def has_same_mix(signs: Mapping[str, Signs], usual: str) -> bool:
    """Whether predictions have the class mix of the reference after alignments that presume it."""
    most = SEEN_SAME if signs[usual].is_clear else UNCLEAR_SAME
    return {"scale", "coral"} <= set(signs) and signs["scale"].mix <= SEEN_SAME and signs["coral"].mix <= most


def most_informative(signs: Mapping[str, Signs], usual: str, rows: int) -> str:
    """The name of the alignment whose predictions say most of the classes, if they have the reference's mix.

    Of a model whose predictions say little, another alignment than that of the scales says more by chance; and one of
    covariances does of two classes.
    """
    before = signs[usual]
    left_out = () if before.classes >= SEVERAL else ("coral",)
    names = [name for name in (ALIGNED if before.is_clear else USUAL_ALIGNMENT) if name in signs]
    free = {name: signs[name].information for name in names if signs[name].mix <= 1 and name not in left_out}
    best = max(free, key=free.__getitem__, default=usual)
    return (
        best if signs[best].information - before.information > MORE_INFORMATION + CHANCE_INFORMATION / rows else usual
    )


def most_shared(signs: Mapping[str, Signs], usual: str, aligned: str, rows: int) -> str:
    """The name of the repair whose predictions the second head shares most, if clearly more than those `aligned`."""
    before = signs[usual]
    if before.classes < SEVERAL or rows < ROWS_OF_CLASS * before.classes:
        return aligned
    least = LEAST_KEPT * before.information
    free = {name: signs[name].shared for name in SHARED if name in signs and signs[name].information >= least}
    best = max(free, key=free.__getitem__, default=aligned)
    clearly = signs[best].shared - signs[aligned].shared > MORE_SHARED + CHANCE_SHARED / rows
    return best if clearly else aligned


def chosen(signs: Mapping[str, Signs], usual: str, rows: int, *, same_mix: bool) -> str:
    """The name to choose: the alignment that says most where the mix is known or seen to be the reference's, else the
    `usual`; unless it is not known, the model is clear, and the second head shares another clearly more.
    """
    aligned = most_informative(signs, usual, rows) if same_mix or has_same_mix(signs, usual) else usual
    return most_shared(signs, usual, aligned, rows) if signs[usual].is_clear and not same_mix else aligned
