"""What digests and checksums take of an import and of an extraction: less than 3 % of each is wanted.

    python -m benchmarks.digests            200,000 rows of CSV with 1,024 features, 1,000 photographs; two minutes
    python -m benchmarks.digests --tiny     a small check that it runs

Both run in this process. Each call of a digest is timed by the processor time of its thread, and set beside that of the
whole process. Page checksums are computed inside of PyArrow: as many bytes are written with and without them.
"""

import argparse
import io
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from importlib import import_module
from pathlib import Path
from time import process_time, thread_time
from typing import Any
from unittest.mock import patch

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.extract import photograph
from benchmarks.import_csv import make_csv
from benchmarks.process import machine
from gapscope.core.files import write_json
from gapscope.core.location import Location
from gapscope.formats.open import TEXT
from gapscope.jobs.extract import ExtractConfig
from gapscope.jobs.extract import run as extract
from gapscope.jobs.import_features import ImportFeaturesConfig, build
from gapscope.store import open_store

RESULTS = Path(__file__).parent / "results" / "digests.json"
# Where digests are taken, and of what.
READ, STORED = "of rows and images", "of spilled rows and parts"
CALLS = (
    ("gapscope.store.csv.parse", "digest_records", READ),
    ("gapscope.store.imports.segment", "digest_buffers", STORED),
    ("gapscope.store.write", "digest_rows", STORED),
    ("gapscope.store.read", "digest_buffers", STORED),
    ("gapscope.data.source", "digest_bytes", READ),
)
TIMES_WRITTEN = 15
NETWORK = "tiny"


@contextmanager
def timed() -> Iterator[dict[str, float]]:
    """Processor seconds of all digests that are taken within, by what they are of."""
    seconds = {READ: 0.0, STORED: 0.0}
    with ExitStack() as patches:
        for module, name, kind in CALLS:
            watched = _watched(getattr(import_module(module), name), kind, seconds)
            patches.enter_context(patch(f"{module}.{name}", watched))
        yield seconds


def _watched(function: Callable[..., Any], kind: str, seconds: dict[str, float]) -> Callable[..., Any]:
    def watched(*arguments: Any) -> Any:
        began = thread_time()
        try:
            return function(*arguments)
        finally:
            seconds[kind] += thread_time() - began

    return watched


class Nowhere(io.RawIOBase):
    """A file that takes what is written and keeps nothing."""

    def writable(self) -> bool:
        """True."""
        return True

    def write(self, data: Any) -> int:
        """The length of `data`."""
        return len(data)


def checksum_seconds(parts: list[Path]) -> float:
    """Processor seconds that page checksums of as many bytes as `parts` have take: the same numbers are written with
    and without them, in turn, and the least of each counts.
    """
    numbers = np.random.default_rng(0).integers(0, 2**62, sum(part.stat().st_size for part in parts) // 8)
    table = pa.table({"x": numbers})
    spent: dict[bool, list[float]] = {False: [], True: []}
    for _ in range(TIMES_WRITTEN):
        for with_checksums, seconds in spent.items():
            file, began = pa.PythonFile(Nowhere(), "w"), process_time()
            options = {"use_dictionary": False, "compression": "none", "write_statistics": False}
            pq.write_table(table, file, write_page_checksum=with_checksums, **options)
            seconds.append(process_time() - began)
    return max(0.0, min(spent[True]) - min(spent[False]))


def measured(work: Callable[[], None], store: Path) -> dict[str, float]:
    """Processor seconds of the work, of its digests, and of the checksums of the store that it makes."""
    began = process_time()
    with timed() as digests:
        work()
    total = process_time() - began
    checksums = checksum_seconds([store / part.name for part in open_store(Location(str(store))).manifest.parts])
    share = (sum(digests.values()) + checksums) / total
    return {"processor_seconds": total, **digests, "checksums": checksums, "share": share}


def of_import(folder: Path, rows: int) -> dict[str, float]:
    """Of an import of `rows` rows of CSV; compiled code is made ready by a small one."""
    for name, count in (("small", 50), ("rows", rows)):
        make_csv(folder / f"{name}.csv", count)
    config = {"workspace": str(folder), "split": "train"}
    build(ImportFeaturesConfig(files=(str(folder / "small.csv"),), dataset="small", **config))
    return measured(
        lambda: build(ImportFeaturesConfig(files=(str(folder / "rows.csv"),), dataset="rows", **config)),
        folder / "embeddings" / TEXT / "rows" / "train",
    )


def of_extraction(folder: Path, images: int) -> dict[str, float]:
    """Of an extraction of `images` photographs by the smallest network that there is; decoded in a thread."""
    rng = np.random.default_rng(0)
    for name, count in (("small", 4), ("photographs", images)):
        (folder / name / "one").mkdir(parents=True)
        for number in range(count):
            (folder / name / "one" / f"{number}.jpg").write_bytes(photograph(rng))
    options = {"workspace": str(folder), "backbone": NETWORK, "decode_workers": 0, "name": None}
    extract(ExtractConfig(dataset=(str(folder / "small"),), **options))
    return measured(
        lambda: extract(ExtractConfig(dataset=(str(folder / "photographs"),), **options)),
        folder / "embeddings" / NETWORK / "photographs" / "train",
    )


def main(arguments: list[str] | None = None) -> None:
    """Measure both, print and keep them."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--images", type=int, default=1_000)
    parser.add_argument("--tiny", action="store_true", help="200 rows and 20 images")
    parser.add_argument("--out", type=Path, default=RESULTS)
    options = parser.parse_args(arguments)
    rows, images = (200, 20) if options.tiny else (options.rows, options.images)
    with tempfile.TemporaryDirectory() as folder:
        found = {"import": of_import(Path(folder), rows), "extraction": of_extraction(Path(folder), images)}
    for name, one in found.items():
        print(f"{name}: {one['share']:.2%} of {one['processor_seconds']:.1f} processor seconds", one)
    write_json(Location(str(options.out)), {"machine": machine(), "rows": rows, "images": images, **found})


if __name__ == "__main__":
    main()
