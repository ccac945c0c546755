"""Laws of the search, on made-up features: what cannot win costs little, and what can is not lost."""

from collections import defaultdict
from dataclasses import replace

import numpy as np
import pytest

from gapscope.causes.analysis import analyse
from gapscope.causes.candidates import Cause
from gapscope.causes.families import KINDS
from gapscope.causes.samples import Sample
from gapscope.causes.search import COARSE, FOURTH, Search, first_cause, spread
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


def found_together(directions, moved, rng, share=1.0):
    """The best proof where a share of the target's images moved so far."""
    features, target = Shifts(directions, rng), sample("target", rng)
    target = replace(target, x=target.x + (rng.random(IMAGES) < share)[:, None] * moved)
    return analyse(features, target, None, known_of(directions), None).proofs[0]


@pytest.mark.parametrize("share", [1.0, 0.4])
def test_two_causes_are_found_where_the_best_cause_is_a_little_of_each(share):
    rng = np.random.default_rng(0)
    names = ("underexposed", "sensor-noise", "contrast", "blur", "snow", "warm", "webcam")
    directions = dict(zip(names, np.linalg.qr(rng.normal(size=(DIM, DIM)))[0], strict=False))
    dark, noise = directions["underexposed"], directions["sensor-noise"]
    directions["low-light"] = 0.8 * dark + 0.4 * noise + 0.3 * directions["warm"]
    best = found_together(directions, 4 * dark + 4 * noise, rng, share)
    assert {*best.explanation.name.split("+")} == {"underexposed", "sensor-noise"}
    assert best.is_complete


def test_three_causes_are_found_where_a_second_one_alone_explains_too_little():
    rng = np.random.default_rng(0)
    names = ("underexposed", "close-up", "sensor-noise", "contrast", "snow", "warm", "webcam")
    directions = dict(zip(names, np.linalg.qr(rng.normal(size=(DIM, DIM)))[0], strict=False))
    best = found_together(directions, 4 * sum(directions[name] for name in names[:3]), rng)
    assert {*best.explanation.name.split("+")} == {*names[:3]}
    assert best.is_named


@pytest.mark.parametrize("share", [1.0, 0.6, 0.3])
@pytest.mark.parametrize("moves", [{"night": 3, "close-up": 3}, {"night": 4, "blur": 2}])
def test_two_causes_on_a_part_of_the_images_are_found_together(share, moves):
    rng = np.random.default_rng(0)
    names = ("night", "close-up", "contrast", "blur", "snow", "warm", "grain", "webcam")
    directions = dict(zip(names, np.linalg.qr(rng.normal(size=(DIM, DIM)))[0], strict=False))
    best = found_together(directions, sum(much * directions[name] for name, much in moves.items()), rng, share)
    assert {*best.explanation.name.split("+")} == {*moves}
    assert best.is_named
    assert best.is_complete
    assert best.explanation.modified == pytest.approx(share, abs=0.15)


@pytest.mark.parametrize("shares", [[1.0], [0.7, 0.3], [0.2, 0.5, 0.3]])
def test_versions_have_their_shares_in_any_run_of_the_images(shares):
    found = spread(400, np.array(shares))
    for start in [*range(0, 360, 40), 0]:
        counts = np.bincount(found[start : start + 40], minlength=len(shares)) / 40
        np.testing.assert_allclose(counts, shares, atol=0.06)
