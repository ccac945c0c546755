"""The recommended forecast holds the truth on kinds of shifts that it has not seen, or says that there is none."""

from dataclasses import replace

import numpy as np
import pytest

from gapscope.core.progress import SILENT
from gapscope.estimators import LogisticClassifier
from gapscope.forecasts.learning import learnt_from_features, learnt_from_rows
from gapscope.forecasts.made_shifts import CHANGES, FeatureChange, feature_changes, halves, shifts_of_rows
from gapscope.forecasts.recommended import recommend, signs_of
from gapscope.forecasts.scored import Panel, score, temperature_of
from gapscope.forecasts.strangeness import strangeness_of
from gapscope.store import ArrayStore
from gapscope.stream import connect

CLASSES, DIM = 6, 40
NAMES = [str(i) for i in range(CLASSES)]


class World:
    """Rows of six classes behind a network's like features, a model, and what shifts of a reference have taught."""

    def __init__(self, rng, rows=1600):
        self.rng = rng
        self.centres = 0.75 * rng.standard_normal((CLASSES, 20))
        self.lift = rng.standard_normal((20, DIM)) / np.sqrt(20)
        x, y = self.drawn(1500)
        fitted = LogisticClassifier(C=1.0).fit(self.features(x), y)
        self.model = fitted.model_ if hasattr(fitted, "model_") else fitted.model
        self.reference, self.label = self.drawn(rows)
        store = self.store(self.features(self.reference), self.label)
        temperature = temperature_of(self.model.scores(self.features(self.reference)), self.label)
        with connect(threads=1) as workers:
            self.strange, moments = strangeness_of(store.view(), workers)
            self.panel = Panel((self.model,), ("net",), (temperature,), strange=self.strange)
            self.known = score(store.view(), self.panel, np.arange(CLASSES), workers, labelled_only=True)
            about = (store.view(), self.panel, np.arange(CLASSES), moments, workers, SILENT)
            (self.learnt,) = learnt_from_features(self.known, *about, seed=0)

    def drawn(self, n):
        y = self.rng.integers(0, CLASSES, n)
        return self.centres[y] + self.rng.standard_normal((n, 20)), y

    def features(self, x):
        return np.maximum(x @ self.lift + 0.3, 0).astype(np.float32)

    def store(self, x, y):
        return ArrayStore(x, y, NAMES, "toy/set")

    def forecast(self, x, y):
        """The recommendation for rows before the network, and the truth."""
        store = self.store(self.features(x), y)
        with connect(threads=1) as workers:
            panel = replace(self.panel, strange=self.strange.anywhere())
            (target,) = score(store.view(), panel, np.arange(CLASSES), workers)
        return recommend(self.known[0], target, self.learnt), float(target.right.mean())


def styles(rng, x, strength):
    """Shifts before the network, of kinds that are not made."""
    fixed = np.random.default_rng(7)
    turn = np.linalg.qr(np.eye(20) + 0.35 * strength * fixed.standard_normal((20, 20)))[0]
    yield x @ (turn * np.sign(np.diagonal(turn)))
    yield np.where(np.arange(20) < 5 * strength, 0.0, x)
    yield x * (1 + 0.4 * strength * fixed.standard_normal(20))
    yield np.sign(x) * np.abs(x) ** (1 - 0.25 * strength)
    yield np.clip(x, -2 + 0.5 * strength, 2 - 0.5 * strength)
    yield x + 0.5 * strength * rng.standard_normal(len(x))[:, None]


def test_the_interval_holds_the_truth_on_shifts_of_kinds_that_it_has_not_seen(rng):
    held = forecast = 0
    for _ in range(2):
        world = World(rng)
        x, y = world.drawn(700)
        for strength in (0.5, 1.0, 2.0):
            for changed in styles(rng, x, strength):
                found, truth = world.forecast(changed, y)
                if found.value is not None:
                    forecast += 1
                    held += found.low <= truth <= found.high
    assert forecast >= 12
    assert held >= 0.85 * forecast


def test_a_set_like_the_reference_is_forecast_within_a_narrow_interval(rng):
    world = World(rng)
    found, truth = world.forecast(*world.drawn(1500))
    assert found.low <= truth <= found.high
    assert found.high - found.low < 0.15
    assert found.kinds == 3 + len(CHANGES)


def test_a_set_far_away_cannot_be_forecast(rng):
    world = World(rng)
    x, y = world.drawn(500)
    found, _ = world.forecast(-30 * x + 100, y)
    assert found.value is None
    assert found.reason


def test_labels_of_the_target_change_nothing(rng):
    world = World(rng)
    x, y = world.drawn(500)
    assert world.forecast(x, y)[0] == world.forecast(x, rng.permutation(y))[0]


def test_shifts_of_rows_alone_teach_too_and_few_rows_nothing(rng):
    world = World(rng)
    known = [replace(world.known[0], strangeness=None)]
    (learnt,) = learnt_from_rows(known, 0)
    assert (learnt.kinds, "strangeness" in learnt.names) == (3, False)
    assert learnt_from_rows([known[0].taken(np.arange(50))], 0) == [None]
    assert "too few" in recommend(known[0], known[0], None).reason


def test_made_shifts_are_the_same_again_and_their_halves_share_no_row(rng):
    world = World(rng)
    one, two = (list(shifts_of_rows(world.known[0], 3)) for _ in range(2))
    assert [signs_of(a.source, a.target) for a in one[:5]] == [signs_of(a.source, a.target) for a in two[:5]]
    first, second = halves(world.known[0], 3)
    assert len(set(first) | set(second)) == world.known[0].n
    assert not set(first) & set(second)


@pytest.mark.parametrize("kind", CHANGES)
def test_changes_of_features_keep_shapes_and_harder_ones_move_rows_further(kind, rng):
    x = rng.standard_normal((50, 12)).astype(np.float32)
    means = rng.standard_normal((4, 12))
    changes = [one for one in feature_changes(x.mean(axis=0), x.std(axis=0), means, 0) if one.kind == kind]
    moved = [np.abs(one(x) - x).mean() for one in changes]
    assert all(isinstance(one, FeatureChange) and one(x).shape == x.shape for one in changes)
    assert np.array_equal(changes[2](x), changes[2](x))
    assert moved[-1] > 2 * moved[0] or kind == "step between classes"
