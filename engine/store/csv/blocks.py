"""CSV files cut into blocks of complete records, in order, from any position on."""

from collections.abc import Iterator, Sequence
from typing import BinaryIO, NamedTuple

import numpy as np

from gapscope.core.errors import InputError
from gapscope.core.location import Location
from gapscope.store.csv.header import Header
from gapscope.store.csv.kernel import PADDING, last_record_end
from gapscope.store.imports.files import open_bytes

BLOCK_BYTES = 2**22
RECORD_LIMIT = 2**26


class Position(NamedTuple):
    """The first byte not read yet: in which file, how far in its decompressed text, after how many line breaks."""

    file: int
    offset: int
    line: int


class TextBlock(NamedTuple):
    """Complete records of one file.

    Attributes
    ----------
    start, stop
        Where the block begins, and where the next one does.
    buffer
        The bytes, then at least `PADDING` zeros; may be filled with a later block once this one is parsed.
    size
        Bytes of records.
    advanced
        Bytes by which the file as stored was read on; compressed ones where it is compressed.
    """

    start: Position
    stop: Position
    buffer: bytearray
    size: int
    advanced: int

    @property
    def text(self) -> np.ndarray:
        """The buffer as uint8, without copying."""
        return np.frombuffer(self.buffer, np.uint8)


def read_blocks(
    places: Sequence[Location],
    headers: Sequence[Header],
    start: Position,
    block_bytes: int = BLOCK_BYTES,
    spare: list[bytearray] | None = None,
) -> Iterator[TextBlock]:
    """The records of all files from `start` on, in blocks of about `block_bytes`.

    Buffers that the caller puts into `spare` are filled again: fresh memory costs as much as reading the file from
    the cache.
    """
    spare = [] if spare is None else spare
    for number in range(start.file, len(places)):
        header = headers[number]
        begin = start if start.file == number and start.offset else Position(number, header.length, header.lines)
        with open_bytes(places[number]) as (raw, stream):
            stream.seek(begin.offset)
            yield from _cut(places[number], raw, stream, begin, ord(header.delimiter), block_bytes, spare)


def _cut(
    place: Location,
    raw: BinaryIO,
    stream: BinaryIO,
    position: Position,
    delimiter: int,
    block_bytes: int,
    spare: list[bytearray],
) -> Iterator[TextBlock]:
    rest, size, result = b"", block_bytes, 0
    while True:
        buffer = _buffer(len(rest) + size + PADDING, block_bytes, spare)
        buffer[: len(rest)] = rest
        filled = _fill(stream, buffer, len(rest))
        ended = filled < len(buffer) - PADDING
        stop, breaks, all_breaks = last_record_end(np.frombuffer(buffer, np.uint8), filled, delimiter)
        if ended:
            stop, breaks = filled, all_breaks
        rest = bytes(buffer[stop:filled])
        size = block_bytes if stop else 2 * size
        if len(rest) > RECORD_LIMIT:
            raise InputError(
                f"{place}, line {position.line + 1}: a record is longer than {RECORD_LIMIT:,} bytes; "
                "most likely a quote is opened there and never closed"
            )
        if stop:
            buffer[stop : stop + PADDING] = bytes(PADDING)
            following = Position(position.file, position.offset + stop, position.line + breaks)
            yield TextBlock(position, following, buffer, stop, raw.tell() - result)
            position, result = following, raw.tell()
        if ended:
            return


def _buffer(needed: int, block_bytes: int, spare: list[bytearray]) -> bytearray:
    """A spare buffer of at least the `needed` bytes, or a new one with room for what earlier blocks leave over."""
    while spare:
        buffer = spare.pop()
        if needed <= len(buffer) <= 2 * needed:
            return buffer
    return bytearray(needed + block_bytes // 8)


def _fill(stream: BinaryIO, buffer: bytearray, start: int) -> int:
    with memoryview(buffer) as view:
        end = len(buffer) - PADDING
        while start < end and (count := stream.readinto(view[start:end])):  # type: ignore[attr-defined]
            start += count
    return start
