"""What a cause explains of images that it was not chosen by: distance, separability, accuracy, with intervals."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from gapscope.causes.appearance import NAMES
from gapscope.causes.kernel import LEVEL, Kernel
from gapscope.causes.search import Explanation, Search
from gapscope.causes.separability import separability
from gapscope.inference import average_ranks, clopper_pearson, interval_of, paired_interval
from gapscope.probes.model import Classifier

Array = np.ndarray
# From so much of the distance on, and up to this separability, nothing is left to explain. A cause is named from the
# least on, with an interval above half of that, unless it explains less than `FELT` of the features: of contents that
# no modification made of each other, some cause came to 62 % with an interval from 40 %, and of drawings snow to 55 %.
COMPLETE, INSEPARABLE, LEAST, FELT = 0.8, 0.6, 2 / 3, 0.5
# Each further cause has to explain so much of what those that are known leave.
ADDED = 0.5


class Measure(NamedTuple):
    """A value with its 95 % interval."""

    value: float
    low: float
    high: float


class Proof(NamedTuple):
    """A cause, applied to images that it was not chosen by.

    Attributes
    ----------
    explained
        Share of the distance that the cause takes away.
    felt
        The same of the features alone, which are what the model sees; None where these alone may differ by chance.
    auc, inseparable
        Area under the curve of a classifier of its images and the target's, and up to which one nothing is left to
        tell them by: `INSEPARABLE`, or what so few images show by chance.
    accuracy, lost
        Of the model on the modified images, and how much less that is than on the plain ones; None without labels.
    beyond
        How much more of the distance the best cause explains; an interval that holds 0 means that the two cannot be
        distinguished.
    away
        Attributes of what the network sees that the cause moves away from the target's, beyond chance.
    against
        Causes that have nothing in common with this one and explain as much, see `rivals.py`.
    """

    explanation: Explanation
    explained: Measure
    felt: Measure | None
    auc: float
    inseparable: float
    accuracy: Measure | None
    lost: Measure | None
    beyond: Measure
    away: tuple[str, ...] = ()
    against: tuple[str, ...] = ()

    @property
    def is_enough(self) -> bool:
        """Whether enough of the distance is explained, and of that of the features too."""
        least = least_of(self.explanation.name)
        felt = self.felt is None or self.felt.value >= FELT
        return self.explained.value >= least and self.explained.low > least / 2 and felt

    @property
    def is_named(self) -> bool:
        """Whether it explains enough and nothing speaks against it. A part of what happened may leave something to
        distinguish the images by, and not make it.
        """
        return self.is_enough and not self.against and (not self.away or self.auc <= self.inseparable)

    @property
    def is_complete(self) -> bool:
        """Whether nothing that matters is left to explain."""
        return self.explained.value >= COMPLETE and self.auc <= self.inseparable

    @property
    def is_rival(self) -> bool:
        """Whether the images cannot say that the best cause explains more."""
        return self.beyond.low <= 0


def least_of(name: str) -> float:
    """From which share on a cause of this name is named: two together may leave half of what one may, and three half of
    that, since some of all sets of causes always come nearer than one cause does.
    """
    return 1 - (1 - LEAST) * (1 - ADDED) ** name.count("+")


def proofs(search: Search, explanations: Sequence[Explanation], model: Classifier | None) -> list[Proof]:
    """The proof of every explanation, the best of which is the first."""
    rows = search.reference.halves[1]
    every = [one for explanation in explanations for one in explanation.candidates]
    search.features.of(every, rows, f"the best {len(explanations)} on {rows.stop - rows.start} other images")
    best = _replicates(search, explanations[0])
    return [_proof(search, one, best, model) for one in explanations]


def _proof(search: Search, explanation: Explanation, best: tuple[float, Array], model: Classifier | None) -> Proof:
    value, replicates = _replicates(search, explanation)
    accuracy, lost = _accuracies(search, explanation, model) if model else (None, None)
    return Proof(
        explanation,
        Measure(value, *interval_of(replicates)),
        _felt(search, explanation),
        _separability(search, explanation),
        inseparable(*(one.stop - one.start for one in (search.reference.halves[1], search.target.halves[1]))),
        accuracy,
        lost,
        Measure(best[0] - value, *interval_of(best[1] - replicates)),
        _away(search, explanation),
    )


def _felt(search: Search, explanation: Explanation) -> Measure | None:
    features = search.kernel.features
    if features.p > LEVEL:
        return None
    value, replicates = _replicates(search, explanation, features)
    return Measure(value, *interval_of(replicates))


def _away(search: Search, explanation: Explanation) -> tuple[str, ...]:
    """Of all images of both sets."""
    dim, count = search.target.x.shape[1], len(search.plain)
    target = search.rows[:, dim:]
    sets = (search.plain, search.mixed(explanation, slice(0, count)))
    before, after = (np.array([_apart(*one) for one in zip(rows[:, dim:].T, target.T, strict=True)]) for rows in sets)
    beyond = after - before > inseparable(count, len(target)) - 0.5
    return tuple(name for name, one in zip(NAMES, beyond, strict=False) if one)


def _apart(values: Array, others: Array) -> float:
    """How far the area under the curve by which ``values : (n,)`` and ``others : (m,)`` are told apart is from 0.5; NaN
    is a value that an image has not.
    """
    one, other = values[~np.isnan(values)], others[~np.isnan(others)]
    if not len(one) or not len(other):
        return 0.0
    below = average_ranks(np.concatenate([one, other]))[len(one) :].mean() - (len(other) + 1) / 2
    return abs(float(below) / len(one) - 0.5)


def _replicates(search: Search, explanation: Explanation, kernel: Kernel | None = None) -> tuple[float, Array]:
    return search.replicates(explanation, search.reference.halves[1], search.target.halves[1], kernel)


def _separability(search: Search, explanation: Explanation) -> float:
    """Of the mixture, in which every image has one version, and the target."""
    rows, columns = search.reference.halves[1], search.target.halves[1]
    dim = search.target.x.shape[1]
    mixed = search.mixed(explanation, rows)[:, :dim]
    names = search.reference.names[rows], search.target.names[columns]
    return separability(mixed, search.target.x[columns], *names)


def inseparable(n: int, m: int) -> float:
    """Up to which area under the curve so many rows of two sets are not distinguished: `INSEPARABLE`, or what chance
    gives, by the standard error of the area where nothing differs (Mann and Whitney 1947).
    """
    return max(INSEPARABLE, 0.5 + 1.96 * float(np.sqrt((n + m + 1) / (12 * n * m))))


def _accuracies(search: Search, explanation: Explanation, model: Classifier) -> tuple[Measure | None, Measure | None]:
    """Of all images of the reference that have a label: accuracy after the cause, and what it lost."""
    label = search.reference.label
    right, known = correct(model, search.reference.x, label), label >= 0
    after = search.made(explanation.candidates, slice(0, len(label)))
    dim = search.reference.x.shape[1]
    versions = [right, *(correct(model, x[:, :dim], label) for x in after)]
    if not known.any():
        return None, None
    mixed = np.tensordot(explanation.shares, np.stack(versions)[:, known], 1)
    return share_of(mixed), measured(right[known] - mixed)


def correct(model: Classifier, x: Array, label: Array) -> Array:
    """Whether each row of ``x : (n, d)`` is classified correctly, ``(n,) float64``."""
    return (model.predict(x) == label).astype(np.float64)


def share_of(right: Array) -> Measure:
    """The mean of ``right : (n,)``, each from 0 to 1, with Clopper and Pearson's interval; it is wider than it need be
    where some lie between, for no numbers of that mean vary more than zeros and ones.
    """
    n = len(right)
    whole = min(float(right.sum()), n)
    return Measure(whole / n, *clopper_pearson(whole, n))


def measured(values: Array) -> Measure:
    """The mean of what changed in each image, ``values : (n,)`` from -1 to 1, with its interval."""
    return Measure(float(values.mean()), *paired_interval(values))
