"""Metrics equal scikit-learn's, are unchanged by partitioning, and classes are matched by name."""

from functools import reduce
from itertools import pairwise

import numpy as np
import pytest
from scipy.stats import binomtest
from sklearn import metrics as reference

from gapscope.core.chunk import Chunk
from gapscope.core.errors import InputError
from gapscope.core.ranking import best_classes
from gapscope.evaluation import METRICS, align_classes, measure
from gapscope.evaluation.predict import outcomes_of, predictions
from gapscope.inference.interval import clopper_pearson
from gapscope.summaries.outcomes import Outcomes

CLASSES = 12
EXPECTED = {
    "accuracy": reference.accuracy_score,
    "balanced_accuracy": lambda y, p: reference.recall_score(y, p, labels=np.unique(y), average="macro"),
    **{
        f"{average}_{name}": lambda y, p, score=score, average=average: score(y, p, average=average, zero_division=0)
        for average in ("macro", "weighted")
        for name, score in (
            ("precision", reference.precision_score),
            ("recall", reference.recall_score),
            ("f1", reference.f1_score),
        )
    },
}


class Scores:
    """A model whose embeddings are its scores."""

    probabilistic = True
    temperature = 1.0

    def scores(self, x):
        return x


@pytest.fixture
def chunk(rng):
    label = rng.integers(0, CLASSES - 1, 500).astype(np.int32)
    scores = rng.standard_normal((500, CLASSES)).astype(np.float32)
    scores[np.arange(500), label] += 1
    scores[:, 3] = -9  # never predicted
    return Chunk(np.arange(500), scores, label)


def outcomes(chunk):
    return outcomes_of(predictions(Scores(), chunk), CLASSES)


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_metrics_equal_scikit_learns(name, chunk):
    predicted = chunk.x.argmax(axis=1)
    assert METRICS[name](outcomes(chunk)) == pytest.approx(EXPECTED[name](chunk.y, predicted), abs=1e-12)


def test_top5_accuracy_and_log_loss_equal_scikit_learns(chunk):
    likelihood = np.exp(chunk.x.astype(np.float64))
    likelihood /= likelihood.sum(axis=1, keepdims=True)
    top5 = reference.top_k_accuracy_score(chunk.y, likelihood, k=5, labels=range(CLASSES))
    lost = reference.log_loss(chunk.y, likelihood, labels=range(CLASSES))
    assert METRICS["top5_accuracy"](outcomes(chunk)) == pytest.approx(top5)
    assert METRICS["log_loss"](outcomes(chunk)) == pytest.approx(lost, rel=1e-6)


def test_per_class_rows_equal_scikit_learns_report(chunk):
    names = [f"class {index}" for index in range(CLASSES)]
    report = reference.classification_report(
        chunk.y, chunk.x.argmax(axis=1), labels=range(CLASSES), target_names=names, output_dict=True, zero_division=0
    )
    rows = [row for row in measure(outcomes(chunk), "toy", "test", "scores", names) if row.class_name]
    assert {row.class_name for row in rows} == set(names)
    for row in rows:
        assert row.value == pytest.approx(report[row.class_name][row.metric.replace("f1", "f1-score")])


def test_outcomes_do_not_depend_on_the_partitioning(chunk, rng):
    cuts = [0, *sorted(rng.choice(499, 96, replace=False) + 1), 500]
    parts = [outcomes(chunk.rows(low, high)) for low, high in pairwise(cuts)]
    whole = outcomes(chunk)
    for order in (parts, parts[::-1]):
        merged = reduce(Outcomes.merge, order)
        assert (merged.confusion == whole.confusion).all()
        assert merged.in_top == whole.in_top
        assert merged.log_loss == pytest.approx(whole.log_loss, rel=1e-10)


def test_rows_without_a_label_count_nowhere_but_are_counted(chunk):
    hidden = chunk._replace(y=np.where(np.arange(500) < 100, -1, chunk.y).astype(np.int32))
    found = outcomes(hidden)
    assert (found.n, found.unlabelled) == (400, 100)
    assert found.right == outcomes(chunk.rows(100, 500)).right


