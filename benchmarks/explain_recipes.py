"""What may happen to photographs beside what is registered: recipes that the search for causes has not seen."""

from collections.abc import Callable
from io import BytesIO

import numpy as np
from PIL import Image, ImageDraw, ImageFilter
from scipy.ndimage import map_coordinates, shift

from gapscope.causes.families import (
    BLUR,
    BRIGHT,
    COLOUR,
    COVERED,
    DARK,
    GEOMETRY,
    NOISE,
    ORIENTATION,
    PATTERN,
    SHARP,
    SMALL,
    TONES,
    WEATHER,
)

# What needs another image: the middle on another background.
BACKDROP = "backdrop"
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


def some(change: Change, share: float = 0.3) -> Change:
    """Three images of ten, or another share, changed, the others as they are."""

    def changed(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        return change(image, rng) if rng.random() < share else image

    changed.__doc__ = f"{100 * share:.0f} % of the images: {change.__doc__}"
    return changed


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


def dim_corners(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Light as of a cheap lens: it falls with the fourth power of the cosine, about a point that is not the centre."""
    y, x = (np.linspace(-1, 1, side) for side in image.shape[:2])
    distance = (y[:, None] - rng.uniform(-0.3, 0.3)) ** 2 + (x - rng.uniform(-0.3, 0.3)) ** 2
    return levels(image * ((1 + 0.8 * distance) ** -2)[..., None])


def barrel(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Bulging, as by the wide lens of a car or a helmet, with black beyond the glass."""
    height, width = image.shape[:2]
    y, x = np.meshgrid(np.linspace(-1, 1, height), np.linspace(-1, 1, width), indexing="ij")
    further = 1 + 0.35 * (x**2 + y**2)
    places = [(further * one + 1) / 2 * (side - 1) for one, side in ((y, height), (x, width))]
    seen = [map_coordinates(image[..., channel].astype(float), places, order=1) for channel in range(3)]
    return levels(np.stack(seen, axis=2))


def screenshot(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Shown in a window with a bar above, on a light desktop."""
    height, width = image.shape[:2]
    out = np.full_like(image, 236)
    small = Image.fromarray(image).resize((max(1, width * 7 // 10), max(1, height * 7 // 10)))
    top, left = height - small.height - height // 10, (width - small.width) // 2
    out[top - height // 12 : top, left : left + small.width] = (70, 90, 140)
    out[top : top + small.height, left : left + small.width] = np.array(small)
    return out


def coarse_colours(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Colours at a sixth of the resolution, as in video, and sharpened."""
    y, *chroma = Image.fromarray(image).convert("YCbCr").split()
    sixth = [max(1, side // 6) for side in y.size]
    coarse = [one.resize(sixth, Image.Resampling.BOX).resize(y.size, Image.Resampling.NEAREST) for one in chroma]
    return np.array(Image.merge("YCbCr", [y.filter(ImageFilter.UnsharpMask(2, 180, 0)), *coarse]).convert("RGB"))


def distant_fog(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Fog that thickens with the distance, which grows towards the top."""
    clear = np.exp(-2.5 * np.linspace(1, 0, len(image)))[:, None, None]
    return levels(clear * image + (1 - clear) * np.array([205, 210, 215]))


def dusty(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Bright grains of one to three pixels on one place of a hundred, and four scratches."""
    height, width = image.shape[:2]
    grains = np.array(Image.fromarray(rng.random((height, width)) < 0.01).convert("L").filter(ImageFilter.MaxFilter(3)))
    image = np.where((grains > 0)[..., None] & (rng.random((height, width, 1)) < 0.6), np.uint8(245), image)
    picture = Image.fromarray(image)
    for _ in range(4):
        ends = [int(rng.integers(0, side)) for side in (width, height, width, height)]
        ImageDraw.Draw(picture).line(ends, fill=(240, 240, 240), width=1)
    return np.array(picture)


def halftone(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Printed in dots of each ink, on a grid that is turned otherwise for each."""
    y, x = np.mgrid[: image.shape[0], : image.shape[1]]
    out = np.empty_like(image)
    for channel, degrees in enumerate((15, 75, 45)):
        turned_by = np.deg2rad(degrees)
        across, along = x * np.cos(turned_by) + y * np.sin(turned_by), y * np.cos(turned_by) - x * np.sin(turned_by)
        grid = 127.5 * (1 + np.sin(across * 1.6) * np.sin(along * 1.6))
        out[..., channel] = levels(255 / (1 + np.exp((grid - image[..., channel]) / 24.0)))
    return out


def night_mode(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A quarter of the light, noise, and what a telephone makes of it: smoothed, brightened and sharpened."""
    dim = Image.fromarray(levels(0.25 * image + rng.normal(0, 5, image.shape)))
    smooth = np.array(dim.filter(ImageFilter.MedianFilter(3)).filter(ImageFilter.MedianFilter(3)))
    return np.array(Image.fromarray(levels(3.2 * smooth)).filter(ImageFilter.UnsharpMask(2, 150, 0)))


def nearest(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Every fifth pixel of a line of every fifth line, each shown five times as wide and high."""
    fifth = image[::5, ::5]
    return np.ascontiguousarray(fifth.repeat(5, axis=0).repeat(5, axis=1)[: image.shape[0], : image.shape[1]])


def letterboxed(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Between black bars above and below, as a film."""
    out, height = image.copy(), len(image)
    out[: height // 6] = out[height - height // 6 :] = 0
    return out


def beautified(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Noise taken out with the texture, edges kept, as telephones do: twice a median of five pixels."""
    soft = Image.fromarray(image).filter(ImageFilter.MedianFilter(5))
    return np.array(soft.filter(ImageFilter.MedianFilter(5)))


def shaken(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Moved along a slanted line of an eighth of the width while the shutter was open."""
    steps, slope = np.linspace(-0.5, 0.5, 15) * image.shape[1] / 8, rng.uniform(-1, 1)
    moved = [shift(image.astype(float), (slope * one, one, 0), order=1, mode="nearest") for one in steps]
    return levels(np.mean(moved, axis=0))


def dark_webcam(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Darkened, then a webcam."""
    return webcam(dark(image, rng), rng)


def warm_box(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Blurred, with a warm cast."""
    return warm(box(image, rng), rng)


def sketch(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A pencil sketch: grey, divided by its blurred self."""
    grey = np.array(Image.fromarray(image).convert("L"))
    soft = np.array(Image.fromarray(grey).filter(ImageFilter.GaussianBlur(4)), float)
    return np.repeat(levels(255 * (grey + 1.0) / (soft + 1.0) - 20)[..., None], 3, axis=2)


def cartoon(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Areas of few colours with black outlines."""
    soft = Image.fromarray(image).filter(ImageFilter.MedianFilter(5))
    flat = np.rint(np.array(soft) / 51.0) * 51
    lines = np.array(soft.convert("L").filter(ImageFilter.FIND_EDGES), float)
    return levels(np.where((lines > 40)[..., None], 0, flat))


def pasted(image: np.ndarray, behind: np.ndarray) -> np.ndarray:
    """The middle of an image on another one as its background."""
    height, width = image.shape[:2]
    y, x = (np.linspace(-1, 1, side) for side in (height, width))
    share = np.clip((0.75 - np.hypot(y[:, None], x)) / 0.15 + 0.5, 0, 1)[..., None]
    backdrop = np.array(Image.fromarray(behind).resize((width, height), Image.Resampling.BILINEAR))
    return levels(share * image + (1 - share) * backdrop)


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
    "screen": (screen, (PATTERN, NOISE, COLOUR, DARK, TONES)),
    "painted": (painted, (BLUR,)),
    "half_dark": (half_dark, (DARK, COVERED)),
    "surveillance": (surveillance, (COLOUR, SMALL, NOISE)),
    "scanned": (scanned, (COLOUR, TONES, GEOMETRY)),
    "flare": (flare, (BRIGHT, WEATHER)),
    "old_print": (old_print, (COLOUR, TONES)),
    "glaring": (glaring, (COLOUR, TONES)),
    "dim_corners": (dim_corners, (DARK,)),
    "barrel": (barrel, (GEOMETRY,)),
    "screenshot": (screenshot, (GEOMETRY, COVERED)),
    "coarse_colours": (coarse_colours, (SHARP, SMALL)),
    "distant_fog": (distant_fog, (WEATHER,)),
    "dusty": (dusty, (NOISE, COVERED, WEATHER)),
    "halftone": (halftone, (PATTERN, NOISE, TONES)),
    "night_mode": (night_mode, (DARK, BLUR, SHARP, NOISE)),
    "nearest": (nearest, (SMALL,)),
    "letterboxed": (letterboxed, (GEOMETRY, COVERED)),
    "beautified": (beautified, (BLUR,)),
    "shaken": (shaken, (BLUR,)),
    "dark_webcam": (dark_webcam, (DARK, NOISE, SMALL, BLUR)),
    "some_warm_box": (some(warm_box), (COLOUR, BLUR)),
    "some_dark_webcam": (some(dark_webcam, 0.6), (DARK, NOISE, SMALL, BLUR)),
    "some_dark_crop": (some(dark_crop, 0.6), (DARK, GEOMETRY, NOISE)),
    "drawing": (drawing, ()),
    "sketch": (sketch, ()),
    "cartoon": (cartoon, ()),
    "plain": (plain, ()),
}
