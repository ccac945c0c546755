"""Gradient boosting over all rows out of core, by XGBoost, which is an optional extra (``gapscope[boosting]``).

XGBoost asks for the rows page by page, keeps of each number only in which of 64 bins it falls, one byte, and grows its
trees from histograms of the bins. Where even the bytes would not fit, they lie in a temporary folder and are read again
for each level of the trees (XGBoost's external memory; ``TMPDIR`` says where).

All this happens in the process that calls, on all its processors, also where `workers` are those of a cluster: they
count the classes and check the features, and nothing more; the README of the folder says why.

In each round every class gets a tree, of depth 4, on at most 128 of the features and six tenths of the rows. The number
of rounds with the least log-loss on the held-out rows is taken; boosting ends when ten more have not lowered it. The
held-out rows do not join the others afterwards: that would mean growing everything again.

The generator that draws rows and features lives inside the booster and is not saved with it. Rounds therefore come
in *legs* of five, each of which loads the booster anew, with a seed of its own; a training that was killed continues
from the end of a leg to the same booster, bit for bit.

Chen and Guestrin (2016), "XGBoost: a scalable tree boosting system".
"""

from dataclasses import dataclass, field
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

import numpy as np

from gapscope.core.budget import Budget
from gapscope.core.checkpoint import NO_CHECKPOINT, Checkpoint
from gapscope.core.chunk import Chunk
from gapscope.core.errors import InputError
from gapscope.core.progress import SILENT, Progress
from gapscope.core.random import stream
from gapscope.core.threads import processors
from gapscope.probes.class_means import by_class, labels_in
from gapscope.probes.imbalance import class_weights
from gapscope.probes.model import Classifier
from gapscope.probes.options import ProbeOptions
from gapscope.probes.rules.boosted import Boosted, margins, xgboost
from gapscope.probes.training import Holdout, Labels
from gapscope.store import View
from gapscope.stream import Workers
from gapscope.summaries import ClassMeans

ROUNDS = 100
LEG = 5
PATIENCE = 10
LEARNING_RATE = 0.2
DEPTH = 4
# Share of the rows that a round looks at (Friedman 2002, "Stochastic gradient boosting").
SUBSAMPLE = 0.6
# A quarter of XGBoost's: histograms stay in the processor's cache.
BINS = 64
# Features that a tree may use, at most: the time of a round grows with them, and embeddings repeat themselves.
FEATURES = 128
# Rows of a page; its bytes are held two or three times while XGBoost reads ahead.
PAGE_ROWS = 16_384
# Numbers that are worth a second thread: with fewer, threads wait for each other longer than they work.
SMALL = 1_000_000
STAGE = "rounds"


def fit(
    train: View,
    holdout: View | Chunk,
    options: ProbeOptions,
    workers: Workers,
    progress: Progress = SILENT,
    checkpoint: Checkpoint = NO_CHECKPOINT,
) -> Classifier:
    """Boost for `options.trees` rounds (100), or until the rows of `holdout` gain nothing by more.

    Time grows with rows × features × classes: this is for tens of classes, not for a thousand. Memory: 16 bytes for
    each row and class (margins and gradients), and the bins, ``n d`` bytes, up to half of `options.memory_bytes`; more
    go to disk.

    Raises
    ------
    InputError
        XGBoost is not installed, no row has a label, a feature is not finite, or less than one round was asked for.
    BudgetError
        Margins and gradients would not fit.
    """
    begun = perf_counter()
    if options.trees is not None and options.trees < 1:
        raise InputError(f"trees is {options.trees}; boosting needs at least one round")
    means = by_class(ClassMeans, train, workers, progress, checkpoint)
    labels = labels_in(means, train)
    counts = means.count[labels.present]
    _check_memory(train, labels, options)
    held = Holdout.of(holdout, labels)
    state, passes = State(), 0
    if len(counts) > 1:
        with TemporaryDirectory(prefix="gapscope-boosting-") as folder:
            cache = f"{folder}/bins" if external(train, options) else None
            rows = Rows(train, labels, class_weights(options.class_weight, counts), cache)
            state = _boosted(rows, held, options, progress, checkpoint)
            passes = rows.passes
    rule = Boosted(state.model, labels.present, labels.classes)
    scores = rule.scores(held.x)[:, labels.present]
    details = {
        "rounds": state.best,
        "settings": list(state.table),
        **held.summary(labels),
        "rows": int(counts.sum()),
        "unlabelled": int(means.unlabelled),
        "class_rows": means.count.tolist(),
        "external_memory": external(train, options),
        "passes": 1 + passes,
        "seconds": perf_counter() - begun,
    }
    return Classifier("boosting", rule, temperature=held.temperature(scores, logits=True), details=details)


