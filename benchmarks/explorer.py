"""How long the explorer takes to be ready on a map of ImageNet's size, and to answer a zoom.

    python -m benchmarks.explorer --out benchmarks/results/explorer.json    1,281,167 points of 1,000 classes
    python -m benchmarks.explorer --tiny                                    2,000 points, as a test

Ready is when a server that was started as people start it hands over its page. A zoom is measured where it is answered:
from the new window to the bytes of the picture, in windows that hold all points, a tenth and a hundredth of them; the
browser then has two megabytes to show.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from urllib.request import urlopen

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from gapscope.core.location import Location
from gapscope.core.random import stream
from gapscope.explorer.load import read_points
from gapscope.explorer.points import Points
from gapscope.explorer.selecting import found_by, inside_outline, nearest_point
from gapscope.explorer.shading import Frame, shade
from gapscope.explorer.view import fitted

ROOT = Path(__file__).parent.parent
ROWS, CLASSES, TINY = 1_281_167, 1_000, 2_000
WIDTH, HEIGHT = 900, 800
SHARES = (1.0, 0.1, 0.01)
REPEATS = 5
CORNERS = 300


def write_map(place: Path, rows: int, classes: int) -> None:
    """A table of a map: every class a cloud of its own, clouds that touch, as in a t-SNE map."""
    rng = stream(0, "explorer")
    label = rng.integers(0, classes, rows).astype(np.int32)
    xy = rng.uniform(-40, 40, (classes, 2))[label] + rng.standard_normal((rows, 2))
    names = pa.array([f"class {index}" for index in range(classes)])
    columns = {
        "sample_id": pa.array(rng.permutation(rows)),
        "dataset": pa.DictionaryArray.from_arrays(pa.array(np.zeros(rows, np.int32)), ["synthetic"]),
        "split": pa.DictionaryArray.from_arrays(pa.array(np.zeros(rows, np.int32)), ["train"]),
        "path": pa.array([f"{index:04d}/{number}.JPEG" for number, index in enumerate(label.tolist())]),
        "label": pa.array(label),
        "class": pa.DictionaryArray.from_arrays(pa.array(label), names),
        "x": pa.array(xy[:, 0].astype(np.float32)),
        "y": pa.array(xy[:, 1].astype(np.float32)),
    }
    pq.write_table(pa.table(columns), place, compression="zstd")


def seconds_to_ready(place: Path) -> float:
    """From the start of a process to the page."""
    begun = time.perf_counter()
    command = [sys.executable, "cli.py", "explore", "--map", str(place), "--no-browser"]
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True) as process:
        try:
            said = next(line for line in process.stderr if "open http" in line)
            with urlopen(said.split("open ")[1].split()[0]) as page:
                page.read()
            return time.perf_counter() - begun
        finally:
            process.terminate()


def frames_of(points: Points) -> dict[str, Frame]:
    """Frames around the middle of the map that hold about these shares of its points."""
    found = {}
    for share in SHARES:
        reach = 0.5 * np.sqrt(share)
        x, y = (np.quantile(axis, [0.5 - reach, 0.5 + reach]) for axis in (points.x, points.y))
        window = points.extent if share == 1 else (*map(float, x), *map(float, y))
        found[f"{share:.0%}"] = Frame(fitted(window, WIDTH, HEIGHT), WIDTH, HEIGHT)
    return found


def best_of(act: Callable[[], object]) -> float:
    """Seconds of the fastest of some calls."""
    times = []
    for _ in range(REPEATS):
        begun = time.perf_counter()
        act()
        times.append(time.perf_counter() - begun)
    return min(times)


def measure(place: Path) -> dict:
    """All figures."""
    ready = seconds_to_ready(place)
    begun = time.perf_counter()
    points = read_points(Location.of(place))
    read = time.perf_counter() - begun
    colouring = points.colourings["label"]
    focus = colouring.code == 3
    columns = points.x, points.y, colouring.code, colouring.rgb
    frames = frames_of(points)
    angle = np.linspace(0, 2 * np.pi, CORNERS)
    loop = np.column_stack([20 * np.cos(angle), 20 * np.sin(angle)])
    seconds = {
        "ready": ready,
        "read": read,
        "zoom": {name: best_of(lambda frame=frame: shade(*columns, None, frame)) for name, frame in frames.items()},
        "isolate": best_of(lambda: shade(*columns, focus, frames["100%"])),
        "hover": best_of(lambda: nearest_point(points, 0.0, 0.0, (0.5, 0.5), None)),
        "loop": best_of(lambda: inside_outline(points.x, points.y, loop)),
        "search": best_of(lambda: found_by(points, "class 12")),
    }
    return {"points": points.n, "classes": len(colouring.names), "seconds": seconds}


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print and, if asked, keep the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, help="JSON file for the figures")
    parser.add_argument("--tiny", action="store_true", help="few points, as a test")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "points.parquet"
        write_map(place, *((TINY, 10) if options.tiny else (ROWS, CLASSES)))
        figures = measure(place)
    print(json.dumps(figures, indent=1))
    if options.out:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.write_text(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
