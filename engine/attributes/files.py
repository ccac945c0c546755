"""What the file of an image says: its size in pixels and bytes, how strongly JPEG has compressed it, and its time."""

from datetime import datetime

import numpy as np

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
EPOCH, DAY_SECONDS = datetime(1970, 1, 1), 86_400


def width(photograph: Photograph) -> float:
    """Pixels from left to right."""
    return float(photograph.width)


def height(photograph: Photograph) -> float:
    """Pixels from top to bottom."""
    return float(photograph.height)


def aspect(photograph: Photograph) -> float:
    """Width over height."""
    return width(photograph) / height(photograph)


def bytes_per_pixel(photograph: Photograph) -> float:
    """Size of the file over the number of pixels; NaN where there is no file."""
    return photograph.file_bytes / (photograph.width * photograph.height) if photograph.file_bytes else NONE


def jpeg_quality(photograph: Photograph) -> float:
    """The quality, from 1 to 100, at which libjpeg's table of luminance has the sum of the file's; NaN for others."""
    total = photograph.header.luminance
    return NONE if total is None else float(QUALITIES[np.abs(SUMS - total).argmin()])


def taken(photograph: Photograph) -> float:
    """When it was taken, in days since 1970 by the clock of the camera; NaN where the file does not say."""
    when = photograph.header.taken
    return NONE if when is None else (when - EPOCH).total_seconds() / DAY_SECONDS


def hour(photograph: Photograph) -> float:
    """The hour of the day at which it was taken, 0 to 24; NaN where the file does not say."""
    when = photograph.header.taken
    return NONE if when is None else when.hour + when.minute / 60


def date(days: float) -> str:
    """A day as people write it.

    >>> date(18262.5)
    '2020-01-01'
    """
    return str(np.datetime64(int(days // 1), "D"))


WIDTH = Attribute("width", "pixels", "wider", "narrower", width)
HEIGHT = Attribute("height", "pixels", "taller", "less tall", height)
ASPECT = Attribute("aspect", "", "wider in proportion", "narrower in proportion", aspect)
BYTES_PER_PIXEL = Attribute("bytes per pixel", "", "stored in more bytes a pixel",
                            "stored in fewer bytes a pixel", bytes_per_pixel)  # fmt: skip
JPEG_QUALITY = Attribute("JPEG quality", "", "less compressed", "more compressed", jpeg_quality)
TAKEN = Attribute("time of the photograph", "", "later", "earlier", taken, date)
HOUR = Attribute("hour of the day", "", "later in the day", "earlier in the day", hour)
