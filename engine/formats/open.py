"""Which format a file has, told by its first bytes and its name, and its rows as a table."""

from collections.abc import Callable, Sequence
from glob import has_magic
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

from gapscope.core.errors import InputError
from gapscope.core.location import Location
from gapscope.core.registry import Registry
from gapscope.formats.arrays import Wanted
from gapscope.formats.folders import open_folder
from gapscope.formats.hub import cached, reached, refuse_partial
from gapscope.formats.lines import JSON, open_text, plain_name
from gapscope.formats.memory import in_memory, open_memory, refuse_other_order
from gapscope.formats.table import Table
from gapscope.store.imports.files import expand, stamp

_HERE = "gapscope.formats"
FORMATS = Registry(
    "format",
    {
        "npy": f"{_HERE}.npy:open_npy",
        "npz": f"{_HERE}.npy:open_npz",
        "hdf5": f"{_HERE}.hdf5:open_hdf5",
        "zarr": f"{_HERE}.zarr:open_zarr",
        "parquet": f"{_HERE}.arrow:open_parquet",
        "arrow": f"{_HERE}.arrow:open_arrow",
        "json": f"{_HERE}.objects:open_json",
    },
)
TEXT, OBJECTS = "csv", "json"
Opened: TypeAlias = Callable[[Location, Wanted], Table]


class Known(NamedTuple):
    """A format by its first bytes, and the endings that its files have."""

    name: str
    begins: bytes
    endings: tuple[str, ...]


KNOWN = (
    Known("npy", b"\x93NUMPY", (".npy",)),
    Known("npz", b"PK\x03\x04", (".npz",)),
    Known("hdf5", b"\x89HDF\r\n\x1a\n", (".h5", ".hdf5", ".hdf", ".he5")),
    Known("parquet", b"PAR1", (".parquet", ".pq")),
    Known("arrow", b"ARROW1", (".feather", ".arrow", ".ipc")),
    Known("arrow", b"\xff\xff\xff\xff", (".arrows",)),
)
# Files that are not read: their first bytes, how many others stand before these, and what they are.
REFUSED = (
    *((bytes((128, protocol)), 0, "a pickle, which could run any program when read") for protocol in range(1, 9)),
    (b"FEA1", 0, "Feather of version 1, which pyarrow no longer writes"),
    (b"PARE", 0, "Parquet whose footer is encrypted"),
    (b"ORC", 0, "an ORC file"),
    (b"SQLite format 3", 0, "a SQLite database"),
    (b"DUCK", 8, "a DuckDB database"),
    (b"MATLAB 5.0", 0, "a MATLAB file of version 5"),
    (b'\0{"', 7, "a file of safetensors"),
    (b"BZh", 0, "compressed by bzip2"),
    (b"\xfd7zXZ", 0, "compressed by xz"),
)
COMPRESSED = (".gz", ".zst")
# Bytes that stand in no text of one byte a character.
CONTROL = bytes(set(range(32)) - set(b"\t\n\r\f\x1b"))


def format_of(place: Location) -> str:
    """The format of the file at `place`, which is text where it is no other.

    Raises
    ------
    InputError
        Its name says one format and its first bytes say none, or another that is not read.
    """
    with place.open_input() as stream:
        head = stream.read(16)
    named = next((one for one in KNOWN if place.name.lower().endswith(one.endings)), None)
    begun = next((one for one in KNOWN if head.startswith(one.begins)), None)
    what = _refused(place.name.lower(), head)
    if what and begun is None:
        raise InputError(f"{place} is {what}; save its numbers as .npy, .npz or Parquet")
    if begun is not None:
        return begun.name
    if named is not None:
        raise InputError(
            f"{place} is called {named.endings[0]} and begins with {head[:8]!r}, as no file of {named.name} does; it "
            "is damaged, or another file under that name"
        )
    return OBJECTS if plain_name(place).endswith(JSON) else TEXT


def _refused(name: str, head: bytes) -> str:
    """What a file is that is not read; empty where it may be."""
    for mark, before, what in REFUSED:
        if head[before:].startswith(mark):
            return what
    packed = next((name.removesuffix(ending) for ending in COMPRESSED if name.endswith(ending)), "")
    if packed:
        return "compressed as a whole" if any(packed.endswith(one.endings) for one in KNOWN) else ""
    is_wide = head.startswith((b"\xff\xfe", b"\xfe\xff")) or not any(head[1::2]) or not any(head[::2])  # UTF-16
    is_binary = bool(head.translate(None, CONTROL) != head) and not is_wide
    is_binary &= not head.startswith((b"\x1f\x8b", b"\x28\xb5\x2f\xfd"))  # compressed text by another name
    return f"no text, and begins with {head[:8]!r} as no format does that is read" if is_binary else ""


def formats_of(places: Sequence[Location]) -> str:
    """The format that all of `places` have; ``folder`` where one is a folder.

    Raises
    ------
    InputError
        They have several.
    """
    kinds = {str(place): "folder" if place.is_folder() else format_of(place) for place in places}
    if len(set(kinds.values())) > 1:
        first, other = list(dict.fromkeys(kinds.values()))[:2]
        raise InputError(
            f"the files have several formats, {first} and {other}; import those of one format at a time, each with a "
            "--split of its own"
        )
    return next(iter(kinds.values()))


def open_tables(files: Any, split: str, features: Sequence[str] = ()) -> tuple[str, list[Table]]:
    """The format and the tables of files, addresses, patterns or folders, or of rows in memory; text has no table."""
    if in_memory(files):
        return "memory", [open_memory(files)]
    with reached(" ".join(map(str, files))):
        here = [cached(str(file)) for file in files]
        places = expand(here, folders=True)
        if here != list(map(str, files)) and any(map(has_magic, here)):
            refuse_partial(places)  # a cache may hold some of them; what is named by itself is meant by itself
        kind = formats_of(places)
        if kind == TEXT:
            return kind, []
        if kind == "folder":
            return _folders(places, Wanted(split, tuple(features)))
        opened: Opened = FORMATS[kind]
        return kind, [opened(place, Wanted(split, tuple(features))) for place in places]


def _folders(places: Sequence[Location], wanted: Wanted) -> tuple[str, list[Table]]:
    opened = [open_folder(place, wanted) for place in places]
    if len({kind for kind, _ in opened}) > 1:
        raise InputError(f"{places[0]} and the folders beside it are of several kinds; import one kind at a time")
    return opened[0][0], [table for _, tables in opened for table in tables]


def open_beside(files: Any, what: str, split: str = "", rows: Any = None) -> list[Table]:
    """The tables of labels or names beside features: files, or values in memory, which beside `rows` in memory may be
    texts as well.
    """
    refuse_other_order(rows, files, what)
    if files is not None and not hasattr(files, "__len__"):
        raise InputError(f"the {what} are made one by one, and are read more than once; hand over list({what})")
    if files is None or not len(files):
        return []
    if in_memory(files) or (rows is not None and not isinstance(files, str | Path)):
        return [open_memory(files, f"the array of {what}")]
    files = (files,) if isinstance(files, str | Path) else files
    return [_beside(place, Wanted(split)) for place in expand(files)]


def _beside(place: Location, wanted: Wanted) -> Table:
    if not stamp(place)[0]:
        raise InputError(f"{place} is empty")
    kind = format_of(place)
    if kind not in (TEXT, OBJECTS):
        opened: Opened = FORMATS[kind]
        return opened(place, wanted)
    return open_text(place)
