"""Low light: a camera without flash counts few photons, of warm lamps, and its amplifier makes up for some of them."""

from functools import lru_cache

import numpy as np

from gapscope.data.modifications.photons import Tables, counted, tables

# Levels are not proportional to light: about its power 1 / 2.2 (IEC 61966-2-1).
GAMMA = 2.2
# Photons at white; how much of the light is missing from the picture; red, green and blue of lamp light.
PHOTONS = (200, 90, 45, 24, 12)
LIGHT = (0.7, 0.5, 0.35, 0.24, 0.16)
WARM = np.array([1.0, 0.82, 0.55])
CAST = (0.2, 0.4, 0.6, 0.8, 1.0)
# Counts beyond the mean at white that tables hold, in standard deviations.
SPREAD = 6


def low_light(image: np.ndarray, severity: int, rng: np.random.Generator) -> np.ndarray:
    """Poisson counts of linear light under a warm cast, shown darker than it was."""
    return counted(image, _tables(severity), rng)


@lru_cache(maxsize=5)
def _tables(severity: int) -> Tables:
    photons, light = PHOTONS[severity - 1], LIGHT[severity - 1]
    cast = 1 - CAST[severity - 1] * (1 - WARM)
    means = photons * cast[:, None] * np.linspace(0, 1, 256) ** GAMMA
    counts = np.arange(int(photons + SPREAD * photons**0.5) + 2)
    shown = 255 * np.minimum(light * counts / photons, 1) ** (1 / GAMMA)
    return tables(means, np.rint(shown).astype(np.uint8))
