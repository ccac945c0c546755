"""The cause that is named first is the largest beyond chance, and where there is none, none is named."""

import numpy as np
import pytest
from scipy.stats import binom, norm

from gapscope.gaps.lead import Stated, largest, lead

RUNS, TERMS = 4000, 4
NAN = float("nan")


def stated(name, value, error):
    return Stated(name, value, value - 1.96 * error, value + 1.96 * error)


def test_of_causes_that_are_chance_one_is_named_in_at_most_a_twentieth(rng):
    drawn = rng.standard_normal((RUNS, TERMS))
    named = sum(lead([stated(str(i), x, 1.0) for i, x in enumerate(one)], one.sum()) is not None for one in drawn)
    most = binom.isf(1e-4, RUNS, 0.05)
    assert named <= most
    # With 95 % intervals as they are, one of four leaves zero out on the side of the gap much more often.
    signed = drawn * np.sign(drawn.sum(axis=1, keepdims=True))
    assert (signed > 1.96).any(axis=1).sum() > most


@pytest.mark.parametrize("terms", [1, 2, 6])
def test_the_level_is_corrected_for_the_number_of_terms(terms):
    needed = norm.isf(0.025 / terms)
    others = [stated(str(index), 0.0, 1.0) for index in range(terms - 1)]
    assert lead([stated("one", needed - 0.01, 1.0), *others], 1.0) is None
    assert lead([stated("one", needed + 0.01, 1.0), *others], 1.0).name == "one"
    assert lead([stated("one", -needed - 0.01, 1.0), *others], -1.0).name == "one"


def test_a_sure_cause_is_named_before_a_larger_one_that_may_be_chance():
    terms = [stated("wide", 5.0, 4.0), stated("narrow", 3.0, 0.5)]
    assert lead(terms, 8.0).name == "narrow"
    assert largest(terms, 8.0).name == "wide"


def test_a_cause_that_wins_accuracy_is_none_of_a_loss():
    assert lead([stated("one", -5.0, 0.5)], 1.0) is None
    assert largest([stated("one", -5.0, 0.5)], 1.0) is None


def test_a_term_without_interval_is_not_named():
    assert lead([Stated("one", 5.0, NAN, NAN)], 5.0) is None


def test_an_interval_that_leaves_its_own_value_out_is_no_surer_than_it_is_wide():
    # Bootstrap intervals of few rows may lie beside their value.
    assert lead([Stated("one", 1.0, 1.5, 9.5), stated("two", 0.0, 1.0)], 1.0) is None
