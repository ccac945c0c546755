"""The domain classifier and its two-sample test: closed-form values, calibration, and every way of reading."""

import pickle

import numpy as np
import pytest
from scipy.special import expit
from scipy.stats import mannwhitneyu, norm
from sklearn.metrics import roc_auc_score

from gapscope.core.errors import InputError
from gapscope.shifts import SHIFTS, domain
from gapscope.shifts.battery import Battery, ShiftOptions
from gapscope.shifts.classifier import ClassifierTest, RowSpace, TwoSampleTest, combined
from gapscope.shifts.confidence import WithConfidence
from gapscope.shifts.domain import domain_scores
from gapscope.shifts.rising import Curve
from gapscope.shifts.separation import area_under_curve, calibration_error
from gapscope.store import ArrayStore
from gapscope.stream import connect
from gapscope.summaries import Moments


def rows(x, name="set", start=0):
    ids = np.arange(start, start + len(x))
    return ArrayStore(np.asarray(x, np.float32), np.zeros(len(x), int), ["a"], name, ids).view()


def scores_of(x, y, threads=1, **options):
    with connect(threads=threads) as workers:
        return domain_scores(rows(x), rows(y, start=10**6), workers=workers, **options)


def gaussians(rng, n, m, d, shift=0.0):
    x, y = rng.standard_normal((n, d)), rng.standard_normal((m, d))
    y[:, 0] += shift
    return x, y


def pair_findings(x, y, statistic):
    with connect(threads=1) as workers:
        battery = Battery.read([rows(x), rows(y, start=10**6)], ["classifier"], ShiftOptions(), workers)
        return statistic.compares(battery._pair("classifier", 0, 1))


def test_reaches_the_bayes_accuracy_and_area_of_a_unit_mean_shift(rng):
    found = scores_of(*gaussians(rng, 20_000, 20_000, 4, 1.0))
    assert found.accuracy == pytest.approx(0.691462, abs=0.008)
    assert found.auc == pytest.approx(0.760250, abs=0.008)
    test = TwoSampleTest.of(found)
    assert test.separation == pytest.approx(1.0, abs=0.05)
    assert test.accuracy.low < 0.691462 < test.accuracy.high
    assert test.auc.low < 0.760250 < test.auc.high


def test_probabilities_are_those_of_bayes_at_the_sizes_as_they_are(rng):
    x, y = gaussians(rng, 20_000, 4000, 3, 1.0)
    found = scores_of(x, y)
    truth = expit(y[:, 0] - 0.5 + np.log(4000 / 20_000))
    assert found.alpha == pytest.approx(1 / 6)
    assert np.abs(found.target - truth).mean() < 0.02
    assert found.calibration_error < 0.02
    assert found.log_loss == pytest.approx(
        -(np.log1p(-found.reference).sum() + np.log(found.target).sum()) / 24_000, rel=1e-9
    )


def test_equals_scikit_learn_on_area_and_calibration_of_one_fold(rng):
    reference, target = rng.normal(size=70), rng.normal(0.5, 1, 40)
    label = np.repeat([0, 1], [70, 40])
    pooled = np.concatenate([reference, target]).round(1)
    expected = roc_auc_score(label, pooled)
    assert area_under_curve(pooled[:70], pooled[70:]) == pytest.approx(expected, abs=1e-12)
    assert calibration_error(np.full(70, 0.5), np.full(30, 0.5)) == pytest.approx(0.2)


def test_p_of_one_fold_is_that_of_mann_and_whitney(rng):
    found = scores_of(*gaussians(rng, 300, 200, 3, 0.3))
    each = [
        mannwhitneyu(*pair[::-1], alternative="greater", method="asymptotic", use_continuity=False).pvalue
        for pair in found.by_fold()
    ]
    assert TwoSampleTest.of(found).auc.p == pytest.approx(combined(each), rel=1e-5)


def test_p_values_that_agree_combine_to_themselves():
    for p in (1e-200, 1e-20, 0.01, 0.3):
        assert combined([p, p]) == pytest.approx(p, rel=1e-9)
    assert combined([1e-9, 1.0]) < 1e-8


@pytest.mark.parametrize("chunk_rows", [1000, 37])
def test_scores_do_not_depend_on_the_chunking(rng, chunk_rows):
    x, y = gaussians(rng, 300, 200, 5, 0.5)
    whole, parts = scores_of(x, y), scores_of(x, y, threads=2, chunk_rows=chunk_rows)
    np.testing.assert_allclose(parts.reference, whole.reference, rtol=0, atol=1e-6)
    np.testing.assert_allclose(parts.target, whole.target, rtol=0, atol=1e-6)


