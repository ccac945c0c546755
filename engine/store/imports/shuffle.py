"""Where each row goes in a global shuffle that never holds all rows: first a bucket, then a place within a part.

Each row draws a bucket, parts are runs of consecutive buckets, and each part is permuted: together a uniformly random
permutation, in which nothing depends on how the rows were cut into blocks and segments.
"""

from itertools import pairwise

import numpy as np

from gapscope.core.random import stream

BUCKETS = 4096
DRAWN_TOGETHER = 65536


def buckets_of(seed: int, start: int, stop: int) -> np.ndarray:
    """The bucket of each data row ``start <= i < stop``, as uint16."""
    runs = range(start // DRAWN_TOGETHER, -(-stop // DRAWN_TOGETHER))
    drawn = [stream(seed, "shuffle", "bucket", run).integers(0, BUCKETS, DRAWN_TOGETHER, np.uint16) for run in runs]
    first = runs.start * DRAWN_TOGETHER
    return np.concatenate([np.empty(0, np.uint16), *drawn])[start - first : stop - first]


def parts_of(counts: np.ndarray, part_rows: int) -> list[tuple[int, int]]:
    """Runs ``(low, high)`` of buckets that make up parts of about `part_rows` rows each, none of them empty.

    ``counts : (BUCKETS,)`` are the rows in each bucket.

    >>> parts_of(np.array([2, 1, 0, 3]), 3)
    [(0, 2), (2, 4)]
    """
    ends = np.cumsum(counts)
    total = int(ends[-1])
    parts = -(-total // part_rows)
    wanted = [total * (part + 1) // parts for part in range(parts)]
    cuts = sorted({int(np.searchsorted(ends, rows)) + 1 for rows in wanted})
    if cuts:
        cuts[-1] = len(counts)
    return list(pairwise([0, *cuts]))


def order_of(seed: int, part: int, sample_id: np.ndarray) -> np.ndarray:
    """In which order the rows `sample_id`, which stand in any order, are written to `part`."""
    return np.argsort(sample_id, kind="stable")[stream(seed, "shuffle", "part", part).permutation(len(sample_id))]
