"""Photographs, a pretrained network, and shifts by recipes that are not among the candidates."""

import pytest

from benchmarks.explain import Bench, line, nulls, record
from benchmarks.explain_recipes import RECIPES
from gapscope.causes.families import KINDS

CAUSES = ("underexposed", "defocus-blur", "webcam", "warm")


@pytest.fixture(scope="module")
def bench(test_data):
    return Bench(test_data, 48, None, trained=60)


def test_the_family_of_the_cause_is_right(bench):
    best = bench.explained("webcam", CAUSES).proofs[0]
    assert KINDS[best.explanation.name.split("+")[0]].family in RECIPES["webcam"][1]
    assert best.is_named
    assert best.lost.value > 0


def test_darker_mid_tones_are_less_light_and_not_fewer_levels(bench):
    best = bench.explained("gamma", ("gamma-dark", "posterise", "underexposed", "contrast")).proofs[0]
    assert KINDS[best.explanation.name.split("+")[0]].family in RECIPES["gamma"][1]


def test_images_on_their_side_are_told_from_tilted_ones(bench):
    found = bench.explained("on_the_side", ("sideways", "upside-down", "mirrored", "tilted", "rotation", "stretched"))
    best = found.proofs[0]
    assert best.explanation.name == "sideways"
    assert best.explanation.modified > 0.9
    assert line(record("on_the_side", found, bench.lost("on_the_side"))).endswith("right; first yes, three yes")


def test_other_clusters_of_a_class_are_a_shift_without_labels_that_no_cause_is_named_for(bench):
    assert not record(*nulls(bench, "breeds", 24, 0), None)["named"]


def test_drawings_are_not_explained(bench):
    best = bench.explained("drawing", CAUSES).proofs[0]
    assert not best.is_named


def test_other_photographs_are_no_shift(bench):
    assert not bench.explained("plain", CAUSES).is_beyond_chance
