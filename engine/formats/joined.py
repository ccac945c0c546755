"""Tables one under the other, and tables side by side."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import chain
from pathlib import PurePath

import numpy as np
import pyarrow as pa

from gapscope.core.errors import InputError
from gapscope.core.text import counted
from gapscope.formats.table import Identity, Run, Table, Values
from gapscope.store.imports.files import natural


def side_by_side(one: Table, other: Table) -> Table:
    """The columns of two tables whose rows belong together, those of the first where both have a name.

    Raises
    ------
    InputError
        They have not as many rows.
    """
    refuse_other_length(one, other)
    own = {column.name for column in one.columns}

    def read(names: Sequence[str], start: int) -> Iterator[Run]:
        mine, theirs = ([name for name in names if (name in own) is inside] for inside in (True, False))
        if not (mine and theirs):
            yield from (one if mine else other).read(names, start)
            return
        beside = Aligned(other, theirs, start)
        for rows, values in one.read(mine, start):
            yield rows, {**values, **beside.take(rows)}

    columns = one.columns + tuple(column for column in other.columns if column.name not in own)
    return replace(one, columns=columns, read=read, identity=_both(one.identity, other.identity))


def refuse_other_length(one: Table, other: Table) -> None:
    """Refuse tables that have not as many rows."""
    if one.rows != other.rows:
        raise InputError(
            f"{other.where} has {counted(other.rows, 'row')} and {one.where} {one.rows:,}; they must have as many"
        )


def refuse_other_numbers(own: Sequence[str], theirs: Sequence[str], where: str) -> bool:
    """Refuse files that are numbered otherwise than those beside them; whether all have a number."""
    for one, other in zip(own, theirs, strict=False):
        numbers = [natural(PurePath(name).stem)[1::2][-1:] for name in (one, other)]
        if not all(numbers):
            return False
        if numbers[0] != numbers[1]:
            raise InputError(
                f"{where} has {one} where {other} stands beside; files that belong together have one number, so get "
                "the missing ones"
            )
    return True


def refuse_other_shards(tables: Sequence[Table], beside: Sequence[Table]) -> None:
    """Refuse numbered files beside as many others, of which one has another number, or not as many rows."""
    if len(tables) != len(beside) or len(tables) == 1:
        return
    own, theirs = ([PurePath(one.where).name for one in some] for some in (tables, beside))
    if refuse_other_numbers(own, theirs, str(PurePath(tables[0].where).parent)):
        for one, other in zip(tables, beside, strict=True):
            refuse_other_length(one, other)


def _both(one: Identity, other: Identity) -> Identity:
    name, digest = f"{one.name} with {other.name}", f"{one.digest[:8]}{other.digest[:8]}"
    return Identity(name, one.bytes + other.bytes, max(one.modified, other.modified), digest)


class Aligned:
    """The columns `names` of `table` from row `start` on, handed out in runs of any length."""

    def __init__(self, table: Table, names: Sequence[str], start: int):
        self._runs = table.read(names, start)
        self._names = names
        self._left: Run = (0, {})

    def take(self, rows: int) -> dict[str, Values]:
        """The next `rows` rows, which are there: tables side by side have as many."""
        pieces: list[dict[str, Values]] = []
        while rows:
            if not self._left[0]:
                self._left = next(self._runs)
            length, values = self._left
            count = min(rows, length)
            pieces.append({name: column[:count] for name, column in values.items()})
            self._left = (length - count, {name: column[count:] for name, column in values.items()})
            rows -= count
        return {name: concatenated([piece[name] for piece in pieces]) for name in self._names if pieces}


def concatenated(values: Sequence[Values]) -> Values:
    """Runs of a column as one."""
    if len(values) == 1:
        return values[0]
    return pa.concat_arrays(values) if isinstance(values[0], pa.Array) else np.concatenate(values)


def one_under_the_other(tables: Sequence[Table]) -> Table:
    """The rows of some tables that have the same columns, at least one."""
    if len(tables) == 1:
        return tables[0]
    first = tables[0]
    for other in tables[1:]:
        if [column[:3] for column in other.columns] != [column[:3] for column in first.columns]:
            raise InputError(f"{other.where} has other columns than {first.where}; files read together need the same")

    def read(names: Sequence[str], start: int) -> Iterator[Run]:
        for table in tables:
            if start < table.rows:
                yield from table.read(names, start)
            start = max(0, start - table.rows)

    where = f"{first.where} and {len(tables) - 1} more"
    identity = Identity(where, *_sums([table.identity for table in tables]))
    return Table(where, sum(table.rows for table in tables), first.columns, read, identity)


def _sums(parts: Sequence[Identity]) -> tuple[int, int, str]:
    digests = "".join(chain.from_iterable(part.digest[:8] for part in parts))
    return sum(part.bytes for part in parts), max(part.modified for part in parts), digests
