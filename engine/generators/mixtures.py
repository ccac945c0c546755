"""Controls that make an image of a class out of two of its training images: weighted means, and pasted rectangles."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from gapscope.core.checkpoint import Checkpoint
from gapscope.core.errors import InputError
from gapscope.core.progress import Progress
from gapscope.core.random import stream
from gapscope.generators.drawing import by_class, own_image
from gapscope.generators.generator import Draw, Fitted, Form, Material, Method

# Two images (h, w, c), the share of the first, random numbers.
Mix = Callable[[np.ndarray, np.ndarray, float, np.random.Generator], np.ndarray]


@dataclass(frozen=True)
class MixtureRecipe:
    """How two images are mixed.

    Attributes
    ----------
    alpha
        The share of the first image follows Beta(alpha, alpha); 1 for any share alike.
    """

    alpha: float = 1.0

    def check(self) -> None:
        """Refuse values that make no sense."""
        if not self.alpha > 0:
            raise InputError(f"alpha is {self.alpha}; give a number above 0, such as 1")


def fit(material: Material, recipe: MixtureRecipe, checkpoint: Checkpoint, progress: Progress) -> Fitted:
    """The training images as they are; nothing is trained."""
    return Fitted({"images": material.images, "labels": material.labels}, {})


def weighted_mean(first: np.ndarray, second: np.ndarray, share: float, rng: np.random.Generator) -> np.ndarray:
    """``share`` of the first and the rest of the second; both are of one class, and so is the mean.

    References
    ----------
    Zhang et al. (2018), "mixup: beyond empirical risk minimization"; there images of any two classes are mixed.
    """
    return np.rint(share * first + (1 - share) * second.astype(np.float64)).astype(np.uint8)


def pasted(first: np.ndarray, second: np.ndarray, share: float, rng: np.random.Generator) -> np.ndarray:
    """The first image with a rectangle of the second around a random pixel, of its form and 1 - `share` of its area.

    What lies outside is cut, so that the second may have less.

    References
    ----------
    Yun et al. (2019), "CutMix: regularization strategy to train strong classifiers with localizable features".
    """
    edges = np.array(first.shape[:2])
    half = np.sqrt(1 - share) * edges / 2
    centre = rng.integers(0, edges)
    top, left = np.clip(np.rint(centre - half), 0, edges).astype(int)
    bottom, right = np.clip(np.rint(centre + half), 0, edges).astype(int)
    image = first.copy()
    image[top:bottom, left:right] = second[top:bottom, left:right]
    return image


def _sampler(mix: Mix) -> Callable[[MixtureRecipe, Form, Mapping[str, np.ndarray]], Draw]:
    def sampler(recipe: MixtureRecipe, form: Form, arrays: Mapping[str, np.ndarray]) -> Draw:
        images = by_class(arrays["images"], arrays["labels"], form.classes)

        def draw(label: int, indices: range, seed: int) -> np.ndarray:
            return np.stack([_mixed(mix, recipe, images[label], label, index, seed) for index in indices])

        return draw

    return sampler


def _mixed(mix: Mix, recipe: MixtureRecipe, images: np.ndarray, label: int, index: int, seed: int) -> np.ndarray:
    rng = stream(seed, "mixture", label, index)
    first = own_image(seed, label, index, len(images))
    second = (first + rng.integers(1, len(images))) % len(images)
    return mix(images[first], images[second], rng.beta(recipe.alpha, recipe.alpha), rng)


MIXUP = Method("mixup-pixels", MixtureRecipe, fit, _sampler(weighted_mean), fewest=2, free=("alpha",))
CUTMIX = Method("cutmix", MixtureRecipe, fit, _sampler(pasted), fewest=2, free=("alpha",))
