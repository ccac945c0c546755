"""Rows of a set that are copies of others: tests and intervals, which take rows for independent, are too sure then."""

from collections.abc import Iterable

import numpy as np

from gapscope.store import EmbeddingStore
from gapscope.store.selected import Selected

# Up to this share of copies changes no figure that is printed.
LITTLE = 0.01


def copies_in(store: EmbeddingStore | Selected) -> int:
    """How many rows of a set were made from the same bytes as another row; 0 where that is not known."""
    digests = store.digests()
    if digests is None:
        return 0
    known = digests[digests != 0]
    return len(known) - len(np.unique(known))


def copy_warnings(stores: Iterable[EmbeddingStore | Selected]) -> list[str]:
    """A warning for each set with many copies."""
    counts = {store.name: (copies_in(store), store.rows) for store in stores}
    return [
        f"warning: {copies:,} of the {rows:,} rows of {name} are copies of others, which tests and intervals take for "
        "new images, so that they are too sure; leave copies out."
        for name, (copies, rows) in counts.items()
        if copies > LITTLE * rows
    ]
