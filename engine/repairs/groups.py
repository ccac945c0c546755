"""A head that is fair to groups: fitted to labelled rows of which every class has as many in every group.

A head that leans on what a class usually comes with (a background, a camera) fails where that is missing. Features
mostly hold what is needed; a new head on balanced rows uses it.

References
----------
Kirichenko, Izmailov and Wilson (2023), "Last layer re-training is sufficient for robustness to spurious correlations":
DFR, the mean of heads of several balanced draws. Theirs are sparse (L1); these have a ridge penalty.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from gapscope.core.chunk import Chunk
from gapscope.core.errors import InputError, unknown_name
from gapscope.core.random import stream
from gapscope.core.text import counted
from gapscope.inference import clopper_pearson
from gapscope.probes.model import Classifier
from gapscope.probes.rules.linear import NEVER, Linear
from gapscope.repairs.fitted import Fitted
from gapscope.repairs.labelled import PENALTIES, Problem, Rows, folds, logistic
from gapscope.repairs.seen import prepared
from gapscope.store import EmbeddingStore, View
from gapscope.store.beside import ID, beside
from gapscope.stream import Workers, fold

Array = np.ndarray
DRAWS = 10
# Rows of a class in a group below which nothing is fitted to it or said of it; groups that a column may have.
FEWEST_OF_CELL, MOST_GROUPS = 5, 50
UNKNOWN = -1
CELLS_SCHEMA = pa.schema(
    [
        *(pa.field(name, pa.string(), nullable=False) for name in ("class", "group")),
        pa.field("rows", pa.int64(), nullable=False),
        *(pa.field(name, pa.float64(), nullable=False) for name in ("before", "after", "low", "high")),
    ]
)


class Groups(NamedTuple):
    """Which group each row of a set is in, by a column that the user brought or an attribute.

    Attributes
    ----------
    column
        Its name.
    names
        Of the groups.
    sample_id, code : (n,) int64
        Of all rows, ascending ids; -1 for a row of no known group.
    """

    column: str
    names: tuple[str, ...]
    sample_id: Array
    code: Array

    @classmethod
    def of(cls, store: EmbeddingStore, column: str) -> "Groups":
        """The groups that a column of a store makes.

        Raises
        ------
        InputError
            There is no such column, or it has one value, or more than a column of groups would have.
        """
        table = beside(store)
        if column not in table.column_names[1:]:
            raise unknown_name(f"column of {store.name}", column, table.column_names[1:])
        values = table[column].to_pylist()
        names = tuple(sorted({str(one) for one in values if one is not None and one == one}))
        if not 1 < len(names) <= MOST_GROUPS:
            raise InputError(
                f"{column} of {store.name} has {counted(len(names), 'value')}; groups are 2 to {MOST_GROUPS}, "
                "such as cameras"
            )
        place = {name: index for index, name in enumerate(names)}
        code = np.array([place.get(str(one), UNKNOWN) for one in values], np.int64)
        ids = table[ID].to_numpy()
        order = np.argsort(ids)
        return cls(column, names, ids[order], code[order])

    def __call__(self, sample_id: Array) -> Array:
        """The groups ``(n,)`` of some rows."""
        return self.code[np.searchsorted(self.sample_id, sample_id)]


def cells_of(y: Array, group: Array) -> tuple[Array, Array]:
    """Classes and groups ``(c, 2)`` that occur together, and which of them each row is in; -1 for no known one."""
    known = (y >= 0) & (group >= 0)
    cells, at = np.unique(np.stack([y[known], group[known]], axis=1), axis=0, return_inverse=True)
    result = np.full(len(y), UNKNOWN)
    result[known] = at.ravel()
    return cells, result


def balanced_groups(rule: Linear, temperature: float, rows: Rows, seed: int = 0) -> Fitted:
    """The mean of heads that are fitted from nothing to draws in which each class has as many rows of every group.

    The penalty is that with the best worst cell on rows that were not fitted to.
    """
    if rows.group is None:
        return Fitted(None, "no groups are known; name a column with --groups")
    cells, cell = cells_of(rows.y, rows.group)
    count = np.bincount(cell[cell >= 0], minlength=len(cells))
    if len(cells) < 2 or count.min() < FEWEST_OF_CELL:
        least = int(count.min()) if len(count) else 0
        return Fitted(
            None, f"a class has {counted(least, 'label')} in a group; {FEWEST_OF_CELL} or more can be balanced"
        )
    right = np.zeros((len(rows.y), len(PENALTIES) - 1), bool)
    for train, test in folds(len(rows.y), seed):
        for index, head in enumerate(_heads(rule, temperature, rows.take(train), cell[train], 1, seed)):
            right[test, index] = head.scores(rows.z[test]).argmax(axis=1) == rows.y[test]
    worst = np.min([right[cell == one].mean(axis=0) for one in range(len(cells))], axis=0)
    best = int(np.argmax(worst))
    head = _heads(rule, temperature, rows, cell, DRAWS, seed, best)[0]
    return Fitted(
        head,
        f"{counted(count.min(), 'label')} of each class in each group, {DRAWS} draws, penalty {PENALTIES[best + 1]:g}",
    )


def _heads(
    rule: Linear, temperature: float, rows: Rows, cell: Array, draws: int, seed: int, only: int | None = None
) -> list[Linear]:
    """For each penalty, or for one, the mean of the heads of balanced draws."""
    penalties = PENALTIES[1:] if only is None else PENALTIES[only + 1 : only + 2]
    nothing = Linear(np.zeros_like(rule.weight), np.where(rule.bias > NEVER, np.float32(0), NEVER))
    sums = [[np.zeros(rule.weight.shape), np.zeros(len(rule.bias))] for _ in penalties]
    for draw in range(draws):
        some = rows.take(balanced(cell, seed, draw))
        problem, solution = Problem.of(nothing, temperature, some), None
        for total, penalty in zip(sums, penalties, strict=True):
            solution = logistic(problem, penalty, solution)
            head = problem.changed(solution)
            total[0] += head.weight / draws
            total[1] += head.bias / draws
    return [Linear(weight.astype(np.float32), bias.astype(np.float32)) for weight, bias in sums]


def balanced(cell: Array, seed: int, draw: int) -> Array:
    """Positions of rows, as many at random of every cell as the smallest has."""
    order = stream(seed, "balanced groups", str(draw)).permutation(len(cell))
    some = [order[cell[order] == one] for one in np.unique(cell[cell >= 0])]
    size = min(map(len, some))
    return np.concatenate([one[:size] for one in some])


class CellCounts(NamedTuple):
    """Rows of each class in each group, ``(k, g)`` each, that were seen, and that two heads classify correctly."""

    rows: Array
    before: Array
    after: Array

    def merge(self, other: "CellCounts") -> "CellCounts":
        """Of both row sets together."""
        return CellCounts(*(mine + theirs for mine, theirs in zip(self, other, strict=True)))


@dataclass(frozen=True, eq=False)
class _CellsOf:
    """Picklable, for workers: `CellCounts` of a chunk, for the old head and another."""

    model: Classifier
    head: Linear
    groups: Groups

    def __call__(self, chunk: Chunk) -> CellCounts:
        shape = (len(self.model.class_names), len(self.groups.names))
        group = self.groups(chunk.sample_id)
        known = (chunk.y >= 0) & (group >= 0)
        z, y = prepared(self.model, chunk.x[known]), chunk.y[known]
        cell = y * shape[1] + group[known]
        right = [one.scores(z).argmax(axis=1) == y for one in (self.model.rule, self.head)]
        every = (np.ones(len(y), bool), *right)
        return CellCounts(*(np.bincount(cell[one], minlength=shape[0] * shape[1]).reshape(shape) for one in every))


def table_of_cells(model: Classifier, head: Linear, view: View, groups: Groups, workers: Workers) -> pa.Table:
    """A row for each class in each group that occurs in a view: how accurate the old head and another are on it."""
    counts = fold(view, _CellsOf(model, head, groups), workers, description=f"groups of {view.store.name}")
    rows = []
    for c, g in np.argwhere(counts.rows):
        n, before, after = (int(one[c, g]) for one in counts)
        low, high = clopper_pearson(after, n)
        row = {"class": model.class_names[c], "group": groups.names[g], "rows": n}
        rows.append(row | {"before": before / n, "after": after / n, "low": low, "high": high})
    return pa.Table.from_pylist(rows, CELLS_SCHEMA)
