"""An image counted once for all attributes: sums over its pixels in two passes, and a histogram of its luminance.

Of an image of more than `MOST_PIXELS`, tones and colours are counted on every second pixel of every second row, or
third and so on, and neighbours in bands of rows that are spread over it: resizing would take noise and the squares of
JPEG away.
"""

import math
from typing import NamedTuple

import numba
import numpy as np

from gapscope.attributes.header import Header, read_header

Array = np.ndarray
IMAGE = numba.types.Array(numba.uint8, 3, "C", readonly=True)
LUMA = numba.types.Array(numba.uint8, 2, "C", readonly=True)
# Levels by which the channels of a pixel differ at most that is called grey, and neighbours at least at an edge.
GREY_LEVELS, EDGE_LEVELS = 8, 24
# JPEG cuts an image into squares of so many pixels.
BLOCK = 8
# Pixels that either pass counts, about; and the rows of a band, a multiple of the squares of JPEG.
MOST_PIXELS, BAND = 2**15, 16
# Levels of |a - b - c + d|, the diagonal difference of two by two pixels.
DIAGONALS = 4 * 255 + 1


class Colours(NamedTuple):
    """Sums over all pixels: of the channels, of the saturation of HSV, of the opponent colours ``R - G`` and
    ``(R + G) / 2 - B`` with their squares, and the number of grey pixels.
    """

    red: float
    green: float
    blue: float
    saturation: float
    across: float
    across_squared: float
    along: float
    along_squared: float
    grey: float


class Steps(NamedTuple):
    """Sums over neighbouring pixels of the luminance, and how many there are of each.

    ``laplacian`` of all inner pixels (sum and sum of squares); ``squared`` differences to the right and lower
    neighbour; ``edges``, those of all ``pixels`` with such a difference; absolute differences ``within`` the blocks of
    JPEG and ``between`` them.
    """

    inner: float
    laplacian: float
    laplacian_squared: float
    pairs: float
    squared: float
    edges: float
    pixels: float
    within: float
    within_pairs: float
    between: float
    between_pairs: float


@numba.njit(
    numba.types.Tuple((numba.uint8[:, ::1], numba.int64[::1], numba.float64[::1]))(IMAGE), nogil=True, cache=True
)
def _colours(image):
    height, width, _ = image.shape
    luma, histogram = np.empty((height, width), np.uint8), np.zeros(256, np.int64)
    red, green, blue, across, across2, along, along2, grey = 0, 0, 0, 0, 0, 0, 0, 0
    saturation = 0.0
    for y in range(height):
        for x in range(width):
            r, g, b = np.int64(image[y, x, 0]), np.int64(image[y, x, 1]), np.int64(image[y, x, 2])
            level = (299 * r + 587 * g + 114 * b + 500) // 1000
            luma[y, x] = level
            histogram[level] += 1
            top, low = max(r, g, b), min(r, g, b)
            saturation += (top - low) / top if top else 0.0
            red, green, blue = red + r, green + g, blue + b
            across, across2 = across + r - g, across2 + (r - g) ** 2
            along, along2 = along + r + g - 2 * b, along2 + (r + g - 2 * b) ** 2
            grey += top - low <= GREY_LEVELS
    sums = (
        red * 1.0,
        green * 1.0,
        blue * 1.0,
        saturation,
        across * 1.0,
        across2 * 1.0,
        along / 2,
        along2 / 4,
        grey * 1.0,
    )
    return luma, histogram, np.array(sums)


