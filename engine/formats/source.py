"""Tables of any format as rows to import."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from time import perf_counter
from typing import Any

import numpy as np
import pyarrow as pa

from gapscope.core.errors import InputError
from gapscope.core.text import counted
from gapscope.formats.by_name import Beside, matched, of_same_rows
from gapscope.formats.choose import Chosen, choose, notes_of, one_column, refuse_apart
from gapscope.formats.joined import Aligned, one_under_the_other, refuse_other_shards
from gapscope.formats.lines import LINES
from gapscope.formats.numbers import features_of, refused, row_digests, vanished
from gapscope.formats.table import Table, Values
from gapscope.formats.texts import Texts, digests_of, labels_of, names_of
from gapscope.store.half import narrow
from gapscope.store.imports.columns import LABEL_NAMES, PATH_NAMES, Choice, first_of
from gapscope.store.imports.files import missing_between
from gapscope.store.imports.source import Rows, smallness

# Columns of these kinds may tell which row is which.
IDS = ("numbers", "texts")


@dataclass(frozen=True)
class TableSource:
    """The rows of tables one after another; a position is the table and the row in it.

    Attributes
    ----------
    decoder
        The format.
    tables
        In order; they have the same columns.
    chosen
        Which of the columns are used.
    labels, names
        Where labels and names of rows stand in files of their own.
    """

    decoder: str
    tables: tuple[Table, ...]
    chosen: Chosen
    labels: Beside | None = None
    names: Beside | None = None

    @property
    def dim(self) -> int:
        """Number of features."""
        return self.chosen.dim

    @property
    def has_path(self) -> bool:
        """Whether rows have names."""
        return self.chosen.path is not None or self.names is not None

    @property
    def class_names(self) -> tuple[str, ...]:
        """Where the file of the labels tells them."""
        beside = self.labels.table.column(self.labels.column).class_names if self.labels else ()
        return beside or self.chosen.class_names

    @property
    def label_width(self) -> int:
        """Numbers in a label: more than one where it is one-hot."""
        if self.labels:
            return self.labels.table.column(self.labels.column).width
        return self.tables[0].column(self.chosen.label).width if self.chosen.label is not None else 1

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences about what was assumed."""
        labelled, named = self.labels is not None, self.names is not None
        said = notes_of(self.tables[0], self.chosen, labelled=labelled, named=named)
        lacking = missing_between([table.where for table in self.tables])
        return (*said, *filter(None, [self.labels.note if self.labels else "", lacking, _copies(self.tables)]))

    @property
    def origin(self) -> str:
        """The files."""
        return ", ".join(table.where for table in self.tables[:3]) + (", …" if len(self.tables) > 3 else "")

    @cached_property
    def _inputs(self) -> list[Table]:
        return [*self.tables, *(one.table for one in (self.labels, self.names) if one)]

    @property
    def others(self) -> tuple[str, ...]:
        """Columns of numbers and texts that are not used."""
        used, first = self.chosen.names, self.tables[0]
        return tuple(one.name for one in first.columns if one.name not in used and one.kind in IDS)

    def read_others(self, names: Sequence[str]) -> pa.Table:
        """Such columns of all tables, one after the other."""
        runs = [values for table in self.tables for _, values in table.read(list(names), 0)]
        return pa.table({name: pa.chunked_array([_array(run[name]) for run in runs]) for name in names})

    def preprocessing(self) -> dict[str, Any]:
        """The files by size and sampled hash, and the columns."""
        chosen = self.chosen
        digest = hashlib.sha256("\n".join(chosen.features).encode()).hexdigest()[:16]
        wide = f"{chosen.features[0]} to {chosen.features[-1]}, {digest}"
        about = {
            "files": [str(table.identity) for table in self.tables],
            "features": chosen.features[0] if len(chosen.features) == 1 else wide,
            "label": chosen.label or "",
            "path": chosen.path or "",
        }
        for name, one in (("labels", self.labels), ("names", self.names)):
            about |= {name: f"{one.column} of {one.table.identity}"} if one else {}
        return about

    def stamps(self) -> list[tuple[int, int]]:
        """See `Source.stamps`."""
        return [(table.identity.bytes, table.identity.modified) for table in self._inputs]

    def left(self, position: Sequence[int]) -> tuple[int | None, str]:
        """Rows to read."""
        table, row = position or (0, 0)
        return sum(one.rows for one in self.tables[table:]) - row, "rows"

    def blocks(self, position: Sequence[int], dtype: str) -> Iterator["TableBlock"]:
        """The rows from `position` on; see `Source.blocks`."""
        first, row = position or (0, 0)
        done = sum(table.rows for table in self.tables[:first]) + row
        labels, names = (Aligned(one.table, [one.column], done) if one else None for one in (self.labels, self.names))
        for number, table in enumerate(self.tables[first:], first):
            start = row if number == first else 0
            for rows, values in table.read(self.chosen.names, start) if start < table.rows else ():
                label = labels.take(rows)[self.labels.column] if labels and self.labels else None
                name = names.take(rows)[self.names.column] if names and self.names else None
                own = _Values(
                    [values[feature] for feature in self.chosen.features],
                    values[self.chosen.label] if label is None and self.chosen.label is not None else label,
                    values[self.chosen.path] if name is None and self.chosen.path is not None else name,
                )
                yield TableBlock(self, table.where, dtype, own, (number, start), rows)
                start += rows


