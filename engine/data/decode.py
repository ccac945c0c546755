"""From the bytes of an image file to an upright RGB image, or to the reason why there is none.

The same bytes give the same pixels or the same reason whatever else the process does: Pillow's warnings are dropped
while an image is decoded, and only then, so neither a warning filter nor another thread can turn a good image into a
bad one.
"""

import re
import warnings
from contextlib import contextmanager
from contextvars import ContextVar
from importlib import import_module
from io import BytesIO
from types import ModuleType

import numpy as np
import PIL
from PIL import Image

from gapscope.data.source import OF_FILE, FromBytes, Undecodable

DECODER = f"pillow-{PIL.__version__}/exif/white"

# Above the largest cameras (102 megapixels) and 400 MB as RGB; a "bomb" of a few bytes that unfolds to gigabytes stops
# here.
MAX_PIXELS = 2**27

# A closed list: plugins that other packages register, and formats that run an interpreter, cannot change what an image
# is. Each stands in the module of Pillow that reads it; one that this Pillow does not bring, or was built without, is
# left out.
MODULES = {
    "JPEG": "Jpeg",
    "MPO": "Mpo",
    "PNG": "Png",
    "GIF": "Gif",
    "BMP": "Bmp",
    "DIB": "Bmp",
    "PPM": "Ppm",
    "TIFF": "Tiff",
    "WEBP": "WebP",
    "AVIF": "Avif",
    "JPEG2000": "Jpeg2K",
    "QOI": "Qoi",
    "ICO": "Ico",
    "ICNS": "Icns",
    "PCX": "Pcx",
    "SGI": "Sgi",
    "SUN": "Sun",
    "DDS": "Dds",
    "PSD": "Psd",
}
# Its files have no beginning of their own, only an end: nothing but that end makes data a TGA image.
TGA, TGA_END = "TGA", b"TRUEVISION-XFILE.\0"


def _plugin(name: str) -> ModuleType | None:
    try:
        return import_module(f"PIL.{name}ImagePlugin")
    except ImportError:
        return None


PLUGINS = (Image, *filter(None, map(_plugin, dict.fromkeys([*MODULES.values(), "Tga"]))))
FORMATS = tuple(name for name in MODULES if name in Image.OPEN)

ORIENTATION = 0x0112
UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}

BEGINNINGS = {
    b"\xff\xd8\xff": "JPEG",
    b"\x89PNG": "PNG",
    b"GIF8": "GIF",
    b"RIFF": "WebP",
    b"BM": "BMP",
    b"II*\0": "TIFF",
    b"MM\0*": "TIFF",
}

# What files are that are no images that Pillow reads, and the way out.
OTHER_BEGINNINGS = {
    rb"version https://git-lfs": "is a pointer of Git LFS in place of the image; fetch it with `git lfs pull`",
    rb".{4}ftyp(hei[cfmsx]|hev[cmx]|mif1|msf1)": "is a HEIF image, which the installed Pillow cannot read; convert it",
    rb".{4}ftyp": "is a video, or an image that the installed Pillow does not read",
    rb"\s*(<\?xml[^>]*>\s*)?<svg": "is an SVG drawing, which has no pixels; render it first",
    rb"\s*<(!doctype|html|head|body|\?xml)": "is not an image but a web page, it begins with {}",
}

_decoding: ContextVar[bool] = ContextVar("decoding", default=False)


class _WarningsOutsideDecoding:
    """The `warnings` module as Pillow's modules see it: `warn` does nothing while this thread decodes.

    `warnings.catch_warnings` would not do: it swaps the filters of the whole process, and two threads that leave it in
    the wrong order leave them swapped for good.
    """

    def __getattr__(self, name: str) -> object:
        return getattr(warnings, name)

    def warn(self, *args: object, **kwargs: object) -> None:
        if not _decoding.get():
            warnings.warn(*args, **kwargs)  # the caller hands over its own category and stacklevel


def _hush(modules: tuple[ModuleType, ...]) -> None:
    for module in modules:
        if getattr(module, "warnings", None) is warnings:
            module.warnings = _WarningsOutsideDecoding()


_hush(PLUGINS)


@contextmanager
def silence():
    """Warnings of the decoders in this context are not for the user."""
    token = _decoding.set(True)
    try:
        yield
    finally:
        _decoding.reset(token)


