"""One split's images through a backbone into a store: what is asked for, and its way to a finished manifest."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from hashlib import sha256
from importlib.metadata import PackageNotFoundError, version
from time import perf_counter
from typing import TYPE_CHECKING

import numpy as np
from gapscope.backbones import BackboneChoice
from gapscope.core.errors import InputError, SchemaError
from gapscope.core.location import Location
from gapscope.core.progress import SILENT, Progress
from gapscope.core.threads import processors
from gapscope.data.decode import DECODER
from gapscope.data.source import Listing, Source
from gapscope.extraction.plan import part_count, part_indices, stored_order, unseen_images
from gapscope.schemas.embeddings import Provenance, StoreManifest, SyntheticRows
from gapscope.store import EmbeddingStore, StoreWriter, open_store
from gapscope.store.write import HEAD, LEDGER, read_manifest
from gapscope.stream import connect
from safetensors.numpy import save

if TYPE_CHECKING:
    from gapscope.backbones.backbone import Backbone

# Beyond this, decode processes wait for the disk and each other.
MOST_DECODERS = 32

# Shorter runs spend their time on starting processes.
MEANINGFUL_SECONDS = 5


@dataclass(frozen=True)
class Extraction:
    """What is extracted, and where it goes; pickled to workers, so it names its images instead of listing them.

    Attributes
    ----------
    open_source
        A picklable function that opens the images, the same on every machine.
    place
        Where the images are, for people.
    part_rows
        Images per part, the unit that a killed run repeats.
    batch_size
        Images per batch; None for what suits the device. Vectors of another batch size may differ in their last bits.
    decode_workers
        Decode processes; None for one per processor core, 0 for a thread instead.
    """

    dataset: str
    split: str
    folder: Location
    open_source: Callable[[], Source]
    backbone: BackboneChoice
    place: str = ""
    companion_of: str = ""
    dtype: str = "float16"
    part_rows: int = 8192
    seed: int = 0
    batch_size: int | None = None
    decode_workers: int | None = None


@dataclass(frozen=True)
class Outcome:
    """What an extraction did: the store's manifest, images extracted by this run, and sentences for the user."""

    manifest: StoreManifest
    images: int
    notes: tuple[str, ...]


def extract(
    job: Extraction, backbone: "Backbone | None" = None, scheduler: str | None = None, progress: Progress = SILENT
) -> Outcome:
    """Make the store of `job`, or what is missing of it.

    Parameters
    ----------
    backbone
        ``job.backbone``, where it has been loaded already.
    scheduler
        Address of a Dask cluster whose workers make the parts; they must see the images and the folder of the store.

    Raises
    ------
    ConfigMismatchError
        The folder holds a store of another configuration.
    DivergedError
        An embedding is not finite.
    InputError
        There are no images, or none of them can be decoded.
    """
    begun = perf_counter()
    _check(job)
    source = job.open_source()
    listing = source.listing
    if not len(listing):
        raise InputError(f"{job.dataset}/{job.split} has no images ({job.place or 'its source'} lists none)")
    backbone = backbone or job.backbone.load()
    writer = StoreWriter(job.folder, provenance_of(job, source, backbone))
    writer.begin()
    _write_head(job.folder, backbone)
    parts = part_count(len(listing), job.part_rows)
    missing = [part for part in range(parts) if writer.finished_rows(part) is None]
    if not missing and writer.is_complete:
        manifest = open_store(job.folder).manifest
        return Outcome(manifest, 0, (f"{parts} finished parts were verified, nothing was left to do",))
    kept = _kept_ledger(job, listing, missing)
    images = sum(len(part_indices(np.arange(len(listing)), part, job.part_rows)) for part in missing)
    with progress.task(f"extracting {job.dataset}/{job.split} with {backbone.name}", images, "images") as task:
        run = partial(_on_cluster, scheduler) if scheduler else _here
        seconds = run(job, source, backbone, writer, missing, task.advance)
    seconds["total"] = perf_counter() - begun
    manifest = writer.finish(parts, kept, seconds, None if listing.synthesis is None else unseen_images(listing))
    _check_account(job, manifest, len(listing))
    resumed = [f"{parts - len(missing)} of {parts} parts were there already"] if len(missing) < parts else []
    return Outcome(manifest, images, (*resumed, _where_time_went(images, seconds)))


def provenance_of(job: Extraction, source: Source, backbone: "Backbone") -> Provenance:
    """Everything that decides the bytes of the store of `job`."""
    return Provenance(
        backbone=backbone.name,
        backbone_args={name: list(v) if isinstance(v, tuple) else v for name, v in sorted(backbone.arguments.items())},
        precision=backbone.precision,
        weights=backbone.weights,
        weights_hash=backbone.weights_hash,
        layer=backbone.layer,
        preprocessing=backbone.preprocessing.as_dict(),
        decoder=DECODER,
        dim=backbone.dim,
        dtype=job.dtype,
        dataset=job.dataset,
        split=job.split,
        source=job.place,
        fingerprint=source.listing.fingerprint(),
        class_names=source.listing.class_names,
        companion_of=job.companion_of,
        seed=job.seed,
        part_rows=job.part_rows,
        code_version=_version(),
        synthetic=_synthetic_rows(source.listing),
    )


