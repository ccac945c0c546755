"""Grey: colours fade until none is left."""

import numpy as np
from PIL import Image

FADED = (0.2, 0.4, 0.6, 0.8, 1.0)


def grayscale(image: np.ndarray, severity: int, rng: np.random.Generator) -> np.ndarray:
    """Blended with its luma (ITU-R BT.601), which alone is left at severity 5."""
    coloured = Image.fromarray(image)
    return np.array(Image.blend(coloured, coloured.convert("L").convert("RGB"), FADED[severity - 1]))
