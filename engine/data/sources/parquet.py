"""Images in Parquet files, as Hugging Face lays them out."""

import json
import re
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from pathlib import Path
from threading import Lock

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from gapscope.core.errors import InputError
from gapscope.core.splits import split_and_rest, split_of
from gapscope.core.text import composed
from gapscope.data.classes import ClassMap
from gapscope.data.decode import Encoded
from gapscope.data.labels import map_labels
from gapscope.data.matching import LABEL_COLUMNS as OTHER_LABEL_COLUMNS
from gapscope.data.matching import OWN_SPLITS
from gapscope.data.source import Listing, Stamps, Undecodable
from gapscope.data.sources.files import stamps_of
from gapscope.data.vocabulary import plain_name

# Row groups that a process keeps in memory: all of CIFAR-10 several times over, and a fair run of a set that does not
# fit.
CACHE_BYTES = 256 * 2**20
IMAGE_COLUMNS = (
    *("image", "img", "images", "picture", "photo", "jpg", "jpeg", "png", "webp", "bytes", "image_bytes", "imagebytes"),
    *("image_data", "img_bytes", "content", "data"),
)
LABEL_COLUMNS = ("label", "labels", "fine_label", *OTHER_LABEL_COLUMNS)
# What pyarrow raises for a damaged file; names of columns may be no UTF-8.
UNREADABLE = (OSError, pa.ArrowException, UnicodeDecodeError)
SHARD = re.compile(r"(?P<split>.+?)-(?P<index>\d+)-of-(?P<count>\d+)(-[0-9a-f]+)?")
# Names that number shards and say nothing of a split: 0000, part-00000, part-00000-<uuid>.c000.snappy, data-3, shard_3.
NUMBERED = re.compile(r"(?P<name>.*?)[-_.]?(?P<index>\d{1,9})([-_.][0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}.*)?")
PLAIN_SHARDS = {"", "part", "data", "shard", "chunk", "file", "batch", "partial"}


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
class ParquetSource(Encoded):
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
        except UNREADABLE as error:
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
        return np.concatenate([np.zeros(0, np.int64), *(size.to_numpy().astype(np.int64) for size in sizes)])

    def stamps(self) -> Stamps:
        """Size and time of the file that holds each row."""
        return stamps_of(self.files, [int(ends[-1]) for ends in self.group_ends])

    def _locate(self, index: int) -> tuple[str, int, int]:
        at = int(np.searchsorted(self._file_ends, index, side="right"))
        ends, row = self.group_ends[at], index - int(self._file_ends[at - 1] if at else 0)
        group = int(np.searchsorted(ends, row, side="right"))
        return self.files[at], group, row - (int(ends[group - 1]) if group else 0)

    @cached_property
    def _file_ends(self) -> np.ndarray:
        """Number of the row after each file's last, ``(files,) int64``: thousands of files are searched, not walked."""
        return np.cumsum([ends[-1] for ends in self.group_ends])


def parquet_source(
    files: Sequence[Path],
    classes: ClassMap | None = None,
    label_column: str | None = None,
    root: Path | None = None,
) -> ParquetSource:
    """The images of `files`, in the order given. Labels are class indices or texts; without a label column they are -1.

    Reads footers and the label column only.

    Parameters
    ----------
    root
        Names of rows begin with the path of their file below this folder; by default with its name.
    """
    schema = _common_schema(files)
    _refuse_split_column(files, schema)
    column = bytes_column(schema)
    if column is None:
        raise InputError(
            f"{files[0]} has no image column (its columns: {', '.join(schema.names)}); "
            "wanted one such as image: struct<bytes: binary, path: string>"
        )
    ends = tuple(_group_ends(file) for file in files)
    shown = [file.relative_to(root).as_posix() if root else file.name for file in files]
    names = [f"{name}/{row:06d}" for name, end in zip(shown, ends, strict=True) for row in range(end[-1])]
    class_names, labels = _labels(files, schema, len(names), classes, label_column)
    kept = [(str(file), end) for file, end in zip(files, ends, strict=True) if end[-1] > 0]
    listing = Listing(names, labels, class_names)
    return ParquetSource(tuple(file for file, _ in kept), listing, column, tuple(end for _, end in kept))


