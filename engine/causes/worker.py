"""Rows of modified images on a worker of a cluster, which keeps its backbone and its images between tasks."""

from dataclasses import dataclass
from functools import lru_cache
from threading import Lock
from typing import TYPE_CHECKING

import numpy as np

from gapscope.backbones import BackboneChoice
from gapscope.causes.candidates import Candidate, Step, causes
from gapscope.causes.modified import Made, rows_of
from gapscope.causes.samples import Opening, read_image
from gapscope.data.source import Source

if TYPE_CHECKING:  # it loads torch, and reports read pages of causes
    from gapscope.backbones.backbone import Backbone

Array = np.ndarray
_lock = Lock()


@dataclass(frozen=True)
class Task:
    """A candidate, by the names of its causes, on a run of images.

    Attributes
    ----------
    own
        Functions of the user's own.
    steps
        Name and severity of each.
    images, names
        Positions in the source, and names.
    side
        To which shorter side images are shrunk.
    """

    opening: Opening
    backbone: BackboneChoice
    own: tuple[str, ...]
    steps: tuple[tuple[str, int], ...]
    images: tuple[int, ...]
    names: tuple[str, ...]
    side: int
    seed: int


def make_rows(task: Task) -> Array:
    """Rows ``(n, d + b) float32`` of the images after the candidate."""
    with _lock:  # the first task loads, the others wait
        backbone, source = _backbone(task.backbone), _source(task.opening)
    pixels = [_pixels(source, task.opening, index, task.side) for index in task.images]
    known = causes(task.own)
    candidate = Candidate.of(*(Step(known[name], severity) for name, severity in task.steps))
    return next(rows_of([Made.after(candidate, pixels, task.names, task.seed)], backbone, 1))


@lru_cache(maxsize=1)
def _backbone(choice: BackboneChoice) -> "Backbone":
    return choice.load()


_sources: dict[str, Source] = {}
_images: dict[tuple[str, int, int], Array] = {}


def _source(opening: Opening) -> Source:
    key = repr(opening)
    if key not in _sources:
        _sources.clear()
        _images.clear()
        _sources[key] = opening.source()
    return _sources[key]


def _pixels(source: Source, opening: Opening, index: int, side: int) -> Array:
    key = (repr(opening), index, side)
    if key not in _images:
        _images[key] = read_image(source, index, side)[0]
    return _images[key]
