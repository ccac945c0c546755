"""Linear discriminants in closed form, for every strength of shrinkage from one eigendecomposition."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from gapscope.probes.spectrum import spectrum_within
from gapscope.probes.training import Holdout, best_temperature
from gapscope.summaries import LabelledMoments

Array = np.ndarray


@dataclass(frozen=True)
class Discriminant:
    """Gaussian classes with one covariance, in coordinates where that covariance is diagonal.

    Attributes
    ----------
    basis : (d, r)
        ``scale * eigenvectors``: raw weights are ``basis @ w`` for weights ``w`` in the eigenbasis; r is d, or fewer
        where the rows span no more.
    eigenvalues : (d,)
        Of the pooled within-class covariance, measured in units of `scale`; nought beyond r.
    means : (p, r)
        Class means in the eigenbasis, the mean of all rows being the origin.
    log_priors : (p,)
    origin : (d,)
        Mean of all rows.
    """

    basis: Array
    eigenvalues: Array
    means: Array
    log_priors: Array
    origin: Array

    @classmethod
    def of(cls, moments: LabelledMoments, scale: Array | None = None) -> "Discriminant":
        """From the moments of the rows; features are divided by ``scale : (d,)`` first. One eigendecomposition,
        O(d³), or O(d n²) of fewer rows than features.
        """
        inverse = np.ones(len(moments.total.mean)) if scale is None else 1 / scale
        units = np.outer(inverse, inverse)
        within, total = moments.within_covariance() * units, moments.covariance(ddof=0) * units
        eigenvalues, axes = spectrum_within(within, total, moments.total.n)
        basis = inverse[:, None] * axes
        counts, means = moments.classes.count[moments.present], moments.classes.mean[moments.present]
        return cls(
            basis,
            eigenvalues,
            (means - moments.total.mean) @ basis,
            np.log(counts / counts.sum()),
            moments.total.mean,
        )

    def solve(self, spectrum: Array) -> tuple[Array, Array]:
        """``weight (d, p)`` and ``bias (p,)``, in raw coordinates, when the covariance has these eigenvalues instead.

        Directions without variance carry no weight, as with a pseudo-inverse.
        """
        floor = spectrum.max(initial=0) * len(spectrum) * np.finfo(float).eps
        inverse = np.divide(1, spectrum, out=np.zeros_like(spectrum), where=spectrum > floor)
        coefficients = self.means * inverse[: self.basis.shape[1]]
        weight = self.basis @ coefficients.T
        bias = self.log_priors - 0.5 * np.einsum("pd,pd->p", self.means, coefficients)
        return weight, bias - self.origin @ weight


def tempered_path(
    discriminant: Discriminant, strengths: Iterable[float], shrink: Callable[[Array, float], Array], holdout: Holdout
) -> Iterator[tuple[float, float, dict[str, float]]]:
    """For each strength: itself, the temperature that suits the held-out rows, and how they are then classified."""
    temperature = 1.0
    for strength in strengths:
        scores = holdout.scores(*discriminant.solve(shrink(discriminant.eigenvalues, strength)))
        temperature = best_temperature(scores, holdout.y, weight=holdout.weight, start=temperature)
        yield strength, temperature, holdout.judge(temperature * scores)
