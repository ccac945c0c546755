"""Laws of the search, on made-up features: what cannot win costs little, and what can is not lost."""

from collections import defaultdict
from dataclasses import replace

import numpy as np
import pytest

from gapscope.causes.analysis import analyse
from gapscope.causes.candidates import Cause
from gapscope.causes.families import KINDS
from gapscope.causes.samples import Sample
from gapscope.causes.search import COARSE, FOURTH, Search, first_cause, firsts, spread
from gapscope.data.modifications.modification import SEVERITIES

IMAGES, DIM = 240, 24


class Shifts:
    """Features of images that every cause moves in a direction of its own, and which of them were asked for."""

    seed = 0

    def __init__(self, directions, rng):
        self.directions, self.asked = directions, defaultdict(set)
        self.sample = sample("reference", rng)
        self.plain = self.sample.x

    def of(self, candidates, rows, what=""):
        """Rows after each candidate."""
        for candidate in candidates:
            self.asked[str(candidate)].update(range(rows.start, rows.stop))
        moves = [sum(step.severity * self.directions[step.cause.name] for step in one.steps) for one in candidates]
        return [self.plain[rows] + move for move in moves]

    def check(self):
        """They are not stored."""

    def count(self, name):
        """How many images each severity of a cause was asked for."""
        return {severity: len(self.asked.get(f"{name}:{severity}", ())) for severity in SEVERITIES}


def sample(name, rng):
    names = [f"{name}-{index}" for index in range(IMAGES)]
    return Sample(name, np.arange(IMAGES), np.zeros(IMAGES, int), names, rng.normal(size=(IMAGES, DIM)))


def search_of(directions, move, rng):
    """For a target that is moved so far."""
    target = sample("target", rng)
    return Search.of(Shifts(directions, rng), replace(target, x=target.x + move), None)


def known_of(names):
    return {name: Cause(name, KINDS[name], None) for name in names}


@pytest.fixture(scope="module")
def searched():
    """Thirty causes; the target is moved by one of them, as strong as severity 3, and others do the same."""
    rng = np.random.default_rng(0)
    names = list(KINDS)[:30]
    directions = dict(zip(names, np.linalg.qr(rng.normal(size=(DIM, DIM)))[0].repeat(2, axis=0), strict=False))
    directions[names[20]] = directions[names[7]]
    search, known = search_of(directions, 3 * directions[names[7]], rng), known_of(names)
    ranked, features = first_cause(search, known), search.features
    right = {name for name in names if np.array_equal(directions[name], directions[names[7]])}
    return features, ranked, right, known


def test_causes_that_do_the_same_are_both_proven(searched):
    _, ranked, right, _ = searched
    assert {one.name for one in ranked.last[: len(right)]} == right
    strength = sum(one.share * one.candidate.steps[0].severity for one in ranked.last[0].versions if one.candidate)
    assert strength == pytest.approx(3, abs=0.3)
    assert ranked.last[0].images == IMAGES // 2


def test_what_cannot_win_is_seen_on_few_images_at_two_severities(searched):
    features, ranked, right, known = searched
    counts = {name: features.count(name) for name in known}
    hopeless = [one for one in counts.values() if one == {s: 32 * (s in COARSE) for s in SEVERITIES}]
    assert len(hopeless) >= len(known) - 12
    assert all(sorted(counts[name].values())[-3:] == [IMAGES // 2] * 3 for name in right)
    assert len(ranked.last) == max(FOURTH[0], len(right))


def test_all_causes_are_ranked(searched):
    _, ranked, _, known = searched
    assert sorted(one.name for one in [*ranked.last, *ranked.dropped]) == sorted(known)


def test_others_are_looked_for_beside_two_of_the_best_family_and_one_of_each_other(rng):
    names = ("night", "low-light", "underexposed", "contrast", "blur", "snow")
    directions = dict(zip(names, np.linalg.qr(rng.normal(size=(DIM, DIM)))[0], strict=False))
    weights = {"night": 3, "low-light": 2.9, "underexposed": 1, "contrast": 2, "blur": 1.5}
    search = search_of(directions, sum(weight * directions[name] for name, weight in weights.items()), rng)
    ranked = first_cause(search, known_of(names))
    found = [one.name for one in firsts(search, [*ranked.last, *ranked.dropped])]
    assert {*found[:2]} == {"night", "low-light"}
    assert found[2:] == ["contrast", "blur"]


@pytest.mark.parametrize("share", [1.0, 0.6, 0.3])
@pytest.mark.parametrize("moves", [{"night": 3, "close-up": 3}, {"night": 4, "blur": 2}])
def test_two_causes_on_a_part_of_the_images_are_found_together(share, moves):
    rng = np.random.default_rng(0)
    names = ("night", "close-up", "contrast", "blur", "snow", "warm", "grain", "webcam")
    directions = dict(zip(names, np.linalg.qr(rng.normal(size=(DIM, DIM)))[0], strict=False))
    features, target = Shifts(directions, rng), sample("target", rng)
    moved = (rng.random(IMAGES) < share)[:, None]
    target = replace(target, x=target.x + moved * sum(much * directions[name] for name, much in moves.items()))
    best = analyse(features, target, None, known_of(names), None).proofs[0]
    assert {*best.explanation.name.split("+")} == {*moves}
    assert best.is_named
    assert best.is_complete
    assert best.explanation.modified == pytest.approx(moved.mean(), abs=0.15)


@pytest.mark.parametrize("share", [0.0, 0.3, 0.5, 1.0])
def test_a_share_of_the_images_is_that_of_any_run_of_them(share):
    found = spread(400, share)
    assert found.mean() == pytest.approx(share, abs=0.01)
    assert all(found[start : start + 32].mean() == pytest.approx(share, abs=0.05) for start in range(0, 360, 40))
