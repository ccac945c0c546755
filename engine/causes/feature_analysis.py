"""From two samples of features without images to what happened to them: chosen on one half, told of the other."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from gapscope.causes.chance import Exchanged
from gapscope.causes.distance import REPLICATES, WORTH, Grams, resampled
from gapscope.causes.feature_changes import CHANGES, TRACED, Fitted
from gapscope.causes.kernel import LEVEL, Kernel
from gapscope.causes.proof import (
    COMPLETE,
    LEAST,
    Measure,
    correct,
    inseparable,
    measured,
    share_of,
)
from gapscope.causes.samples import Sample
from gapscope.causes.separability import chance_of_separability, separability
from gapscope.core.progress import Progress
from gapscope.core.random import stream
from gapscope.inference import interval_of
from gapscope.probes.model import Classifier

Array = np.ndarray
# How many changes are proven.
PROVEN = 3
# Of changes that explain as much as the best one but for `WORTH`, the simplest is chosen whose area under the curve is
# no more than this above the least.
LIKE = 0.05


class FeatureProof(NamedTuple):
    """A change of features, applied to rows that it was not fitted to.

    Attributes
    ----------
    said
        Its numbers, in words.
    of_files
        See `Fitted`.
    explained, auc, inseparable, accuracy, lost
        See `proof.Proof`.
    is_rival
        Whether these rows cannot say that the chosen change explains more.
    """

    name: str
    said: str
    of_files: bool
    explained: Measure
    auc: float
    inseparable: float
    accuracy: Measure | None
    lost: Measure | None
    is_rival: bool

    @property
    def is_named(self) -> bool:
        """Whether it explains enough to be named."""
        return self.explained.value >= LEAST and self.explained.low > LEAST / 2

    @property
    def is_complete(self) -> bool:
        """Whether nothing is left to explain."""
        return self.is_named and self.explained.value >= COMPLETE and self.auc <= self.inseparable


@dataclass(frozen=True, eq=False)
class FeatureAnalysis:
    """What was found.

    Attributes
    ----------
    by_chance
        How far apart the sets are, and how far by chance; each feature in its deviation over both sets.
    auc, separate
        Separability of both second halves, and how probable one so large is by chance.
    shares
        By change, the share of the distance that it explains of the rows that changes were chosen by.
    proofs
        Of the chosen change, and of the others that explain most.
    accuracies
        Of the model on either second half; None without labels.
    after
        All rows of the reference after the chosen change, ``(n, d) float32``; None where none is named.
    """

    reference: Sample
    target: Sample
    by_chance: Exchanged
    auc: float
    separate: float
    shares: dict[str, float]
    proofs: list[FeatureProof]
    accuracies: tuple[Measure | None, Measure | None]
    after: Array | None

    @property
    def chance(self) -> float:
        """How probable so large a difference is by either look; above `LEVEL` nothing else is said."""
        return min(1.0, 2 * min(self.by_chance.p, self.separate))

    @property
    def is_beyond_chance(self) -> bool:
        """Whether the sets differ at all."""
        return self.chance <= LEVEL

    @property
    def named(self) -> FeatureProof | None:
        """The proof of what happened, where enough is explained."""
        return self.proofs[0] if self.proofs and self.proofs[0].is_named else None


@dataclass(frozen=True, eq=False)
class _Pair:
    """Both sets: their features ``(n, d)`` and ``(m, d)``, the names of the images, and the deviations of the features
    over both, ``(d,)``.
    """

    reference: Array
    target: Array
    names: tuple[list[str], list[str]]
    size: Array

    @classmethod
    def of(cls, reference: Sample, target: Sample) -> "_Pair":
        """Those of two samples."""
        x, other = (one.x.astype(np.float64) for one in (reference, target))
        size = np.concatenate([x, other]).std(axis=0)
        return cls(x, other, (reference.names, target.names), np.where(size > 0, size, 1))

    @property
    def different(self) -> Array:
        """Which pairs ``(n, m)`` are of different images."""
        return np.not_equal.outer(*map(np.array, self.names))

    def rows(self, first: int, step: int, *, of: int) -> "_Pair":
        """Every `step`-th row of the first (0) or second (1) half of either set, from the place `first` on."""
        one, other = (_part(len(side), first, step, of) for side in (self.reference, self.target))
        names = self.names[0][one], self.names[1][other]
        return _Pair(self.reference[one], self.target[other], names, self.size)

    def grams(self, kernel: Kernel, fitted: Fitted, rng: np.random.Generator) -> Grams:
        """Kernel values of the reference as it is and after a change, and of the target."""
        versions = [self.reference / self.size, fitted.apply(self.reference, rng) / self.size]
        return Grams.of(kernel, versions, self.target / self.size, self.different)

    def separability(self, x: Array) -> float:
        """Of rows ``x : (n, d)`` in place of the reference's, and the target's; a half where so few cannot say."""
        area = separability(x, self.target, *self.names)
        return 0.5 if np.isnan(area) else area


def _part(count: int, first: int, step: int, of: int) -> slice:
    half = (count + 1) // 2
    return slice(half + first, count, step) if of else slice(first, half, step)


# Shares of the reference as it is, and after the change.
CHANGED = np.array([0.0, 1.0])


def analyse_features(
    reference: Sample, target: Sample, model: Classifier | None, seed: int, progress: Progress
) -> FeatureAnalysis:
    """Fit every change to a part of the first halves, choose by the other part, and prove it on the second halves.

    A change is chosen by what it explains, and of those that explain about as much, the simplest one that leaves little
    for a classifier to distinguish.
    """
    pair = _Pair.of(reference, target)
    sides = pair.reference / pair.size, pair.target / pair.size
    kernel = Kernel.of(*sides, len(pair.size), pair.different, stream(seed, "explain", "chance"))
    judged = pair.rows(0, 1, of=1)
    auc = judged.separability(judged.reference)
    separate = chance_of_separability(*_both(judged), *judged.names, stream(seed, "explain", "separability"))
    accuracies = (_accuracy(model, reference), _accuracy(model, target))
    found = FeatureAnalysis(reference, target, kernel.views[0].by_chance, auc, separate, {}, [], accuracies, None)
    if not found.is_beyond_chance:
        return found
    shares, order = _chosen(pair, kernel, seed, progress)
    found = replace(found, shares=shares, proofs=_proofs(pair, order, kernel, reference, model, seed))
    fitted = CHANGES[found.named.name].fit(*_both(pair.rows(0, 1, of=0))) if found.named else None
    if fitted is None:
        return found
    return replace(found, after=fitted.apply(pair.reference, stream(seed, found.named.name)).astype(np.float32))


def _both(pair: _Pair) -> tuple[Array, Array]:
    return pair.reference, pair.target


def _chosen(pair: _Pair, kernel: Kernel, seed: int, progress: Progress) -> tuple[dict[str, float], list[str]]:
    """See `FeatureAnalysis.shares`; and the changes, the chosen one first, the others by what they explain."""
    fitted_to, chosen_by = pair.rows(0, 2, of=0), pair.rows(1, 2, of=0)
    shares, areas = {}, {}
    with progress.task("changes of the features", len(CHANGES), "changes") as task:
        for name, change in CHANGES.items():
            fitted = change.fit(*_both(fitted_to))
            if fitted:
                shares[name] = chosen_by.grams(kernel, fitted, stream(seed, name)).terms().explained(CHANGED)
                areas[name] = chosen_by.separability(fitted.apply(chosen_by.reference, stream(seed, name)))
            task.advance()
    rivals = [name for name, share in shares.items() if share >= max(shares.values()) - WORTH]
    first = next(name for name in rivals if areas[name] <= min(areas[one] for one in rivals) + LIKE)
    return shares, [first, *sorted(set(shares) - {first}, key=lambda name: -shares[name])]


def _proofs(
    pair: _Pair, order: Sequence[str], kernel: Kernel, reference: Sample, model: Classifier | None, seed: int
) -> list[FeatureProof]:
    """That of the first, and of the best of those that cannot do what it does."""
    others = [name for name in order[1:] if not CHANGES[name].can_do(order[0])]
    fitted_to, judged = pair.rows(0, 1, of=0), pair.rows(0, 1, of=1)
    label = reference.label[reference.halves[1]]
    known, proofs, best = label >= 0, [], np.zeros(REPLICATES)
    for name in (order[0], *others[: PROVEN - 1]):
        fitted = CHANGES[name].fit(*_both(fitted_to))
        if fitted is None:  # what a part of the rows allows, all of them may not
            continue
        grams = judged.grams(kernel, fitted, stream(seed, name))
        samples = resampled(grams, stream(seed, "explain", "bootstrap"), REPLICATES)
        value, drawn = float(grams.terms().explained(CHANGED)), samples.explained(CHANGED)
        best = best if proofs else drawn
        x = fitted.apply(judged.reference, stream(seed, name))
        accuracy, lost = None, None
        if model and known.any():
            before, after = (correct(model, one.astype(np.float32), label)[known] for one in (judged.reference, x))
            accuracy, lost = share_of(after), measured(before - after)
        explained, beyond = Measure(value, *interval_of(drawn)), interval_of(best - drawn)
        auc, bound = judged.separability(x), inseparable(*(len(one) for one in _both(judged)))
        rival = bool(proofs) and order[0] not in TRACED and beyond[0] <= 0 and auc <= max(proofs[0].auc + LIKE, bound)
        proofs.append(FeatureProof(name, fitted.said, fitted.of_files, explained, auc, bound, accuracy, lost, rival))
    return proofs


def _accuracy(model: Classifier | None, sample: Sample) -> Measure | None:
    """Of the second half."""
    rows = sample.halves[1]
    known = sample.label[rows] >= 0
    right = correct(model, sample.x[rows], sample.label[rows]) if model and known.any() else None
    return None if right is None else share_of(right[known])
