"""Stored embeddings through the stored head: what the whole network would have said, and whether it says so.

A wrong layer, transform, label order or number format shows here at once: the head was trained on right features and
on nothing else.
"""

from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import numpy as np

from gapscope.backbones import BackboneChoice, names_code
from gapscope.backbones.backbone import Backbone
from gapscope.core.budget import Budget, parse_bytes
from gapscope.core.chunk import Chunk
from gapscope.core.errors import InputError
from gapscope.core.files import read_tensors
from gapscope.core.progress import SILENT, Progress
from gapscope.core.random import stream
from gapscope.core.ranking import best_classes
from gapscope.data.source import Source
from gapscope.evaluation.memory import bytes_of_chunk
from gapscope.schemas.embeddings import Provenance
from gapscope.store import EmbeddingStore, Piece
from gapscope.stream import Workers, fold
from gapscope.summaries.outcomes import Outcomes

# Bytes of each feature of a row that the whole network is run on as well: as it is read, and as it is computed on.
VERIFIED = 8


class StoredHead(NamedTuple):
    """The backbone's own classifier: ``weight : (k, d) float32``, ``bias : (k,) float32``."""

    weight: np.ndarray
    bias: np.ndarray

    @property
    def classes(self) -> int:
        """Number of classes, k."""
        return len(self.bias)

    def top(self, x: np.ndarray) -> np.ndarray:
        """The best classes of ``x : (n, d)``, best first, ``(n, min(5, k))``; 2 n d k flops in float32."""
        return best_classes(x @ self.weight.T + self.bias)


def read_head(store: EmbeddingStore) -> StoredHead:
    """The head that lies beside the embeddings.

    Raises
    ------
    InputError
        The backbone has no linear classifier, or the features were imported without one.
    """
    if not store.head.exists():
        raise InputError(
            f"{store.folder} has no head: {store.provenance.backbone!r} has no linear classifier of its own, or its "
            "features were imported; train one with `fit-incremental`"
        )
    tensors = read_tensors(store.head)
    return StoredHead(tensors["weight"], tensors["bias"])


def check_memory(store: EmbeddingStore, head: StoredHead, verified: int, *, allowed: str, threads: int) -> None:
    """Refuse, before the first row is read, a store whose head cannot be replayed, and so many `verified` rows.

    Raises
    ------
    BudgetError
        The projected need is above what is `allowed`, such as ``2GB``.
    """
    needed = bytes_of_chunk(store.dim, head.classes, threads) + VERIFIED * store.dim * min(verified, store.rows)
    what = f"replaying {head.classes:,} classes on {store.dim:,} features of {store.name}"
    Budget(parse_bytes(allowed)).require(needed, what, "raise --memory")


def replay(store: EmbeddingStore, head: StoredHead, workers: Workers, progress: Progress = SILENT) -> Outcomes | None:
    """Accuracy of the head on the stored rows; None when the labels do not number the head's classes.

    One read of the store, ``k² × 8`` bytes for each thread.
    """
    if len(store.class_names) != head.classes:
        return None
    view = store.view()
    return fold(view, partial(_outcomes, head), workers, progress=progress, description=f"replaying {store.name}")


def _outcomes(head: StoredHead, chunk: Chunk) -> Outcomes:
    return Outcomes.of(chunk.y, head.top(chunk.x), None, head.classes)


@dataclass(frozen=True)
class Verification:
    """Stored features and head against the whole network, on the same images.

    Attributes
    ----------
    rows
        Images compared.
    same
        Of them, those to which both give the same class.
    labelled
        Images whose label numbers the head's classes.
    right_stored, right_whole
        Of these, those that stored features and whole network classify correctly.
    """

    rows: int
    same: int
    labelled: int
    right_stored: int
    right_whole: int


def verify(
    store: EmbeddingStore,
    head: StoredHead,
    backbone: Backbone,
    source: Source,
    count: int,
    *,
    seed: int = 0,
    progress: Progress = SILENT,
) -> Verification:
    """Run the whole network, its own classifier included, on `count` images that have stored features.

    The rows of a store are shuffled, so the sample is a run of them that begins where `seed` says.

    Raises
    ------
    InputError
        The images or the weights are not those of the store.
    """
    _refuse_others(store.provenance, backbone, source)
    count = min(count, store.rows)
    start = int(stream(seed, "verify").integers(0, store.rows - count + 1))
    chunk = store.read(Piece(start, start + count))
    with progress.task(f"verifying {store.name} with the whole network", count, "images") as task:
        whole = np.concatenate(
            [
                best_classes(_logits(backbone, source, ids))[:, 0]
                for ids in _advancing(
                    np.split(chunk.sample_id, range(backbone.batch_size, count, backbone.batch_size)), task
                )
            ]
        )
    stored = head.top(chunk.x)[:, 0]
    known = (chunk.y >= 0) & (len(store.class_names) == head.classes)
    return Verification(
        rows=count,
        same=int((stored == whole).sum()),
        labelled=int(known.sum()),
        right_stored=int((stored == chunk.y)[known].sum()),
        right_whole=int((whole == chunk.y)[known].sum()),
    )


def _advancing(runs, task):
    for run in runs:
        yield run
        task.advance(len(run))


def _logits(backbone: Backbone, source: Source, sample_ids: np.ndarray) -> np.ndarray:
    prepared = [backbone.preprocessing.prepare(source.image(index)) for index in sample_ids.tolist()]
    return backbone.logits(np.stack(prepared))


def _refuse_others(provenance: Provenance, backbone: Backbone, source: Source) -> None:
    if source.listing.fingerprint() != provenance.fingerprint:
        raise InputError(
            f"the images of {provenance.dataset}/{provenance.split} are not those that were extracted "
            f"({len(source.listing):,} are listed, {provenance.fingerprint.count:,} were, or names or labels differ)"
        )
    if backbone.weights_hash != provenance.weights_hash:
        raise InputError(
            f"the weights of {backbone.name!r} ({backbone.weights}) are not those that made the store "
            f"({provenance.weights}); hand those over with --weights FILE"
        )


def choice_of(provenance: Provenance, weights: str = "", device: str = "auto", *, typed: str = "") -> BackboneChoice:
    """The backbone that made a store; `weights` names its file where that has moved.

    Raises
    ------
    InputError
        The store was made by a function, which is executed only where the user has `typed` its name.
    """
    if names_code(provenance.backbone) and typed != provenance.backbone:
        raise InputError(
            f"the backbone of {provenance.dataset}/{provenance.split} is the function {provenance.backbone!r}, whose "
            f"code runs only when you name it yourself; add --backbone {provenance.backbone}"
        )
    origin, _, seed = provenance.weights.partition(", code ")[0].partition(", seed ")
    own = "" if provenance.weights.startswith(("pretrained,", "fixed ")) else origin
    arguments = {name: tuple(v) if isinstance(v, list) else v for name, v in provenance.backbone_args.items()}
    return BackboneChoice(
        name=provenance.backbone,
        weights=weights or own,
        arguments=tuple(arguments.items()),
        device=device,
        seed=int(seed or 0),
    )