def test_a_set_without_any_label_is_refused(chunk):
    with pytest.raises(InputError, match="no labelled row"):
        measure(outcomes(chunk._replace(y=np.full(500, -1, np.int32))), "toy", "test", "scores", [])


@pytest.mark.parametrize(("right", "n"), [(0, 7), (7, 7), (3, 7), (9012, 10000), (0, 0)])
def test_clopper_pearson_equals_scipy(right, n):
    expected = tuple(binomtest(right, n).proportion_ci(0.95, "exact")) if n else (0.0, 1.0)
    assert clopper_pearson(right, n) == pytest.approx(expected, abs=1e-10)


def test_the_best_classes_come_first_and_equals_by_index():
    scores = np.array([[0.0, 3, 1, 2, 5, 4], [1, 1, 1, 1, 1, 1]])
    assert best_classes(scores).tolist() == [[4, 5, 1, 3, 2], [0, 1, 2, 3, 4]]


def test_classes_in_another_order_are_matched_by_name():
    index, note = align_classes(["cat", "dog", "emu"], ["emu", "cat"], "zoo/test")
    assert index.tolist() == [2, 0]
    assert "by name" in note


def test_equal_classes_need_nothing():
    index, note = align_classes(["cat", "dog"], ["cat", "dog"], "zoo/test")
    assert (index.tolist(), note) == ([0, 1], "")


def test_classes_that_the_model_does_not_know_are_refused_by_name():
    with pytest.raises(InputError, match="'yak'"):
        align_classes(["cat", "dog"], ["cat", "yak"], "zoo/test")


@pytest.mark.parametrize("classes", [2, 5, 30])
def test_the_best_classes_are_those_of_a_full_sort(classes, rng):
    scores = rng.standard_normal((50, classes))
    assert np.array_equal(best_classes(scores), np.argsort(-scores, axis=1)[:, :5])


@pytest.mark.parametrize("classes", [8, 40])
def test_among_equal_scores_the_first_classes_are_best_also_at_the_last_place(classes, rng):
    for levels in (1, 2, 4):
        scores = rng.integers(0, levels, (60, classes)).astype(np.float32)
        assert np.array_equal(best_classes(scores), np.argsort(-scores, axis=1, kind="stable")[:, :5])
    assert best_classes(np.full((1, classes), -1e30), 3).tolist() == [[0, 1, 2]]


@pytest.mark.parametrize("metric", ["precision", "recall", "f1"])
def test_macro_averages_leave_out_classes_that_neither_labels_nor_predictions_have(metric):
    label, predicted = np.array([0, 0, 1, 1, 3]), np.array([0, 1, 1, 1, 0])
    score = getattr(reference, f"{metric}_score")(label, predicted, average="macro", zero_division=0)
    few = Outcomes.of(label, predicted[:, None], None, 4)
    many = Outcomes.of(label, predicted[:, None], None, 50)  # 46 classes that nothing is known of
    assert METRICS[f"macro_{metric}"](few) == pytest.approx(score)
    assert METRICS[f"macro_{metric}"](many) == pytest.approx(score)


def test_a_label_of_a_class_without_training_rows_counts_as_the_least_probability_of_scikit_learn():
    scores = np.array([[2.0, 0, -1e30], [0, 1, -1e30], [3, 0, -1e30]], np.float32)
    label = np.array([0, 1, 2])
    chunk = Chunk(np.arange(3), scores, label.astype(np.int32))
    found = outcomes_of(predictions(Scores(), chunk), 3)
    p = np.exp(scores.astype(np.float64))
    wanted = reference.log_loss(label, p / p.sum(axis=1, keepdims=True), labels=[0, 1, 2])
    assert found.log_loss / 3 == pytest.approx(wanted, rel=1e-6)
    assert found.log_loss < 40
