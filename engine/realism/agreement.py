"""Whether a classifier that never saw the synthetic rows confirms their labels.

Shrunk discriminants (Ledoit and Wolf) are trained on real training rows in five folds. Each real row is classified by
the one head that was trained without it, which gives the accuracy to compare with; a synthetic row by the mean of the
five heads' probabilities, of which none has seen it.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from gapscope.blocks.formats import percent
from gapscope.core.chunk import Chunk
from gapscope.core.errors import InputError
from gapscope.core.progress import SILENT, Progress
from gapscope.core.random import stream
from gapscope.inference import Verdict, clopper_pearson
from gapscope.probes.model import Classifier
from gapscope.probes.options import ProbeOptions
from gapscope.probes.train import train
from gapscope.store import ArrayStore, View
from gapscope.stream import Workers

Array = np.ndarray
FOLDS = 5
HEAD, OPTIONS = "lda", ProbeOptions(shrinkage="ledoit-wolf")


class Agreement(NamedTuple):
    """What the heads say of rows that they were not trained on.

    Attributes
    ----------
    real_y : (n,), synthetic_y : (m,)
        Labels.
    real : (n,), synthetic : (m,) float64
        Probability of the row's label.
    real_right : (n,), synthetic_right : (m,) bool
        Whether the label is the most probable class.
    """

    real_y: Array
    real: Array
    real_right: Array
    synthetic_y: Array
    synthetic: Array
    synthetic_right: Array

    def verdict(self, label: int | None = None, name: str | None = None) -> Verdict:
        """The share of confirmed labels among synthetic rows, beside the accuracy on real rows; of a class, or all."""
        mine = self.synthetic_right if label is None else self.synthetic_right[self.synthetic_y == label]
        real = self.real_right if label is None else self.real_right[self.real_y == label]
        if not len(mine):
            return Verdict("class_agreement", float("nan"), "There are no synthetic rows.", class_name=name)
        low, high = clopper_pearson(int(mine.sum()), len(mine))
        accuracy = float(real.mean()) if len(real) else float("nan")
        sentence = (
            f"An independent classifier confirms the label of {percent(mine.mean())} of the synthetic rows; of real "
            f"rows that it had not seen it recognises {percent(accuracy)}."
        )
        return Verdict("class_agreement", float(mine.mean()), sentence, low, high, null=accuracy, n=len(mine),
                       class_name=name)  # fmt: skip


def check_counts(counts: Array, names: Sequence[str]) -> None:
    """Refuse ``counts : (classes,)`` real training rows of which no classifier could be trained to check new ones.

    Raises
    ------
    InputError
        Fewer than two classes have two rows.
    """
    enough = np.flatnonzero(counts > 1)
    if len(enough) < 2:
        who = f"only {names[enough[0]]}" if len(enough) else "none"
        raise InputError(
            "what is made is checked by a classifier of the real training rows or images, which needs two or more in "
            f"each of two classes, and {who} of {len(names)} classes has them; add real ones of another class, or use "
            "`fit-incremental --class-weight balanced`, which makes none"
        )


def agreement(
    real: Chunk, synthetic: View, workers: Workers, *, seed: int = 0, progress: Progress = SILENT
) -> Agreement:
    """Train the heads and classify every row; about one second a fold for 800 rows of 1,280 features.

    Raises
    ------
    InputError
        Fewer than two classes have two rows, so that nothing can be separated.
    """
    names = list(synthetic.store.class_names)
    real = real.take(real.y >= 0)
    check_counts(np.bincount(real.y, minlength=len(names)), names)
    fold = folds(real.y, seed)
    share, right = np.zeros(len(real.y)), np.zeros(len(real.y), bool)
    heads = []
    for number in range(FOLDS):
        heads.append(_head(real, fold != number, names, workers))
        out = fold == number
        probable = heads[-1].probabilities(real.x[out])
        share[out], right[out] = probable[np.arange(out.sum()), real.y[out]], probable.argmax(axis=1) == real.y[out]
    return Agreement(real.y, share, right, *_judged(heads, synthetic))


def folds(y: Array, seed: int) -> Array:
    """A fold for each row, ``(n,)``: the rows of a class are dealt to the folds in turn, in random order."""
    order = stream(seed, "agreement folds").permutation(len(y))
    order = order[np.argsort(y[order], kind="stable")]
    fold = np.empty(len(y), np.int64)
    fold[order] = np.arange(len(y)) % FOLDS
    return fold


def _head(real: Chunk, chosen: Array, names: list[str], workers: Workers) -> Classifier:
    rows = ArrayStore(real.x[chosen], real.y[chosen], names, "real training rows")
    return train(HEAD, rows.view(), Chunk(real.sample_id[:0], real.x[:0], real.y[:0]), OPTIONS, workers)


def _judged(heads: list[Classifier], synthetic: View) -> tuple[Array, Array, Array]:
    labels, share, right = [np.zeros(0, np.int32)], [np.zeros(0)], [np.zeros(0, bool)]
    for chunk in synthetic.chunks():
        probable = np.mean([head.probabilities(chunk.x) for head in heads], axis=0)
        labels.append(chunk.y)
        share.append(probable[np.arange(len(chunk.y)), chunk.y])
        right.append(probable.argmax(axis=1) == chunk.y)
    return np.concatenate(labels), np.concatenate(share), np.concatenate(right)
