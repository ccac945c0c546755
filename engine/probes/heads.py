"""Several softmax heads trained side by side on one stream of rows, with NumPy.

A head is the weights of one classifier under one setting. All heads stand next to each other in the columns of one
matrix, so that a batch is read and multiplied once for all of them. `heads_torch.py` does the same arithmetic with
torch.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from engine.core.chunk import Chunk
from engine.core.errors import DivergedError
from engine.core.threads import blas_threads, processors
from engine.stream import Rounds, Step, Workers, scan

Array = np.ndarray
# Scores (1 MB) that stay in the second-level cache while they pass through the softmax.
SOFTMAX_SCORES = 2**18
# Scores (8 MB) that a thread holds at a time, so that memory does not grow with the batch.
SLOPE_SCORES = 2**21
# Columns that one thread updates at a time; fixed, so that the arithmetic does not depend on the number of threads.
BLOCK_COLUMNS = 256
# Weight of recent steps in the running average: the mean lies about 1/4 of the steps behind (Shamir and Zhang 2013).
RECENCY = 3


class Parameters(NamedTuple):
    """What a worker needs to compute a gradient.

    Attributes
    ----------
    weight : (d, g p) float32
        One column for each class of each of the g heads.
    bias : (g p,) float32
        On the features as they are stored.
    heads
        The number g.
    """

    weight: Array
    bias: Array
    heads: int


class Slope(NamedTuple):
    """Loss and gradient of some rows, summed over them.

    Attributes
    ----------
    rows
        Number of labelled rows.
    loss : (g,) float64
        Log-loss of each head.
    weight : (d, g p) float32
        ``x.T @ residual``.
    bias : (g p,) float32
        Sum of the residuals, probability minus one for the label's class and probability for the others.
    """

    rows: int
    loss: Array
    weight: Array
    bias: Array

    def plus(self, other: "Slope") -> "Slope":
        """Loss and gradient of both row sets; this one's arrays are used for it."""
        for mine, theirs in zip(self[1:], other[1:], strict=True):
            mine += theirs
        return self._replace(rows=self.rows + other.rows)


@dataclass(frozen=True)
class Head:
    """The setting of one head: its penalty, its learning rate at full speed, its preconditioner ``(d, d)`` float32."""

    l2: float
    rate: float
    metric: Array


@dataclass
class Heads:
    """The state of the descent. Its arrays are updated in place, so that a step allocates no second set of weights.

    The intercept is kept for centred features, because there it is independent of the weights and may take its own
    step.

    Attributes
    ----------
    settings
        One for each head.
    weight, mean_weight : (d, g p) float32
        Current weights, and their running average.
    centre, mean_centre : (g p,) float32
        Intercepts at the mean of the features, and their running average.
    origin, penalty : (d,) float32
        Mean of the features, and the factor of each feature in the penalty.
    done, total
        Steps taken, and steps in the whole training: the learning rate falls linearly from full speed to zero.
    epoch
        Counted from 1, for messages.
    """

    settings: tuple[Head, ...]
    weight: Array
    centre: Array
    mean_weight: Array
    mean_centre: Array
    origin: Array
    penalty: Array
    batch_rows: int
    total: int
    done: int = 0
    epoch: int = 1

    @classmethod
    def start(
        cls,
        settings: Sequence[Head],
        weight: Array,
        bias: Array,
        origin: Array,
        penalty: Array,
        batch_rows: int,
        total: int,
    ) -> "Heads":
        """All heads at the same ``weight (d, p)`` and ``bias (p,)``."""
        origin = np.asarray(origin, np.float32)
        weight = np.tile(np.asarray(weight, np.float32), len(settings))
        centre = np.tile(np.asarray(bias, np.float32), len(settings)) + origin @ weight
        penalty = np.asarray(penalty, np.float32)
        return cls(tuple(settings), weight, centre, weight.copy(), centre.copy(), origin, penalty, batch_rows, total)

    @property
    def parameters(self) -> Parameters:
        """What travels to the workers."""
        return Parameters(self.weight, self.centre - self.origin @ self.weight, len(self.settings))

    @property
    def classes(self) -> int:
        """Classes of one head."""
        return self.weight.shape[1] // len(self.settings)

    def columns(self, head: int) -> slice:
        """The columns of a head."""
        return slice(head * self.classes, (head + 1) * self.classes)

    def averaged(self, head: int) -> tuple[Array, Array]:
        """Averaged ``weight (d, p)`` and ``bias (p,)`` of a head, on the features as they are stored."""
        weight = self.mean_weight[:, self.columns(head)]
        bias = self.mean_centre[self.columns(head)] - self.origin.astype(np.float64) @ weight
        return weight, bias

    def only(self, head: int) -> "Heads":
        """The state with one head left."""
        columns = self.columns(head)
        kept = {name: getattr(self, name)[..., columns].copy() for name in LEARNT}
        return replace(self, settings=(self.settings[head],), **kept)


@dataclass(frozen=True)
class NumPy:
    """The array library of the processors."""

    device: str

    def run(
        self, rounds: Rounds, state: Heads, positions: Callable[[Array], Array], workers: Workers, **shown: Any
    ) -> Heads:
        """The state after one pass over the rows of `rounds`."""
        # One thread for every product from here on: after a product on several, OpenBLAS keeps its threads spinning for
        # some milliseconds, on processors that the next sub-batches need.
        with blas_threads(1), ThreadPoolExecutor(processors(), "step") as pool:
            return scan(
                rounds, state, partial(slope, positions=positions), partial(advance, pool=pool), workers, **shown
            )


