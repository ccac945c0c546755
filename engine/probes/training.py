"""What every probe needs before it begins: which classes have rows, checked labels, and held-out rows to choose by."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from time import perf_counter
from typing import Any

import numpy as np

from gapscope.core.checkpoint import NO_CHECKPOINT, Checkpoint
from gapscope.core.chunk import Chunk
from gapscope.core.errors import InputError
from gapscope.core.progress import Progress
from gapscope.probes.imbalance import class_weights
from gapscope.store import View
from gapscope.stream import Workers, fold
from gapscope.summaries import ClassMeans, LabelledMoments, Moments

# More rows would cost seconds at 1000 classes and sharpen an accuracy of 80 % by less than its own error of 0.4 points.
HOLDOUT_ROWS = 10_000
# Two thousand rows of a thousand classes tell a temperature to a few per cent.
TEMPERATURE_SCORES = 2 * 10**6
# Rows whose probabilities are computed at a time: they stay in a processor's cache.
BLOCK_ROWS = 64


class Clock:
    """Seconds of the parts of a job."""

    def __init__(self) -> None:
        self.laps: dict[str, float] = {}
        self._last = perf_counter()

    def lap(self, name: str) -> None:
        """The part called `name` ends now."""
        now = perf_counter()
        self.laps[name] = self.laps.get(name, 0.0) + now - self._last
        self._last = now


@dataclass(frozen=True)
class Labels:
    """Class indices as the store has them, and as positions among the classes that have training rows.

    Attributes
    ----------
    present : (p,) int
        The classes with rows, ascending.
    classes
        Number of classes, with or without rows.
    """

    present: np.ndarray
    classes: int

    def positions(self, y: np.ndarray) -> np.ndarray:
        """Position in `present` of each label of ``y : (n,)``; -1 for a row without a label or of a class not there."""
        table = np.full(self.classes + 1, -1, np.int64)  # the last entry is where -1 points
        table[self.present] = np.arange(len(self.present))
        return table[y]


def moments_of(
    train: View,
    workers: Workers,
    progress: Progress,
    checkpoint: Checkpoint = NO_CHECKPOINT,
    stage: str = "moments",
) -> LabelledMoments:
    """One pass over the rows of a view: their moments; taken from the checkpoint where they are there already.

    Raises
    ------
    InputError
        A feature is not finite.
    """
    saved = checkpoint.load(stage)
    if saved:
        return _unpacked(saved.arrays, saved.about)
    classes = len(train.store.class_names)
    moments = fold(train, partial(LabelledMoments.of, classes=classes), workers, progress=progress, description=stage)
    bad = np.flatnonzero(~np.isfinite(np.diagonal(moments.total.scatter)))
    if bad.size:
        raise InputError(
            f"feature {bad[0]} of {train.store.name} has NaN or infinite values, as have {bad.size - 1} others; "
            "extract or import it again with bad rows rejected"
        )
    checkpoint.save(stage, *packed(moments))
    return moments


def packed(moments: LabelledMoments) -> tuple[dict, dict]:
    """The moments as a checkpoint keeps them: arrays, and plain values."""
    total, classes = moments
    arrays = {"mean": total.mean, "scatter": total.scatter, "count": classes.count, "means": classes.mean}
    return arrays, {"n": total.n, "unlabelled": classes.unlabelled}


def _unpacked(arrays: dict, about: dict) -> LabelledMoments:
    total = Moments(about["n"], arrays["mean"], arrays["scatter"])
    return LabelledMoments(total, ClassMeans(arrays["count"], arrays["means"], about["unlabelled"]))


def without_labels(rows: View) -> InputError:
    """The error for rows to train on of which none has a label."""
    from_files = "import them again with --label-column NAME, the column of the file that names the class"
    from_images = "extract them again with --labels FILE, or from folders that are called as the classes"
    made = getattr(rows.store, "provenance", None)
    way_out = from_images if made and not made.is_imported else from_files
    return InputError(f"none of the {rows.rows} training rows of {rows.store.name} has a label; {way_out}")


def labels_of(moments: LabelledMoments, train: View) -> Labels:
    """The classes that have rows.

    Raises
    ------
    InputError
        No row has a label.
    """
    if not moments.total.n:
        raise without_labels(train)
    return Labels(moments.present, len(moments.classes.count))


def with_holdout(train: View, holdout: "View | Chunk") -> View:
    """The training rows and the held-out rows behind them, for when nothing is left to choose by these.

    Held-out rows that do not stand behind the training rows stay out.
    """
    if isinstance(holdout, View) and holdout.store == train.store and holdout.start == train.stop:
        return train.store.view(train.start, holdout.stop)
    return train


@dataclass(frozen=True)
class Holdout:
    """Training rows kept aside to choose by. Without any, every candidate is as good as another and the first is taken.

    Attributes
    ----------
    x : (n, d) float32
    y : (n,) int
        Positions among the classes that have training rows.
    class_weights : (p,) or None
        What a row of each class weighs in the log-loss; None where all weigh one.
    weight : (n,) or None
        How many rows each row counts as; None where all count as one.
    """

    x: np.ndarray
    y: np.ndarray
    class_weights: np.ndarray | None = None
    weight: np.ndarray | None = None

    @classmethod
    def of(cls, rows: "View | Chunk", labels: Labels) -> "Holdout":
        """The first rows of a view, or those of a chunk, that have a label."""
        if isinstance(rows, View):
            rows = rows.store.view(rows.start, min(rows.stop, rows.start + HOLDOUT_ROWS)).read()
        known = rows._replace(y=labels.positions(rows.y))
        known = known.take(known.y >= 0)
        return cls(known.x, known.y, weight=known.weight)

    def absent(self, labels: Labels) -> list[int]:
        """Classes with training rows of which no row is here, though there are some of others."""
        counts = np.bincount(self.y, minlength=len(labels.present))
        return labels.present[counts == 0].tolist() if len(self.y) else []

    def summary(self, labels: Labels) -> dict[str, Any]:
        """For the details of a model: how many rows, and which classes have none among them, if any."""
        absent = self.absent(labels)
        return {"holdout_rows": len(self.y)} | ({"not_held_out": absent} if absent else {})

    def change(self, change: Callable[[np.ndarray], np.ndarray]) -> "Holdout":
        """The rows as they are behind a change of the features."""
        return replace(self, x=change(self.x))

    def scores(self, weight: np.ndarray, bias: np.ndarray) -> np.ndarray:
        """``x @ weight + bias`` for ``weight : (d, p)``; as many numbers as rows times classes."""
        return self.x @ np.asarray(weight, np.float32) + np.asarray(bias, np.float32)

    def judge(self, scores: np.ndarray) -> dict[str, float]:
        """Mean log-loss, by the weights of classes and rows, and accuracy, by those of rows, of ``scores : (n, p)``."""
        if not len(self.y):
            return {"log_loss": 0.0, "accuracy": 0.0}
        accuracy = float(np.average(scores.argmax(axis=1) == self.y, weights=self.weight))
        return {"log_loss": float(np.average(log_losses(scores, self.y), weights=self._weights)), "accuracy": accuracy}

    @property
    def _weights(self) -> np.ndarray | None:
        """What each row weighs in the log-loss, ``(n,)``; None where all weigh one."""
        if self.class_weights is None:
            return self.weight
        weights = self.class_weights[self.y]
        return weights if self.weight is None else weights * self.weight

    def prefers(self, rival: np.ndarray, scores: np.ndarray) -> bool:
        """Whether the scores of a rival have less log-loss by more than the standard error of the difference."""
        if not len(self.y):
            return False
        weights = self._weights
        difference = (log_losses(scores, self.y) - log_losses(rival, self.y)) * (1.0 if weights is None else weights)
        return bool(difference.mean() > difference.std() / np.sqrt(len(difference)))

    def weighing(self, treatment: str, counts: np.ndarray) -> "Holdout":
        """The same rows, judged as a treatment of unequal classes wants it; see `gapscope.probes.imbalance`."""
        weighs = treatment in ("balanced", "effective-number", "balanced-sampling")
        name = treatment.replace("balanced-sampling", "balanced")
        return replace(self, class_weights=class_weights(name, counts) if weighs else None)

    def temperature(self, scores: np.ndarray, *, logits: bool = False) -> float:
        """What to divide ``scores : (n, p)`` by for the least log-loss; 1 without held-out rows.

        `logits` says that the scores were fitted as logarithms of probabilities, so that 1 is near and few rows are no
        reason to leave it. One number needs no more than the first `TEMPERATURE_SCORES` of the scores.
        """
        rows = max(1, TEMPERATURE_SCORES // max(1, scores.shape[1]))
        weight = None if self.weight is None else self.weight[:rows]
        spread = SPREAD if logits else np.inf
        return 1 / best_temperature(scores[:rows], self.y[:rows], weight=weight, spread=spread)

    def judge_tempered(self, scores: np.ndarray) -> dict[str, float]:
        """See `judge`, for logits divided by the temperature that suits them, which is told as well."""
        temperature = self.temperature(scores, logits=True)
        return {"temperature": temperature, **self.judge(scores / np.float32(temperature))}


def log_losses(scores: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Negative log-probability ``(n,)`` of the labels ``y`` under the softmax of ``scores : (n, p)``."""
    top = scores.max(axis=1)
    return np.log(np.exp(scores - top[:, None]).sum(axis=1)) + top - scores[np.arange(len(y)), y]


