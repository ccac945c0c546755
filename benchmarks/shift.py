"""What each shift statistic costs, against what this machine can do at all and against the usual tools, in one run.

    python -m benchmarks.synthetic_store FOLDER
    python -m benchmarks.shift FOLDER --out benchmarks/results/shift.json
    python -m benchmarks.shift --beside            only the side-by-side, on arrays that the usual tools can hold

Work that cannot be avoided: every row is read once; its share of the covariance is d² float64 flops (half of a product,
for it is symmetric), its random features ``2 d D + 12 D²`` float64 flops, its neighbours ``2 d`` flops for each other
row. Rates are set beside the best matrix product of the same run, on the same processors. The pass is measured at all
rows and at a quarter of them: the ratio of the two rates says how linear it is.
"""

import argparse
import json
import tempfile
import tracemalloc
from collections.abc import Callable, Sequence
from pathlib import Path
from time import perf_counter

import numpy as np
from scipy.linalg import sqrtm
from scipy.spatial.distance import cdist
from scipy.stats import ks_2samp
from sklearn.metrics.pairwise import rbf_kernel

from benchmarks.fit_softmax import best_seconds, read_rate
from benchmarks.synthetic_store import Recipe, make_pair
from gapscope.core.location import Location
from gapscope.core.memory import peak_bytes
from gapscope.core.threads import processors
from gapscope.shifts import SHIFTS
from gapscope.shifts.battery import Battery, ShiftOptions
from gapscope.shifts.frechet import frechet
from gapscope.shifts.mmd import FREQUENCIES, MMD, median_distance
from gapscope.store import ArrayStore, View, open_store
from gapscope.stream import connect, fold
from gapscope.summaries import Moments

# Rows of the side-by-side, in which the usual tools hold whole distance matrices.
BESIDE_ROWS, BESIDE_DIM = 2000, 256
CEILING_ROWS = 4096


def gemm_ceiling(dim: int, dtype: type) -> float:
    """Flops per second of matrix products of this type, the best of a square and of a covariance's own shape."""
    rng = np.random.default_rng(0)
    square, tall = (rng.standard_normal(shape).astype(dtype) for shape in ((2048, 2048), (CEILING_ROWS, dim)))
    other = tall.copy()  # a product with itself would be done by half
    products = [(lambda: square @ square, 2 * 2048**3), (lambda: tall.T @ other, 2 * CEILING_ROWS * dim**2)]
    return max(flops / best_seconds(work, 3) for work, flops in products)


def seconds_of(work: Callable[[], object]) -> tuple[float, object]:
    """How long one call takes, and what it returns."""
    start = perf_counter()
    found = work()
    return perf_counter() - start, found


def moments_of(chunk: object) -> Moments:
    """Moments of a chunk; here, because workers must be able to import it."""
    return Moments.of(chunk.x)


def seconds_each(one: View, other: View) -> dict[str, float]:
    """Seconds of the one read that all statistics share, and of each statistic's comparison behind it."""
    with connect() as workers:
        seconds, battery = seconds_of(lambda: Battery.read([one, other], list(SHIFTS), ShiftOptions(), workers))
        compared = {
            f"compare_{name}": seconds_of(lambda name=name: battery.compare(0, 1, [name]))[0] for name in SHIFTS
        }
    return {"read_for_all": seconds, **compared}


def seconds_of_the_pass(view: View, look_from: View) -> dict[str, float]:
    """Seconds of the moments alone, of the random features alone and of every summary in one pass, over a view."""
    rows = f"{view.rows}_rows"
    with connect() as workers:
        moments = seconds_of(lambda: fold(view, moments_of, workers))[0]
        sample = Battery.read([look_from], [], ShiftOptions(), workers).sample
        embedding = seconds_of(lambda: fold(view, MMD.keeps(sample), workers))[0]
        everything = seconds_of(lambda: Battery.read([view], list(SHIFTS), ShiftOptions(), workers))[0]
    return {f"moments_{rows}": moments, f"features_{rows}": embedding, f"all_summaries_{rows}": everything}


