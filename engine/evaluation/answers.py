"""What a model elsewhere has said as features, the logarithms of its probabilities, and the head that answers by them.

So its answers are repaired like those of any linear head: a repair of class shares or of scores is another head on the
same logarithms, which is used wherever the model's own probabilities are to be had.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from scipy.special import logsumexp

from gapscope.core.errors import InputError
from gapscope.core.location import Location
from gapscope.core.program import version_of
from gapscope.core.progress import Progress
from gapscope.evaluation.recorded import keep
from gapscope.formats.memory import open_memory
from gapscope.formats.source import table_source
from gapscope.predictions import Predictions
from gapscope.predictions.table import UNLABELLED
from gapscope.probes.model import Classifier
from gapscope.probes.rules.linear import Linear
from gapscope.store import EmbeddingStore, Piece, open_store
from gapscope.store.comparable import meaning_of
from gapscope.store.imports import Import, import_rows
from gapscope.store.imports.columns import Choice
from gapscope.store.imports.job import STOP
from gapscope.store.imports.labels import ClassMap
from gapscope.store.workspace import ANSWERS, slug


def with_head(
    sides: Sequence[Predictions],
    stores: Sequence[EmbeddingStore],
    folder: Location,
    workspace: Location,
    progress: Progress,
) -> None:
    """Make a store of each set, of the backbone ``answers-MODEL``, and write the head with its predictions into
    `folder`.

    Raises
    ------
    InputError
        Only answers are known, or another model of this name has said something else of the set.
    """
    made = [_stored(one, store, workspace, progress) for one, store in zip(sides, stores, strict=True)]
    head = _head(sides[0], made[0])
    head.save(folder)
    for one, store in zip(sides, made, strict=True):
        keep(replace(one, sample_id=np.arange(one.n)), store, folder, head.digest)


def _stored(one: Predictions, store: EmbeddingStore, workspace: Location, progress: Progress) -> EmbeddingStore:
    if one.scores is None:
        raise InputError(
            f"{one.model} has answers for {one.name} and no number for each class, of which --head makes features; "
            "import its scores or probabilities, or leave --head out"
        )
    made, names = store.provenance, [*one.class_names, str(UNLABELLED)]
    paths = dict(zip(store.sample_ids().tolist(), store.paths(Piece(0, store.rows)), strict=True))
    logs = np.asarray(one.scores, np.float64)
    columns = {
        "the probabilities": (logs - logsumexp(logs, axis=1, keepdims=True)).astype(np.float32),
        "the labels": np.array([names[label] for label in one.label]),
        "the names": np.array([paths[sample] for sample in one.sample_id.tolist()]),
    }
    x, label, name = ([open_memory(values, what)] for what, values in columns.items())
    backbone = slug(f"{ANSWERS}{one.model}")
    job = Import(
        folder=workspace / "embeddings" / backbone / made.dataset / made.split,
        source=table_source("memory", x, Choice(), label, name),
        classes=ClassMap(tuple(one.class_names), one.name),
        on_bad_row=STOP,
        backbone=backbone,
        dataset=made.dataset,
        split=made.split,
        companion_of="",
        dtype="float32",
        seed=0,
        part_rows=16_384,
        code_version=version_of(),
    )
    import_rows(job, progress)
    return open_store(job.folder)


def _head(one: Predictions, store: EmbeddingStore) -> Classifier:
    """The head that answers by the features of `store` as the model did: each class by its own."""
    k = len(one.class_names)
    rule = Linear(np.eye(k, dtype=np.float32), np.zeros(k, np.float32))
    return Classifier(one.model, rule, class_names=tuple(one.class_names), features=meaning_of(store.provenance))
