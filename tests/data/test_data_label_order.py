"""The trap of folders sorted as texts is recognised by its signature, and by nothing else."""

import numpy as np
import pytest

from gapscope.data.label_order import check_class_names, check_label_order, text_order


def confusion(true, predicted, classes):
    counts = np.zeros((classes, classes), np.int64)
    np.add.at(counts, (true, predicted), 1)
    return counts


def predictions(rng, classes, accuracy, rows=20_000):
    """True classes, and a model's predictions that are right with probability `accuracy`."""
    true = rng.integers(0, classes, rows)
    return true, np.where(rng.random(rows) < accuracy, true, rng.integers(0, classes, rows))


def ranks_as_texts(classes):
    """The label that a folder of each number gets when folders are sorted as texts, as a folder lister does it."""
    folders = sorted(str(number) for number in range(classes))
    return np.array([folders.index(str(number)) for number in range(classes)])


@pytest.mark.parametrize("classes", [11, 37, 100, 1000])
@pytest.mark.parametrize("side", ["labels", "predictions"])
def test_the_trap_is_found_on_either_side_and_mended(rng, classes, side):
    true, predicted = predictions(rng, classes, 0.7)
    right = float((true == predicted).mean())
    if side == "labels":
        true = ranks_as_texts(classes)[true]
    else:
        predicted = ranks_as_texts(classes)[predicted]
    finding = check_label_order(confusion(true, predicted, classes))
    assert finding is not None
    assert finding.mislabelled == side
    assert finding.mended_accuracy == pytest.approx(right)
    assert finding.accuracy == pytest.approx(float((true == predicted).mean()))
    assert "sorted as texts" in finding.sentence


@pytest.mark.parametrize("accuracy", [0.0, 0.02, 0.3, 0.9])
def test_a_model_that_is_merely_good_or_bad_is_left_alone(rng, accuracy):
    assert check_label_order(confusion(*predictions(rng, 1000, accuracy), 1000)) is None


def test_another_wrong_order_is_not_taken_for_this_one(rng):
    true, predicted = predictions(rng, 1000, 0.9)
    assert check_label_order(confusion(rng.permutation(1000)[true], predicted, 1000)) is None


def test_ten_classes_have_one_order():
    assert text_order(10).tolist() == list(range(10))
    assert check_label_order(np.eye(10, k=1, dtype=np.int64)) is None


def test_no_rows_and_unequal_sides_are_no_finding():
    assert check_label_order(np.zeros((5, 5), np.int64)) is None
    assert check_label_order(np.ones((5, 6), np.int64)) is None


@pytest.mark.parametrize(
    ("names", "trapped"),
    [(["0", "1", "10", "2"], True), (["0", "1", "2", "10"], False), (["0", "1", "2"], False), (["a", "b"], False)],
)
def test_class_names_sorted_as_texts_are_named(names, trapped):
    assert (check_class_names(names) is not None) == trapped
