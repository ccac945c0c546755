"""What the file of an image says: its size in pixels and bytes, and how strongly JPEG has compressed it."""

from io import BytesIO

import numpy as np
from PIL import Image

from gapscope.attributes.attribute import Attribute
from gapscope.attributes.photograph import Photograph

# The table of luminance at quality 50 (ITU-T T.81, table K.1); libjpeg multiplies all of its entries alike.
TABLE = np.array([
    *(16, 11, 10, 16, 24, 40, 51, 61, 12, 12, 14, 19, 26, 58, 60, 55, 14, 13, 16, 24, 40, 57, 69, 56, 14, 17, 22, 29),
    *(51, 87, 80, 62, 18, 22, 37, 56, 68, 109, 103, 77, 24, 35, 55, 64, 81, 104, 113, 92, 49, 64, 78, 87, 103, 121),
    *(120, 101, 72, 92, 95, 98, 112, 100, 103, 99),
])  # fmt: skip
QUALITIES = np.arange(1, 101)
SCALES = np.where(QUALITIES < 50, 5000 // QUALITIES, 200 - 2 * QUALITIES)
# The sum of the table at each quality.
SUMS = np.clip((TABLE * SCALES[:, None] + 50) // 100, 1, 255).sum(axis=1)
NONE = float("nan")


def width(photograph: Photograph) -> float:
    """Pixels from left to right."""
    return float(photograph.luma.shape[1])


def height(photograph: Photograph) -> float:
    """Pixels from top to bottom."""
    return float(photograph.luma.shape[0])


def aspect(photograph: Photograph) -> float:
    """Width over height."""
    return width(photograph) / height(photograph)


def bytes_per_pixel(photograph: Photograph) -> float:
    """Size of the file over the number of pixels; NaN where there is no file."""
    return len(photograph.data) / photograph.pixels if photograph.data else NONE


def jpeg_quality(photograph: Photograph) -> float:
    """The quality, from 1 to 100, at which libjpeg's table of luminance has the sum of the file's; NaN for others."""
    data = photograph.data
    if not data.startswith(b"\xff\xd8\xff"):
        return NONE
    try:
        with Image.open(BytesIO(data), formats=("JPEG", "MPO")) as file:
            tables = getattr(file, "quantization", {})
    except (OSError, SyntaxError, ValueError):
        return NONE
    if 0 not in tables:
        return NONE
    return float(QUALITIES[np.abs(SUMS - np.sum(tables[0])).argmin()])


WIDTH = Attribute("width", "pixels", "wider", "narrower", width)
HEIGHT = Attribute("height", "pixels", "taller", "less tall", height)
ASPECT = Attribute("aspect", "", "wider in proportion", "narrower in proportion", aspect)
BYTES_PER_PIXEL = Attribute("bytes per pixel", "", "larger for their pixels", "smaller for their pixels",
                            bytes_per_pixel)  # fmt: skip
JPEG_QUALITY = Attribute("JPEG quality", "", "less compressed", "more compressed", jpeg_quality)
