"""Channels in another order: what was written as red is read as blue."""

import numpy as np

from gapscope.data.modifications.levels import rounded

SHARES = (0.2, 0.4, 0.6, 0.8, 1.0)


def swapped_channels(image: np.ndarray, severity: int, rng: np.random.Generator) -> np.ndarray:
    """Mixed with the same image whose red and blue are exchanged, which alone is seen at severity 5."""
    share = np.float32(SHARES[severity - 1])
    return rounded((1 - share) * image + share * image[..., ::-1].astype(np.float32))