def bytes_column(schema: pa.Schema) -> str | None:
    """Path of the column that holds image files, None if there is none."""
    structs = [
        f.name for f in schema if pa.types.is_struct(f.type) and _is_bytes(f.type, f.type.get_field_index("bytes"))
    ]
    binary = [f.name for f in schema if _is_binary(f.type)]
    result = {name: f"{name}.bytes" for name in structs} | {name: name for name in binary}
    usual = next((name for usual in IMAGE_COLUMNS for name in result if name.lower() == usual), None)
    first = usual or (structs[0] if structs else binary[0] if len(binary) == 1 else None)
    return result[first] if first else None


def _is_bytes(struct: pa.StructType, index: int) -> bool:
    return index >= 0 and _is_binary(struct.field(index).type)


def _is_binary(kind: pa.DataType) -> bool:
    kind = kind.value_type if pa.types.is_dictionary(kind) else kind
    return pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or kind == pa.binary_view()


def parquet_splits(root: Path, files: Sequence[Path] | None = None) -> dict[str, list[Path]]:
    """Parquet files by split: what their names or the folders below `root` say, shards in order of their numbers.

    Files that are only numbered, such as ``part-00000``, are shards of one split, called ``all``.

    Raises
    ------
    InputError
        One of several numbered files is missing, as half a data set must not pass for the whole; or the files are of
        several data sets.
    """
    files = sorted(root.glob("*.parquet")) if files is None else files
    splits: dict[str, dict[str, list[tuple[int, Path]]]] = {}
    counts: dict[str, int] = {}
    for file in files:
        split, index, count, config = _shard(file, root)
        splits.setdefault(split, {}).setdefault(config, []).append((index, file))
        counts[split] = count or counts.get(split, 0)
    return {split: _complete(root, split, configs, counts[split]) for split, configs in splits.items()}


def _shard(file: Path, root: Path) -> tuple[str, int, int, str]:
    """Split, number, number of all shards (0 where that is not said), and the folder that is no split."""
    folders = list(file.relative_to(root).parts[:-1])
    split = next((result for name in reversed(folders) if (result := _split_of(name))), None)
    config = "/".join(name for name in folders if not _split_of(name))
    if match := SHARD.fullmatch(file.stem):
        return split or _split_of(match["split"]) or match["split"], int(match["index"]), int(match["count"]), config
    if match := NUMBERED.fullmatch(file.stem):
        own = _split_of(match["name"])
        if own or split or plain_name(match["name"]) in PLAIN_SHARDS:
            return split or own or "all", int(match["index"]), 0, config
    return split or _split_of(file.stem) or file.stem, -1, 0, config


def _split_of(name: str) -> str | None:
    split, rest = split_and_rest(name)
    return split if set(rest) <= {"partial"} else split_of(name)


def _complete(root: Path, split: str, configs: dict[str, list[tuple[int, Path]]], count: int) -> list[Path]:
    if len(configs) > 1:
        raise InputError(
            f"{root} holds split {split!r} in several folders ({', '.join(sorted(configs)[:3])}), which are data "
            "sets of their own; name one of these folders"
        )
    (numbered,) = configs.values()
    numbers = sorted(number for number, _ in numbered)
    if count and len(numbered) != count:
        raise InputError(
            f"{root} holds {len(numbered)} of the {count} Parquet files of split {split!r}; fetch the others"
        )
    if not count and numbers[0] >= 0 and numbers != list(range(numbers[0], numbers[0] + len(numbers))):
        missing = next((n for n in range(numbers[0], numbers[-1]) if n not in numbers), numbers[-1])
        raise InputError(
            f"{root}: the Parquet files of split {split!r} are numbered {numbers[0]} to {numbers[-1]}, but number "
            f"{missing} is missing or there twice; fetch the others"
        )
    return [file for _, file in sorted(numbered)]


