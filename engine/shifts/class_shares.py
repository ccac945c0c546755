"""The shares of classes in a target that make its rows likeliest (MLLS), by expectation maximisation.

References
----------
Saerens, Latinne and Decaestecker (2002), "Adjusting the outputs of a classifier to new a priori probabilities".
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import numpy as np

from gapscope.core.chunk import Chunk
from gapscope.core.progress import SILENT, Progress
from gapscope.inference import resampled_sums
from gapscope.store import View
from gapscope.stream import CHUNK_ROWS, Workers, fold

Array = np.ndarray
STEPS, STANDSTILL = 500, 1e-7


class Responsibilities(NamedTuple):
    """Summed posterior of each class ``(k,)`` over some rows, and their number."""

    total: Array
    rows: int

    def merge(self, other: "Responsibilities") -> "Responsibilities":
        """Of both row sets together."""
        return Responsibilities(self.total + other.total, self.rows + other.rows)

    @classmethod
    def of(cls, probabilities: Array, ratio: Array) -> "Responsibilities":
        """Those of rows with ``probabilities : (n, k)`` under the source's shares, when shares change by `ratio`."""
        moved = np.asarray(probabilities, np.float64) * ratio
        sums = moved.sum(axis=1, keepdims=True)
        return cls(np.divide(moved, sums, out=np.zeros_like(moved), where=sums > 0).sum(axis=0), len(moved))


class _Fisher(NamedTuple):
    """What errors of MLLS are made from: the observed information, and the score of each bootstrap replicate."""

    information: Array
    scores: Array

    def merge(self, other: "_Fisher") -> "_Fisher":
        return _Fisher(self.information + other.information, self.scores + other.scores)


@dataclass(frozen=True, eq=False)
class TargetRows:
    """The class probabilities of rows that are read in chunks: what `mlls` needs in place of a matrix.

    Attributes
    ----------
    probabilities
        Features ``(n, d)`` to ``(n, k)`` under the source's shares; picklable.
    """

    view: View
    probabilities: Callable[[Array], Array]
    workers: Workers
    progress: Progress = SILENT
    chunk_rows: int = CHUNK_ROWS

    def __call__(self, ratio: Array) -> Responsibilities:
        return self._fold(partial(_expect, probabilities=self.probabilities, ratio=ratio), "shares of the classes")

    def replicates(self, prior: Array, result: Array, seed: int, replicates: int) -> Array:
        """The shares ``found : (k,)`` in each bootstrap replicate, ``(replicates, k)``: one Newton step, in which
        shares that are 0 stay 0.
        """
        free = result > 1e-9
        of = partial(
            _inform,
            probabilities=self.probabilities,
            inverse_prior=np.where(free, 1 / np.maximum(prior, 1e-300), 0),
            shares=result,
            seed=seed,
            replicates=replicates,
        )
        fisher = self._fold(of, "errors of the shares")
        k = int(free.sum())
        system = np.ones((k + 1, k + 1))
        system[:k, :k], system[k, k] = fisher.information[np.ix_(free, free)], 0
        wanted = np.concatenate([fisher.scores[:, free].T, np.zeros((1, replicates))])
        moved = np.tile(result, (replicates, 1))
        moved[:, free] += np.linalg.lstsq(system, wanted, rcond=None)[0][:k].T
        return moved

    def _fold(self, of: Callable[[Chunk], NamedTuple], description: str) -> NamedTuple:
        return fold(
            self.view, of, self.workers, chunk_rows=self.chunk_rows, progress=self.progress, description=description
        )


def _expect(chunk: Chunk, probabilities: Callable[[Array], Array], ratio: Array) -> Responsibilities:
    return Responsibilities.of(probabilities(chunk.x), ratio)


def _inform(
    chunk: Chunk,
    probabilities: Callable[[Array], Array],
    inverse_prior: Array,
    shares: Array,
    seed: int,
    replicates: int,
) -> _Fisher:
    slope = np.asarray(probabilities(chunk.x), np.float64) * inverse_prior
    likelihood = (slope @ shares)[:, None]
    slope = np.divide(slope, likelihood, out=np.zeros_like(slope), where=likelihood > 0)
    scores = resampled_sums(chunk.sample_id, slope, seed, replicates) - slope.sum(axis=0)
    return _Fisher(slope.T @ slope, scores)


def mlls(source_prior: Array, probabilities_target: Array | Callable[[Array], Responsibilities]) -> Array:
    """Shares ``(k,)`` of the classes in the target, of highest likelihood.

    Parameters
    ----------
    source_prior : (k,)
        Shares under which the probabilities hold.
    probabilities_target
        ``(m, k)``; or `TargetRows`, which is read once for every step, 500 times at most.
    """
    prior = np.asarray(source_prior, np.float64)
    expect = probabilities_target
    if not callable(expect):
        table = np.asarray(probabilities_target)

        def expect(ratio: Array) -> Responsibilities:
            return Responsibilities.of(table, ratio)

    result = prior
    for _ in range(STEPS):
        before = result
        sums = expect(np.divide(before, prior, out=np.zeros_like(prior), where=prior > 0)).total
        result = sums / sums.sum()
        if np.abs(result - before).max() < STANDSTILL:
            break
    return result
