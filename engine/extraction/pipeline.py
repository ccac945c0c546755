"""Parts of a store on one machine: decoding, network and writing at the same time, across the borders of parts."""

import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from time import perf_counter
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from gapscope.attributes.attribute import Measured
from gapscope.attributes.table import UNKNOWN, table_of
from gapscope.backbones.backbone import Backbone
from gapscope.core.errors import DivergedError
from gapscope.data.source import Listing, Source
from gapscope.extraction.decode import TASK_IMAGES, Decoded, Decoder
from gapscope.extraction.lanes import Lanes, lanes
from gapscope.extraction.plan import Batch, batches_of, part_indices, stored_order
from gapscope.extraction.smallness import TooSmall
from gapscope.schemas.embeddings import embedding_schema
from gapscope.store import StoreWriter
from gapscope.store.smallness import Smallness
from gapscope.store.write import embedding_column

FLOAT16_MAX = 65504
# The part whose rows, a fair sample of all as rows are shuffled, decide whether features are too small for float16.
DECIDING_PART = 0
WRITES_AHEAD = 2


class Settings(NamedTuple):
    """How the work is cut and spread. Only `part_rows` and `seed` decide what is stored.

    Attributes
    ----------
    batch_size
        None for what suits the backbone's device.
    decoders
        Decode processes, 0 for a thread.
    cores
        Processor cores for the network.
    attributes
        Whether attributes of the images are measured too.
    """

    part_rows: int
    seed: int
    batch_size: int | None
    decoders: int
    cores: int
    attributes: bool = False


class Output(NamedTuple):
    """A store that is filled: its writer, the parts that it lacks, and its columns of what the network gives."""

    writer: StoreWriter
    parts: frozenset[int]
    columns: slice = slice(None)


@dataclass
class PartInMemory:
    """A part while its batches come in, in any order.

    Attributes
    ----------
    x : (n, d) float16 or float32
    digests : (n,) uint64
        Of the bytes that each image was made from; 0 where none could be read.
    smallness
        What `Smallness` counts, where float16 is to be decided on.
    reasons
        Position in the part of each image without a vector, and why.
    measured
        What is measured of each image, by its position in the part; None where nothing is to be measured.
    """

    index: int
    indices: np.ndarray
    x: np.ndarray
    digests: np.ndarray
    missing: int
    smallness: Smallness | None = None
    reasons: dict[int, str] = field(default_factory=dict)
    measured: dict[int, Measured] | None = None

    def table(self, listing: Listing, dtype: str) -> pa.Table:
        """The rows that have a vector."""
        good = np.ones(len(self.indices), bool)
        good[list(self.reasons)] = False
        sample_ids = self.indices[good]
        synthesis = listing.synthesis
        columns = [
            pa.array(sample_ids, pa.int64()),
            pa.array([listing.names[index] for index in sample_ids.tolist()], pa.string()),
            pa.array(listing.labels[sample_ids], pa.int32()),
            embedding_column(self.x[good] if self.reasons else self.x, dtype),
            *([pa.array(synthesis.made[sample_ids])] if synthesis is not None else []),
            pa.array(self.digests[good]),
        ]
        schema = embedding_schema(self.x.shape[1], dtype, synthetic=synthesis is not None, digests=True)
        return pa.Table.from_arrays(columns, schema=schema)

    def attributes(self) -> pa.Table | None:
        """What is measured of the rows that have a vector."""
        if self.measured is None:
            return None
        good = [at for at in range(len(self.indices)) if at not in self.reasons]
        return table_of(self.indices[good], [self.measured.get(at, UNKNOWN) for at in good])

    def ledger(self, listing: Listing) -> list[dict]:
        """The rows that have none."""
        return [
            {
                "sample_id": int(self.indices[at]),
                "path": listing.names[self.indices[at]],
                "reason": reason,
                "digest": int(self.digests[at]) or None,
            }
            for at, reason in sorted(self.reasons.items())
        ]


