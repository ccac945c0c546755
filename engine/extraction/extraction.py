"""One split's images through a backbone into a store: what is asked for, and its way to a finished manifest."""

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from gapscope.backbones import BackboneChoice
from gapscope.blocks.formats import listed
from gapscope.core.errors import DamageError, GapscopeError, InputError, SchemaError
from gapscope.core.files import read_tensors, write_tensors
from gapscope.core.lease import Lease
from gapscope.core.location import Location, full_path
from gapscope.core.progress import SILENT, Progress
from gapscope.core.text import counted
from gapscope.core.threads import processors
from gapscope.data.source import Listing, Source, Stamps
from gapscope.extraction.changes import (
    Changes,
    find_changes,
    record_stamps,
    recorded_stamps,
    stamps_of_source,
    suspects_of,
)
from gapscope.extraction.job import Extraction, columns_of, of_images, provenance_of, together
from gapscope.extraction.plan import part_count, part_indices, part_size, stored_order, unseen_images
from gapscope.extraction.smallness import TooSmall
from gapscope.schemas import SPEC_VERSION
from gapscope.schemas.embeddings import PART_NAME, StoreManifest
from gapscope.store import StoreWriter, open_store
from gapscope.store.write import HEAD, MANIFEST, config_hash, read_manifest, stored_dtype
from gapscope.stream import connect

if TYPE_CHECKING:
    from gapscope.backbones.backbone import Backbone

# Beyond this, decode processes wait for the disk and each other.
MOST_DECODERS = 32

# Shorter runs spend their time on starting processes.
MEANINGFUL_SECONDS = 5


@dataclass(frozen=True)
class Outcome:
    """What an extraction did: the store's manifest, images extracted by this run, and sentences for the user."""

    manifest: StoreManifest
    images: int
    notes: tuple[str, ...]


def extract(
    job: Extraction,
    backbone: "Backbone | None" = None,
    scheduler: str | None = None,
    progress: Progress = SILENT,
    *,
    verify: bool = False,
) -> Outcome:
    """Make the store of `job`, or what is missing of it, or what of its images was replaced; see `extract_together`."""
    return extract_together([job], backbone, scheduler, progress, verify=verify)[0]


def extract_together(
    jobs: Sequence[Extraction],
    backbone: "Backbone | None" = None,
    scheduler: str | None = None,
    progress: Progress = SILENT,
    *,
    verify: bool = False,
) -> list[Outcome]:
    """Make the stores of `jobs`, which want tensors of one network and the same images, or what is missing of them, or
    what of their images was replaced. Each image is decoded once.

    Of a store that is there, sizes and times of all images are compared with the recorded ones, one `stat` a file, and
    bytes where these differ.

    Parameters
    ----------
    backbone
        That of all jobs `together`, where it has been loaded already.
    scheduler
        Address of a Dask cluster whose workers make the parts; they must see the images and the folders of the stores.
    verify
        Compare the bytes of all images, and read all parts.

    Raises
    ------
    BusyError
        Another process works on a store.
    ConfigMismatchError
        A folder holds a store of another configuration.
    DivergedError
        An embedding is not finite.
    InputError
        There are no images, or none of them can be decoded, or a store was made of images in another place.
    """
    for job in jobs:
        _check(job)
    small: dict[int, str] = {}
    with ExitStack() as stack:
        leases = [stack.enter_context(Lease(job.folder)) for job in jobs]
        jobs = [replace(job, dtype=stored_dtype(job.folder, job.dtype)) for job in jobs]
        source = jobs[0].open_source()
        backbone = backbone or together([job.backbone for job in jobs]).load()
        while True:
            try:
                works = _works(jobs, source, backbone, leases, small)
                outcomes = _run(works, backbone, scheduler, progress, verify=verify)
                return [
                    replace(one, notes=(*one.notes, small[index])) if index in small else one
                    for index, one in enumerate(outcomes)
                ]
            except TooSmall as error:
                job = jobs[error.store]
                note = (
                    f"stored as float32, as {error} features are too small for float16, whose rounding would spoil them"
                )
                progress.say(f"{job.dataset}/{job.split} is {note}")
                small[error.store] = note
                jobs[error.store] = replace(job, dtype="float32")
                works[error.store].writer.discard_all()


