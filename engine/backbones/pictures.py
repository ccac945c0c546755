"""Ten small images by which a backbone is recognised, the same to the last bit on every machine.

They are made by arithmetic on integers alone: random values on lattices of several scales, interpolated (as natural
images, they have most of their power in low frequencies), with edges, gradients, stripes and flat areas, in bright and
dark, grey and colour, and in several sizes, so that a wrong crop, interpolation, mean or order of colours shows.
"""

import numpy as np

Array = np.ndarray
SIZES = (
    (256, 256),
    (320, 240),
    (200, 300),
    (224, 224),
    (180, 180),
    (400, 260),
    (96, 128),
    (256, 341),
    (333, 250),
    (64, 64),
)
SCALES = (64, 32, 16, 8, 4)
GREY, DARK, BRIGHT = 3, 5, 7
# A generator of Lehmer's kind (Park and Miller 1988), whose state is its output.
FACTOR, MODULUS = 48271, 2**31 - 1


def pictures() -> list[Array]:
    """The images, ``(h, w, 3) uint8`` each; 50 ms."""
    return [_picture(number, *size) for number, size in enumerate(SIZES)]


def _picture(number: int, height: int, width: int) -> Array:
    colours = [_texture(100 * number + channel, height, width) for channel in range(3)]
    if number == GREY:
        colours = colours[:1] * 3
    image = np.stack(colours, axis=2)
    y, x = np.mgrid[:height, :width]
    inside = (y - height // 3) ** 2 + (x - width // 2) ** 2 < (min(height, width) // 4) ** 2
    image[inside] = (image[inside] + np.array([90 * number % 256, 255 - 20 * number, 40 + 13 * number])) // 2
    stripes = (y > 2 * height // 3) & ((x * (number + 2) // 16) % 2 == 0)
    image[stripes] = np.array([250 - 25 * number, 25 * number, 128])
    image = image + (x[..., None] * 64) // width - 32
    image = image // 4 if number == DARK else 191 + image // 4 if number == BRIGHT else image
    return np.clip(image, 0, 255).astype(np.uint8)


def _texture(seed: int, height: int, width: int) -> Array:
    """Values from 0 to 255 ``(h, w)``: half of the coarsest lattice, a quarter of the next, and so on."""
    total = np.zeros((height, width), np.int64)
    for place, scale in enumerate(SCALES):
        total += _lattice(seed * len(SCALES) + place, scale, height, width) >> (place + 1)
    return total


def _lattice(seed: int, scale: int, height: int, width: int) -> Array:
    """Random values every `scale` pixels, linear between them."""
    rows, columns = height // scale + 2, width // scale + 2
    values = _random(seed, rows * columns).reshape(rows, columns)
    (top, dy), (left, dx) = np.divmod(np.arange(height), scale), np.divmod(np.arange(width), scale)
    dy = dy[:, None]
    upper = values[np.ix_(top, left)] * (scale - dx) + values[np.ix_(top, left + 1)] * dx
    lower = values[np.ix_(top + 1, left)] * (scale - dx) + values[np.ix_(top + 1, left + 1)] * dx
    return (upper * (scale - dy) + lower * dy) // scale**2


def _random(seed: int, count: int) -> Array:
    state, result = (seed * 7919 + 104729) % MODULUS, np.empty(count, np.int64)
    for place in range(count):
        state = state * FACTOR % MODULUS
        result[place] = state >> 23
    return result
