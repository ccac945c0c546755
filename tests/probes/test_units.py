"""No model depends on the unit of the features: what float32 and other libraries cannot take is rescaled."""

import numpy as np
import pytest

from gapscope.core.location import Location
from gapscope.probes import PROBES
from gapscope.probes.model import load_model, unit_rows
from gapscope.probes.options import ProbeOptions
from gapscope.probes.rules.linear import Linear
from gapscope.probes.train import train
from gapscope.probes.training import best_temperature
from gapscope.store import ArrayStore
from gapscope.stream import connect

# Powers of two, which round nothing: equal answers are asked for.
EXPONENTS = (10, -10, 30, -30, 63, -63, 120, -120)


def rows_of(unit, count=600, seed=5):
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 3, count)
    x = rng.standard_normal((count, 6)) + 1.5 * np.eye(3, 6)[y]
    return x.astype(np.float32) * np.float32(unit), y


def trained(name, unit, **options):
    x, y = rows_of(unit)
    store = ArrayStore(x, y, ["a", "b", "c"])
    trees = 4 if name in ("forest", "sample-forest", "boosting") else None
    with connect(threads=2) as workers:
        return train(name, store.view(0, 500), store.view(500), ProbeOptions(trees=trees, **options), workers)


@pytest.mark.parametrize("name", sorted(set(PROBES) - {"sgd"}))
def test_probabilities_do_not_depend_on_the_unit(name):
    wanted = trained(name, 1).probabilities(rows_of(1, 200, 6)[0])
    for exponent in EXPONENTS:
        unit = 2.0**exponent
        found = trained(name, unit).probabilities(rows_of(unit, 200, 6)[0])
        np.testing.assert_allclose(found, wanted, atol=1e-4, err_msg=f"unit 2^{exponent}")


@pytest.mark.parametrize("exponent", EXPONENTS)
def test_rows_have_length_one_in_any_unit(exponent):
    x, _ = rows_of(2.0**exponent)
    np.testing.assert_allclose(unit_rows(x), unit_rows(rows_of(1)[0]), rtol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(unit_rows(x), axis=1), 1, rtol=1e-6)
    assert not unit_rows(np.zeros((2, 3), np.float32)).any()


@pytest.mark.parametrize("name", ["forest", "logistic"])
def test_a_model_in_an_extreme_unit_is_read_as_it_was_saved(name, tmp_path):
    model, x = trained(name, 2.0**-40), rows_of(2.0**-40, 100, 6)[0]
    model.save(Location.of(tmp_path))
    np.testing.assert_array_equal(load_model(Location.of(tmp_path)).scores(x), model.scores(x))


def test_the_weights_of_a_linear_model_are_those_for_features_as_they_are_stored():
    model, x = trained("logistic", 2.0**40), rows_of(2.0**40, 100, 6)[0]
    assert isinstance(model.rule, Linear)
    np.testing.assert_allclose(model.scores(x), x @ model.rule.weight.T + model.rule.bias, rtol=1e-5)


@pytest.mark.parametrize("exponent", [10, 32, 100, -20, -60])
def test_the_temperature_follows_the_unit_of_the_scores(exponent, rng):
    y = rng.integers(0, 3, 200)
    scores = (rng.standard_normal((200, 3)) + 1.5 * np.eye(3)[y]).astype(np.float32)
    factor = best_temperature(scores * np.float32(2.0**exponent), y)
    assert factor * 2.0**exponent == pytest.approx(best_temperature(scores, y), rel=1e-5)


def test_scores_that_say_nothing_or_are_not_numbers_end_the_search_for_a_temperature(rng):
    y = rng.integers(0, 3, 50)
    assert best_temperature(np.zeros((50, 3), np.float32), y) == 1
    assert best_temperature(-np.eye(3, dtype=np.float32)[y], y) < 1e-6
    assert not np.isfinite(best_temperature(np.full((50, 3), np.nan, np.float32), y))
