"""From numbers of images to what each is made of: its own random numbers, its own training image, whole blocks."""

from collections.abc import Callable

import numpy as np

from gapscope.core.memory import keep_freed_memory
from gapscope.core.random import stream


def in_blocks(indices: range, block: int, make: Callable[[range], np.ndarray]) -> np.ndarray:
    """The images at `indices`, cut from whole blocks ``make(range) -> (block, h, w, c)``.

    A network's output for an image depends, in the last bits, on the size of its batch and on its place in it. Block b
    is always the numbers from ``b * block`` on, all of them, so that an image has the same neighbours and the same
    place however its shard was cut, at the cost of making up to a block more at either end.
    """
    keep_freed_memory()
    numbers = np.asarray(indices, np.int64)
    images = None
    for number in np.unique(numbers // block).tolist():
        made = make(range(number * block, (number + 1) * block))
        images = np.empty((len(numbers), *made.shape[1:]), made.dtype) if images is None else images
        inside = numbers // block == number
        images[inside] = made[numbers[inside] % block]
    return images


def noise(seed: int, label: int, indices: range, shape: tuple[int, ...]) -> np.ndarray:
    """Standard normal numbers ``(m, *shape) float32``, each row named by seed, class and number."""
    rows = [stream(seed, "noise", label, index).standard_normal(shape, np.float32) for index in indices]
    return np.stack(rows)


def own_image(seed: int, label: int, index: int, count: int) -> int:
    """Which of `count` training images the image `index` starts from: all of them in turn, in a new order each round.

    >>> sorted(own_image(0, 3, index, 4) for index in range(8))
    [0, 0, 1, 1, 2, 2, 3, 3]
    """
    turn, place = divmod(index, count)
    return int(stream(seed, "turn", label, turn).permutation(count)[place])


def by_class(images: np.ndarray, labels: np.ndarray, classes: int) -> list[np.ndarray]:
    """The images of each class."""
    return [images[labels == label] for label in range(classes)]
