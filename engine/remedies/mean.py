"""Re-centring: every target row moves by the difference of the two means.

References
----------
Murphy (2026), "NEO: No-optimization test-time adaptation", arXiv 2510.05635.
"""

from dataclasses import dataclass

from gapscope.core.progress import SILENT, Progress
from gapscope.remedies.fitted import BothMoments, FittedRemedy, Model, affine, moments_of_both
from gapscope.store import View
from gapscope.stream import Workers


@dataclass(frozen=True)
class Mean:
    """Undoes what moves all rows alike. One read of each set; see `Remedy`."""

    def fit(
        self,
        model: Model,
        reference: View,
        target: View,
        workers: Workers,
        progress: Progress = SILENT,
        moments: BothMoments | None = None,
    ) -> FittedRemedy:
        """See `Remedy.fit`."""
        moments = moments or moments_of_both(reference, target, workers, progress)
        note = f"means of {moments[0].n:,} reference and {moments[1].n:,} target rows"
        return FittedRemedy("mean", "re-centring the features", note, affine(moments))


MEAN = Mean()
