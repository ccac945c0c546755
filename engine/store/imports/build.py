"""An import from beginning to end: rows to sorted segments, segments to shuffled parts, killed runs continued."""

from collections.abc import Sequence
from dataclasses import replace
from functools import reduce
from time import perf_counter
from typing import Any

import numpy as np
import pyarrow as pa

from gapscope.core.errors import ConfigMismatchError, DamageError, InputError
from gapscope.core.files import read_table, write_json, write_table
from gapscope.core.lease import Lease
from gapscope.core.progress import SILENT, Progress
from gapscope.core.text import counted
from gapscope.schemas import SPEC_VERSION
from gapscope.schemas.embeddings import FILES_NAME, FILES_SCHEMA, REJECTED_SCHEMA, Provenance, StoreManifest
from gapscope.store.imports.job import Import
from gapscope.store.imports.parts import fingerprint_of, write_parts
from gapscope.store.imports.seconds import Seconds
from gapscope.store.imports.segment import Segment
from gapscope.store.imports.source import Vanished
from gapscope.store.imports.spill import BEGUN, begun, spill
from gapscope.store.smallness import Smallness
from gapscope.store.write import MANIFEST, StoreWriter, differences, read_manifest, stored_dtype


def import_rows(job: Import, progress: Progress = SILENT) -> StoreManifest:
    """Make the store that `job` describes, or go on with it; memory does not grow with the number of rows.

    A store that is finished already is left as it is, unless parts of it are missing or damaged, which are made again,
    or a file was written to since: its rows are then compared with the stored ones, and parts with other rows are made
    again.

    Raises
    ------
    BusyError
        Another process works on the store.
    InputError
        A row cannot be used and `on_bad_row` is ``stop``, or the files hold no usable row.
    ConfigMismatchError
        The folder holds a store, or the beginning of one, from other files or options.
    """
    with Lease(job.folder) as lease:
        job = replace(job, dtype=stored_dtype(job.folder, job.dtype))
        finished = _finished(job)
        if finished:
            progress.say(
                f"{job.folder} is complete already: {counted(finished.rows, 'row')}, {finished.rejected:,} rejected"
            )
            job.spill.delete_folder()
            return finished
        return _make(job, lease, progress)


def _finished(job: Import) -> StoreManifest | None:
    """The manifest of the store in the job's folder, if it is finished, whole, and of the files as they are."""
    if not (job.folder / MANIFEST).exists():
        return None
    result = read_manifest(job.folder)
    if not result.complete:
        return None
    writer = StoreWriter(job.folder, _like(job, result.provenance))
    writer.begin()
    is_whole = all(
        writer.finished_rows(index) == part.rows and writer.is_as_recorded(index)
        for index, part in enumerate(result.parts)
    )
    is_current = writer.provenance.spec_version < SPEC_VERSION or _recorded_times(job) == _times(job)
    if not (is_whole and is_current and writer.is_sealed()):
        return None
    writer.confirm()
    return result


def _times(job: Import) -> list[int]:
    """When each file was last written, in nanoseconds since 1970; 0 where its file system does not know."""
    return [time for _, time in job.source.stamps()]


def _recorded_times(job: Import) -> list[int] | None:
    try:
        return read_table(job.folder / FILES_NAME)["modified"].to_pylist()
    except (FileNotFoundError, DamageError):
        return None


def _record_times(job: Import) -> None:
    columns = [list(column) for column in zip(*job.source.stamps(), strict=True)]
    write_table(job.folder / FILES_NAME, pa.table(columns, schema=FILES_SCHEMA))


def _like(job: Import, result: Provenance) -> Provenance:
    """The job's provenance, with what only reading tells (fingerprint, class names) from the store `found`."""
    names = list(job.classes.names) if job.classes else result.class_names
    return job.opening.model_copy(update={"fingerprint": result.fingerprint, "class_names": names})


def _make(job: Import, lease: Lease, progress: Progress, *, underflows: bool | None = None) -> StoreManifest:
    began, seconds = perf_counter(), Seconds()
    _begin(job, progress)
    book, segments = spill(job, progress, seconds)
    lossy = _lossy(job, segments)
    if lossy:
        progress.say(f"stored as float32, as {lossy} for float16, whose rounding would spoil them")
        job.spill.delete_folder()
        return _make(replace(job, dtype="float32"), lease, progress, underflows=True)
    names, index = book.classes()
    if not sum(segment.rows for segment in segments):
        raise InputError(f"no usable row in {job.source.origin}; nothing was imported")
    if unused := book.unused(names, index):
        progress.say(unused)
    fingerprint = fingerprint_of(segments, index)
    provenance = job.opening.model_copy(update={"fingerprint": fingerprint, "class_names": names})
    constant = sum(segment.meta.get("constant", 0) for segment in segments) or None
    about = {"command": dict(job.command), "underflows": underflows or job.underflows, "constant": constant}
    lost = [Vanished(*map(np.array, one)) for segment in segments if (one := segment.meta.get("vanished"))]
    about["vanished"] = reduce(Vanished.merge, lost).spoilt() if lost else None
    about["class_numbers"] = list(job.classes.numbers) or None if job.classes else None
    writer = StoreWriter(job.folder, provenance, about)
    writer.begin()
    parts = write_parts(job, writer, segments, index, progress, seconds)
    lease.check()
    _record_times(job)
    seconds.spent["total"] = perf_counter() - began
    manifest = writer.finish(parts, _rejected(segments), seconds.spent)
    job.spill.delete_folder()
    return manifest


def _rejected(segments: Sequence[Segment]) -> list[dict[str, Any]]:
    return [dict(zip(REJECTED_SCHEMA.names, entry, strict=True)) for one in segments for entry in one.meta["rejected"]]


def _lossy(job: Import, segments: Sequence[Segment]) -> str:
    """How many features float16 would spoil, and why, where that is to be stored."""
    counts = Smallness(job.source.dim)
    for segment in segments:
        if job.dtype == "float16" and segment.meta["smallness"]:
            counts.merge(Smallness.of_lists(segment.meta["smallness"]))
    small, narrow = counts.lossy(), counts.narrow()
    if small:
        return f"{small:,} of {job.source.dim:,} features are too small"
    return f"{narrow:,} of {job.source.dim:,} features vary too little beside their size" if narrow else ""


def _begin(job: Import, progress: Progress) -> None:
    """Open the spill folder; what an import of other input or options left there is of no use and goes.

    Raises
    ------
    ConfigMismatchError
        Parts were already written from other input or options.
    """
    now = {"provenance": job.opening.model_dump(), "modified": _times(job)}
    before = begun(job)
    changes = _changes(before, now, job) if before else ["nothing was recorded"]
    if changes and before:
        said = f"the import begun in {job.folder} was of other input or options ({'; '.join(changes)})"
        if (job.folder / MANIFEST).exists() and before["provenance"]["spec_version"] == SPEC_VERSION:
            raise ConfigMismatchError(f"{said}; repeat them to continue it, or delete {job.folder} to start anew")
        progress.say(f"{said}; starting anew")
    if changes:
        for name in job.spill.names():
            if name != BEGUN:
                (job.spill / name).delete()
        write_json(job.spill / BEGUN, now)


def _changes(result: dict[str, Any], now: dict[str, Any], job: Import) -> list[str]:
    if result["provenance"].get("spec_version") != SPEC_VERSION:
        return ["it was begun by another version of gapscope"]
    phrases = differences(Provenance(**result["provenance"]), job.opening)
    return phrases or ["a file was written to in between"] * (result["modified"] != now["modified"])
