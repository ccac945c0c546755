"""A source seen through modifications: the same listing, and each image modified when it is read."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from PIL import Image

from gapscope.core.random import stream
from gapscope.data.dataset import EMBEDDED, Dataset
from gapscope.data.modifications.modification import Modification, parse, written
from gapscope.data.source import ByteSource, Listing, Source, Stamps

# Images are scaled to this shorter side before ImageNet-C modifies them; on larger ones blurs and noise would vanish
# when a network's input is made of them.
SIDE = 256
SEPARATOR = "+"
NOTE = "each image is modified by {} when it is read, with random numbers of its own by seed {}"
SHRUNK = f"images whose shorter side has more than {SIDE} pixels are shrunk to it first, as in ImageNet-C"


@dataclass(frozen=True)
class Modified:
    """The images of `source`, each after all `modifications` in their order.

    The random numbers of an image are named by `seed`, its own name and the modification's, so they depend neither on
    the order of reading, nor on the process, nor on the severity: fog thickens from one to the next, and does not move.
    """

    source: ByteSource
    modifications: tuple[Modification, ...]
    seed: int = 0

    @property
    def listing(self) -> Listing:
        """That of `source`."""
        return self.source.listing

    def image(self, index: int) -> Image.Image:
        """The modified image at position `index`, its shorter side no longer than `SIDE`."""
        return self._modified(index, self.source.image(index))

    def read(self, index: int) -> bytes:
        """The bytes of the image before it is modified."""
        return self.source.read(index)

    def sizes(self) -> np.ndarray:
        """Those of `source`."""
        return self.source.sizes()

    def stamps(self) -> Stamps:
        """Those of `source`."""
        return self.source.stamps()

    def decode(self, index: int, data: bytes) -> Image.Image:
        """The modified image at position `index` from the bytes of the image before."""
        return self._modified(index, self.source.decode(index, data))

    def _modified(self, index: int, image: Image.Image) -> Image.Image:
        pixels = np.array(shrunk(image))
        for modify in self.modifications:
            pixels = modify(pixels, stream(self.seed, self.listing.names[index], modify.name))
        return Image.fromarray(pixels)


def seen_through(dataset: Dataset, specification: str, seed: int = 0) -> Dataset:
    """`dataset` with every split `Modified`; a companion of the dataset that `dataset` is made of or accompanies.

    Its name is that of `dataset`, a plus, and the modifications with their severities, and opens it again.

    Raises
    ------
    InputError
        The specification cannot be understood.
    """
    modifications = parse(specification)
    suffix = f"{SEPARATOR}{written(modifications)}"
    return dataset.seen(
        lambda opener: partial(_opened, opener, modifications, seed),
        name=f"{dataset.name}{suffix}",
        place=dataset.place if dataset.place == EMBEDDED else f"{dataset.place}{suffix}",
        companions=(),
        companion_of=dataset.companion_of or dataset.name,
        notes=(*dataset.notes, NOTE.format(written(modifications), seed), SHRUNK),
    )


def _opened(opener: Callable[[], Source], modifications: tuple[Modification, ...], seed: int) -> Modified:
    return Modified(opener(), modifications, seed)


def shrunk(image: Image.Image, side: int = SIDE) -> Image.Image:
    """The image with a shorter side of at most so many pixels."""
    shorter = min(image.size)
    if shorter <= side:
        return image
    size = [max(side, round(length * side / shorter)) for length in image.size]
    return image.resize(size, Image.Resampling.BILINEAR)