def is_image_parquet(file: Path) -> bool:
    """Whether a Parquet file has a column of images; reads its footer."""
    try:
        return bytes_column(pq.read_schema(file)) is not None
    except UNREADABLE:
        return False


def refuse_damaged(files: Sequence[Path]) -> None:
    """Refuse Parquet files whose footers cannot be read: half a data set must not pass for the whole."""
    for file in files:
        _read_schema(file)


def class_names_of(file: Path) -> list[str] | None:
    """The class names that Hugging Face's metadata in `file` declare, None if there are none."""
    try:
        schema = pq.read_schema(file)
    except UNREADABLE:
        return None
    return _declared(schema, _label_name(schema, None))


def parquet_class_map(
    files: Sequence[Path], label_column: str | None, given: ClassMap | None
) -> tuple[ClassMap | None, tuple[str, ...]]:
    """The classes of all splits together, None where each file says them itself, and sentences for the user.

    Labels that are texts are numbered over all splits: a class that one split lacks must not renumber the others.
    """
    schemas = {file: _read_schema(file) for file in files}
    names = {file: _label_name(schema, label_column) for file, schema in schemas.items()}
    if label_column is not None and not any(names.values()):
        schema = next(iter(schemas.values()))
        raise InputError(f"{files[0]} has no column {label_column!r}; its columns are {', '.join(schema.names)}")
    without = [file for file, name in names.items() if name is None]
    notes = ()
    if without:
        columns = ", ".join(schemas[without[0]].names)
        notes = (
            f"{without[0].name} has no label column that can be told (columns: {columns}); name it with --label-column",
        )
    if given is not None or any(name and _declared(schemas[file], name) for file, name in names.items()):
        return given, notes
    texts = {text for file, name in names.items() if name for text in set(_label_texts(file, name).to_pylist())}
    return (map_labels(texts)[0] if texts else None), notes


def _read_schema(file: Path) -> pa.Schema:
    try:
        return pq.read_schema(file)
    except UNREADABLE as error:
        raise InputError(f"{file} cannot be read as Parquet ({error}); fetch it again") from error


def _common_schema(files: Sequence[Path]) -> pa.Schema:
    schemas = [_read_schema(file) for file in files]
    for file, schema in zip(files, schemas, strict=True):
        if not schema.equals(schemas[0]):
            own, others = (dict(zip(one.names, map(str, one.types), strict=True)) for one in (schema, schemas[0]))
            names = [name for name in others | own if own.get(name) != others.get(name)]
            said = [f"{name} is {own.get(name, 'missing')}, not {others.get(name, 'missing')}" for name in names[:3]]
            what = "; ".join(said) or "what is written about its columns differs"
            raise InputError(f"{file} has other columns than {files[0]} ({what}); keep sets apart")
    return schemas[0]


def _refuse_split_column(files: Sequence[Path], schema: pa.Schema) -> None:
    """A file is a split, or a shard of one: a column that says several would be passed over."""
    for name in schema.names:
        if plain_name(name) in OWN_SPLITS and pa.types.is_string(schema.field(name).type):
            for file in files:
                values = pc.unique(pq.ParquetFile(file).read([name])[name]).drop_null().to_pylist()
                if len({split_of(value) for value in values} - {None}) > 1:
                    raise InputError(
                        f"{file} has rows of several splits in its column {name} ({', '.join(sorted(values)[:4])}); "
                        "write a file for each split, such as train.parquet"
                    )


def _group_ends(file: Path) -> np.ndarray:
    metadata = pq.read_metadata(file)
    rows = [metadata.row_group(group).num_rows for group in range(metadata.num_row_groups)]
    return np.array(list(accumulate(rows)) or [0], np.int64)


