"""Photographs, a pretrained network, and shifts by recipes that are not among the candidates."""

import pytest

from benchmarks.explain import RECIPES, Bench
from gapscope.causes.families import KINDS
from gapscope.core.location import Location

CAUSES = ("underexposed", "defocus-blur", "webcam", "warm")


@pytest.fixture(scope="module")
def bench(test_data, tmp_path_factory):
    return Bench(test_data, 48, Location.of(tmp_path_factory.mktemp("features")), trained=60)


def test_the_family_of_the_cause_is_right(bench):
    best = bench.explained("webcam", CAUSES).proofs[0]
    assert KINDS[best.explanation.name.split("+")[0]].family in RECIPES["webcam"][1]
    assert best.is_named
    assert best.lost.value > 0


def test_darker_mid_tones_are_less_light_and_not_fewer_levels(bench):
    best = bench.explained("gamma", ("gamma-dark", "posterise", "underexposed", "contrast")).proofs[0]
    assert KINDS[best.explanation.name.split("+")[0]].family in RECIPES["gamma"][1]


def test_drawings_are_not_explained(bench):
    best = bench.explained("drawing", CAUSES).proofs[0]
    assert not best.is_named


def test_other_photographs_are_no_shift(bench):
    assert not bench.explained("plain", CAUSES).is_beyond_chance
