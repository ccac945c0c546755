"""The small files that gapscope writes: each holds a digest of itself, and its reader refuses one that was changed.

The digest stands in the file as text behind `MARK`: in JSON under the last key, in Parquet and safetensors among the
metadata, in NumPy archives as the comment, of a single NumPy array behind its end. It is taken with zeros in its own
place. A file without one, by an earlier version or by somebody else, is read as it is.
"""

import json
import re
import shlex
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from io import BytesIO
from typing import Any, BinaryIO, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import BaseModel, ValidationError
from safetensors import SafetensorError
from safetensors.numpy import load, save

from gapscope.core.errors import DamageError, SchemaError
from gapscope.core.hashing import digest_buffers
from gapscope.core.location import Location
from gapscope.core.program import called
from gapscope.schemas import SPEC_VERSION

Record = TypeVar("Record", bound=BaseModel)

MARK = "gapscope-xxh3-128:"
BLANK = MARK + "0" * 32
DIGEST = "digest"
KEY = b"gapscope.digest"
# Bytes that are read at a time where a file is only checked.
BLOCK = 2**23
# What the libraries raise for a file that is none of theirs.
UNREADABLE = (
    *(ValueError, KeyError, TypeError, IndexError, EOFError, OSError),
    *(pa.ArrowException, SafetensorError, zipfile.BadZipFile, zlib.error),
)
_SEAL = re.compile(MARK.encode() + rb"([0-9a-f]{32})")


def sealed(content: bytes) -> bytes:
    """`content`, which holds `BLANK`, with its digest in that place."""
    place = content.rindex(BLANK.encode())
    return content[:place] + MARK.encode() + digest_buffers([content]).encode() + content[place + len(BLANK) :]


def write_sealed(place: Location, write: Callable[[BinaryIO], Any]) -> None:
    """Let `write` fill a buffer in memory with something that holds `BLANK`, and write it with its digest."""
    buffer = BytesIO()
    write(buffer)
    place.write_bytes(sealed(buffer.getvalue()))


def sealed_again(content: bytes) -> bytes:
    """`content`, which holds a digest or what was one, with its own digest in that place."""
    place = content.rindex(MARK.encode())
    return sealed(content[:place] + BLANK.encode() + content[place + len(BLANK) :])


def seal_of(content: bytes | bytearray) -> str:
    """The digest that `content` holds of itself, 32 hexadecimal digits; empty where it holds none."""
    place = content.rfind(MARK.encode())
    result = _SEAL.match(content, place) if place >= 0 else None
    return result[1].decode() if result else ""


def is_whole(content: bytes | bytearray) -> bool:
    """Whether `content` is what was sealed, or holds no digest."""
    if not seal_of(content):
        return True
    place = content.rfind(MARK.encode())
    blank = memoryview(content)
    return seal_of(content) == digest_buffers([blank[:place], BLANK.encode(), blank[place + len(BLANK) :]])


def read_sealed(place: Location) -> bytes:
    """The whole file at `place`, whose digest is checked where it holds one.

    Raises
    ------
    DamageError
        The bytes are not those that were written.
    """
    content = place.read_bytes()
    if not is_whole(content):
        raise damaged(place, "its bytes are not those that were written")
    return content


def check_seal(place: Location) -> str:
    """The digest that the file at `place` holds of itself, as `seal_of`; checked a block at a time, whatever its size.

    Raises
    ------
    DamageError
        The bytes are not those that were written.
    """
    with place.open_input() as file:
        size = file.size()
        mark = _last_mark(file, size)
        file.seek(max(mark, 0))
        seal = seal_of(file.read(len(BLANK))) if mark >= 0 else ""
        if seal and seal != digest_buffers(_blanked(file, mark, size)):
            raise damaged(place, "its bytes are not those that were written")
    return seal


def holds_digest(place: Location) -> bool:
    """Whether the file at `place` says that it holds a digest of itself, which is not compared."""
    with place.open_input() as file:
        return _last_mark(file, file.size()) >= 0