def _label_name(schema: pa.Schema, wanted: str | None) -> str | None:
    """The column of labels: the one that is `wanted`, the first with a usual name, or the only one that is declared."""
    if wanted is not None:
        return next((name for name in schema.names if name.lower() == wanted.lower()), None)
    plain = {plain_name(name): name for name in reversed(schema.names)}
    usual = next((plain[plain_name(name)] for name in LABEL_COLUMNS if plain_name(name) in plain), None)
    declared = [name for name in schema.names if _declared(schema, name)]
    return usual or (declared[0] if len(declared) == 1 else None)


def _labels(
    files: Sequence[Path], schema: pa.Schema, rows: int, given: ClassMap | None, label_column: str | None
) -> tuple[list[str], np.ndarray]:
    name = _label_name(schema, label_column)
    if name is None:
        return list(given.names) if given else [], np.full(rows, -1, np.int32)
    declared = _declared(schema, name)
    if declared and given is None and pa.types.is_integer(schema.field(name).type):
        given = ClassMap(declared)
    column = pa.chunked_array([_label_texts(file, name) for file in files], pa.string())
    encoded = pc.dictionary_encode(column).combine_chunks()
    texts = encoded.dictionary.to_pylist()
    classes, indices = map_labels(texts, given)
    table = np.array([indices[text] for text in texts], np.int32)
    return list(classes.names), table[encoded.indices.to_numpy()] if len(column) else np.zeros(0, np.int32)


def _label_texts(file: Path, name: str) -> pa.Array:
    """The labels of a file as texts, empty where there is none; whole fractions are integers.

    Raises
    ------
    InputError
        They are no labels of one class an image.
    """
    column = pq.ParquetFile(file).read([name])[name].combine_chunks()
    column = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    kind = column.type
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        lengths = pc.fill_null(pc.list_value_length(column), 1)
        if len(column) and not pc.all(pc.equal(lengths, 1)).as_py():
            raise InputError(
                f"{file}: the column {name!r} holds lists of labels, up to {pc.max(lengths).as_py()} an image; one "
                "label an image is wanted, name another column with --label-column"
            )
        column = pc.list_element(column, 0)
        kind = column.type
    if pa.types.is_floating(kind):
        column = pc.if_else(pc.is_nan(column), pa.scalar(None, kind), column)
        wrong = pc.filter(column, pc.fill_null(pc.not_equal(column, pc.floor(column)), fill_value=False))
        if len(wrong):
            raise InputError(
                f"{file}: the column {name!r} holds {wrong[0].as_py()}, a measure and no class; name the column of "
                "labels with --label-column"
            )
        column = column.cast(pa.int64())
    elif pa.types.is_boolean(kind):
        column = column.cast(pa.int8())
    try:
        return column.cast(pa.string()).fill_null("")
    except pa.ArrowException as error:
        raise InputError(
            f"{file}: the column {name!r} is {kind}, which is no label; name the column of labels with --label-column"
        ) from error


def _declared(schema: pa.Schema, column: str | None) -> list[str] | None:
    try:
        feature = json.loads((schema.metadata or {})[b"huggingface"])["info"]["features"][column]
        names = feature.get("names") or feature["feature"]["names"]
    except (KeyError, ValueError, TypeError, AttributeError):
        return None
    return [composed(str(name)) for name in names] if isinstance(names, list) and names else None


def _read_bytes(file: str, group: int, column: str) -> pa.ChunkedArray:
    with pq.ParquetFile(file, memory_map=True) as parquet:
        read = parquet.read_row_group(group, columns=[column], use_threads=False).column(0)
    for name in column.split(".")[1:]:
        read = pc.struct_field(read, name)
    return read.cast(read.type.value_type) if pa.types.is_dictionary(read.type) else read