def _works(
    jobs: Sequence[Extraction],
    source: Source,
    backbone: "Backbone",
    leases: Sequence[Lease],
    small: Mapping[int, str],
) -> list["Work"]:
    """The work of each job, all on one listing of the images."""
    parts = backbone.parts or (backbone,)
    return [
        Work.of(job, source, part, lease, underflows=True if index in small else None)
        for index, (job, part, lease) in enumerate(zip(jobs, parts, leases, strict=True))
    ]


def _run(
    works: Sequence["Work"], backbone: "Backbone", scheduler: str | None, progress: Progress, *, verify: bool
) -> list[Outcome]:
    """See `extract_together`."""
    begun = perf_counter()
    todos = [work.prepare(progress, verify=verify) for work in works]
    outputs = [
        (work.writer, frozenset(todo.missing), columns)
        for work, todo, columns in zip(works, todos, columns_of(backbone), strict=True)
    ]
    missing = sorted(frozenset().union(*(todo.missing for todo in todos)))
    seconds: dict[str, float] = {}
    if any(not todo.outcome for todo in todos):
        job, places = works[0].job, works[0].places
        images = sum(len(places[part]) for part in missing)
        title = f"extracting {job.dataset}/{job.split} with {backbone.name}"
        with progress.task(title, images, "images") as task:
            run = partial(_on_cluster, scheduler) if scheduler else _here
            seconds = run(works, backbone, outputs, missing, task.advance)
        seconds["total"] = perf_counter() - begun
    return [todo.outcome or work.finish(todo, seconds) for work, todo in zip(works, todos, strict=True)]


def unchanged(job: Extraction) -> Outcome | None:
    """The outcome where the store of `job` is whole, and its images and its network are those that it was made with, as
    sizes, times and the network's mark say; None otherwise. No network is loaded, and nothing is written.
    """
    _check(job)
    try:
        manifest = read_manifest(job.folder)
    except GapscopeError:
        return None
    made, mark = manifest.provenance, job.command.get("network")
    if not manifest.complete or made.spec_version != SPEC_VERSION:
        return None
    if not mark or manifest.command.get("network") != mark:
        return None
    job = replace(job, dtype=stored_dtype(job.folder, job.dtype))
    source = job.open_source()
    same = config_hash(made.model_copy(update=of_images(job, source))) == manifest.config_hash
    work = Work(job, source, None, StoreWriter(job.folder, made), None)
    if not same or manifest.place != full_path(job.place) or not work.is_untouched:
        return None
    return work.nothing_to_do(Changes(0, 0, frozenset()), "", verify=False)


class Todo(NamedTuple):
    """What a store lacks: missing parts, what has changed of its images, and which of its files are not those that it
    was finished with; or the outcome, where it lacks nothing.
    """

    missing: list[int]
    changes: Changes
    damaged: list[str]
    outcome: Outcome | None = None


