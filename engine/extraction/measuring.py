"""Attributes of the images of a store that was made without them."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from gapscope.attributes.attribute import Measured, measure
from gapscope.attributes.table import NAMES, UNKNOWN, table_of
from gapscope.core.lease import Lease
from gapscope.core.progress import Progress
from gapscope.core.text import counted
from gapscope.data.source import Source, Undecodable, decoders, read_picture
from gapscope.store import EmbeddingStore, StoreWriter
from gapscope.store.read import read_part
from gapscope.store.write import part_files, read_manifest


def measure_store(store: EmbeddingStore, source: Source, progress: Progress) -> tuple[int, str]:
    """Measure the images of all parts that have no attributes; how many rows have some now, and a sentence about those
    that have not, empty where there are none.

    Attributes are those of the image that the row was made from: none for an image that is another now. A killed run
    goes on with the parts that it has not written.
    """
    with Lease(store.folder):
        writer = StoreWriter(store.folder, store.provenance)
        parts = range(len(store.manifest.parts))
        missing = [part for part in parts if not writer.has_attributes(part, NAMES)]
        images = sum(store.manifest.parts[part].rows for part in missing)
        unknown = 0
        with progress.task(f"measuring {store.name}", images, "images") as task, _pool() as pool:
            for part in missing:
                rows, digests = _rows(writer, store, part)
                measured = []
                for one in pool.map(lambda pair: _measured(source, *pair), zip(rows.tolist(), digests, strict=True)):
                    measured.append(one)
                    task.advance()
                writer.write_attributes(part, table_of(rows, measured))
                unknown += sum(one is UNKNOWN for one in measured)
        writer.rewrite(read_manifest(store.folder))
    note = (
        f"{store.name}: {counted(unknown, 'image')} could not be measured: missing, or another now than was extracted; "
        "`extract` makes such rows again."
    )
    return store.rows - unknown, note if unknown else ""


def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(decoders(), "measure")


def _rows(writer: StoreWriter, store: EmbeddingStore, part: int) -> tuple[np.ndarray, Sequence[int | None]]:
    """Sample ids of a part, and the digest of what each row was made from; None where that is not known."""
    known = writer.digests(part)
    if known is not None:
        return known[0], known[1].tolist()
    rows = read_part(part_files(store.folder, store.manifest)[part], ["sample_id"])["sample_id"].to_numpy()
    return rows, [None] * len(rows)


def _measured(source: Source, index: int, digest: int | None) -> Measured:
    try:
        picture = read_picture(source, index)
    except (Undecodable, OSError, MemoryError):
        return UNKNOWN
    if digest is not None and picture.digest != digest:
        return UNKNOWN
    return measure(np.asarray(picture.image), picture.file)
