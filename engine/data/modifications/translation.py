"""Translation in any direction."""

import numpy as np

from gapscope.data.modifications.warp import warped

# Length of the way as a share of the shorter side.
SHARES = (0.03, 0.07, 0.12, 0.18, 0.25)


def translation(image: np.ndarray, severity: int, rng: np.random.Generator) -> np.ndarray:
    """Moved by whole pixels; what comes into view is the mirrored image."""
    angle = rng.uniform(0, 2 * np.pi)
    way = max(1.0, SHARES[severity - 1] * min(image.shape[:2]))
    shift = np.rint(way * np.array([np.cos(angle), np.sin(angle)]))
    return warped(image, np.column_stack([np.eye(2), shift]))
