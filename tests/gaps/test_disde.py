"""The gap by X-shift, novel X, and Y given X: the published example, exact sums, and constructed causes."""

import numpy as np
import pytest
from scipy.special import expit

from gapscope.core.errors import InputError
from gapscope.gaps.disde import Rows, disde
from gapscope.shifts.domain import domain_scores
from gapscope.store import ArrayStore
from gapscope.stream import connect


def two_points(counts, right, domain, start=0):
    rights = np.concatenate([np.arange(count) < some for count, some in zip(counts, right, strict=True)])
    return Rows(start + np.arange(sum(counts)), np.repeat([0, 1], counts), rights, np.repeat(domain, counts))


def made_up(rng, n=600, m=400, classes=5, *, weighted=False):
    domain = rng.beta(2, 3, n + m)
    label, right = rng.integers(-1, classes, n + m), rng.random(n + m) < 0.7
    weight = rng.uniform(0.2, 3, n + m) if weighted else None
    columns = (np.arange(n + m), label, right, domain, weight)
    return tuple(
        Rows(*(None if column is None else column[part] for column in columns))
        for part in (slice(0, n), slice(n, n + m))
    )


def total(found):
    return found.x_shift_shared.sum(), found.novel_x.sum(), found.y_given_x.sum()


def accuracy(rows):
    known = rows.label >= 0
    return np.average(rows.right[known], weights=None if rows.weight is None else rows.weight[known])


def test_equals_the_worked_example_of_two_points():
    domain = np.array([0.3 / 1.1, 0.7 / 0.9])
    reference = two_points([800, 200], [720, 120], domain)
    target = two_points([300, 700], [255, 350], domain, start=5000)
    found = disde(reference, target)
    np.testing.assert_allclose(found.levels, [0.84, 0.775135, 0.704324, 0.605], atol=5e-7)
    np.testing.assert_allclose(-np.diff(found.levels), [0.064865, 0.070811, 0.099324], atol=5e-7)
    np.testing.assert_allclose(total(found), [0.064865 + 0.099324, 0.0, 0.070811], atol=1e-6)
    assert found.gap == pytest.approx(0.235, abs=1e-12)
    share = domain[0] * 0.8 / (domain @ [0.8, 0.2])
    assert share == pytest.approx(0.583784, abs=5e-7)


@pytest.mark.parametrize("weighted", [False, True])
def test_terms_sum_to_the_gap(rng, weighted):
    reference, target = made_up(rng, weighted=weighted)
    found = disde(reference, target, classes=7)
    assert sum(total(found)) == pytest.approx(found.gap, abs=1e-12)
    assert found.gap == pytest.approx(accuracy(reference) - accuracy(target), abs=1e-12)
    assert found.y_given_x.shape == (7,)
    assert found.y_given_x[6] == 0


def test_effective_rows_are_those_of_kish(rng):
    reference, target = made_up(rng)
    known = reference.label >= 0
    alpha = 0.4
    domain = reference.domain[known]
    weight = domain / (alpha * (1 - domain) + domain * (1 - alpha))
    found = disde(reference, target)
    assert found.effective_rows[0] == pytest.approx(weight.sum() ** 2 / (weight**2).sum())
    assert found.effective_share[0] == pytest.approx(found.effective_rows[0] / known.sum())


def test_the_order_of_rows_changes_neither_terms_nor_intervals(rng):
    reference, target = made_up(rng)
    order = rng.permutation(len(reference.label))
    moved = Rows(
        *(column[order] for column in (reference.sample_id, reference.label, reference.right, reference.domain))
    )
    one, other = disde(reference, target, seed=3), disde(moved, target, seed=3)
    np.testing.assert_allclose(one.y_given_x, other.y_given_x, atol=1e-13)
    assert one.y_given_x_interval == other.y_given_x_interval
    assert one.y_given_x_interval != disde(reference, target, seed=4).y_given_x_interval


def test_alike_sets_have_no_term_whose_interval_leaves_zero():
    missed = 0
    for run in range(40):
        rng = np.random.default_rng(run)
        reference, target = made_up(rng)
        constant = [
            Rows(one.sample_id, one.label, one.right, np.full(len(one.label), 0.4)) for one in (reference, target)
        ]
        found = disde(*constant)
        assert found.x_shift_shared.sum() == pytest.approx(0, abs=1e-12)
        low, high = found.y_given_x_interval
        missed += not low <= 0 <= high
    assert missed <= 6


def test_sets_without_overlap_are_refused_and_still_sum_to_the_gap(rng):
    reference, target = made_up(rng)
    apart = [
        Rows(one.sample_id, one.label, one.right, np.full(len(one.label), domain))
        for one, domain in ((reference, 1e-9), (target, 1 - 1e-9))
    ]
    found = disde(*apart)
    assert not found.overlap
    assert found.refused.startswith("The two sets share hardly any inputs")
    assert found.novel_x.sum() == pytest.approx(found.gap, abs=1e-12)
    assert total(found)[0] == total(found)[2] == 0
    assert np.isnan(found.y_given_x_interval).all()
    assert found.novel_x_interval == found.gap_interval
    impossible = [
        Rows(one.sample_id, one.label, one.right, np.full(len(one.label), domain))
        for one, domain in ((reference, 0.0), (target, 1.0))
    ]
    assert not disde(*impossible).overlap