def run_parts(
    source: Source,
    backbones: Sequence[Backbone],
    outputs: Sequence[Output],
    settings: Settings,
    done: Callable[[int], None],
    order: np.ndarray | None = None,
) -> dict[str, float]:
    """Make the parts that the `outputs` lack and hand each to its writer; ``done(n)`` is called as images go by.

    Each image is decoded once, and goes through the network once, however many stores want a tensor of it.

    Parameters
    ----------
    order
        The `stored_order` of the listing, for whoever makes one part after another; made here when not given.

    Returns
    -------
    seconds
        ``decoding`` and ``writing`` of work, added up over workers; ``inferring`` and ``waiting`` of the network, on
        average over its lanes.
    """
    begun, batch_size = perf_counter(), settings.batch_size or backbones[0].batch_size
    order = stored_order(source.listing, settings.seed) if order is None else order
    parts = sorted(frozenset().union(*(one.parts for one in outputs)))
    batches = batches_of(order, parts, settings.part_rows, batch_size)
    with lanes(backbones, settings.cores) as network, ExitStack() as stack:
        writers = [stack.enter_context(PartWriter(one.writer, source.listing)) for one in outputs]
        # Each lane has a batch in work and one ready, and every decoder a task in work and one ready.
        slots = 1 + 2 * network.count + -(-2 * settings.decoders * TASK_IMAGES // batch_size)
        measuring = {"attributes": settings.attributes}
        with Decoder(source, backbones[0].preprocessing, batch_size, slots, settings.decoders, **measuring) as decoder:
            assemblies = [
                Assembly(one, number, source.listing, order, settings, out)
                for number, (one, out) in enumerate(zip(outputs, writers, strict=True))
            ]
            pump(decoder, network, batches, assemblies, done)
        for out in writers:
            out.wait()
        inferring = network.seconds / network.count
        waiting = max(0.0, perf_counter() - begun - inferring)
    return {"decoding": decoder.seconds, "inferring": inferring, "writing": sum(out.seconds for out in writers)} | {
        "waiting": waiting
    }


def pump(
    decoder: Decoder, network: Lanes, batches, assemblies: Sequence["Assembly"], done: Callable[[int], None]
) -> None:
    """Move batches from the decoder through the network into the assemblies, keeping both busy."""
    running: deque[tuple[Decoded, Future[np.ndarray]]] = deque()

    def collect() -> None:
        decoded, future = running.popleft()
        features = future.result()
        for assembly in assemblies:
            assembly.add(decoded, features)
        done(len(decoded.batch.indices))

    for decoded in decoder.stream(batches):
        future = network.submit(decoded.images)
        future.add_done_callback(lambda _, slot=decoded.slot: decoder.release(slot))
        running.append((decoded, future))
        while running and running[0][1].done():
            collect()
    while running:
        collect()


class Assembly:
    """Gathers the vectors of batches into the parts of one store, and hands each finished part on."""

    def __init__(
        self, output: Output, number: int, listing: Listing, order: np.ndarray, settings: Settings, out: "PartWriter"
    ):
        self._provenance, self._listing, self._order = output.writer.provenance, listing, order
        self._output, self._number = output, number
        self._settings, self._out = settings, out
        self._open: dict[int, PartInMemory] = {}

    def add(self, decoded: Decoded, features: np.ndarray) -> None:
        """Take the ``features : (batch_size, d) float32`` of a batch, of which only its own images and columns count.

        Raises
        ------
        TooSmall
            Its part decides about float16, and decides against it.
        """
        batch, reasons = decoded.batch, decoded.reasons
        if batch.part not in self._output.parts:
            return
        features = features[:, self._output.columns]
        part = self._open.get(batch.part) or self._begin(batch.part)
        rows = slice(batch.start, batch.start + len(batch.indices))
        with np.errstate(over="ignore"):
            part.x[rows] = features[: len(batch.indices)]
        self._check(batch, part.x[rows], features, reasons)
        part.digests[rows] = decoded.digests
        if part.smallness is not None:
            good = [at for at in range(len(batch.indices)) if at not in reasons]
            part.smallness.add(np.ascontiguousarray(features[good], np.float32))
        if part.measured is not None:
            part.measured.update({batch.start + at: one for at, one in decoded.measured.items()})
        part.reasons.update({batch.start + at: reason for at, reason in reasons.items()})
        part.missing -= len(batch.indices)
        if not part.missing:
            self._check_smallness(part)
            self._out.put(self._open.pop(batch.part))

    def _begin(self, index: int) -> PartInMemory:
        indices = part_indices(self._order, index, self._settings.part_rows)
        x = np.empty((len(indices), self._provenance.dim), self._provenance.dtype)
        decides = index == DECIDING_PART and self._provenance.dtype == "float16"
        smallness = Smallness(self._provenance.dim) if decides else None
        digests = np.zeros(len(indices), np.uint64)
        part = PartInMemory(index, indices, x, digests, len(indices), smallness)
        part.measured = {} if self._settings.attributes else None
        return self._open.setdefault(index, part)

    def _check(self, batch: Batch, stored: np.ndarray, features: np.ndarray, reasons: dict[int, str]) -> None:
        bad = [at for at in np.flatnonzero(~np.isfinite(stored).all(axis=1)).tolist() if at not in reasons]
        if bad:
            name, vector = self._listing.names[batch.indices[bad[0]]], features[bad[0]]
            raise DivergedError(f"the embedding of {name} {_what_is_wrong(vector, self._provenance)}")

    def _check_smallness(self, part: PartInMemory) -> None:
        lossy = 0 if part.smallness is None else part.smallness.lossy()
        if lossy:
            raise TooSmall(f"{lossy:,} of {part.x.shape[1]:,}", self._number)


def _what_is_wrong(vector: np.ndarray, provenance) -> str:
    if np.isfinite(vector).all():
        return f"holds {np.abs(vector).max():,.0f}, but float16 ends at {FLOAT16_MAX:,}; store it with --dtype float32"
    if provenance.precision != "float32":
        other = "float32" if provenance.precision == "bfloat16" else "bfloat16"
        return f"is not finite in {provenance.precision}; compute with --precision {other}"
    return "is not finite; the weights do not fit this network, or its input is normalised wrongly"


class PartWriter:
    """Writes parts in a thread; a context manager."""

    def __init__(self, writer: StoreWriter, listing: Listing):
        self._writer, self._listing, self.seconds = writer, listing, 0.0
        self._pool, self._room = ThreadPoolExecutor(1, "write"), threading.Semaphore(WRITES_AHEAD)
        self._futures: list[Future[None]] = []

    def __enter__(self) -> "PartWriter":
        return self

    def __exit__(self, *error: object) -> None:
        self._pool.shutdown()

    def put(self, part: PartInMemory) -> None:
        """Have `part` written; waits while two others are in line."""
        self._room.acquire()
        self._futures = [future for future in self._futures if not _finished(future)]
        self._futures.append(self._pool.submit(self._write, part))

    def wait(self) -> None:
        """Wait until all is written."""
        for future in self._futures:
            future.result()

    def _write(self, part: PartInMemory) -> None:
        begun = perf_counter()
        try:
            table = part.table(self._listing, self._writer.provenance.dtype)
            self._writer.part(part.index, table, part.ledger(self._listing), part.attributes())
        finally:
            self._room.release()
            self.seconds += perf_counter() - begun


def _finished(future: Future[None]) -> bool:
    """Whether it is done; raises what it raised."""
    return future.done() and future.result() is None
