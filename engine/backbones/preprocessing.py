"""From an upright RGB image to the pixels a network sees: resize and crop, exactly as the network's library does it."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from PIL import Image, ImageOps

from gapscope.core.errors import InputError, unknown_name
from gapscope.core.text import counted

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
CROP_MODES = ("center", "center-down", "squash", "border")
INTERPOLATIONS = {
    "nearest": Image.Resampling.NEAREST,
    "box": Image.Resampling.BOX,
    "bilinear": Image.Resampling.BILINEAR,
    "hamming": Image.Resampling.HAMMING,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}

# A strip of 1 × 10,000 pixels becomes 256 × 2,560,000: up to so many times the input's area, the whole is resized.
MOST_WHOLE = 100

OPTIONS = ("mean", "std", "crop_pct", "crop_mode", "interpolation", "input_size")


@dataclass(frozen=True)
class Preprocessing:
    """Resize, crop and normalisation; a small value that travels to decode workers, who load no network.

    Attributes
    ----------
    size : (height, width)
        Pixels of the network's input.
    resize : (height, width)
        What the image is resized to before `size` is cropped from its middle: the shorter edge (``center``, and
        ``center-down`` where a middle between two pixels is the lower one), both edges (``squash``), or the longer
        edge, with borders in the mean colour (``border``).
    mean, std : (3,)
        Subtracted from the pixels, which are fractions of 1, and divided by; applied on the network's device.
    """

    size: tuple[int, int]
    resize: tuple[int, int]
    crop_mode: str = "center"
    interpolation: str = "bilinear"
    mean: tuple[float, ...] = IMAGENET_MEAN
    std: tuple[float, ...] = IMAGENET_STD

    def __post_init__(self) -> None:
        if self.interpolation not in INTERPOLATIONS:
            raise unknown_name("interpolation", self.interpolation, INTERPOLATIONS)
        if self.crop_mode not in CROP_MODES:
            raise unknown_name("crop mode", self.crop_mode, CROP_MODES)
        for name, values in (("mean", self.mean), ("std", self.std)):
            if len(values) != 3:
                raise InputError(f"{name} has {counted(len(values), 'value')}, a colour image needs 1 or 3")
        if not all(value > 0 for value in self.std):
            raise InputError(f"std {self.std} divides the pixels, so every value must be above 0")
        if min(self.size) < 1 or (
            self.crop_mode != "border" and any(r < s for r, s in zip(self.resize, self.size, strict=True))
        ):
            raise InputError(
                f"an image resized to {self.resize} holds no crop of {self.size}; choose crop_pct between 0 and 1"
            )

    def prepare(self, image: Image.Image) -> np.ndarray:
        """The network's view of an RGB `image`, ``(height, width, 3) uint8``; 1 to 2 ms for 500 × 375 pixels at 224."""
        full = self._resized(*image.size)
        if self.crop_mode == "border":
            return np.asarray(self._with_borders(image.resize(full, INTERPOLATIONS[self.interpolation])))
        return np.asarray(self._crop_of_resized(image, full))

    def as_dict(self) -> dict[str, Any]:
        """Plain values for the provenance."""
        return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()}

    def _resized(self, width: int, height: int) -> tuple[int, int]:
        """Width and height of the whole image after resizing."""
        rows, columns = self.resize
        if self.crop_mode == "squash":
            return columns, rows
        if (
            self.crop_mode.startswith("center") and rows == columns
        ):  # torchvision truncates the longer edge, timm rounds
            short = min(width, height)
            return (rows, int(rows * height / short)) if width <= height else (int(rows * width / short), rows)
        pick = max if self.crop_mode == "border" else min
        ratio = pick(height / rows, width / columns)
        return max(1, round(width / ratio)), max(1, round(height / ratio))

    def _crop_of_resized(self, image: Image.Image, full: tuple[int, int]) -> Image.Image:
        # Pillow can compute the crop alone, at half the cost, but it rounds the box to float32, and some pixels then
        # differ by 1 from the library's. That is done only where the whole would not fit in memory.
        rows, columns = self.size
        middle = _lower_middle if self.crop_mode == "center-down" else _middle
        left, top = middle(full[0], columns), middle(full[1], rows)
        method = INTERPOLATIONS[self.interpolation]
        if full[0] * full[1] <= MOST_WHOLE * rows * columns:
            return image.resize(full, method).crop((left, top, left + columns, top + rows))
        x, y = image.width / full[0], image.height / full[1]
        box = (left * x, top * y, min((left + columns) * x, image.width), min((top + rows) * y, image.height))
        return image.resize((columns, rows), method, box=box)

    def _with_borders(self, image: Image.Image) -> Image.Image:
        rows, columns = self.size
        missing = (max(0, columns - image.width), max(0, rows - image.height))
        border = (missing[0] // 2, missing[1] // 2, (missing[0] + 1) // 2, (missing[1] + 1) // 2)
        if any(border):
            image = ImageOps.expand(image, border, tuple(round(255 * value) for value in self.mean))
        left, top = _middle(image.width, columns), _middle(image.height, rows)
        return image.crop((left, top, left + columns, top + rows))


def _middle(length: int, crop: int) -> int:
    return round((length - crop) / 2)


def _lower_middle(length: int, crop: int) -> int:
    return (length - crop) // 2


def with_crop_pct(size: tuple[int, int], crop_pct: float, **rest: Any) -> Preprocessing:
    """The preprocessing that crops the share `crop_pct` of the resized image's edge, as timm states it."""
    if not 0 < crop_pct <= 1:
        raise InputError(f"crop_pct is {crop_pct}, it must be above 0 and at most 1")
    return Preprocessing(size, (int(size[0] / crop_pct), int(size[1] / crop_pct)), **rest)
