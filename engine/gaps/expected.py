"""How likely a row is to be classified correctly, by how sure the model is of it.

Rows that are weighted to be alike are never quite alike, and what is left of the difference in how hard they are would
be taken for other labels. How sure the model is says most of how hard a row is, so the accuracy that it makes one
expect is taken out of what is compared on shared inputs, and counts as what it is, other inputs.

References
----------
Robins, Rotnitzky and Zhao (1994): augmented inverse probability weighting. Mao, Li and Greene (2019), "Propensity score
weighting analysis and treatment effect heterogeneity", augmented overlap weights.
"""

from collections.abc import Sequence

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit, logit

Array = np.ndarray
# Against a coefficient without bound where all rows are right: a thousandth of a row's loss for its square.
STIFFNESS = 1e-3
SURE = 1e-6


def expected_accuracy(confidence: Sequence[Array], right: Sequence[Array], weight: Sequence[Array]) -> list[Array]:
    """Probability ``(n,)`` of each row of two sets to be right, from the probability of its best class.

    A logistic regression on the log odds of that probability and their square. Each set has its own level in the fit,
    so that what labels of one set lack in all rows is not laid to the rows; the result has the mean level of both.
    """
    odds = [logit(np.clip(one.astype(np.float64), SURE, 1 - SURE)) for one in confidence]
    columns = [np.stack([one, one**2 / 10, np.ones_like(one)]) for one in odds]
    shares = [0.5 * one / one.sum() for one in weight]
    stiffness = STIFFNESS * np.array([1.0, 1.0, 0.0, 1.0])

    def loss(point: Array) -> tuple[float, Array]:
        value, slope = 0.5 * float(stiffness @ point**2), stiffness * point
        for sign, share, column, hit in zip((1, -1), shares, columns, right, strict=True):
            score = point[:3] @ column + sign * point[3]
            value += float(share @ (np.logaddexp(0, score) - hit * score))
            pull = share * (expit(score) - hit)
            slope += np.append(column @ pull, sign * pull.sum())
        return value, slope

    point = minimize(loss, np.array([1.0, 0.0, 0.0, 0.0]), jac=True, method="L-BFGS-B").x
    return [expit(point[:3] @ column) for column in columns]
