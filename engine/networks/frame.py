"""The form in which a network takes images: height, width and channels."""

from typing import NamedTuple

import numpy as np
from PIL import Image, ImageOps

from gapscope.core.errors import InputError
from gapscope.data.source import Source, Undecodable

PEEKED = 256
LARGEST_OWN = 96
USUAL = (64, 64)


class Frame(NamedTuple):
    """Pixels of a network's input; a small value that travels."""

    height: int
    width: int
    channels: int

    @property
    def size(self) -> tuple[int, int]:
        """Height and width."""
        return self.height, self.width

    @property
    def pixels(self) -> int:
        """Bytes of an image."""
        return self.height * self.width * self.channels

    def prepare(self, image: Image.Image) -> np.ndarray:
        """An RGB `image` as ``(height, width, channels) uint8``: its larger edge is cut so that nothing is distorted.

        An image that has the size already keeps its pixels.
        """
        if self.channels == 1:
            image = image.convert("L")
        if image.size != (self.width, self.height):
            image = ImageOps.fit(image, (self.width, self.height), Image.Resampling.BICUBIC)
        return np.asarray(image).reshape(self)


class Seen(NamedTuple):
    """What a look at some images of a source has shown.

    Attributes
    ----------
    sizes
        Different pairs of height and width, sorted.
    grey
        Whether all of them are without colour.
    """

    sizes: tuple[tuple[int, int], ...]
    grey: bool


def peek(source: Source, count: int = PEEKED) -> Seen:
    """A look at `count` images that lie evenly in the listing.

    Raises
    ------
    InputError
        None of them can be decoded.
    """
    rows = np.unique(np.linspace(0, len(source.listing) - 1, min(count, len(source.listing))).astype(np.int64))
    images = [image for image in (_image(source, row) for row in rows.tolist()) if image is not None]
    if not images:
        raise InputError(f"none of {len(rows)} images looked at can be decoded; check the folder with `extract`")
    return Seen(tuple(sorted({image.size[::-1] for image in images})), all(map(_is_grey, images)))


def _image(source: Source, row: int) -> Image.Image | None:
    try:
        return source.image(row)
    except Undecodable:
        return None


def _is_grey(image: Image.Image) -> bool:
    red, green, blue = (np.asarray(channel) for channel in image.split())
    return bool((red == green).all() and (green == blue).all())


def own_frame(seen: Seen, image_size: int | None) -> tuple[Frame, str]:
    """The frame of a network that takes any size, and a sentence where images are scaled; empty where they are not.

    Images of one small size keep it; photographs and images of several sizes become 64 × 64 unless told otherwise.
    """
    channels = 1 if seen.grey else 3
    if image_size:
        return Frame(image_size, image_size, channels), ""
    only = seen.sizes[0]
    if len(seen.sizes) == 1 and max(only) <= LARGEST_OWN:
        return Frame(*only, channels), ""
    first, last = (f"{height} × {width}" for height, width in (seen.sizes[0], seen.sizes[-1]))
    span = f"of {first}" if first == last else f"of {len(seen.sizes)} sizes from {first} to {last}"
    return Frame(*USUAL, channels), f"images {span} are scaled to {USUAL[0]} × {USUAL[1]}; --image-size changes that"
