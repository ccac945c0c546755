"""`each`, `fold` and `scan`: all work over a store is one of these."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial as bind
from functools import reduce
from itertools import pairwise
from typing import Any, Protocol, Self, TypeVar

from gapscope.core.chunk import Chunk
from gapscope.core.progress import SILENT, Progress
from gapscope.store import Piece, Rows, View
from gapscope.stream.schedule import Rounds
from gapscope.stream.workers import Shown, Workers

CHUNK_ROWS = 4096
# Leaves of a reduction, at most: tasks enough for a hundred workers. Those of little work are fewer, because every task
# costs a scheduler a millisecond or two, but never fewer than this many where there are rows enough.
LEAVES, FEWEST_LEAVES = 256, 64
# What a leaf should compute: a tenth of a second of one core.
LEAF_FLOPS = 2e9


class Mergeable(Protocol):
    """A summary of some rows: merging the summaries of two disjoint row sets gives that of their union."""

    def merge(self, other: Self) -> Self:
        """The summary of both row sets together; both operands stay as they are."""


S = TypeVar("S", bound=Mergeable)


class State(Protocol):
    """What `scan` carries from batch to batch; `parameters` is the part that the workers need."""

    parameters: Any


def each(
    view: View,
    function: Callable[[int, Chunk], Any],
    workers: Workers,
    *,
    chunk_rows: int = CHUNK_ROWS,
    progress: Progress = SILENT,
    description: str = "each",
) -> list[Any]:
    """``function(i, chunk)`` for the i-th chunk of the view, in order; what it returns travels and must be small."""
    pieces = view.pieces(chunk_rows)
    with progress.task(description, view.rows, "rows") as task:
        work = bind(_apply, view.store, function)
        items, shown = list(enumerate(pieces)), _shown(description, view, progress)
        return workers.each(work, items, lambda index: task.advance(pieces[index].rows), shown)


def _shown(description: str, view: View, progress: Progress) -> Shown:
    """What the work is called on a dashboard: the description and the store, without blanks."""
    name = description if view.store.name in description else f"{description} {view.store.name}"
    return Shown(re.sub(r"[^\w./]+", "-", name), progress.say)


def _apply(store: Rows, function: Callable[[int, Chunk], Any], item: tuple[int, Piece]) -> Any:
    index, piece = item
    return function(index, store.read(piece))


def fold(
    view: View,
    of: Callable[..., S],
    workers: Workers,
    *,
    numbered: bool = False,
    chunk_rows: int = CHUNK_ROWS,
    row_flops: float = float("inf"),
    progress: Progress = SILENT,
    description: str = "fold",
) -> S:
    """The summary of all rows of the view: ``of(chunk)`` for each chunk, merged in order; if `numbered`, ``of(i,
    chunk)`` for the i-th.

    An empty view gives the summary of an empty chunk. Memory: one chunk and a few summaries for each thread. Where a
    row costs few `row_flops`, tasks are made larger.
    """
    pieces = view.pieces(chunk_rows) or [Piece(view.start, view.start)]
    runs = _leaves(list(enumerate(pieces)), leaves_of(view.rows * row_flops if view.rows else 0.0))
    with progress.task(description, view.rows, "rows") as task:
        return workers.reduce(
            bind(_summarise, view.store, of if numbered else bind(_without_number, of)),
            runs,
            _merge,
            lambda index: task.advance(sum(piece.rows for _, piece in runs[index])),
            _shown(description, view, progress),
        )


def _without_number(of: Callable[[Chunk], S], _index: int, chunk: Chunk) -> S:
    return of(chunk)


def leaves_of(flops: float) -> int:
    """How many tasks so much work is cut into at most, whatever the number of workers."""
    return LEAVES if flops >= LEAVES * LEAF_FLOPS else max(FEWEST_LEAVES, int(flops / LEAF_FLOPS))


def _leaves(pieces: Sequence[tuple[int, Piece]], most: int) -> list[Sequence[tuple[int, Piece]]]:
    """The pieces in at most so many runs, as even as they can be."""
    count = min(most, len(pieces))
    bounds = [len(pieces) * index // count for index in range(count + 1)]
    return [pieces[low:high] for low, high in pairwise(bounds)]


def _summarise(store: Rows, of: Callable[[int, Chunk], S], run: Sequence[tuple[int, Piece]]) -> S:
    return reduce(lambda one, other: one.merge(other), (of(index, store.read(piece)) for index, piece in run))


def _merge(summaries: Sequence[S]) -> S:
    return reduce(lambda one, other: one.merge(other), summaries)


@dataclass(frozen=True)
class Step:
    """Where a scan is: global batch `index` of `total`."""

    index: int
    total: int


def scan(
    rounds: Rounds,
    state: State,
    partial: Callable[[Any, Chunk], Any],
    step: Callable[[Any, list[Any], Step], Any],
    workers: Workers,
    *,
    first: int = 0,
    after: Callable[[Any, int], None] = lambda _state, _done: None,
    progress: Progress = SILENT,
    description: str = "scan",
) -> Any:
    """The state after one pass: for each global batch, ``step(state, [partial(state.parameters, sub_batch), …],
    where)``.

    The sub-batches of a batch are computed side by side, their values handed over in shard order; the result is
    therefore the same on any number of threads or workers, up to the rounding of the linear algebra library.

    A pass may begin at global batch `first`; `after(state, done)` is called behind every step with the number of
    batches done, to keep what was reached.

    Synchronous steps rather than rounds of local steps with averaged weights: those need more passes for the same
    accuracy, and a probe's parameters are small enough (4 MB at 1024 x 1000) to travel each step.
    """
    with (
        progress.task(description, rounds.view.rows, "rows") as task,
        workers.rounds(rounds, partial, first, _shown(description, rounds.view, progress)) as compute,
    ):
        done = 0
        for index in range(first, rounds.steps):
            state = step(state, compute(index, state.parameters), Step(index, rounds.steps))
            after(state, index + 1)
            reached = rounds.view.rows * (index + 1) // rounds.steps
            task.advance(reached - done)
            done = reached
    return state
