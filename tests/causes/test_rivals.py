"""Causes that have nothing in common and explain as much speak against each other; those that do the same do not."""

from dataclasses import replace

import numpy as np
import pytest
from test_search import DIM, Shifts, known_of, sample

from gapscope.attributes import ATTRIBUTES
from gapscope.causes.analysis import analyse
from gapscope.causes.appearance import NAMES
from gapscope.causes.rivals import beyond, correlation
from gapscope.core.random import stream

NAMES_OF_CAUSES = ("sideways", "elastic", "occlusion", "blur", "low-resolution", "night", "warm", "grain")
DAMAGE = np.eye(DIM)[0]


class Damages(Shifts):
    """Every cause makes an image less like itself and moves it towards the same; what else it does to an image is its
    own, or the same for all causes.
    """

    def __init__(self, rng, *, alike, looks=()):
        super().__init__({}, rng)
        self.alike, self.looks = alike, dict(looks)
        seen = rng.normal(size=(len(self.plain), len(NAMES)))
        self.plain = np.concatenate([self.sample.x, seen], axis=1) if looks else self.sample.x

    def of(self, candidates, rows, what=""):
        """Rows after each candidate."""
        return [sum((self._move(step) for step in one.steps), self.plain)[rows] for one in candidates]

    def _move(self, step):
        name = step.cause.name
        own = stream(0, "" if self.alike else name).normal(size=self.sample.x.shape)
        x = step.severity * (0.8 * DAMAGE + 0.1 * own - 0.1 * self.sample.x)
        looks = np.zeros_like(self.plain[:, DIM:]) + self.looks.get(name, 0.0)
        return np.concatenate([x, looks], axis=1)


def target_of(features, rng):
    """Other images that are as far away as severity 4."""
    other = sample("target", rng)
    return replace(other, x=0.6 * other.x + 3.2 * DAMAGE + 0.4 * rng.normal(size=other.x.shape))


@pytest.mark.parametrize("alike", [True, False])
def test_causes_that_only_take_away_what_images_show_speak_against_each_other(alike):
    rng = np.random.default_rng(0)
    features = Damages(rng, alike=alike)
    best = analyse(features, target_of(features, rng), None, known_of(NAMES_OF_CAUSES), None).proofs[0]
    assert best.is_enough
    assert best.is_named == alike
    assert bool(best.against) != alike


def test_looks_that_a_cause_takes_further_from_the_target_are_told():
    rng = np.random.default_rng(0)
    moves = dict.fromkeys(NAMES_OF_CAUSES, np.eye(len(NAMES))[NAMES.index("tint")])
    features = Damages(rng, alike=True, looks=moves)
    target = target_of(features, rng)
    seen = rng.normal(size=(len(target.x), len(NAMES)))
    best = analyse(features, target, seen, known_of(NAMES_OF_CAUSES), None).proofs[0]
    assert best.away == ("tint",)
    seen[:, NAMES.index("tint")] += 1
    assert analyse(features, target, seen, known_of(NAMES_OF_CAUSES), None).proofs[0].away == ()


def test_what_a_cause_does_to_all_images_or_takes_from_each_is_no_trait_of_it(rng):
    plain = rng.normal(size=(50, 8))
    assert beyond(3 - 0.4 * plain, plain) == pytest.approx(0)
    own = rng.normal(size=(50, 8))
    assert correlation(beyond(own, plain), beyond(own + 2 - 0.5 * plain, plain)) == pytest.approx(1)
    assert correlation(beyond(own, plain), beyond(rng.normal(size=(50, 8)) - 0.5 * plain, plain)) < 0.2
    assert correlation(0 * own, own) == 1


def test_looks_are_named_as_attributes():
    assert set(NAMES) <= set(ATTRIBUTES)
