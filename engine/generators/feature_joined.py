"""A store that joins the real rows of another with synthetic ones, made part by part and continued after a kill.

Real rows stand in random order in their store, and synthetic rows in theirs. So the joined store takes either in order
and only draws at random from which of the two its next row comes, which puts all rows into random order while both are
read from front to back. The real rows that no generator has seen come last.
"""

from typing import NamedTuple

import numpy as np
import pyarrow as pa

from gapscope.core.errors import InputError
from gapscope.core.hashing import digest_json
from gapscope.core.location import Location
from gapscope.core.progress import SILENT, Progress
from gapscope.core.random import stream
from gapscope.schemas.embeddings import Fingerprint, Provenance, SyntheticRows, embedding_schema
from gapscope.store import EmbeddingStore, Piece, StoreWriter, open_store
from gapscope.store.selected import Selected
from gapscope.store.write import MANIFEST, config_hash, embedding_column, read_manifest

# What the source of a joined store begins with.
SOURCE = "joined"


class Joint(NamedTuple):
    """What a joined store is made of.

    Attributes
    ----------
    real
        All real rows; generators have not seen the last `unseen` of them.
    made
        The synthetic rows to join them with.
    """

    real: EmbeddingStore
    made: Selected
    unseen: int

    @property
    def trained_on(self) -> int:
        """How many real rows the generator was trained on."""
        return self.real.rows - self.unseen

    def origin(self, seed: int) -> np.ndarray:
        """Which rows of the joined store are synthetic, ``(n,) bool``; one byte a row."""
        mixed = stream(seed, "joined order").permutation(self.trained_on + self.made.rows) < self.made.rows
        return np.concatenate([mixed, np.zeros(self.unseen, bool)])


def write_joined(
    folder: Location, joint: Joint, dataset: str, seed: int, code_version: str, *, progress: Progress = SILENT
) -> EmbeddingStore:
    """The joined store, which calls its dataset `dataset`. Memory: a part and a byte a row.

    Parts that are there already are left as they are; a store of other rows in `folder` is replaced.

    Raises
    ------
    InputError
        The folder holds a store of the same name that was not made here.
    """
    provenance = provenance_of(joint, dataset, seed, code_version)
    _begin(folder, provenance)
    writer = StoreWriter(folder, provenance)
    writer.begin()
    synthetic, size = joint.origin(seed), provenance.part_rows
    starts = range(0, len(synthetic), size)
    with progress.task("write rows", len(synthetic), "rows") as task:
        for part, start in enumerate(starts):
            chosen = synthetic[start : start + size]
            if writer.finished_rows(part) is None:
                before = int(synthetic[:start].sum())
                writer.part(part, part_table(joint, chosen, start - before, before))
            task.advance(len(chosen))
    if not writer.is_complete:
        writer.finish(len(starts), unseen=joint.real.sample_ids()[joint.trained_on :])
    return open_store(folder)


def provenance_of(joint: Joint, dataset: str, seed: int, code_version: str) -> Provenance:
    """That of the real rows, but for the dataset, its listing, its seed and its source."""
    real = joint.real.provenance
    digest = digest_json(
        [joint.real.manifest.config_hash, joint.made.manifest.config_hash, joint.made.bits.hex(), joint.unseen]
    )
    changes = {
        "dataset": dataset,
        "source": f"{SOURCE}: {real.dataset}/{real.split}, and {joint.made.provenance.source}",
        "fingerprint": Fingerprint(count=joint.real.rows + joint.made.rows, hash=digest),
        "seed": seed,
        "code_version": code_version,
        "synthetic": SyntheticRows(made=joint.made.rows, unseen=joint.unseen, hash=digest),
    }
    return real.model_copy(update=changes)


def _begin(folder: Location, provenance: Provenance) -> None:
    """Remove a joined store of other rows, its manifest first, so that no half of it passes for a store."""
    if not (folder / MANIFEST).exists():
        return
    stored = read_manifest(folder)
    if stored.config_hash == config_hash(provenance):
        return
    if not stored.provenance.source.startswith(SOURCE):
        raise InputError(f"{folder} holds the embeddings of images that are called the same; give another --name")
    (folder / MANIFEST).delete()
    folder.delete_folder()


def part_table(joint: Joint, synthetic: np.ndarray, real: int, made: int) -> pa.Table:
    """A part in which ``synthetic : (n,) bool`` says where each row comes from, from real row number `real` and
    synthetic row number `made` on.
    """
    provenance = joint.real.provenance
    x = np.empty((len(synthetic), provenance.dim), np.float32)
    sample_id, label = np.empty(len(synthetic), np.int64), np.empty(len(synthetic), np.int32)
    paths = np.empty(len(synthetic), object)
    for store, first, mine in ((joint.real, real, ~synthetic), (joint.made, made, synthetic)):
        piece = Piece(first, first + int(mine.sum()))
        sample_id[mine], x[mine], label[mine], _ = store.read(piece)
        paths[mine] = store.paths(piece)
    columns = [pa.array(sample_id), pa.array(paths.tolist(), pa.string()), pa.array(label)]
    columns += [embedding_column(x, provenance.dtype), pa.array(synthetic)]
    return pa.table(columns, schema=embedding_schema(provenance.dim, provenance.dtype, synthetic=True))
