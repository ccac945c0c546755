"""What a row's place on a map costs, and how good it is, beside openTSNE's and UMAP's own `transform`, in one run.

    python -m benchmarks.synthetic_store FOLDER
    python -m benchmarks.maps FOLDER --out benchmarks/results/maps.json

Work that cannot be avoided: every row is read once for the moments, d² float64 flops, and once to be placed: 2 d p for
its p principal coordinates and 2 p m among m rows that were laid out, in float32. The rate is set beside the best
matrix product of the same run. Each way of placing is given the same new rows and the same layout; its recall is the
share of a new row's 15 nearest laid-out rows that are among the 15 nearest to its place. A search in a graph of
approximate neighbours (pynndescent) is timed beside the exact one. The whole job's parts are measured at all rows and
at a quarter of them: the ratio of the two rates says how linear they are, the peaks of memory how flat.
"""

import argparse
import json
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from pynndescent import NNDescent

from benchmarks.shift import gemm_ceiling, seconds_of
from benchmarks.synthetic_store import Recipe, make_pair
from gapscope.core.location import Location
from gapscope.core.memory import peak_bytes
from gapscope.core.threads import blas_threads, processors
from gapscope.maps.made import Sheet, make_map
from gapscope.maps.member import LIBRARY, MapOptions
from gapscope.maps.nearest import nearest
from gapscope.maps.neighbours import PULLING, Neighbours
from gapscope.maps.placing import placed
from gapscope.maps.quality import NEIGHBOURS, shared
from gapscope.maps.space import Space
from gapscope.store import View, open_store
from gapscope.stream import connect

SAMPLE, NEW_ROWS = 10_000, 4096
BESIDE = ("umap", "tsne")


def rate(work: Callable[[], object], rows: int) -> float:
    """Rows per second of one call, after one that compiles and warms."""
    work()
    return rows / seconds_of(work)[0]


def recall_among(z: np.ndarray, xy: np.ndarray, sheet: Sheet) -> float:
    """Share of the laid-out rows nearest to ``z : (n, p)`` that are among those nearest to ``xy : (n, 2)``."""
    k = min(NEIGHBOURS, sheet.sample.rows)
    truth = nearest(z.astype(np.float64), sheet.sample.z.astype(np.float64), k)[1]
    on_map = nearest(xy.astype(np.float64), sheet.laid.fitted.astype(np.float64), k)[1]
    return float(shared(truth, on_map).mean())


def beside(name: str, space: Space, new: np.ndarray, size: int) -> list[dict]:
    """Rows per second and recall of both ways of placing the rows ``new : (n, d)`` on one layout, on one thread."""
    with connect(threads=1) as workers, blas_threads(1):
        options = MapOptions(placement=LIBRARY)
        seconds, sheet = seconds_of(lambda: make_map(name, space, options, size, workers))
        ours = Neighbours.of(space.principal, sheet.sample.z, sheet.laid.fitted)
        z = space.principal(new)
        return [
            {
                "map": name,
                "way": way,
                "layout_seconds": seconds,
                "rows_per_second": rate(lambda place=place: place(new), len(new)),
                "recall": recall_among(z, place(new), sheet),
            }
            for way, place in (("neighbours", ours), ("library", sheet.laid.place))
        ]


def searches(space: Space, new: np.ndarray, anchors: np.ndarray) -> dict[str, float]:
    """Rows per second of the exact search and of one in a graph, on one thread, and the share that the graph finds."""
    k = min(PULLING, len(anchors))
    z = space.principal(new)
    with blas_threads(1):
        seconds, graph = seconds_of(lambda: NNDescent(anchors, n_neighbors=k, random_state=0, n_jobs=1))
        graph.prepare()
        return {
            "exact_search_rows_per_second": rate(lambda: nearest(z, anchors, k), len(z)),
            "graph_search_rows_per_second": rate(lambda: graph.query(z, k), len(z)),
            "graph_build_seconds": seconds,
            "graph_finds": float(shared(nearest(z, anchors, k)[1], graph.query(z, k)[0].astype(np.int64)).mean()),
        }


def costs(view: View, name: str, size: int) -> dict[str, float]:
    """Seconds of a whole map of a view, part by part."""
    with connect() as workers:
        moments, space = seconds_of(lambda: Space.read([view], workers))
        layout, sheet = seconds_of(lambda: make_map(name, space, MapOptions(), size, workers))
        place = seconds_of(lambda: [len(part.path) for part in placed(space, sheet, 0, workers)])[0]
    rows = f"{view.rows}_rows"
    found = {"moments": moments, "sample_and_layout": layout, "place": place, "whole": moments + layout + place}
    return {f"{name}_{rows}": seconds for name, seconds in found.items()} | {f"peak_bytes_{rows}": peak_bytes()}


def measure(folder: Location, size: int, names: Sequence[str] = BESIDE) -> dict:
    """All figures on the pair of stores in `folder`: the first of the maps of train, and new rows from test."""
    train, test = open_store(folder / "train"), open_store(folder / "test")
    whole, quarter = train.view(), train.view(0, max(2, train.rows // 4))
    few, many = costs(quarter, names[0], size), costs(whole, names[0], size)
    with connect() as workers:
        space = Space.read([quarter], workers)
    new = test.view(0, min(NEW_ROWS, test.rows)).read().x
    rows = [row for name in names for row in beside(name, space, new, size)]
    anchors = space.principal(quarter.store.view(0, min(size, quarter.rows)).read().x)
    placing = list(few.values())[2] / quarter.rows, list(many.values())[2] / whole.rows
    flops = 2 * space.principal.basis.shape[1] * (train.dim + min(size, train.rows))
    return {
        "rows": whole.rows,
        "dim": train.dim,
        "sample": size,
        "processors": processors(),
        **few,
        **many,
        "place_rows_per_second": 1 / placing[1],
        "place_share_of_gemm": flops / placing[1] / gemm_ceiling(train.dim, np.float32),
        "linear_in_rows": placing[1] / placing[0],
        **searches(space, new, anchors),
        "beside": rows,
        "times_faster": {one["map"]: one["rows_per_second"] / other["rows_per_second"] for one, other in _pairs(rows)},
        "recall_gained": {one["map"]: one["recall"] - other["recall"] for one, other in _pairs(rows)},
    }


def _pairs(rows: Sequence[dict]) -> list[tuple[dict, dict]]:
    """Ours and the library's row of each map."""
    return list(zip(rows[::2], rows[1::2], strict=True))


def main(arguments: Sequence[str] | None = None) -> None:
    """Parse the command line, measure, print the figures, write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Location, nargs="?", help="where synthetic_store.py wrote its two stores")
    parser.add_argument("--sample", type=int, default=SAMPLE, help="rows that are laid out")
    parser.add_argument("--maps", nargs="+", default=BESIDE, help="which to set beside their libraries")
    parser.add_argument("--out", type=Path, help="JSON file for the figures")
    parser.add_argument("--tiny", action="store_true", help="make a tiny store and measure on that, as a test")
    options = parser.parse_args(arguments)
    if not (options.folder or options.tiny):
        parser.error("name the folder of a pair of stores, or ask for --tiny")
    with tempfile.TemporaryDirectory() as scratch:
        folder = options.folder or Location.of(scratch)
        if options.tiny:
            make_pair(folder, 0.001, Recipe(dim=16, classes=4))
        figures = measure(folder, options.sample, options.maps)
    print(json.dumps(figures, indent=1))
    if options.out:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.write_text(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
