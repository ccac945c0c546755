"""How fast the softmax probe trains, against what this machine can do at all and against scikit-learn, in one run.

    python -m benchmarks.synthetic_store FOLDER
    python -m benchmarks.fit_softmax FOLDER --out benchmarks/results/fit_softmax.json
    python -m benchmarks.fit_softmax FOLDER --memory     also the peak memory of whole fits at 100,000 rows and at all

Ratios are of figures measured within the run, minutes apart on the same processors. Flops of an epoch are counted as 4
d k a row, the two matrix products that no implementation can avoid; reading, softmax and preconditioning are overhead.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import perf_counter

import numpy as np
import pyarrow.parquet as pq
from sklearn.linear_model import SGDClassifier

from benchmarks.synthetic_store import Recipe, make_pair
from gapscope.core.location import Location
from gapscope.core.memory import peak_bytes
from gapscope.core.progress import SILENT
from gapscope.core.threads import blas_threads, processors
from gapscope.probes import PROBES
from gapscope.probes.grid import GRID_PENALTIES, VIEWS, Grid, Seen
from gapscope.probes.heads import Heads, NumPy, Reads
from gapscope.probes.options import ProbeOptions
from gapscope.probes.schedule import Schedule, Stage, batch_of
from gapscope.probes.training import moments_of
from gapscope.schemas.embeddings import Part
from gapscope.store import EmbeddingStore, View, open_store
from gapscope.stream import connect
from gapscope.summaries import ClassMeans, LabelledMoments

CHUNK_ROWS = 4096
SMALL_FIT_ROWS = 100_000
# Rows for 16 heads of 1000 classes, which cost sixteen epochs.
GRID_ROWS = 80_000
ONE_HEAD, SIXTEEN_HEADS = Grid(("whitened",), (1e-4,)), Grid(VIEWS, GRID_PENALTIES, whole=True)


def best_seconds(work: Callable[[], object], repeats: int = 5) -> float:
    """Shortest of several timings."""
    times = []
    for _ in range(repeats):
        start = perf_counter()
        work()
        times.append(perf_counter() - start)
    return min(times)


def gemm_ceiling(dim: int, classes: int, rows: int) -> float:
    """float32 flops per second of matrix products on all processors: the best of a square and of a step's own two."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((rows, dim), dtype=np.float32)
    w = rng.standard_normal((dim, classes), dtype=np.float32)
    scores = x @ w
    square = rng.standard_normal((2048, 2048), dtype=np.float32)
    products = [
        (lambda: square @ square, 2 * 2048**3),
        (lambda: x @ w, 2 * rows * dim * classes),
        (lambda: x.T @ scores, 2 * rows * dim * classes),
    ]
    together = [flops / best_seconds(work) for work, flops in products]
    return max(*together, *(_side_by_side(work, flops) for work, flops in products))


def _side_by_side(work: Callable[[], object], flops: int, repeats: int = 4) -> float:
    """Flops per second of one product on each processor at the same time."""
    count = processors()
    with blas_threads(1), ThreadPoolExecutor(count) as pool:
        seconds = best_seconds(lambda: list(pool.map(lambda _: work(), range(count * repeats))), 3)
    return flops * count * repeats / seconds


def read_rate(view: View) -> float:
    """Rows per second from Parquet to float32 arrays, on all processors, doing nothing with them."""
    pieces = view.pieces(CHUNK_ROWS)
    with ThreadPoolExecutor(processors()) as pool:
        start = perf_counter()
        for _ in pool.map(lambda piece: len(view.store.read(piece).x), pieces):
            pass
    return view.rows / (perf_counter() - start)


def arrow_rate(view: View) -> float:
    """Rows per second with pyarrow and NumPy alone, as one would read the store without gapscope, on all processors."""
    folder, parts = view.store.folder, view.store.manifest.parts

    def read(part: Part) -> int:
        with pq.ParquetFile((folder / part.name).path, memory_map=True) as file:
            for group in range(file.num_row_groups):
                column = file.read_row_group(group, ["embedding"], use_threads=False)["embedding"]
                for chunk in column.chunks:
                    chunk.flatten().to_numpy(zero_copy_only=False).astype(np.float32)
        return part.rows

    with ThreadPoolExecutor(processors()) as pool:
        start = perf_counter()
        rows = sum(pool.map(read, parts))
    return rows / (perf_counter() - start)


def tenfold(y: np.ndarray) -> np.ndarray:
    """The last digit of a class index: the same rows as a problem of ten classes."""
    return y % 10


def as_they_are(y: np.ndarray) -> np.ndarray:
    """Class indices as they are stored."""
    return y.astype(np.int64)


