"""Tables that people put beside images: read in whatever form, as a header and rows of texts."""

import csv
import io
import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from gapscope.core.errors import InputError
from gapscope.core.text import counted, text_of

SEPARATORS = ("\t", ",", ";", "|")


@dataclass(frozen=True)
class LabelTable:
    """A table as texts.

    Attributes
    ----------
    name
        Its path, for messages.
    header
        Names of its columns; empty where it has none.
    rows
        As many texts each as there are columns.
    first_line
        Number of the line of the first row.
    """

    name: str
    header: tuple[str, ...]
    rows: list[list[str]]
    first_line: int = 1

    @property
    def width(self) -> int:
        """Number of columns."""
        return len(self.header) if self.header else len(self.rows[0]) if self.rows else 0

    def column(self, index: int) -> list[str]:
        """The texts of a column."""
        return [row[index] for row in self.rows]

    def called(self, index: int) -> str:
        """What a column is called: its name, else its number from 1."""
        return self.header[index] if self.header else str(index + 1)

    def place(self, row: int) -> str:
        """Where a row stands, for messages."""
        return f"{self.name}, line {self.first_line + row}"


def read_table(name: str, data: bytes, is_known: Callable[[str], bool] = lambda text: False) -> LabelTable:
    """The table in the file `name` with the bytes `data`: CSV with any separator, lists, JSON, or JSON lines.

    Parameters
    ----------
    is_known
        Whether a text names an image: a first row that holds such a text is no header.

    Raises
    ------
    InputError
        The table is in an encoding that cannot be told, its lines differ in length, or it is no table at all.
    """
    text = text_of(name, data)
    suffix = PurePosixPath(name).suffix.lower()
    if suffix in (".jsonl", ".ndjson"):
        return _of_objects(name, _json_lines(name, text))
    if suffix == ".json":
        return _of_json(name, _parsed(name, text))
    return _of_lines(name, text, is_known, free=suffix in (".txt", ".lst", ".list"))


# --- lines


def _of_lines(name: str, text: str, is_known: Callable[[str], bool], *, free: bool) -> LabelTable:
    lines = [(number, line) for number, line in enumerate(text.splitlines(), 1) if line.strip()]
    lines = [(number, line) for number, line in lines if not (free and line.lstrip().startswith("#"))]
    separator = _separator([line for _, line in lines[:20]], is_known, free=free)
    if separator == " ":
        numbered = _by_blanks(lines, is_known)
    else:
        numbered = list(_csv_rows(name, text if not free else "\n".join(line for _, line in lines), separator))
    if not numbered:
        return LabelTable(name, (), [])
    _, first = numbered[0]
    headed = _is_header(first, numbered[1:20], is_known, free=free)
    rows = numbered[1:] if headed else numbered
    width = len(first)
    checked = [_fitted(name, number, row, width, "header" if headed else "first line") for number, row in rows]
    header = tuple(cell.strip() for cell in first) if headed else ()
    return LabelTable(name, header, checked, rows[0][0] if rows else 1)


def _separator(lines: Sequence[str], is_known: Callable[[str], bool], *, free: bool) -> str:
    """The character that cuts most of `lines` into the same number of fields, more than one; a comma where none does.

    Blanks count only where nothing else fits, in files of free form and where an image stands before the first one.
    """
    best, most = ",", (0, 0)
    for separator in SEPARATORS:
        counts = [line.count(separator) for line in lines]
        if counts and counts[0]:
            agreeing = sum(count == counts[0] for count in counts)
            if (agreeing, counts[0]) > most:
                best, most = separator, (agreeing, counts[0])
    named = not most[0] and 2 * sum(is_known(line.split()[0]) and not is_known(line) for line in lines) > len(lines)
    if named or (free and most[0] * 2 < len(lines)):
        return " " if any(len(line.split()) > 1 for line in lines) else ","
    return best


def _by_blanks(lines: list[tuple[int, str]], is_known: Callable[[str], bool]) -> list[tuple[int, list[str]]]:
    """Fields between blanks; where their number differs, labels hold blanks if the first field names an image, else
    names do, and the last field is the label.
    """
    rows = [line.split() for _, line in lines]
    if len({len(row) for row in rows}) > 1:
        first = sum(is_known(row[0]) for row in rows) * 2 > len(rows)
        rows = [line.split(None, 1) if first else line.rsplit(None, 1) for _, line in lines]
    return [(number, row) for (number, _), row in zip(lines, rows, strict=True)]


