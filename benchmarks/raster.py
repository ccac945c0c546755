"""What a raster of many points costs, beside the usual ways and beside reading the coordinates once, in one run.

    python -m benchmarks.raster --out benchmarks/results/raster.json

Work that cannot be avoided: both coordinates of every point are read once. The time of that, the sums of both arrays,
is the unit: `times_reading` says how many times as long a way takes. All count the same points on the same pixels;
Matplotlib's hexagons are as many as pixels across. `compile_and_load` is paid once in a process, by the first raster.
"""

import argparse
import json
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from time import perf_counter

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from benchmarks.fit_softmax import best_seconds
from gapscope.core.threads import processors
from gapscope.draw import png
from gapscope.draw.points.aggregate import counts, counts_by
from gapscope.draw.points.cloud import Cloud
from gapscope.draw.points.density import density
from gapscope.draw.points.window import Window

POINTS, TINY, CATEGORIES = 10_000_000, 5_000, 10
WIDTH, HEIGHT, REPEATS = 864, 605, 3


def hexagons(x: np.ndarray, y: np.ndarray, across: int) -> np.ndarray:
    """Counts of Matplotlib's hexagons."""
    figure = Figure()
    FigureCanvasAgg(figure)
    return figure.add_subplot().hexbin(x, y, gridsize=across).get_array()


def ways(cloud: Cloud, codes: np.ndarray, window: Window) -> dict[str, Callable[[], object]]:
    """What is timed, by name."""
    ends = [[window.bottom, window.top], [window.left, window.right]]
    shape = (window.height, window.width)
    return {
        "reading": lambda: (cloud.x.sum(), cloud.y.sum()),
        "raster": partial(counts, cloud, window),
        "raster_by_category": partial(counts_by, cloud, codes, CATEGORIES, window),
        "numpy_histogram2d": lambda: np.histogram2d(cloud.y, cloud.x, shape, ends),
        "matplotlib_hexbin": partial(hexagons, cloud.x, cloud.y, window.width),
        "whole_figure": lambda: png(density(cloud.x, cloud.y)),
    }


def measure(points: int, repeats: int = REPEATS) -> dict:
    """All figures on `points` of ten normal clusters, float32; best of `repeats`."""
    rng = np.random.default_rng(0)
    codes = rng.integers(0, CATEGORIES, points)
    centres = rng.normal(0, 4, (CATEGORIES, 2)).astype(np.float32)
    x, y = centres[codes].T + rng.standard_normal((2, points), np.float32)
    cloud = Cloud.of(x, y)
    window = Window.around([cloud], WIDTH, HEIGHT)
    few = cloud.only(np.arange(points) < 1)
    start = perf_counter()
    counts(few, window)
    compiled = perf_counter() - start
    counts_by(few, codes[:1], CATEGORIES, window)
    seconds = {name: best_seconds(work, repeats) for name, work in ways(cloud, codes, window).items()}
    return {
        "points": points,
        "pixels": [WIDTH, HEIGHT],
        "processors": processors(),
        "counted": int(counts(cloud, window).sum()),
        "compile_and_load_seconds": compiled,
        "seconds": seconds,
        "times_reading": {name: value / seconds["reading"] for name, value in seconds.items()},
        "points_per_second": {name: points / value for name, value in seconds.items()},
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Parse the command line, measure, print the figures, write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--points", type=int, default=POINTS, help="how many")
    parser.add_argument("--repeats", type=int, default=REPEATS, help="each way's best of so many")
    parser.add_argument("--out", type=Path, help="JSON file for the figures")
    parser.add_argument("--tiny", action="store_true", help="a few thousand points, as a test")
    options = parser.parse_args(arguments)
    figures = measure(TINY, 1) if options.tiny else measure(options.points, options.repeats)
    print(json.dumps(figures, indent=1))
    if options.out:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.write_text(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
