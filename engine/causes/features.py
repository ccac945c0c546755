"""Features and appearance of modified images, computed once and kept: in memory, and in the run's folder for a run that
is killed.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from gapscope.causes.candidates import Candidate
from gapscope.causes.modified import Made, rows_of
from gapscope.causes.samples import Images, Opening, Sample, prepared
from gapscope.causes.worker import Task, make_rows
from gapscope.core.errors import InputError
from gapscope.core.files import read_array, write_array
from gapscope.core.hashing import digest_json
from gapscope.core.location import Location
from gapscope.core.progress import Progress
from gapscope.core.threads import processors
from gapscope.stream import Workers
from gapscope.stream.workers import Shown

if TYPE_CHECKING:
    from gapscope.backbones import BackboneChoice
    from gapscope.backbones.backbone import Backbone

Array = np.ndarray
Block = tuple[int, int]
# Images that all causes are tried on, and those that the best of them are before the rest of the half.
FIRST, FEW = 32, 64
# Images whose features are computed again to see that images, weights and preprocessing are those of the store.
CHECKED = 8
# Share of the spread of the features by which they may differ, by rounding and because large images are shrunk.
SAME = 0.25
# Arrays that workers make before the next are sent.
TOGETHER = 32


@dataclass(frozen=True)
class Elsewhere:
    """Workers of a cluster, and how they come by the images, the network and functions of the user's own."""

    workers: Workers
    opening: Opening
    backbone: "BackboneChoice"
    own: tuple[str, ...]
    side: int


@dataclass(frozen=True, eq=False)
class Features:
    """What the backbone makes of the reference's images after a candidate, and how these look then.

    Attributes
    ----------
    folder
        Where every finished array is kept, whole or not at all.
    identity
        Of what the features are made from, beside the candidate: the store, its rows and the seed.
    elsewhere
        Where they are computed, if not here.
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
    elsewhere: Elsewhere | None = None
    known: dict[tuple[str, Block], Array] = field(default_factory=dict)

    @property
    def plain(self) -> Array:
        """Rows ``(n, d + b) float32`` of the images as they are: stored features, then appearance."""
        return np.concatenate([self.sample.x, self.images.seen], axis=1).astype(np.float32)

    @property
    def blocks(self) -> list[Block]:
        """Runs of images that are computed together: those of the first rounds, the rest of the first half, the second
        half.
        """
        half = self.sample.half
        bounds = sorted({0, min(FIRST, half), min(FEW, half), half, len(self.sample.x)})
        return list(pairwise(bounds))

    def of(self, candidates: Sequence[Candidate], rows: slice, what: str = "") -> list[Array]:
        """Rows ``(n, d + b) float32`` of the images at `rows`, whole blocks, after each candidate."""
        blocks = [block for block in self.blocks if rows.start <= block[0] and block[1] <= rows.stop]
        missing = [(one, block) for one in candidates for block in blocks if self._kept(one, block) is None]
        if missing:
            self._compute(missing, what)
        return [np.concatenate([self.known[str(one), block] for block in blocks]) for one in candidates]

    def _compute(self, missing: Sequence[tuple[Candidate, Block]], what: str) -> None:
        total = sum(stop - start for _, (start, stop) in missing)
        with self.progress.task(what, total, "images") as task:
            compute = self._on_workers if self.elsewhere else self._here
            compute(missing, lambda one: task.advance(missing[one][1][1] - missing[one][1][0]))

    def _here(self, missing: Sequence[tuple[Candidate, Block]], done: Callable[[int], None]) -> None:
        made = rows_of([self._made(*one) for one in missing], self.backbone, processors())
        for index, x in enumerate(made):
            self._keep(*missing[index], x)
            done(index)

    def _made(self, candidate: Candidate, block: Block) -> Made:
        rows = slice(*block)
        return Made.after(candidate, self.images.pixels[rows], self.sample.names[rows], self.seed)

    def _on_workers(self, missing: Sequence[tuple[Candidate, Block]], done: Callable[[int], None]) -> None:
        """Some at a time, so that a run that is killed has what was finished."""
        shown = Shown("images-after-causes", self.progress.say)
        for start in range(0, len(missing), TOGETHER):
            some = missing[start : start + TOGETHER]
            tasks = [self._task(one, block) for one, block in some]
            rows = self.elsewhere.workers.each(make_rows, tasks, lambda index, start=start: done(start + index), shown)
            for (one, block), x in zip(some, rows, strict=True):
                self._keep(one, block, x)

    def _task(self, candidate: Candidate, block: Block) -> Task:
        rows, where = slice(*block), self.elsewhere
        steps = tuple((step.cause.name, step.severity) for step in candidate.steps)
        images = tuple(self.sample.sample_id[rows].tolist())
        names = tuple(self.sample.names[rows])
        return Task(where.opening, where.backbone, where.own, steps, images, names, where.side, self.seed)

    def _keep(self, candidate: Candidate, block: Block, x: Array) -> None:
        write_array(self._place(candidate, block), x)
        self.known[str(candidate), block] = x

    def _kept(self, candidate: Candidate, block: Block) -> Array | None:
        key = (str(candidate), block)
        if key not in self.known and self._place(candidate, block).exists():
            self.known[key] = read_array(self._place(candidate, block))
        return self.known.get(key)

    def _place(self, candidate: Candidate, block: Block) -> Location:
        return self.folder / f"{digest_json([self.identity, str(candidate), *block])[:24]}.npy"

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
