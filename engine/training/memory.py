"""How much memory a training needs, projected before its first row is read."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from gapscope.core.budget import Budget
from gapscope.evaluation.memory import bytes_of_set
from gapscope.probes.grid import Grid
from gapscope.probes.lbfgs import MEMORY
from gapscope.store import EmbeddingStore
from gapscope.stream import CHUNK_ROWS, SHARDS
from gapscope.training.candidates import Candidate
from gapscope.training.rows import TrainingRows

# Arrays of float32 as large as a model's weights: of a head weights, average, four slopes and their sum; of L-BFGS its
# `2 * MEMORY + 5` in float64; of a closed form room to solve.
HEAD_ARRAYS, MINIMISER_ARRAYS, SOLVER_ARRAYS = 7, 2 * (2 * MEMORY + 5), 10


class Size(NamedTuple):
    """What the memory of a training depends on."""

    held: int
    dim: int
    classes: int
    arrays: int


def _chunks(size: Size) -> int:
    """Rows on their way, and the held-out ones with their scores."""
    return 4 * size.dim * (2 * SHARDS * CHUNK_ROWS + 2 * size.held) + 4 * size.held * size.classes


def _moments(size: Size) -> int:
    return 6 * 8 * size.dim * (size.dim + size.classes)


def _weights(size: Size) -> int:
    return 4 * size.dim * size.classes * size.arrays


def _from_moments(size: Size) -> int:
    return _chunks(size) + _moments(size) + _weights(size)


def _linear(size: Size) -> int:
    return _chunks(size) + _weights(size)


# Bytes that a training needs at most; members that are not here fit themselves into what is allowed.
NEEDS: Mapping[str, Callable[[Size], int]] = {
    "softmax": _from_moments,
    "logistic": _from_moments,
    "ridge": _from_moments,
    "lda": _from_moments,
    "nearest-mean": _linear,
    "knn": _chunks,
    "partial-fit": _linear,
    "sgd": _linear,
}


def check_memory(allowed: int, candidates: Sequence[Candidate], rows: TrainingRows, threads: int) -> None:
    """Refuse, before the first row is read, a training that would not fit, or the evaluation of what it trains.

    Raises
    ------
    BudgetError
        The projected need of a candidate is above ``--memory``.
    """
    budget, store = Budget(allowed), rows.store
    classes = len(store.class_names)
    evaluated = [bytes_of_set(one, classes, threads) for one in (*rows.sources, *rows.tests)]
    for one in candidates:
        size = Size(rows.held.rows, store.dim, classes, _arrays(one, classes))
        what = f"training on {size.dim:,} features and {size.classes:,} classes with {size.held:,} held-out rows"
        subject = what if len(candidates) == 1 else f"{one.title}: {what}"
        needed, largest = NEEDS.get(one.member, _chunks)(size), max(evaluated)
        way_out = "lower --holdout or raise --memory" if needed > largest else "raise --memory"
        budget.require(max(needed, largest), subject, way_out)


def _arrays(one: Candidate, classes: int) -> int:
    heads = HEAD_ARRAYS * len(Grid.of(one.options, classes)) if one.member == "softmax" else 0
    minimises = one.member == "logistic" or (one.member == "softmax" and one.options.certify)
    return max(heads, MINIMISER_ARRAYS if minimises else 0, SOLVER_ARRAYS)


def on_a_worker(store: EmbeddingStore) -> int:
    """Bytes that a worker of a cluster needs: its moments before and after a chunk, and the chunk as it is read."""
    dim, classes = store.dim, len(store.class_names)
    return 3 * 8 * dim * (dim + classes) + 2 * 8 * dim * CHUNK_ROWS