@dataclass(frozen=True)
class _Values:
    """Columns of a run of rows as they were read."""

    features: list[Values]
    label: Values | None
    path: Values | None


@dataclass(frozen=True)
class TableBlock:
    """A run of rows of a table, from the row behind `start`."""

    source: TableSource
    place: str
    dtype: str
    values: _Values
    start: tuple[int, int]
    rows: int

    @property
    def stop(self) -> tuple[int, int]:
        """See `Block.stop`."""
        return self.start[0], self.start[1] + self.rows

    @property
    def size(self) -> int:
        """See `Block.size`."""
        return sum(values.nbytes for values in self.values.features)

    @property
    def advanced(self) -> int:
        """Rows."""
        return self.rows

    def where(self, line: int) -> str:
        """The file and the row, counted from 0 as in Python."""
        return f"{self.place}, row {self.start[1] + line}"

    def name(self, line: int) -> str:
        """The file's name and the row."""
        return f"{self.place.rstrip('/').rsplit('/', 1)[-1]}:{self.start[1] + line}"

    def release(self) -> None:
        """Nothing: each run has memory of its own."""

    def parse(self) -> Rows:
        """The rows that can be stored as `dtype`, and what is wrong with the others."""
        began = perf_counter()
        chosen = self.source.chosen
        features = features_of(self.values.features, chosen.features, chosen.dim)
        label = None if self.values.label is None else labels_of(self.values.label, self.source.label_width)
        path = None if self.values.path is None else names_of(self.values.path)
        texts = [one for one in (label, path) if one is not None]
        x, record = features.x, np.arange(self.rows, dtype=np.int32)
        small = smallness(x) if self.dtype == "float16" else None
        parsed = Rows(
            record,
            record,
            x if self.dtype == "float32" else narrow(x),
            _values_of(label),
            _values_of(path),
            row_digests(x, [digests_of(one.values) for one in texts]),
            self.rows,
            [],
            small,
            0.0,
            vanished(features.exact, x),
        ).without(_first_of_each(refused(features, chosen.features, self.dtype), *(one.wrong for one in texts)))
        encoded = None if parsed.label is None else parsed.label.dictionary_encode()
        return parsed._replace(label=encoded, seconds=perf_counter() - began)


def _array(values: Values) -> pa.Array:
    """A column of a run; numbers of one type in all runs."""
    array = values if isinstance(values, pa.Array) else pa.array(values)
    is_number = pa.types.is_integer(array.type) or pa.types.is_floating(array.type)
    return array.cast(pa.float64() if is_number else pa.string())


def _values_of(texts: Texts | None) -> pa.StringArray | None:
    return None if texts is None else texts.values


def _first_of_each(*reasons: Any) -> dict[int, str]:
    """The first reason against each row, rows in order."""
    result: dict[int, str] = {}
    for some in reasons:
        result = {**some, **result}
    return dict(sorted(result.items()))


