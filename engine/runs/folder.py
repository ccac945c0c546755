"""The run folder: the record of one run, complete only when its manifest says so."""

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field, replace
from itertools import count
from typing import Any, Literal

import pyarrow as pa

from gapscope.blocks import Block
from gapscope.core.errors import BusyError, GapscopeError, StoppedError
from gapscope.core.files import read_json, write_json, write_table
from gapscope.core.lease import LEASE, Lease
from gapscope.core.location import Location
from gapscope.core.memory import peak_bytes
from gapscope.core.program import version_of
from gapscope.predictions.run import MODELS, PREDICTIONS, models_in_run
from gapscope.runs.backup import BACKUP, back_up, clear, discard, has_backup, restore
from gapscope.runs.result import RunResult
from gapscope.runs.run import MANIFEST, NOTES, RESULTS, RUNS, Run, read_run
from gapscope.schemas.results import RESULTS_SCHEMA, Result
from gapscope.schemas.run import Input, RunManifest
from gapscope.store import EmbeddingStore
from gapscope.store.selected import Selected

TABLE = f"{RESULTS}.parquet"
# Rows that a repair has fitted a model to; what the images of a network's training were made from.
FITTED_ON, TRAINED_ON = "fitted-on.parquet", "trained-on.parquet"
# Options that say where and how a run works; whatever they are, it is the same work.
MANNER = frozenset({"workspace", "scheduler", "cluster", "workers", "checkpoint_seconds", "report", "track"})
# Options that name files with chosen images; other images make another run, whatever the file is called.
CHOOSING = ("only", "exclude")
RECORDED = ("gapscope", "numpy", "scipy", "pyarrow", "dask", "scikit-learn", "torch", "timm")


@dataclass
class RunFolder:
    """One run's folder, opened by `opened`; a job fills it and then calls `finish`.

    Attributes
    ----------
    continues
        Whether what an interrupted run of the same work left is still there, to go on from.
    """

    place: Location
    job: str
    config: Mapping[str, Any]
    inputs: list[Input] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)
    started: float = field(default_factory=time.perf_counter)
    continues: bool = False

    @contextmanager
    def timed(self, what: str) -> Iterator[None]:
        """Record how many seconds the block takes."""
        start = time.perf_counter()
        yield
        self.seconds[what] = round(time.perf_counter() - start, 3)

    def finish(
        self,
        results: Sequence[Result],
        *,
        page: Callable[[Run], Sequence[Block]],
        notes: Sequence[str] = (),
        kept: Sequence[Result] = (),
    ) -> RunResult:
        """Write the results and the final manifest; what is handed back has the rows of all classes together.

        Rows of `kept` go to the table of results and nowhere else. `page` words what the finished run has found; it
        reads `notes`, what is only known while a job runs, from the run (`Run.notes`).
        """
        if notes:
            write_json(self.place / f"{NOTES}.json", list(dict.fromkeys(notes)))
        headline = [result for result in results if result.class_name is None]
        table = pa.Table.from_pylist([result.row() for result in [*results, *kept]], RESULTS_SCHEMA)
        self.write_table(TABLE, table)
        result = RunResult(self.job, str(self.place), time.perf_counter() - self.started, headline)
        write_json(self.place / f"{RESULTS}.json", result.as_json(), allow_nan=False)
        self.write_manifest("complete")
        result = replace(result, blocks=page(read_run(self.place)))
        discard(self.place)
        return result

    def write_table(self, name: str, table: pa.Table) -> None:
        """Write `table` as the Parquet file `name`, whole or not at all."""
        write_table(self.place / name, table)

    def is_begun(self) -> bool:
        """Whether anything was written beside the manifest."""
        beside = (one for one in self.place.files() if f"/{BACKUP}/" not in one.address)
        return any(one.name not in (MANIFEST, LEASE) for one in beside)

    def clear_predictions(self) -> None:
        """Remove what was predicted, by one model or by several."""
        for place in (self.place, *(self.place / MODELS / name for name in models_in_run(self.place))):
            (place / PREDICTIONS).delete_folder()

    def write_manifest(self, status: Literal["running", "complete", "failed"]) -> None:
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
        write_json(self.place / MANIFEST, manifest.model_dump(mode="json"))


def input_of(store: EmbeddingStore | Selected) -> Input:
    """The record that a run reads `store`."""
    return Input(place=str(store.folder), config_hash=store.manifest.config_hash, rows=store.rows)


