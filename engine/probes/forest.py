"""A random forest over all rows out of core: every tree is grown on as many rows as memory holds.

Trees are scikit-learn's, grown as in its ``RandomForestClassifier``: to pure leaves, looking at the square root of the
number of features at each split. What differs is which rows a tree sees.

* Where the rows fit (`rows_of_a_tree`), each tree gets a bootstrap sample of all of them: the plain random forest
  (Breiman 2001).
* Where they do not, the rows are cut into runs of consecutive rows, which are fair samples because rows stand in random
  order. In each *round* the runs are shuffled and dealt out to as many trees as it takes, and each tree grows on all
  rows it was dealt: a round of trees has seen every row exactly once. Further rounds deal anew, so that a tree shares
  rows with many others and all of them with none. This is pasting (Breiman 1999, "Pasting small votes for
  classification in large databases and on-line"); Louppe and Geurts (2012, "Ensembles on random patches") find such
  ensembles as accurate as forests on everything, in far less memory.

Where rows count unequally, by weights or those of their class, each tree draws among its rows in proportion, as
``RandomForestClassifier`` does.

The rows of a tree, its random numbers, and therefore the forest, depend on the rows' numbers and the seed, not on
workers, threads or the parts of the store.

How large a model becomes: leaves are pure, so that a tree has at most two nodes for each of its rows, of 24 bytes on
average with what the leaves know: 2.4 MB for 50,000 rows, the most a tree is given. A hundred trees are therefore less
than 240 MB, and a single round less than 48 bytes for each row there is; on embeddings of CIFAR-10, where a tree has
0.45 nodes for a row, it is a quarter of that.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from threading import BoundedSemaphore
from time import perf_counter

import numpy as np
from sklearn.tree import DecisionTreeClassifier

from gapscope.core.checkpoint import NO_CHECKPOINT, Checkpoint
from gapscope.core.chunk import Chunk
from gapscope.core.errors import InputError
from gapscope.core.progress import SILENT, Progress, Task
from gapscope.core.random import stream
from gapscope.probes.class_means import by_class, labels_in
from gapscope.probes.imbalance import class_weights
from gapscope.probes.model import Classifier
from gapscope.probes.options import ProbeOptions
from gapscope.probes.rules.trees import Grown, Trees
from gapscope.probes.training import Holdout
from gapscope.store import Piece, View
from gapscope.stream import Workers
from gapscope.summaries import ClassMeans

TREES = 100
SAMPLE_ROWS = 10_000
# Keeps the model small; see above.
MOST_ROWS = 50_000
# Runs that a tree is dealt: enough that trees of different rounds share few of their rows, and long enough to read.
RUNS = 8
# Trees that one process grows at a time, at most; `memory_bytes` is divided among them.
SIDE_BY_SIDE = 8
# Bytes that growing takes for each row beside its features: label, weight, and scikit-learn's index, value and copies.
ROW_BYTES = 64
# The same for each class: a float64 in each of some two nodes for a row, since scikit-learn's leaves are dense.
CLASS_BYTES = 16
# A task grows trees until it has used this many rows, so that small tasks do not spend their time on reading.
TASK_ROWS = 25_000
# Tasks handed out together at first; see `_grow_all`.
BATCH = 16

_SLOTS = BoundedSemaphore(SIDE_BY_SIDE)


def fit(
    train: View,
    holdout: View | Chunk,
    options: ProbeOptions,
    workers: Workers,
    progress: Progress = SILENT,
    checkpoint: Checkpoint = NO_CHECKPOINT,
) -> Classifier:
    """Grow `options.trees` trees (100), or as many more as whole rounds over all rows of `train` need.

    The rows of `holdout` choose the temperature and nothing else; no tree sees them.

    Memory: `options.memory_bytes` in each process, and the model.

    Raises
    ------
    InputError
        No row has a label, a feature is not finite, or less than one tree was asked for.
    """
    return _forest("forest", train, holdout, options, workers, progress, checkpoint)


def fit_on_sample(
    train: View,
    holdout: View | Chunk,
    options: ProbeOptions,
    workers: Workers,
    progress: Progress = SILENT,
    checkpoint: Checkpoint = NO_CHECKPOINT,
) -> Classifier:
    """The baseline: a random forest on the first 10,000 rows only, a fair sample because rows stand in random order.

    It is here to be compared with; ``rows`` of its details are the rows it saw, ``rows_there`` those it could have.

    Raises
    ------
    InputError
        As `fit`.
    """
    sample = train.store.view(train.start, min(train.stop, train.start + SAMPLE_ROWS))
    model = _forest("sample-forest", sample, holdout, options, workers, progress, checkpoint)
    model.details["rows_there"] = train.rows
    return model


def _forest(
    name: str,
    train: View,
    holdout: View | Chunk,
    options: ProbeOptions,
    workers: Workers,
    progress: Progress,
    checkpoint: Checkpoint,
) -> Classifier:
    begun = perf_counter()
    if options.trees is not None and options.trees < 1:
        raise InputError(f"trees is {options.trees}; a forest needs at least one")
    means = by_class(ClassMeans, train, workers, progress, checkpoint)
    labels = labels_in(means, train)
    deal = Deal.of(train, options)
    weight = np.zeros(labels.classes)
    weight[labels.present] = class_weights(options.class_weight, means.count[labels.present])
    grown = _grow_all(deal, weight, workers, progress, checkpoint)
    frequency = means.count * weight / (means.count @ weight)
    rule = Trees(grown, frequency.astype(np.float32))
    held = Holdout.of(holdout, labels)
    scores = rule.scores(held.x)[:, labels.present]
    temperature = held.temperature(scores)
    details = {
        "trees": rule.trees,
        "rows_of_a_tree": deal.most,
        "trees_of_a_round": deal.groups,
        "nodes": len(grown.feature),
        "settings": [{"trees": rule.trees, **held.judge(scores / temperature)}],
        **held.summary(labels),
        "rows": means.n,
        "unlabelled": int(means.unlabelled),
        "class_rows": means.count.tolist(),
        "passes": 1 + len(deal.tasks(0)) // deal.groups,
        "seconds": perf_counter() - begun,
    }
    return Classifier(name, rule, temperature=temperature, details=details)


def rows_of_a_tree(dim: int, classes: int, memory_bytes: int) -> int:
    """How many rows a tree may be given, so that `SIDE_BY_SIDE` of them grow in `memory_bytes`.

    >>> rows_of_a_tree(1280, 10, 2 * 2**30)
    50000
    >>> rows_of_a_tree(1024, 1000, 2 * 2**30)
    13315
    """
    row_bytes = 4 * dim + ROW_BYTES + CLASS_BYTES * classes
    return int(np.clip(memory_bytes // (SIDE_BY_SIDE * row_bytes), 1, MOST_ROWS))


@dataclass(frozen=True)
class Deal:
    """Which rows each tree is given; arithmetic that reads nothing.

    Attributes
    ----------
    view
        All rows.
    groups
        Trees of a round, which share out the rows among them; 1 where the rows fit, and trees take bootstrap samples.
    trees
        Number of trees: whole rounds.
    """

    view: View
    groups: int
    trees: int
    seed: int

    @classmethod
    def of(cls, view: View, options: ProbeOptions) -> "Deal":
        """With the fewest whole rounds that give the number of trees asked for."""
        most = rows_of_a_tree(view.store.dim, len(view.store.class_names), options.memory_bytes)
        # Runs differ in length by a row, so that a tree may be dealt RUNS rows more than its share.
        groups = 1 if view.rows <= most else -(-view.rows // max(1, most - RUNS))
        return cls(view, groups, groups * -(-(options.trees or TREES) // groups), options.seed)

    @property
    def rounds(self) -> int:
        """Rounds over all rows."""
        return self.trees // self.groups

    @property
    def most(self) -> int:
        """The most rows that a tree is given."""
        return max(sum(piece.rows for piece in pieces) for pieces in self._hands(0))

    def pieces(self, tree: int) -> list[Piece]:
        """The rows of one tree, ascending; those of the trees of a round do not meet and together are all rows."""
        turn, hand = divmod(tree, self.groups)
        return self._hands(turn)[hand]

    def _hands(self, turn: int) -> list[list[Piece]]:
        runs = self.groups * RUNS if self.groups > 1 else 1
        edges = self.view.start + self.view.rows * np.arange(runs + 1) // runs
        order = stream(self.seed, "deal", turn).permutation(runs).reshape(self.groups, -1)
        return [[Piece(int(edges[run]), int(edges[run + 1])) for run in np.sort(hand)] for hand in order]

    def tasks(self, first: int) -> list[range]:
        """The trees from `first` on, in runs that are grown by one task each; those of a task have the same rows."""
        most = max(1, TASK_ROWS // max(1, self.view.rows)) if self.groups == 1 else 1
        return [range(low, min(low + most, self.trees)) for low in range(first, self.trees, most)]


def _grow_all(deal: Deal, weight: np.ndarray, workers: Workers, progress: Progress, checkpoint: Checkpoint) -> Grown:
    """All trees, in their order; what was grown is saved between batches of tasks, each state only what is new in it.

    A batch that was over before it was time to save again was too small to keep many workers busy, and the next is
    twice as large; the trees do not depend on it.
    """
    done = list(_saved(checkpoint))
    first = sum(len(trees.root) for trees in done)
    fresh, size = [], BATCH
    tasks = deal.tasks(first)
    with progress.task("trees", deal.trees, "trees") as task:
        task.advance(first)
        while tasks:
            batch, tasks = tasks[:size], tasks[size:]
            advance = partial(_advance, task, batch)
            fresh += workers.each(partial(grow, deal, weight), batch, advance)
            if checkpoint.due():
                trees = Grown.joined(fresh)
                checkpoint.save(f"trees-{first}", trees._asdict(), {})
                done, first, fresh = [*done, trees], first + len(trees.root), []
            else:
                size *= 2
    return Grown.joined([*done, *fresh])


def _advance(task: Task, batch: list[range], index: int) -> None:
    task.advance(len(batch[index]))


def _saved(checkpoint: Checkpoint) -> Iterator[Grown]:
    """What an earlier run has saved: each state is named by the number of trees before it."""
    first = 0
    while result := checkpoint.load(f"trees-{first}"):
        trees = Grown(**result.arrays)
        first += len(trees.root)
        yield trees


def grow(deal: Deal, weight: np.ndarray, trees: range) -> Grown:
    """The `trees` of a deal, which have the same rows; reads these rows; ``weight : (k,)`` is that of a row of a class.

    A tree without labelled rows is one leaf that votes for nobody.
    """
    with _SLOTS:
        x, y, row_weight = _rows(deal.view, deal.pieces(trees[0]))
        weights = weight[y] * row_weight
        return Grown.joined([_tree(x, y, weights, deal, tree) for tree in trees])


def _rows(view: View, pieces: list[Piece]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The labelled rows of `pieces`: ``x : (m, d) float32``, ``y : (m,)`` and what each counts as, ``(m,)``."""
    total = sum(piece.rows for piece in pieces)
    x, y, weight = np.empty((total, view.store.dim), np.float32), np.empty(total, np.int32), np.empty(total)
    stop = 0
    for piece in pieces:
        chunk = view.store.read(piece, x[stop : stop + piece.rows])
        known = chunk.y >= 0
        start, stop = stop, stop + np.count_nonzero(known)
        x[start:stop] = chunk.x if known.all() else chunk.x[known]
        y[start:stop], weight[start:stop] = chunk.y[known], chunk.weights[known]
    return x[:stop], y[:stop], weight[:stop]


def _tree(x: np.ndarray, y: np.ndarray, weights: np.ndarray, deal: Deal, number: int) -> Grown:
    if not len(y):
        return _nothing()
    numbers = stream(deal.seed, "tree", number)
    tree = DecisionTreeClassifier(max_features="sqrt", random_state=int(numbers.integers(2**31)))
    if np.ptp(weights):  # pure leaves do not depend on weights; what they are grown on does
        weights = np.bincount(numbers.choice(len(y), len(y), p=weights / weights.sum()), minlength=len(y))
    elif deal.groups == 1:
        weights = weights * np.bincount(numbers.integers(len(y), size=len(y)), minlength=len(y))
    tree.fit(x, y, sample_weight=weights)
    return Grown.of(tree.tree_, tree.classes_)


def _nothing() -> Grown:
    none, leaf = np.zeros(1, np.int32), np.zeros(2, np.int64)
    empty = np.zeros(0, np.int32)
    return Grown(leaf[:1], none - 1, none.astype(np.float32), none, none, leaf, empty, empty.astype(np.float32))