@numba.njit(numba.types.Tuple((numba.int64[::1], numba.int64[::1]))(LUMA, numba.int64), nogil=True, cache=True)
def _steps(luma, band):
    height, width = luma.shape
    diagonals = np.zeros(DIAGONALS, np.int64)
    inner, laplacian, laplacian2, squared, edges, within, between, pairs, joints = 0, 0, 0, 0, 0, 0, 0, 0, 0
    for y in range(height):
        row, below = luma[y], y + 1 < height and (y + 1) % band != 0
        under = luma[y + 1] if below else row
        across, down, joint = 0, 0, 0
        for x in range(width - 1):
            here = np.int64(row[x])
            right, drop = np.int64(row[x + 1]) - here, np.int64(under[x]) - here
            across, down = across + abs(right), down + abs(drop)
            squared += right * right + drop * drop
            edges += abs(right) + abs(drop) >= EDGE_LEVELS
        last = abs(np.int64(under[width - 1]) - np.int64(row[width - 1]))
        down, squared, edges = down + last, squared + last * last, edges + (last >= EDGE_LEVELS)
        for x in range(BLOCK - 1, width - 1, BLOCK):
            joint, joints = joint + abs(np.int64(row[x + 1]) - np.int64(row[x])), joints + 1
        between, within = between + joint, within + across - joint
        pairs += width - 1
        if below:
            pairs += width
            is_joint = (y + 1) % BLOCK == 0
            between, within = between + is_joint * down, within + (1 - is_joint) * down
            joints += is_joint * width
            if y % 2 == 0:
                for x in range(0, width - 1, 2):
                    step = np.int64(under[x + 1]) - np.int64(under[x]) - np.int64(row[x + 1]) + np.int64(row[x])
                    diagonals[abs(step)] += 1
            if y % band != 0:
                above = luma[y - 1]
                for x in range(1, width - 1):
                    curve = np.int64(row[x - 1]) + np.int64(row[x + 1]) + np.int64(above[x]) + np.int64(under[x])
                    curve -= 4 * np.int64(row[x])
                    laplacian, laplacian2 = laplacian + curve, laplacian2 + curve * curve
                inner += max(width - 2, 0)
    sums = (inner, laplacian, laplacian2, pairs, squared, edges, luma.size, within, pairs - joints, between, joints)
    return np.array(sums), diagonals


@numba.njit(numba.uint8[:, ::1](IMAGE), nogil=True, cache=True)
def _luma(image):
    height, width, _ = image.shape
    luma = np.empty((height, width), np.uint8)
    for y in range(height):
        for x in range(width):
            r, g, b = np.int64(image[y, x, 0]), np.int64(image[y, x, 1]), np.int64(image[y, x, 2])
            luma[y, x] = (299 * r + 587 * g + 114 * b + 500) // 1000
    return luma


class Photograph(NamedTuple):
    """An image as attributes see it.

    Attributes
    ----------
    width, height
        In pixels.
    luma : (h, w) uint8
        Luminance, ``0.299 R + 0.587 G + 0.114 B`` (ITU-R BT.601), rounded; of a large image, of the pixels that count.
    histogram : (256,) int64
        Pixels of each luminance.
    diagonals : (1021,) int64
        Squares of two by two pixels of each absolute diagonal difference.
    file_bytes
        Size of the file; 0 where there is none.
    header
        What the file says of the image.
    """

    width: int
    height: int
    luma: Array
    histogram: Array
    colours: Colours
    steps: Steps
    diagonals: Array
    file_bytes: int
    header: Header

    @classmethod
    def of(cls, image: Array, data: bytes = b"") -> "Photograph":
        """That of ``image : (h, w, 3) uint8``, one pixel or more; `data` is its file, where there is one."""
        height, width, _ = image.shape
        every = math.ceil(math.sqrt(height * width / MOST_PIXELS))
        luma, histogram, colours = _colours(np.ascontiguousarray(image[::every, ::every]))
        steps, diagonals = _steps(luma, height) if every == 1 else _steps(_luma(_bands(image)), BAND)
        sums = (Colours(*colours.tolist()), Steps(*steps.tolist()))
        return cls(width, height, luma, histogram, *sums, diagonals, len(data), read_header(data))

    @property
    def pixels(self) -> int:
        """How many are counted."""
        return self.luma.size


def _bands(image: Array) -> Array:
    """Bands of rows at equal distances that have about `MOST_PIXELS` together; all rows of an image of few rows."""
    height, width, _ = image.shape
    bands = height // BAND
    wanted = min(max(math.ceil(MOST_PIXELS / (BAND * width)), 1), bands)
    if not wanted:
        return np.ascontiguousarray(image)
    first = (np.arange(wanted) * 2 + 1) * bands // (2 * wanted) * BAND
    return np.ascontiguousarray(image[(first[:, None] + np.arange(BAND)).ravel()])
