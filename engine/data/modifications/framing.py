"""Framing: the camera stood nearer or further away, or the picture was fitted into another frame."""

import numpy as np
from PIL import Image

from gapscope.data.modifications.warp import about_centre, warped

# The share of each side that is left in view, and how much wider the view is.
CLOSE = (0.85, 0.72, 0.58, 0.45, 0.33)
WIDE = (1.2, 1.45, 1.8, 2.3, 3.0)
# How much longer one side gets than the other; and the share of each side that a frame leaves.
LONGER = (1.15, 1.3, 1.5, 1.8, 2.3)
INSIDE = (0.9, 0.8, 0.7, 0.58, 0.45)
# The share of the near side that is cut off, and the share of a side that the bar at either end of it takes.
CUT = (0.15, 0.28, 0.42, 0.56, 0.72)
BAR = (0.06, 0.1, 0.14, 0.19, 0.25)


def close_up(image: np.ndarray, severity: int, rng: np.random.Generator) -> np.ndarray:
    """The middle of the image, enlarged to all of it."""
    return warped(image, about_centre(CLOSE[severity - 1] * np.eye(2), image.shape))


def wide_view(image: np.ndarray, severity: int, rng: np.random.Generator) -> np.ndarray:
    """The image shrunk about its centre, and mirrored around itself."""
    return warped(image, about_centre(WIDE[severity - 1] * np.eye(2), image.shape))


def stretched(image: np.ndarray, severity: int, rng: np.random.Generator) -> np.ndarray:
    """Wider than it was, as by fitting into a frame of other proportions; what no longer fits is cut off."""
    return warped(image, about_centre(np.diag([1 / LONGER[severity - 1], 1.0]), image.shape))


def squeezed(image: np.ndarray, severity: int, rng: np.random.Generator) -> np.ndarray:
    """Taller than it was, and cut off above and below."""
    return warped(image, about_centre(np.diag([1.0, 1 / LONGER[severity - 1]]), image.shape))


def framed(image: np.ndarray, severity: int, rng: np.random.Generator, level: int = 0) -> np.ndarray:
    """Shrunk about its centre, with black around it, or with another `level`."""
    height, width = (max(1, round(INSIDE[severity - 1] * side)) for side in image.shape[:2])
    small = Image.fromarray(image).resize((width, height), Image.Resampling.BILINEAR)
    out = np.full_like(image, level)
    top, left = (image.shape[0] - height) // 2, (image.shape[1] - width) // 2
    out[top : top + height, left : left + width] = small
    return out


def white_framed(image: np.ndarray, severity: int, rng: np.random.Generator) -> np.ndarray:
    """Shrunk about its centre, with white around it."""
    return framed(image, severity, rng, 255)


def perspective(image: np.ndarray, severity: int, rng: np.random.Generator) -> np.ndarray:
    """Seen from one side, which is enlarged; what no longer fits is cut off."""
    height, width = image.shape[:2]
    corners = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 1.0], [1.0, 0.0]])  # left above, below, right below, above
    near = rng.integers(4)
    for corner in (near, (near + 1) % 4):
        along = near % 2  # the left and the right side lie along the height
        corners[corner, 1 - along] = 0.5 + (corners[corner, 1 - along] - 0.5) * (1 - CUT[severity - 1])
    quad = (corners * (width, height)).ravel().tolist()
    picture = Image.fromarray(image)
    return np.array(picture.transform(picture.size, Image.Transform.QUAD, quad, Image.Resampling.BILINEAR))


def letterboxed(image: np.ndarray, severity: int, rng: np.random.Generator) -> np.ndarray:
    """Between black bars above and below."""
    out, bar = image.copy(), round(BAR[severity - 1] * len(image))
    out[:bar] = out[len(image) - bar :] = 0
    return out


def pillarboxed(image: np.ndarray, severity: int, rng: np.random.Generator) -> np.ndarray:
    """Between black bars on the left and on the right."""
    return np.ascontiguousarray(letterboxed(image.swapaxes(0, 1), severity, rng).swapaxes(0, 1))
