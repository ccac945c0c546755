"""Adjusting to the target's class shares, where these are what has changed and not what the classes look like.

The shares are those under which the numbers of the target's predictions are likeliest, given how often the reference's
rows of each class are predicted as each other (the confusion matrix). The premise, that images of a class look alike in
both sets, is tested: the shares must explain how the mean of the features moved, and their spread must be the same.

References
----------
Lipton, Wang and Smola (2018), "Detecting and correcting for label shift with black box predictors". Vucetic and
Obradovic (2001), "Classification on data with biased class distribution": the likelihood of counts, by EM.
"""

import numpy as np
from scipy.sparse import csr_array

from gapscope.blocks.formats import percent
from gapscope.probes.rules.linear import NEVER, Linear
from gapscope.repairs.fitted import Fitted, Old
from gapscope.repairs.seen import Labelled, Seen

Array = np.ndarray
# A confusion matrix beyond this multiplies errors of the counts by more: the shares would be noise.
MOST_CONDITION = 20.0
# Of the movement of the mean, the shares must explain so much; and the spread of features may change by so much.
LEAST_EXPLAINED, MOST_SPREAD = 0.8, 0.1
PASSES, TOLERANCE = 2000, 1e-9
# Rows for each class, in the shares to start from, that are counted with those seen. With one in all, the shares that a
# weak model predicts collapse onto a few classes: adapting to them lost 14 points on average on CIFAR-10, so 9.
PSEUDO_ROWS = 2.0


def shares(old: Old, reference: Labelled, target: Seen) -> Fitted:
    """The head with ``T log(target share / reference share)`` added to the score of each class."""
    confusion = reference.confusion
    rows = confusion.sum(axis=1)
    if not rows.any():
        return Fitted(None, "the reference has no labels, so its confusions are not known")
    present = rows > 0
    given = confusion[present] / rows[present, None]
    condition = float(np.linalg.cond(given[:, present]))
    if not condition <= MOST_CONDITION:
        return Fitted(None, f"the confusion matrix has condition {condition:.3g}, above {MOST_CONDITION:g}")
    before = rows[present] / rows.sum()
    after = likeliest(given, target.guessed.count, before)
    explained, spread = premise(reference, target, present, after)
    if explained < LEAST_EXPLAINED:
        return Fitted(
            None,
            f"class shares explain {percent(max(explained, 0))} of how the features moved: the classes look different",
        )
    if abs(spread) > MOST_SPREAD:
        return Fitted(
            None,
            f"features spread {np.expm1(spread):+.0%} beside what class shares explain: the classes look different",
        )
    weight = np.zeros(len(rows))
    weight[present] = old.temperature * np.log(after / before)
    bias = np.where(old.rule.bias > NEVER, old.rule.bias + weight, NEVER)
    return Fitted(
        Linear(old.rule.weight, bias.astype(np.float32)),
        f"class shares, which explain {percent(explained)} of how the mean moved",
    )


def likeliest(given: Array, counts: Array, start: Array, begin: Array | None = None) -> Array:
    """The class shares ``(p,)`` under which `counts : (k,)` of predictions are likeliest, beside `PSEUDO_ROWS` a class.

    ``given : (p, k)`` are the shares of the predictions for rows of each class. `begin` is where the search begins, as
    there is one answer: `start` if None. A pass costs what the confusions that occur cost, few of many classes.
    """
    seen = np.flatnonzero(counts)
    confused, counts = csr_array(given[:, seen]), counts[seen]
    back = confused.T.tocsr()
    share = (start if begin is None else begin).copy()
    for _ in range(PASSES):
        evidence = back @ share
        ratio = np.divide(counts, evidence, out=np.zeros(len(counts)), where=evidence > 0)
        better = share * (confused @ ratio) + PSEUDO_ROWS * len(start) * start
        better /= better.sum()
        done = np.abs(better - share).max() < TOLERANCE
        share = better
        if done:
            break
    return share


def premise(reference: Labelled, target: Seen, present: Array, after: Array) -> tuple[float, float]:
    """The share of the mean's movement that class shares `after` explain, and how much more the features spread beside.

    Squared distances in units of the deviation within classes, less what chance adds to them; 1 where nothing moved.
    """
    classes = reference.classes
    count, mean = classes.count[present], classes.mean[present]
    within = classes.squares[present].sum(axis=0) / max(count.sum() - len(count), 1)
    varies = within > 0
    if not varies.any():
        return 1.0, 0.0
    result = target.moments
    chance = varies.sum() * (1 / result.n + 1 / count.sum())
    before = count @ mean / count.sum()
    expected = after @ mean
    total, left = (
        max(float((np.square(result.mean - one)[varies] / within[varies]).sum()) - chance, 0.0)
        for one in (before, expected)
    )
    wanted = within + after @ np.square(mean - expected)
    seen = float(result.variance(ddof=0)[varies].sum())
    spread = float(np.log(seen / wanted[varies].sum())) if seen > 0 else -np.inf
    return 1 - left / total if total > 0 else 1.0, spread
