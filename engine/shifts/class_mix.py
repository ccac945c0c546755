"""Whether the classes have other shares in two labelled sets, and which of them: by the labels themselves."""

from collections.abc import Sequence

import numpy as np

from gapscope.blocks.formats import listed, percent
from gapscope.inference import Verdict
from gapscope.inference.difference import newcombe
from gapscope.inference.interval import LEVEL
from gapscope.shifts.label_shift import homogeneity_p

Array = np.ndarray
NAME = "class_mix"


def class_mix(reference: Array, target: Array, names: Sequence[str]) -> Verdict | None:
    """The total variation between the shares of the classes, of which two sets have so many labelled rows, ``(k,)``;
    None where a set has none, or all rows are of one class.
    """
    n, m = int(reference.sum()), int(target.sum())
    if not n or not m or np.count_nonzero(reference + target) < 2:
        return None
    before, after = reference / n, target / m
    p, distance = homogeneity_p(reference, target), float(0.5 * np.abs(after - before).sum())
    pooled = (reference + target) / (n + m)
    # The mean of half the absolute value of a normal error of each share.
    null = float(np.sqrt(pooled * (1 - pooled) * (1 / n + 1 / m) / (2 * np.pi)).sum())
    if p > 1 - LEVEL:
        sentence = "The labels show no difference of the class mix beyond what samples of this size show"
    else:
        low, high = newcombe((target, reference), (m, n), 1 - (1 - LEVEL) / len(names))
        moves = _moves(names, before, after, low, high)
        sentence = f"The mix of classes differs by {percent(distance)} of the rows: {moves}"
    return Verdict(NAME, distance, sentence, p=p, effect=distance, null=null, n=n + m)


def _moves(names: Sequence[str], before: Array, after: Array, low: Array, high: Array) -> str:
    """The classes whose shares moved beyond the chance of all classes (Bonferroni), the furthest first."""
    order = np.argsort(-np.abs(after - before), kind="stable")
    moved = [i for i in order.tolist() if low[i] > 0 or high[i] < 0]
    if not moved:
        return "no single class stands out"
    word = ["more" if after[i] > before[i] else "less" for i in moved]
    share = [(percent(before[i]), percent(after[i])) for i in moved]
    said = [f"{names[i]} {which} ({', '.join(both)})" for i, which, both in zip(moved, word, share, strict=True)]
    said[0] = f"{names[moved[0]]} is {word[0]} frequent ({share[0][0]} in the reference, {share[0][1]} here)"
    return listed(said)
