"""`repair` of sets at the edge: one class, the same row many times, classes that the model does not know, no shift."""

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from conftest import write_store
from toy_workspace import CLASSES, Blobs, write_sets

import gapscope
from gapscope.core.errors import InputError

ROWS = 400


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    place, blobs = tmp_path_factory.mktemp("edges"), Blobs(np.random.default_rng(5))
    write_sets(place, blobs)
    x, y = blobs(ROWS)
    many, theirs = blobs(CLASSES * 3 * ROWS)
    one = many[theirs == 1][:ROWS]
    dark = np.float32(0.3) * one + np.float32(0.5) * blobs.centres[:3].mean(axis=0).astype(np.float32)
    names = [f"class {index}" for index in range(CLASSES)]
    sets = {
        "one-class": (one, np.ones(len(one), int), names),
        "one-class-dark": (dark, np.ones(len(one), int), names),
        "one-row": (np.repeat(x[:1], ROWS, axis=0), np.repeat(y[:1], ROWS), names),
        "two-rows": (x[:2], y[:2], names),
        "strangers": (x, y, [f"other {index}" for index in range(CLASSES)]),
        "half-known": (x, y, [*names[:-1], "other"]),
    }
    for name, (rows, labels, classes) in sets.items():
        folder = place / "embeddings/toy" / name / "test"
        write_store(folder, rows, labels, part_rows=512, dataset=name, split="test", class_names=classes)
    return place


@pytest.fixture(scope="module")
def model(workspace):
    return gapscope.fit_incremental("toy", model=("lda",), workspace=str(workspace), report=False).run


def repaired(workspace, model, target, **options):
    result = gapscope.repair(model, target=f"{target}/test", workspace=str(workspace), report=False, **options)
    return next(row for row in pq.read_table(Path(result.run) / "repairs.parquet").to_pylist() if row["chosen"])


@pytest.mark.parametrize("target", ["one-class", "one-class-dark", "one-row", "two-rows"])
def test_a_set_of_one_class_or_of_one_row_loses_nothing(workspace, model, target):
    row = repaired(workspace, model, target)
    assert row["target_value"] is None or row["target_value"] >= -0.01


@pytest.mark.parametrize("target", ["one-class", "one-row"])
def test_labels_of_one_class_choose_nothing(workspace, model, target):
    assert repaired(workspace, model, target, label_rows=50, name=f"labels-{target}")["labels"] == 0


@pytest.mark.parametrize("target", ["strangers", "half-known"])
def test_a_set_with_classes_that_the_reference_has_not_is_one_sentence(workspace, model, target):
    with pytest.raises(InputError, match="such as 'other"):
        repaired(workspace, model, target, name=target)