LEARNT = ("weight", "centre", "mean_weight", "mean_centre")


# An overflow shows as a loss that is not finite at the next step, where `check` reports it with its place.
@np.errstate(over="ignore", invalid="ignore")
def slope(parameters: Parameters, chunk: Chunk, positions: Callable[[Array], Array]) -> Slope:
    """Loss and gradient at `parameters` of the labelled rows of a chunk: ``4 d g p`` flops a row."""
    x, y = labelled(chunk, positions)
    rows = max(1, SLOPE_SCORES // parameters.weight.shape[1])
    total = _slope(parameters, x[:rows], y[:rows])
    for start in range(rows, len(x), rows):
        total = total.plus(_slope(parameters, x[start : start + rows], y[start : start + rows]))
    return total


def _slope(parameters: Parameters, x: Array, y: Array) -> Slope:
    scores = x @ parameters.weight
    scores += parameters.bias
    loss = np.zeros(parameters.heads)
    rows = max(1, SOFTMAX_SCORES // scores.shape[1])
    for start in range(0, len(x), rows):
        block = slice(start, start + rows)
        loss += residual(scores[block].reshape(-1, parameters.heads, scores.shape[1] // parameters.heads), y[block])
    return Slope(len(x), loss, x.T @ scores, scores.sum(axis=0))


def labelled(chunk: Chunk, positions: Callable[[Array], Array]) -> tuple[Array, Array]:
    """The rows of a chunk that have a label, and their class positions; no copy when all have."""
    y = positions(chunk.y)
    known = y >= 0
    return (chunk.x, y) if known.all() else (chunk.x[known], y[known])


def residual(scores: Array, y: Array) -> Array:
    """Turn ``scores : (n, g, p)`` into probability minus one-hot label, in place; return the summed log-loss
    ``(g,)``.
    """
    scores -= scores.max(axis=2, keepdims=True)
    rows = np.arange(len(y))
    own = scores[rows, :, y].astype(np.float64)
    np.exp(scores, out=scores)
    total = scores.sum(axis=2, keepdims=True)
    scores /= total
    scores[rows, :, y] -= 1
    return (np.log(total[:, :, 0]) - own).sum(axis=0)


def advance(state: Heads, slopes: Sequence[Slope], where: Step, pool: Executor) -> Heads:
    """One step of preconditioned descent and of averaging, in column blocks on the threads of `pool`.

    ``W -= rate M (G / n + l2 D W)``, where G is the gradient for centred features: that of the stored ones less a
    rank-one term. A last, smaller batch takes a step smaller in proportion.

    Raises
    ------
    DivergedError
        The loss of a head is not finite.
    """
    check(state, slopes, where)
    pace = pace_of(state)
    list(pool.map(lambda block: _update(state, slopes, pace, *block), blocks(state)))
    state.done += 1
    return state


def check(state: Heads, slopes: Sequence[Slope], where: Step) -> None:
    """Stop if the loss of any head at this step is NaN or infinite."""
    losses = sum(np.asarray(slope.loss) for slope in slopes)
    for head, loss in zip(state.settings, losses, strict=True):
        if not np.isfinite(loss):
            raise DivergedError(
                f"the loss is {loss} in epoch {state.epoch}, step {where.index + 1} of {where.total} "
                f"(l2 {head.l2:.3g}, rate {head.rate:.3g}); choose a smaller learning rate, or leave it to the probe"
            )


class Pace(NamedTuple):
    """What this step does with its gradient: fraction of full speed, and weight of the result in the average."""

    speed: float
    share: float


def pace_of(state: Heads) -> Pace:
    """The linear schedule and the polynomial-decay average at the state's step."""
    return Pace(1 - state.done / state.total, (RECENCY + 1) / (state.done + 1 + RECENCY))


def blocks(state: Heads) -> list[tuple[Head, slice]]:
    """Runs of at most `BLOCK_COLUMNS` columns that lie within one head, with its setting."""
    found = []
    for index, head in enumerate(state.settings):
        columns = state.columns(index)
        for start in range(columns.start, columns.stop, BLOCK_COLUMNS):
            found.append((head, slice(start, min(start + BLOCK_COLUMNS, columns.stop))))
    return found


@np.errstate(over="ignore", invalid="ignore")
def _update(state: Heads, slopes: Sequence[Slope], pace: Pace, head: Head, columns: slice) -> None:
    weight, centre = state.weight[:, columns], state.centre[columns]
    rows = sum(slope.rows for slope in slopes)
    lean = sum(slope.bias[columns] for slope in slopes)
    gradient = slopes[0].weight[:, columns] - np.outer(state.origin, lean)
    for slope in slopes[1:]:
        gradient += slope.weight[:, columns]
    gradient += (rows * head.l2 * state.penalty)[:, None] * weight
    rate = pace.speed * head.rate / state.batch_rows
    move = head.metric @ gradient
    move *= rate
    weight -= move
    centre -= rate * state.classes * lean
    np.subtract(weight, state.mean_weight[:, columns], out=move)
    move *= pace.share
    state.mean_weight[:, columns] += move
    state.mean_centre[columns] += pace.share * (centre - state.mean_centre[columns])
