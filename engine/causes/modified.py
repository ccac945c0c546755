"""What a network makes of modified images, and how these look, batch by batch."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np

from gapscope.causes.appearance import appearance
from gapscope.causes.candidates import Candidate
from gapscope.causes.samples import prepared

if TYPE_CHECKING:  # it loads torch, and reports read pages of causes
    from gapscope.backbones.backbone import Backbone

Array = np.ndarray
Seen = tuple[Array, Array]
# Applies a function to numbers, one after another or ahead in threads.
Mapping = Callable[[Callable[[int], Seen], Iterable[int]], Iterator[Seen]]


def rows_after(
    candidate: Candidate,
    pixels: Sequence[Array],
    names: Sequence[str],
    seed: int,
    backbone: "Backbone",
    mapping: Mapping,
) -> Iterator[Array]:
    """Rows ``(k, d + b) float32`` of each batch: features of the images after the candidate, then their appearance."""
    return rows_of(lambda row: candidate(pixels[row], names[row], seed), len(pixels), backbone, mapping)


def rows_of(image: Callable[[int], Array], count: int, backbone: "Backbone", mapping: Mapping) -> Iterator[Array]:
    """The same of so many images."""

    def seen(row: int) -> Seen:
        view = prepared(backbone, image(row))
        return view, appearance(view)

    ahead = iter(mapping(seen, range(count)))
    while batch := list(islice(ahead, backbone.batch_size)):
        views, looks = zip(*batch, strict=True)
        yield np.concatenate([backbone.features(np.stack(views)), np.stack(looks)], axis=1).astype(np.float32)