@dataclass(frozen=True)
class Work:
    """An extraction with what it needs: images, backbone, writer, and the right to write; the second and the last are
    None where it is only looked at what is there.
    """

    job: Extraction
    source: Source
    backbone: "Backbone | None"
    writer: StoreWriter
    lease: Lease | None

    @classmethod
    def of(
        cls, job: Extraction, source: Source, backbone: "Backbone", lease: Lease, *, underflows: bool | None = None
    ) -> "Work":
        """The work of a job on its images, with the tensor that it wants."""
        if not len(source.listing):
            raise InputError(f"{job.dataset}/{job.split} has no images ({job.place or 'its source'} lists none)")
        about = {"place": full_path(job.place), "command": dict(job.command), "underflows": underflows}
        about |= {"files": job.files}
        return cls(job, source, backbone, StoreWriter(job.folder, provenance_of(job, source, backbone), about), lease)

    @property
    def listing(self) -> Listing:
        """The images."""
        return self.source.listing

    @cached_property
    def places(self) -> list[np.ndarray]:
        """Listing positions of the images of each part."""
        order = stored_order(self.listing, self.job.seed)
        parts = range(part_count(len(self.listing), self.job.part_rows))
        return [part_indices(order, part, self.job.part_rows) for part in parts]

    @cached_property
    def _part_of(self) -> np.ndarray:
        """The part of each image, by its position in the listing."""
        part_of = np.empty(len(self.listing), np.int64)
        for part, rows in enumerate(self.places):
            part_of[rows] = part
        return part_of

    def prepare(self, progress: Progress, *, verify: bool) -> Todo:
        """Compare what is there with the images, and remove what has to be made again."""
        stamps, moved = stamps_of_source(self.source), self._moved(progress)
        self.writer.begin()
        unfinished = self._unfinished(verify=verify)
        damaged = self._damaged(unfinished, verify=verify)
        _write_head(self.job.folder, self.backbone)
        recorded = recorded_stamps(self.job.folder, len(self.listing))
        suspects = np.arange(len(self.listing)) if verify else suspects_of(stamps, recorded)
        rejected = [row for part, rows in self._rejected().items() if part not in unfinished for row in rows]
        changes = find_changes(self.source, self.writer, self.places, rejected, suspects, progress)
        missing = sorted(unfinished | changes.parts)
        for part in missing:
            self.writer.discard(part)
        if recorded is None or len(suspects_of(stamps, recorded)):
            self._record(stamps)
        if not missing and self.writer.is_complete and self.writer.is_sealed():
            self._record_network()
            self.writer.confirm()
            moved = "; ".join(filter(None, (moved, self._mended(damaged))))
            return Todo([], changes, damaged, self.nothing_to_do(changes, moved, verify=verify))
        return Todo(missing, changes, damaged)

    @property
    def is_untouched(self) -> bool:
        """Whether all parts are there as they were recorded, none later than the manifest, and no image has another
        size or time.
        """
        self.writer.begin()
        recorded = recorded_stamps(self.job.folder, len(self.listing))
        suspects = suspects_of(stamps_of_source(self.source), recorded)
        if len(suspects) or self.writer.later or not self.writer.is_sealed():
            return False
        return not self._unfinished(verify=False)

    def _record(self, stamps: Stamps) -> None:
        """Note the sizes and times of the images; a whole store of version 1 keeps no digests, so none there."""
        if self.writer.provenance.spec_version == SPEC_VERSION:
            record_stamps(self.job.folder, stamps)
            if self.writer.is_complete:
                self.writer.rewrite(read_manifest(self.job.folder))

    def _unfinished(self, *, verify: bool) -> set[int]:
        """Parts that are missing or damaged, are not the recorded ones, or whose rejected images are not known."""
        known = self._rejected()
        unfinished = set()
        for part, rows in enumerate(self.places):
            there = self.writer.finished_rows(part)
            whole = there is not None and there + len(known.get(part, ())) == len(rows)
            whole = whole and not (self.job.attributes and self.writer.lacks_attributes(part))
            if not (whole and self.writer.is_as_recorded(part) and (not verify or self.writer.is_readable(part))):
                unfinished.add(part)
        return unfinished

    def _damaged(self, unfinished: set[int], *, verify: bool) -> list[str]:
        """The files of a finished store that are not those that were written."""
        if not self.writer.is_complete:
            return []
        parts = [
            PART_NAME.format(part)
            for part in sorted(unfinished)
            if not (self.writer.is_as_recorded(part) and (not verify or self.writer.is_readable(part)))
        ]
        return parts + self.writer.unsealed()

    def _mended(self, damaged: list[str]) -> str:
        """A sentence about `damaged` files, once what can be made again is there; empty where there are none."""
        gone = [name for name in damaged if not (self.job.folder / name).exists()]
        made = [name for name in damaged if name not in gone]
        return "; ".join(
            f"{listed(names)}, missing or damaged, {what}"
            for names, what in (
                (made, "was made again" if len(made) == 1 else "were made again"),
                (gone, "cannot be made again from the images"),
            )
            if names
        )

    def _rejected(self) -> dict[int, list[dict[str, Any]]]:
        """The rejected images of each part that has some, as far as the store's lists can be read."""
        result: dict[int, list[dict[str, Any]]] = {}
        for row in self.writer.rejected():
            if row["sample_id"] < len(self.listing):
                result.setdefault(int(self._part_of[row["sample_id"]]), []).append(row)
        for part in range(len(self.places)):
            rows = self.writer.rejected_of(part)
            if rows is not None:
                result[part] = rows
        return result

    def _moved(self, progress: Progress) -> str:
        """A sentence where the store's images lay elsewhere before and are the same; empty where they were not moved.

        Raises
        ------
        InputError
            The store was made of images in another place, and these are others, or the other place still exists.
        """
        job, place = self.job, full_path(self.job.place)
        if not (job.folder / MANIFEST).exists():
            return ""
        result = read_manifest(job.folder)
        before = result.place or full_path(result.provenance.source)
        if before == place or not before or not place:
            return ""
        if Path(before.partition("+")[0]).exists() or not result.place or not self._same_images(progress):
            raise InputError(
                f"{job.folder} holds {job.dataset}/{job.split} made from {before}, and {place} is another place under "
                "the same name; choose another --workspace, or give this one a name of its own with --name"
            )
        self.writer.rewrite(result, place=place)
        return f"the images lie in {place} now, and are those that were extracted in {before}"

    def _same_images(self, progress: Progress) -> bool:
        """Whether all images are, byte for byte, those that the store was made of."""
        if len(self.listing) != read_manifest(self.job.folder).provenance.fingerprint.count:
            return False
        rejected = [row for rows in self._rejected().values() for row in rows]
        every = np.arange(len(self.listing))
        changes = find_changes(self.source, self.writer, self.places, rejected, every, progress)
        return changes.compared == len(every) and not changes.images

    def _record_network(self) -> None:
        """Note the command, where the same network was named in another way, or by a version that noted no mark."""
        manifest, command = read_manifest(self.job.folder), dict(self.job.command)
        new = command.get("network") != manifest.command.get("network")
        if new and manifest.provenance.spec_version == SPEC_VERSION:
            self.writer.rewrite(manifest, command=command)

    def nothing_to_do(self, changes: Changes, moved: str, *, verify: bool) -> Outcome:
        """The outcome where all is there already."""
        manifest = open_store(self.job.folder).manifest
        old = manifest.provenance.spec_version < SPEC_VERSION
        notes = [
            moved,
            f"nothing was left to do: all of the {manifest.rows:,} rows are there, and no image has another size "
            "or time of writing since",
            f"the bytes of {counted(changes.compared, 'image')} were compared and are those that were extracted"
            if changes.compared
            else "",
            "all parts were read and are whole" if verify else "",
            f"the store has version {manifest.provenance.spec_version} of the format, which cannot tell whether images "
            f"were replaced since; delete {self.job.folder} to make it again"
            if old
            else "",
        ]
        return Outcome(manifest, 0, tuple(note for note in notes if note))

    def finish(self, todo: Todo, seconds: dict[str, float]) -> Outcome:
        """The manifest, once the parts of `todo` are made."""
        job, parts, missing, changes = self.job, len(self.places), todo.missing, todo.changes
        kept = self._rejected_of_others(missing)
        images = sum(len(self.places[part]) for part in missing)
        self.lease.check()
        unseen = None if self.listing.synthesis is None else unseen_images(self.listing)
        manifest = self.writer.finish(parts, kept, seconds, unseen)
        _check_account(job, manifest, len(self.listing))
        notes = [
            self._mended(todo.damaged),
            f"{parts - len(missing)} of {parts} parts were there already" if len(missing) < parts else "",
            f"{_were(changes.images)} replaced since extraction; what is in the same parts ({len(changes.parts)} of "
            f"{parts}) was made again"
            if changes.images
            else "",
            _where_time_went(images, seconds) if images else "",
        ]
        return Outcome(manifest, images, tuple(note for note in notes if note))

    def _rejected_of_others(self, missing: Sequence[int]) -> list[dict[str, Any]]:
        """The store's rejected images, but for those of parts that are made now or that have a list of their own."""
        rows = self.writer.rejected()
        parts = {int(self._part_of[row["sample_id"]]) for row in rows}
        gone = set(missing) | {part for part in parts if self.writer.rejected_of(part) is not None}
        return [row for row in rows if int(self._part_of[row["sample_id"]]) not in gone]


