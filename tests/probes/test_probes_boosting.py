"""Gradient boosting: continued, paged to disk and saved, it is the same booster."""

import subprocess
import sys

import numpy as np
import pytest
import xgboost
from sklearn.metrics import log_loss

from gapscope.core.checkpoint import NO_CHECKPOINT, FolderCheckpoint
from gapscope.core.errors import BudgetError, InputError
from gapscope.core.location import Location
from gapscope.probes import boosting
from gapscope.probes.boosting import fit
from gapscope.probes.options import ProbeOptions
from gapscope.probes.rules.boosted import Boosted
from gapscope.probes.rules.linear import NEVER
from gapscope.store import ArrayStore
from gapscope.stream import connect


def problem(rng, n=1200, dim=10, classes=3, spread=2.0):
    centres = rng.normal(size=(classes, dim))
    y = rng.integers(0, classes, n).astype(np.int32)
    return (centres[y] + rng.normal(size=(n, dim)) * spread).astype(np.float32), y


def boosted(x, y, classes=3, held=200, checkpoint=NO_CHECKPOINT, **options):
    store = ArrayStore(x, y, [f"class {index}" for index in range(classes)])
    kept = store.rows - held
    with connect(threads=2) as workers:
        return fit(store.view(0, kept), store.view(kept), ProbeOptions(**options), workers, checkpoint=checkpoint)


class Counting(FolderCheckpoint):
    """A checkpoint that is always due and dies when it has saved the rounds for the `deaths`-th time."""

    deaths = 0

    def save(self, stage, arrays, about):
        super().save(stage, arrays, about)
        self.deaths -= stage == boosting.STAGE
        if not self.deaths:
            raise KeyboardInterrupt


@pytest.mark.parametrize("classes", [2, 3])
def test_killed_behind_a_leg_it_ends_in_the_same_booster_bit_for_bit(rng, tmp_path, classes):
    x, y = problem(rng, classes=classes, dim=200)  # more features than a tree may use, so that some are drawn
    whole = boosted(x, y, classes, trees=20)
    checkpoint = Counting(Location(str(tmp_path)), seconds=0)
    for deaths in (1, 1, -1):
        checkpoint.deaths = deaths
        try:
            again = boosted(x, y, classes, trees=20, checkpoint=checkpoint)
        except KeyboardInterrupt:
            assert deaths == 1
    np.testing.assert_array_equal(again.rule.model, whole.rule.model)
    assert again.details["settings"] == whole.details["settings"]


def test_bins_on_disk_give_the_same_model_as_bins_in_memory(rng, monkeypatch):
    x, y = problem(rng)
    inside = boosted(x, y, trees=15)
    monkeypatch.setattr(boosting, "external", lambda _view, _options: True)
    monkeypatch.setattr(boosting, "PAGE_ROWS", 300)
    outside = boosted(x, y, trees=15)
    assert outside.details["external_memory"]
    assert (outside.predict(x) == inside.predict(x)).mean() > 0.97
    assert outside.details["settings"][-1]["log_loss"] == pytest.approx(
        inside.details["settings"][-1]["log_loss"], rel=0.05
    )


def test_the_number_of_rounds_is_the_best_on_the_held_out_rows(rng):
    x, y = problem(rng, spread=4.0)
    model = boosted(x, y, trees=200)
    losses = [row["log_loss"] for row in model.details["settings"]]
    assert model.details["rounds"] == int(np.argmin(losses)) + 1 < len(losses) < 200
    margins = model.scores(x[-200:]).astype(np.float64)
    shares = np.exp(margins) / np.exp(margins).sum(axis=1, keepdims=True)
    assert log_loss(y[-200:], shares) == pytest.approx(min(losses), rel=1e-5)


@pytest.mark.parametrize("classes", [2, 3])
def test_scores_are_the_margins_of_the_booster_that_is_saved(rng, classes):
    x, y = problem(rng, classes=classes)
    model = boosted(x, y, classes, trees=10)
    booster = xgboost.Booster(model_file=bytearray(model.rule.model.tobytes()))
    shares = booster.predict(xgboost.DMatrix(x)).reshape(len(x), -1)
    expected = shares if classes > 2 else np.hstack([1 - shares, shares])
    scores = model.scores(x)
    found = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_a_class_without_rows_scores_never_and_the_others_keep_their_places(rng):
    x, y = problem(rng, classes=3)
    renamed = np.array([0, 2, 4], np.int32)[y]
    one, other = boosted(x, y, trees=10), boosted(x, renamed, 5, trees=10)
    np.testing.assert_array_equal(other.scores(x)[:, [0, 2, 4]], one.scores(x))
    assert (other.scores(x)[:, [1, 3]] == NEVER).all()


def test_balanced_weights_help_the_rare_class(rng):
    x, y = problem(rng, n=3000, classes=2)
    keep = (y == 0) | (rng.random(3000) < 0.1)
    x, y = x[keep], y[keep]
    plain, balanced = boosted(x, y, 2, trees=20), boosted(x, y, 2, trees=20, class_weight="balanced")
    assert (balanced.predict(x) == 1).mean() > (plain.predict(x) == 1).mean()


def test_what_would_not_fit_is_refused_with_a_way_out(rng):
    x, y = problem(rng)
    with pytest.raises(BudgetError, match=r"boosting 3 classes on 1,000 rows needs about .*forest.*--memory"):
        boosted(x, y, memory_bytes=1000)


def test_no_rounds_at_all_are_refused(rng):
    with pytest.raises(InputError, match="at least one round"):
        boosted(*problem(rng), trees=0)


def test_restored_it_scores_the_same(rng):
    x, y = problem(rng)
    rule = boosted(x, y, trees=5).rule
    again = Boosted.restore(rule.tensors(), rule.settings())
    np.testing.assert_array_equal(again.scores(x), rule.scores(x))


def test_without_xgboost_one_sentence_says_how_to_get_it():
    script = """
import sys
sys.modules["xgboost"] = None
from gapscope.core.errors import InputError
from gapscope.probes import PROBES
try:
    PROBES["boosting"]
except InputError as error:
    print(error)
"""
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert 'pip install "gapscope[boosting]"' in found.stdout
