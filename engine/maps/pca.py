"""The two directions along which all sets together vary most."""

from dataclasses import dataclass
from typing import ClassVar

from gapscope.blocks.formats import percent
from gapscope.maps.member import Laid, MapOptions
from gapscope.maps.projection import in_two
from gapscope.maps.sample import Sample
from gapscope.maps.space import Space


@dataclass(frozen=True)
class PrincipalMap:
    """The member of `MAPS`: free, once the moments are known."""

    sampled: ClassVar[bool] = False

    def lay(self, space: Space, sample: Sample | None, options: MapOptions) -> Laid:
        """See `Map.lay`; the sample is not looked at."""
        projection = in_two(space.principal)
        total = space.moments.total.variance(ddof=0).sum()
        share = projection.variance.sum() / total if total > 0 else 1.0
        note = f"two principal directions hold {percent(share)} of the variance of all features"
        return Laid(projection, notes=(note,))


PCA = PrincipalMap()
