"""Features of modified images, computed once and kept: in memory, and in the run's folder for a run that is killed."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice, pairwise
from typing import TYPE_CHECKING

import numpy as np

from gapscope.causes.candidates import Candidate
from gapscope.causes.samples import Images, Sample, prepared
from gapscope.core.errors import InputError
from gapscope.core.files import read_array, write_array
from gapscope.core.hashing import digest_json
from gapscope.core.location import Location
from gapscope.core.progress import Progress
from gapscope.core.threads import processors

if TYPE_CHECKING:
    from gapscope.backbones.backbone import Backbone

Array = np.ndarray
# Images of the first rounds of the search.
FEW = 64
# Images whose features are computed again to see that images, weights and preprocessing are those of the store.
CHECKED = 8
# Share of the spread of the features by which they may differ, by rounding and because large images are shrunk.
SAME = 0.25


@dataclass(frozen=True, eq=False)
class Features:
    """What the backbone makes of the reference's images after a candidate.

    Attributes
    ----------
    folder
        Where every finished array is kept, whole or not at all.
    identity
        Of what the features are made from, beside the candidate: the store, its rows and the seed.
    known
        Those of this process.
    """

    backbone: "Backbone"
    sample: Sample
    images: Images
    seed: int
    folder: Location
    identity: str
    progress: Progress
    known: dict[tuple[str, tuple[int, int]], Array] = field(default_factory=dict)

    @property
    def blocks(self) -> list[tuple[int, int]]:
        """Runs of images that are computed together: the first few, the rest of the first half, the second half."""
        bounds = sorted({0, min(FEW, self.sample.half), self.sample.half, len(self.sample.x)})
        return list(pairwise(bounds))

    def of(self, candidates: Sequence[Candidate], rows: slice, what: str = "") -> list[Array]:
        """Features ``(n, d) float32`` of the images at `rows`, whole blocks, after each candidate."""
        blocks = [block for block in self.blocks if rows.start <= block[0] and block[1] <= rows.stop]
        missing = [(one, block) for one in candidates for block in blocks if self._kept(one, block) is None]
        if missing:
            self._compute(missing, what)
        return [np.concatenate([self.known[str(one), block] for block in blocks]) for one in candidates]

    def _compute(self, missing: Sequence[tuple[Candidate, tuple[int, int]]], what: str) -> None:
        total = sum(stop - start for _, (start, stop) in missing)
        with self.progress.task(what, total, "images") as task, ThreadPoolExecutor(processors()) as pool:
            for one, block in missing:
                x = np.concatenate(list(self._computed(one, block, pool, task.advance)))
                write_array(self._place(one, block), x)
                self.known[str(one), block] = x

    def _kept(self, candidate: Candidate, block: tuple[int, int]) -> Array | None:
        key = (str(candidate), block)
        if key not in self.known and self._place(candidate, block).exists():
            self.known[key] = read_array(self._place(candidate, block))
        return self.known.get(key)

    def _place(self, candidate: Candidate, block: tuple[int, int]) -> Location:
        return self.folder / f"{digest_json([self.identity, str(candidate), *block])[:24]}.npy"

    def _computed(
        self, candidate: Candidate, block: tuple[int, int], pool: ThreadPoolExecutor, advance: Callable[[int], None]
    ) -> Iterator[Array]:
        """Batch by batch; images are modified ahead in threads."""
        names, size, (start, stop) = self.sample.names, self.backbone.batch_size, block

        def view(row: int) -> Array:
            return prepared(self.backbone, candidate(self.images.pixels[row], names[row], self.seed))

        ahead = pool.map(view, range(start, stop))
        while batch := list(islice(ahead, size)):
            yield self.backbone.features(np.stack(batch))
            advance(len(batch))

    def check(self) -> None:
        """See that plain images give the stored features, but for rounding and for shrinking.

        Raises
        ------
        InputError
            They do not: images, weights or preprocessing are others.
        """
        views = [prepared(self.backbone, pixels) for pixels in self.images.pixels[:CHECKED]]
        stored = self.sample.x[: len(views)].astype(np.float64)
        apart = np.linalg.norm(self.backbone.features(np.stack(views)) - stored, axis=1).mean()
        spread = np.linalg.norm(stored - self.sample.x.mean(axis=0), axis=1).mean()
        if apart > SAME * spread:
            raise InputError(
                f"the images of {self.sample.set} give other features than those that are stored (by "
                f"{apart / spread:.0%} of their spread): the weights or the images have changed; extract again"
            )
