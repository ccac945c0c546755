"""Captioned: text in the image, as of a camera that writes the time on it."""

import numpy as np
from PIL import Image, ImageDraw

# The share of the height that the bar takes, and what stands there.
BAR, TEXT = (0.06, 0.09, 0.13, 0.18, 0.25), "2026-03-14 12:33:07 CAM {}"


def captioned(image: np.ndarray, severity: int, rng: np.random.Generator) -> np.ndarray:
    """A black bar below, with white letters."""
    out, (height, width) = image.copy(), image.shape[:2]
    bar = round(BAR[severity - 1] * height)
    if bar:
        text = TEXT.format(rng.integers(1, 10))
        right, low = ImageDraw.Draw(Image.new("L", (1, 1))).textbbox((0, 0), text)[2:]
        sheet = Image.new("L", (int(right) + 2, int(low) + 2))
        ImageDraw.Draw(sheet).text((1, 0), text, fill=255)
        out[height - bar :] = np.array(sheet.resize((width, bar), Image.Resampling.BILINEAR))[..., None]
    return out