@contextmanager
def opened(workspace: Location, job: str, name: str, config: Any, inputs: Sequence[Input] = ()) -> Iterator[RunFolder]:
    """The folder of a run of `job` that reads `inputs`, with a manifest from its first moment to its last.

    A folder of the same name is used again when it holds the same configuration or an unfinished run; another
    configuration gets the next free ``name-2``, ``name-3``, so that no finished run is ever overwritten by a different
    one. An unfinished run of the same configuration, versions and first input (which the model comes from) is
    continued, without its predictions if another input has changed; everything else starts in an empty folder. What
    was there is restored where the work is refused, and is removed where it is finished; work that is refused before
    anything is written leaves no folder.
    """
    settings = json.loads(json.dumps(asdict(config), default=str))
    work = _work(settings, _plain(inputs))
    with _claimed(workspace / RUNS, f"{job}-{name}", work) as place:
        _settle(place, settings, inputs)
        earlier = _manifest_in(place)
        folder = RunFolder(place, job, settings, list(inputs), continues=_is_the_same(earlier, settings, inputs))
        if not folder.continues:
            (back_up if earlier else clear)(place)
        elif earlier["inputs"] != _plain(inputs):
            folder.clear_predictions()
        folder.write_manifest("running")
        try:
            yield folder
        except GapscopeError as error:
            _refuse(folder, error)
            raise
        except BaseException:
            folder.write_manifest("failed")
            raise


def _settle(place: Location, settings: Mapping[str, Any], inputs: Sequence[Input]) -> None:
    """Restore what was backed up at `place` for work that a kill has ended and that is not to go on."""
    now = _manifest_in(place)
    if not has_backup(place) or now.get("status") == "complete":
        discard(place)
    elif not _is_the_same(now, settings, inputs):
        restore(place)


def _refuse(folder: RunFolder, error: GapscopeError) -> None:
    """Leave the folder of refused work as it was found, unless the work has gone on from there."""
    begun, backup = folder.is_begun(), has_backup(folder.place)
    if begun and (folder.continues or isinstance(error, StoppedError) or not backup):
        folder.write_manifest("failed")
    elif backup:
        restore(folder.place)
    else:  # there is nothing to go on from
        (folder.place / MANIFEST).delete()


def find_finished(
    runs: Location, start: str, config: Any, inputs: Sequence[Input], *, needs: str, besides: str
) -> Location | None:
    """The folder below `runs` whose name begins with `start`, of a complete run with the same inputs, the same options
    but for `besides` and those of `MANNER`, and the file `needs`; None where there is none.
    """
    work = _without(json.loads(json.dumps(asdict(config), default=str)), besides)
    for place in (runs / name for name in runs.folders() if name.startswith(start)):
        if (place / needs).exists():
            manifest = RunManifest.model_validate(read_json(place / MANIFEST))
            is_same = _without(manifest.config, besides) == work and list(manifest.inputs) == list(inputs)
            if is_same and manifest.status == "complete":
                return place
    return None


@contextmanager
def _claimed(runs: Location, name: str, work: tuple[Any, ...]) -> Iterator[Location]:
    """The first folder ``name``, ``name-2``, … that holds this work, or nothing that is finished or being worked on;
    nobody else writes into it inside the block.

    Raises
    ------
    BusyError
        Another process does this work.
    """
    for number in count(1):
        place = runs / (name if number == 1 else f"{name}-{number}")
        if _holds_other_work(place, work):
            continue
        with ExitStack() as stack:
            stack.callback(place.delete_if_empty)  # after the lease
            try:
                stack.enter_context(Lease(place))
            except BusyError:
                manifest = _manifest_in(place)
                if manifest and _work(manifest["config"], manifest["inputs"]) != work:
                    continue
                raise
            if _holds_other_work(place, work):  # finished by another process in the meantime
                continue
            yield place
            return


def _holds_other_work(place: Location, work: tuple[Any, ...]) -> bool:
    """Whether a finished run of another work lies at `place`, if only as a backup."""
    finished = [one for one in map(_manifest_in, (place, place / BACKUP)) if one and one["status"] == "complete"]
    return any(_work(one["config"], one["inputs"]) != work for one in finished)


def _manifest_in(place: Location) -> dict[str, Any]:
    """The manifest of the run at `place`; empty where there is none."""
    manifest = place / MANIFEST
    return read_json(manifest) if manifest.exists() else {}


def _is_the_same(earlier: Mapping[str, Any], settings: Mapping[str, Any], inputs: Sequence[Input]) -> bool:
    """Whether the run of the manifest `earlier` is an unfinished one of the same work."""
    if not earlier or earlier["status"] == "complete":
        return False
    return (
        _work(earlier["config"], earlier["inputs"]) == _work(settings, _plain(inputs))
        and earlier["inputs"][:1] == _plain(inputs[:1])
        and earlier["versions"] == _versions()
    )


def _plain(inputs: Sequence[Input]) -> list[dict[str, Any]]:
    return [one.model_dump() for one in inputs]


def _work(settings: Mapping[str, Any], inputs: Sequence[Mapping[str, Any]]) -> tuple[Any, ...]:
    """What makes a run this one: its options and, of files with chosen images, what they hold."""
    files = [settings.get(name) for name in CHOOSING]
    chosen = [one["config_hash"] for one in inputs if one["place"] in files]
    return _without(settings), chosen


def _without(settings: Mapping[str, Any], *besides: str) -> dict[str, Any]:
    """The options that decide what is computed."""
    return {name: value for name, value in settings.items() if name not in MANNER.union(besides)}


def _versions() -> dict[str, str]:
    return {name: version_of(name, "not installed") for name in RECORDED}
