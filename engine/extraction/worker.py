"""One part of a store on a worker of a cluster, which keeps its backbone and its images open between parts."""

from dataclasses import dataclass
from functools import lru_cache
from threading import Lock
from typing import NamedTuple

import numpy as np

from gapscope.backbones import BackboneChoice
from gapscope.backbones.backbone import Backbone
from gapscope.core.errors import SchemaError
from gapscope.data.source import Source
from gapscope.extraction.job import Extraction, provenance_of
from gapscope.extraction.pipeline import Settings, run_parts
from gapscope.extraction.plan import stored_order
from gapscope.schemas.embeddings import Provenance
from gapscope.store import StoreWriter
from gapscope.store.write import config_hash, differences

_lock = Lock()


@dataclass(frozen=True)
class PartTask:
    """Part `index` of the store of `job`, whose provenance is that of whoever asks."""

    job: Extraction
    provenance: Provenance
    index: int


def make_part(task: PartTask) -> dict[str, float]:
    """Write the part, unless an earlier attempt has done it; the seconds it took, as `run_parts` counts them.

    A worker's processes may have no children, so one of its threads decodes; other threads of the worker make other
    parts.
    """
    writer = StoreWriter(task.job.folder, task.provenance)
    with _lock:  # the first task loads, the others wait
        backbone = _backbone(task.job.backbone)
        source, order = _images(task, backbone)
    if writer.finished_rows(task.index) is not None:
        return {"decoding": 0.0, "inferring": 0.0, "writing": 0.0, "waiting": 0.0}
    settings = Settings(task.job.part_rows, task.job.seed, task.job.batch_size, 0, 1, task.job.attributes)
    return run_parts(source, [backbone], writer, [task.index], settings, lambda images: None, order)


@lru_cache(maxsize=1)
def _backbone(choice: BackboneChoice) -> Backbone:
    return choice.load()


class Images(NamedTuple):
    """The images of a store, and their `stored_order`: made once a store, as to make it for each part is quadratic."""

    source: Source
    order: np.ndarray


_opened: dict[str, Images] = {}


def _images(task: PartTask, backbone: Backbone) -> Images:
    """The images of `task`, opened once and compared with what the client saw."""
    key = config_hash(task.provenance)
    if key not in _opened:
        source = task.job.open_source()
        own = provenance_of(task.job, source, backbone)
        if config_hash(own) != key:
            raise SchemaError(
                f"a worker does not see what the client sees: {'; '.join(differences(task.provenance, own))}; "
                "give all machines the same data, weights and versions"
            )
        _opened.clear()
        _opened[key] = Images(source, stored_order(source.listing, task.job.seed))
    return _opened[key]
