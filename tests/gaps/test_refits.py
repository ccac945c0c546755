"""The interval of a remedy knows that it was fitted to few rows."""

import numpy as np
import pytest

from gapscope.gaps.refits import refit_errors
from gapscope.gaps.trials import try_remedies
from gapscope.probes.model import Classifier
from gapscope.probes.rules.linear import Linear
from gapscope.store import ArrayStore
from gapscope.stream import connect

NAMES = ["a", "b", "c"]
DIM = 20


@pytest.fixture(scope="module")
def workers():
    with connect(threads=1) as connected:
        yield connected


class World:
    """Three classes, the Bayes rule for them, and a target that is moved along a direction in which classes differ."""

    def __init__(self):
        self.centres = np.random.default_rng(2).standard_normal((3, DIM)) * 0.5
        bias = -0.5 * (self.centres**2).sum(axis=1)
        self.model = Classifier(
            "lda", Linear(self.centres.astype(np.float32), bias.astype(np.float32)), class_names=("a", "b", "c")
        )

    def view(self, rng, rows, moved=0.0):
        y = rng.integers(0, 3, rows)
        x = self.centres[y] + rng.standard_normal((rows, DIM)) + moved * (self.centres[0] - self.centres[1])
        return ArrayStore(x.astype(np.float32), y, NAMES).view()


def test_the_error_of_a_fit_to_few_rows_is_that_of_other_samples(workers):
    """Against what re-centring regains on a fixed large set, when it is fitted to one small sample after another."""
    world = World()
    judged = world.view(np.random.default_rng(1), 4000, 0.4).read()

    def regained(seed):
        from gapscope.remedies import REMEDIES

        rng = np.random.default_rng(seed)
        remedy = REMEDIES["mean"].fit(world.model, world.view(rng, 60), world.view(rng, 60, 0.4), workers)
        return (remedy.scores(world.model, judged.x).argmax(axis=1) == judged.y).mean()

    truth = np.std([regained(seed) for seed in range(40)])
    found = []
    for seed in range(40):
        rng = np.random.default_rng(100 + seed)
        sides = world.view(rng, 60), world.view(rng, 60, 0.4)
        found.append(refit_errors(world.model, *sides, np.arange(3), ["mean"], workers)[0])
    assert 0.7 * truth < np.sqrt(np.mean(np.square(found))) < 2.5 * truth


def test_intervals_of_small_sets_are_wider_for_it_and_hold_their_level(workers):
    """A remedy for a shift that is none regains nothing on average."""
    world, missed = World(), 0
    for seed in range(40):
        rng = np.random.default_rng(seed)
        sides = world.view(rng, 60), world.view(rng, 60)
        trial = try_remedies(world.model, *sides, workers=workers, oracle="", names=("mean",), replicates=60)[0]
        missed += trial.adjusted_p <= 0.05
    assert missed <= 4


def test_large_sets_are_not_fitted_again(workers, rng):
    world = World()
    sides = world.view(rng, 3000), world.view(rng, 3000)
    assert refit_errors(world.model, *sides, np.arange(3), ["mean", "coral"], workers).tolist() == [0, 0]
