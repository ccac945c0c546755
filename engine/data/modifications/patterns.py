"""Patterns of what an image was photographed from: the lines of a screen, the dots of a print."""

import numpy as np

from gapscope.data.modifications.levels import rounded

# How much darker each third line of a screen is; and how much of the image is print, at so many dots across.
DARKER, PRINT = (0.15, 0.3, 0.45, 0.62, 0.8), (0.2, 0.38, 0.58, 0.78, 1.0)
DOTS, ANGLES, SOFTNESS = 56, (15, 75, 45), 24


def scan_lines(image: np.ndarray, severity: int, rng: np.random.Generator) -> np.ndarray:
    """Each third line is darker."""
    light = np.ones(len(image), np.float32)
    light[::3] -= np.float32(DARKER[severity - 1])
    return rounded(image * light[:, None, None])


def halftone(image: np.ndarray, severity: int, rng: np.random.Generator) -> np.ndarray:
    """Dots of each colour, larger where there is more of it, on grids that are turned against each other."""
    height, width = image.shape[:2]
    down, across = np.mgrid[:height, :width].astype(np.float32)
    pitch = np.float32(2 * np.pi / max(3.0, width / DOTS))
    grids = []
    for angle in np.deg2rad(np.array(ANGLES, np.float32)):
        one, other = across * np.cos(angle) + down * np.sin(angle), down * np.cos(angle) - across * np.sin(angle)
        grids.append(127.5 * (1 + np.sin(one * pitch) * np.sin(other * pitch)))
    ink = 255 / (1 + np.exp((np.stack(grids, axis=2) - image) / np.float32(SOFTNESS)))
    share = np.float32(PRINT[severity - 1])
    return rounded((image + share * (ink - image)).astype(np.float32))
