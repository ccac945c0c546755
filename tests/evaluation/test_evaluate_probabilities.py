"""Calibration, ranking, selection and agreement equal independent definitions and do not depend on the partitioning."""

from functools import reduce
from itertools import pairwise

import numpy as np
import pytest
from scipy.special import log_softmax
from sklearn import metrics as reference

from gapscope.core.chunk import Chunk
from gapscope.evaluation import METRICS
from gapscope.evaluation.agreement import cohen_kappa, mcc
from gapscope.evaluation.calibration import adaptive_ece, brier, classwise_ece, ece, reliability
from gapscope.evaluation.predict import outcomes_of, predictions
from gapscope.evaluation.ranking import auroc, average_precision
from gapscope.evaluation.selective import accuracy_at, augrc, aurc, coverage_at
from gapscope.evaluation.tabled import counted, intervals, ranking_errors, selected
from gapscope.predictions import Predictions
from gapscope.predictions.scores import answers_of
from gapscope.summaries.calibration import Calibration, bin_of, fine_bin_of
from gapscope.summaries.outcomes import Outcomes
from gapscope.summaries.scores import ClassScores, rank_bin_of

CLASSES, ROWS = 6, 1200


class Scores:
    """A model whose embeddings are its scores."""

    probabilistic = True
    temperature = 1.0

    def scores(self, x):
        return x


@pytest.fixture
def chunk(rng):
    label = rng.integers(0, CLASSES, ROWS).astype(np.int32)
    scores = (2 * rng.standard_normal((ROWS, CLASSES))).astype(np.float32)
    scores[np.arange(ROWS), label] += 1.5
    return Chunk(rng.permutation(ROWS), scores, label)


def table(chunk, *, scored=True):
    names = tuple(f"class {index}" for index in range(CLASSES))
    answers = answers_of(chunk.x, chunk.y)
    return Predictions("net", "toy", "test", names, chunk.sample_id, chunk.y, *answers, chunk.x if scored else None)


def outcomes(chunk):
    return outcomes_of(predictions(Scores(), chunk), CLASSES)


def probabilities(chunk):
    return np.exp(log_softmax(chunk.x.astype(np.float64), axis=1))


def binned_error(bins, confidence, right):
    groups = [(confidence[bins == one], right[bins == one]) for one in np.unique(bins)]
    return sum(abs(sure.sum() - hits.sum()) for sure, hits in groups) / len(right)


def test_the_calibration_error_is_that_of_fifteen_right_closed_bins(chunk):
    p = probabilities(chunk).astype(np.float32).astype(float)
    sure, right = p.max(axis=1), p.argmax(axis=1) == chunk.y
    assert ece(outcomes(chunk).calibration) == pytest.approx(binned_error(np.ceil(sure * 15), sure, right), rel=1e-6)


def test_bins_are_closed_on_the_right():
    edges = np.arange(1, 16) / 15
    assert bin_of(edges).tolist() == list(range(15))
    assert bin_of(np.nextafter(edges[:-1], 1)).tolist() == list(range(1, 15))
    assert bin_of(np.array([0.0])).tolist() == [0]