def _check(job: Extraction) -> None:
    if job.dtype not in ("float16", "float32"):
        raise InputError(f"embeddings cannot be stored as {job.dtype!r}; choose float16 or float32")
    for name, value, least in (
        ("part-rows", job.part_rows, 1),
        ("batch-size", job.batch_size, 1),
        ("decode-workers", job.decode_workers, 0),
    ):
        if value is not None and value < least:
            raise InputError(f"--{name} is {value}, it must be at least {least}")


def _here(
    works: Sequence[Work],
    backbone: "Backbone",
    outputs: Sequence[tuple],
    parts: Sequence[int],
    done: Callable[[int], None],
) -> dict[str, float]:
    """Make `parts` in this process, on all its cores or all its GPUs."""
    from gapscope.extraction.pipeline import Output, Settings, run_parts  # here, because it loads torch

    job, source = works[0].job, works[0].source
    decoders = _decoders(job, len(source.listing))
    settings = Settings(job.part_rows, job.seed, job.batch_size, decoders, processors(), job.attributes)
    choice = together([work.job.backbone for work in works])
    return run_parts(source, _replicas(choice, backbone), [Output(*one) for one in outputs], settings, done)


def _decoders(job: Extraction, images: int) -> int:
    wanted = min(processors(), MOST_DECODERS) if job.decode_workers is None else job.decode_workers
    return min(wanted, images)


