"""The model of a cluster holds what any cluster holds."""

import pytest

from benchmarks.cluster_model import Costs, predicted, scaling
from gapscope.stream.verbs import FEWEST_LEAVES, LEAF_FLOPS, LEAVES, leaves_of

FREE = Costs(0.0, 0.0, 0.0)


def test_without_costs_workers_share_the_leaves_evenly():
    assert predicted(0.5, 64, 1, FREE) == pytest.approx(32)
    assert predicted(0.5, 64, 4, FREE) == pytest.approx(8)
    assert predicted(0.5, 10, 4, FREE) == pytest.approx(1.5)


def test_the_scheduler_serves_one_task_after_another():
    assert predicted(0.0, 64, 64, Costs(0.01, 0.0, 0.0)) == pytest.approx((64 + 8 + 1) * 0.01)


def test_more_workers_are_never_slower():
    seconds = [predicted(0.1, 256, workers, Costs(0.002, 0.0, 0.01)) for workers in (1, 2, 4, 8, 16, 32, 64)]
    assert seconds == sorted(seconds, reverse=True)


def test_little_work_is_cut_into_fewer_tasks_and_scales_further():
    assert leaves_of(float("inf")) == LEAVES
    assert leaves_of(1.0) == FEWEST_LEAVES
    assert leaves_of(100 * LEAF_FLOPS) == 100
    costs = Costs(0.0024, 0.0001, 0.01)
    few = scaling(10, 1024, costs)
    leaf = 4.0 * 1024 * 10 * 1_281_167 / 2e10 / LEAVES
    as_before = predicted(leaf, LEAVES, 1, costs) / predicted(leaf, LEAVES, 64, costs)
    assert few["speed_up"]["64"] > 1.5 * as_before
