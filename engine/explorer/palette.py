"""Colours of categories: ten that people tell apart whatever their colour vision, and as many more as are needed.

References
----------
Tol (2021), "Colour schemes", SRON technical note EPS 09-002: the scheme "muted", which holds nine.
Ottosson (2020), "A perceptual color space for image processing": Oklab, in which lightness is what eyes say it is.
"""

import numpy as np

Array = np.ndarray
MUTED = ("#332288", "#CC6677", "#117733", "#DDCC77", "#88CCEE", "#882255", "#44AA99", "#999933", "#AA4499")
FEW = (*MUTED, "#E8601C")
# From many points of low to many of high: the ends of cividis and what is between, dark to light.
RISING = ("#00204D", "#00336F", "#39486B", "#575C6D", "#707173", "#8A8779", "#A69D75", "#C4B56C", "#E4CF5B", "#FFEA46")
RIGHT, WRONG, UNKNOWN = "#0072B2", "#D55E00", "#A7ADB5"
# What is not looked at; on white.
PALE = (222, 225, 230)
# The angle after which a turning hue comes back to none that was there, and the lightness of hues that follow.
GOLDEN_TURN = np.pi * (3 - np.sqrt(5))
LIGHTNESS, CHROMA = (0.58, 0.72, 0.46), (0.15, 0.13, 0.12)


def colours_of(count: int) -> list[str]:
    """As many colours as there are categories, ``#rrggbb``; the first ten are always the same.

    >>> colours_of(2)
    ['#332288', '#CC6677']
    """
    return [*FEW[:count], *(_turned(index) for index in range(len(FEW), count))]


def _turned(index: int) -> str:
    """The colour of a category far down the list: hues by the golden turn, in three lightnesses."""
    light, chroma = LIGHTNESS[index % 3], CHROMA[index % 3]
    angle = index * GOLDEN_TURN
    red, green, blue = _from_oklab(light, chroma * np.cos(angle), chroma * np.sin(angle))
    return f"#{red:02X}{green:02X}{blue:02X}"


def _from_oklab(light: float, a: float, b: float) -> tuple[int, int, int]:
    """sRGB bytes of an Oklab colour, clipped to what a screen shows."""
    cone = np.array(
        [
            light + 0.3963377774 * a + 0.2158037573 * b,
            light - 0.1055613458 * a - 0.0638541728 * b,
            light - 0.0894841775 * a - 1.2914855480 * b,
        ]
    )
    mixing = np.array(
        [
            [4.0767416621, -3.3077115913, 0.2309699292],
            [-1.2684380046, 2.6097574011, -0.3413193965],
            [-0.0041960863, -0.7034186147, 1.7076147010],
        ]
    )
    linear = np.clip(mixing @ cone**3, 0, 1)
    shown = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    red, green, blue = np.rint(255 * shown).astype(int)
    return int(red), int(green), int(blue)


def bytes_of(colours: list[str]) -> Array:
    """``#rrggbb`` as ``(k, 3) uint8``.

    >>> bytes_of(["#0072B2"]).tolist()
    [[0, 114, 178]]
    """
    return np.array([[int(one[at : at + 2], 16) for at in (1, 3, 5)] for one in colours], np.uint8).reshape(-1, 3)