def _replicas(choice: BackboneChoice, backbone: "Backbone") -> list["Backbone"]:
    """One copy of the backbone per GPU where ``auto`` found several, else the one there is."""
    from torch import cuda

    if backbone.device.type != "cuda" or choice.device not in ("auto", "cuda"):
        return [backbone]
    return [backbone, *(replace(choice, device=f"cuda:{index}").load() for index in range(1, cuda.device_count()))]


def _on_cluster(
    scheduler: str,
    works: Sequence[Work],
    backbone: "Backbone",
    outputs: Sequence[tuple],
    parts: Sequence[int],
    done: Callable[[int], None],
) -> dict[str, float]:
    """Make `parts` on the workers of a cluster, each of which loads the backbone once."""
    from gapscope.extraction.worker import PartTask, Store, make_part

    sizes = [part_size(len(works[0].listing), part, works[0].job.part_rows) for part in parts]
    choice = replace(together([work.job.backbone for work in works]), precision=backbone.precision)
    stores = tuple(Store(replace(one.job, backbone=choice), one.writer.provenance) for one in works)
    tasks = [PartTask(stores, choice, part) for part in parts]
    with connect(scheduler) as workers:
        spent = workers.each(make_part, tasks, lambda index: done(sizes[index]))
    return {name: sum(seconds[name] for seconds in spent) for name in spent[0]} if spent else {}


def _write_head(folder: Location, backbone: "Backbone") -> None:
    head = backbone.head
    if head is not None and not _is_whole(folder / HEAD):
        about = {"classes": str(len(head.bias)), "backbone": backbone.name}
        if head.class_names:
            about["class_names"] = json.dumps(head.class_names)
        write_tensors(folder / HEAD, {"weight": head.weight, "bias": head.bias}, about)


def _is_whole(place: Location) -> bool:
    try:
        return place.exists() and bool(read_tensors(place))
    except DamageError:
        return False


def _check_account(job: Extraction, manifest: StoreManifest, listed: int) -> None:
    if manifest.rows + manifest.rejected != listed:
        raise SchemaError(
            f"{job.folder} has {counted(manifest.rows, 'row')} and {counted(manifest.rejected, 'rejected image')}, "
            f"but {listed:,} were "
            "listed; delete the folder and extract again"
        )
    if not manifest.rows:
        first = open_store(job.folder).rejected()[0]
        raise InputError(
            f"none of the {listed:,} images of {job.dataset}/{job.split} can be decoded; the first, "
            f"{first['path']}: {first['reason']} (all of them in {job.folder}/rejected.parquet)"
        )


def _were(images: int) -> str:
    return f"{counted(images, 'image')} {'was' if images == 1 else 'were'}"


def _where_time_went(images: int, seconds: dict[str, float]) -> str:
    total = max(seconds["total"], 1e-9)
    parts = ", ".join(f"{name} {seconds[name]:.1f}" for name in ("decoding", "inferring", "writing", "waiting"))
    if total < MEANINGFUL_SECONDS:
        bottleneck = "starting up"
    else:
        stalled = seconds["waiting"] > 0.2 * (seconds["waiting"] + seconds["inferring"])
        bottleneck = "reading and decoding" if stalled else "the network"
    return (
        f"{counted(images, 'image')} in {total:.1f} s, {images / total:,.1f} images/s (seconds: {parts}); "
        f"the bottleneck is {bottleneck}"
    )
