"""Class names in their order, from a list as people have it: lines, a table, JSON, or a literal of Python."""

import ast
import csv
import io
import json
import re
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import PurePosixPath
from typing import Any, NamedTuple

from gapscope.core.errors import InputError
from gapscope.core.location import Location
from gapscope.core.text import composed, counted, text_of

WNID = re.compile(r"n\d{8}")
NAME_WORDS = frozenset("name names class classes label labels class_name class_names classname category title".split())
INDEX_WORDS = frozenset("index idx id number class_id class_index class_idx label_id category_id target".split())
# Under which other programs keep the classes among other settings; of ids as keys, of names as keys.
KEYS = ("names", "classes", "class_names", "id2label", "class_to_idx", "label2id", "categories")
WANTED = "wanted one name a line in class order, or every name with its index, counted from 0 or 1"
# "0 cat", "0: cat", "0,cat"; and the same from the other end.
LEADING = re.compile(r"(?P<index>\d+)\s*[\s,;:|=]\s*(?P<name>\S.*)")
TRAILING = re.compile(r"(?P<name>.*[^\s,;:|=])[\s,;:|=]+(?P<index>\d+)")


class ClassList(NamedTuple):
    """Class names by index, the lines that they were cut from, where these may be names themselves, and the number that
    the list gives to each class; empty where it gives none, or counts from 0.
    """

    names: list[str]
    lines: Sequence[str] = ()
    numbers: tuple[int, ...] = ()


def index_of(number: int, numbers: Sequence[int], classes: int) -> int | None:
    """The index of the class that a list gives this number; None where it is that of none."""
    if numbers:
        return numbers.index(number) if number in numbers else None
    return number if 0 <= number < classes else None


def read_class_list(place: Location) -> ClassList:
    """The classes in the file at `place`; see `class_list`."""
    try:
        data = place.read_bytes()
    except OSError as error:
        raise InputError(f"the class list {place} cannot be read ({error.strerror or error})") from error
    return class_list(str(place), data)


def class_list(place: str, data: bytes) -> ClassList:
    """The classes in `data`, the file that lies at `place`; letters with accents are one character.

    Lines may carry their index before or behind the name, and need not be in order then; of ``n01440764 tench, Tinca
    tinca`` the wnid is the name. Tables (``.csv``, ``.tsv``) have a column of names, and one of indices where there are
    more. JSON, and what Python prints, may be a list, or map indices to names or names to indices. Indices count from 0
    or from 1; a heading such as ``id``, or indices that are keys, may leave some out, as COCO's categories do.

    Raises
    ------
    InputError
        It does not say which texts are the names, a name is there twice, it is not clear which numbers are indices, or
        it is no text.
    """
    what, suffix = f"the class list {place}", PurePosixPath(place).suffix.lower()
    text = composed(text_of(what, data))
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    value = _value(text, what, strict=suffix == ".json")
    result = _of_lines(lines)
    if value is not None:
        result = _of_rows(what, *_rows(value, what), keyed=isinstance(value, Mapping))
    elif suffix in (".csv", ".tsv"):
        header, rows = _table(what, text, "\t" if suffix == ".tsv" else "")
        # "0,tench, Tinca tinca" without quotes is read as a line.
        if result.names == lines or len(set(map(len, rows))) == 1:
            result = _of_rows(what, header, rows)._replace(lines=lines)
    return _checked(what, result)


def _checked(what: str, found: ClassList) -> ClassList:
    names = found.names
    repeated = sorted({name for name in names if names.count(name) > 1}) if len(set(names)) < len(names) else []
    if repeated or not all(names) or not names:
        wrong = f"lists {repeated[0]!r} more than once" if repeated else "has a class without a name" if names else ""
        raise InputError(f"{what} {wrong or 'is empty'}; write each class name on one line of its own, in class order")
    return found


def _of_lines(lines: list[str]) -> ClassList:
    words = [line.split()[0] for line in lines]
    if all(WNID.fullmatch(word) for word in words):
        return ClassList(words)
    for form in (LEADING, TRAILING):
        found = [form.fullmatch(line) for line in lines]
        cells = [(one["index"], one["name"].strip("\"'")) for one in found if one]
        if len(cells) == len(lines) and _is_order([index for index, _ in cells]):
            names = _by_index(cells)
            words = [re.split(r"[\s,;:|]", name)[0] for name in names]
            names = words if all(WNID.fullmatch(word) for word in words) else names
            if len(set(names)) == len(names):
                return ClassList(names, lines, _numbers([index for index, _ in cells]))
    return ClassList(lines)


def _table(what: str, text: str, separator: str) -> tuple[list[str], list[list[str]]]:
    """The header, empty where there is none, and the rows."""
    first = text.lstrip().partition("\n")[0]
    separator = separator or max(",;\t|", key=first.count)
    try:
        rows = [[cell.strip() for cell in row] for row in csv.reader(io.StringIO(text), delimiter=separator)]
    except csv.Error as error:
        raise InputError(f"{what} cannot be read as a table ({error}); {WANTED}") from error
    rows = [row for row in rows if any(row)]
    header = [cell.lower().replace(" ", "_") for cell in rows[0]] if rows else []
    headed = bool(header) and (
        bool({*header} & (NAME_WORDS | INDEX_WORDS)) or (len(rows) > 1 and _adds_no_index(rows[0], rows[1:]))
    )
    return (header, rows[1:]) if headed else ([], rows)


