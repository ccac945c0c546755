"""Which features are too small for float16: numbers below its smallest normal one lose more than they are rounded."""

import numpy as np

# The smallest number that float16 holds with all its bits, 6.1e-5; below 3e-8 numbers become zero.
SMALLEST_NORMAL = 2.0**-14
# Fewer numbers say nothing about a feature that has more rows.
FEWEST = 5


class Smallness:
    """Counts, for each of `dim` features, the numbers that float16 holds well and those that are too small for it.

    A feature counts as too small when most of its numbers that are not zero are: its typical value is then below
    `SMALLEST_NORMAL`. A few numbers near zero among larger ones lose less than the others are rounded by, on the scale
    of the feature, and every feature that crosses zero has some.
    """

    def __init__(self, dim: int):
        self.small, self.large, self.rows = np.zeros(dim, np.int64), np.zeros(dim, np.int64), 0

    def add(self, x: np.ndarray) -> None:
        """Count the rows ``x : (n, d) float32``."""
        from gapscope.store.half import count_small  # here, because numba takes as long to import as `--help` may last

        small, large = np.zeros(x.shape[1], np.uint32), np.zeros(x.shape[1], np.uint32)
        count_small(np.ascontiguousarray(x).view(np.uint32), small, large)
        self.merge(small, large, len(x))

    def merge(self, small: np.ndarray, large: np.ndarray, rows: int) -> None:
        """Add the counts of further rows."""
        self.small += small
        self.large += large
        self.rows += rows

    def lossy(self) -> int:
        """How many features are too small."""
        enough = self.small >= min(FEWEST, max(self.rows, 1))
        return int((enough & (self.small > self.large)).sum())