def _last_mark(file: BinaryIO, size: int) -> int:
    """Where `MARK` stands last in a file of so many bytes; -1 where it does not."""
    for stop in range(size, 0, -BLOCK):
        start = max(0, stop - BLOCK)
        file.seek(start)
        found = file.read(stop - start + len(MARK) - 1).rfind(MARK.encode())
        if found >= 0:
            return start + found
    return -1


def _blanked(file: BinaryIO, mark: int, size: int) -> Iterator[bytes]:
    """The blocks of a file, with `BLANK` at the place of its digest."""
    for start, stop in ((0, mark), (mark + len(BLANK), size)):
        file.seek(start)
        for first in range(start, stop, BLOCK):
            yield file.read(min(BLOCK, stop - first))
        if stop == mark:
            yield BLANK.encode()


def damaged(place: Location, what: object) -> DamageError:
    """The error for a file that cannot be used as what it was written."""
    said = " ".join(str(what).split())
    inside = re.match("(.*)/(embeddings|runs)/", str(place))
    verifying = f"{called()} verify {shlex.quote(inside[1]) if inside else 'WORKSPACE'}"
    return DamageError(
        f"{place} is damaged: {said.rstrip('.')}; `{verifying}` says what depends on it, and `{verifying} --repair` "
        "makes it again where that is possible"
    )


def damage_in(sentence: str) -> str:
    """What a sentence of `damaged` says of the file alone, without what can be done."""
    return sentence.partition("; `")[0]


def parsed(place: Location, kind: str, parse: Callable[[bytes], Any]) -> Any:
    """``parse(content)`` of the file at `place`, which should be of a `kind` that `parse` reads.

    Raises
    ------
    DamageError
        It was changed, or is of no such kind.
    """
    content = read_sealed(place)
    try:
        return parse(content)
    except UNREADABLE as error:
        raise DamageError(f"{place} cannot be read as {kind}: {' '.join(str(error).split())}") from error


def write_json(place: Location, value: Mapping[str, Any] | Sequence[Any], *, allow_nan: bool = True) -> None:
    """Write `value` as JSON with its digest: under a last key, of a list under that of its last object, and as a last
    text of a list of anything else.
    """
    place.write_bytes(sealed(json.dumps(_with_blank(value), indent=1, allow_nan=allow_nan).encode()))


def _with_blank(value: Mapping[str, Any] | Sequence[Any]) -> Any:
    if isinstance(value, Mapping):
        return {**value, DIGEST: BLANK}
    if value and isinstance(value[-1], Mapping):
        return [*value[:-1], _with_blank(value[-1])]
    return [*value, BLANK]


def read_json(place: Location) -> Any:
    """The value that `write_json` was given, or what another JSON file holds.

    Raises
    ------
    DamageError
        It was changed, or is no JSON.
    """
    return parsed(place, "json", lambda content: _without_digest(json.loads(content)))


def _without_digest(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: one for key, one in value.items() if not (key == DIGEST and _is_seal(one))}
    if isinstance(value, list) and value:
        return value[:-1] if _is_seal(value[-1]) else [*value[:-1], _without_digest(value[-1])]
    return value


def _is_seal(value: object) -> bool:
    return isinstance(value, str) and len(value) == len(BLANK) and value.startswith(MARK)


def read_object(place: Location) -> dict[str, Any]:
    """The JSON object at `place`.

    Raises
    ------
    DamageError
        It was changed, or is none.
    """
    result = read_json(place)
    if not isinstance(result, dict):
        raise damaged(place, f"it holds a JSON {type(result).__name__} where an object is expected")
    return result


def check_version(version: object, place: Location) -> None:
    """Refuse a file of a format that this gapscope does not know.

    Raises
    ------
    SchemaError
        It was written by a newer one.
    """
    if isinstance(version, int) and version > SPEC_VERSION:
        raise SchemaError(
            f"{place} has version {version} of the format, and this gapscope reads versions up to {SPEC_VERSION}; "
            "use the gapscope that wrote it, or a newer one"
        )


def validated(content: Mapping[str, Any], kind: type[Record], place: Location) -> Record:
    """`content`, which was read from `place`, as a record of a `kind`.

    Raises
    ------
    DamageError
        Fields are missing, unknown or of another type; the message has the first.
    """
    try:
        return kind.model_validate(content)
    except ValidationError as error:
        one = error.errors()[0]
        field = ".".join(map(str, one["loc"])) or "the whole"
        raise damaged(place, f"it is no {kind.__name__} ({field}: {one['msg']})") from error


