"""The control that every generator must beat: one training image, flipped, cropped and with other light and colour."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from PIL import Image

from gapscope.core.checkpoint import Checkpoint
from gapscope.core.progress import Progress
from gapscope.core.random import stream
from gapscope.generators.drawing import by_class, own_image
from gapscope.generators.generator import Draw, Fitted, Form, Material, Method, check_range

# Weights of red, green and blue in the brightness that the eye sees (ITU-R BT.601).
LUMA = np.array([0.299, 0.587, 0.114])


@dataclass(frozen=True)
class AugmentRecipe:
    """How far an image is changed.

    Attributes
    ----------
    flip
        Share of images that are mirrored; 0 where left and right matter.
    smallest
        Least share of the area that a crop keeps; 1 for no crop.
    stretch
        Most by which a crop's form may differ from the image's, as a factor.
    light, contrast, colour
        Most by which each is changed, as a share: 0.2 means a factor from 0.8 to 1.2.
    """

    flip: float = 0.5
    smallest: float = 0.6
    stretch: float = 1.15
    light: float = 0.2
    contrast: float = 0.2
    colour: float = 0.2

    def check(self) -> None:
        """Refuse values that make no sense."""
        check_range(self, 0, 1, "flip", "light", "contrast", "colour")
        check_range(self, 0.01, 1, "smallest")
        check_range(self, 1, 4, "stretch")


def fit(material: Material, recipe: AugmentRecipe, checkpoint: Checkpoint, progress: Progress) -> Fitted:
    """The training images as they are; nothing is trained."""
    return Fitted({"images": material.images, "labels": material.labels}, {})


def sampler(recipe: AugmentRecipe, form: Form, arrays: Mapping[str, np.ndarray]) -> Draw:
    """Changed images; see `Method.sampler`."""
    images = by_class(arrays["images"], arrays["labels"], form.classes)

    def draw(label: int, indices: range, seed: int) -> np.ndarray:
        own = images[label]
        return np.stack(
            [
                changed(own[own_image(seed, label, index, len(own))], recipe, stream(seed, "augment", label, index))
                for index in indices
            ]
        )

    return draw


def changed(image: np.ndarray, recipe: AugmentRecipe, rng: np.random.Generator) -> np.ndarray:
    """``image : (h, w, c) uint8`` mirrored or not, cropped and scaled back, with other light, contrast and colour."""
    if rng.random() < recipe.flip:
        image = image[:, ::-1]
    return _recoloured(_cropped(image, recipe, rng), recipe, rng)


def _cropped(image: np.ndarray, recipe: AugmentRecipe, rng: np.random.Generator) -> np.ndarray:
    """A random part of the image at the image's size, by bicubic interpolation."""
    height, width = image.shape[:2]
    share = rng.uniform(recipe.smallest, 1)
    stretch = np.exp(rng.uniform(-1, 1) * np.log(recipe.stretch))
    down, right = min(1, np.sqrt(share * stretch)) * height, min(1, np.sqrt(share / stretch)) * width
    top, left = rng.uniform(0, height - down), rng.uniform(0, width - right)
    picture = Image.fromarray(np.ascontiguousarray(image[:, :, 0] if image.shape[2] == 1 else image))
    box = (left, top, left + right, top + down)
    return np.asarray(picture.resize((width, height), Image.Resampling.BICUBIC, box)).reshape(image.shape)


def _recoloured(image: np.ndarray, recipe: AugmentRecipe, rng: np.random.Generator) -> np.ndarray:
    light, contrast, colour = 1 + rng.uniform(-1, 1, 3) * (recipe.light, recipe.contrast, recipe.colour)
    x = image.astype(np.float64) * light
    x = x.mean() + contrast * (x - x.mean())
    if image.shape[2] == 3:
        grey = (x @ LUMA)[:, :, None]
        x = grey + colour * (x - grey)
    return np.rint(x.clip(0, 255)).astype(np.uint8)


AUGMENT_ONLY = Method(
    "augment-only",
    AugmentRecipe,
    fit,
    sampler,
    free=("flip", "smallest", "stretch", "light", "contrast", "colour"),
)