def decode(data: bytes) -> Image.Image:
    """The image in `data`: RGB, 8 bit, upright, without metadata.

    Transparency is laid onto white, 16-bit and float grey levels are scaled (never clipped), CMYK is converted without
    its colour profile, the first frame stands for an animation, and the EXIF orientation is applied.  About 600
    ImageNet photographs a second on one core.

    Raises
    ------
    Undecodable
        The message is one line that depends on nothing but `data`.
    """
    if not data:
        raise Undecodable("the file is empty")
    with silence():
        try:
            return _upright(data)
        except (Undecodable, MemoryError):
            raise
        except Image.DecompressionBombError as error:
            raise _too_large(int(re.search(r"\d+", str(error))[0])) from error
        except PIL.UnidentifiedImageError as error:
            raise Undecodable(_unidentified(data)) from error
        except Exception as error:
            raise Undecodable(_reason(error)) from error


def _upright(data: bytes) -> Image.Image:
    with Image.open(BytesIO(data), formats=formats_of(data)) as file:
        if file.width * file.height > MAX_PIXELS:
            raise _too_large(file.width * file.height)
        image = _rgb(file)
        turn = UPRIGHT.get(orientation(file))
    image = image.transpose(turn) if turn is not None else image
    image.info = {OF_FILE: True}
    return image


def formats_of(data: bytes) -> tuple[str, ...]:
    """The formats in which `data` may be an image."""
    return (TGA,) if data.endswith(TGA_END) and TGA in Image.OPEN else FORMATS


def orientation(file: Image.Image) -> int:
    """The EXIF orientation; 1 where there is none, and where the metadata are damaged but the pixels are not."""
    try:
        return file.getexif().get(ORIENTATION, 1)
    except (SyntaxError, ValueError, TypeError, KeyError, IndexError, OverflowError, EOFError, OSError, AttributeError):
        return 1


def _rgb(image: Image.Image) -> Image.Image:
    if image.mode == "F" or image.mode.startswith("I"):
        return _from_levels(np.asarray(image))
    if image.mode == "La":  # Pillow converts premultiplied grey to nothing but "LA"
        image = image.convert("LA")
    if image.has_transparency_data:
        return _on_white(image.convert("RGBA"))
    return image.convert("RGB")


def _on_white(image: Image.Image) -> Image.Image:
    white = Image.new("RGBA", image.size, "white")
    return Image.alpha_composite(white, image).convert("RGB")


def _from_levels(levels: np.ndarray) -> Image.Image:
    """Grey ``levels : (h, w)`` of any number type as 8-bit RGB.

    Integers within 0…65535 are 16-bit grey levels. Floats within 0…1 are fractions, floats within 0…255 are 8-bit
    levels. Anything else is stretched from its own minimum to its own maximum, since no convention says more.
    """
    if not np.isfinite(levels).all():
        raise Undecodable("holds levels that are not finite numbers")
    low, high = float(levels.min()), float(levels.max())
    if levels.dtype.kind in "ui":
        span = (0.0, 65535.0) if low >= 0 and high <= 65535 else (low, high)
    else:
        span = next((s for s in ((0.0, 1.0), (0.0, 255.0)) if s[0] <= low and high <= s[1]), (low, high))
    scaled = (levels.astype(np.float64) - span[0]) * (255.0 / ((span[1] - span[0]) or 1.0))
    return Image.fromarray(np.rint(scaled).astype(np.uint8)).convert("RGB")


def _too_large(pixels: int) -> Undecodable:
    return Undecodable(f"unfolds to {pixels:,} pixels, more than the {MAX_PIXELS:,} allowed")


def _unidentified(data: bytes) -> str:
    for beginning, name in BEGINNINGS.items():
        if data.startswith(beginning):
            return f"begins like a {name} file, but its header is damaged or cut short"
    for pattern, reason in OTHER_BEGINNINGS.items():
        if re.match(pattern, data[:512], re.IGNORECASE | re.DOTALL):
            return reason.format(repr(data[:16]))
    return f"is not an image, it begins with {data[:16]!r}"


def _reason(error: Exception) -> str:
    """The error in one line, without addresses in memory."""
    text = " ".join(str(error).split())
    return re.sub(r"<[^<>]* at 0x[0-9a-fA-F]+>", "the file", text) or type(error).__name__


class Encoded(FromBytes):
    """What sources of image files have in common."""

    def decode(self, index: int, data: bytes) -> Image.Image:
        """The image at position `index` from the bytes of its file."""
        return decode(data)