def test_scores_do_not_depend_on_the_order_of_rows(rng):
    x, y = gaussians(rng, 300, 200, 5, 0.5)
    order = rng.permutation(300)
    moved = ArrayStore(np.float32(x[order]), np.zeros(300, int), ["a"], "set", order).view()
    with connect(threads=1) as workers:
        found = domain_scores(moved, rows(y, start=10**6), workers=workers)
    np.testing.assert_allclose(found.reference, scores_of(x, y).reference[order], rtol=0, atol=1e-6)
    np.testing.assert_array_equal(found.reference_id, order)


def test_a_store_on_a_cluster_gives_the_same_scores_as_in_memory(rng, cluster, tmp_path, make_store):
    x, y = gaussians(rng, 260, 150, 4, 0.5)
    stores = [
        make_store(np.float32(one), np.zeros(len(one), int), folder=tmp_path / name)
        for one, name in ((x, "a"), (y, "b"))
    ]
    views = [store.view() for store in stores]
    with connect(threads=2) as workers:
        here = domain_scores(*views, workers=workers, chunk_rows=64)
    with connect(cluster) as workers:
        there = domain_scores(*views, workers=workers, chunk_rows=64)
    np.testing.assert_array_equal(here.reference, there.reference)
    np.testing.assert_array_equal(here.target_id, there.target_id)
    np.testing.assert_array_equal(here.target, there.target)


def test_moments_that_are_known_change_nothing(rng):
    x, y = gaussians(rng, 200, 150, 4, 0.5)
    moments = tuple(Moments.of(np.float32(one)) for one in (x, y))
    np.testing.assert_allclose(scores_of(x, y, moments=moments).target, scores_of(x, y).target, atol=1e-9)


def test_more_folds_score_every_row_once(rng):
    found = scores_of(*gaussians(rng, 300, 200, 3, 1.0), folds=5)
    assert set(found.reference_fold) == set(range(5))
    assert len(found.l2) == 5
    assert found.auc == pytest.approx(0.76, abs=0.06)


def test_a_set_cannot_be_told_from_itself(rng):
    x = rng.standard_normal((200, 6))
    with connect(threads=1) as workers:
        found = domain_scores(rows(x), rows(x), workers=workers)
    test = TwoSampleTest.of(found)
    assert (found.auc, found.accuracy, test.separation) == (0.5, 0.5, 0.0)
    assert min(test.auc.p, test.accuracy.p) > 0.5
    np.testing.assert_allclose(found.target, 0.5, atol=1e-6)


def test_constant_features_and_separate_sets_are_no_trouble(rng):
    x, y = gaussians(rng, 100, 60, 4, 100.0)
    x[:, 2] = y[:, 2] = 7.0
    found = scores_of(x, y)
    assert found.auc == 1.0
    assert found.direction[2] == 0
    assert np.isfinite(TwoSampleTest.of(found).separation)
    same = scores_of(np.ones((50, 3)), np.ones((40, 3)))
    assert same.auc == 0.5
    np.testing.assert_allclose(same.target, 4 / 9, atol=1e-6)


def test_bad_input_is_one_sentence(rng):
    x, y = gaussians(rng, 50, 50, 3)
    with pytest.raises(InputError, match="set has 3 rows; a domain classifier needs 20"):
        scores_of(x[:3], y)
    with pytest.raises(InputError, match="3 features and set has 2; extract both"):
        scores_of(x, y[:, :2])
    with pytest.raises(InputError, match="2 folds or more, got 1"):
        scores_of(x, y, folds=1)
    y[4, 1] = np.nan
    with pytest.raises(InputError, match="not finite"):
        scores_of(x, y)


def test_a_few_rows_far_out_are_told_apart_from_the_many_that_are_alike(rng):
    x, y = gaussians(rng, 3000, 3000, 8)
    y[:450] += 5.0
    found = scores_of(x, y)
    assert np.median(found.target[:450]) > 0.98
    assert abs(np.median(found.target[450:]) - 0.46) < 0.03


def test_the_calibration_curve_never_falls(rng):
    curve = Curve.fit(rng.normal(size=400), np.concatenate([rng.normal(size=300), rng.normal(6, 1, 100)]))
    odds = curve(np.linspace(-10, 20, 500))
    assert (np.diff(odds) >= -1e-12).all()
    assert Curve.fit(np.linspace(1, 2, 150), np.linspace(-2, -1, 150))(np.array([-5.0, 5.0])) == pytest.approx(
        [0, 0], abs=1e-4
    )


def test_confidence_beside_the_features_shows_what_features_hide(rng):
    x, y = gaussians(rng, 2000, 2000, 3)
    y[:, 0] *= 0.3
    change = WithConfidence(by_first_feature)
    pickle.loads(pickle.dumps(change))
    assert scores_of(x, y).auc < 0.55
    found = scores_of(x, y, change=change, emphasis=change.emphasis(3))
    assert found.auc > 0.7
    assert change(np.float32(x)).shape == (2000, 6)
    assert change.emphasis(300)[-1] == pytest.approx(10)


