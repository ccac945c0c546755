"""Re-colouring: the target's features get the mean and the whole covariance that they have in the reference.

Rows are whitened by the target's covariance and coloured by the reference's, with features in units of their pooled
deviations. Any rotation between the two steps gives the same covariance; taken is the one under which the rows move
least, which is the optimal transport between the two Gaussians: ``T = Q^-1/2 (Q^1/2 P Q^1/2)^1/2 Q^-1/2``. It undoes
every stretch along any axes in these units; CORAL's own ``Q^-1/2 P^1/2`` does so only where the two covariances have
the same axes, and won back less of every constructed shift of real features that was tried.

Both covariances are drawn to a sphere by the same share, that of their mean with the rows of the smaller set: unequal
shares would change rows even where the two populations are one.

References
----------
Sun, Feng and Saenko (2016), "Return of frustratingly easy domain adaptation": CORAL. Knott and Smith (1984), "On the
optimal mapping of distributions".
"""

from dataclasses import dataclass

import numpy as np

from gapscope.blocks.formats import percent
from gapscope.core.progress import SILENT, Progress
from gapscope.remedies.fitted import BothMoments, FittedRemedy, Model, affine, moments_of_both
from gapscope.store import View
from gapscope.stream import Workers
from gapscope.summaries.shrinkage import oas_share, shrunk

Array = np.ndarray


@dataclass(frozen=True)
class Coral:
    """Undoes any linear change that stretches. One read of each set, two eigendecompositions, O(d³); see `Remedy`."""

    def fit(
        self,
        model: Model,
        reference: View,
        target: View,
        workers: Workers,
        progress: Progress = SILENT,
        moments: BothMoments | None = None,
    ) -> FittedRemedy:
        """See `Remedy.fit`. Sets of fewer rows than features are safe: their covariance is nearly a sphere then."""
        moments = moments or moments_of_both(reference, target, workers, progress)
        stretch, share = recolouring(moments)
        note = (
            f"covariances of {moments[0].n:,} reference and {moments[1].n:,} target rows, each shrunk "
            f"by {percent(share)} towards a sphere"
        )
        return FittedRemedy("coral", "matching the covariance", note, affine(moments, stretch))


def recolouring(moments: BothMoments) -> tuple[Array, float]:
    """What the map adds to the identity, ``(d, d)`` for rows from the right, and the share of the sphere."""
    wanted, result = (one.covariance(ddof=0) for one in moments)
    if not (np.trace(result) > 0 and np.trace(wanted) > 0):
        return np.zeros_like(result), 1.0
    unit = np.sqrt((np.diagonal(wanted) + np.diagonal(result)) / 2)
    unit[unit == 0] = 1
    wanted, result = (one / np.outer(unit, unit) for one in (wanted, result))
    share = oas_share((wanted + result) / 2, min(side.n for side in moments))
    added = transport(shrunk(result, share), shrunk(wanted, share)) - np.eye(len(unit))
    return added * np.outer(1 / unit, unit), share


def transport(result: Array, wanted: Array) -> Array:
    """The symmetric positive matrix ``T : (d, d)`` with ``T found T = wanted``; `found` must be invertible."""
    values, axes = np.linalg.eigh(result)
    root = np.sqrt(np.maximum(values, values.max() * np.finfo(float).eps))
    middle = axes.T @ wanted @ axes * np.outer(root, root)
    inner, turned = np.linalg.eigh((middle + middle.T) / 2)
    half = axes / root @ turned
    return half * np.sqrt(np.maximum(inner, 0)) @ half.T


CORAL = Coral()
