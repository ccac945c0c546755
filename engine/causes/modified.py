"""What a network makes of modified images, and how these look: batches of them side by side, one on each core."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import chain, islice
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from gapscope.causes.appearance import appearance
from gapscope.causes.candidates import Candidate
from gapscope.causes.samples import prepared

if TYPE_CHECKING:  # they load torch, and reports read pages of causes
    from gapscope.backbones.backbone import Backbone
    from gapscope.extraction.lanes import Lanes

Array = np.ndarray


class Made(NamedTuple):
    """Images that are made when they are wanted: ``image(i)`` for every i below `count`."""

    image: Callable[[int], Array]
    count: int

    @classmethod
    def after(cls, candidate: Candidate, pixels: Sequence[Array], names: Sequence[str], seed: int) -> "Made":
        """Images after the candidate."""
        return cls(lambda row: candidate(pixels[row], names[row], seed), len(pixels))

    def batches(self, size: int) -> list[tuple[Callable[[int], Array], range]]:
        """Runs of at most `size` images."""
        return [(self.image, range(start, min(start + size, self.count))) for start in range(0, self.count, size)]


def rows_of(sets: Sequence[Made], backbone: "Backbone", cores: int) -> Iterator[Array]:
    """Rows ``(n, d + b) float32`` of each of the sets: features, then appearance.

    Batches of all of them are modified and computed side by side, one on each core, as in `extraction`; a set ends
    with a batch of its own, so that its rows do not depend on what else is asked for, nor on the cores.
    """
    from gapscope.extraction.lanes import lanes  # it loads torch

    batches = [one.batches(backbone.batch_size) for one in sets]
    with lanes([backbone], cores) as network:
        pool = ThreadPoolExecutor(cores, "modify")
        try:
            made = pool.map(lambda batch: _rows(*batch, backbone, network), chain(*batches))
            for own in batches:
                yield np.concatenate(list(islice(made, len(own))))
        finally:
            pool.shutdown(cancel_futures=True)  # not the batches that nobody waits for


def _rows(image: Callable[[int], Array], rows: range, backbone: "Backbone", network: "Lanes") -> Array:
    views = np.stack([prepared(backbone, image(row)) for row in rows])
    features = network.submit(views)
    looks = np.stack([appearance(view) for view in views])
    return np.concatenate([features.result(), looks], axis=1).astype(np.float32)
