"""A map for embedding-atlas: one Parquet table of places, thumbnails and neighbours.

Its documentation asks for columns of x and y, and for neighbours as ``{"ids": [...], "distances": [...]}``; ids are
rows of the table. An image is a struct of bytes, as Hugging Face's datasets have it.
"""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from gapscope.core.errors import InputError
from gapscope.core.files import read_table
from gapscope.core.location import Location
from gapscope.core.text import counted
from gapscope.explorer.load import read_points, table_of
from gapscope.explorer.neighbours import Stores, stores_of
from gapscope.explorer.pictures import Pictures
from gapscope.explorer.points import Points
from gapscope.exports.subject import Subject, Written
from gapscope.maps.nearest import nearest
from gapscope.runs.run import MANIFEST, find_run, read_run_manifest
from gapscope.store import Piece

DATA = "data.parquet"
SIDE, NEAREST = 96, 10
# Above so many rows neighbours by features would take longer than the map: 2 n² d flops.
MOST = 100_000
IMAGE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
NEIGHBOURS = pa.struct([("ids", pa.list_(pa.int64())), ("distances", pa.list_(pa.float64()))])


def export(subject: Subject, out: Location) -> Written:
    """Write the table of a map's first `count` rows; some 4 kB a row with its thumbnail, all in memory.

    Raises
    ------
    InputError
        There is no map, or it has more rows than neighbours are searched for.
    """
    place = find_run(subject.workspace, subject.name).absolute()
    points = read_points(place)
    rows = points.n if subject.count is None else min(subject.count, points.n)
    if rows > MOST:
        raise InputError(f"{place.name} has {points.n:,} rows; export {MOST:,} at most with --count {MOST}")
    inputs = [one.model_dump() for one in read_run_manifest(place).inputs] if (place / MANIFEST).exists() else []
    stores = stores_of(points, subject.workspace, inputs)
    table = read_table(table_of(place))
    finite = np.isfinite(table["x"].to_numpy()) & np.isfinite(table["y"].to_numpy())
    table = table.filter(pa.array(finite)).slice(0, rows)
    table = table.append_column("neighbors", _neighbours(points, stores, rows))
    images = _thumbnails(subject, points, stores, rows)
    if images is not None:
        table = table.append_column("image", images)
    (out / DATA).write_atomically(lambda file: pq.write_table(table, file, compression="zstd"))
    shown = " --image image" if images is not None else ""
    command = f"embedding-atlas {out / DATA} --x x --y y --neighbors neighbors{shown}"
    return Written(f"{counted(rows, 'row')} of {points.title} in {DATA}", f"`{command}`")


def _neighbours(points: Points, stores: Stores, rows: int) -> pa.Array:
    """The nearest rows of each by their features, or on the map where the features are gone."""
    x = _features(points, stores, rows) if stores.stores else np.column_stack([points.x, points.y])[:rows]
    near = min(NEAREST, rows - 1)
    if near < 1:
        return pa.nulls(rows, NEIGHBOURS)
    x = np.ascontiguousarray(x - x.mean(axis=0), np.float32)
    distance, index = nearest(x, x, near, np.arange(rows))
    ids, distances = index.tolist(), np.sqrt(distance.astype(np.float64)).tolist()
    return pa.array([{"ids": i, "distances": d} for i, d in zip(ids, distances, strict=True)], NEIGHBOURS)


def _features(points: Points, stores: Stores, rows: int) -> np.ndarray:
    """The features of the first rows of a map, ``(rows, d)``."""
    result = np.empty((rows, stores.stores[0].dim), np.float32)
    for number, store in enumerate(stores.stores):
        mine = np.flatnonzero(points.member[:rows] == number)
        if len(mine):
            result[mine] = store.read(Piece(0, int(points.row[mine].max()) + 1)).x[points.row[mine]]
    return result


def _thumbnails(subject: Subject, points: Points, stores: Stores, rows: int) -> pa.Array | None:
    """The images of the first rows as small PNGs; None where no dataset of the map is to be had."""
    places = {one: store.manifest.images for one, store in zip(points.sets, stores.stores, strict=False)}
    pictures = Pictures(points, subject.data_root, places)
    if len(pictures.missing()) == len(points.sets):
        return None
    made = [
        {
            "bytes": pictures.picture(*points.sets[points.member[row]], int(points.sample_id[row]), SIDE),
            "path": points.path[row].as_py(),
        }
        for row in range(rows)
    ]
    return pa.array(made, IMAGE)
