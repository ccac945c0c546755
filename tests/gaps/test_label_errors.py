"""Wrong labels are named only where half of those named are wrong; errors of a model are not taken for them."""

import numpy as np
import pytest

from gapscope.gaps.label_errors import FOLDS, label_errors, second_opinion
from gapscope.store import ArrayStore
from gapscope.stream import connect

CLASSES, DIM = 10, 32


def shifted_set(rng, n, shift):
    """Rows of ten classes behind a shift, and the answers of a model that knows the classes without it."""
    centres = 0.55 * rng.standard_normal((CLASSES, DIM))
    y = rng.integers(0, CLASSES, n)
    change = np.eye(DIM) + 0.25 * shift * rng.standard_normal((DIM, DIM))
    x = (centres[y] + rng.standard_normal((n, DIM))) @ change + shift * rng.standard_normal(DIM)
    predicted = (x @ centres.T - 0.5 * (centres**2).sum(axis=1)).argmax(axis=1)
    return x.astype(np.float32), y, predicted


def planted(rng, y, share):
    """Labels of which a share is that of another class, and which they are."""
    wrong = rng.random(len(y)) < share
    return np.where(wrong, (y + rng.integers(1, CLASSES, len(y))) % CLASSES, y), wrong


def found(x, label, predicted):
    view = ArrayStore(x, label, [str(i) for i in range(CLASSES)], "toy/test").view()
    with connect(threads=1) as workers:
        return label_errors(label, predicted, second_opinion(view, workers), CLASSES)


@pytest.mark.parametrize("share", [0.02, 0.05, 0.1])
@pytest.mark.parametrize("shift", [0, 0.5, 1])
def test_of_planted_label_errors_those_named_are_mostly_wrong(share, shift, rng):
    named = right = planted_errors = 0
    for _ in range(3):
        x, y, predicted = shifted_set(rng, 3000, shift)
        label, wrong = planted(rng, y, share)
        result = found(x, label, predicted)
        named, right = named + result.named.sum(), right + (result.named & wrong).sum()
        planted_errors += wrong.sum()
    assert right >= named / 2
    if shift == 0:
        assert right > planted_errors / 4


@pytest.mark.parametrize("shift", [0, 0.5, 1, 2])
def test_under_a_pure_shift_hardly_any_label_is_named(shift, rng):
    for _ in range(3):
        x, y, predicted = shifted_set(rng, 2000, shift)
        result = found(x, y, predicted)
        assert result.named.mean() <= 0.02
        assert result.reason or result.named.any()


def test_where_nothing_can_be_known_it_is_said(rng):
    x, y, predicted = shifted_set(rng, 60, 0)
    assert "too few to know" in found(x, y, predicted).reason
    assert "fewer than three classes" in label_errors(y % 2, predicted % 2, None, 2).reason


def test_the_second_opinion_has_not_seen_the_labels_that_it_judges(rng):
    x, y, _ = shifted_set(rng, 900, 0)
    names = [str(i) for i in range(CLASSES)]
    with connect(threads=1) as workers:
        first = second_opinion(ArrayStore(x, y, names, "toy/test").view(), workers)
        own = np.arange(900) % FOLDS == 1
        changed = np.where(own, (y + 1) % CLASSES, y)
        second = second_opinion(ArrayStore(x, changed, names, "toy/test").view(), workers)
    assert (first["best"][own] == second["best"][own]).mean() > 0.9  # the ridge alone goes by all labels
