"""How fast `import-csv` is beside the CSV readers of Polars and pandas, and how much memory it takes at two sizes.

    python benchmarks/import_csv.py                 rows/s and MB/s of 20,000 rows of 1024 features, all readers in
    one run python benchmarks/import_csv.py --memory        peak memory at 100,000 and 1,280,000 rows, each in a
    process of its own python benchmarks/import_csv.py --tiny          both, in seconds, to see that it runs

The readers parse the file into memory; the import also shuffles it globally and writes it as Parquet (float16), each
file flushed to the disk. Compilation is not counted: each reader reads a small file first. Every reader runs
`--repeats` times, in turn; the best time counts.

For the memory run one file of 4,000 rows is given 25 or 320 names by links, because 1.28 million rows are 14 GB of
text. The import opens, parses, spills, shuffles and writes every one of the rows; only the bytes under the names are
the same ones.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as pc

sys.path.insert(0, str(Path(__file__).parent.parent))

from gapscope.core.memory import peak_bytes
from gapscope.jobs.import_features import ImportFeaturesConfig, build

DIM, CLASSES, WARM_UP_ROWS, LINKED_ROWS = 1024, 1000, 50, 4000


def make_csv(place: Path, rows: int, dim: int = DIM, seed: int = 0) -> None:
    """Write float32 features with as many digits as they need (about 11 characters), an integer label and a path."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((rows, dim), np.float32)
    columns = {str(index): x[:, index] for index in range(dim)}
    columns["label"] = rng.integers(0, CLASSES, rows)
    columns["path"] = [f"train/n{row % CLASSES:08d}/n{row % CLASSES:08d}_{row}.JPEG" for row in range(rows)]
    pc.write_csv(pa.table(columns), place)


def by_gapscope(place: Path) -> int:
    with tempfile.TemporaryDirectory(dir=place.parent) as workspace:
        return build(ImportFeaturesConfig(files=(str(place),), dataset="benchmark", workspace=workspace)).rows


def by_polars(place: Path) -> int:
    import polars as pl

    return len(pl.read_csv(place))


def by_pandas(place: Path) -> int:
    import pandas as pd

    return len(pd.read_csv(place))


READERS: dict[str, Callable[[Path], int]] = {"import-csv": by_gapscope, "polars": by_polars, "pandas": by_pandas}


def measure_speed(folder: Path, rows: int, repeats: int) -> dict[str, dict[str, float]]:
    """Rows/s and MB/s of each reader on the same file."""
    small, place = folder / "small.csv", folder / "speed.csv"
    make_csv(small, WARM_UP_ROWS)
    make_csv(place, rows)
    for read in READERS.values():
        read(small)
    seconds = {name: min(times) for name, times in _times(place, rows, repeats).items()}
    size = place.stat().st_size
    return {
        name: {"rows_per_second": rows / spent, "mb_per_second": size / spent / 1e6} for name, spent in seconds.items()
    }


def _times(place: Path, rows: int, repeats: int) -> dict[str, list[float]]:
    times: dict[str, list[float]] = {name: [] for name in READERS}
    for _ in range(repeats):
        for name, read in READERS.items():
            began = time.perf_counter()
            found = read(place)
            times[name].append(time.perf_counter() - began)
            if found != rows:
                raise RuntimeError(f"{name} found {found} rows, the file has {rows}")
    return times


def measure_memory(folder: Path, rows: int, linked_rows: int) -> dict[str, float]:
    """Peak resident memory and seconds of an import of `rows` rows in its own process."""
    links = folder / f"links-{rows}"
    links.mkdir()
    make_csv(folder / "linked.csv", linked_rows)
    for number in range(rows // linked_rows):
        os.link(folder / "linked.csv", links / f"{number}.csv")
    child = subprocess.run(
        [sys.executable, __file__, "--child", str(links)], check=True, capture_output=True, text=True
    )
    shutil.rmtree(links)
    return json.loads(child.stdout)


def child(links: str) -> None:
    """Import all files in a folder and print the peak memory of this process."""
    began = time.perf_counter()
    with tempfile.TemporaryDirectory(dir=links) as workspace:
        manifest = build(ImportFeaturesConfig(files=(f"{links}/*.csv",), dataset="benchmark", workspace=workspace))
    seconds = time.perf_counter() - began
    peak = peak_bytes() / 2**20
    print(
        json.dumps(
            {
                "rows": manifest.rows,
                "peak_mib": peak,
                "rows_per_second": manifest.rows / seconds,
                "seconds": manifest.seconds,
            }
        )
    )


def main() -> None:
    """Measure what the options ask for and print it."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--rows", type=int, default=20_000, help="rows of the file for the speed run")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--memory", action="store_true", help="measure memory instead of speed")
    parser.add_argument("--tiny", action="store_true", help="both, at sizes that take seconds")
    parser.add_argument("--folder", type=Path, help="where the files are made; a temporary folder otherwise")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        child(options.child)
        return
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        if not options.memory:
            report_speed(
                measure_speed(
                    Path(folder), 200 if options.tiny else options.rows, 1 if options.tiny else options.repeats
                )
            )
        if options.memory or options.tiny:
            sizes, linked = ((200, 400), 100) if options.tiny else ((100_000, 1_280_000), LINKED_ROWS)
            report_memory([measure_memory(Path(folder), rows, linked) for rows in sizes])


def report_speed(found: dict[str, dict[str, float]]) -> None:
    """One line per reader, with the ratio of the import's rows/s to its own."""
    ours = found["import-csv"]["rows_per_second"]
    for name, figures in found.items():
        ratio = ours / figures["rows_per_second"]
        print(
            f"{name:10} {figures['rows_per_second']:10,.0f} rows/s {figures['mb_per_second']:8,.0f} MB/s   "
            f"import-csv is {ratio:.2f} times as fast"
        )


def report_memory(found: list[dict[str, float]]) -> None:
    """One line per size, and the ratio of the peaks."""
    for figures in found:
        print(
            f"{figures['rows']:10,} rows: peak {figures['peak_mib']:7,.0f} MiB, "
            f"{figures['rows_per_second']:8,.0f} rows/s, seconds {figures['seconds']}"
        )
    print(f"peak memory of the large run / of the small one: {found[1]['peak_mib'] / found[0]['peak_mib']:.3f}")


if __name__ == "__main__":
    main()
