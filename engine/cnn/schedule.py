"""Learning rates over the course of a training, as shares of the largest; functions of the step alone."""

import math
from collections.abc import Callable, Mapping

# Those of Smith and Topin's one-cycle as torch has it.
RISING, FIRST, LAST = 0.3, 1 / 25, 1 / 25e4

Schedule = Callable[[int, int], float]


def constant(step: int, total: int) -> float:
    """1 throughout."""
    return 1.0


def cosine(step: int, total: int) -> float:
    """From 1 down to 0 along half a cosine.

    References
    ----------
    Loshchilov and Hutter (2017), "SGDR: stochastic gradient descent with warm restarts".
    """
    return _eased(1.0, 0.0, step / total)


def one_cycle(step: int, total: int) -> float:
    """Up to 1 over the first 30 %, then down to almost nothing, both along half a cosine; torch's `OneCycleLR`.

    References
    ----------
    Smith and Topin (2018), "Super-convergence: very fast training of neural networks using large learning rates".
    """
    top, end = RISING * total - 1, total - 1
    if step <= top:
        return _eased(FIRST, 1.0, step / top)
    return _eased(1.0, LAST, (step - top) / (end - top))


def _eased(start: float, stop: float, share: float) -> float:
    return stop + (start - stop) * (1 + math.cos(math.pi * share)) / 2


SCHEDULES: Mapping[str, Schedule] = {"constant": constant, "cosine": cosine, "one-cycle": one_cycle}


def rate(schedule: str, warmup: int, step: int, total: int) -> float:
    """The share of the largest rate at `step` of `total`, after a linear rise over the first `warmup` steps."""
    if step < warmup:
        return (step + 1) / (warmup + 1)
    return SCHEDULES[schedule](step - warmup, max(1, total - warmup))
