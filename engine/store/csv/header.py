"""The first line of a CSV file: its delimiter and the names of its columns."""

import csv
import re
import shlex
from dataclasses import dataclass

from gapscope.core.errors import InputError
from gapscope.core.location import Location
from gapscope.store.imports.files import open_bytes

DELIMITERS = ",;\t|"
# What no delimiter is: it stands in names of columns, or around them.
IN_NAMES = r"[\w.'\"#+-]"
# So many characters between the fields of a line are none of a name.
FEWEST = 2
LIMIT, SHOWN = 2**24, 40
JSON = "JSON"
MARKS = {
    b"\xff\xfe": "UTF-16",
    b"\xfe\xff": "UTF-16",
    b"PK\x03\x04": "a zip archive or an Excel workbook",
    b"PAR1": "Parquet",
    b'[{"': JSON,
    b'{"': JSON,
    b"<html": "a web page",
    b"<!doctype": "a web page",
}
COMPRESSED = {b"\x1f\x8b": ".gz", b"\x28\xb5\x2f\xfd": ".zst"}
BYTE_ORDER_MARK = b"\xef\xbb\xbf"


@dataclass(frozen=True)
class Header:
    """What the first line says.

    Attributes
    ----------
    names
        The columns; ``0, 1, …`` for a file without a header.
    delimiter
        The character between fields.
    length
        Bytes before the first data row.
    lines
        Physical lines before the first data row.
    """

    names: tuple[str, ...]
    delimiter: str
    length: int
    lines: int


def read_header(place: Location, delimiter: str | None = None, *, named: bool = True) -> Header:
    """The header of the file at `place`; with ``named=False`` its first line is data and columns are numbered."""
    line = _first_record(place)
    mark = len(BYTE_ORDER_MARK) if line.startswith(BYTE_ORDER_MARK) else 0
    blank = len(line[mark:]) - len(line[mark:].lstrip(b"\r\n"))
    try:
        text = line[mark + blank :].decode()
    except UnicodeDecodeError as error:
        raise InputError(
            f"{place} is not UTF-8 (line 1: {error.reason}); convert it, for example with `iconv -t utf-8`"
        ) from error
    if not delimiter:
        delimiter = sniff(text)
        _refuse_other_delimiter(place, text)
    names = tuple(name.strip() for name in next(csv.reader(text.splitlines(keepends=True), delimiter=delimiter), ()))
    if not named:
        return Header(tuple(map(str, range(len(names)))), delimiter, mark, 0)
    if looks_like_data(names):
        raise InputError(
            f"{place} has no header: its first line holds numbers ({', '.join(names[:3])}, …); pass --no-header "
            "and name columns by "
            "their position from 0, for example `--no-header --label-column 1024`, or put a line of names on top"
        )
    return Header(names, delimiter, len(line), line.count(b"\n"))


def _refuse_other_delimiter(place: Location, line: str) -> None:
    """Refuse a first line that has another character between its fields than those that are found."""
    others = re.sub(IN_NAMES, "", line.strip())
    if any(one in line for one in DELIMITERS) or len(others) < FEWEST:
        return
    found = max(sorted(set(others)), key=others.count)
    squeezed = f"`tr -s {shlex.quote(found)} < {shlex.quote(place.path)} > NEW.csv` makes one of several; "
    raise InputError(
        f"{place} has no comma, semicolon, tab or | in its first line ({_shortened(line.strip())}), but "
        f"{others.count(found)} times {found!r}, which seems to stand between its fields; "
        f"{squeezed if found * 2 in line else ''}pass --delimiter {shlex.quote(found)}"
    )


def _shortened(line: str) -> str:
    return line if len(line) <= SHOWN else f"{line[:SHOWN]}…"


def _first_record(place: Location) -> bytes:
    head = b""
    with open_bytes(place) as (_, stream):
        while block := stream.read(2**16):
            head += block
            _refuse_other_formats(place, head)
            end = _record_end(head)
            if end:
                return head[:end]
            if len(head) > LIMIT:
                raise InputError(f"{place} has no line break in its first {LIMIT:,} bytes; it is not a CSV file")
    if not head.strip():
        raise InputError(f"{place} is empty")
    if b"\r" in head.strip():
        raise InputError(f"the lines of {place} end with a carriage return alone; write line feeds: tr '\\r' '\\n'")
    return head


def _refuse_other_formats(place: Location, head: bytes) -> None:
    for mark, name in MARKS.items():
        if head[:16].lower().startswith(mark.lower()):
            way_out = (
                "name it .json, or .jsonl where an object stands on each line" if name is JSON else "convert it first"
            )
            raise InputError(f"{place} is {name}, not a CSV file in UTF-8; {way_out}")
    for mark, suffix in COMPRESSED.items():
        if head.startswith(mark):
            raise InputError(f"{place} is compressed; call it {place.name}{suffix}, so that it is read as such")
    if len(head) > 3 and not head[1] and not head[3]:
        raise InputError(f"{place} is UTF-16 without a byte order mark, not a CSV file in UTF-8; convert it first")


def _record_end(head: bytes) -> int:
    """Where the first line that is not blank ends, line breaks between quotes apart; 0 when it does not."""
    inside, seen = False, False
    for index, byte in enumerate(head):
        if byte == 34:
            inside = not inside
        elif byte == 10 and not inside and seen:
            return index + 1
        seen = seen or byte not in b"\r\n\xef\xbb\xbf"
    return 0


def sniff(line: str) -> str:
    """The delimiter that a header line uses: the most frequent of comma, semicolon, tab and bar.

    >>> sniff("label;feature_0;feature_1")
    ';'
    """
    return max(DELIMITERS, key=line.count)


def looks_like_data(names: tuple[str, ...]) -> bool:
    """Whether most of the fields are numbers, yet not the distinct whole numbers that columns are numbered with.

    >>> looks_like_data(("0", "1", "2", "label")), looks_like_data(("0.5", "1e-3", "7"))
    (False, True)
    """
    numbers = [name for name in names if _is_number(name)]
    counted = all(name.isdigit() for name in numbers) and len(set(numbers)) == len(numbers)
    return 2 * len(numbers) > len(names) and not counted


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
