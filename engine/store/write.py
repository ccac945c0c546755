"""Parts, ledger and manifest of a store, written so that a killed job can continue."""

from collections.abc import Mapping, Sequence
from itertools import zip_longest
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from gapscope.core.errors import ConfigMismatchError, DamageError, SchemaError
from gapscope.core.files import (
    check_version,
    damaged,
    read_object,
    read_sealed,
    read_table,
    seal_of,
    validated,
    write_json,
    write_table,
)
from gapscope.core.hashing import digest_json
from gapscope.core.location import Location
from gapscope.core.text import counted
from gapscope.schemas import SPEC_VERSION
from gapscope.schemas.attributes import ATTRIBUTES_NAME, BESIDE, COLUMNS_NAME, SAMPLE_ID
from gapscope.schemas.embeddings import (
    FILES_NAME,
    PART_METADATA,
    PART_NAME,
    REJECTED_SCHEMA,
    Part,
    Provenance,
    StoreManifest,
    embedding_schema,
)
from gapscope.store.contents import digest_rows
from gapscope.store.read import CONFIG_HASH, CONTENT, PART_INDEX, Footer, PartFile, read_footer, read_part

ROW_GROUP_ROWS = 4096
MANIFEST, REJECTED, HEAD = "manifest.json", "rejected.parquet", "head.safetensors"
# What decides neither rows nor vectors: the weights' hash is compared, not the place they came from, and the tensor
# follows from the other fields.
NOT_HASHED = ("code_version", "source", "weights", "tensor")
NOT_COMPARED = (*NOT_HASHED, "spec_version")
LEDGER = "rejected-{:05d}.parquet"
# Characters of a value in a message; of longer ones, the part that differs.
SHOWN = 120


def config_hash(provenance: Provenance) -> str:
    """Digest of everything in `provenance` that decides the rows and vectors of a store, and of its format."""
    return digest_json(provenance.model_dump(exclude=set(NOT_HASHED)))


def differences(result: Provenance, asked: Provenance) -> list[str]:
    """One phrase per field in which two provenances differ, fields that decide nothing left out."""
    return list(_changes(result, asked).values())


def _changes(result: Provenance, asked: Provenance) -> dict[str, str]:
    before, now = result.model_dump(), asked.model_dump()
    changes = {
        name: _change(name, before.get(name), now.get(name))
        for name in before | now
        if name not in NOT_COMPARED and before.get(name) != now.get(name)
    }
    if "fingerprint" in changes:
        were, are = before["fingerprint"]["count"], now["fingerprint"]["count"]
        same = f"names or labels of its {are:,} images are others"
        changes["fingerprint"] = same if were == are else f"there were {were:,} images, now {are:,}"
        changes.pop("synthetic", None)  # which of them are made says nothing more
    return changes


def _change(name: str, before: Any, now: Any) -> str:
    """What differs between two values of a field, cut down to that: the keys of tables, the first items of lists."""
    if isinstance(before, dict) and isinstance(now, dict):
        keys = [key for key in before | now if before.get(key) != now.get(key)]
        return "; ".join(_change(f"{name}.{key}", before.get(key), now.get(key)) for key in keys)
    if isinstance(before, list) and isinstance(now, list) and len(repr([before, now])) > SHOWN:
        at = next(i for i, (one, other) in enumerate(zip_longest(before, now)) if one != other)
        items = (values[at] if at < len(values) else None for values in (before, now))
        counts = (
            f"{name} had {counted(len(before), 'entry', 'entries')}, now {len(now):,}; "
            if len(before) != len(now)
            else ""
        )
        return f"{counts}{_change(f'{name}[{at}]', *items)}"
    texts = repr(before), repr(now)
    apart = next((i for i, (one, other) in enumerate(zip(*texts, strict=False)) if one != other), 0)
    return f"{name} was {_around(texts[0], apart)}, now {_around(texts[1], apart)}"


