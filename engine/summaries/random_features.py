"""Sums of random cosine and sine features of rows, and of their products: the state of a kernel test in one pass.

With frequencies drawn from a normal law, the product of the features of two rows is, on average, a Gaussian kernel of
them. Doubling an angle gives the features of half the bandwidth without another matrix product, so one projection
serves several bandwidths, one octave apart.

References
----------
Rahimi and Recht (2007), "Random features for large-scale kernel machines".
"""

from collections.abc import Iterator
from operator import add
from typing import NamedTuple

import numpy as np

from gapscope.core.chunk import Chunk
from gapscope.core.errors import InputError
from gapscope.summaries.moments import Array

# Rows whose features are held at a time.
BLOCK_ROWS = 512


class RandomFeatures(NamedTuple):
    """Count, sum and sum of products of the features of the rows seen so far, for each octave of bandwidth.

    Attributes
    ----------
    n
        Number of rows.
    total : (o, 2D) float64
        Sum of ``phi(x)``; the widest bandwidth first, each next one half as wide. The features of a row have length 1.
    product : (o, 2D, 2D) float64
        Sum of ``outer(phi(x), phi(x))``.
    """

    n: int
    total: Array
    product: Array

    @classmethod
    def of(cls, chunk: Chunk, origin: Array, frequencies: Array, octaves: int) -> "RandomFeatures":
        """Of a chunk, for ``frequencies : (d, D)`` of the widest bandwidth and an ``origin : (d,)`` near the rows.

        Costs ``2 d D + 4 o D²`` float64 flops a row. State: ``32 o D²`` bytes, 6 MiB for three octaves
        of 256 frequencies.

        Raises
        ------
        InputError
            A feature is not finite.
        """
        width = 2 * frequencies.shape[1]
        total, product = np.zeros((octaves, width)), np.zeros((octaves, width, width))
        for start in range(0, len(chunk.x), BLOCK_ROWS):
            block = chunk.rows(start, start + BLOCK_ROWS)
            for octave, features in enumerate(features_of(_finite(block), origin, frequencies, octaves)):
                phi = features.astype(np.float64)
                total[octave] += phi.sum(axis=0)
                product[octave] += phi.T @ phi
        scale = 1 / frequencies.shape[1]
        return cls(len(chunk.x), total * np.sqrt(scale), product * scale)

    def merge(self, other: "RandomFeatures") -> "RandomFeatures":
        """The sums over both row sets."""
        return RandomFeatures(*map(add, self, other))

    @property
    def mean(self) -> Array:
        """The mean embedding of each octave, ``(o, 2D)``."""
        return self.total / self.n


def features_of(x: Array, origin: Array, frequencies: Array, octaves: int) -> Iterator[Array]:
    """Cosines beside sines ``(n, 2D) float32`` of ``x : (n, d)``, octave by octave, each row of length √D.

    The product is float64: in float32 a row's angles would depend, in their last digits, on where in a chunk it stands.
    """
    angle = ((np.asarray(x, np.float64) - origin) @ frequencies).astype(np.float32)
    cosine, sine = np.cos(angle), np.sin(angle)
    for octave in range(octaves):
        if octave:
            cosine, sine = 1 - 2 * sine * sine, 2 * sine * cosine
        yield np.concatenate([cosine, sine], axis=1)


def _finite(chunk: Chunk) -> Array:
    good = np.isfinite(chunk.x).all(axis=1)
    if not good.all():
        raise InputError(f"sample {chunk.sample_id[~good][0]} has a feature that is not finite; extract it again")
    return chunk.x
