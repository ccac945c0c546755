"""Random numbers by name, so that adding a step does not move another step's numbers."""

from zlib import crc32

import numpy as np


def stream(seed: int, *names: str | int) -> np.random.Generator:
    """The generator that belongs to `seed` and a path of `names`, for example ``stream(0, "shuffle", "epoch-1")``.

    The same seed and names give the same numbers on every machine, in every process and in any order of calls.
    """
    return np.random.default_rng([seed, *(crc32(str(name).encode()) for name in names)])
