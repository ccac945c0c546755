"""The benchmark of killed writers runs, and finds stores that are as if nobody had disturbed them."""

import pytest

from benchmarks.reliability import measure


def check(results):
    for one in results:
        assert one["same"], one
        assert (one["damaged"], one["left"]) == (0, 0), one


def test_stores_whose_writers_were_killed_two_at_a_time_are_the_undisturbed_ones():
    check(measure(kills=3, images=60, rows=3000))


@pytest.mark.slow
def test_stores_survive_a_hundred_kills():
    check(measure(kills=100, images=400, rows=20_000))