@dataclass(frozen=True)
class State:
    """What has been reached.

    Attributes
    ----------
    model : (bytes,) uint8
        The booster, as XGBoost writes it; empty before the first leg.
    table
        Log-loss and accuracy on the held-out rows after each round.
    """

    model: np.ndarray = field(default_factory=lambda: np.zeros(0, np.uint8))
    table: tuple[dict[str, Any], ...] = ()

    @property
    def rounds(self) -> int:
        """Rounds done."""
        return len(self.table)

    @property
    def best(self) -> int:
        """The number of rounds with the least log-loss; all of them where no rows were held out."""
        return min(self.table, key=lambda row: (row["log_loss"], -row["rounds"]))["rounds"] if self.table else 0

    @classmethod
    def load(cls, checkpoint: Checkpoint) -> "State":
        """What an earlier run has saved."""
        saved = checkpoint.load(STAGE)
        return cls(saved.arrays["model"], tuple(saved.about["table"])) if saved else cls()

    def save(self, checkpoint: Checkpoint) -> None:
        """Keep it for a later run."""
        checkpoint.save(STAGE, {"model": self.model}, {"table": list(self.table)})


class Rows(xgboost.DataIter):
    """The labelled rows of a view, as XGBoost asks for them: page by page, and from the beginning again.

    With a `cache`, the beginning of a file name, the bins go to disk.
    """

    def __init__(self, view: View, labels: Labels, weight: np.ndarray, cache: str | None = None):
        super().__init__(cache_prefix=cache)
        self.view, self.labels, self.weight, self.cache = view, labels, weight, cache
        self.passes = 0
        self.pages = iter(())

    def next(self, input_data) -> bool:
        """Hand over one page; False behind the last."""
        for chunk in self.pages:
            y = self.labels.positions(chunk.y)
            known = y >= 0
            if known.any():
                x, y = (chunk.x, y) if known.all() else (chunk.x[known], y[known])
                input_data(data=x, label=y, weight=self.weight[y])
                return True
        return False

    def reset(self) -> None:
        """Begin again."""
        self.passes += 1
        self.pages = self.view.chunks(PAGE_ROWS)

    def binned(self, threads: int) -> xgboost.DMatrix:
        """All rows as bins, in memory or on disk."""
        kind = xgboost.ExtMemQuantileDMatrix if self.cache else xgboost.QuantileDMatrix
        return kind(self, max_bin=BINS, nthread=threads)


def _boosted(rows: Rows, held: Holdout, options: ProbeOptions, progress: Progress, checkpoint: Checkpoint) -> State:
    """The booster with the best number of rounds, and the table of all."""
    state, total = State.load(checkpoint), options.trees or ROUNDS
    parameters = _parameters(rows)
    data = rows.binned(parameters["nthread"])
    judged = xgboost.QuantileDMatrix(held.x, ref=data, max_bin=BINS) if len(held.y) else None
    with progress.task("boosting", total, "rounds") as task:
        task.advance(state.rounds)
        while state.rounds < total and state.rounds - state.best < PATIENCE:
            before = state.rounds
            seed = int(stream(options.seed, "leg", before // LEG).integers(2**31))
            model = bytearray(state.model.tobytes()) or None
            booster = xgboost.Booster(parameters | {"seed": seed}, [data, *([judged] if judged else [])], model)
            for number in range(before, min(before + LEG, total)):
                booster.update(data, number)
                findings = booster.predict(judged, output_margin=True) if judged else np.zeros(0, np.float32)
                result = held.judge(margins(findings, len(rows.labels.present)))
                state = State(state.model, (*state.table, {"rounds": number + 1, **result}))
            state = State(_written(booster), state.table)
            task.advance(state.rounds - before)
            if checkpoint.due():
                state.save(checkpoint)
    booster = xgboost.Booster(model_file=bytearray(state.model.tobytes()))
    return State(_written(booster[: state.best]), state.table)


def _written(booster: xgboost.Booster) -> np.ndarray:
    return np.frombuffer(booster.save_raw("ubj"), np.uint8)


def _parameters(rows: Rows) -> dict[str, Any]:
    classes = len(rows.labels.present)
    several = {"objective": "multi:softprob", "num_class": classes}
    return (several if classes > 2 else {"objective": "binary:logistic"}) | {
        "tree_method": "hist",
        "max_bin": BINS,
        "max_depth": DEPTH,
        "learning_rate": LEARNING_RATE,
        "subsample": SUBSAMPLE,
        "colsample_bytree": min(1.0, FEATURES / rows.view.store.dim),
        "nthread": processors() if rows.view.rows * rows.view.store.dim > SMALL else 1,
        "verbosity": 0,
    }


def external(train: View, options: ProbeOptions) -> bool:
    """Whether the bins go to disk."""
    return train.rows * train.store.dim > options.memory_bytes // 2


def _check_memory(train: View, labels: Labels, options: ProbeOptions) -> None:
    rows, classes = train.rows, len(labels.present)
    what = f"boosting {classes:,} classes on {rows:,} rows"
    Budget(options.memory_bytes).require(16 * rows * classes, what, "train `forest` or `softmax`, or raise --memory")