def by_first_feature(x):
    right = expit(3 * np.asarray(x)[:, 0])
    return np.stack([1 - right, right], axis=1)


def test_verdicts_name_the_features_that_carry_the_direction(rng):
    x, y = gaussians(rng, 600, 400, 5, 1.5)
    found = pair_findings(x, y, SHIFTS["classifier"])
    accuracy, auc, _ = found.verdicts
    assert (accuracy.statistic, auc.statistic) == ("c2st_accuracy", "c2st_auc")
    assert auc.p < 1e-9
    assert "along feature 0 (+" in auc.sentence
    assert "resolution, compression or decoder differences separate sets perfectly" in auc.sentence
    assert np.abs(found.columns["domain_correlation"]).argmax() == 0
    assert (auc.null, auc.n) == (0.5, 1000)


def test_verdicts_on_alike_sets_claim_nothing(rng):
    found = pair_findings(*gaussians(rng, 300, 300, 5), SHIFTS["classifier"])
    assert all("no difference beyond what samples of this size show" in one.sentence for one in found.verdicts[:2])


def test_the_row_space_of_a_head_hides_what_moves_no_score(rng):
    x, y = gaussians(rng, 500, 500, 6, 3.0)
    head = np.zeros((3, 6))
    head[:, 1:3] = rng.standard_normal((3, 2))
    found = pair_findings(x, y, ClassifierTest(head))
    by_name = {one.statistic: one for one in found.verdicts}
    assert by_name["c2st_auc"].value > 0.95
    assert by_name["c2st_head_auc"].value < 0.6
    space = RowSpace.of(head + 5.0)
    assert space.basis.shape == (6, 2)
    direct = Moments.of(space(x))
    np.testing.assert_allclose(space.moments(Moments.of(x)).scatter, direct.scatter, rtol=1e-4, atol=1e-3)


def rejections(runs, n, m, d):
    found = []
    for run in range(runs):
        test = TwoSampleTest.of(scores_of(*gaussians(np.random.default_rng([d, run]), n, m, d), seed=run))
        found.append((test.accuracy.p, test.auc.p, test.auc.low > 0.5))
    return np.array(found)


def test_alike_sets_are_rarely_called_different():
    found = rejections(60, 200, 120, 6)
    # 60 runs at 5 %: more than 8 rejections have a probability below 1 %.
    assert ((found[:, :2] < 0.05).sum(axis=0) <= 8).all()


@pytest.mark.slow
@pytest.mark.parametrize(("n", "m", "d"), [(300, 300, 1), (400, 200, 8), (300, 150, 64)])
def test_rejects_alike_sets_as_often_as_it_says(n, m, d):
    found = rejections(400, n, m, d)
    share = (found[:, :2] < 0.05).mean(axis=0)
    assert (share >= 0.02).all()
    assert (share <= 0.08).all()
    assert found[:, 2].mean() <= 0.05


def test_separation_is_the_distance_of_two_normals_with_that_area():
    assert np.sqrt(2) * norm.ppf(0.7602499389065233) == pytest.approx(1.0)


def test_a_difference_that_no_line_sees_is_seen_by_the_strongest_classifier(rng):
    x, y = rng.standard_normal((600, 8)), 2 * rng.standard_normal((600, 8))
    found = {one.statistic: one for one in pair_findings(x, y, ClassifierTest()).verdicts}
    assert found["c2st_auc"].value < 0.6
    assert found["c2st_strongest_auc"].value > 0.9
    assert "quadratic" in found["c2st_strongest_auc"].sentence


def test_heads_that_learn_from_part_of_the_rows_score_all_of_them_as_well(rng, monkeypatch):
    x, y = gaussians(rng, 12_000, 9000, 6, 0.5)
    whole = scores_of(x, y)
    assert whole.learnt == (12_000, 9000)
    monkeypatch.setattr(domain, "TRAINING_NUMBERS", 6 * 3000)
    part = scores_of(x, y)
    assert part.learnt == (3000, 3000)
    assert (len(part.reference), len(part.target)) == (12_000, 9000)
    assert part.auc == pytest.approx(whole.auc, abs=0.005)
    assert part.log_loss < whole.log_loss + 6 / (2 * 3000) * 2


def test_what_learning_from_part_of_the_rows_costs_is_said(rng, monkeypatch):
    x, y = gaussians(rng, 2000, 1500, 3, 1.0)
    assert "learnt from" not in pair_findings(x, y, ClassifierTest()).verdicts[0].sentence
    monkeypatch.setattr(domain, "TRAINING_NUMBERS", 3 * 1000)
    sentence = pair_findings(x, y, ClassifierTest()).verdicts[0].sentence
    assert "learnt from the first 1,000 and 1,000 rows, about 0.0015 nats a row from the best" in sentence
