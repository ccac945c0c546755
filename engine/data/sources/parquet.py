"""Images in Parquet files, as Hugging Face lays them out."""

import json
import re
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from threading import Lock

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from gapscope.core.errors import InputError
from gapscope.data.classes import ClassMap
from gapscope.data.decode import decode
from gapscope.data.labels import map_labels
from gapscope.data.source import Listing, Stamps, Undecodable
from gapscope.data.sources.files import stamps_of
from PIL import Image

# Row groups that a process keeps in memory: all of CIFAR-10 several times over, and a fair run of a set that does not
# fit.
CACHE_BYTES = 256 * 2**20
LABEL_COLUMNS = ("label", "labels", "fine_label", "class", "target", "y")
SHARD = re.compile(r"(?P<split>.+?)-(?P<index>\d+)-of-(?P<count>\d+)")


class RowGroups:
    """The image bytes of row groups, the last used within `limit` bytes; at least one."""

    def __init__(self, limit: int):
        self.limit = limit
        self._kept: OrderedDict[tuple[str, int], pa.ChunkedArray] = OrderedDict()
        self._lock = Lock()

    def get(self, file: str, group: int, column: str) -> pa.ChunkedArray:
        """The bytes column of a row group; one thread reads while others wait, so nothing is read twice."""
        with self._lock:
            key = (file, group)
            if key not in self._kept:
                self._kept[key] = _read_bytes(file, group, column)
                self._shrink()
            self._kept.move_to_end(key)
            return self._kept[key]

    def _shrink(self) -> None:
        while len(self._kept) > 1 and sum(kept.nbytes for kept in self._kept.values()) > self.limit:
            self._kept.popitem(last=False)


_ROW_GROUPS = RowGroups(CACHE_BYTES)


@dataclass(frozen=True)
class ParquetSource:
    """The rows of `files`, in order.

    The unit of reading is a row group: Arrow reads no less, and its pages are no smaller. A set whose image bytes fit
    into `CACHE_BYTES` is read once per process, whatever the order. Of a larger set a shuffled reader pays one row
    group per image: 4 ms where it holds 100 photographs, as Hugging Face writes them, ten times that for 1,000.

    Attributes
    ----------
    column
        Path of the bytes inside a row, for instance ``image.bytes``.
    group_ends : per file, (groups,) int64
        Number of the row after each row group's last.
    """

    files: tuple[str, ...]
    listing: Listing
    column: str
    group_ends: tuple[np.ndarray, ...]

    def read(self, index: int) -> bytes:
        """The image file in row `index`."""
        file, group, row = self._locate(index)
        try:
            data = _ROW_GROUPS.get(file, group, self.column)[row].as_py()
        except (OSError, pa.ArrowException) as error:
            raise Undecodable(f"row group {group} of {Path(file).name} cannot be read ({error})") from error
        if data is None:
            raise Undecodable("the row holds no bytes")
        return data

    def sizes(self) -> np.ndarray:
        """Bytes of each image, (n,) int64; reads every row group once."""
        sizes = [
            pc.fill_null(pc.binary_length(_read_bytes(file, group, self.column)), 0)
            for file, ends in zip(self.files, self.group_ends, strict=True)
            for group in range(len(ends))
        ]
        return np.concatenate([size.to_numpy().astype(np.int64) for size in sizes])

    def stamps(self) -> Stamps:
        """Size and time of the file that holds each row."""
        return stamps_of(self.files, [int(ends[-1]) for ends in self.group_ends])

    def decode(self, index: int, data: bytes) -> Image.Image:
        """The image at position `index` from its bytes."""
        return decode(data)

    def image(self, index: int) -> Image.Image:
        """The image in row `index`."""
        return self.decode(index, self.read(index))

    def _locate(self, index: int) -> tuple[str, int, int]:
        for file, ends in zip(self.files, self.group_ends, strict=True):
            if index < ends[-1]:
                group = int(np.searchsorted(ends, index, side="right"))
                return file, group, index - (int(ends[group - 1]) if group else 0)
            index -= int(ends[-1])
        raise IndexError(index)


def parquet_source(files: Sequence[Path], classes: ClassMap | None = None) -> ParquetSource:
    """The images of `files`, in the order given. Labels are class indices or texts; without a label column they are -1.

    Reads footers and the label column only.
    """
    schema = _common_schema(files)
    column = bytes_column(schema)
    if column is None:
        raise InputError(
            f"{files[0]} has no image column (its columns: {', '.join(schema.names)}); "
            "wanted one such as image: struct<bytes: binary, path: string>"
        )
    ends = tuple(_group_ends(file) for file in files)
    names = [f"{file.name}/{row:06d}" for file, end in zip(files, ends, strict=True) for row in range(end[-1])]
    class_names, labels = _labels(files, schema, len(names), classes)
    kept = [(str(file), end) for file, end in zip(files, ends, strict=True) if end[-1] > 0]
    listing = Listing(names, labels, class_names)
    return ParquetSource(tuple(file for file, _ in kept), listing, column, tuple(end for _, end in kept))


