"""How many synthetic rows or images each class gets, so that small classes catch up."""

from collections.abc import Sequence

import numpy as np

from gapscope.core.errors import InputError

RULES = "to-max, to-median, a number of images such as 100, or a ratio such as 0.5x"
NAMED = ("to-max", "to-median")
# Of a class; beyond it, a rule is a slip of the pen.
MOST = 10**7


def targets(counts: Sequence[int], rule: str | int) -> np.ndarray:
    """How many to make for each class, ``(k,) int64``, given how many real ones it has.

    Parameters
    ----------
    counts
        Real training images of each class. A class without any gets none: there is nothing to train on.
    rule
        ``to-max`` fills every class up to the largest, ``to-median`` up to the median of the classes that have
        images (rounded down); a number fills up to that many. ``2x`` makes twice as many as a class has, whatever the
        others have, rounded to the nearest, halves up.

    Raises
    ------
    InputError
        The rule is not understood or asks for far too many, or there is no class with images.

    Examples
    --------
    >>> targets([45, 20, 30], "to-max").tolist()
    [0, 25, 15]
    >>> targets([45, 20, 30], "to-median").tolist()
    [0, 10, 0]
    >>> targets([45, 20, 30], "40").tolist()
    [0, 20, 10]
    >>> targets([45, 20, 30], "0.5x").tolist()
    [23, 10, 15]
    """
    have = np.asarray(counts, np.int64)
    if have.ndim != 1 or (have < 0).any() or not have.any():
        raise InputError(f"counts of classes must be 0 or more and not all 0; got {list(counts)}")
    text = str(rule).strip()
    if text not in NAMED and text.endswith("x"):
        made = np.floor(have * _number(text.removesuffix("x"), rule, float) + 0.5)
    else:
        made = np.maximum(_level(have, text) - have, 0)
    return np.where(have > 0, made, 0).astype(np.int64)


def _level(have: np.ndarray, text: str) -> int:
    if text in NAMED:
        return int(have.max() if text == "to-max" else np.median(have[have > 0]))
    return _number(text, text, int)


def _number(text: str, rule: str | int, kind: type) -> float:
    try:
        value = kind(text)
    except ValueError:
        raise InputError(f"balance {str(rule)!r} is not understood; give {RULES}") from None
    if not 0 < value < float("inf"):
        raise InputError(f"balance {str(rule)!r} makes nothing; give {RULES}")
    if value > MOST:
        raise InputError(f"balance {str(rule)!r} is above {MOST:,}, which no class needs; give {RULES}")
    return value
