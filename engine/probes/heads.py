"""Several softmax heads trained side by side on one stream of rows, with NumPy.

A head is the weights of one classifier under one setting. All heads stand next to each other in the columns of one
matrix, so that a batch is read and multiplied once for all of them. `heads_torch.py` does the same arithmetic with
torch.
"""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from gapscope.core.chunk import Chunk
from gapscope.core.errors import DivergedError
from gapscope.core.random import stream
from gapscope.core.threads import blas_threads, processors
from gapscope.probes.residual import residual
from gapscope.stream import Rounds, Step, Workers, scan

Array = np.ndarray
# Scores (1 MB) that stay in the second-level cache while they pass through the softmax.
SOFTMAX_SCORES = 2**18
# Scores (8 MB) that a thread holds at a time, so that memory does not grow with the batch; and the rows that it takes
# at least, because each run of rows adds a gradient of the size of all weights.
SLOPE_SCORES, SLOPE_ROWS = 2**21, 512
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
    row_weights : (g, p) or None
        What a row of each class weighs in each head; None where all weigh one.
    unit : (g,) bool or None
        Heads that see rows scaled to length one; None where no head does. The scale of a row passes through the
        product, so that one product serves all heads.
    """

    weight: Array
    bias: Array
    heads: int
    row_weights: Array | None = None
    unit: Array | None = None

    def weights(self, chunk: Chunk) -> Array | None:
        """What each row of a chunk weighs in each head, ``(n, g)`` or ``(n, 1)``; None where all weigh one."""
        by_class = None if self.row_weights is None else self.row_weights.T[chunk.y]
        if chunk.weight is None:
            return by_class
        by_row = chunk.weight[:, None].astype(self.weight.dtype)
        return by_row if by_class is None else by_class * by_row


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
    """The setting of one head.

    Attributes
    ----------
    name
        The setting as plain values, for tables.
    l2, rate
        Penalty, and learning rate at full speed.
    metric : (d, d) or (d,) float32
        Preconditioner; a vector for a diagonal one.
    penalty, origin : (d,) float32
        Factor of each feature in the penalty, and the mean of the features.
    row_weights : (p,) float32 or None
        What a row of each class weighs; None where all weigh one.
    unit
        Whether the head sees rows scaled to length one.
    """

    name: Mapping[str, Any]
    l2: float
    rate: float
    metric: Array
    penalty: Array
    origin: Array
    row_weights: Array | None = None
    unit: bool = False


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
    batch_rows: int
    total: int
    done: int = 0
    epoch: int = 1

    @classmethod
    def start(
        cls, settings: Sequence[Head], starts: Sequence[tuple[Array, Array]], batch_rows: int, total: int
    ) -> "Heads":
        """Each head at its own ``weight (d, p)`` and ``bias (p,)``, on the features that it sees."""
        weights = [np.asarray(weight, np.float32) for weight, _ in starts]
        centres = [
            np.asarray(bias, np.float32) + head.origin @ weight
            for head, weight, (_, bias) in zip(settings, weights, starts, strict=True)
        ]
        weight, centre = np.concatenate(weights, axis=1), np.concatenate(centres)
        return cls(tuple(settings), weight, centre, weight.copy(), centre.copy(), batch_rows, total)

    @property
    def parameters(self) -> Parameters:
        """What travels to the workers."""
        heads = len(self.settings)
        bias = self.centre + 0
        for index, head in enumerate(self.settings):
            columns = self.columns(index)
            bias[columns] -= head.origin @ self.weight[:, columns]
        unit = np.array([head.unit for head in self.settings])
        return Parameters(self.weight, bias, heads, self._row_weights, unit if unit.any() else None)

    @property
    def _row_weights(self) -> Array | None:
        if all(head.row_weights is None for head in self.settings):
            return None
        ones = np.ones(self.classes, np.float32)
        return np.stack([ones if head.row_weights is None else head.row_weights for head in self.settings])

    @property
    def classes(self) -> int:
        """Classes of one head."""
        return self.weight.shape[1] // len(self.settings)

    def columns(self, head: int) -> slice:
        """The columns of a head."""
        return slice(head * self.classes, (head + 1) * self.classes)

    def averaged(self, head: int) -> tuple[Array, Array]:
        """Averaged ``weight (d, p)`` and ``bias (p,)`` of a head, on the features that it sees."""
        weight = self.mean_weight[:, self.columns(head)]
        bias = self.mean_centre[self.columns(head)] - self.settings[head].origin.astype(np.float64) @ weight
        return weight, bias

    def only(self, heads: Sequence[int]) -> "Heads":
        """The state with some of its heads left."""
        columns = np.concatenate([np.arange(self.columns(head).start, self.columns(head).stop) for head in heads])
        kept = {name: np.take(getattr(self, name), columns, axis=-1) for name in ARRAYS}
        return replace(self, settings=tuple(self.settings[head] for head in heads), **kept)


@dataclass(frozen=True)
class NumPy:
    """The array library of the processors."""

    device: str

    def run(self, rounds: Rounds, state: Heads, reads: "Reads", workers: Workers, **course: Any) -> Heads:
        """The state after one pass over the rows of `rounds`; `course` goes to `scan`."""
        # One thread for every product from here on: after a product on several, OpenBLAS keeps its threads spinning for
        # some milliseconds, on processors that the next sub-batches need.
        with blas_threads(1), ThreadPoolExecutor(processors(), "step") as pool:
            return scan(rounds, state, partial(slope, reads=reads), partial(advance, pool=pool), workers, **course)

    @staticmethod
    def on_host(state: Heads) -> Heads:
        """The state with arrays of NumPy."""
        return state


ARRAYS = ("weight", "centre", "mean_weight", "mean_centre")


@dataclass(frozen=True)
class Reads:
    """Which rows of a chunk a step sees, and with which class positions.

    Attributes
    ----------
    positions
        Class position of each label, -1 where there is none.
    draw : (p,) or None
        How likely a row of each class is drawn, relative to others; None takes every row once.
    seed, epoch
        Decide the draws.
    """

    positions: Callable[[Array], Array]
    draw: Array | None = None
    seed: int = 0
    epoch: int = 1

    def __call__(self, chunk: Chunk) -> Chunk:
        """The rows that have a label, with class positions for labels; no copy when all have and all are taken."""
        first = chunk.sample_id[:1]
        chunk = chunk._replace(y=self.positions(chunk.y))
        known = chunk.y >= 0
        chunk = chunk if known.all() else chunk.take(known)
        if self.draw is None or not len(chunk.y):
            return chunk
        rng = stream(self.seed, "draw", f"epoch-{self.epoch}", int(first[0]))
        share = self.draw[chunk.y]
        return chunk.take(rng.choice(len(share), len(share), p=share / share.sum()))


# An overflow shows as a loss that is not finite at the next step, where `check` reports it with its place.
@np.errstate(over="ignore", invalid="ignore")
def slope(parameters: Parameters, chunk: Chunk, reads: Reads) -> Slope:
    """Loss and gradient at `parameters` of the labelled rows of a chunk: ``4 d g p`` flops a row."""
    seen = reads(chunk)
    rows = max(SLOPE_ROWS, SLOPE_SCORES // parameters.weight.shape[1])
    total = _slope(parameters, seen.rows(0, rows))
    for start in range(rows, len(seen.y), rows):
        total = total.plus(_slope(parameters, seen.rows(start, start + rows)))
    return total


def _slope(parameters: Parameters, chunk: Chunk) -> Slope:
    x, y, weights = chunk.x, chunk.y, parameters.weights(chunk)
    scores = x @ parameters.weight
    heads = scores.reshape(len(x), parameters.heads, -1)
    unit = None if parameters.unit is None else row_scales(x, parameters.unit)
    if unit is not None:
        heads *= unit
    scores += parameters.bias
    loss = np.zeros(parameters.heads)
    rows = max(1, SOFTMAX_SCORES // scores.shape[1])
    for start in range(0, len(x), rows):
        block = slice(start, start + rows)
        loss += residual(heads[block], y[block], None if weights is None else weights[block])
    bias_gradient = scores.sum(axis=0)
    if unit is not None:
        heads *= unit
    return Slope(len(x), loss, x.T @ scores, bias_gradient)


def row_scales(x: Array, unit: Array) -> Array:
    """``(n, g, 1)``: for heads that see rows of length one, one over the length of each row; for the others 1."""
    length = np.sqrt(np.einsum("nd,nd->n", x, x))
    inverse = np.divide(1, length, out=np.zeros_like(length), where=length > 0)
    return np.where(unit[None, :, None], inverse[:, None, None], x.dtype.type(1))


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
    size = step_size(state)
    list(pool.map(lambda block: _update(state, slopes, size, *block), blocks(state)))
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


class StepSize(NamedTuple):
    """What this step does with its gradient: fraction of full speed, and weight of the result in the average."""

    speed: float
    share: float


def step_size(state: Heads) -> StepSize:
    """The linear schedule and the polynomial-decay average at the state's step."""
    return StepSize(1 - state.done / state.total, (RECENCY + 1) / (state.done + 1 + RECENCY))


