"""Which points are meant: inside a drawn outline, nearest to the pointer, found by a word.

All of it looks at every point; a million cost a few milliseconds, so no index has to be built before the first answer.
"""

import re

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from gapscope.explorer.colouring import Colouring
from gapscope.explorer.points import Points

Array = np.ndarray
# Colourings whose names people search for; those of others are numbers, or say right and wrong.
WORDED = ("label", "prediction", "dataset")
CLASSES = ("label", "prediction")
COMPARISON = re.compile(r"(.+?)\s*(<=|>=|!=|<|>|=)\s*(.+)")
COMPARED = {
    "<": np.less,
    "<=": np.less_equal,
    ">": np.greater,
    ">=": np.greater_equal,
    "=": np.equal,
    "!=": np.not_equal,
}


def inside_box(x: Array, y: Array, x0: float, x1: float, y0: float, y1: float) -> Array:
    """Which of the points ``(n,)`` lie in a box, its edges included, ``(n,) bool``; corners in any order."""
    (left, right), (low, high) = sorted((x0, x1)), sorted((y0, y1))
    return (x >= left) & (x <= right) & (y >= low) & (y <= high)


def inside_outline(x: Array, y: Array, corners: Array) -> Array:
    """Which of the points ``(n,)`` lie inside the closed polygon ``corners : (m, 2)``, ``(n,) bool``.

    Inside is what is crossed an odd number of times on the way to the left (the even-odd rule), as people draw loops.
    Points are sorted by y once, so that each edge looks only at those beside it: the cost is that of the crossings, and
    not points times edges.
    """
    result = np.zeros(len(x), bool)
    corners = np.asarray(corners, np.float64)
    if len(corners) < 3:
        return result
    near = np.flatnonzero(inside_box(x, y, *np.ravel([corners.min(axis=0), corners.max(axis=0)], order="F")))
    near = near[np.argsort(y[near], kind="stable")]
    px, py = x[near].astype(np.float64), y[near].astype(np.float64)
    odd = np.zeros(len(near), bool)
    for (ax, ay), (bx, by) in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        beside = slice(*np.searchsorted(py, sorted((ay, by))))
        if ay != by:
            odd[beside] ^= px[beside] > ax + (py[beside] - ay) * ((bx - ax) / (by - ay))
    result[near] = odd
    return result


def nearest_point(points: Points, x: float, y: float, reach: tuple[float, float], among: Array | None) -> int | None:
    """The point nearest to a place, within an ellipse of half-axes `reach` around it; None where there is none.

    Distances are in units of `reach`, so that they are those of the screen.

    Parameters
    ----------
    among : (n,) bool or None
        Which points count.
    """
    close = inside_box(points.x, points.y, x - reach[0], x + reach[0], y - reach[1], y + reach[1])
    result = np.flatnonzero(close if among is None else close & among)
    if not len(result):
        return None
    far = ((points.x[result] - x) / reach[0]) ** 2 + ((points.y[result] - y) / reach[1]) ** 2
    best = int(far.argmin())
    return int(result[best]) if far[best] <= 1 else None


def nearest_on_map(points: Points, point: int, count: int) -> Array:
    """A point and the `count` nearest to it on the map, nearest first, fewer where there are not so many."""
    x, y = (axis.astype(np.float64) for axis in (points.x, points.y))
    far = (x - x[point]) ** 2 + (y - y[point]) ** 2
    far[point] = -1
    count = min(count + 1, points.n)
    result = np.argpartition(far, count - 1)[:count]
    return result[np.lexsort([result, far[result]])]


def _compared(points: Points, text: str) -> Array | None:
    """Which points have a number as the `text` says, such as ``luminance < 50``, or a word, such as ``site = a``; None
    where it is no comparison with something that points have.
    """
    match = COMPARISON.fullmatch(text)
    one = next((one for key, one in points.colourings.items() if match and match[1] in _called(key, one)), None)
    if match is None or one is None:
        return None
    if one.values is None:
        same = np.array([name.casefold() == match[3] for name in one.names])[one.code]
        return same if match[2] == "=" else ~same if match[2] == "!=" else None
    try:
        wanted = np.float32(match[3])
    except ValueError:
        return None
    return COMPARED[match[2]](one.values, wanted) & ~np.isnan(one.values)


def _called(key: str, one: Colouring) -> tuple[str, str]:
    """How people may call a colouring in a search."""
    return key.casefold(), one.title.casefold()


def in_order(points: Points, chosen: Array, key: str) -> Array:
    """The points ``chosen : (m,)`` by rising numbers of a colouring, those that have none last; as they are without."""
    one = points.colourings.get(key)
    if one is None or one.values is None:
        return chosen
    return chosen[np.argsort(one.values[chosen], kind="stable")]


def found_by(points: Points, text: str) -> Array | None:
    """Which points are of the class `text`, or are as a comparison says (`_compared`). If it is neither, those that
    have it in the name of their class, predicted or true, of their set, or in their path, or as their sample id; ``(n,)
    bool``, None for an empty text.

    Capital letters do not matter. Where nothing is labelled, the class is the predicted one.
    """
    text = text.strip().casefold()
    if not text:
        return None
    named = _of_class(points, text)
    named = _compared(points, text) if named is None else named
    if named is not None:
        return named
    result = points.sample_id == int(text) if text.isdecimal() and len(text) < 19 else np.zeros(points.n, bool)
    for one in (one for key, one in points.colourings.items() if key.partition("-")[0] in WORDED):
        result |= np.array([text in name.casefold() for name in one.names], bool)[one.code]
    paths = pc.match_substring(points.path, text, ignore_case=True)
    return result | np.asarray(pa.chunked_array(paths).to_numpy() if points.n else result, bool)


def _of_class(points: Points, text: str) -> Array | None:
    """Which points are of the class `text`, in small letters, ``(n,) bool``; None where no class is called so."""
    known = (one for key, one in points.colourings.items() if key.partition("-")[0] in CLASSES)
    classes = next(known, None)
    names = [name.casefold() for name in classes.names] if classes else []
    return np.array([name == text for name in names])[classes.code] if text in names else None


def category_of(points: Points, colour: str, only: str) -> Array | None:
    """Which points are in the category `only` of a colouring, ``(n,) bool``; None where none is named."""
    colouring = points.colourings[colour]
    index = colouring.index(only) if only else None
    return None if index is None else colouring.code == index


def both(one: Array | None, other: Array | None) -> Array | None:
    """What is in both masks ``(n,)``; None is all."""
    if one is None or other is None:
        return other if one is None else one
    return one & other
