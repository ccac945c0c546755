"""Re-scaling: every feature of the target gets the mean and the standard deviation that it has in the reference."""

from dataclasses import dataclass

import numpy as np

from gapscope.core.progress import SILENT, Progress
from gapscope.remedies.fitted import BothMoments, FittedRemedy, Model, affine, moments_of_both
from gapscope.store import View
from gapscope.stream import Workers

# A feature whose standard deviation is a smaller share of its size than this does not vary: that much is rounding.
CONSTANT = 1e-6


@dataclass(frozen=True)
class Scale:
    """Undoes changes of contrast, feature by feature. One read of each set; see `Remedy`."""

    def fit(
        self,
        model: Model,
        reference: View,
        target: View,
        workers: Workers,
        progress: Progress = SILENT,
        moments: BothMoments | None = None,
    ) -> FittedRemedy:
        """See `Remedy.fit`. A feature that does not vary in the target is only moved."""
        moments = moments or moments_of_both(reference, target, workers, progress)
        note = f"means and deviations of {moments[0].n:,} reference and {moments[1].n:,} target rows"
        return FittedRemedy("scale", "re-scaling each feature", note, affine(moments, factors(moments) - 1))


def factors(moments: BothMoments) -> np.ndarray:
    """Reference over target standard deviation, ``(d,)``; 1 where the target does not vary."""
    wanted, result = (np.sqrt(one.variance(ddof=0)) for one in moments)
    varies = result > CONSTANT * np.abs(moments[1].mean)
    return np.divide(wanted, result, out=np.ones_like(result), where=varies)


SCALE = Scale()
