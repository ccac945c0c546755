"""Rasters turned into colours, on white."""

from collections.abc import Sequence

import numpy as np
from matplotlib import colormaps
from matplotlib.colors import to_rgb

from gapscope.draw.points.transform import nearest

WHITE = 255
# Of all points: a category with no more of them than this share lies on top, in dots of at least this radius.
RARE, RARE_RADIUS = 0.001, 3


def rgb(colour: str) -> np.ndarray:
    """``(3,)`` uint8.

    >>> rgb("#0072B2").tolist()
    [0, 114, 178]
    """
    return np.round(255 * np.array(to_rgb(colour))).astype(np.uint8)


def shades(colours: Sequence[str]) -> np.ndarray:
    """``(k, 3)`` uint8 of so many colours."""
    return np.array([rgb(colour) for colour in colours], np.uint8).reshape(-1, 3)


def ramp(places: np.ndarray, colours: str) -> np.ndarray:
    """(h, w, 3) uint8 of the places from 0 to 1 on a colour map of Matplotlib; white where NaN."""
    there = np.isfinite(places)
    shown = colormaps[colours](np.where(there, places, 0.0), bytes=True)[..., :3]
    return np.where(there[..., None], shown, np.uint8(WHITE))


def mixed(by: np.ndarray, colours: np.ndarray) -> np.ndarray:
    """Mean of the ``colours : (k, 3)`` of the points on a pixel of ``by : (k, h, w)``; white where there are none.

    Every occupied pixel is opaque, so that a lone point has exactly the colour of its category.
    """
    total = by.sum(axis=0, dtype=np.float64)
    shown = np.tensordot(by, colours.astype(np.float64), axes=(0, 0))
    shown /= np.maximum(total, 1)[..., None]
    return np.where(total[..., None] > 0, np.round(shown), WHITE).astype(np.uint8)


def commonest(by: np.ndarray, colours: np.ndarray) -> np.ndarray:
    """The colour of most points on a pixel of ``by : (k, h, w)``, of equals the first; white where there are none.

    A mean of the colours of many categories would be grey, which is none of them.
    """
    return np.where(by.any(axis=0)[..., None], colours[by.argmax(axis=0)], WHITE).astype(np.uint8)


def above(layer: np.ndarray, where: np.ndarray, below: np.ndarray) -> np.ndarray:
    """`layer` on the pixels of the mask `where : (h, w)`, elsewhere what lies `below`; a layer may be one colour."""
    return np.where(where[..., None], layer, below)


def dotted(raster: np.ndarray, there: np.ndarray, reach: int) -> np.ndarray:
    """`raster` in which each pixel within `reach` of those that are there has the colour of the nearest of them."""
    near, rows, columns = nearest(there, reach)
    return above(raster[rows, columns], near, raster)


def is_rare(totals: np.ndarray) -> np.ndarray:
    """Which categories of ``totals : (k,)`` points would be lost in a mixture."""
    return (totals > 0) & (totals <= RARE * totals.sum())