def test_a_few_rows_that_carry_all_the_weight_are_no_overlap(rng):
    reference, target = made_up(rng)
    domain = np.full(len(reference.label), 0.03)
    domain[reference.label >= 0] = 0.02
    domain[:8] = 0.999999
    lean = Rows(reference.sample_id, reference.label, reference.right, domain**3)
    assert disde(lean, target).effective_share[0] < 0.05
    assert not disde(lean, target).overlap


def test_bad_input_is_one_sentence(rng):
    reference, target = made_up(rng)
    empty = Rows(*(np.zeros(0, kind) for kind in (np.int64, np.int32, bool, float)))
    with pytest.raises(InputError, match="the target has no labelled row"):
        disde(reference, empty)
    with pytest.raises(InputError, match="outside 0…1"):
        disde(Rows(reference.sample_id, reference.label, reference.right, reference.domain + 1), target)
    with pytest.raises(InputError, match="columns of the reference"):
        disde(Rows(reference.sample_id, reference.label, reference.right, reference.domain[:5]), target)


def test_one_class_and_few_rows_are_no_trouble():
    one = Rows(np.arange(3), np.zeros(3, int), np.array([True, True, False]), np.full(3, 0.5))
    found = disde(one, Rows(np.arange(3, 5), np.zeros(2, int), np.array([True, False]), np.full(2, 0.5)), alpha=0.5)
    assert sum(total(found)) == pytest.approx(2 / 3 - 1 / 2)


class World:
    """Two classes along the first feature; a model that errs near their boundary."""

    def __init__(self, rng):
        self.rng = rng

    def x(self, rows, at=0.0, spread=1.0):
        x = self.rng.standard_normal((rows, 4))
        x[:, 1] = at + spread * x[:, 1]
        return x

    def right(self, x):
        """Right answers become rarer along the second feature."""
        return self.rng.random(len(x)) < expit(2.0 - 1.2 * x[:, 1])


def split(reference, target, labels=None, weights=(None, None)):
    (x, right), (other, other_right) = reference, target
    views = [
        ArrayStore(np.float32(one), np.zeros(len(one), int), ["a"], "set", start + np.arange(len(one))).view()
        for one, start in ((x, 0), (other, 10**6))
    ]
    with connect(threads=1) as workers:
        scores = domain_scores(*views, workers=workers)
    label = labels or [(one[:, 0] > 0).astype(int) for one in (x, other)]
    return disde(
        Rows(scores.reference_id, label[0], right, scores.reference, weights[0]),
        Rows(scores.target_id, label[1], other_right, scores.target, weights[1]),
    )


def test_harder_inputs_alone_are_found_as_x_shift(rng):
    world = World(rng)
    x, other = world.x(4000), world.x(4000, at=0.8)
    found = split((x, world.right(x)), (other, world.right(other)))
    shared, _, given = total(found)
    assert found.gap > 0.1
    assert shared > 0.8 * found.gap
    assert abs(given) < 0.2 * found.gap
    low, high = found.y_given_x_interval
    assert low - 0.02 <= 0 <= high + 0.02


def test_wrong_labels_in_one_class_are_found_as_y_given_x_in_that_class(rng):
    world = World(rng)
    x, other = world.x(4000), world.x(4000)
    right = world.right(other)
    wrong = (other[:, 0] > 0) & (rng.random(4000) < 0.4)
    found = split((x, world.right(x)), (other, right & ~wrong))
    given = found.y_given_x.sum()
    assert found.gap > 0.1
    assert given > 0.9 * found.gap
    assert found.y_given_x[1] > 0.8 * given


def test_a_new_cluster_is_found_as_novel_x(rng):
    world = World(rng)
    x, other = world.x(4000), world.x(4000)
    right = world.right(other)
    other[:600] += np.array([0, 0, 12.0, 0])
    right[:600] = rng.random(600) < 0.1
    found = split((x, world.right(x)), (other, right))
    assert found.gap > 0.08
    assert found.novel_x.sum() > 0.6 * found.gap
    assert found.novel_share[1] == pytest.approx(0.15, abs=0.04)
    assert found.novel_share[0] < 0.01


def test_weights_that_equalise_the_class_mix_are_not_undone_by_domain_scores(rng):
    world = World(rng)
    x, other = world.x(6000), world.x(6000)
    other[:, 0] = np.where(rng.random(6000) < 0.3, np.abs(other[:, 0]), other[:, 0])
    labels = [(one[:, 0] > 0).astype(int) for one in (x, other)]
    right = [rng.random(6000) < np.where(label == 1, 0.6, 0.95) for label in labels]
    shares = [np.bincount(label) / len(label) for label in labels]
    common = (shares[0] + shares[1]) / 2
    weights = [(common / share)[label] for share, label in zip(shares, labels, strict=True)]
    found = split((x, right[0]), (other, right[1]), labels, weights)
    assert abs(found.gap) < 0.02
    assert abs(total(found)[0]) < 0.01
    plain = split((x, right[0]), (other, right[1]), labels)
    assert total(plain)[0] > 0.02


def test_small_sets_that_features_tell_apart_perfectly_do_not_overlap(rng):
    """Too few rows to calibrate a probability near 0: all have the same weight, which is no overlap all the same."""
    n = 200
    label, right = rng.integers(0, 3, n), rng.random(n) < 0.9
    reference = Rows(np.arange(n), label, right, np.full(n, 0.06))
    target = Rows(np.arange(n), label, rng.random(n) < 0.5, np.full(n, 0.94))
    found = disde(reference, target, replicates=20)
    assert not found.overlap
    assert "errs in 0.0 % of the rows" in found.refused
    assert found.novel_x.sum() == pytest.approx(right.mean() - target.right.mean())
