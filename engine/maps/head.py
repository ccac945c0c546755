"""How far each row lies on either side of the border between two classes, and what else varies most."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from gapscope.core.errors import InputError
from gapscope.maps.lda import within_spread
from gapscope.maps.member import Border, Laid, MapOptions
from gapscope.maps.projection import Projection, leading_beside
from gapscope.maps.sample import Sample
from gapscope.maps.space import Space

Array = np.ndarray


@dataclass(frozen=True)
class HeadMap:
    """The member of `MAPS`: a linear model's own view of two classes.

    ``x`` is the difference of the two scores: 0 where the model cannot choose, positive where it prefers the first.
    ``y`` is the direction of largest variance at right angles to it, about the mean. Both have a standard deviation of
    1 over all rows, up to the distance of the border from their mean.
    """

    sampled: ClassVar[bool] = False

    def lay(self, space: Space, sample: Sample | None, options: MapOptions) -> Laid:
        """See `Map.lay`; the sample is not looked at."""
        if options.classes is None:
            raise InputError("head separates two classes; name them with --classes, such as --classes cat dog")
        border = options.border or closed_form(space, options.classes)
        if not border.weight.any():
            raise InputError("the two classes do not differ in any feature, so head has no direction to show")
        covariance = space.moments.total.covariance(ddof=0)
        second = leading_beside(covariance, border.weight)
        basis = np.column_stack([border.weight, second])
        spread = np.sqrt(np.maximum(np.einsum("dk,de,ek->k", basis, covariance, basis, optimize=True), 0))
        basis = basis / np.where(spread > 0, spread, 1.0)
        origin = _on_the_border(space.moments.total.mean, border)
        return Laid(Projection(origin.astype(np.float32), np.ascontiguousarray(basis, np.float32), np.ones(2)))


HEAD = HeadMap()


def _on_the_border(mean: Array, border: Border) -> Array:
    """The point of the border next to the mean of all rows, ``(d,)``; the second coordinate has its nought there too,
    because it is measured at right angles.
    """
    weight = border.weight
    return mean - weight * ((mean @ weight + border.bias) / (weight @ weight))


def closed_form(space: Space, classes: tuple[int, int]) -> Border:
    """Where Gaussian classes with the common covariance of all classes are equally likely: from the moments alone.

    Raises
    ------
    InputError
        One of the two has no rows.
    """
    labelled = space.moments.labelled
    for index in classes:
        if not labelled.classes.count[index]:
            name = space.views[0].store.class_names[index]
            raise InputError(f"no row is labelled {name!r}, so head cannot separate it; name two that have rows")
    within, _ = within_spread(labelled)
    first, second = labelled.classes.mean[list(classes)]
    weight = np.linalg.solve(within, first - second)
    return Border(weight, float(-weight @ (first + second) / 2))
