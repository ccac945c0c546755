"""Which features float16 would spoil: those with numbers below its smallest normal one, which lose more than they are
rounded, and those that vary less than its steps at their size.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

# The smallest number that float16 holds with all its bits, 6.1e-5; below 3e-8 numbers become zero.
SMALLEST_NORMAL = 2.0**-14
# Fewer numbers say nothing about a feature that has more rows.
FEWEST = 5
# A feature that varies over fewer steps of float16 is spoilt by rounding, such as 1000 to 1002 in steps of 0.5.
STEPS = 64
# Bits of float16's fraction: between 2^e and 2^(e + 1) its numbers are 2^(e - 10) apart.
FRACTION = 10


class Smallness:
    """Counts, for each of `dim` features, the numbers that float16 holds well and those that are too small for it.

    A feature counts as too small when most of its numbers that are not zero are: its typical value is then below
    `SMALLEST_NORMAL`. A few numbers near zero among larger ones lose less than the others are rounded by, on the scale
    of the feature, and every feature that crosses zero has some.
    """

    def __init__(self, dim: int):
        self.small, self.large, self.rows = np.zeros(dim, np.int64), np.zeros(dim, np.int64), 0
        self.low, self.high = np.full(dim, np.inf, np.float32), np.full(dim, -np.inf, np.float32)

    def add(self, x: np.ndarray) -> None:
        """Count the rows ``x : (n, d) float32``."""
        from gapscope.store.half import count_small, widen_ranges  # here: numba takes as long as `--help` may last

        small, large = np.zeros(x.shape[1], np.uint32), np.zeros(x.shape[1], np.uint32)
        x = np.ascontiguousarray(x, np.float32)
        count_small(x.view(np.uint32), small, large)
        widen_ranges(x, self.low, self.high)
        self.small += small
        self.large += large
        self.rows += len(x)

    def merge(self, other: "Smallness") -> None:
        """Add what is known of further rows."""
        self.small += other.small
        self.large += other.large
        self.rows += other.rows
        self.low, self.high = np.minimum(self.low, other.low), np.maximum(self.high, other.high)

    def as_lists(self) -> dict[str, Any]:
        """For JSON; see `of_lists`."""
        arrays = {name: getattr(self, name).tolist() for name in ("small", "large", "low", "high")}
        return arrays | {"rows": self.rows}

    @classmethod
    def of_lists(cls, lists: Mapping[str, Any]) -> "Smallness":
        """What `as_lists` has written."""
        made = cls(len(lists["small"]))
        made.small, made.large = (np.array(lists[name], np.int64) for name in ("small", "large"))
        made.low, made.high = (np.array(lists[name], np.float32) for name in ("low", "high"))
        made.rows = lists["rows"]
        return made

    def lossy(self) -> int:
        """How many features are too small."""
        enough = self.small >= min(FEWEST, max(self.rows, 1))
        return int((enough & (self.small > self.large)).sum())

    def narrow(self) -> int:
        """How many features vary, and over fewer than `STEPS` steps of float16 at their size."""
        if self.rows < FEWEST:
            return 0
        reach = self.high.astype(np.float64) - self.low
        size = np.maximum(np.abs(self.high), np.abs(self.low)).astype(np.float64)
        step = 2.0 ** (np.floor(np.log2(np.maximum(size, SMALLEST_NORMAL))) - FRACTION)
        return int(((reach > 0) & (reach < STEPS * step)).sum())
