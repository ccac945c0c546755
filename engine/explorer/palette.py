"""Colours of categories: those of the pictures of maps first, then as many more as are needed.

References
----------
Ottosson (2020), "A perceptual color space for image processing": Oklab, in which lightness is what eyes say it is.
"""

import numpy as np
from matplotlib import colormaps
from matplotlib.colors import to_hex

from gapscope.draw.canvas import BLUE, VERMILION
from gapscope.draw.points.palette import CATEGORIES
from gapscope.draw.points.values import COLOURS

# Ten steps from little to much, as on the pictures of a number.
RISING = tuple(to_hex(colour) for colour in colormaps[COLOURS](np.linspace(0, 1, 10)))
RIGHT, WRONG, UNEXPLAINED, UNKNOWN = BLUE, VERMILION, "#4D4D4D", "#A7ADB5"
# What is not looked at; on white.
PALE = (222, 225, 230)
# The angle after which a turning hue comes back to none that was there, and the lightness of hues that follow.
GOLDEN_TURN = np.pi * (3 - np.sqrt(5))
LIGHTNESS, CHROMA = (0.58, 0.72, 0.46), (0.15, 0.13, 0.12)
# From Oklab to the roots of cone responses, and from these to linear sRGB.
TO_CONES = np.array(
    [
        [1.0, 0.3963377774, 0.2158037573],
        [1.0, -0.1055613458, -0.0638541728],
        [1.0, -0.0894841775, -1.2914855480],
    ]
)
TO_RGB = np.array(
    [
        [4.0767416621, -3.3077115913, 0.2309699292],
        [-1.2684380046, 2.6097574011, -0.3413193965],
        [-0.0041960863, -0.7034186147, 1.7076147010],
    ]
)


def colours_of(count: int) -> list[str]:
    """As many colours as there are categories, ``#rrggbb``; the first are always the same.

    >>> colours_of(2)
    ['#0072B2', '#D55E00']
    """
    return [*CATEGORIES[:count], *(_turned(index) for index in range(len(CATEGORIES), count))]


def _turned(index: int) -> str:
    """The colour of a category far down the list: hues by the golden turn, in three lightnesses."""
    light, chroma = LIGHTNESS[index % 3], CHROMA[index % 3]
    angle = index * GOLDEN_TURN
    red, green, blue = _from_oklab(light, chroma * np.cos(angle), chroma * np.sin(angle))
    return f"#{red:02X}{green:02X}{blue:02X}"


def _from_oklab(light: float, a: float, b: float) -> list[int]:
    """sRGB bytes of an Oklab colour, clipped to what a screen shows."""
    linear = np.clip(TO_RGB @ (TO_CONES @ [light, a, b]) ** 3, 0, 1)
    shown = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    return np.rint(255 * shown).astype(int).tolist()
