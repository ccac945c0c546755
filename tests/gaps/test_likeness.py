"""Nothing is said of shared inputs unless every look at the sets allows it."""

import numpy as np
import pytest
from scipy.special import expit
from scipy.stats import binom
from sklearn.metrics import roc_auc_score

from gapscope.gaps.breakdown import break_down
from gapscope.gaps.keys import strangers
from gapscope.gaps.likeness import Weighted, likeness, ranking
from gapscope.gaps.split import Seen
from gapscope.predictions import Predictions
from gapscope.shifts.domain import domain_scores
from gapscope.shifts.looks import looks
from gapscope.store import ArrayStore
from gapscope.stream import connect

CLASSES = 12
NAMES = tuple(f"class {index}" for index in range(CLASSES))


def view(x):
    return ArrayStore(np.asarray(x, np.float32), np.zeros(len(x), int), ["a"]).view()


def account(x, y, label, right, confidence=None):
    """The breakdown of rows ``x, y`` with labels and correctness for each set."""
    with connect(threads=1) as workers:
        scores = domain_scores(view(x), view(y), workers=workers)
    sides = [
        Predictions(
            "model", "set", "test", NAMES, np.arange(len(one)), one, np.where(hit, one, (one + 1) % CLASSES)[:, None]
        )
        for one, hit in zip(label, right, strict=True)
    ]
    seen = Seen((scores.reference, scores.target), looks=looks(view(x), view(y)), confidence=confidence)
    return break_down(*sides, seen=seen, keys=strangers(*(side.sample_id for side in sides)), replicates=50)


def classes_of(rng, rows, dim):
    label = rng.integers(0, CLASSES, rows)
    centres = np.random.default_rng(7).standard_normal((CLASSES, dim))
    return centres[label] + rng.standard_normal((rows, dim)), label


@pytest.mark.parametrize(("rows", "dim"), [(110, 64), (110, 512), (1500, 64)])
def test_sets_that_share_no_input_say_nothing_of_shared_inputs(rng, rows, dim):
    """Each of many features moves by less than it spreads, so that none alone tells the sets apart."""
    (x, one), (y, other) = classes_of(rng, rows, dim), classes_of(rng, rows + 10, dim)
    y += 8 / np.sqrt(dim) * np.random.default_rng(3).choice([-1, 1], dim)
    found = account(x, y, (one, other), (rng.random(rows) < 0.95, rng.random(rows + 10) < 0.4))
    assert found.split.alike.differ
    assert found.largest.name == "novel_x"
    assert np.isnan(found.term("y_given_x").low)
    assert found.term("y_given_x").value == 0


@pytest.mark.parametrize("rows", [110, 1000])
def test_other_labels_for_the_same_inputs_are_still_named(rng, rows):
    (x, one), (y, other) = classes_of(rng, rows, 64), classes_of(rng, rows, 64)
    found = account(x, y, (one, other), (rng.random(rows) < 0.95, rng.random(rows) < 0.4))
    assert found.split.overlap
    assert found.largest.name == "y_given_x"
    assert found.term("y_given_x").low > 0.3


def test_a_spread_that_no_line_sees_is_no_other_label(rng):
    """Noise on all features: means stay, so that a linear classifier finds nothing, and errors become more frequent."""
    (x, one), (y, other) = classes_of(rng, 800, 32), classes_of(rng, 800, 32)
    y += 1.2 * rng.standard_normal(y.shape)
    found = account(x, y, (one, other), (rng.random(800) < 0.95, rng.random(800) < 0.6))
    assert found.split.alike.differ


def test_harder_inputs_that_the_model_is_less_sure_of_are_x_shift(rng):
    """Of rows that the classifiers hardly tell apart, the model's confidence says which are hard."""
    (x, one), (y, other) = classes_of(rng, 1000, 32), classes_of(rng, 1000, 32)
    sure = rng.uniform(0.5, 1, 1000), rng.uniform(0.2, 0.9, 1000)
    right = tuple(rng.random(1000) < p for p in sure)
    found = account(x, y, (one, other), right, sure)
    low, high = found.term("y_given_x").low, found.term("y_given_x").high
    assert low <= 0 <= high
    assert found.largest.name == "x_shift"


def test_a_few_rows_that_may_differ_are_said_to_be_too_few(rng):
    n = 40
    sides = [
        Weighted(np.ones(n), np.full(n, 0.5), rng.standard_normal((n, 1)) + shift, np.ones(n)) for shift in (0, 0.35)
    ]
    found = likeness(*sides, (0.0, 0.0))
    assert found.refused.startswith("40 and 40 rows are too few to see")
    assert not found.differ


def test_a_ranking_is_the_area_under_the_curve_with_weights(rng):
    one, other = np.round(rng.standard_normal(300), 1), np.round(rng.standard_normal(200) + 0.5, 1)
    weights = rng.uniform(0.1, 2, 300), rng.uniform(0.1, 2, 200)
    found = ranking(one, other, *weights)
    truth = np.repeat([0, 1], [300, 200])
    assert found.auc == pytest.approx(
        roc_auc_score(truth, np.concatenate([one, other]), sample_weight=np.concatenate(weights)), abs=1e-12
    )
    assert ranking(one, one, weights[0], weights[0]).auc == pytest.approx(0.5)
    assert ranking(one, one + 10, weights[0], weights[0]).common == pytest.approx(0)


def test_looks_at_two_samples_of_one_population_tell_nothing():
    areas = []
    for seed in range(12):
        rng = np.random.default_rng(seed)
        x, y = rng.standard_normal((150, 40)), rng.standard_normal((120, 40))
        found = looks(view(x), view(y), confidence=lambda rows: expit(rows[:, :3]))
        areas.append([ranking(one.reference, one.target, np.ones(150), np.ones(120)).auc for one in found.each])
    assert np.abs(np.mean(areas, axis=0) - 0.5).max() < 0.04
    assert found.rows == (150, 120)
    assert [one.name for one in found.each] == [
        "linear", "linear, weakly shrunk", "quadratic", "neighbours", "confidence"
    ]  # fmt: skip


def test_two_samples_of_one_population_are_hardly_ever_known_to_differ():
    """Of 200 pairs 7 lie beyond 2.8 standard errors of scores that one had from another sample."""
    runs, known = 200, 0
    for run in range(runs):
        x = np.random.default_rng([run, 100, 10]).standard_normal((200, 10))
        seen = looks(view(x[:100]), view(x[100:]), seed=run)
        scores = [np.stack([getattr(one, side) for one in seen.each], axis=1) for side in ("reference", "target")]
        sides = [
            Weighted(np.ones(100), np.full(100, 0.5), score, near.astype(float))
            for score, near in zip(scores, (seen.recalled, seen.held), strict=True)
        ]
        known += likeness(*sides, (0.0, 0.0)).differ
    assert known <= binom.isf(0.01, runs, 0.005)


def test_a_look_reaches_what_bayes_does(rng):
    x, y = rng.standard_normal((2000, 4)), rng.standard_normal((2000, 4))
    y[:, 0] += 1
    found = {one.name: one for one in looks(view(x), view(y)).each}
    area = ranking(found["linear"].reference, found["linear"].target, np.ones(2000), np.ones(2000)).auc
    assert area == pytest.approx(0.76025, abs=0.02)