def epoch_rate(view: View, moments: LabelledMoments, classes: int, grid: Grid = ONE_HEAD) -> float:
    """Rows per second of one epoch of descent with the heads of a grid, reading included, in the batches that the whole
    store is trained with.
    """
    options = ProbeOptions()
    batch_rows = batch_of(view.store.rows, options)
    zero = np.zeros((view.store.dim, classes)), np.zeros(classes)
    means = ClassMeans(np.full(classes, view.rows // classes), zero[0].T, 0)
    seen = Seen(LabelledMoments(moments.total, means), zero)
    heads = grid.heads({False: seen, True: seen}, None, batch_rows, options)
    rounds = Schedule(batch_rows, 1, 0).rounds(Stage(view, 1))
    state = Heads.start(heads, [zero] * len(heads), batch_rows, rounds.steps)
    positions = as_they_are if classes == len(view.store.class_names) else tenfold
    with connect() as workers:
        start = perf_counter()
        NumPy("cpu").run(rounds, state, Reads(positions), workers)
        return view.rows / (perf_counter() - start)


def compare_with_sgd(view: View, test: View) -> dict[str, float]:
    """One epoch of `SGDClassifier.partial_fit` and of the softmax probe on the same chunks: rate and test accuracy."""
    model = SGDClassifier(loss="log_loss", random_state=0)
    classes = np.arange(len(view.store.class_names))
    chunks = list(view.chunks(CHUNK_ROWS))
    start = perf_counter()
    for chunk in chunks:
        model.partial_fit(chunk.x, chunk.y, classes=classes)
    rate = view.rows / (perf_counter() - start)
    held = view.store.view(view.stop, min(view.store.rows, view.stop + view.rows // 10))
    with connect() as workers:
        probe = PROBES["softmax"](view, held, ProbeOptions(epochs=1), workers)
    rows = test.read()
    return {
        "sgd_rows": view.rows,
        "sgd_rows_per_second": rate,
        "sgd_accuracy": float((model.predict(rows.x) == rows.y).mean()),
        "softmax_accuracy_same_rows": float((probe.predict(rows.x) == rows.y).mean()),
    }


def whole_fit(train: EmbeddingStore, test: EmbeddingStore, rows: int) -> dict[str, float]:
    """Seconds, test accuracy and peak memory of this process for a default fit on the first `rows` rows."""
    held = min(rows // 10, 10_000)
    start = perf_counter()
    with connect() as workers:
        probe = PROBES["softmax"](train.view(0, rows - held), train.view(rows - held, rows), ProbeOptions(), workers)
    seconds = perf_counter() - start
    correct = sum(int((probe.predict(chunk.x) == chunk.y).sum()) for chunk in test.view().chunks())
    peak = peak_bytes()
    found = {"rows": rows, "seconds": seconds, "accuracy": correct / test.rows, "peak_bytes": peak}
    return found | {"chosen": probe.details["chosen"], "laps": probe.details["seconds"]}


def memory_of_fits(folder: Location, rows: Sequence[int]) -> list[dict]:
    """`whole_fit` at each number of rows, each in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.fit_softmax", str(folder), "--whole-fit"]
    root = Path(__file__).parent.parent
    run = [subprocess.run([*command, str(n)], cwd=root, check=True, capture_output=True, text=True) for n in rows]
    return [json.loads(done.stdout) for done in run]


def measure(folder: Location, sgd_rows: int) -> dict[str, float]:
    """Every rate of the table, from the pair of stores in `folder`."""
    train, test = open_store(folder / "train"), open_store(folder / "test")
    view, classes = train.view(), len(train.class_names)
    with connect() as workers:
        start = perf_counter()
        moments = moments_of(view, workers, SILENT)
        moments_rate = view.rows / (perf_counter() - start)
    figures = {"rows": view.rows, "dim": train.dim, "classes": classes, "processors": processors()}
    ceiling = gemm_ceiling(train.dim, classes, 2048)
    arrow, reading = arrow_rate(view), read_rate(view)
    many, few = epoch_rate(view, moments, classes), epoch_rate(view, moments, 10)
    some = train.view(0, min(view.rows, GRID_ROWS))
    grid_many, grid_few = (epoch_rate(part, moments, k, SIXTEEN_HEADS) for part, k in ((some, classes), (view, 10)))
    figures |= compare_with_sgd(train.view(0, min(sgd_rows, view.rows * 9 // 10)), test.view())
    return figures | {
        "gemm_gflops": ceiling / 1e9,
        "read_rows_per_second": reading,
        "arrow_read_rows_per_second": arrow,
        "moments_rows_per_second": moments_rate,
        "epoch_rows_per_second": many,
        "epoch_share_of_gemm": many * 4 * train.dim * classes / ceiling,
        "epoch_10_classes_rows_per_second": few,
        "epoch_10_classes_share_of_reading": few / reading,
        "epoch_10_classes_share_of_arrow_reading": few / arrow,
        "grid_rows_per_second": grid_many,
        "grid_cost_over_16_heads_of_gemm": ceiling / (grid_many * 16 * 4 * train.dim * classes),
        "grid_10_classes_rows_per_second": grid_few,
        "grid_10_classes_cost_over_one_head": few / grid_few,
        "times_sgd": many / figures["sgd_rows_per_second"],
    }


def table_of(figures: dict) -> str:
    """The figures as lines of name and value."""
    return "\n".join(
        f"{name:36} {value:>14,.3f}" if isinstance(value, float) else f"{name:36} {value!s:>14}"
        for name, value in figures.items()
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Parse the command line, measure, print the table, write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Location, nargs="?", help="where synthetic_store.py wrote its two stores")
    parser.add_argument("--out", type=Path, help="JSON file for the figures")
    parser.add_argument("--sgd-rows", type=int, default=20_000, help="rows for the comparison with SGDClassifier")
    parser.add_argument("--memory", action="store_true", help="also whole fits at 100,000 rows and at all rows")
    parser.add_argument("--tiny", action="store_true", help="make a tiny store and measure on that, as a test")
    parser.add_argument("--whole-fit", type=int, metavar="ROWS", help="only one fit, its figures as JSON")
    options = parser.parse_args(arguments)
    if options.whole_fit:
        stores = open_store(options.folder / "train"), open_store(options.folder / "test")
        print(json.dumps(whole_fit(*stores, options.whole_fit)))
        return
    with tempfile.TemporaryDirectory() as scratch:
        folder = options.folder or Location(scratch)
        if options.tiny:
            make_pair(folder, 0.002, Recipe(dim=64, classes=20))
        figures = measure(folder, options.sgd_rows)
        if options.memory:
            rows = open_store(folder / "train").rows
            figures["fits"] = memory_of_fits(folder, [min(SMALL_FIT_ROWS, rows), rows])
    print(table_of(figures))
    if options.out:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.write_text(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
