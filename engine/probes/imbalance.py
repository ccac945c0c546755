"""Classes of unequal size: what a row of each class weighs, and the shift that stands for equal classes.

* ``balanced``: each class weighs the same, ``w_c = n / (k n_c)``, as scikit-learn's ``class_weight="balanced"``.
* ``effective-number``: ``w_c`` proportional to ``(1 - b) / (1 - b^n_c)`` with b = 0.999 (Cui et al. 2019,
  "Class-balanced loss based on effective number of samples").
* ``balanced-sampling``: the rows of a step are drawn so that classes are equally likely.
* ``logit-adjustment``: the scores answer for equal classes (Menon et al. 2021, "Long-tail learning via logit
  adjustment"). For a linear model whose intercept is not penalised their loss has the same minimiser as the plain one
  but for the intercept, ``b_c - log(n_c / n)``; so nothing is trained anew.

Weights are scaled so that they sum to the number of rows, which leaves the meaning of a penalty alone.
"""

from collections.abc import Mapping

import numpy as np

from gapscope.core.errors import InputError, unknown_name

BETA = 0.999
TREATMENTS = ("none", "balanced", "effective-number", "balanced-sampling", "logit-adjustment")
WEIGHTS = ("none", "balanced", "effective-number")
# What each probe can do about unequal classes; a probe that is not here takes them as they are.
SUPPORTED: Mapping[str, tuple[str, ...]] = {
    "softmax": TREATMENTS,
    "logistic": (*WEIGHTS, "logit-adjustment"),
    "ridge": WEIGHTS,
    "lda": ("none", "logit-adjustment"),
    "forest": WEIGHTS,
    "sample-forest": WEIGHTS,
    "boosting": WEIGHTS,
    "partial-fit": WEIGHTS,
}


# The members that can count a row as several; see `gapscope.store.arrays`.
WEIGHING = ("softmax", "logistic", "ridge", "lda", "nearest-mean", "forest", "sample-forest")


def check_weighing(probe: str) -> None:
    """Refuse rows with weights where `probe` takes all rows alike.

    Raises
    ------
    InputError
        See above.
    """
    if probe not in WEIGHING:
        raise InputError(f"{probe} takes no weights of rows; {', '.join(WEIGHING)} do")


def check_treatment(probe: str, treatment: str) -> None:
    """Refuse a treatment of unequal classes that is not known, or that `probe` has none of.

    Raises
    ------
    InputError
        See above.
    """
    if treatment not in TREATMENTS:
        raise unknown_name("class weight", treatment, TREATMENTS)
    able = SUPPORTED.get(probe, ("none",))
    if treatment not in able:
        others = ", ".join(name for name, known in SUPPORTED.items() if treatment in known)
        raise InputError(f"{probe} takes --class-weight {' or '.join(able)}, not {treatment}; that is for {others}")


def class_weights(treatment: str, counts: np.ndarray) -> np.ndarray:
    """What a row of each class weighs, ``(p,)`` float64, for ``counts : (p,)`` rows, all at least 1.

    Ones for the treatments that do not weigh rows.
    """
    counts = np.asarray(counts, np.float64)
    if treatment == "balanced":
        weights = 1 / counts
    elif treatment == "effective-number":
        weights = (1 - BETA) / -np.expm1(counts * np.log(BETA))
    else:
        return np.ones(len(counts))
    return weights * (counts.sum() / (weights * counts).sum())