def test_the_adaptive_error_is_that_of_fifteen_equal_groups():
    odds = np.linspace(-3, 8, 150)  # each in a fine bin of its own
    sure = (1 / (1 + np.exp(-odds))).astype(np.float32).astype(float)
    right = np.arange(150) % 7 < 4
    found = adaptive_ece(Calibration.of(sure, right))
    assert found == pytest.approx(binned_error(np.arange(150) // 10, sure, right), rel=1e-9)


def test_the_classwise_error_is_the_mean_of_the_errors_of_each_class(chunk):
    p = probabilities(chunk)
    each = [binned_error(np.ceil(p[:, c] * 15), p[:, c], chunk.y == c) for c in range(CLASSES)]
    assert classwise_ece(outcomes(chunk).scores) == pytest.approx(np.mean(each), rel=1e-9)


@pytest.mark.parametrize("classes", [2, CLASSES])
def test_brier_score_equals_scikit_learns(classes, chunk):
    x, y = chunk.x[:, :classes], chunk.y % classes
    p = log_softmax(x.astype(np.float64), axis=1)
    likely = np.exp(p)
    expected = reference.brier_score_loss(y, likely if classes > 2 else likely[:, 1], labels=range(classes))
    assert brier(ClassScores.of(p, y)) == pytest.approx(expected, rel=1e-10)


def test_reliability_bars_add_up_to_all_rows(chunk):
    bars = reliability(outcomes(chunk).calibration)
    assert sum(bar.n for bar in bars) == ROWS
    assert sum(bar.n * bar.accuracy for bar in bars) == pytest.approx(outcomes(chunk).right)
    assert all(bar.low < bar.confidence <= bar.high + 1e-6 for bar in bars)


def test_auroc_lies_within_its_bound_of_scikit_learns(chunk):
    found = auroc(outcomes(chunk).scores)
    p = probabilities(chunk)
    for c in range(CLASSES):
        assert abs(found.value[c] - reference.roc_auc_score(chunk.y == c, p[:, c])) <= found.error[c] + 1e-12
    expected = reference.roc_auc_score(chunk.y, p, multi_class="ovr", average="macro")
    assert found.macro() == pytest.approx(expected, abs=min(found.macro_error(), 1e-3))
    assert found.macro_error() < 0.01


@pytest.mark.parametrize("decimals", [1, 12])
def test_average_precision_lies_within_its_bound_of_scikit_learns(decimals, chunk):
    p = np.round(probabilities(chunk), decimals) + 1e-9
    found = average_precision(ClassScores.of(np.log(p), chunk.y))
    for c in range(CLASSES):
        assert abs(found.value[c] - reference.average_precision_score(chunk.y == c, p[:, c])) <= found.error[c] + 1e-12


def test_ranking_is_exact_where_every_score_has_a_bin_of_its_own():
    p = np.exp2(-np.arange(1, 39.0))
    label = (np.arange(38) % 3 == 0).astype(int)
    found = ClassScores.of(np.log(np.column_stack([1 - p, p])), label)
    assert auroc(found).value[1] == pytest.approx(reference.roc_auc_score(label, p), abs=1e-12)
    assert average_precision(found).value[1] == pytest.approx(reference.average_precision_score(label, p), abs=1e-12)
    assert max(auroc(found).error[1], average_precision(found).error[1]) < 1e-12


def test_many_classes_are_ranked_by_coarser_histograms_whose_bound_holds(rng):
    classes, rows = 100, 6000
    scores = rng.normal(size=(rows, classes)) * 2
    label = rng.integers(classes, size=rows)
    scores[np.arange(rows), label] += 3
    logs = log_softmax(scores, axis=1)
    found = ClassScores.of(logs[:2500], label[:2500]).merge(ClassScores.of(logs[2500:], label[2500:]))
    assert found.positive.shape == (classes, 158)
    area, precision, p = auroc(found), average_precision(found), np.exp(logs)
    for c in range(0, classes, 7):
        assert abs(area.value[c] - reference.roc_auc_score(label == c, p[:, c])) <= area.error[c] + 1e-12
        expected = reference.average_precision_score(label == c, p[:, c])
        assert abs(precision.value[c] - expected) <= precision.error[c] + 1e-12
    assert area.macro_error() < 0.02


def test_classes_without_rows_have_no_ranking(chunk):
    found = ClassScores.of(log_softmax(chunk.x.astype(float), axis=1), np.zeros(ROWS, int))
    assert np.isnan(auroc(found).value).all()
    assert np.isnan(auroc(found).macro())
    assert np.isnan(average_precision(found).value).all()


def test_bins_ascend_with_the_score():
    p = np.linspace(0, 1, 100_001)
    assert (np.diff(rank_bin_of(p)) >= 0).all()
    assert (rank_bin_of(np.array([0.0, 1.0])) == [0, 1249]).all()
    assert (np.diff(fine_bin_of(p)) >= 0).all()


def curve(sure, right):
    """Errors among the i surest rows."""
    return np.cumsum(~right[np.argsort(-sure, kind="stable")])


@pytest.fixture
def ranked(rng):
    sure = (1 / (1 + np.exp(-rng.permutation(np.linspace(-3, 8, 400))))).astype(np.float32).astype(float)
    right = rng.random(400) < sure
    return sure, right, Calibration.of(sure, right)


def test_areas_under_the_risk_curves_equal_their_definitions(ranked):
    sure, right, found = ranked
    errors, kept = curve(sure, right), np.arange(1, 401)
    assert aurc(found) == pytest.approx((errors / kept).mean(), rel=1e-12)
    accuracy, area = right.mean(), reference.roc_auc_score(right, sure)
    expected = (1 - area) * accuracy * (1 - accuracy) + (1 - accuracy) ** 2 / 2
    assert augrc(found) == pytest.approx(expected, rel=1e-12)


def test_selection_equals_what_a_sorted_list_says(ranked):
    sure, right, found = ranked
    errors, kept = curve(sure, right), np.arange(1, 401)
    assert accuracy_at(found, 0.8) == pytest.approx(1 - errors[319] / 320, rel=1e-12)
    assert coverage_at(found, 0.05) == pytest.approx(kept[errors <= 0.05 * kept].max(initial=0) / 400)
    assert accuracy_at(found, 1.0) == pytest.approx(right.mean())


def test_equally_sure_rows_are_taken_in_random_order(rng):
    right = rng.random(60) < 0.7
    found = Calibration.of(np.full(60, 0.5), right)
    shuffled = [(curve(np.zeros(60), rng.permutation(right)) / np.arange(1, 61)).mean() for _ in range(2000)]
    assert aurc(found) == pytest.approx(np.mean(shuffled), abs=0.01)
    assert aurc(found) == pytest.approx(1 - right.mean())


@pytest.mark.parametrize("classes", [2, 5, 40])
def test_agreement_equals_scikit_learns(classes, rng):
    label, given = rng.integers(0, classes, 300), rng.integers(0, classes, 300)
    given[:150] = label[:150]
    confusion = reference.confusion_matrix(label, given, labels=range(classes))
    assert mcc(confusion) == pytest.approx(reference.matthews_corrcoef(label, given), abs=1e-12)
    assert cohen_kappa(confusion) == pytest.approx(reference.cohen_kappa_score(label, given), abs=1e-12)


def test_agreement_of_a_single_class_is_said_without_a_warning():
    assert mcc(np.array([[5, 0], [0, 0]])) == 0
    assert np.isnan(cohen_kappa(np.array([[5, 0], [0, 0]])))


def test_no_metric_depends_on_the_partitioning(chunk, rng):
    cuts = [0, *sorted(rng.choice(ROWS - 1, 96, replace=False) + 1), ROWS]
    parts = [outcomes(chunk.rows(low, high)) for low, high in pairwise(cuts)]
    whole = outcomes(chunk)
    for order in (parts, parts[::-1]):
        merged = reduce(Outcomes.merge, order, Outcomes.none(CLASSES))
        for name, metric in METRICS.items():
            assert metric(merged) == pytest.approx(metric(whole), rel=1e-10), name


def test_a_file_of_scores_gives_what_the_model_at_hand_gives(chunk):
    mine, theirs = outcomes(chunk), counted(table(chunk))
    for name, metric in METRICS.items():
        assert metric(theirs) == pytest.approx(metric(mine), rel=1e-6), name
    assert ranking_errors(theirs) == pytest.approx(ranking_errors(mine))


def test_what_is_not_there_is_left_out(chunk):
    answers = counted(table(chunk, scored=False))
    assert np.isnan([METRICS[name](answers) for name in ("brier", "classwise_ece", "macro_auroc")]).all()
    assert not np.isnan(METRICS["ece"](answers))
    assert ranking_errors(answers) == {}
    bare = Outcomes.of(chunk.y, chunk.x.argmax(axis=1)[:, None], None, CLASSES)
    assert np.isnan([METRICS[name](bare) for name in ("ece", "aurc", "log_loss")]).all()
    assert selected(bare) == {}


def test_rows_without_labels_count_nowhere(chunk):
    hidden = chunk._replace(y=np.where(np.arange(ROWS) < 200, -1, chunk.y).astype(np.int32))
    mine, theirs = outcomes(hidden), outcomes(chunk.rows(200, ROWS))
    for name, metric in METRICS.items():
        assert metric(mine) == pytest.approx(metric(theirs), rel=1e-10), name


def test_a_weight_counts_a_row_that_many_times(chunk, rng):
    found, weight = table(chunk, scored=False), rng.integers(0, 4, ROWS)
    repeated = counted(found.rows(np.repeat(np.arange(ROWS), weight)))
    weighted = counted(found, weight.astype(float))
    for name, metric in METRICS.items():
        assert metric(weighted) == pytest.approx(metric(repeated), rel=1e-10, nan_ok=True), name


def test_intervals_are_the_same_to_the_bit_in_any_order_of_rows(chunk, rng):
    found = table(chunk, scored=False)
    shuffled = found.rows(rng.permutation(ROWS))
    assert intervals(found, replicates=20) == intervals(shuffled, replicates=20)
    assert intervals(found, replicates=20) != intervals(found, replicates=20, seed=1)


def test_intervals_hold_the_metric(chunk):
    found = table(chunk)
    counts = counted(found)
    for name, (low, high) in intervals(found, replicates=100).items():
        assert low < METRICS[name](counts) < high, name


def test_a_resampled_interval_of_the_loss_is_that_of_the_normal_law(chunk):
    found = table(chunk)
    low, high = intervals(found, replicates=400)["log_loss"]
    loss = -found.log_likelihood.astype(float)
    assert (high - low) / 2 == pytest.approx(1.96 * loss.std() / np.sqrt(ROWS), rel=0.15)
