"""Mean and spread of pixels, for networks that nobody has trained before."""

import numpy as np

from gapscope.cnn.images import Images

LOOKED_AT, RUN, LEAST = 8192, 256, 1 / 255


def pixel_statistics(images: Images, rows: np.ndarray) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation of each channel over 8,192 of the images at `rows`, as fractions of 1.

    A spread below one grey level counts as one, so that an image set of one colour divides by no zero.
    """
    chosen = rows[np.unique(np.linspace(0, len(rows) - 1, min(LOOKED_AT, len(rows))).astype(np.int64))]
    count, total, squares = 0, 0.0, 0.0
    for start in range(0, len(chosen), RUN):
        x = images.batch(chosen[start : start + RUN]).x.astype(np.float64) / 255
        count += x[..., 0].size
        total = total + x.sum(axis=(0, 1, 2))
        squares = squares + (x**2).sum(axis=(0, 1, 2))
    mean = total / count
    std = np.maximum(np.sqrt(np.maximum(squares / count - mean**2, 0)), LEAST)
    return tuple(mean.tolist()), tuple(std.tolist())
