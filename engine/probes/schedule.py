"""How a descent is cut into stretches of rows and steps, and how many heads are left behind each stretch."""

from collections.abc import Sequence
from dataclasses import dataclass

from gapscope.core.errors import InputError
from gapscope.probes.grid import Grid
from gapscope.probes.options import ProbeOptions
from gapscope.store import View
from gapscope.stream import CHUNK_ROWS, SHARDS, Rounds

# The learning rate makes accuracy indifferent to the batch, so it is as large as leaves a hundred and more steps an
# epoch.
STEPS_AN_EPOCH, SMALLEST_BATCH, LARGEST_BATCH = 80, 64, 8192
# Rows that are in memory are used again where an epoch has fewer rows than this: reading costs more than steps do.
ROWS_AN_EPOCH, MOST_REPEATS = 100_000, 4
# Columns that may be trained for a whole epoch; with more, the race is shorter in proportion, unless it costs less than
# so many flops.
RACE_COLUMNS, RACE_FLOPS = 512, 10**11
# Of the heads on a round of successive halving, one in so many goes on, until so few are left that all may finish: what
# a head is worth shows when its learning rate has fallen.
CUT, FINALISTS = 3, 6


@dataclass(frozen=True)
class Stage:
    """A stretch of the training: a run of rows, in which epoch, and how many heads go on behind it (0: all)."""

    view: View
    epoch: int
    keep: int = 0


@dataclass(frozen=True)
class Schedule:
    """How every stage is cut into steps.

    Attributes
    ----------
    batch_rows
        Rows of a step.
    repeats
        Rounds of steps on the rows in memory before the next are read.
    seed
        Decides the order of the rows after the first epoch.
    """

    batch_rows: int
    repeats: int
    seed: int

    def rounds(self, stage: Stage) -> Rounds:
        """The steps of a stage."""
        chunk_rows = max(CHUNK_ROWS, self.batch_rows // SHARDS)
        return Rounds(
            stage.view, self.batch_rows, chunk_rows, repeats=self.repeats, epoch=stage.epoch - 1, seed=self.seed
        )

    def steps(self, stages: Sequence[Stage]) -> int:
        """Steps of several stages."""
        return sum(self.rounds(stage).steps for stage in stages)


def batch_of(rows: int, options: ProbeOptions) -> int:
    """The smallest power of two that gives at most `STEPS_AN_EPOCH` steps, within bounds; or what was asked for."""
    if options.batch_rows is None:
        wanted = 1 << max(0, -(-rows // STEPS_AN_EPOCH) - 1).bit_length()
        return min(max(wanted, SMALLEST_BATCH), LARGEST_BATCH)
    if options.batch_rows < SHARDS or options.batch_rows % SHARDS:
        raise InputError(
            f"batches of {options.batch_rows} rows cannot be divided by {SHARDS}; choose a multiple of {SHARDS}"
        )
    return options.batch_rows


def repeats_of(rows: int) -> int:
    """How often rows are used while they are in memory: few rows make few steps, and steps on them cost little."""
    return min(max(1, round(ROWS_AN_EPOCH / max(rows, 1))), MOST_REPEATS)


def stages_of(train: View, epochs: int, grid: Grid, classes: int) -> list[Stage]:
    """The stretches of `epochs` passes over the rows of `train` for the heads of a grid."""
    heads = len(grid)
    if heads == 1 or (grid.whole and not grid.halving):
        return [Stage(train, epoch) for epoch in range(1, epochs + 1)]
    if grid.halving:
        return _cut_stages(train, _rounds_of_halving(train.rows * epochs, heads))
    columns = heads * classes
    cheap = RACE_FLOPS // (4 * train.store.dim * columns)
    race = min(train.rows, max(train.rows * RACE_COLUMNS // columns, cheap))
    return _cut_stages(train, [(race, 1), (train.rows * epochs - race, 0)])


def _rounds_of_halving(rows: int, heads: int) -> list[tuple[int, int]]:
    """Rows and surviving heads of each round: a third of the heads goes on, for three times as many rows."""
    left = [heads]
    while left[-1] > FINALISTS:
        left.append(-(-left[-1] // CUT))
    shares = [CUT**number for number in range(len(left))]
    lengths = [rows * share // sum(shares) for share in shares[:-1]]
    return [*zip(lengths, left[1:], strict=True), (rows - sum(lengths), 0)]


def _cut_stages(train: View, stretches: Sequence[tuple[int, int]]) -> list[Stage]:
    """Stretches of so many rows, cut where an epoch ends; heads are dropped at the end of each stretch."""
    stages, place = [], 0
    for rows, keep in stretches:
        stop = place + rows
        while place < stop:
            epoch, start = divmod(place, train.rows)
            run = min(stop - place, train.rows - start)
            place += run
            view = train.store.view(train.start + start, train.start + start + run)
            stages.append(Stage(view, epoch + 1, keep if place == stop else 0))
    return stages
