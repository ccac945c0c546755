"""CSV files cut into blocks of complete records, in order, from any position on."""

from collections.abc import Iterator, Sequence
from typing import BinaryIO, NamedTuple

import numpy as np

from engine.core.errors import InputError
from engine.core.location import Location
from engine.store.csv.files import open_bytes
from engine.store.csv.header import Header
from engine.store.csv.kernel import PADDING, last_record_end

BLOCK_BYTES = 2**22
RECORD_LIMIT = 2**26


class Position(NamedTuple):
    """The first byte that was not read yet: in which file, how far in its decompressed text, after how many line breaks."""

    file: int
    offset: int
    line: int


class Block(NamedTuple):
    """Complete records of one file.

    Attributes
    ----------
    start, stop
        Where the block begins, and where the next one does.
    text : (size + PADDING,) uint8
        The bytes, then `PADDING` zeros.
    size
        Bytes of records.
    advanced
        Bytes by which the file as stored was read on; compressed ones where it is compressed.
    """

    start: Position
    stop: Position
    text: np.ndarray
    size: int
    advanced: int


def read_blocks(
    places: Sequence[Location], headers: Sequence[Header], start: Position, block_bytes: int = BLOCK_BYTES
) -> Iterator[Block]:
    """The records of all files from `start` on, in blocks of about `block_bytes`."""
    for number in range(start.file, len(places)):
        header = headers[number]
        begin = start if start.file == number and start.offset else Position(number, header.length, header.lines)
        with open_bytes(places[number]) as (raw, stream):
            stream.seek(begin.offset)
            yield from _cut(places[number], raw, stream, begin, ord(header.delimiter), block_bytes)


def _cut(place, raw, stream, position, delimiter, block_bytes):
    rest, size, told = b"", block_bytes, 0
    while True:
        buffer = bytearray(len(rest) + size + PADDING)
        buffer[: len(rest)] = rest
        filled = _fill(stream, buffer, len(rest))
        text = np.frombuffer(buffer, np.uint8)
        ended = filled < len(buffer) - PADDING
        stop = filled if ended else _last_end(buffer, text, filled, delimiter)
        rest = bytes(buffer[stop:filled])
        size = block_bytes if stop else 2 * size
        if len(rest) > RECORD_LIMIT:
            raise InputError(
                f"{place}, line {position.line + 1}: a record is longer than {RECORD_LIMIT:,} bytes; most likely a quote is opened "
                "there and never closed"
            )
        if stop:
            text[stop : stop + PADDING] = 0
            following = Position(position.file, position.offset + stop, position.line + buffer.count(b"\n", 0, stop))
            yield Block(position, following, text, stop, raw.tell() - told)
            position, told = following, raw.tell()
        if ended:
            return


def _fill(stream: BinaryIO, buffer: bytearray, start: int) -> int:
    with memoryview(buffer) as view:
        end = len(buffer) - PADDING
        while start < end and (count := stream.readinto(view[start:end])):
            start += count
    return start


def _last_end(buffer: bytearray, text: np.ndarray, size: int, delimiter: int) -> int:
    if buffer.find(b'"', 0, size) < 0:
        return buffer.rfind(b"\n", 0, size) + 1
    return last_record_end(text, size, delimiter)
