"""Images that stand in a test set several times count once, where a network predicts from images as elsewhere."""

import shutil

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from gapscope import evaluate, gap, predict, train_cnn
from gapscope.cnn.images import open_images
from gapscope.core.hashing import digest_bytes
from gapscope.data.catalogue import open_dataset
from gapscope.networks.frame import Frame

ROWS, TIMES = 24, 3
SAID = f"val: {ROWS * TIMES} rows are {ROWS} distinct images"


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A network and the folder of its images, of whose splits `copied` has each image of `test` under three names."""
    folder, rng = tmp_path_factory.mktemp("images") / "pets", np.random.default_rng(0)
    for split, count in (("train", 40), ("test", ROWS)):
        for number in range(count):
            place = folder / split / ("cat", "dog")[number % 2] / f"{number}.png"
            place.parent.mkdir(parents=True, exist_ok=True)
            low = 6 * (number % 2)
            Image.fromarray(rng.integers(low, low + 200, (16, 16, 3), np.uint8)).save(place)
    for place in (folder / "test").rglob("*.png"):
        for time in range(TIMES):
            copy = folder / "val" / place.parent.name / f"{time}-{place.name}"
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(place, copy)
    options = {"epochs": 2, "batch_size": 16, "image_size": 16, "network": "simple-cnn", "report": False}
    return folder, train_cnn(str(folder), workspace=folder.parent / "ws", **options)


def accuracies(done, split):
    return {
        (row.metric, row.class_name): (pytest.approx(row.value, abs=1e-6, nan_ok=True), row.n)
        for row in done.results
        if row.split == split
    }


def said(done):
    return " ".join(getattr(block, "text", "") for block in done.blocks)


def test_training_and_prediction_measure_each_image_once(trained):
    folder, done = trained
    again = predict(done.run, dataset=str(folder), split="val", workspace=folder.parent / "ws")
    for one in (done, again):
        assert accuracies(one, "val") == accuracies(done, "test")
        assert SAID in said(one)
        assert f"test: {ROWS} rows" not in said(one)
    assert len(pq.read_table(f"{done.run}/predictions/pets-val")) == ROWS * TIMES


def test_its_predictions_carry_the_digests_of_the_images_and_are_measured_and_compared_once(trained):
    folder, done = trained
    table = pq.read_table(f"{done.run}/predictions/pets-val")
    listing = open_dataset(str(folder), folder).source("val").listing
    for row in table.to_pylist():
        assert row["digest"] == digest_bytes((folder / listing.names[row["sample_id"]]).read_bytes())
    options = {"workspace": folder.parent / "ws", "report": False}
    result = evaluate(done.run, dataset="pets", split="val", workspace=folder.parent / "ws")
    assert {row.n for row in result.results if row.metric == "accuracy"} == {ROWS}
    files = {
        f"predictions_{side}": f"{done.run}/predictions/pets-{split}"
        for side, split in (("reference", "test"), ("target", "val"))
    }
    breakdown = gap(**files, replicates=20, **options)
    assert SAID in said(breakdown)
    assert {row.n for row in breakdown.results if row.metric == "gap"} <= {ROWS, 2 * ROWS}


def test_images_that_are_decoded_whenever_they_are_asked_for_have_the_digests_of_those_that_are_held(trained):
    folder, _ = trained
    (folder / "test" / "cat" / "bad.png").write_bytes(b"no image")
    source = open_dataset(str(folder), folder).source("test")
    held, streamed = (open_images(source, "pets/test", Frame(8, 8, 3), budget) for budget in (2**30, 0))
    streamed.batch(np.arange(len(source.listing)))
    expected = [digest_bytes((folder / name).read_bytes()) for name in source.listing.names]
    assert held.digests.tolist() == streamed.digests.tolist() == expected