# Standard deviation of the logarithm of a temperature among fitted logits: on features of real networks with thousands
# of held-out rows, two in three lie between 0.8 and 1.25.
SPREAD = 0.25
# Factor beyond which probabilities are all but 0 and 1, and below whose inverse they are all but equal.
EXTREME = 64


def best_temperature(
    scores: np.ndarray,
    y: np.ndarray,
    steps: int = 12,
    spread: float = np.inf,
    weight: np.ndarray | None = None,
    start: float = 1.0,
) -> float:
    """The factor ``t > 0`` for which ``t * scores`` has the least log-loss against ``y``, whose rows count as
    ``weight : (n,)``; 1 where there are no rows.

    One row more counts as classified wrongly, as its second class: n rows without an error are no proof that there is
    none, and ask for no bound on t. Where t is known to be near 1, log t has a normal prior with standard deviation
    `spread`, which a few hundred rows outweigh (MacKay 2003, chapter 24, for such estimates).

    Newton's method on a function of one number, from `start`, kept from leaping by more than a factor of four. Leaps
    from where all probabilities are 0 and 1, or all alike, do not count as steps: they only find the unit.
    """
    if not len(y):
        return 1.0
    t, left = start, steps
    reach = float((scores.max(axis=1) - scores.min(axis=1)).max())
    wanted = _mean_score(scores, y, weight)
    pull = 1 / (len(y) * spread**2)
    while left:
        before = t
        mean, square = _expected(scores, t)
        more = 1 + 1 / len(y)
        slope = more * np.average(mean, weights=weight) - wanted + pull * np.log(t) / t
        curvature = more * np.average(square - mean**2, weights=weight) + pull / t**2
        moved = t - slope / curvature if curvature > 0 else t * (4.0 ** -np.sign(slope))
        t = float(np.clip(moved, t / 4, 4 * t))
        left -= not _finds_unit(before, t, reach)
        if abs(t - before) < 1e-4 * before:
            break
    return t