def _csv_rows(name: str, text: str, separator: str) -> Iterator[tuple[int, list[str]]]:
    reader, lines, before = csv.reader(io.StringIO(text, newline=""), delimiter=separator), text.splitlines(), 0
    try:
        for row in reader:
            if "".join(lines[before : reader.line_num]).count('"') % 2 and reader.line_num > before + 1:
                raise InputError(f"{name}, line {before + 1}: a quote is opened and never closed; mend that line")
            before = reader.line_num
            if any(cell.strip() for cell in row):
                yield reader.line_num, [cell.strip() for cell in row]
    except csv.Error as error:
        raise InputError(f"{name}, line {reader.line_num}: {error}; mend that line") from error


def _fitted(name: str, number: int, row: list[str], width: int, what: str) -> list[str]:
    while len(row) > width and not row[-1]:
        row = row[:-1]
    if len(row) != width:
        raise InputError(f"{name}, line {number}: {counted(len(row), 'field')}, the {what} has {width}; mend that line")
    return row


def _is_header(
    first: list[str], others: list[tuple[int, list[str]]], is_known: Callable[[str], bool], *, free: bool
) -> bool:
    if any(is_known(cell) for cell in first):
        return False
    if any(is_known(cell) for _, row in others for cell in row):
        return True  # the rows name images, and this one does not
    return not free or _looks_like_names(first)


def _looks_like_names(cells: list[str]) -> bool:
    usual = {"path", "file", "filename", "image", "label", "class", "id", "name", "target", "category"}
    return any(re.sub(r"[\W_]+", "", cell.lower()) in usual for cell in cells)


# --- JSON


def _parsed(name: str, text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{name} is no JSON ({error}); write it again") from error


def _json_lines(name: str, text: str) -> Iterator[dict]:
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip():
            try:
                yield json.loads(line)
            except (ValueError, RecursionError) as error:
                raise InputError(f"{name}, line {number} is no JSON ({error}); mend that line") from error


def _of_json(name: str, value: Any) -> LabelTable:
    """A list of objects, an object of labels by name, pairs under ``labels``, or COCO's annotations."""
    if isinstance(value, dict) and isinstance(value.get("images"), list) and "annotations" in value:
        return _of_coco(name, value)
    if isinstance(value, dict) and isinstance(value.get("labels"), list):
        value = value["labels"]
    if isinstance(value, dict):
        if any(isinstance(one, (dict, list)) for one in value.values()):
            return LabelTable(name, (), [])
        return LabelTable(name, ("file_name", "label"), [[str(key), _text(one)] for key, one in value.items()])
    if isinstance(value, list) and all(isinstance(one, list) and len(one) == 2 for one in value):
        return LabelTable(name, ("file_name", "label"), [[_text(key), _text(one)] for key, one in value])
    return _of_objects(name, value if isinstance(value, list) else [])


def _of_objects(name: str, objects: Iterable[Any]) -> LabelTable:
    rows = [one for one in objects if isinstance(one, dict)]
    header = list(dict.fromkeys(key for row in rows for key in row))
    return LabelTable(name, tuple(header), [[_text(row.get(key)) for key in header] for row in rows])


def _of_coco(name: str, value: dict) -> LabelTable:
    """Images with their category, as far as all annotations of an image have the same."""
    try:
        names = {one["id"]: str(one["name"]) for one in value.get("categories", [])}
        result: dict[Any, set[str]] = {}
        for one in value["annotations"]:
            result.setdefault(one["image_id"], set()).add(names[one["category_id"]])
        if any(len(labels) > 1 for labels in result.values()):
            return LabelTable(name, (), [])
        rows = [[str(one["file_name"]), *result[one["id"]]] for one in value["images"] if one["id"] in result]
    except (KeyError, TypeError):
        return LabelTable(name, (), [])
    return LabelTable(name, ("file_name", "label"), rows)


def _text(value: Any) -> str:
    """A JSON value as the text that a CSV file would hold; objects and lists as JSON."""
    if value is None:
        return ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return value if isinstance(value, str) else json.dumps(value)