def _around(text: str, place: int) -> str:
    """The text, of a long one what stands about `place`."""
    start = max(0, min(place - SHOWN // 4, len(text) - SHOWN))
    begins, ends = "…" if start else "", "…" if start + SHOWN < len(text) else ""
    return f"{begins}{text[start : start + SHOWN]}{ends}"


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

    Parameters
    ----------
    about
        Further fields of the manifest: `place`, `command`, `underflows`, `constant`, `vanished`, `class_numbers`,
        `files`.

    Raises
    ------
    ConfigMismatchError
        The folder holds a store made with another provenance.
    """

    def __init__(self, folder: Location, provenance: Provenance, about: Mapping[str, Any] | None = None):
        self.folder = folder
        self.provenance = provenance
        self.config_hash = config_hash(provenance)
        self.about = dict(about or {})
        self._recorded: dict[int, Part] = {}
        # Recorded parts that were written later than the manifest, and whether those that were read since are whole.
        self.later: set[str] = set()
        self._whole: dict[int, bool] = {}

    def begin(self) -> None:
        """Write the opening manifest, or check that the one that is there was made with the same provenance.

        A whole store of an earlier version of the format stays as it is, and the writer goes on in that version; what
        is there of an unfinished or damaged one is made again.
        """
        if (self.folder / MANIFEST).exists():
            result = read_manifest(self.folder)
            self._check_manifest(result)
            self._recorded = dict(enumerate(result.parts))
            written = self.folder.written()
            self.later = {part.name for part in result.parts if written.get(part.name, 0) > written[MANIFEST]}
            if result.provenance.spec_version == SPEC_VERSION or (result.complete and self._adopted(result)):
                return
            self._recorded = {}
        manifest = StoreManifest(provenance=self.provenance, config_hash=self.config_hash, **self.about)
        self._write_manifest(manifest)

    def _check_manifest(self, result: StoreManifest) -> None:
        changes = _changes(result.provenance, self.provenance)
        if not changes:
            return
        said = "; ".join(changes.values())
        if changes.keys() <= {"fingerprint", "class_names"}:
            raise ConfigMismatchError(
                f"{self.folder} was made of other images ({said}); delete the folder to make it anew, or keep it and "
                "give what is there today a name of its own with --name"
            )
        raise ConfigMismatchError(
            f"{self.folder} was made with another configuration ({said}); repeat that configuration to "
            "continue it, or delete the folder, or choose another name or --workspace to start anew"
        )

    def _adopted(self, result: StoreManifest) -> bool:
        """Whether all parts of the store of an earlier version are there; the writer is then one of that version."""
        own = self.provenance, self.config_hash
        self.provenance, self.config_hash = result.provenance, result.config_hash
        if all(self.finished_rows(index) == part.rows for index, part in enumerate(result.parts)):
            return True
        self.provenance, self.config_hash = own
        return False

    @property
    def is_complete(self) -> bool:
        """Whether the store was finished."""
        return read_manifest(self.folder).complete

    def part(
        self,
        index: int,
        table: pa.Table,
        rejected: Sequence[Mapping[str, Any]] = (),
        attributes: pa.Table | None = None,
    ) -> None:
        """Write part `index`, with the ``(sample_id, path, reason)`` of the rows it should have had but has not, and
        what is measured of the images of its rows.
        """
        schema = self._part_schema(digests="digest" in table.column_names)
        if not table.schema.equals(schema):
            raise SchemaError(f"a part has columns {table.schema}, the store's schema is {schema}")
        # What stands beside a part comes first: a part that is there vouches for it.
        if rejected:
            write_table(self.folder / LEDGER.format(index), pa.Table.from_pylist(list(rejected), REJECTED_SCHEMA))
        (self.folder / ATTRIBUTES_NAME.format(index)).delete()
        if attributes is not None:
            self.write_attributes(index, attributes)
        metadata = {
            PART_METADATA: self.provenance.model_dump_json().encode(),
            CONFIG_HASH: self.config_hash.encode(),
            PART_INDEX: str(index).encode(),
            CONTENT: digest_rows(table).encode(),
        }
        self._write_part(PART_NAME.format(index), table.replace_schema_metadata(metadata))

    def write_attributes(self, index: int, table: pa.Table) -> None:
        """Write what is measured of the images of part `index`, row for row."""
        write_table(self.folder / ATTRIBUTES_NAME.format(index), table)

    def write_columns(self, index: int, table: pa.Table) -> None:
        """Write the columns that the user brought for the rows of part `index`, row for row."""
        write_table(self.folder / COLUMNS_NAME.format(index), table)

    def has_attributes(self, index: int, names: Sequence[str]) -> bool:
        """Whether attributes of these names are there for the rows of part `index`, in their order."""
        rows = self.sample_ids(index)
        try:
            table = read_table(self.folder / ATTRIBUTES_NAME.format(index))
        except (FileNotFoundError, DamageError):
            return False
        same = rows is not None and np.array_equal(table[SAMPLE_ID.name].to_numpy(), rows)
        return same and set(names) <= set(table.column_names)

    def lacks_attributes(self, index: int) -> bool:
        """Whether the manifest speaks of attributes of part `index` that are not there or not these any more."""
        name = ATTRIBUTES_NAME.format(index)
        seal = read_manifest(self.folder).seals.get(name) if (self.folder / MANIFEST).exists() else None
        return seal is not None and not self._is_sealed(name, seal)

    def _is_sealed(self, name: str, seal: str) -> bool:
        try:
            return seal_of(read_sealed(self.folder / name)) == seal
        except (DamageError, FileNotFoundError):
            return False

    def finished_rows(self, index: int) -> int | None:
        """Rows of part `index` if it is finished and belongs to this configuration, else None."""
        footer = self._finished(index)
        return None if footer is None else footer.metadata.num_rows

    def is_as_recorded(self, index: int) -> bool:
        """Whether part `index` is the file that the manifest, if it was complete at the beginning, speaks of; one that
        was written later than the manifest is read whole.
        """
        part = self._recorded.get(index)
        if part is None or part.footer is None:
            return True
        footer = self._finished(index)
        if footer is None or (footer.digest, footer.size) != (part.footer, part.bytes):
            return False
        if part.name in self.later and index not in self._whole:
            self._whole[index] = self.is_readable(index)
        return self._whole.get(index, True)

    def confirm(self) -> None:
        """Write the manifest again where parts later than it were read and are whole: they need not be read again."""
        if self._whole and all(self._whole.values()):
            self.rewrite(read_manifest(self.folder))

    def is_sealed(self) -> bool:
        """Whether the list of rejected images and the store's other files are there and are the recorded ones."""
        return not self.unsealed()

    def unsealed(self) -> list[str]:
        """The store's files beside its parts that are not there, or not the recorded ones."""
        wanted = {REJECTED: "", **read_manifest(self.folder).seals}
        return [name for name, seal in wanted.items() if not self._is_sealed(name, seal)]

    def is_readable(self, index: int) -> bool:
        """Whether all pages of part `index` are there and hold the rows that were written; reads the whole part."""
        footer = self._finished(index)
        if footer is None:
            return False
        place = self.folder / PART_NAME.format(index)
        part = _part(index, footer)
        try:
            return digest_rows(read_part(PartFile(place, part, self.config_hash, index))) == part.digest
        except DamageError:
            return False

    def discard(self, index: int) -> None:
        """Remove part `index`, its list of rejected images and its attributes, so that it is made again."""
        for name in (PART_NAME, LEDGER, ATTRIBUTES_NAME):
            (self.folder / name.format(index)).delete()
        self._recorded.pop(index, None)
        self._whole.pop(index, None)

    def discard_all(self) -> None:
        """Remove the manifest and all parts."""
        (self.folder / MANIFEST).delete()
        for name in self.folder.names():
            if name.endswith(".parquet"):
                (self.folder / name).delete()

    def digests(self, index: int) -> tuple[np.ndarray, np.ndarray] | None:
        """``sample_id : (n,) int64`` of the rows and rejected images of finished part `index`, and the digest of what
        each was made from, ``(n,) uint64``; None where the part is not there or keeps none.
        """
        rows = self._columns(index, ["sample_id", "digest"])
        return None if rows is None else (rows["sample_id"].to_numpy(), rows["digest"].to_numpy())

    def sample_ids(self, index: int) -> np.ndarray | None:
        """``sample_id : (n,) int64`` of the rows of finished part `index`; None where the part is not there."""
        rows = self._columns(index, [SAMPLE_ID.name])
        return None if rows is None else rows[SAMPLE_ID.name].to_numpy()

    def _columns(self, index: int, names: list[str]) -> pa.Table | None:
        """Columns of finished part `index`; None where the part is not there, is damaged or lacks one."""
        footer = self._finished(index)
        if footer is None or not set(names) <= set(footer.metadata.schema.to_arrow_schema().names):
            return None
        part = PartFile(self.folder / PART_NAME.format(index), _part(index, footer), self.config_hash, index)
        try:
            return read_part(part, names)
        except DamageError:
            return None

    def _finished(self, index: int) -> Footer | None:
        """The footer of part `index`, if that is this part of a store of this configuration, else None."""
        place = self.folder / PART_NAME.format(index)
        try:
            footer = read_footer(place)
        except DamageError:
            return None
        own = footer.about.get(CONFIG_HASH) == self.config_hash.encode()
        return footer if own and footer.about.get(PART_INDEX, str(index).encode()) == str(index).encode() else None

    def finish(
        self,
        parts: int,
        rejected: Sequence[Mapping[str, Any]] = (),
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
        records = self._records(parts)
        ledger = self._gather(parts, rejected)
        write_table(self.folder / REJECTED, ledger)
        held = None if unseen is None else int(np.isin(unseen, ledger["sample_id"].to_numpy(), invert=True).sum())
        manifest = self._manifest(records, len(ledger), held, seconds or {})
        self._write_manifest(manifest)
        for index in range(parts):
            (self.folder / LEDGER.format(index)).delete()
        self._recorded, self.later, self._whole = dict(enumerate(manifest.parts)), set(), {}
        return manifest

    def again(self, parts: int, seconds: Mapping[str, float]) -> StoreManifest:
        """The manifest of a finished store, whose own was lost, of what lies there; it is not written.

        Raises
        ------
        SchemaError
            A part is missing, or images are.
        DamageError
            The list of rejected images is missing or damaged.
        """
        if not (self.folder / REJECTED).exists():
            raise damaged(self.folder / REJECTED, "it is missing")
        manifest = self._manifest(self._records(parts), len(read_table(self.folder / REJECTED)), None, seconds)
        there = manifest.rows + (0 if self.provenance.is_imported else manifest.rejected)  # imports list what they took
        if there != self.provenance.fingerprint.count:
            raise SchemaError(f"{self.folder} has {there:,} of {self.provenance.fingerprint.count:,} rows")
        return manifest

    def _records(self, parts: int) -> list[Part]:
        footers = {index: self._finished(index) for index in range(parts)}
        records = [_part(index, footer) for index, footer in footers.items() if footer is not None]
        if len(records) < parts:
            missing = next(index for index, footer in footers.items() if footer is None)
            raise SchemaError(f"{self.folder} lacks part {missing} of {parts}; run the command again to make it")
        return records

    def _manifest(
        self, records: list[Part], rejected: int, unseen: int | None, seconds: Mapping[str, float]
    ) -> StoreManifest:
        return StoreManifest(
            provenance=self.provenance,
            config_hash=self.config_hash,
            complete=True,
            parts=records,
            contents=digest_json([self.config_hash, [part.digest for part in records]])[:32],
            rejected=rejected,
            unseen=unseen,
            seconds={name: round(value, 3) for name, value in seconds.items()},
            seals=self._seals(),
            **self.about,
        )

    def rewrite(self, manifest: StoreManifest, **changes: Any) -> StoreManifest:
        """Write `manifest`, which is on disk, with other values of some fields, and the files' seals as they are."""
        changed = manifest.model_copy(update={"seals": self._seals(), **changes})
        self._write_manifest(changed)
        return changed

    def rejected(self) -> list[dict[str, Any]]:
        """The rows of the store's list of rejected images; none where it is not there or damaged."""
        try:
            return read_table(self.folder / REJECTED).to_pylist()
        except (FileNotFoundError, DamageError):
            return []

    def rejected_of(self, index: int) -> list[dict[str, Any]] | None:
        """The rejected images of part `index` of an unfinished store; None where the part has no list of its own."""
        try:
            return read_table(self.folder / LEDGER.format(index)).to_pylist()
        except FileNotFoundError:
            return None
        except DamageError:
            return []

    def _gather(self, parts: int, rejected: Sequence[Mapping[str, Any]]) -> pa.Table:
        places = [self.folder / LEDGER.format(index) for index in range(parts)]
        tables = [read_table(place) for place in places if place.exists()]
        tables.append(pa.Table.from_pylist(list(rejected), REJECTED_SCHEMA))
        return pa.concat_tables(tables).sort_by("sample_id")

    def _seals(self) -> dict[str, str]:
        own = [name for name in self.folder.names() if name.startswith(BESIDE)]
        places = [self.folder / name for name in (REJECTED, FILES_NAME, HEAD, *own)]
        return {place.name: seal_of(read_sealed(place)) for place in places if place.exists()}

    def _part_schema(self, *, digests: bool) -> pa.Schema:
        made = self.provenance
        return embedding_schema(made.dim, made.dtype, synthetic=made.synthetic is not None, digests=digests)

    def _write_part(self, name: str, table: pa.Table) -> None:
        # Embeddings are noise to a dictionary and to a compressor: both only cost time.
        (self.folder / name).write_atomically(
            lambda file: pq.write_table(
                table,
                file,
                row_group_size=ROW_GROUP_ROWS,
                use_dictionary=["path"],
                compression={"path": "zstd"},
                write_statistics=["sample_id", "label"],
                write_page_checksum=True,
            )
        )

    def _write_manifest(self, manifest: StoreManifest) -> None:
        write_json(self.folder / MANIFEST, manifest.model_dump(mode="json"))


def _part(index: int, footer: Footer) -> Part:
    return Part(
        name=PART_NAME.format(index),
        rows=footer.metadata.num_rows,
        dim=footer.dim,
        bytes=footer.size,
        digest=footer.about.get(CONTENT, b"").decode(),
        footer=footer.digest,
    )


def read_manifest(folder: Location) -> StoreManifest:
    """The manifest of the store in `folder`.

    Raises
    ------
    SchemaError
        There is none, or it was written by a newer gapscope, or changed since it was written.
    """
    place = folder / MANIFEST
    if not place.exists():
        raise SchemaError(
            f"{folder} holds no embedding store (no {MANIFEST}); make one with `extract` or `import-features`"
        )
    content = read_object(place)
    made = content.get("provenance")
    check_version(made.get("spec_version") if isinstance(made, dict) else None, place)
    manifest = validated(content, StoreManifest, place)
    if config_hash(manifest.provenance) != manifest.config_hash:
        raise damaged(place, "its provenance is not the one that its config_hash was taken of, so it was edited")
    names = [PART_NAME.format(index) for index in range(len(manifest.parts))]
    if [part.name for part in manifest.parts] != names:
        raise damaged(place, "its parts are not numbered one after the other, so it was edited")
    return manifest


def stored_dtype(folder: Location, requested: str) -> str:
    """The type of the numbers in the store in `folder`, where that was chosen because features are too small for the
    one that is `requested`; that one otherwise.
    """
    if requested != "float16" or not (folder / MANIFEST).exists():
        return requested
    result = read_manifest(folder)
    return result.provenance.dtype if result.underflows else requested


def part_files(folder: Location, manifest: StoreManifest) -> list[PartFile]:
    """The parts of a store, with what its manifest says of each."""
    dim, own = manifest.provenance.dim, manifest.config_hash
    return [
        PartFile(folder / part.name, part.model_copy(update={"dim": dim}), own, index)
        for index, part in enumerate(manifest.parts)
    ]


def check_sizes(folder: Location, manifest: StoreManifest) -> None:
    """Refuse a store that has not all of its parts, or one of another size; one listing of the folder.

    Raises
    ------
    DamageError
        The message names the part.
    """
    sizes = folder.sizes()
    for part in manifest.parts:
        size = sizes.get(part.name)
        if size is None:
            raise damaged(folder / part.name, "it is missing")
        if part.bytes is not None and size != part.bytes:
            raise damaged(folder / part.name, f"it has {size:,} bytes, {part.bytes:,} were written")
