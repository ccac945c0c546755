"""What each repaired head gains on rows that it was not fitted to, and what it costs on the reference."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from gapscope.core.chunk import Chunk
from gapscope.core.hashing import digest_buffers
from gapscope.core.progress import Progress
from gapscope.gaps.trials import PairedCounts
from gapscope.inference import mcnemar, paired_interval, paired_interval_of_counts
from gapscope.inference.bootstrap import REPLICATES
from gapscope.probes.model import Classifier
from gapscope.probes.rules.linear import Linear
from gapscope.repairs.fit import NOTHING, Candidate
from gapscope.repairs.seen import prepared
from gapscope.store import View
from gapscope.stream import Workers, fold
from gapscope.summaries.moments import UNLABELLED

Array = np.ndarray
# Half widths of a 95 % interval in standard errors.
NORMAL = 1.96


class Gain(NamedTuple):
    """How much more accurate a repaired head is, as a difference of shares, with a 95 % interval; positive is better.

    `p` is that of the exact McNemar test for the head as it is; the interval also holds what refitting changes.
    """

    before: float
    after: float
    value: float
    low: float
    high: float
    p: float
    n: int

    @classmethod
    def none(cls, accuracy: float, n: int) -> "Gain":
        """That of doing nothing, which changes no answer of any image."""
        return cls(accuracy, accuracy, 0.0, 0.0, 0.0, 1.0, n)


@dataclass(frozen=True, eq=False)
class _Judge:
    """Picklable, for workers: the counts of a chunk for the old head and several others.

    Attributes
    ----------
    heads
        By weights, each with the place and the bias of all heads that have them: many repairs change biases alone.
    """

    model: Classifier
    heads: tuple[tuple[Array, tuple[tuple[int, Array], ...]], ...]
    seed: int
    without: Array

    def __call__(self, chunk: Chunk) -> PairedCounts:
        known = (chunk.y != UNLABELLED) & ~np.isin(chunk.sample_id, self.without)
        z, label = prepared(self.model, chunk.x[known]), chunk.y[known]
        before = self.model.rule.scores(z).argmax(axis=1) == label
        table = np.zeros((len(z), sum(len(biases) for _, biases in self.heads)), bool)
        for weight, biases in self.heads:
            product = z @ weight.T
            for place, bias in biases:
                table[:, place] = (product + bias).argmax(axis=1) == label
        return PairedCounts.of(chunk.sample_id[known], before, table, self.seed, REPLICATES)


def gains(
    model: Classifier,
    candidates: Sequence[Candidate],
    view: View,
    workers: Workers,
    progress: Progress,
    *,
    seed: int,
    without: Array,
) -> dict[str, Gain]:
    """The gain of every candidate that has a head, by name, on the labelled rows of a view except those with the
    sample ids `without`; nothing where no row is left. One read.
    """
    usable = [one for one in candidates if one.head is not None]
    heads = tuple(head for one in usable for head in (one.head, *one.refitted) if head is not None)
    judge = _Judge(model, _by_weights(heads), seed, without)
    counts = fold(view, judge, workers, progress=progress, description=f"repairs on {view.store.name}")
    if not counts.n:
        return {}
    result, place = {}, 0
    for one in usable:
        again = range(place + 1, place + 1 + len(one.refitted))
        done = one.name != NOTHING
        result[one.name] = _gain(counts, place, again) if done else Gain.none(counts.before / counts.n, counts.n)
        place = again.stop
    return result


def _by_weights(heads: Sequence[Linear]) -> tuple[tuple[Array, tuple[tuple[int, Array], ...]], ...]:
    """See `_Judge`."""
    groups: dict[str, list[int]] = {}
    for place, head in enumerate(heads):
        groups.setdefault(digest_buffers([np.ascontiguousarray(head.weight)]), []).append(place)
    return tuple(
        (heads[places[0]].weight, tuple((place, heads[place].bias) for place in places)) for places in groups.values()
    )


def _gain(counts: PairedCounts, place: int, again: range) -> Gain:
    """Of the head at `place`, with those fitted without one group each."""
    change = (counts.corrected - counts.spoilt) / counts.n
    rows = np.maximum(counts.resampled[:, 0], 1)
    sampled = float(np.var(counts.resampled[:, 1 + place] / rows))
    groups = len(again)
    refitted = float(np.var(change[again.start : again.stop])) * (groups - 1) if groups > 1 else 0.0
    value, half = float(change[place]), NORMAL * float(np.sqrt(sampled + refitted))
    changed = int(counts.corrected[place]), int(counts.spoilt[place])
    span = paired_interval_of_counts(*changed, counts.n, (value - half, value + half))
    before, after = counts.before / counts.n, int(counts.after[place]) / counts.n
    return Gain(before, after, value, *span, mcnemar(*changed), counts.n)


def gains_of_rows(candidates: Sequence[Candidate], correct: Array) -> dict[str, Gain]:
    """The gain of each candidate on labelled rows that it was not fitted to, ``correct : (n, c)``."""
    before = correct[:, 0]
    return {
        one.name: gain_of_changes(before, correct[:, column].astype(int) - before)
        if one.name != NOTHING
        else Gain.none(float(before.mean()), len(before))
        for column, one in enumerate(candidates)
    }


def gain_of_changes(before: Array, change: Array) -> Gain:
    """Of rows ``before : (n,) bool`` whose correctness changes by ``change : (n,)``."""
    n, value = len(change), float(change.mean())
    p = mcnemar(int((change > 0).sum()), int((change < 0).sum()))
    share = float(before.mean())
    return Gain(share, share + value, value, *paired_interval(change), p, n)
