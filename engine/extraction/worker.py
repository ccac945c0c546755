"""One part of one or several stores on a worker of a cluster, which keeps backbone and images open between parts."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from threading import Lock
from typing import NamedTuple

import numpy as np

from gapscope.backbones import BackboneChoice
from gapscope.backbones.backbone import Backbone
from gapscope.core.errors import SchemaError
from gapscope.data.source import Source
from gapscope.extraction.job import Extraction, columns_of, provenance_of
from gapscope.extraction.pipeline import Output, Settings, run_parts
from gapscope.extraction.plan import stored_order
from gapscope.schemas.embeddings import Provenance
from gapscope.store import StoreWriter
from gapscope.store.write import config_hash, differences

_lock = Lock()


class Store(NamedTuple):
    """A store that is wanted, with the provenance that whoever asks has made of it."""

    job: Extraction
    provenance: Provenance


@dataclass(frozen=True)
class PartTask:
    """Part `index` of `stores`, whose vectors one pass of the network `backbone` gives."""

    stores: tuple[Store, ...]
    backbone: BackboneChoice
    index: int


def make_part(task: PartTask) -> dict[str, float]:
    """Write the part, unless an earlier attempt has done it; the seconds it took, as `run_parts` counts them.

    A worker's processes may have no children, so one of its threads decodes; other threads of the worker make other
    parts.
    """
    with _lock:  # the first task loads, the others wait
        backbone = _backbone(task.backbone)
        source, order = _images(task.stores, backbone)
    job, missing = task.stores[0].job, frozenset([task.index])
    writers = [StoreWriter(one.job.folder, one.provenance) for one in task.stores]
    outputs = [
        Output(writer, frozenset() if writer.finished_rows(task.index) is not None else missing, columns)
        for writer, columns in zip(writers, columns_of(backbone), strict=True)
    ]
    if not any(one.parts for one in outputs):
        return {"decoding": 0.0, "inferring": 0.0, "writing": 0.0, "waiting": 0.0}
    settings = Settings(job.part_rows, job.seed, job.batch_size, 0, 1, job.attributes)
    return run_parts(source, [backbone], outputs, settings, lambda images: None, order)


@lru_cache(maxsize=1)
def _backbone(choice: BackboneChoice) -> Backbone:
    return choice.load()


class Images(NamedTuple):
    """The images of a store, and their `stored_order`: made once a store, as to make it for each part is quadratic."""

    source: Source
    order: np.ndarray


_opened: dict[str, Images] = {}


def _images(stores: Sequence[Store], backbone: Backbone) -> Images:
    """The images of `stores`, opened once and compared with what the client saw."""
    key = " ".join(config_hash(one.provenance) for one in stores)
    if key not in _opened:
        source = stores[0].job.open_source()
        for one, part in zip(stores, backbone.parts or (backbone,), strict=True):
            _check(one.provenance, provenance_of(one.job, source, part))
        _opened.clear()
        _opened[key] = Images(source, stored_order(source.listing, stores[0].job.seed))
    return _opened[key]


def _check(asked: Provenance, own: Provenance) -> None:
    if config_hash(own) != config_hash(asked):
        raise SchemaError(
            f"a worker does not see what the client sees: {'; '.join(differences(asked, own))}; "
            "give all machines the same data, weights and versions"
        )