def blocks(state: Heads) -> list[tuple[Head, slice]]:
    """Runs of at most `BLOCK_COLUMNS` columns that lie within one head, with its setting."""
    result = []
    for index, head in enumerate(state.settings):
        columns = state.columns(index)
        for start in range(columns.start, columns.stop, BLOCK_COLUMNS):
            result.append((head, slice(start, min(start + BLOCK_COLUMNS, columns.stop))))
    return result


@np.errstate(over="ignore", invalid="ignore")
def _update(state: Heads, slopes: Sequence[Slope], size: StepSize, head: Head, columns: slice) -> None:
    weight, centre = state.weight[:, columns], state.centre[columns]
    rows = sum(slope.rows for slope in slopes)
    bias_gradient = sum(slope.bias[columns] for slope in slopes)
    gradient = slopes[0].weight[:, columns] - np.outer(head.origin, bias_gradient)
    for slope in slopes[1:]:
        gradient += slope.weight[:, columns]
    gradient += (rows * head.l2 * head.penalty)[:, None] * weight
    rate = size.speed * head.rate / state.batch_rows
    move = head.metric @ gradient if head.metric.ndim == 2 else head.metric[:, None] * gradient
    move *= rate
    weight -= move
    centre -= rate * state.classes * bias_gradient
    np.subtract(weight, state.mean_weight[:, columns], out=move)
    move *= size.share
    state.mean_weight[:, columns] += move
    state.mean_centre[columns] += size.share * (centre - state.mean_centre[columns])
