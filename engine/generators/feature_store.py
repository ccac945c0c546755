"""Synthetic embeddings as a store: made part by part, in random order, by any worker, and continued after a kill."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from gapscope.core.errors import InputError
from gapscope.core.hashing import digest_json
from gapscope.core.location import Location
from gapscope.core.progress import SILENT, Progress
from gapscope.core.random import stream
from gapscope.generators.feature_generator import FeatureGenerator
from gapscope.predictions.images import ids_of_names
from gapscope.schemas.embeddings import Fingerprint, Provenance, SyntheticRows, embedding_schema
from gapscope.store import EmbeddingStore, StoreWriter, open_store
from gapscope.store.write import config_hash, embedding_column

PATH = "synthetic/{generator}/seed-{seed}/class-{label}/{index}"
SYNTHETIC = "+synthetic"


class Order(NamedTuple):
    """Which row of the store is which: class and number within the class, ``(n,) int64`` each, in store order."""

    label: np.ndarray
    index: np.ndarray


def order_of(counts: Mapping[int, int], seed: int) -> Order:
    """The classes of all rows in one seeded random order, those of a class numbered as they come; 16 bytes a row.

    A part of the store then holds a run of each class's numbers, which generators make in whole blocks.
    """
    label = stream(seed, "synthetic order").permutation(np.repeat(list(counts), list(counts.values()))).astype(np.int64)
    index = np.empty(len(label), np.int64)
    for each in counts:
        index[label == each] = np.arange(counts[each])
    return Order(label, index)


def write_features(
    folder: Location,
    generator: FeatureGenerator,
    counts: Mapping[int, int],
    seed: int,
    real: Provenance,
    code_version: str,
    *,
    progress: Progress = SILENT,
) -> EmbeddingStore:
    """The store of ``counts[label]`` rows of each class, comparable with the store of provenance `real`.

    Its dataset is that of `real` with ``+synthetic``, its paths name generator, seed, class and number, and its sample
    ids are hashes of the paths, which no listing's positions meet. Parts that are there already are left as they are.

    Raises
    ------
    InputError
        No row is requested.
    ConfigMismatchError
        The folder holds a store of other rows.
    """
    if not sum(counts.values()):
        raise InputError("no class needs synthetic rows; choose another --balance")
    order = order_of(counts, seed)
    writer = StoreWriter(folder, provenance_of(generator, counts, seed, real, code_version))
    writer.begin()
    parts = range(-(-len(order.label) // real.part_rows))
    with progress.task(f"write {generator.name} rows", len(order.label), "rows") as task:
        for part in parts:
            mine = Order(*(column[part * real.part_rows :][: real.part_rows] for column in order))
            if writer.finished_rows(part) is None:
                writer.part(part, part_table(generator, mine, seed, real.dtype))
            task.advance(len(mine.label))
    writer.finish(len(parts), unseen=np.zeros(0, np.int64))
    return open_store(folder)


def provenance_of(
    generator: FeatureGenerator, counts: Mapping[int, int], seed: int, real: Provenance, code_version: str
) -> Provenance:
    """That of `real`, but for the dataset, its listing, its seed and its source."""
    decides = {
        "generator": generator.name,
        "recipe": dict(generator.recipe),
        "learnt": list(generator.counts),
        "counts": sorted(counts.items()),
        "of": config_hash(real),
    }
    made, digest = sum(counts.values()), digest_json(decides)
    changes = {
        "dataset": real.dataset + SYNTHETIC,
        "source": f"synthetic: {generator.name}, seed {seed}, learnt from {real.dataset}/{real.split}",
        "fingerprint": Fingerprint(count=made, hash=digest),
        "seed": seed,
        "code_version": code_version,
        "synthetic": SyntheticRows(made=made, unseen=0, hash=digest),
    }
    return real.model_copy(update=changes)


def part_table(generator: FeatureGenerator, rows: Order, seed: int, dtype: str) -> pa.Table:
    """The given rows, in their order."""
    x = np.empty((len(rows.label), generator.dim), np.float32)
    for label in np.unique(rows.label).tolist():
        mine = rows.label == label
        first = int(rows.index[mine][0])
        x[mine] = generator.sample(label, range(first, first + int(mine.sum())), seed)
    places = zip(rows.label.tolist(), rows.index.tolist(), strict=True)
    paths = [PATH.format(generator=generator.name, seed=seed, label=label, index=index) for label, index in places]
    columns = [pa.array(ids_of_names(paths)), pa.array(paths), pa.array(rows.label.astype(np.int32))]
    columns += [embedding_column(x, dtype), pa.array(np.ones(len(paths), bool))]
    return pa.table(columns, schema=embedding_schema(generator.dim, dtype, synthetic=True))
