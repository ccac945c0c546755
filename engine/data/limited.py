"""A dataset of which only some images are used: as many of each class as it has more of them."""

import re
from collections.abc import Callable
from functools import partial

import numpy as np

from gapscope.core.errors import InputError
from gapscope.data.dataset import Dataset
from gapscope.data.source import ByteSource, Source
from gapscope.data.sources.subset import Subset
from gapscope.data.splits import split_indices

NAME = re.compile(r"(?P<whole>.+)@(?P<rows>\d+)")
NOTE = "at most {:,} images of each split, chosen by seed {}, with the same share of every class"


def limited(dataset: Dataset, rows: int, seed: int = 0) -> Dataset:
    """`dataset` with about `rows` images of each split, or all where there are no more.

    Its name is that of `dataset`, an ``@`` and the number, and opens it again. Images are chosen by a hash of their
    name, class by class, so a smaller limit chooses among the images of a larger one.

    Raises
    ------
    InputError
        No image would be left.
    """
    if rows < 1:
        raise InputError(f"{dataset.name} with {rows} images has nothing to learn from; give 1 or more")
    name = f"{dataset.name}@{rows}"
    notes = (*dataset.notes, NOTE.format(rows, seed))
    return dataset.seen(lambda opener: partial(_opened, opener, rows, seed), name=name, companions=(), notes=notes)


def _opened(opener: Callable[[], ByteSource], rows: int, seed: int) -> Source:
    source = opener()
    listing = source.listing
    if len(listing) <= rows:
        return source
    share = rows / len(listing)
    chosen = split_indices(listing.names, np.asarray(listing.labels), {"used": share, "left": 1 - share}, seed)
    return Subset.of(source, chosen["used"])
