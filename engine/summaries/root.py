"""A root of a covariance, with as many columns as it has rank."""

import numpy as np
from scipy.linalg.lapack import dpstrf


def root_of(covariance: np.ndarray) -> np.ndarray:
    """``L : (d, r)`` with ``L L'`` the `covariance` ``(d, d)`` of rank r, up to the rounding of its largest variance.

    Cholesky's factor with pivots, ``d r²`` flops: Lucas (2004), "LAPACK-style codes for level 2 and 3 pivoted Cholesky
    factorizations".
    """
    factor, pivots, rank, _ = dpstrf(covariance, lower=1)
    result = np.empty((len(covariance), int(rank)))
    result[pivots - 1] = np.tril(factor[:, :rank])
    return result
