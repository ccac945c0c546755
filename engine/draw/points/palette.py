"""Colours of categories that people tell apart whatever their colour vision.

The first six are those of Okabe and Ito (2008). Each of the others is the colour, of a grid over sRGB without greys and
what is pale, that lies farthest from those before it in OKLab (Ottosson, 2020) for normal vision, deuteranopia and
protanopia as Machado, Oliveira and Fernandes (2009) simulate them, whichever sees least. No two are closer than the two
closest of the first six.
"""

import numpy as np

from gapscope.draw.canvas import BLUE, GREEN, ORANGE, PURPLE, SKY, VERMILION

CATEGORIES = (
    *(BLUE, VERMILION, GREEN, ORANGE, PURPLE, SKY, "#4B1E00", "#000087", "#0000FF", "#963C2D"),
    *("#87E1FF", "#5A87FF", "#69F096", "#2D4B78", "#4B004B", "#2D2DB4", "#FFC300", "#78C378", "#0F69F0", "#D21EC3"),
)
# Colours that are used again and again where there are more categories than colours.
AGAIN = 10


def apart(places: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """For each of ``places : (k, 2)`` one of ten colours, so that equal ones lie far apart, as on a political map.

    The largest choose first; each takes the colour whose nearest user is farthest away. A place without coordinates
    has colour 0. Cost k² distances.
    """
    chosen = np.zeros(len(places), np.int64)
    there = np.flatnonzero(np.isfinite(places).all(axis=1))
    order = there[np.argsort(-sizes[there], kind="stable")]
    for number, one in enumerate(order):
        before = order[:number]
        far = ((places[before] - places[one]) ** 2).sum(axis=1)
        nearest = np.full(AGAIN, np.inf)
        np.minimum.at(nearest, chosen[before], far)
        chosen[one] = nearest.argmax()
    return chosen
