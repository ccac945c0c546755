"""A temperature from few held-out rows is no more extreme than these can prove."""

import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, softmax

from gapscope.estimators import RidgeProbeClassifier
from gapscope.probes.ridge import Regression, Weighed
from gapscope.probes.training import SPREAD, Holdout, best_temperature
from gapscope.summaries import LabelledMoments


def logits(rng, n, scale, classes=3):
    """Calibrated logits of `scale` and labels drawn from them."""
    scores = scale * rng.standard_normal((n, classes))
    label = np.array([rng.choice(classes, p=p) for p in softmax(scores, axis=1)])
    return scores.astype(np.float32), label


def test_the_factor_is_the_minimiser_with_its_prior_and_one_error_more(rng):
    scores, y = logits(rng, 200, 2.0)
    second = np.sort(scores, axis=1)[:, -2].mean()

    def lost(log_t):
        t = np.exp(log_t)
        likelihood = log_softmax(t * scores.astype(float), axis=1)
        of_second = t * second - (t * scores - likelihood)[:, 0].mean()
        return -likelihood[np.arange(200), y].sum() - of_second + log_t**2 / (2 * SPREAD**2)

    wanted = np.exp(minimize_scalar(lost, (-1, 1)).x)
    assert best_temperature(scores, y, spread=SPREAD) == pytest.approx(wanted, rel=1e-3)


def test_rows_without_an_error_are_no_reason_to_sharpen_logits(rng):
    scores, _ = logits(rng, 133, 6.0)
    y = scores.argmax(axis=1)
    assert 0.6 < Holdout(np.zeros((133, 1)), y).temperature(scores, logits=True) <= 1
    assert 0.2 < Holdout(np.zeros((133, 1)), y).temperature(scores) <= 1.5


@pytest.mark.parametrize("wrong_by", [0.3, 3.0])
def test_many_rows_outweigh_the_prior(wrong_by, rng):
    scores, y = logits(rng, 5000, 2.0)
    found = Holdout(np.zeros((5000, 1)), y).temperature(scores * np.float32(wrong_by), logits=True)
    assert found == pytest.approx(wrong_by, rel=0.1)


def test_the_scores_of_a_regression_without_a_row_are_those_of_one_fitted_without_it(rng):
    y = np.arange(60) % 3
    x = (rng.standard_normal((60, 5)) + y[:, None]).astype(np.float32)
    rows = Holdout(x, y)

    def fitted(chosen):
        moments = LabelledMoments.of(_chunk(x[chosen], y[chosen]), classes=3)
        return Regression.of(Weighed(moments, np.ones(3), moments.total.scatter))

    found = fitted(np.arange(60)).left_out(rows, 7.0, 60.0)
    for row in (0, 17, 59):
        weight, bias = fitted(np.delete(np.arange(60), row)).solve(7.0)
        assert found[row] == pytest.approx(x[row] @ weight + bias, abs=1e-4)


def _chunk(x, y):
    from gapscope.core.chunk import Chunk

    return Chunk(np.arange(len(x)), x, y.astype(np.int32))


def test_ridges_confidence_is_its_accuracy_on_a_thousand_rows(rng):
    centres = 0.35 * rng.standard_normal((10, 150))
    y = rng.integers(0, 10, 4000)
    x = (centres[y] + rng.standard_normal((4000, 150))).astype(np.float32)
    model = RidgeProbeClassifier().fit(x[:1000], y[:1000])
    p = model.predict_proba(x[1000:])
    assert p.max(axis=1).mean() == pytest.approx((p.argmax(axis=1) == y[1000:]).mean(), abs=0.05)