def _synthetic_rows(listing: Listing) -> SyntheticRows | None:
    if listing.synthesis is None:
        return None
    bits = b"".join(np.packbits(which).tobytes() for which in listing.synthesis)
    made, unseen = int(listing.synthesis.made.sum()), len(unseen_images(listing))
    return SyntheticRows(made=made, unseen=unseen, hash=sha256(bits).hexdigest())


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


def _version() -> str:
    try:
        return version("gapscope")
    except PackageNotFoundError:
        return "unknown"


def _here(
    job: Extraction,
    source: Source,
    backbone: "Backbone",
    writer: StoreWriter,
    parts: Sequence[int],
    done: Callable[[int], None],
) -> dict[str, float]:
    """Make `parts` in this process, on all its cores or all its GPUs."""
    from gapscope.extraction.pipeline import Settings, run_parts  # here, because it loads torch

    settings = Settings(job.part_rows, job.seed, job.batch_size, _decoders(job, len(source.listing)), processors())
    return run_parts(source, _replicas(job.backbone, backbone), writer, parts, settings, done)


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
    job: Extraction,
    source: Source,
    backbone: "Backbone",
    writer: StoreWriter,
    parts: Sequence[int],
    done: Callable[[int], None],
) -> dict[str, float]:
    """Make `parts` on the workers of a cluster, each of which loads the backbone once."""
    from gapscope.extraction.worker import PartTask, make_part

    sizes = [len(part_indices(np.arange(len(source.listing)), part, job.part_rows)) for part in parts]
    choice = replace(job.backbone, precision=backbone.precision)
    tasks = [PartTask(replace(job, backbone=choice), writer.provenance, part) for part in parts]
    with connect(scheduler) as workers:
        spent = workers.each(make_part, tasks, lambda index: done(sizes[index]))
    return {name: sum(seconds[name] for seconds in spent) for name in spent[0]} if spent else {}


def _write_head(folder: Location, backbone: "Backbone") -> None:
    head = backbone.head
    if head is not None and not (folder / HEAD).exists():
        about = {"classes": str(len(head.bias)), "backbone": backbone.name}
        if head.class_names:
            about["class_names"] = json.dumps(head.class_names)
        data = save({"weight": head.weight, "bias": head.bias}, metadata=about)
        (folder / HEAD).write_atomically(lambda file: file.write(data))


def _kept_ledger(job: Extraction, listing: Listing, missing: Sequence[int]) -> list[dict]:
    """Rows of the ledger of a finished store of which only the parts `missing` were lost, and are made again."""
    store = job.folder
    if not read_manifest(store).complete:
        return []
    order = stored_order(listing, job.seed)
    remade = {index for part in missing for index in part_indices(order, part, job.part_rows).tolist()}
    parts = [part for part in range(part_count(len(listing), job.part_rows)) if (store / LEDGER.format(part)).exists()]
    remade |= {index for part in parts for index in part_indices(order, part, job.part_rows).tolist()}
    return [row for row in EmbeddingStore(store, read_manifest(store)).rejected() if row["sample_id"] not in remade]


def _check_account(job: Extraction, manifest: StoreManifest, listed: int) -> None:
    if manifest.rows + manifest.rejected != listed:
        raise SchemaError(
            f"{job.folder} has {manifest.rows:,} rows and {manifest.rejected:,} rejected images, but {listed:,} were "
            "listed; delete the folder and extract again"
        )
    if not manifest.rows:
        first = open_store(job.folder).rejected()[0]
        raise InputError(
            f"none of the {listed:,} images of {job.dataset}/{job.split} can be decoded; the first, "
            f"{first['path']}: {first['reason']} (all of them in {job.folder}/rejected.parquet)"
        )


def _where_time_went(images: int, seconds: dict[str, float]) -> str:
    total = max(seconds["total"], 1e-9)
    parts = ", ".join(f"{name} {seconds[name]:.1f}" for name in ("decoding", "inferring", "writing", "waiting"))
    if total < MEANINGFUL_SECONDS:
        bottleneck = "starting up"
    else:
        stalled = seconds["waiting"] > 0.2 * (seconds["waiting"] + seconds["inferring"])
        bottleneck = "reading and decoding" if stalled else "the network"
    return (
        f"{images:,} images in {total:.1f} s, {images / total:,.1f} images/s (seconds: {parts}); "
        f"the bottleneck is {bottleneck}"
    )
