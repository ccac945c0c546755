"""A table of paths, or addresses, and labels as a data set of its own: CSV, JSON lines or Parquet."""

import io
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from gapscope.core.errors import InputError
from gapscope.core.splits import SPLIT_ORDER
from gapscope.data.accounting import Accounting
from gapscope.data.addresses import Entry, checked, folder_of, is_address, joined, last_name
from gapscope.data.classes import ClassMap
from gapscope.data.dataset import Options
from gapscope.data.labels import map_labels
from gapscope.data.matching import PATH_COLUMNS, Match, is_split_column, label_column, named_column, splits_in
from gapscope.data.parts import Part
from gapscope.data.reading import ALL, Reading
from gapscope.data.remote import read_bytes, tree_of
from gapscope.data.source import Undecodable
from gapscope.data.tables import SEPARATORS, LabelTable, read_table
from gapscope.data.tree import Tree
from gapscope.data.vocabulary import Kind, is_image_name, kind_of, plain_name

REPEATED = "rows that name an image again"
EMPTY = "rows without a path"
# Rows that are looked at to tell which column holds paths.
TRIED = 200
# A table with more columns holds features; its header is looked for in the first bytes.
MOST_COLUMNS, HEAD_BYTES = 512, 2**20


def is_table_of_paths(name: str) -> bool:
    """Whether a file is called like a table."""
    return kind_of(name) in (Kind.TABLE, Kind.PARQUET)


def read_path_table(place: str, options: Options, given: ClassMap | None = None) -> tuple[Tree, Reading]:
    """The files that the table at `place` names, relative to its folder where they are no whole paths or addresses, and
    their splits and labels. A file that is not there is listed with the reason; a row that names one again is not used.

    Raises
    ------
    InputError
        It is no table, no column holds paths, no column or several could be the labels, or it names one image twice
        with different labels.
    """
    table = _table(place)
    column = _path_column(table, place, options.path_column)
    match = Match(table, column, list(range(len(table.rows))))
    first = _first_rows(table, column)
    names = [_safe(name, place) for name in first]
    root = folder_of(place)
    tree = tree_of(root, [_entry(root, name) for name in names])
    labels = _labels(match, list(first.values()), options)
    splits = _splits(match, list(first.values()))
    notes = [f"the splits are those of the column {splits[0]}"] if splits else []
    parts = _parts(splits[1] if splits else {}, labels)
    classes, indices = map_labels(labels, given)
    if not any(labels):
        notes.append("the images have no labels; name the column that holds them with --label-column")
    accounting = _accounting(tree, parts, table, column, first)
    return tree, Reading(tuple(parts), classes, indices, accounting, (*classes.notes, *notes))


def _table(place: str) -> LabelTable:
    try:
        table = _of_parquet(place) if kind_of(last_name(place)) is Kind.PARQUET else _of_text(place)
    except Undecodable as error:
        raise InputError(f"{place} {error}; correct the path of the table") from error
    if not table.rows:
        raise InputError(f"{place} is a table without rows; wanted a row for each image, with its path and its label")
    return table


def _of_text(place: str) -> LabelTable:
    first = read_bytes(place, 0, HEAD_BYTES).partition(b"\n")[0]
    _refuse_features(place, 1 + max(first.count(one.encode()) for one in SEPARATORS))
    return read_table(place, read_bytes(place), _is_path)


def _refuse_features(place: str, columns: int) -> None:
    if columns > MOST_COLUMNS:
        raise InputError(
            f"{place} has {columns:,} columns, and a table of paths and labels has at most {MOST_COLUMNS}; if they are "
            "features, use `import-features`"
        )


def _of_parquet(place: str) -> LabelTable:
    """The columns of texts and numbers of a Parquet file, as texts."""
    try:
        file = pq.ParquetFile(io.BytesIO(read_bytes(place)) if is_address(place) else place)
        plain = [f.name for f in file.schema_arrow if _is_plain(f.type)]
        _refuse_features(place, len(plain))
        table = file.read(plain)
        columns = [_texts(table[name]) for name in plain]
    except (OSError, pa.ArrowException, UnicodeDecodeError) as error:
        raise InputError(f"{place} cannot be read as Parquet ({error}); fetch it again") from error
    return LabelTable(place, tuple(plain), [list(row) for row in zip(*columns, strict=True)])


def _is_plain(kind: pa.DataType) -> bool:
    kind = kind.value_type if pa.types.is_dictionary(kind) else kind
    text = pa.types.is_string(kind) or pa.types.is_large_string(kind)
    return text or pa.types.is_integer(kind) or pa.types.is_boolean(kind) or pa.types.is_floating(kind)


def _texts(column: pa.ChunkedArray) -> list[str]:
    values = column.to_pylist()
    whole = all(value is None or (isinstance(value, float) and value.is_integer()) for value in values)
    if whole and pa.types.is_floating(column.type):  # pandas writes whole numbers beside missing ones as fractions
        values = [None if value is None else int(value) for value in values]
    return ["" if value is None else str(value) for value in values]


