"""Scale: nearer or further away."""

import numpy as np

from gapscope.data.modifications.warp import about_centre, warped

FACTORS = (1.1, 1.2, 1.35, 1.55, 1.8)


def scale(image: np.ndarray, severity: int, rng: np.random.Generator) -> np.ndarray:
    """Enlarged or shrunk by the same factor, about the centre; a shrunk image goes on mirrored."""
    factor = FACTORS[severity - 1] ** rng.choice((-1, 1))
    return warped(image, about_centre(factor * np.eye(2), image.shape))
