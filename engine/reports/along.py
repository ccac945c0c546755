"""Images of the target along the attribute that moved most, from the least to the most of it."""

from pathlib import Path

import numpy as np

from gapscope.attributes.columns import wording
from gapscope.attributes.moved import Move, Moved, beyond_chance, move_of
from gapscope.blocks import Block, Gallery, Picture
from gapscope.causes.samples import opening_of
from gapscope.core.errors import GapscopeError
from gapscope.core.location import Location
from gapscope.data.source import Source
from gapscope.reports.thumbnail import thumbnail
from gapscope.runs.run import Run
from gapscope.store import EmbeddingStore, Piece, open_store
from gapscope.store.beside import beside

# Images of the gallery, and rows of a store that are looked at: the first are a fair sample.
SHOWN, MOST_ROWS = 10, 10_000
TABLE = "attributes"
JOBS = ("gap", "shift")


def along_blocks(run: Run, data_root: Path) -> list[Block]:
    """A gallery for the attribute that moved most beyond chance; nothing where none did, or images are elsewhere."""
    if run.manifest.job not in JOBS:
        return []
    rows = run.table(TABLE)
    target = rows[0].get("set", run.manifest.config.get("target")) if rows else ""
    moved = [move_of(row) for row in rows if row.get("set", target) == target]
    best = next((one for one in beyond_chance(moved) if isinstance(one, Moved)), None)
    try:
        store = _store(run, target) if best else None
        return [_gallery(best, store, opening_of(store, data_root).source())] if best and store else []
    except (GapscopeError, OSError):
        return []


def _store(run: Run, name: str) -> EmbeddingStore | None:
    """The store of the set `name` that the run has read."""
    stores = (open_store(Location.of(one.place)) for one in run.manifest.inputs if "/embeddings/" in one.place)
    return next((store for store in stores if store.name == name), None)


def _gallery(moved: Move, store: EmbeddingStore, source: Source) -> Gallery:
    column, values = wording(moved.name), beside(store, MOST_ROWS)[moved.name].to_numpy()
    rows = np.flatnonzero(~np.isnan(values))
    order = rows[np.argsort(values[rows], kind="stable")]
    picked = order[np.linspace(0, len(order) - 1, min(SHOWN, len(order))).round().astype(int)]
    ids, paths = store.sample_ids(), store.paths(Piece(0, min(store.rows, MOST_ROWS)))
    pictures = [
        Picture(
            src=thumbnail(source, int(ids[row])),
            name=paths[row],
            label=f"{column.show(float(values[row]))} {column.unit}".rstrip(),
            given="",
        )
        for row in picked
    ]
    return Gallery(f"{store.name} along {column.label}, from the least to the most", tuple(pictures))
