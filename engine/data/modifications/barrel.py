"""Barrel distortion: bulging, as by a wide lens."""

import numpy as np

from gapscope.data.modifications.warp import about_centre, warped

# How much further from the centre what is seen at the middle of a side lies, as a share of its distance.
FURTHER = (0.06, 0.12, 0.2, 0.3, 0.45)


def barrel(image: np.ndarray, severity: int, rng: np.random.Generator) -> np.ndarray:
    """What lies at distance r from the centre is seen from ``r (1 + k r^2)``, with black beyond the borders."""
    down, across = (np.linspace(-1, 1, side, dtype=np.float32) for side in image.shape[:2])
    further = 1 + np.float32(FURTHER[severity - 1]) * (down[:, None] ** 2 + across**2)
    places = further * across, further * down[:, None]
    centre = [np.float32(side - 1) / 2 for side in image.shape[1::-1]]
    field = np.stack([(further - 1) * one * half for one, half in zip((across, down[:, None]), centre, strict=True)])
    seen = warped(image, about_centre(np.eye(2), image.shape), field.astype(np.float32))
    return np.where((np.abs(places).max(axis=0) <= 1)[..., None], seen, np.uint8(0))
