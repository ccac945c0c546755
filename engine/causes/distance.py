"""How far modified images of the reference are from the target, as a share of how far the plain ones are.

The distance is the squared maximum mean discrepancy (Gretton et al. 2012) by the kernel of `kernel.py`. Only pairs of
different images count, so that its expectation is 0 for two samples of one population (a U-statistic), also where both
sets show the same images: pairs of the same name are left out. A cause may be a mixture of versions of the images,
such as 30 % at severity 4 and the others as they are: mixtures mix in the space of the kernel, so their distance is a
quadratic form of the shares.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from gapscope.causes.kernel import Kernel

Array = np.ndarray
# A mixture of two versions has to explain so much more than the best one alone.
WORTH = 0.03
# Bootstrap samples of the images.
REPLICATES = 200


class Terms(NamedTuple):
    """Mean kernel values: ``within : (c, c)`` of pairs of versions, ``across : (c,)`` of versions and the target,
    ``target`` of the target's pairs; all three, and what follows from them, ``(r, ...)`` for weights of r samples.
    """

    within: Array
    across: Array
    target: Array

    def distance(self, shares: Array) -> Array:
        """Squared discrepancy of the mixture with ``shares : (c,)``, which sum to 1; may be negative by chance."""
        return self.within @ shares @ shares - 2 * self.across @ shares + self.target

    def explained(self, shares: Array) -> Array:
        """Share of the distance of the first version that the mixture takes away; 0 where there is none to take."""
        first = self.distance(np.eye(len(shares))[0])
        return np.where(first > 0, 1 - self.distance(shares) / np.where(first > 0, first, 1.0), 0.0)[()]

    def best(self) -> Array:
        """Shares ``(c,)`` of at most two versions, the nearest mixture; of one where a second adds little."""
        count = len(self.across)
        alone = min(np.eye(count), key=self.distance)
        pairs = [self._nearest(a, b) for a in range(count) for b in range(a)]
        mixed = min(pairs, key=self.distance, default=alone)
        worth = WORTH * abs(self.distance(np.eye(count)[0]))
        return mixed if self.distance(mixed) < self.distance(alone) - worth else alone

    def _nearest(self, a: int, b: int) -> Array:
        """The nearest mixture of two versions."""
        curve = self.within[a, a] + self.within[b, b] - 2 * self.within[a, b]
        slope = self.within[b, b] - self.within[a, b] - self.across[b] + self.across[a]
        share = np.clip(slope / curve, 0, 1) if curve > 0 else float(slope > 0)
        result = np.zeros(len(self.across))
        result[a], result[b] = share, 1 - share
        return result


class Grams(NamedTuple):
    """Kernel values of versions of the reference's images, the plain ones first, and of the target's images.

    Attributes
    ----------
    within : (c, c, n, n), across : (c, n, m), target : (m, m)
        Zero for pairs of the same image.
    different : (n, m)
        Which pairs are of different images.
    """

    within: Array
    across: Array
    target: Array
    different: Array

    @classmethod
    def of(cls, kernel: Kernel, versions: Sequence[Array], target: Array, different: Array) -> "Grams":
        """Those of ``versions : (n, d)`` each and ``target : (m, d)``."""
        count, n = len(versions), len(versions[0])
        versions, target = [kernel.scaled(one) for one in versions], kernel.scaled(target)
        within = np.empty((count, count, n, n))
        for a in range(count):
            for b in range(a + 1):
                within[a, b] = kernel.of_pairs(versions[a], versions[b]) * (1 - np.eye(n))
                within[b, a] = within[a, b].T
        across = np.stack([kernel.of_pairs(version, target) * different for version in versions])
        return cls(within, across, kernel.of_pairs(target, target) * (1 - np.eye(len(target[0]))), different)

    def terms(self, reference: Array | None = None, target: Array | None = None) -> Terms:
        """The mean values, with weights ``reference : (n,)`` and ``target : (m,)`` of the images, or ``(r, n)`` and
        ``(r, m)`` of several samples of them.
        """
        n, m = self.different.shape
        u = np.ones(n) if reference is None else reference
        v = np.ones(m) if target is None else target
        # One product of matrices for all samples takes a tenth of the time of one after another.
        within = np.einsum("abn...,...n->...ab", self.within @ u.T, u) / _pairs(u)[..., None, None]
        across = np.einsum("cn...,...n->...c", self.across @ v.T, u) / _sum(u @ self.different, v)[..., None]
        return Terms(within, across, _sum(v @ self.target, v) / _pairs(v))


def _sum(u: Array, v: Array) -> Array:
    return np.einsum("...n,...n->...", u, v)


def _pairs(u: Array) -> Array:
    """The sum of the weights of all pairs of different images."""
    return u.sum(axis=-1) ** 2 - _sum(u, u)


def resampled(grams: Grams, rng: np.random.Generator, replicates: int) -> Terms:
    """The terms of so many bootstrap samples of the images of both sets; versions of an image stay together."""
    n, m = grams.different.shape
    weights = [[rng.multinomial(size, np.full(size, 1 / size)) for size in (n, m)] for _ in range(replicates)]
    return grams.terms(*(np.array(one, np.float64) for one in zip(*weights, strict=True)))
