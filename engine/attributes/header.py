"""What the file of an image says beside its pixels: the tables of JPEG, and when and with what it was taken."""

from datetime import datetime
from io import BytesIO
from typing import NamedTuple

from PIL import Image

from gapscope.data import decode

# Formats whose EXIF is found without decoding pixels.
FORMATS = tuple(name for name in decode.FORMATS if name in ("JPEG", "MPO", "TIFF", "WEBP"))
BEGINNINGS = (b"\xff\xd8\xff", b"II*\0", b"MM\0*", b"RIFF")
MAKE, MODEL, WRITTEN, DETAILS, TAKEN = 0x010F, 0x0110, 0x0132, 0x8769, 0x9003
TIME = "%Y:%m:%d %H:%M:%S"
# What Pillow raises for metadata that are damaged.
DAMAGED = (SyntaxError, ValueError, TypeError, KeyError, IndexError, OverflowError, EOFError, OSError, AttributeError)


class Header(NamedTuple):
    """What a file says; None or empty for what it does not.

    Attributes
    ----------
    luminance
        Sum of JPEG's quantisation table of the luminance.
    taken
        When, by the clock of the camera.
    camera
        Make and model.
    """

    luminance: int | None = None
    taken: datetime | None = None
    camera: str = ""


NOTHING = Header()


def read_header(data: bytes) -> Header:
    """What the file `data` says; no pixel is decoded, and damaged metadata say nothing."""
    if not data.startswith(BEGINNINGS):
        return NOTHING
    try:
        with decode.silence(), Image.open(BytesIO(data), formats=FORMATS) as file:
            tables = getattr(file, "quantization", None) or {}
            luminance = int(sum(tables[0])) if 0 in tables else None
            return Header(luminance, *_exif(file))
    except DAMAGED:
        return NOTHING


def _exif(file: Image.Image) -> tuple[datetime | None, str]:
    """When and with what the image was taken."""
    if "exif" not in file.info and file.format != "TIFF":
        return None, ""
    try:
        tags = file.getexif()
        written = tags.get_ifd(DETAILS).get(TAKEN) or tags.get(WRITTEN)
        make, model = (_text(tags.get(tag)) for tag in (MAKE, MODEL))
    except DAMAGED:
        return None, ""
    camera = model if model.lower().startswith(make.lower()) else f"{make} {model}"
    return _time(_text(written)), camera.strip()


def _text(value: object) -> str:
    """A tag as one line of text; empty for what is none.

    >>> _text("NIKON  D40\\0"), _text(None)
    ('NIKON D40', '')
    """
    text = value.decode("latin-1") if isinstance(value, bytes) else value if isinstance(value, str) else ""
    return " ".join("".join(one if one.isprintable() else " " for one in text).split())


def _time(text: str) -> datetime | None:
    try:
        return datetime.strptime(text[:19], TIME)
    except ValueError:
        return None
