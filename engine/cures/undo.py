"""The target's images with the cause undone, at the strength that brings them nearest to the reference."""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from gapscope.causes.distance import Grams
from gapscope.causes.features import FEW, Features
from gapscope.causes.kernel import Kernel
from gapscope.causes.modified import Made, rows_of
from gapscope.causes.samples import Images, Sample
from gapscope.core.random import stream
from gapscope.core.threads import processors
from gapscope.cures.inverses import INVERSES, Inverse

Array = np.ndarray


class Undone(NamedTuple):
    """The best inverse and its strength, with the share of the distance to the reference that it takes away from the
    images that it was chosen by.
    """

    inverse: Inverse
    strength: float
    explained: float

    def __call__(self, image: Array) -> Array:
        """The image with the cause undone."""
        return self.inverse.change(image, self.strength)


def undoing(features: Features, target: Sample, images: Images, families: Sequence[str]) -> Undone | None:
    """The inverse that brings the first images of the target nearest to the reference's, without labels; None
    where the families have none, or none brings them nearer.
    """
    tried = [(one, s) for family in families for one in INVERSES.get(family, ()) for s in one.strengths]
    if not tried:
        return None
    rows, few = np.concatenate([target.x, images.seen], axis=1), slice(0, min(FEW, target.half))
    changes = [Undone(one, strength, 0.0) for one, strength in tried]
    versions = [rows[few], *rows_undone(features, images.pixels[few], changes)]
    different = np.array([[one != other for other in features.sample.names] for one in target.names])
    rng = stream(features.seed, "explain", "undo")
    kernel = Kernel.of(rows, features.plain, target.x.shape[1], different, rng)
    terms = Grams.of(kernel, versions, features.plain, different[few]).terms()
    explained = [float(terms.explained(one)) for one in np.eye(len(versions))[1:]]
    best = int(np.argmax(explained))
    return changes[best]._replace(explained=explained[best]) if explained[best] > 0 else None


def rows_undone(
    features: Features, pixels: Sequence[Array], changes: Sequence[Callable[[Array], Array]]
) -> Iterator[Array]:
    """Rows ``(n, d + b) float32`` of images after each change, as `Features` has them."""
    made = [Made(lambda row, change=change: change(pixels[row]), len(pixels)) for change in changes]
    return rows_of(made, features.backbone, processors())
