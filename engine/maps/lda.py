"""The two directions in which the classes lie farthest apart, in units of their own spread."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from scipy.linalg import eigh

from gapscope.core.errors import InputError
from gapscope.core.text import counted
from gapscope.maps.member import Laid, MapOptions
from gapscope.maps.projection import NOTHING, Projection, leading_beside
from gapscope.maps.sample import Sample
from gapscope.maps.space import Space
from gapscope.summaries import LabelledMoments
from gapscope.summaries.shrinkage import oas_share, shrunk

Array = np.ndarray


@dataclass(frozen=True)
class DiscriminantMap:
    """The member of `MAPS`: from the moments alone; with two classes, the second direction is the one at right angles
    along which all rows vary most.

    It is fitted on the labels it then shows, so that classes look farther apart than new rows of them would; with more
    features than a tenth of the rows, much farther.
    """

    sampled: ClassVar[bool] = False

    def lay(self, space: Space, sample: Sample | None, options: MapOptions) -> Laid:
        """See `Map.lay`; the sample is not looked at."""
        labelled = space.moments.labelled
        if len(labelled.present) < 2:
            raise InputError(
                f"lda needs rows of two classes or more, there are {len(labelled.present)}; use --method pca"
            )
        within, share = within_spread(labelled)
        basis = directions(labelled, within)
        source = f"directions from {counted(labelled.total.n, 'labelled row')} of {len(labelled.present):,} classes"
        shrinkage = f"their common covariance shrunk by {share:.2g}; classes look farther apart than new rows would be"
        return Laid(Projection.of(labelled.total, basis), notes=(f"{source}, {shrinkage}",))


LDA = DiscriminantMap()


def within_spread(labelled: LabelledMoments) -> tuple[Array, float]:
    """Covariance ``(d, d)`` of the rows around their class means, shrunk so that it can be inverted, and by how much.

    Shrunk in units of each feature's deviation within its class, or of all rows where that is nought, so that features
    of small numbers count like others.
    """
    covariance, total = labelled.within_covariance(), labelled.total.variance(ddof=0)
    within = np.diagonal(covariance)
    scale = np.sqrt(np.where(within > NOTHING * total, within, total))
    scale[scale == 0] = 1.0
    units = np.outer(scale, scale)
    share = max(oas_share(covariance / units, labelled.total.n), NOTHING)
    spread = shrunk(covariance / units, share)
    spread += NOTHING * np.eye(len(spread))
    return spread * units, share


def directions(labelled: LabelledMoments, within: Array) -> Array:
    """The two best discriminants ``(d, 2)``, along which the spread within classes is 1; O(d³)."""
    d = len(within)
    between = labelled.classes.between_scatter() / labelled.total.n
    values, vectors = eigh(between, within, subset_by_index=[max(0, d - 2), d - 1])
    first = vectors[:, -1]
    if values[0] > NOTHING * values[-1] and d > 1:
        return np.column_stack([first, vectors[:, 0]])
    second = leading_beside(labelled.covariance(ddof=0), first)
    length = np.sqrt(second @ within @ second)
    return np.column_stack([first, second / length if length > 0 else second])