def bytes_column(schema: pa.Schema) -> str | None:
    """Path of the column that holds image files, None if there is none."""
    for field in schema:
        if pa.types.is_struct(field.type) and field.type.get_field_index("bytes") >= 0:
            return f"{field.name}.bytes"
    binary = [f.name for f in schema if pa.types.is_binary(f.type) or pa.types.is_large_binary(f.type)]
    return next((name for name in ("image", "img", "bytes", "jpg", "png") if name in binary), None)


def parquet_splits(folder: Path) -> dict[str, list[Path]]:
    """The Parquet files in `folder` by split: what their names begin with, in order of their numbers.

    Raises
    ------
    InputError
        One of several numbered files is missing: half a data set must not pass for the whole.
    """
    splits: dict[str, list[Path]] = {}
    counts: dict[str, int] = {}
    for file in sorted(folder.glob("*.parquet")):
        match = SHARD.fullmatch(file.stem)
        split = match["split"] if match else file.stem
        splits.setdefault(split, []).append(file)
        counts[split] = int(match["count"]) if match else len(splits[split])
    for split, files in splits.items():
        if len(files) != counts[split]:
            raise InputError(
                f"{folder} holds {len(files)} of the {counts[split]} Parquet files of split {split!r}; fetch the others"
            )
    return splits


def is_image_parquet(file: Path) -> bool:
    """Whether a Parquet file has a column of images; reads its footer."""
    try:
        return bytes_column(pq.read_schema(file)) is not None
    except (OSError, pa.ArrowException):
        return False


def class_names_of(file: Path) -> list[str] | None:
    """The class names that Hugging Face's metadata in `file` declare, None if there are none."""
    try:
        return _declared(pq.read_schema(file))
    except (OSError, pa.ArrowException):
        return None


def _common_schema(files: Sequence[Path]) -> pa.Schema:
    schemas = []
    for file in files:
        try:
            schemas.append(pq.read_schema(file))
        except (OSError, pa.ArrowException) as error:
            raise InputError(f"{file} cannot be read as Parquet ({error}); fetch it again") from error
    for file, schema in zip(files, schemas, strict=True):
        if not schema.equals(schemas[0]):
            raise InputError(f"{file} has columns {schema.names}, {files[0]} has {schemas[0].names}; keep sets apart")
    return schemas[0]


def _group_ends(file: Path) -> np.ndarray:
    metadata = pq.read_metadata(file)
    rows = [metadata.row_group(group).num_rows for group in range(metadata.num_row_groups)]
    return np.array(list(accumulate(rows)) or [0], np.int64)


def _labels(
    files: Sequence[Path], schema: pa.Schema, rows: int, given: ClassMap | None
) -> tuple[list[str], np.ndarray]:
    name = next((name for name in LABEL_COLUMNS if name in schema.names), None)
    if name is None:
        return list(given.names) if given else [], np.full(rows, -1, np.int32)
    column = pa.concat_tables(pq.read_table(file, columns=[name]) for file in files)[name]
    declared = _declared(schema, name)
    if declared and given is None and pa.types.is_integer(column.type):
        given = ClassMap(declared)
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    encoded = pc.dictionary_encode(column.cast(pa.string()).fill_null("")).combine_chunks()
    texts = encoded.dictionary.to_pylist()
    classes, indices = map_labels(texts, given)
    table = np.array([indices[text] for text in texts], np.int32)
    return list(classes.names), table[encoded.indices.to_numpy()]


def _declared(schema: pa.Schema, column: str | None = None) -> list[str] | None:
    try:
        features = json.loads((schema.metadata or {})[b"huggingface"])["info"]["features"]
    except (KeyError, ValueError, TypeError):
        return None
    wanted = [column] if column else [name for name in LABEL_COLUMNS if name in features]
    return next((features[name].get("names") for name in wanted if isinstance(features.get(name), dict)), None)


def _read_bytes(file: str, group: int, column: str) -> pa.ChunkedArray:
    with pq.ParquetFile(file, memory_map=True) as parquet:
        read = parquet.read_row_group(group, columns=[column], use_threads=False).column(0)
    for name in column.split(".")[1:]:
        read = pc.struct_field(read, name)
    return read
