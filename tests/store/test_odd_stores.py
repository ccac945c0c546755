"""Stores as they come from the field: every member of the family gives a right answer or one clear sentence."""

from functools import partial

import numpy as np
import pytest
from conftest import write_store

from gapscope.core.errors import GapscopeError
from gapscope.jobs.fit_incremental import FitIncrementalConfig, run
from gapscope.probes import PROBES

CLASSES, DIM, TRAIN, VAL = ["a", "b", "c"], 8, 900, 300


def blobs(rng, rows):
    y = rng.integers(0, len(CLASSES), rows)
    return (3 * np.eye(len(CLASSES), DIM)[y] + rng.normal(size=(rows, DIM))).astype(np.float32), y


@pytest.fixture(params=list(PROBES))
def fitted(request, tmp_path, rng):
    """A function: change two splits of three classes that lie apart, train, and give the accuracy on val or None."""

    def fit(change):
        sets = {"train": blobs(rng, TRAIN), "val": blobs(rng, VAL)}
        sets |= change(sets, rng)
        for split, (x, y) in sets.items():
            folder = tmp_path / "embeddings" / "toy" / "toy" / split
            write_store(folder, x, y, part_rows=200, split=split, class_names=CLASSES)
        report = run(FitIncrementalConfig(dataset="toy", model=(request.param,), workspace=str(tmp_path)))
        assert all(np.isfinite(result.value) for result in report.results)
        tested = [result for result in report.results if (result.split, result.metric) == ("val", "accuracy")]
        return tested[0].value if tested else None

    return fit


def without_class(sets, _rng):
    x, y = sets["train"]
    return {"train": (x[y != 2], y[y != 2])}


def with_one_class(sets, _rng):
    x, y = sets["train"]
    return {"train": (x, np.ones_like(y))}


def with_nan(sets, _rng, split):
    x, y = sets[split]
    x[5, 2] = np.nan
    return {split: (x, y)}


def first_rows(sets, _rng, split, rows):
    x, y = sets[split]
    return {split: (x[:rows], y[:rows])}


def permuted(sets, rng):
    return {split: (x, rng.permutation(y)) for split, (x, y) in sets.items()}


def test_permuted_labels_score_at_chance(fitted):
    assert fitted(permuted) == pytest.approx(1 / len(CLASSES), abs=0.11)


def test_a_label_that_is_missing_from_train_costs_its_own_rows_only(fitted):
    assert 0.5 < fitted(without_class) < 0.75


def test_one_class_is_always_the_answer(fitted):
    assert fitted(with_one_class) == pytest.approx(1 / len(CLASSES), abs=0.11)


def test_one_training_row_gives_its_class_to_all(fitted):
    assert fitted(partial(first_rows, split="train", rows=1)) == pytest.approx(1 / len(CLASSES), abs=0.11)


def test_an_empty_split_is_said_and_not_measured(fitted):
    assert fitted(partial(first_rows, split="val", rows=0)) is None


def test_no_training_rows_are_refused(fitted):
    with pytest.raises(GapscopeError, match="toy/train has 0 rows"):
        fitted(partial(first_rows, split="train", rows=0))


def test_a_training_row_with_nan_is_refused(fitted):
    with pytest.raises(GapscopeError, match="NaN"):
        fitted(partial(with_nan, split="train"))


def test_a_row_with_nan_elsewhere_is_refused_by_name(fitted):
    with pytest.raises(GapscopeError, match=r"toy/val.*not finite"):
        fitted(partial(with_nan, split="val"))
