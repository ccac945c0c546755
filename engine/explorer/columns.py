"""What a table of a map can be coloured by: labels, answers, sets, clusters and its own columns of words."""

from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from gapscope.attributes.columns import wording
from gapscope.core.errors import InputError
from gapscope.explorer.clusters import clusters_of
from gapscope.explorer.colouring import NO_LABEL, NOT_KNOWN, Colouring, answered, by_class, by_confidence, by_number
from gapscope.explorer.palette import colours_of
from gapscope.explorer.points import Set
from gapscope.schemas.coordinates import PREDICTED_SCHEMA

Array = np.ndarray
NO_CLUSTER = "in no cluster"
# Words of a column that is offered as a colouring; one of more is a text.
MOST_WORDS = 1500


def numbers(table: pa.Table, name: str) -> Array:
    """A column of numbers as ``(n,) float32``, NaN for null.

    Raises
    ------
    InputError
        It holds something else.
    """
    try:
        return np.asarray(pc.cast(table[name], pa.float32(), safe=False).to_numpy(), np.float32)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise InputError(f"the column {name!r} of the map is of type {table[name].type}; numbers are needed") from error


def whole(table: pa.Table, name: str, otherwise: int | None = None) -> Array:
    """A column of whole numbers as ``(n,) int64``, with `otherwise` for null.

    Raises
    ------
    InputError
        It holds something else, or nulls though there is no `otherwise`.
    """
    try:
        column = pc.cast(table[name], pa.int64())
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        kind = table[name].type
        raise InputError(f"the column {name!r} of the map is of type {kind}; whole numbers are needed") from error
    if otherwise is None and column.null_count:
        raise InputError(f"the column {name!r} of the map is empty in {column.null_count:,} of {len(column):,} rows")
    return pc.fill_null(column, otherwise).to_numpy() if column.null_count else column.to_numpy()


def words(table: pa.Table, name: str) -> tuple[Array, list[str]]:
    """Code of each row and the words by code; -1 for null."""
    column = table[name].combine_chunks()
    coded = column if pa.types.is_dictionary(column.type) else column.cast(pa.string()).dictionary_encode()
    coded = coded.combine_chunks() if isinstance(coded, pa.ChunkedArray) else coded
    return pc.fill_null(coded.indices, -1).to_numpy(zero_copy_only=False), coded.dictionary.to_pylist()


def labelled(table: pa.Table, class_names: Sequence[str]) -> tuple[Array, list[str]]:
    """Class index of each row, -1 for none, and the names by index.

    Of a table that stands alone these are the words beside the labels, the labels themselves where they are words, else
    numbers.
    """
    if "label" not in table.column_names:
        return np.full(table.num_rows, -1, np.int32), list(class_names)
    kind = table["label"].type
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_dictionary(kind):
        code, result = words(table, "label")
        return code.astype(np.int32), result
    label = whole(table, "label", -1).astype(np.int32)
    return label, list(class_names) or _named(table, label)


def _named(table: pa.Table, label: Array) -> list[str]:
    names = [str(index) for index in range(int(label.max(initial=-1)) + 1)]
    if "class" in table.column_names:
        code, result = words(table, "class")
        seen, first = np.unique(label, return_index=True)
        for index, at in zip(seen, first, strict=True):
            if index >= 0 and code[at] >= 0:
                names[index] = result[code[at]]
    return names


def colourings(
    table: pa.Table, label: Array, names: Sequence[str], sets: Sequence[Set], member: Array
) -> dict[str, Colouring]:
    """All that the rows of a table can be coloured by; labels first, unless no row has one.

    Parameters
    ----------
    label : (n,) int32
        Indices of `names`, -1 for none.
    member : (n,)
        Indices of `sets`.
    """
    result = {"label": by_class("label", label, names, NO_LABEL)} if (label >= 0).any() else {}
    if _holds(table, "predicted"):
        result |= answered(label, whole(table, "predicted", -1).astype(np.int32), names)
    if _holds(table, "confidence"):
        result["confidence"] = by_confidence("confidence", numbers(table, "confidence"))
    result["dataset"] = by_class("set", member, [one.name for one in sets], "")
    return result | dict(_clustered(table)) | dict(_placed(table)) | dict(_own(table))


def _holds(table: pa.Table, name: str) -> bool:
    return name in table.column_names and table[name].null_count < table.num_rows


def _clustered(table: pa.Table) -> Iterator[tuple[str, Colouring]]:
    """By cluster of the map, where it has several and the table brings none of its own."""
    if "cluster" in table.column_names:
        return
    code = clusters_of(numbers(table, "x"), numbers(table, "y"))
    count = int(code.max(initial=-1)) + 1
    if count > 1:
        names = [f"cluster {number}" for number in range(1, count + 1)]
        yield "cluster", by_class("cluster on the map", code, names, NO_CLUSTER)


def _placed(table: pa.Table) -> Iterator[tuple[str, Colouring]]:
    """By whether a row was laid out with the map or placed on it, where there are both."""
    if not _holds(table, "fitted"):
        return
    fitted = np.asarray(pc.fill_null(table["fitted"], fill_value=True).to_numpy(), bool)
    if not fitted.all():
        code = (~fitted).astype(np.int32)
        yield "placement", Colouring("laid out or placed", code, ("laid out", "placed"), tuple(colours_of(2)))


def _own(table: pa.Table) -> Iterator[tuple[str, Colouring]]:
    """By other columns that the table brings: numbers in steps; words, yes and no, or few whole numbers by order."""
    for name in table.column_names:
        if name not in PREDICTED_SCHEMA.names and pa.types.is_floating(table[name].type):
            values = numbers(table, name)
            if len(np.unique(values[~np.isnan(values)])) > 1:
                column = wording(name)
                yield name, by_number(column.label, values, column.show, column.unit)
        elif name not in PREDICTED_SCHEMA.names and _is_worded(table[name]) and _holds(table, name):
            code, result = words(table, name)
            order = sorted(range(len(result)), key=lambda one: _rank(result[one]))
            place = np.empty(len(result) + 1, np.int32)
            place[[*order, -1]] = [*range(len(result)), -1]
            if 1 < len(result) <= MOST_WORDS:
                yield name, by_class(name, place[code], [result[one] for one in order], NOT_KNOWN)


def _is_worded(column: pa.ChunkedArray) -> bool:
    kind = column.type
    if pa.types.is_dictionary(kind):
        return True
    asked = (pa.types.is_string, pa.types.is_large_string, pa.types.is_boolean, pa.types.is_integer)
    return any(ask(kind) for ask in asked) and pc.count_distinct(column).as_py() <= MOST_WORDS


def _rank(word: str) -> tuple[bool, float, str]:
    """Whole numbers first, by size, then words.

    >>> sorted(["b", "10", "9"], key=_rank)
    ['9', '10', 'b']
    """
    number = word.removeprefix("-").isdecimal()
    return (not number, int(word) if number else 0, word)
