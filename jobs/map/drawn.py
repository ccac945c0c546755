"""The figures of a map, from its table of coordinates."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from gapscope.core.files import read_table
from gapscope.core.location import Location
from gapscope.jobs.map.sets import Sets
from gapscope.jobs.map.written import COORDINATES
from gapscope.schemas.coordinates import POINTS, PREDICTED_FIELDS

FIGURES = "figures"


def draw(place: Location, sets: Sets, method: str) -> None:
    """Write the figures of the table in the run folder at `place`, each as PNG and as SVG."""
    from gapscope.draw import png  # here, because `--help` passes this module and matplotlib takes long to load
    from gapscope.draw.points.mapped import figures
    from gapscope.draw.vector import svg

    for name, figure in figures(_columns(place, sets), sets.class_names, sets.names, method=method):
        for kind, bytes_of in (("png", png), ("svg", svg)):
            content = bytes_of(figure)
            (place / FIGURES / f"{name}.{kind}").write_atomically(lambda file, content=content: file.write(content))


def _columns(place: Location, sets: Sets) -> dict[str, np.ndarray]:
    """What is drawn of each row, ``(n,)`` each."""
    table = place / COORDINATES / POINTS
    found = read_table(table)
    columns = {name: found[name].to_numpy() for name in ("x", "y", "label")}
    columns["set"] = pc.index_in(_set_names(found), pa.array(sets.names)).to_numpy()
    if PREDICTED_FIELDS[0].name in found.schema.names:
        columns |= {name: found[name].cast(pa.float32()).to_numpy() for name in ("right", "confidence")}
    return columns


def _set_names(table: pa.Table) -> pa.ChunkedArray:
    """The name of each row's set."""
    dataset, split = (table[name].cast(pa.string()) for name in ("dataset", "split"))
    return pc.binary_join_element_wise(dataset, split, "/")