def _is_path(text: str) -> bool:
    return is_image_name(text) or is_address(text) or "/" in text


def _path_column(table: LabelTable, place: str, wanted: str | None) -> int:
    """The column that the user names, else the one whose texts are mostly called like images, or are there."""
    if wanted:
        return named_column(table, wanted, "path")
    rows = table.rows[:: max(1, len(table.rows) // TRIED)]
    folder = folder_of(place)

    def share(at: int) -> int:
        return sum(_is_path(row[at]) or (not is_address(folder) and Path(folder, row[at]).is_file()) for row in rows)

    def rank(at: int) -> int:
        name = plain_name(table.header[at]) if table.header else ""
        return PATH_COLUMNS.index(name) if name in PATH_COLUMNS else len(PATH_COLUMNS)

    best = max(range(table.width), key=lambda at: (share(at), -rank(at), -at))
    if share(best) * 2 <= len(rows):
        columns = ", ".join(table.header) or f"{table.width} without names"
        raise InputError(
            f"{place} has no column of paths that can be told: its columns are {columns}; say which one it is with "
            "--path-column"
        )
    return best


def _first_rows(table: LabelTable, column: int) -> dict[str, int]:
    """The row of each path, the first where there are several; rows without a path have none."""
    result: dict[str, int] = {}
    for row, text in enumerate(table.column(column)):
        if name := text.strip().replace("\\", "/"):
            result.setdefault(name, row)
    return result


def _safe(name: str, place: str) -> str:
    """A path of a table as it may be opened: a table that comes from elsewhere names no files of this machine."""
    if is_address(name):
        name = checked(name)
    if is_address(place) and not is_address(name) and (name.startswith("/") or ".." in name.split("/")):
        raise InputError(
            f"{place} names {name!r}, which is no file below its folder; a table at an address may name those and "
            "whole addresses"
        )
    return name


def _entry(root: str, name: str) -> Entry:
    """The file of a row; of those at addresses nothing is known before they are read."""
    place = joined(root, name)
    if is_address(place):
        return Entry(name, -1, 0)
    try:
        status = os.stat(place)  # noqa: PTH116, a Path for each of 100,000 files costs more than their stat
    except (OSError, ValueError):
        return Entry(name, 0, 0, "is not there")
    return Entry(name, status.st_size, status.st_mtime_ns)


def _labels(match: Match, rows: Sequence[int], options: Options) -> list[str]:
    """The label text of each of `rows`; rows of one image that disagree are refused."""
    table, wanted = match.table, options.label_column
    column = named_column(table, wanted, "label") if wanted else label_column(match)
    if column is None:
        others = [at for at in range(table.width) if at != match.path_column and not is_split_column(table, at)]
        if others:
            columns = ", ".join(table.header) or f"{table.width} without names"
            raise InputError(
                f"{table.name} has no label column that can be told: its columns are {columns}; say which one it is "
                "with --label-column"
            )
        return [""] * len(rows)
    names = table.column(match.path_column)
    first: dict[str, int] = {}
    images = [first.setdefault(name.strip().replace("\\", "/"), row) for row, name in enumerate(names)]
    texts = Match(table, match.path_column, images).texts(column)
    return [texts[row] for row in rows]


def _splits(match: Match, rows: Sequence[int]) -> tuple[str, dict[int, str]] | None:
    """The name of the column of splits and the split of each image by its number; None where no column has several."""
    table = match.table
    for at in range(table.width):
        meant = splits_in(table, at) if at != match.path_column and is_split_column(table, at) else {}
        if len(set(meant.values())) > 1:
            return table.header[at], {number: meant.get(table.rows[row][at], "") for number, row in enumerate(rows)}
    return None


def _parts(splits: Mapping[int, str], labels: Sequence[str]) -> list[Part]:
    by_split: dict[str, dict[int, str]] = {}
    for number, label in enumerate(labels):
        by_split.setdefault(splits.get(number) or ALL, {})[number] = label
    order = [*(s for s in SPLIT_ORDER if s in by_split), *(s for s in by_split if s not in SPLIT_ORDER)]
    return [Part(split, by_split[split], by_folder=False) for split in order]


def _accounting(
    tree: Tree, parts: Sequence[Part], table: LabelTable, column: int, first: Mapping[str, int]
) -> Accounting:
    rejected = tuple((tree.names[number], reason) for number, reason in tree.problems.items())
    listed = {part.split: sum(number not in tree.problems for number in part.labels) for part in parts}
    names = [text.strip().replace("\\", "/") for text in table.column(column)]
    again = tuple(name for row, name in enumerate(names) if name and first[name] != row)
    empty = tuple(f"line {table.first_line + row}" for row, name in enumerate(names) if not name)
    unused = {reason: rows for reason, rows in ((REPEATED, again), (EMPTY, empty)) if rows}
    return Accounting(listed, rejected, unused)
