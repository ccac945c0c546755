"""How fast `import-features` is beside the bare reading of NumPy and PyArrow, and its peak memory at two sizes.

    python benchmarks/import_features.py                100,000 rows of 1,024 float32 features, as .npy and as Parquet
    python benchmarks/import_features.py --cold         the same from the disk, not from the page cache
    python benchmarks/import_features.py --memory       peak memory at 100,000 and 800,000 rows, each in its own process
    python benchmarks/import_features.py --tiny         both, in seconds, to see that it runs

The ceiling is `np.load` of the whole file, and `pq.read_table`: the numbers are then in memory, and nothing else was
done. The import checks every number, rounds it to float16, takes a digest of each row, shuffles all rows globally, and
writes them twice (a segment, then a part), each file flushed to the disk. `bare copy` reads the file, rounds it and
writes it with PyArrow, which is the least that any import into Parquet takes. The first pass of the import, in which
the file is read, is given beside the whole. All readers run `--repeats` times, in turn; the best time counts. CPU
seconds are those of all threads, and say more on a machine that others use too.

For the memory run one file of 20,000 rows is given as many names by links.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

sys.path.insert(0, str(Path(__file__).parent.parent))

from gapscope.core.memory import peak_bytes
from gapscope.jobs.import_features import ImportFeaturesConfig, build
from gapscope.store.half import narrow
from gapscope.store.write import embedding_column

DIM, CLASSES, LINKED_ROWS, PART_ROWS = 1024, 1000, 20_000, 16_384


class Spent(NamedTuple):
    """What a reading took, or a line of its work."""

    seconds: float
    cpu_seconds: float


def now() -> Spent:
    """The clocks."""
    return Spent(time.perf_counter(), time.process_time())


def since(started: Spent) -> Spent:
    """What was spent since then, CPU seconds by all threads."""
    return Spent(*(end - start for start, end in zip(started, now(), strict=True)))


class Stopwatch:
    """A progress that notes how long each line of work took."""

    def __init__(self) -> None:
        self.spent: dict[str, Spent] = {}

    @contextmanager
    def task(self, description: str, _total: int | None, _unit: str):
        """Time a line of work."""
        started = now()
        yield self
        self.spent[description.split()[0]] = since(started)

    def advance(self, _count: int = 1) -> None:
        """Ignore the step."""

    def say(self, _message: str) -> None:
        """Ignore the sentence."""


def make(folder: Path, rows: int, seed: int = 0) -> dict[str, Path]:
    """The same features and labels as .npy files and as a Parquet file."""
    rng = np.random.default_rng(seed)
    x, label = rng.standard_normal((rows, DIM), np.float32), rng.integers(0, CLASSES, rows)
    np.save(folder / "x.npy", x)
    np.save(folder / "label.npy", label)
    embedding = pa.FixedSizeListArray.from_arrays(pa.array(x.reshape(-1)), DIM)
    table = pa.table({"embedding": embedding, "label": label})
    pq.write_table(table, folder / "x.parquet", compression="none", use_dictionary=False, row_group_size=16_384)
    return {"npy": folder / "x.npy", "parquet": folder / "x.parquet"}


def forget(place: Path) -> None:
    """Let the kernel drop what it keeps of a file, so that it is read from the disk."""
    descriptor = os.open(place, os.O_RDONLY)
    try:
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    finally:
        os.close(descriptor)


def by_library(place: Path) -> Spent:
    """The whole file in memory."""
    started = now()
    np.load(place) if place.suffix == ".npy" else pq.read_table(place)
    return since(started)


def copied(place: Path) -> Spent:
    """The file read by its library, rounded to float16 and written by PyArrow as a store is, and nothing else."""
    started = now()
    if place.suffix == ".npy":
        numbers = np.load(place).reshape(-1)
    else:
        numbers = pq.read_table(place, columns=["embedding"])["embedding"].combine_chunks().flatten().to_numpy()
    numbers = narrow(numbers.reshape(-1, DIM)).reshape(-1)
    for start in range(0, len(numbers), PART_ROWS * DIM):
        part = embedding_column(numbers[start : start + PART_ROWS * DIM].reshape(-1, DIM), "float16")
        with tempfile.NamedTemporaryFile(dir=place.parent) as file:
            pq.write_table(pa.table({"embedding": part}), file.name, compression="none", use_dictionary=False)
    return since(started)


def by_gapscope(place: Path) -> tuple[Spent, Spent]:
    """An import into a new workspace, and its first pass."""
    watch = Stopwatch()
    with tempfile.TemporaryDirectory(dir=place.parent) as workspace:
        config = config_of((str(place),), place.parent, workspace)
        started = now()
        build(config, watch)
        return since(started), watch.spent["reading"]


def config_of(files: tuple[str, ...], folder: Path, workspace: str) -> ImportFeaturesConfig:
    """What is imported: labels stand beside a single .npy file, and in Parquet."""
    labels = (str(folder / "label.npy"),) if files[0].endswith("x.npy") else ()
    return ImportFeaturesConfig(files, labels=labels, dataset="benchmark", workspace=workspace)


def measure_speed(folder: Path, rows: int, repeats: int, before: Callable[[Path], None]) -> None:
    """Print what each reader takes on the same files, `before` which something is done with them, and the ratios."""
    small = folder / "small"
    small.mkdir()
    for place in make(small, 50).values():
        by_gapscope(place)
    for name, place in make(folder, rows).items():
        runs = []
        for _ in range(repeats):
            before(place)
            bare = by_library(place)
            before(place)
            runs.append((bare, copied(place), *by_gapscope(place)))
        bare, copy, whole, first = (Spent(*map(min, zip(*column, strict=True))) for column in zip(*runs, strict=True))
        print(f"{name:8} {rows:,} rows, {rows * DIM * 4 / 1e6:,.0f} MB of features")
        for what, spent in (
            ("bare reading", bare),
            ("bare copy", copy),
            ("first pass", first),
            ("whole import", whole),
        ):
            shares = (mine / theirs for mine, theirs in zip(bare, spent, strict=True))
            print(
                f"  {what:13} {spent.seconds:7.2f} s, {spent.cpu_seconds:6.2f} CPU s; of the bare rate "
                "{:.2f}, by CPU seconds {:.2f}".format(*shares)
            )


def measure_memory(folder: Path, kind: str, rows: int, linked_rows: int) -> dict[str, float]:
    """Peak resident memory and seconds of an import of `rows` rows from files of a `kind`, in its own process."""
    links = folder / f"{kind}-{rows}"
    links.mkdir()
    place = make(folder, linked_rows)[kind]
    for number in range(rows // linked_rows):
        os.link(place, links / f"{number}{place.suffix}")
    words = [sys.executable, __file__, "--child", str(links)]
    return json.loads(subprocess.run(words, check=True, capture_output=True, text=True).stdout)


def child(links: str) -> None:
    """Import all files in a folder and print the peak memory of this process."""
    began = time.perf_counter()
    with tempfile.TemporaryDirectory(dir=links) as workspace:
        rows = build(config_of((f"{links}/*.*",), Path(links), workspace)).rows
    seconds, cpu = time.perf_counter() - began, time.process_time()
    print(json.dumps({"rows": rows, "peak_mib": peak_bytes() / 2**20, "seconds": seconds, "cpu_seconds": cpu}))


def main() -> None:
    """Measure what the options ask for and print it."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--rows", type=int, default=100_000, help="rows of the files for the speed run")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--cold", action="store_true", help="read from the disk, not from the page cache")
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
            rows, repeats = (2000, 1) if options.tiny else (options.rows, options.repeats)
            measure_speed(Path(folder), rows, repeats, forget if options.cold else lambda _: None)
        if options.memory or options.tiny:
            sizes, linked = ((200, 400), 100) if options.tiny else ((100_000, 800_000), LINKED_ROWS)
            for kind in ("npy", "parquet"):
                report(kind, [measure_memory(Path(folder), kind, rows, linked) for rows in sizes])


def report(kind: str, found: list[dict[str, float]]) -> None:
    """One line per size, and the ratio of the peaks."""
    for one in found:
        print(
            f"{kind:8} {one['rows']:10,} rows: peak {one['peak_mib']:6,.0f} MiB, {one['seconds']:6.1f} s, "
            f"{one['cpu_seconds']:6.1f} CPU s"
        )
    print(f"peak memory of the large run / of the small one: {found[1]['peak_mib'] / found[0]['peak_mib']:.3f}")


if __name__ == "__main__":
    main()
