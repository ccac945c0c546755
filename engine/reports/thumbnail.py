"""Small pictures of images for a page."""

from io import BytesIO

from PIL import Image

from gapscope.blocks.html import data_address
from gapscope.data.source import Source, Undecodable

# The longer side in pixels; a small image is enlarged whole times.
SIDE, QUALITY = 96, 80


def thumbnail(source: Source, sample: int) -> str | None:
    """The image as a small JPEG; None where it cannot be decoded."""
    try:
        picture = source.image(sample)
    except Undecodable:
        return None
    scale = SIDE / max(picture.size)
    scale = max(1, int(scale)) if scale >= 1 else scale
    size = tuple(max(1, round(scale * length)) for length in picture.size)
    small = picture.resize(size, Image.Resampling.NEAREST if scale >= 1 else Image.Resampling.LANCZOS)
    stream = BytesIO()
    small.save(stream, "JPEG", quality=QUALITY, optimize=True)
    return data_address(stream.getvalue(), "jpeg")
