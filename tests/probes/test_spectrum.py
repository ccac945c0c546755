"""With fewer rows than features, closed forms and metrics are those of the whole matrix, for little."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from gapscope.core.chunk import Chunk
from gapscope.probes import spectrum
from gapscope.probes.discriminant import Discriminant
from gapscope.probes.metric import Metric, scales
from gapscope.probes.ridge import Regression, Weighed
from gapscope.probes.spectrum import spectrum_of
from gapscope.summaries import LabelledMoments

N, D, CLASSES = 40, 100, 3


@pytest.fixture
def chunk(rng):
    """Few rows of features of very different scale, one of which never varies and one stands there twice."""
    y = rng.integers(CLASSES, size=N).astype(np.int32)
    x = (rng.normal(size=(CLASSES, D))[y] + rng.normal(size=(N, D))) * np.geomspace(1e-3, 1e3, D)
    x[:, 4], x[:, 5] = 1.0, x[:, 6]
    return Chunk(np.arange(N), x.astype(np.float32), y)


@pytest.fixture
def moments(chunk):
    return LabelledMoments.of(chunk, CLASSES)


@pytest.fixture
def dense(monkeypatch):
    """A function that computes something with whole matrices."""

    def computed(work):
        with monkeypatch.context() as patch:
            patch.setattr(spectrum, "FEW", 0.0)
            return work()

    return computed


def test_eigenvalues_are_those_of_the_whole_matrix(moments):
    values, axes = spectrum_of(moments.total.scatter, N)
    expected = np.linalg.eigvalsh(moments.total.scatter)[::-1]
    np.testing.assert_allclose(values[: N - 1], expected[: N - 1], rtol=1e-6, atol=1e-9 * expected[0])
    assert axes.shape == (D, N - 1)
    np.testing.assert_allclose(axes.T @ axes, np.eye(N - 1), atol=1e-10)


def test_sums_of_weights_are_no_number_of_rows(moments):
    assert spectrum_of(moments.total.scatter, 3.0).axes.shape == (D, D)


@pytest.mark.parametrize("scaled", [False, True])
def test_discriminants_and_ridges_are_those_of_the_whole_matrix(moments, dense, scaled):
    scale = scales(moments.total) if scaled else None

    def heads():
        discriminant = Discriminant.of(moments, scale)
        weighed = Weighed(moments, np.ones(CLASSES), moments.total.scatter)
        shrunk = discriminant.eigenvalues + 0.1 * discriminant.eigenvalues.mean()
        return [discriminant.solve(shrunk), *map(Regression.of(weighed, scale).solve, [0.1, 10.0])]

    for (weight, bias), (expected, other) in zip(heads(), dense(heads), strict=True):
        np.testing.assert_allclose(weight, expected, rtol=1e-5, atol=1e-7 * np.abs(expected).max())
        np.testing.assert_allclose(bias, other, rtol=1e-5, atol=1e-6)


def test_discriminants_of_few_rows_are_those_of_scikit_learn(chunk, moments):
    reference = LinearDiscriminantAnalysis(solver="lsqr", shrinkage=0.2).fit(chunk.x.astype(np.float64), chunk.y)
    discriminant = Discriminant.of(moments)
    weight, _ = discriminant.solve(0.8 * discriminant.eigenvalues + 0.2 * discriminant.eigenvalues.mean())
    relative = [w - w.mean(axis=0) for w in (weight.T, reference.coef_)]
    np.testing.assert_allclose(*relative, rtol=1e-4, atol=1e-6 * np.abs(reference.coef_).max())


@pytest.mark.parametrize("l2", [1e-4, 1.0])
def test_the_metric_is_that_of_the_whole_matrix(moments, dense, rng, l2):
    gradient = rng.normal(size=(D, CLASSES))

    def metrics():
        metric = Metric.of(moments.total, CLASSES)
        return metric, metric.precondition(l2, gradient), metric.preconditioner(l2) @ gradient

    few, whole = metrics(), dense(metrics)
    for ours, expected in zip(few[1:], whole[1:], strict=True):
        np.testing.assert_allclose(ours, expected, rtol=1e-4, atol=1e-6 * np.abs(expected).max())
    assert few[0].dimension(1e-3) == pytest.approx(whole[0].dimension(1e-3))
    assert replace(few[0], classes=9).penalty == pytest.approx(whole[0].penalty)


def test_without_a_penalty_the_metric_is_the_pseudo_inverse_in_the_space_of_the_rows(moments, rng):
    metric = Metric.of(moments.total, CLASSES)
    units = np.where(np.isfinite(metric.scale), 1 / metric.scale, 0)
    curvature = moments.covariance(ddof=0) * np.outer(units, units) / CLASSES
    gradient = (curvature @ rng.normal(size=(D, CLASSES))) / np.where(units > 0, units, 1)[:, None]
    expected = units[:, None] * (np.linalg.pinv(curvature, rcond=1e-9, hermitian=True) @ (units[:, None] * gradient))
    ours = metric.precondition(0.0, gradient)
    np.testing.assert_allclose(ours, expected, rtol=1e-4, atol=1e-6 * np.abs(expected).max())