def table_bytes(table: pa.Table, **options: Any) -> bytes:
    """`table` as a Parquet file with page checksums and its digest, made in memory; `options` of `pq.write_table`."""
    metadata = {**(table.schema.metadata or {}), KEY: BLANK.encode()}
    buffer = BytesIO()
    options = {"compression": "zstd", "write_page_checksum": True, **options}
    pq.write_table(table.replace_schema_metadata(metadata), buffer, **options)
    return sealed(buffer.getvalue())


def write_table(place: Location, table: pa.Table, **options: Any) -> None:
    """Write `table` as Parquet with its digest, whole or not at all; `options` of `pq.write_table`."""
    place.write_bytes(table_bytes(table, **options))


def read_table(place: Location, columns: list[str] | None = None) -> pa.Table:
    """The table in the Parquet file at `place`, or some of its columns; all of the file is read and checked.

    Raises
    ------
    DamageError
        It was changed, or is no Parquet file.
    """
    return parsed(place, "parquet", lambda content: _table(content, columns))


def _table(content: bytes, columns: list[str] | None) -> pa.Table:
    # In this thread alone: another one that still held the bytes while Python ends would end the process by a signal.
    file = pq.ParquetFile(pa.BufferReader(content), page_checksum_verification=True, pre_buffer=False)
    table = file.read(columns, use_threads=False)
    if columns is not None:
        table = table.select(columns)
    metadata = {key: value for key, value in (table.schema.metadata or {}).items() if key != KEY}
    return table.replace_schema_metadata(metadata or None)


def write_tensors(place: Location, tensors: Mapping[str, np.ndarray], about: Mapping[str, str] | None = None) -> None:
    """Write arrays by name as safetensors with their digest, `about` as the metadata."""
    contiguous = {name: np.ascontiguousarray(array) for name, array in tensors.items()}
    place.write_bytes(sealed(save(contiguous, metadata={**(about or {}), DIGEST: BLANK})))


def read_tensors(place: Location) -> dict[str, np.ndarray]:
    """The arrays of the safetensors file at `place`.

    Raises
    ------
    DamageError
        It was changed, or is none.
    """
    return parsed(place, "safetensors", load)


def write_arrays(place: Location, arrays: Mapping[str, np.ndarray]) -> None:
    """Write arrays by name as a compressed NumPy archive with their digest."""
    buffer = BytesIO()
    np.savez_compressed(buffer, **dict(arrays))  # type: ignore[arg-type]  # a name of an array may be any
    with zipfile.ZipFile(buffer, "a") as archive:
        archive.comment = BLANK.encode()
    place.write_bytes(sealed(buffer.getvalue()))


def read_arrays(place: Location) -> dict[str, np.ndarray]:
    """The arrays of the NumPy archive at `place`; no object is ever unpickled.

    Raises
    ------
    DamageError
        It was changed, or is none.
    """
    return parsed(place, "npz", _arrays)


def _arrays(content: bytes) -> dict[str, np.ndarray]:
    with np.load(BytesIO(content), allow_pickle=False) as result:
        return {name: result[name] for name in result.files}


def write_array(place: Location, array: np.ndarray) -> None:
    """Write one array as ``.npy`` with its digest behind it, where NumPy does not look, so that it can be mapped."""

    def write(file: BinaryIO) -> None:
        np.save(file, array, allow_pickle=False)
        file.write(BLANK.encode())

    write_sealed(place, write)


def read_array(place: Location) -> np.ndarray:
    """The array in the ``.npy`` file at `place`; no object is ever unpickled.

    Raises
    ------
    DamageError
        It was changed, or is none.
    """
    return parsed(place, "npy", _array)


def _array(content: bytes) -> np.ndarray:
    stream = BytesIO(content)
    result = np.load(stream, allow_pickle=False)
    if (rest := stream.read()) and not seal_of(rest):
        raise ValueError("what stands behind the array is no digest")
    return result
