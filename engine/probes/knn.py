"""The votes of the nearest training rows by cosine similarity, exactly: see `gapscope.probes.nearest`.

Training is a count of the rows; the work is done at every question, ``2 m d`` flops for m training rows of d features.
"""

from collections.abc import Sequence
from functools import partial, reduce
from time import perf_counter
from typing import Any, NamedTuple

import numpy as np

from gapscope.core.budget import Budget
from gapscope.core.checkpoint import NO_CHECKPOINT, Checkpoint
from gapscope.core.chunk import Chunk
from gapscope.core.errors import InputError
from gapscope.core.progress import SILENT, Progress
from gapscope.probes.class_means import by_class, labels_in
from gapscope.probes.model import Classifier, unit_rows
from gapscope.probes.nearest import Nearest, nearest
from gapscope.probes.options import ProbeOptions
from gapscope.probes.rules.neighbours import Neighbours, vote
from gapscope.probes.training import HOLDOUT_ROWS, Holdout, Labels, with_holdout
from gapscope.store import ArrayStore, Changed, EmbeddingStore, View, in_memory
from gapscope.stream import Workers, each
from gapscope.summaries import ClassMeans

# The first is taken when there are no held-out rows to choose by.
NEIGHBOURS = (20, 5, 10, 50, 100, 200)
# Held-out rows whose neighbours are sought at a time.
SEARCH_ROWS = 2048


class Choice(NamedTuple):
    """Number of neighbours, temperature of the scores, how many rows decided, the table of what was tried, and the
    classes that had no such row.
    """

    k: int
    temperature: float
    rows: int
    settings: list[dict[str, Any]]
    absent: Sequence[int] = ()


def fit(
    train: View,
    holdout: View | Chunk,
    options: ProbeOptions,
    workers: Workers,
    progress: Progress = SILENT,
    checkpoint: Checkpoint = NO_CHECKPOINT,
) -> Classifier:
    """The rows of `train` as neighbours; their number is that with the least log-loss on `holdout` unless `options`
    names one.

    Once it is chosen, the held-out rows join the others. Reads the rows once to count them, and once for every
    `SEARCH_ROWS` held-out rows.

    Raises
    ------
    InputError
        The number of neighbours is below one, the view is not an angle's, no row has a label, or a feature is not
        finite.
    BudgetError
        The rows are not on disk as they are, and too many to be kept.
    """
    start = perf_counter()
    check(options)
    rest = as_neighbours(with_holdout(train, holdout), options.memory_bytes)
    rows = rest.store.view(rest.start, rest.start + train.rows)
    means = by_class(ClassMeans, rows, workers, progress, checkpoint)
    labels = labels_in(means, train)
    choice = chosen(rows, holdout, labels, options, workers, progress, checkpoint)
    if rest.rows > rows.rows:
        tail = rest.store.view(rows.stop, rest.stop)
        means = means.merge(by_class(ClassMeans, tail, workers, progress, checkpoint, "held-out-means"))
    details = {
        "neighbours": choice.k,
        "settings": choice.settings,
        "holdout_rows": choice.rows,
        **({"not_held_out": choice.absent} if choice.absent else {}),
        "rows": means.n,
        "unlabelled": means.unlabelled,
        "class_rows": means.count.tolist(),
        "passes": 1 + -(-choice.rows // SEARCH_ROWS),
        "seconds": perf_counter() - start,
    }
    rule = Neighbours(rest, means.count, choice.k)
    return Classifier("knn", rule, temperature=choice.temperature, details=details)


def check(options: ProbeOptions) -> None:
    """Refuse options that mean nothing here."""
    if options.view in ("standardised", "whitened"):
        raise InputError(f"knn compares rows by the angle between them: choose view raw, not {options.view}")
    if options.neighbours is not None and options.neighbours < 1:
        raise InputError(f"{options.neighbours} neighbours cannot vote; ask for 1 or more")


def as_neighbours(rows: View, memory_bytes: int) -> View:
    """The rows of a view as a model can keep them: on disk where they are, else in memory.

    Rows scaled to length one are on disk all the same: their angles are those of the stored ones.
    """
    store = rows.store
    if isinstance(store, EmbeddingStore | ArrayStore):
        return rows
    if isinstance(store, Changed) and store.change is unit_rows:
        return as_neighbours(store.store.view(rows.start, rows.stop), memory_bytes)
    what = f"keeping {rows.rows:,} changed rows of {store.name}"
    Budget(memory_bytes).require(4 * rows.rows * store.dim, what, "store them changed, or raise --memory")
    return in_memory(rows)


def chosen(
    rows: View,
    holdout: View | Chunk,
    labels: Labels,
    options: ProbeOptions,
    workers: Workers,
    progress: Progress,
    checkpoint: Checkpoint,
) -> Choice:
    """What suits the held-out rows best, from one search with the largest number of neighbours."""
    saved = checkpoint.load("choice")
    if saved:
        return Choice(**saved.about)
    numbers = NEIGHBOURS if options.neighbours is None else (options.neighbours,)
    result, held = searched(rows, holdout, labels, max(numbers), workers, progress)
    table = list(tried(result, held, numbers, labels))
    best = min(table, key=lambda row: row["log_loss"])
    choice = Choice(best["neighbours"], best["temperature"], len(held.y), table, held.absent(labels))
    checkpoint.save("choice", {}, choice._asdict())
    return choice


def searched(
    rows: View, holdout: View | Chunk, labels: Labels, k: int, workers: Workers, progress: Progress
) -> tuple[Nearest, Holdout]:
    """The `k` nearest training rows of the held-out rows that have a label, and these labels."""
    view = holdout
    if isinstance(holdout, Chunk):
        view = ArrayStore(holdout.x, holdout.y, rows.store.class_names, "held-out rows").view()
    view = view.store.view(view.start, min(view.stop, view.start + HOLDOUT_ROWS))
    search = partial(_neighbours_of, rows=rows, k=k)
    parts = each(view, search, workers, chunk_rows=SEARCH_ROWS, progress=progress, description="neighbours")
    result = reduce(Nearest.beside, (part[1] for part in parts), Nearest.none(0, k))
    y = labels.positions(np.concatenate([np.empty(0, np.int32), *(part[0] for part in parts)]))
    known = y >= 0
    return Nearest(*(column[known] for column in result)), Holdout(np.empty((known.sum(), 0), np.float32), y[known])


def _neighbours_of(_index: int, chunk: Chunk, rows: View, k: int) -> tuple[np.ndarray, Nearest]:
    return chunk.y, nearest(chunk.x, rows, k)


def tried(result: Nearest, held: Holdout, numbers: Sequence[int], labels: Labels) -> list[dict[str, Any]]:
    """For each number of neighbours: the temperature that suits the held-out rows, and how they are then classified."""
    class_rows = np.zeros(labels.classes, np.int64)
    class_rows[labels.present] = 1
    table = []
    for k in numbers:
        scores = vote(result, k, class_rows)[:, labels.present]
        temperature = held.temperature(scores)
        judged = held.judge(scores / np.float32(temperature))
        table.append({"neighbours": k, "temperature": temperature, **judged})
    return table
