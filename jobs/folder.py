"""The run folder: the record of one run, complete only when its manifest says so."""

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from engine.core.location import Location
from engine.core.memory import peak_bytes
from engine.store import EmbeddingStore
from jobs.report import Report, Table
from schemas.results import RESULTS_SCHEMA, Result
from schemas.run import Input, RunManifest

MANIFEST, TABLE, HEADLINE = "manifest.json", "results.parquet", "results.json"
RECORDED = ("gapscope", "numpy", "scipy", "pyarrow", "dask", "scikit-learn", "torch", "timm")


@dataclass
class RunFolder:
    """One run's folder, opened by `opened`; a job fills it and then calls `finish`."""

    place: Location
    job: str
    config: Mapping[str, Any]
    inputs: list[Input] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)
    started: float = field(default_factory=time.perf_counter)

    def reads(self, store: EmbeddingStore) -> None:
        """Record that the run read `store`."""
        self.inputs.append(Input(place=str(store.folder), config_hash=store.manifest.config_hash, rows=store.rows))

    @contextmanager
    def timed(self, what: str) -> Iterator[None]:
        """Record how many seconds the block takes."""
        start = time.perf_counter()
        yield
        self.seconds[what] = round(time.perf_counter() - start, 3)

    def finish(self, results: Sequence[Result], tables: Sequence[Table] = (), notes: Sequence[str] = ()) -> Report:
        """Write the results and the final manifest; the report has the rows of all classes together."""
        headline = [result for result in results if result.class_name is None]
        table = pa.Table.from_pylist([result.row() for result in results], RESULTS_SCHEMA)
        (self.place / TABLE).write_atomically(lambda file: pq.write_table(table, file, compression="zstd"))
        self.write_manifest("complete")
        seconds = time.perf_counter() - self.started
        report = Report(self.job, str(self.place), seconds, headline, tables, [*notes, f"written to {self.place}"])
        (self.place / HEADLINE).write_text(json.dumps(report.as_json(), indent=1, allow_nan=False))
        return report

    def clear(self) -> None:
        """Remove what an earlier run left, so that nothing of it can pass for this one's."""
        (self.place / TABLE).delete()
        (self.place / HEADLINE).delete()
        self.predictions.delete_folder()

    @property
    def predictions(self) -> Location:
        """Where the predictions tables lie, one folder for each set."""
        return self.place / "predictions"

    def write_manifest(self, status: str) -> None:
        """Write the manifest as it stands."""
        manifest = RunManifest(
            job=self.job,
            config=dict(self.config),
            versions=_versions(),
            status=status,
            inputs=tuple(self.inputs),
            seconds=self.seconds,
            peak_memory_bytes=peak_bytes(),
        )
        (self.place / MANIFEST).write_text(manifest.model_dump_json(indent=1))


@contextmanager
def opened(workspace: Location, job: str, name: str, config: Any) -> Iterator[RunFolder]:
    """The folder of a new run of `job`, with a manifest from its first moment to its last.

    A folder of the same name is used again when it holds the same configuration or an unfinished run; another
    configuration gets the next free ``name-2``, ``name-3``, so that no finished run is ever overwritten by a different
    one.
    """
    settings = json.loads(json.dumps(asdict(config), default=str))
    folder = RunFolder(_free_place(workspace / "runs", f"{job}-{name}", settings), job, settings)
    folder.clear()
    folder.write_manifest("running")
    try:
        yield folder
    except BaseException:
        folder.write_manifest("failed")
        raise


def _free_place(runs: Location, name: str, settings: Mapping[str, Any]) -> Location:
    number = 1
    while True:
        place = runs / (name if number == 1 else f"{name}-{number}")
        manifest = place / MANIFEST
        if not manifest.exists():
            return place
        found = json.loads(manifest.read_text())
        if found["config"] == settings or found["status"] != "complete":
            return place
        number += 1


def _versions() -> dict[str, str]:
    found = {}
    for name in RECORDED:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found
