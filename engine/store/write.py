"""Parts, ledger and manifest of a store, written so that a killed job can continue."""

from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from gapscope.core.errors import ConfigMismatchError, SchemaError
from gapscope.core.hashing import digest_json
from gapscope.core.location import Location
from gapscope.schemas.embeddings import (
    PART_METADATA,
    PART_NAME,
    REJECTED_SCHEMA,
    Part,
    Provenance,
    StoreManifest,
    embedding_schema,
)

ROW_GROUP_ROWS = 4096
MANIFEST, REJECTED, HEAD = "manifest.json", "rejected.parquet", "head.safetensors"
NOT_COMPARED = ("code_version", "source", "weights")  # the weights' hash is compared, not the place they came from
LEDGER = "rejected-{:05d}.parquet"


def config_hash(provenance: Provenance) -> str:
    """Digest of everything in `provenance` that decides the rows and vectors of a store."""
    return digest_json(provenance.model_dump(exclude=set(NOT_COMPARED)))


def differences(found: Provenance, asked: Provenance) -> list[str]:
    """One phrase per field in which two provenances differ, fields that decide nothing left out."""
    before, now = found.model_dump(), asked.model_dump()
    return [
        f"{name} was {_short(before.get(name))}, now {_short(now.get(name))}"
        for name in before | now
        if name not in NOT_COMPARED and before.get(name) != now.get(name)
    ]


def _short(value: object, limit: int = 120) -> str:
    text = repr(value)
    return text if len(text) <= limit else f"{text[:limit]}…"


def embedding_column(x: np.ndarray, dtype: str) -> pa.Array:
    """``x : (n, d)`` as a ``fixed_size_list`` column of `dtype`."""
    schema = embedding_schema(x.shape[1], dtype).field("embedding").type
    values = pa.array(np.ascontiguousarray(x, dtype=dtype).reshape(-1))
    return pa.FixedSizeListArray.from_arrays(values, type=schema)


