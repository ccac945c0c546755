"""Scratches, as on old film or on a lens."""

import numpy as np
from PIL import Image, ImageDraw

COUNTS, LEVEL = (3, 6, 11, 18, 30), 230


def scratched(image: np.ndarray, severity: int, rng: np.random.Generator) -> np.ndarray:
    """Bright lines across the image, each from one side to near the same place of the opposite one."""
    picture, (height, width) = Image.fromarray(image), image.shape[:2]
    draw, thick = ImageDraw.Draw(picture), max(1, round(width / 150))
    for _ in range(COUNTS[severity - 1]):
        begin, aside = rng.uniform(0, width), rng.normal(0, 0.08 * width)
        draw.line([begin, 0, begin + aside, height], fill=(LEVEL,) * 3, width=thick)
    return np.array(picture)