def table_source(
    decoder: str, tables: Sequence[Table], choice: Choice, labels: Sequence[Table] = (), names: Sequence[Table] = ()
) -> TableSource:
    """Tables and what stands beside them, of which the columns are chosen and the rows counted.

    Raises
    ------
    InputError
        Columns are missing, differ from table to table, or a file beside has not as many rows.
    """
    for shards in (labels, names):
        refuse_other_shards(tables, shards)
    label, name = _beside(labels, choice.label, LABEL_NAMES), _beside(names, choice.path, PATH_NAMES)
    own = Choice("" if label else choice.label, "" if name else choice.path, choice.prefix, choice.features)
    tables = [table for table in tables if table.rows] or tables[:1]  # of lists without a row, no length is known
    chosen = choose(tables[0], own)
    for table in tables[1:]:
        _refuse_other(table, choose(table, own), tables[0], chosen)
    for table in tables:
        refuse_apart(table, chosen, labelled=label is not None, named=name is not None)
    rows = sum(table.rows for table in tables)
    label, name = (one and _without_blank_end(one, rows) for one in (label, name))
    if label and (name is None or name.table.rows == rows):
        named = (
            [(name.table, name.column)] if name else [(one, chosen.path) for one in tables if chosen.path is not None]
        )
        columns = {one.name: [(each, one.name) for each in tables] for one in tables[0].columns if one.kind in IDS}
        columns |= {one.name: [(name.table, one.name)] for one in name.table.columns} if name else {}
        unused = {one: of for one, of in columns.items() if one not in chosen.features}
        by_name = named and label.path is not None
        label = matched(label, named)
        label = label if by_name else of_same_rows(label, unused)
    source = TableSource(decoder, tuple(tables), chosen, label, name)
    if not rows:
        raise InputError(f"{source.origin} holds no row; nothing was imported")
    for beside, what in ((label, "labels"), (name, "names")):
        if beside and beside.table.rows != rows:
            first = " below its header" if beside.column and beside.table.rows + 1 == rows else ""
            raise InputError(
                f"{beside.table.where} holds {beside.table.rows:,} {what}{first} and {source.origin} "
                f"{counted(rows, 'row')}; "
                "hand over one for each row, in the same order"
            )
    return source


def _copies(tables: Sequence[Table]) -> str:
    """A sentence where a file seems to be there twice, as a copy under another name or a link; else empty."""
    first: dict[tuple[int, str], str] = {}
    twice = [
        (table.where, where)
        for table in tables
        if (where := first.setdefault((table.identity.bytes, table.identity.digest), table.where)) != table.where
        and table.rows
    ]
    if not twice:
        return ""
    more = f", and so are {len(twice) - 1:,} more and others" if len(twice) > 1 else ""
    return (
        f"{twice[0][0]} and {twice[0][1]} are alike in size and in all samples of their bytes{more}; leave out what is "
        "a copy"
    )


def _refuse_header(beside: Beside, known: Sequence[str]) -> None:
    """Refuse lines of text of which the first is what a column of them would be called."""
    if beside.table.column(beside.column).about != LINES:
        return
    texts = (text for _, run in beside.table.read([""], 0) for text in _array(run[""]).to_pylist())
    first = next(texts, "")
    if first.strip().lower() in known and first not in texts:
        raise InputError(
            f"{beside.table.where} begins with {first!r}, as a header does; take it away, or call the file .csv"
        )


def _without_blank_end(beside: Beside, rows: int) -> Beside:
    """Without the blank lines behind those of the rows, which editors leave at the end of a text."""
    table, name = beside.table, beside.column
    if name or table.rows <= rows or table.column(name).kind != "texts":
        return beside
    blank = all(not text for _, run in table.read([name], rows) for text in _array(run[name]).to_pylist())
    return beside._replace(table=replace(table, rows=rows)) if blank else beside


def _beside(tables: Sequence[Table], wanted: str, known: Sequence[str]) -> Beside | None:
    if not tables:
        return None
    table = one_under_the_other(tables)
    column = one_column(table, wanted, known)
    texts = [one.name for one in table.columns if one.kind == "texts" and one.name != column]
    result = Beside(table, column, (first_of(texts, PATH_NAMES) or None) if known is LABEL_NAMES else None)
    _refuse_header(result, known)
    return result


def _refuse_other(table: Table, chosen: Chosen, first: Table, wanted: Chosen) -> None:
    if chosen.dim != wanted.dim:
        raise InputError(
            f"{table.where} has {counted(chosen.dim, 'feature')} and {first.where} {wanted.dim:,}; "
            "files of one import need the "
            "same, so import it under another --split"
        )
    if chosen.names != wanted.names:
        raise InputError(
            f"{table.where} has other columns than {first.where} ({', '.join(chosen.names[:3])} instead of "
            f"{', '.join(wanted.names[:3])}); files of one import need the same"
        )
    if chosen.class_names != wanted.class_names:
        theirs, ours = (", ".join(one.class_names[:3]) or "none that are told" for one in (chosen, wanted))
        raise InputError(
            f"{table.where} numbers its labels by the classes {theirs}, … and {first.where} by {ours}, …; hand over "
            "labels as names, with --labels"
        )