class StoreWriter:
    """Writes one store: `part` in any order, from any process, then `finish` once.

    The folder holds a manifest with ``complete: false`` from the first moment. Each part and each part's list of
    rejected images appears under its final name only when it is whole, so a part that is there is finished, and a
    second run makes only the missing ones.

    Raises
    ------
    ConfigMismatchError
        The folder holds a store made with another provenance.
    """

    def __init__(self, folder: Location, provenance: Provenance):
        self.folder = folder
        self.provenance = provenance
        self.config_hash = config_hash(provenance)

    def begin(self) -> None:
        """Write the opening manifest, or check that the one that is there was made with the same provenance."""
        if (self.folder / MANIFEST).exists():
            self._check_manifest(read_manifest(self.folder))
        else:
            self._write_manifest(StoreManifest(provenance=self.provenance, config_hash=self.config_hash))

    def _check_manifest(self, found: StoreManifest) -> None:
        if found.config_hash != self.config_hash:
            changes = "; ".join(differences(found.provenance, self.provenance))
            raise ConfigMismatchError(
                f"{self.folder} was made with another configuration ({changes}); repeat that configuration to "
                "continue it, or delete the folder or choose another --workspace to start anew"
            )

    @property
    def is_complete(self) -> bool:
        """Whether the store was finished."""
        return read_manifest(self.folder).complete

    def part(self, index: int, table: pa.Table, rejected: Sequence[Mapping] = ()) -> None:
        """Write part `index`, with the ``(sample_id, path, reason)`` of the rows it should have had but has not."""
        schema = self._part_schema()
        if not table.schema.equals(schema):
            raise SchemaError(f"a part has columns {table.schema}, the store's schema is {schema}")
        # The ledger comes first: a part that is there vouches for its ledger.
        if rejected:
            self._write_table(LEDGER.format(index), pa.Table.from_pylist(list(rejected), REJECTED_SCHEMA))
        self._write_table(PART_NAME.format(index), table.replace_schema_metadata(self._metadata()))

    def finished_rows(self, index: int) -> int | None:
        """Rows of part `index` if it is finished and belongs to this configuration, else None."""
        place = self.folder / PART_NAME.format(index)
        if not place.exists():
            return None
        try:
            with pq.ParquetFile(place.path, filesystem=place.filesystem) as file:
                metadata = file.metadata.metadata or {}
                matches = metadata.get(b"gapscope.config_hash") == self.config_hash.encode()
                return file.metadata.num_rows if matches else None
        except pa.ArrowInvalid:
            return None

    def finish(
        self,
        parts: int,
        rejected: Sequence[Mapping] = (),
        seconds: Mapping[str, float] | None = None,
        unseen: np.ndarray | None = None,
    ) -> StoreManifest:
        """Gather the ledgers into `rejected.parquet` and write the final manifest of a store of `parts` parts.

        Parameters
        ----------
        unseen : (u,) int64
            Of a store with synthetic rows, the ``sample_id`` of each real one that no generator has seen, rejected ones
            among them. Their rows are the last of the store.
        """
        rows = [self.finished_rows(index) for index in range(parts)]
        missing = [index for index, count in enumerate(rows) if count is None]
        if missing:
            raise SchemaError(f"{self.folder} lacks part {missing[0]} of {parts}; run the command again to make it")
        ledger = self._gather(parts, rejected)
        self._write_table(REJECTED, ledger)
        manifest = StoreManifest(
            provenance=self.provenance,
            config_hash=self.config_hash,
            complete=True,
            parts=[Part(name=PART_NAME.format(index), rows=count) for index, count in enumerate(rows)],
            rejected=len(ledger),
            unseen=None if unseen is None else int(np.isin(unseen, ledger["sample_id"].to_numpy(), invert=True).sum()),
            seconds={name: round(value, 3) for name, value in (seconds or {}).items()},
        )
        self._write_manifest(manifest)
        for index in range(parts):
            (self.folder / LEDGER.format(index)).delete()
        return manifest

    def _gather(self, parts: int, rejected: Sequence[Mapping]) -> pa.Table:
        places = [self.folder / LEDGER.format(index) for index in range(parts)]
        tables = [pq.read_table(place.path, filesystem=place.filesystem) for place in places if place.exists()]
        tables.append(pa.Table.from_pylist(list(rejected), REJECTED_SCHEMA))
        return pa.concat_tables(tables).sort_by("sample_id")

    def _part_schema(self) -> pa.Schema:
        made = self.provenance
        return embedding_schema(made.dim, made.dtype, synthetic=made.synthetic is not None)

    def _metadata(self) -> dict[bytes, bytes]:
        return {
            PART_METADATA: self.provenance.model_dump_json().encode(),
            b"gapscope.config_hash": self.config_hash.encode(),
        }

    def _write_table(self, name: str, table: pa.Table) -> None:
        # Embeddings are noise to a dictionary and to a compressor: both only cost time.
        (self.folder / name).write_atomically(
            lambda file: pq.write_table(
                table,
                file,
                row_group_size=ROW_GROUP_ROWS,
                use_dictionary=["path"] if "path" in table.column_names else False,
                compression={"path": "zstd"} if "embedding" in table.column_names else "zstd",
                write_statistics=["sample_id", "label"] if "embedding" in table.column_names else True,
            )
        )

    def _write_manifest(self, manifest: StoreManifest) -> None:
        (self.folder / MANIFEST).write_text(manifest.model_dump_json(indent=1))


def read_manifest(folder: Location) -> StoreManifest:
    """The manifest of the store in `folder`.

    Raises
    ------
    SchemaError
        There is none, or it was written by a newer gapscope.
    """
    place = folder / MANIFEST
    if not place.exists():
        raise SchemaError(f"{folder} holds no embedding store (no {MANIFEST}); make one with `extract` or `import-csv`")
    try:
        return StoreManifest.model_validate_json(place.read_bytes())
    except ValueError as error:
        raise SchemaError(f"{place} is not a manifest that this gapscope can read: {error}") from error
