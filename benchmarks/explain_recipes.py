"""What may happen to photographs beside what is registered: recipes that the search for causes has not seen."""

from collections.abc import Callable
from io import BytesIO

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from gapscope.causes.families import (
    BLUR,
    BRIGHT,
    COLOUR,
    COVERED,
    DARK,
    GEOMETRY,
    NOISE,
    ORIENTATION,
    SMALL,
    TONES,
    WEATHER,
)

Change = Callable[[np.ndarray, np.random.Generator], np.ndarray]


def levels(values: np.ndarray) -> np.ndarray:
    """Rounded and clipped to 8 bits."""
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


def dark(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A third of the light, and noise of 6 levels."""
    return levels(0.3 * image + rng.normal(0, 6, image.shape))


def box(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A box blur of 7 by 7 pixels."""
    return np.array(Image.fromarray(image).filter(ImageFilter.BoxBlur(3)))


def webcam(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A third of the size and back, then JPEG at quality 12."""
    picture, file = Image.fromarray(image), BytesIO()
    small = picture.resize([max(1, side // 3) for side in picture.size], Image.Resampling.BILINEAR)
    small.resize(picture.size, Image.Resampling.BILINEAR).save(file, "JPEG", quality=12)
    return np.array(Image.open(file))


def warm(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A quarter more red, a third less blue."""
    return levels(image * np.array([1.25, 1.0, 0.65]))


def crop(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The middle 45 % of each side."""
    height, width = (int(0.45 * side) for side in image.shape[:2])
    top, left = (image.shape[0] - height) // 2, (image.shape[1] - width) // 2
    return np.ascontiguousarray(image[top : top + height, left : left + width])


def bright(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A fifth more light on top of a veil of 60 levels."""
    return levels(1.2 * image + 60)


def noise(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Uniform noise of up to 60 levels."""
    return levels(image + rng.uniform(-60, 60, image.shape))


def dark_and_box(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Blurred, then darkened."""
    return dark(box(image, rng), rng)


def warm_webcam(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A warm cast, then a webcam."""
    return webcam(warm(image, rng), rng)


def dark_crop(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The middle, darkened."""
    return dark(crop(image, rng), rng)


def some(change: Change) -> Change:
    """Three images of ten changed, the others as they are."""
    return lambda image, rng: change(image, rng) if rng.random() < 0.3 else image


def turned(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Turned by 20 to 35 degrees, with black corners."""
    return np.array(Image.fromarray(image).rotate(rng.uniform(20, 35), Image.Resampling.BILINEAR))


def gamma(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Darker mid-tones, white as it was."""
    return levels(255 * (image / 255) ** 2.2)


def faded(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Half of the contrast under a veil."""
    return levels(0.45 * image + 70)


def drawing(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Black lines on white where the image has edges."""
    lines = np.array(Image.fromarray(image).convert("L").filter(ImageFilter.FIND_EDGES), np.float64)
    return np.repeat(levels(255 - 2 * lines)[..., None], 3, axis=2)


def on_the_side(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """By a quarter turn to the left, as of a telephone that was held upright."""
    return np.rot90(image).copy()


def sepia(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Brown on yellow, as old prints are."""
    light = image @ np.array([0.299, 0.587, 0.114])
    return levels(light[..., None] * np.array([1.07, 0.86, 0.63]))


def old_phone(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Blurred by a small lens, with noise in the colours."""
    soft = np.array(Image.fromarray(image).filter(ImageFilter.GaussianBlur(2)))
    chroma = rng.normal(0, 16, image.shape)
    return levels(soft + chroma - chroma.mean(axis=2, keepdims=True))


def hue(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """All hues turned by 85 degrees."""
    turned_by = np.array(Image.fromarray(image).convert("HSV"))
    turned_by[..., 0] += np.uint8(60)
    return np.array(Image.fromarray(turned_by, "HSV").convert("RGB"))


def stamp(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A black bar below with the time and the name of a camera."""
    picture, (height, width) = Image.fromarray(image), image.shape[:2]
    draw = ImageDraw.Draw(picture)
    draw.rectangle([0, height - height // 8, width, height], fill=(0, 0, 0))
    draw.text((4, height - height // 8 + 1), "2026-03-14 12:33:07 CAM 2", fill=(255, 255, 255))
    return np.array(picture)


def scratches(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Twelve bright lines from top to bottom, as on old film."""
    picture, (height, width) = Image.fromarray(image), image.shape[:2]
    for _ in range(12):
        left = int(rng.integers(0, width))
        ends = [left, 0, left + int(rng.integers(-20, 20)), height]
        ImageDraw.Draw(picture).line(ends, fill=(230, 230, 230), width=1)
    return np.array(picture)


def screen(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """As of a screen: every third line darker, and bluer."""
    lines = image.astype(float)
    lines[::3] *= 0.55
    return levels(lines * np.array([0.9, 1.0, 1.2]))


def painted(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Patches of one colour: a median of 9 by 9 pixels."""
    return np.array(Image.fromarray(image).filter(ImageFilter.MedianFilter(9)))


def half_dark(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The left half in shadow, at a quarter of its light."""
    shadow = image.astype(float)
    shadow[:, : image.shape[1] // 2] *= 0.25
    return levels(shadow)


def surveillance(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Grey, a quarter of the size and back, with noise."""
    grey = np.repeat(np.array(Image.fromarray(image).convert("L"))[..., None], 3, axis=2)
    picture = Image.fromarray(grey)
    small = picture.resize([max(1, side // 4) for side in picture.size])
    return levels(np.array(small.resize(picture.size)) + rng.normal(0, 10, image.shape[:2])[..., None])


def scanned(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Paler, yellower, up to 4 degrees askew on white."""
    pale = Image.fromarray(levels(0.7 * image * np.array([1.0, 0.96, 0.82]) + 50))
    return np.array(pale.rotate(rng.uniform(-4, 4), Image.Resampling.BILINEAR, fillcolor=(240, 240, 230)))


def flare(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A bright spot of light in the upper half."""
    height, width = image.shape[:2]
    y, x = np.mgrid[:height, :width]
    distance = (y - rng.uniform(0, height / 2)) ** 2 + (x - rng.uniform(0, width)) ** 2
    return levels(image + 200 * np.exp(-distance / (2 * (0.3 * width) ** 2))[..., None])


def old_print(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Faded, then sepia."""
    return sepia(levels(0.6 * image + 60), rng)


def glaring(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """More than twice as saturated, and 1.4 times the contrast."""
    colours = np.array(Image.fromarray(image).convert("HSV")).astype(float)
    colours[..., 1] = np.clip(colours[..., 1] * 2.2, 0, 255)
    rgb = np.array(Image.fromarray(colours.astype(np.uint8), "HSV").convert("RGB")).astype(float)
    return levels(1.4 * (rgb - 128) + 128)


def plain(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """As it is."""
    return image


# Each recipe with the families that are right; none where no known cause is.
RECIPES: dict[str, tuple[Change, tuple[str, ...]]] = {
    "dark": (dark, (DARK, NOISE)),
    "box": (box, (BLUR,)),
    "webcam": (webcam, (SMALL, BLUR)),
    "warm": (warm, (COLOUR,)),
    "crop": (crop, (GEOMETRY,)),
    "bright": (bright, (BRIGHT,)),
    "noise": (noise, (NOISE,)),
    "gamma": (gamma, (DARK,)),
    "faded": (faded, (TONES,)),
    "turned": (turned, (GEOMETRY, COVERED)),
    "dark_and_box": (dark_and_box, (DARK, BLUR, NOISE)),
    "warm_webcam": (warm_webcam, (COLOUR, SMALL, BLUR)),
    "dark_crop": (dark_crop, (DARK, GEOMETRY, NOISE)),
    "some_dark": (some(dark), (DARK, NOISE)),
    "some_box": (some(box), (BLUR,)),
    "some_noise": (some(noise), (NOISE,)),
    "on_the_side": (on_the_side, (ORIENTATION,)),
    "sepia": (sepia, (COLOUR,)),
    "old_phone": (old_phone, (BLUR, NOISE)),
    "hue": (hue, (COLOUR,)),
    "stamp": (stamp, (COVERED,)),
    "scratches": (scratches, (COVERED, WEATHER, NOISE)),
    "screen": (screen, (NOISE, COLOUR, DARK, TONES)),
    "painted": (painted, (BLUR,)),
    "half_dark": (half_dark, (DARK, COVERED)),
    "surveillance": (surveillance, (COLOUR, SMALL, NOISE)),
    "scanned": (scanned, (COLOUR, TONES, GEOMETRY)),
    "flare": (flare, (BRIGHT, WEATHER)),
    "old_print": (old_print, (COLOUR, TONES)),
    "glaring": (glaring, (COLOUR, TONES)),
    "drawing": (drawing, ()),
    "plain": (plain, ()),
}
