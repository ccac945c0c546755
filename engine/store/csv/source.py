"""CSV files of one table as rows to import."""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa

from gapscope.core.location import Location
from gapscope.store.csv.blocks import BLOCK_BYTES, Position, TextBlock, read_blocks
from gapscope.store.csv.header import Header, read_header
from gapscope.store.csv.kept import read_columns
from gapscope.store.csv.kernel import IGNORED, LABEL, PATH
from gapscope.store.csv.parse import Layout, parse_block, with_way_out
from gapscope.store.imports.columns import Choice, Columns, find_columns, refuse_other_columns
from gapscope.store.imports.files import listed, missing_between, sample_hash, stamp
from gapscope.store.imports.source import Rows

START = Position(0, 0, 0)


def open_csv(places: Sequence[Location], choice: Choice, delimiter: str | None = None, *, named: bool) -> "CsvSource":
    """The CSV files at `places`, with the columns that are chosen; `named`: their first lines hold names."""
    headers = tuple(read_header(place, delimiter, named=named) for place in places)
    for place, header in zip(places, headers, strict=True):
        refuse_other_columns(headers[0].names, header.names, str(place), str(places[0]))
    return CsvSource(tuple(places), headers, find_columns(headers[0].names, choice, str(places[0])))


def kinds_of(columns: Columns, names: Sequence[str]) -> np.ndarray:
    """For each of a file's columns its position among the features, or `LABEL`, `PATH`, `IGNORED`; int64."""
    places = {name: index for index, name in enumerate(columns.features)}
    places |= {name: kind for name, kind in ((columns.label, LABEL), (columns.path, PATH)) if name}
    return np.array([places.get(name, IGNORED) for name in names], np.int64)


@dataclass(frozen=True)
class CsvSource:
    """The rows of CSV files; a position is the file, the offset in its decompressed text and the line.

    Attributes
    ----------
    places, headers
        The files in order, and what their first lines say.
    columns
        Which columns are used.
    block_bytes
        Bytes parsed together; decides nothing about the result.
    """

    places: tuple[Location, ...]
    headers: tuple[Header, ...]
    columns: Columns
    block_bytes: int = BLOCK_BYTES

    decoder = "csv"
    class_names = ()

    @property
    def dim(self) -> int:
        """Number of feature columns."""
        return len(self.columns.features)

    @property
    def has_path(self) -> bool:
        """Whether there is a path column."""
        return bool(self.columns.path)

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences about what was assumed."""
        return (*self.columns.notes, *filter(None, [missing_between([str(place) for place in self.places])]))

    @cached_property
    def origin(self) -> str:
        """The files."""
        return listed(self.places)

    @property
    def others(self) -> tuple[str, ...]:
        """Columns that are not used."""
        return tuple(name for name in self.headers[0].names if name and name not in self.columns.used)

    def read_others(self, names: Sequence[str]) -> pa.Table:
        """See `read_columns`."""
        return read_columns(self.places, self.headers, names)

    def preprocessing(self) -> dict[str, Any]:
        """The files by size and sampled hash, and the columns."""
        columns = self.columns
        return {
            "files": [f"{place.name}: {place.size()} bytes, {sample_hash(place)[:16]}" for place in self.places],
            "features": f"{columns.features[0]} to {columns.features[-1]}, {_digest(columns.features)}",
            "label": columns.label,
            "path": columns.path,
        }

    def stamps(self) -> list[tuple[int, int]]:
        """See `Source.stamps`."""
        return [stamp(place) for place in self.places]

    def left(self, position: Sequence[int]) -> tuple[int | None, str]:
        """Bytes to read."""
        file, offset, _ = position or START
        sizes = [place.size() for place in self.places[file:]]
        compressed = self.places[file].name.endswith((".gz", ".zst"))
        return sum(sizes) - (0 if compressed else offset), "B"

    def blocks(self, position: Sequence[int], dtype: str) -> Iterator["CsvBlock"]:
        """The records from `position` on; see `Source.blocks`."""
        spare: list[bytearray] = []
        start = Position(*position) if position else START
        for text in read_blocks(self.places, self.headers, start, self.block_bytes, spare):
            file = text.start.file
            yield CsvBlock(text, self._layout(file, dtype), self.places[file], spare)

    def _layout(self, file: int, dtype: str) -> Layout:
        columns, header = self.columns, self.headers[file]
        kinds = kinds_of(columns, header.names)
        labelled, named = bool(columns.label), bool(columns.path)
        return Layout(header.names, kinds, ord(header.delimiter), self.dim, dtype, labelled, named)


@dataclass(frozen=True)
class CsvBlock:
    """Complete records of the file at `place`, how to read them, and where their buffer goes afterwards."""

    text: TextBlock
    layout: Layout
    place: Location
    spare: list[bytearray]

    @property
    def stop(self) -> Position:
        """See `Block.stop`."""
        return self.text.stop

    @property
    def size(self) -> int:
        """See `Block.size`."""
        return self.text.size

    @property
    def advanced(self) -> int:
        """See `Block.advanced`."""
        return self.text.advanced

    def parse(self) -> Rows:
        """See `parse_block`."""
        rows = parse_block(self.text, self.layout)
        return rows._replace(bad=[one._replace(reason=with_way_out(one.reason, self.place)) for one in rows.bad])

    def where(self, line: int) -> str:
        """The file and the line."""
        return f"{self.place}, line {self.text.start.line + line + 1}"

    def name(self, line: int) -> str:
        """The file's name and the line."""
        return f"{self.place.name}:{self.text.start.line + line + 1}"

    def release(self) -> None:
        """Let the next block be read into the buffer."""
        self.spare.append(self.text.buffer)


def _digest(names: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(names).encode()).hexdigest()[:16]
