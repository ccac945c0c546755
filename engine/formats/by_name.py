"""Labels or names that stand in files beside the features, a value for each row.

Labels that come with names of their own are matched to the rows that are called so, whatever their order.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import PurePath
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from gapscope.core.errors import InputError
from gapscope.formats.joined import concatenated
from gapscope.formats.lines import BY_NAME
from gapscope.formats.table import Run, Table
from gapscope.formats.texts import names_of


class Beside(NamedTuple):
    """A column of a file beside the features.

    Attributes
    ----------
    path
        The column of that file that names the rows, where labels have one.
    note
        How labels found their rows, where that is not their order.
    """

    table: Table
    column: str
    path: str | None = None
    note: str = ""


def matched(labels: Beside, rows: Sequence[tuple[Table, str]]) -> Beside:
    """The labels in the order of the rows, which the columns of some tables name; as they are where these agree.

    Names are compared whole; where not all are found so, without endings, and without folders where only one side has
    such.

    Raises
    ------
    InputError
        A row has no label, or a name that it is looked up by stands there twice.
    """
    if labels.path is None:
        return labels
    if not rows and labels.table.column(labels.column).about == BY_NAME:
        raise InputError(
            f"{labels.table.where} names its labels, and the rows have no names to find them by; hand these over with "
            "--names, or the labels as a list in the order of the rows"
        )
    if not rows:
        return labels
    own, others = _names(rows), _names([(labels.table, labels.path)])
    if own.equals(others):
        return labels
    found, called = pc.index_in(own, value_set=others), own
    if found.null_count:
        plain = [_plain(one, with_folders=_have_folders(own) and _have_folders(others)) for one in (own, others)]
        if _plain(own).equals(_plain(others)):  # one by one in the same order
            return labels
        own, others = plain
        _refuse_alike(called, own, labels.table.where)
        found = pc.index_in(own, value_set=others)
    where = labels.table.where
    if missing := found.null_count:
        first = called[pc.index(pc.is_null(found), True).as_py()].as_py()
        raise InputError(
            f"{where} has no label for {first!r}, nor for {missing - 1:,} more of {len(own):,} rows, by their names; "
            "hand over one for each, empty where it is not known, or the labels without names, in the order of the rows"
        )
    _refuse_twice(own, others, where)
    unused = len(others) - len(pc.unique(found))
    note = f"labels of {where} matched to the rows by name{f', {unused:,} of them of no row' * bool(unused)}"
    return _taken(labels, found.to_numpy(), note)


def of_same_rows(labels: Beside, rows: Mapping[str, Sequence[tuple[Table, str]]]) -> Beside:
    """The labels in the order of the rows where both have a column of one name, `rows` by name, that tells them apart.

    Texts tell before numbers, of which those that are in the same order may only count the rows.

    Raises
    ------
    InputError
        As of `matched`; or a column that both have, which tells no row apart, says that they are of other rows.
    """
    shared = [one for one in labels.table.columns if one.name in rows and one.name not in ("", labels.column)]
    differ = ""
    for name in sorted((one.name for one in shared), key=lambda name: _are_numbers(rows[name])):
        own, others = _names(rows[name]), _names([(labels.table, name)])
        if own.equals(others) or (_are_numbers(rows[name]) and not _are_whole(own)):
            continue
        if len(pc.unique(others)) == len(others):
            return matched(labels._replace(path=name), rows[name])
        differ = differ or _said(name, own, others, rows[name][0][0].where, labels.table.where)
    if differ:
        raise InputError(differ)
    return labels


def _are_numbers(columns: Sequence[tuple[Table, str]]) -> bool:
    table, name = columns[0]
    return table.column(name).kind == "numbers"


def _are_whole(numbers: pa.StringArray) -> bool:
    return bool(pc.all(pc.match_substring_regex(numbers, r"^-?\d*$")).as_py())


def _said(name: str, own: pa.StringArray, others: pa.StringArray, where: str, beside: str) -> str:
    """That rows are others than those of the labels; nothing where there are not as many."""
    if len(own) != len(others):
        return ""
    row = pc.index(pc.equal(own, others), False).as_py()
    return (
        f"row {row:,} has {own[row].as_py()!r} as {name!r} in {where} and {others[row].as_py()!r} in {beside}, so that "
        "the labels are those of other rows; put them in the order of the rows, or give both a name of each row"
    )


def _names(columns: Sequence[tuple[Table, str]]) -> pa.StringArray:
    runs = [names_of(run[name]).values for table, name in columns for _, run in table.read([name], 0)]
    return pa.concat_arrays(runs) if runs else pa.array([], pa.string())


def _have_folders(names: pa.StringArray) -> bool:
    return bool(pc.any(pc.match_substring(names, "/")).as_py())


def _plain(names: pa.StringArray, *, with_folders: bool = False) -> pa.StringArray:
    """Names without their endings, and without folders."""
    paths = (PurePath(name or "") for name in names.to_pylist())
    return pa.array([str(one.with_suffix("")) if with_folders and one.name else one.stem for one in paths], pa.string())


def _refuse_alike(names: pa.StringArray, plain: pa.StringArray, where: str) -> None:
    """Refuse rows of several names that would be looked up as one."""
    first: dict[str, str] = {}
    for name, short in zip(names.to_pylist(), plain.to_pylist(), strict=True):
        if first.setdefault(short, name) != name:
            raise InputError(
                f"{first[short]!r} and {name!r} would both have the label of {short!r} in {where}; name the labels as "
                "the rows are named, folders and endings included"
            )


def _refuse_twice(own: pa.StringArray, others: pa.StringArray, where: str) -> None:
    counts = pc.value_counts(others)
    twice = counts.field("values").filter(pc.greater(counts.field("counts"), 1))
    used = twice.filter(pc.is_in(twice, value_set=own))
    if len(used):
        raise InputError(
            f"{where} names {used[0].as_py()!r} more than once, so that nothing says which label its row has; give "
            "each row a name of its own, or hand over the labels without names, in the order of the rows"
        )


def _taken(labels: Beside, at: np.ndarray, note: str) -> Beside:
    """The labels at some places, in memory."""
    table, name = labels.table, labels.column
    values = concatenated([run[name] for _, run in table.read([name], 0)])
    taken = values.take(pa.array(at)) if isinstance(values, pa.Array) else values[at]

    def read(_names: Sequence[str], start: int) -> list[Run]:
        return [(len(at) - start, {name: taken[start:]})]

    return Beside(replace(table, rows=len(at), read=lambda names, start: iter(read(names, start))), name, None, note)