def _adds_no_index(first: list[str], rest: list[list[str]]) -> bool:
    """Whether a column holds indices but for its first cell, which is a heading then."""
    return any(
        not cell.isdigit() and _is_order([row[at] for row in rest if at < len(row)]) for at, cell in enumerate(first)
    )


def _of_rows(what: str, header: Sequence[str], rows: Sequence[Sequence[str]], *, keyed: bool = False) -> ClassList:
    """The names in a table of texts, by the column of indices where there is one; of the first where it is `keyed`."""
    width = max(map(len, rows), default=0)
    if width <= 1:
        return ClassList([row[0] for row in rows])
    if any(len(row) != width for row in rows):
        raise InputError(f"the rows of {what} differ in length; {WANTED}")
    columns = list(zip(*rows, strict=True))
    numbered = [at for at, column in enumerate(columns) if all(cell.isdigit() for cell in column)]
    index = _one(numbered, header, INDEX_WORDS)
    names = _one([at for at in range(width) if at not in (numbered if header else {index})], header, NAME_WORDS)
    names = next((at for at, column in enumerate(columns) if all(map(WNID.fullmatch, column))), names)
    if index is None or names is None:
        raise InputError(f"{what} does not say which of its {width} columns are the names and the indices; {WANTED}")
    titled = header[index] in INDEX_WORDS if header else keyed and index == 0
    if not _is_order(columns[index]) and not (titled and len(set(map(int, columns[index]))) == len(rows)):
        low, high = min(map(int, columns[index])), max(map(int, columns[index]))
        raise InputError(
            f"{what} has {counted(len(rows), 'class', 'classes')} with indices from {low} to {high}; {WANTED}"
        )
    return ClassList(
        _by_index(list(zip(columns[index], columns[names], strict=True))), numbers=_numbers(columns[index])
    )


def _one(columns: Sequence[int], header: Sequence[str], words: frozenset[str]) -> int | None:
    """The only one of `columns`, or the only one with a heading among `words`."""
    titled = [at for at in columns if at < len(header) and header[at] in words]
    found = columns if len(columns) == 1 else titled
    return found[0] if len(found) == 1 else None


def _is_order(indices: Sequence[str]) -> bool:
    """Whether these are 0, 1, 2, … or 1, 2, 3, … in any order."""
    if not indices or not all(one.isascii() and one.isdigit() for one in indices):
        return False
    numbers = sorted(map(int, indices))
    return numbers[0] <= 1 and numbers == list(range(numbers[0], numbers[0] + len(numbers)))


def _numbers(indices: Sequence[str]) -> tuple[int, ...]:
    """The numbers of classes in their order; none where they are their indices."""
    numbers = tuple(sorted(map(int, indices)))
    return () if numbers == tuple(range(len(numbers))) else numbers


def _by_index(cells: Sequence[tuple[str, str]]) -> list[str]:
    return [name for _, name in sorted((int(index), name) for index, name in cells)]


def _value(text: str, what: str, *, strict: bool) -> Any:
    """The list or mapping that `text` is in JSON or in Python; None where it is neither."""
    if not strict and text.lstrip()[:1] not in ("[", "{"):
        return None
    try:
        return json.loads(text, object_pairs_hook=partial(_each_once, what))
    except (ValueError, RecursionError) as error:
        try:
            return ast.literal_eval(text.strip())
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            if strict:
                raise InputError(f"{what} is no JSON ({error}); {WANTED}") from error
            return None


def _each_once(what: str, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) < len(pairs):
        keys = [key for key, _ in pairs]
        raise InputError(f"{what} has the key {next(key for key in keys if keys.count(key) > 1)!r} twice; {WANTED}")
    return result


def _rows(value: Any, what: str) -> tuple[list[str], list[list[str]]]:
    """A value of JSON as a header and rows of texts."""
    if isinstance(value, Mapping):
        keys = [key for key in KEYS if isinstance(value.get(key), (Mapping, list))]
        if keys:
            return _rows(value[keys[0]], what)
        return [], [[_text(key), *map(_text, one if isinstance(one, list) else [one])] for key, one in value.items()]
    if isinstance(value, list) and value and all(isinstance(one, Mapping) for one in value):
        header = list(value[0])
        return [str(key).lower() for key in header], [[_text(one.get(key, "")) for key in header] for one in value]
    if isinstance(value, list):
        return [], [[_text(cell) for cell in one] if isinstance(one, list) else [_text(one)] for one in value]
    raise InputError(f"{what} holds a {type(value).__name__}; {WANTED}")


def _text(cell: Any) -> str:
    return "" if cell is None else cell.strip() if isinstance(cell, str) else json.dumps(cell, default=str)