def measure(folder: Location) -> dict[str, float]:
    """Costs on the pair of stores in `folder`: train against test."""
    train, test = open_store(folder / "train"), open_store(folder / "test")
    whole, quarter, dim = train.view(), train.view(0, max(2, train.rows // 4)), train.dim
    double, single = gemm_ceiling(dim, np.float64), gemm_ceiling(dim, np.float32)
    reading = read_rate(whole)
    few, many = seconds_of_the_pass(quarter, test.view()), seconds_of_the_pass(whole, test.view())
    moments, features, everything = many.values()
    figures = {
        "rows": whole.rows,
        "target_rows": test.rows,
        "dim": dim,
        "processors": processors(),
        "float64_gemm_gflops": double / 1e9,
        "float32_gemm_gflops": single / 1e9,
        "read_rows_per_second": reading,
        **few,
        **many,
        "covariance_share_of_gemm": whole.rows * dim**2 / moments / double,
        "features_share_of_gemm": whole.rows * (2 * dim * FREQUENCIES + 12 * FREQUENCIES**2) / features / double,
        "linear_in_rows": everything / list(few.values())[2] * quarter.rows / whole.rows,
        "pass_peak_bytes": peak_bytes(),
    }
    return figures | seconds_each(whole, test.view()) | {"peak_bytes": peak_bytes()}


# The usual tools beside ours


def ours(name: str, x: np.ndarray, y: np.ndarray, workers: object) -> dict[str, float]:
    """Every verdict of one statistic on two arrays."""
    views = [ArrayStore(part, np.zeros(len(part), np.int32), ["one"]).view() for part in (x, y)]
    findings = Battery.read(views, [name], ShiftOptions(), workers).compare(0, 1)[name]
    return {verdict.statistic: verdict.value for verdict in findings.verdicts}


def ks_loop(x: np.ndarray, y: np.ndarray) -> float:
    """The largest Kolmogorov-Smirnov distance of a feature, feature by feature."""
    return max(float(ks_2samp(x[:, j], y[:, j], method="asymp").statistic) for j in range(x.shape[1]))


def pairwise_mmd(x: np.ndarray, y: np.ndarray, bandwidth: float) -> float:
    """Unbiased squared MMD from three whole kernel matrices."""
    kernels = [rbf_kernel(a, b, gamma=0.5 / bandwidth**2) for a, b in ((x, x), (y, y), (x, y))]
    inside = [(k.sum(dtype=np.float64) - len(k)) / (len(k) * (len(k) - 1)) for k in kernels[:2]]
    return float(sum(inside) - 2 * kernels[2].mean(dtype=np.float64))


def root_fid(x: np.ndarray, y: np.ndarray) -> float:
    """Squared Fréchet distance by a general matrix root, as FID tools have it."""
    a, b = np.cov(x.T.astype(np.float64)), np.cov(y.T.astype(np.float64))
    delta = x.mean(axis=0, dtype=np.float64) - y.mean(axis=0, dtype=np.float64)
    return float(delta @ delta + np.trace(a + b) - 2 * np.trace(sqrtm(a @ b)).real)


def dense_coverage(x: np.ndarray, y: np.ndarray, k: int = 5) -> float:
    """Coverage from whole distance matrices, all three of them held as Naeem's package does."""
    radii, _others, across = np.sort(cdist(x, x), axis=1)[:, k], np.sort(cdist(y, y), axis=1)[:, k], cdist(x, y)
    return float((across.min(axis=1) < radii).mean())


def beside(rows: int, dim: int) -> list[dict]:
    """Name, both values, both times and the memory that each must hold at once, for each pair of ways."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((rows, dim), dtype=np.float32)
    y = rng.standard_normal((rows, dim), dtype=np.float32) * 1.1 + np.float32(0.1)
    with connect() as workers:
        views = [ArrayStore(part, np.zeros(rows, np.int32), ["one"]).view() for part in (x, y)]
        bandwidth = median_distance(Battery.read(views, [], ShiftOptions(), workers).sample)
        moments = [fold(view, moments_of, workers) for view in views]
        ways = {
            "ks": (lambda: ours("marginal", x, y, workers)["ks_max"], lambda: ks_loop(x, y)),
            "mmd": (lambda: ours("mmd", x, y, workers)["mmd"], lambda: pairwise_mmd(x, y, bandwidth)),
            "frechet": (lambda: frechet(*moments).total, lambda: root_fid(x, y)),
            "coverage": (lambda: ours("prdc", x, y, workers)["coverage"], lambda: dense_coverage(x, y)),
        }
        return [_row(name, *way) for name, way in ways.items()]


def peak_of(work: Callable[[], object]) -> int:
    """Bytes that one call allocates at most at once."""
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def _row(name: str, mine: Callable[[], object], theirs: Callable[[], object]) -> dict:
    (seconds, value), (their_seconds, their_value) = seconds_of(mine), seconds_of(theirs)
    held, their_held = peak_of(mine), peak_of(theirs)
    return {
        "statistic": name,
        "value": value,
        "usual_value": their_value,
        "seconds": seconds,
        "usual_seconds": their_seconds,
        "bytes": held,
        "usual_bytes": their_held,
        "times_faster": their_seconds / seconds,
        "times_less_memory": their_held / held,
    }


def table_of(figures: dict) -> str:
    """The figures as lines of name and value, the side-by-side as a table below."""
    lines = [
        f"{name:36} {value:>16,.3f}" if isinstance(value, float) else f"{name:36} {value:>16,}"
        for name, value in figures.items()
        if name != "beside"
    ]
    heads = list(figures["beside"][0])
    rows = [[row["statistic"], *(f"{row[head]:,.4g}" for head in heads[1:])] for row in figures["beside"]]
    return "\n".join([*lines, "", *("  ".join(f"{cell:>17}" for cell in row) for row in [heads, *rows])])


def main(arguments: Sequence[str] | None = None) -> None:
    """Parse the command line, measure, print the table, write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Location, nargs="?", help="where synthetic_store.py wrote its two stores")
    parser.add_argument("--out", type=Path, help="JSON file for the figures")
    parser.add_argument("--beside", action="store_true", help="only the side-by-side with the usual tools")
    parser.add_argument("--beside-rows", type=int, default=BESIDE_ROWS, help="rows of each of its two arrays")
    parser.add_argument("--beside-dim", type=int, default=BESIDE_DIM, help="features of these arrays")
    parser.add_argument("--tiny", action="store_true", help="make a tiny store and measure on that, as a test")
    options = parser.parse_args(arguments)
    if not (options.folder or options.tiny or options.beside):
        parser.error("name the folder of a pair of stores, or ask for --tiny or --beside")
    with tempfile.TemporaryDirectory() as scratch:
        folder = options.folder or Location.of(scratch)
        if options.tiny:
            make_pair(folder, 0.0005, Recipe(dim=16, classes=4))
        figures = {} if options.beside else measure(folder)
    figures["beside"] = beside(options.beside_rows, options.beside_dim)
    print(table_of(figures))
    if options.out:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.write_text(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
