"""Points counted on the pixels of a window; counts of parts add up to those of the whole.

datashader does it: one pass over the points, a few nanoseconds each, after about a second to load and compile. Rows of
a raster go from the bottom up.
"""

import numpy as np

from gapscope.draw.points.cloud import Cloud
from gapscope.draw.points.window import Window


def counts(cloud: Cloud, window: Window) -> np.ndarray:
    """Points on each pixel, (height, width) uint32."""
    import datashader  # here, because it takes a second to load

    return _raster(cloud, {}, window, datashader.count())


def counts_by(cloud: Cloud, codes: np.ndarray, categories: int, window: Window) -> np.ndarray:
    """Points of each category on each pixel, (categories, height, width) uint32; those of a negative code nowhere."""
    import datashader
    import pandas as pd

    known = codes >= 0
    if not known.all():
        cloud, codes = cloud.only(known), codes[known]
    if not cloud.n:
        return np.zeros((categories, window.height, window.width), np.uint32)
    column = pd.Categorical.from_codes(codes, categories=range(categories))
    by = _raster(cloud, {"value": column}, window, datashader.by("value", datashader.count()))
    return np.ascontiguousarray(np.moveaxis(by, -1, 0))


def sums(cloud: Cloud, values: np.ndarray, window: Window) -> np.ndarray:
    """Sum of the values of the points on each pixel, (height, width) float64; 0 where there are none."""
    import datashader

    return np.nan_to_num(_raster(cloud, {"value": values}, window, datashader.sum("value")))


def _raster(cloud: Cloud, columns: dict, window: Window, reduction: object) -> np.ndarray:
    import datashader
    import pandas as pd

    canvas = datashader.Canvas(window.width, window.height, (window.left, window.right), (window.bottom, window.top))
    frame = pd.DataFrame({"x": cloud.x, "y": cloud.y, **columns}, copy=False)
    return canvas.points(frame, "x", "y", reduction).data
