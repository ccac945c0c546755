"""The line on which the accuracies of many models lie, one set against another, on probit axes.

References
----------
Miller et al. (2021), "Accuracy on the line". Taori et al. (2020), "Measuring robustness to natural distribution
shifts in image classification": effective robustness.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr, ndtri, stdtr

from gapscope.core.errors import InputError

LEVEL = 0.05


def probit(share: np.ndarray) -> np.ndarray:
    """The normal quantile of shares strictly between 0 and 1."""
    return ndtri(np.asarray(share, np.float64))


@dataclass(frozen=True)
class ProbitLine:
    """``probit(target accuracy) = intercept + slope * probit(reference accuracy)`` by ordinary least squares.

    Attributes
    ----------
    slope, intercept
        In probit units.
    slope_error, intercept_error
        Standard errors.
    r
        Pearson's correlation on probit axes.
    scatter
        Standard deviation of the residuals, probit units; 0 for two models.
    models
        Number of models.
    """

    slope: float
    intercept: float
    slope_error: float
    intercept_error: float
    r: float
    scatter: float
    models: int

    @classmethod
    def fit(cls, reference: np.ndarray, target: np.ndarray) -> "ProbitLine":
        """The line through accuracies ``reference, target : (m,)`` of m models.

        Raises
        ------
        InputError
            Fewer than two different models, or an accuracy of exactly 0 or 1, which has no place on a probit axis.
        """
        x, y = probit(reference), probit(target)
        if not (np.isfinite(x).all() and np.isfinite(y).all()):
            raise InputError("an accuracy of exactly 0 or 1 has no place on a probit axis; leave that model out")
        if len(x) < 2 or np.ptp(x) == 0:
            raise InputError(f"a line needs two models of different accuracy, there are {len(np.unique(x))}; add runs")
        apart, height = x - x.mean(), y - y.mean()
        spread = apart @ apart
        slope = apart @ height / spread
        residual = height - slope * apart
        scatter = np.sqrt(residual @ residual / (len(x) - 2)) if len(x) > 2 else 0.0
        error = scatter / np.sqrt(spread)
        errors = error, error * np.sqrt(x @ x / len(x))
        size = np.sqrt(spread * (height @ height))
        r = float(np.clip(apart @ height / size, -1, 1)) if size else 0.0
        return cls(float(slope), float(y.mean() - slope * x.mean()), *map(float, errors), r, float(scatter), len(x))

    @classmethod
    def without(cls, reference: np.ndarray, target: np.ndarray, off: np.ndarray) -> "ProbitLine":
        """The line through the models that are not ``off : (m,) bool``."""
        return cls.fit(np.asarray(reference)[~off], np.asarray(target)[~off])

    @property
    def rises(self) -> bool:
        """Whether the accuracies of models rise together beyond chance: Student's t of r, one-sided at 5 %. Never of
        two models; always of a line that is only stated.
        """
        if np.isnan(self.r):
            return True
        freedom = self.models - 2
        t = self.r * np.sqrt(max(freedom, 0) / max(1 - self.r**2, 1e-12))
        return freedom > 0 and bool(stdtr(freedom, -t) <= LEVEL)

    def expected(self, reference: np.ndarray) -> np.ndarray:
        """Target accuracy on the line for ``reference`` accuracies."""
        return ndtr(self.intercept + self.slope * probit(reference))

    def effective_robustness(self, reference: np.ndarray, target: np.ndarray) -> np.ndarray:
        """How far target accuracies lie above the line, as a difference of shares."""
        return np.asarray(target) - self.expected(reference)
