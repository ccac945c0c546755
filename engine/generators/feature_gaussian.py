"""Class-conditional Gaussians with one covariance: the class's mean, and the spread that all classes share.

One pass of moments, no rows stored. The covariance is that of the rows around their class means, pooled, divided by
rows less classes, and drawn towards a sphere (oracle approximating shrinkage) as far as few rows demand. A class with a
single row gets the spread of the others.

References
----------
Chen, Wiesel, Eldar and Hero (2010), "Shrinkage algorithms for MMSE covariance estimation".
"""

from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import numpy as np

from gapscope.core.errors import InputError
from gapscope.core.progress import Progress
from gapscope.generators.drawing import noise
from gapscope.generators.feature_generator import FeatureMethod, Fitted, Seen, Task
from gapscope.store import View
from gapscope.stream import Workers, fold
from gapscope.summaries import LabelledMoments
from gapscope.summaries.shrinkage import oas_share, shrunk

Array = np.ndarray
NAME = "gaussian"
BLOCK = 1024


@dataclass(frozen=True)
class GaussianRecipe:
    """How the covariance is estimated.

    Attributes
    ----------
    shrinkage
        Share of the sphere, 0 to 1; None for what the number of rows suggests.
    """

    shrinkage: float | None = None

    def check(self) -> None:
        """Refuse values that make no sense."""
        if self.shrinkage is not None and not 0 <= self.shrinkage <= 1:
            raise InputError(f"shrinkage is {self.shrinkage}; give 0 to 1")


class Gaussians(NamedTuple):
    """Means ``(classes, d)``, and a root ``(d, d)`` whose ``root.T @ root`` is the covariance they share."""

    means: Array
    root: Array
    shrinkage: float

    @classmethod
    def of(cls, moments: LabelledMoments, shrinkage: float | None) -> "Gaussians":
        """From labelled moments; one eigendecomposition, O(d³)."""
        covariance = moments.within_covariance(ddof=len(moments.present))
        share = oas_share(covariance, moments.total.n) if shrinkage is None else shrinkage
        values, axes = np.linalg.eigh(shrunk(covariance, share))
        return cls(moments.classes.mean, np.sqrt(np.maximum(values, 0))[:, None] * axes.T, share)

    def draw(self, label: int, indices: range, seed: int) -> Array:
        """Rows ``(m, d)``, a block of random numbers at a time."""
        blocks = [indices[start : start + BLOCK] for start in range(0, len(indices), BLOCK)]
        shape = (len(self.root),)
        return np.concatenate([self.means[label] + noise(seed, label, block, shape) @ self.root for block in blocks])


def look(task: Task) -> Seen:
    """One pass; memory ``16 d² + 8 d C`` bytes."""
    moments = labelled_moments(task.view, task.workers, task.progress)
    return Seen(moments.classes.count, moments)


def _fit(_task: Task, moments: LabelledMoments, recipe: GaussianRecipe) -> Fitted:
    """Means and covariance; nothing is worth a checkpoint."""
    gaussians = Gaussians.of(moments, recipe.shrinkage)
    return Fitted(gaussians.draw, {"shrinkage": gaussians.shrinkage})


def labelled_moments(view: View, workers: Workers, progress: Progress) -> LabelledMoments:
    """Moments of the labelled rows, which must be finite, and of which a class must have two."""
    of = partial(LabelledMoments.of, classes=len(view.store.class_names))
    moments = fold(view, of, workers, progress=progress, description="moments of classes")
    if not np.isfinite(moments.total.scatter).all():
        raise InputError("a feature of the training rows is not finite; extract these images again")
    if moments.total.n <= len(moments.present):
        raise InputError("no class has two training rows, so nothing is known of the spread around a class's mean")
    return moments


def memory(_rows: int, dim: int, classes: int) -> int:
    """Moments before and after a chunk, and what their decomposition takes."""
    return 8 * (8 * dim * dim + 3 * dim * classes)


GAUSSIAN = FeatureMethod(NAME, GaussianRecipe, look, _fit, memory)