def _expected(scores: np.ndarray, t: float) -> tuple[np.ndarray, np.ndarray]:
    """Mean and mean square ``(n,)`` of the scores of each row under the softmax of ``t scores``."""
    mean, square = np.empty(len(scores)), np.empty(len(scores))
    for start in range(0, len(scores), BLOCK_ROWS):
        rows = slice(start, start + BLOCK_ROWS)
        some = scores[rows]
        p = t * (some - some.max(axis=1, keepdims=True))
        np.exp(p, out=p)
        p /= p.sum(axis=1, keepdims=True)
        np.einsum("nk,nk->n", p, some, dtype=np.float64, out=mean[rows])
        p *= some
        np.einsum("nk,nk->n", p, some, dtype=np.float64, out=square[rows])
    return mean, square


def _mean_score(scores: np.ndarray, y: np.ndarray, weight: np.ndarray | None) -> float:
    """Mean score of the labels, and of a row more that has the mean second class."""
    own = np.average(scores[np.arange(len(y)), y].astype(np.float64), weights=weight)
    if scores.shape[1] == 1:
        return float(own + own / len(y))
    second = np.average(np.partition(scores, -2, axis=1)[:, -2].astype(np.float64), weights=weight)
    return float(own + second / len(y))


def _finds_unit(before: float, after: float, reach: float) -> bool:
    """Whether a leap leaves the range where all probabilities are alike, or all 0 and 1."""
    return before * reach > EXTREME if after < before else before * reach < 1 / EXTREME
