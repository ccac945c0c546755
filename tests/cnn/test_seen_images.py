"""Images that a network was trained on are found in every set that it meets, by their bytes, whatever their names."""

import shutil

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from gapscope import compare, evaluate, extract, forecast, gap, gate, predict, refit_head, train_cnn
from gapscope.blocks import Warning

pytestmark = pytest.mark.usefixtures("quick_trainings")

EACH, AGAIN = 20, 5
SAID = f"{AGAIN} of the {2 * EACH} rows of pets/test are rows that"


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """Images to train on, to test on, and others to predict; the last two hold some of the first under other names."""
    folder, rng = tmp_path_factory.mktemp("seen-images"), np.random.default_rng(1)
    for number, name in enumerate(("ant", "bee")):
        for place in ("pets/train", "pets/val", "pets/test", "more/test"):
            (folder / place / name).mkdir(parents=True)
            for one in range(EACH):
                pixels = rng.integers(60 * number, 190 + 60 * number, (16, 16, 3), np.uint8)
                Image.fromarray(pixels).save(folder / place / name / f"{one}.png")
    for place in ("pets/test", "more/test"):
        for one in range(AGAIN):
            shutil.copy(folder / f"pets/train/ant/{one}.png", folder / f"{place}/ant/{EACH - 1 - one}.png")
    return folder


@pytest.fixture(scope="module", autouse=True)
def _here(home):
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(home)
        yield


@pytest.fixture(scope="module")
def trained(home, quick_trainings):
    return train_cnn("pets", epochs=1, network="simple-cnn", report=False)


def warnings_of(result):
    return [block.text for block in result.blocks if isinstance(block, Warning)]


def test_a_training_names_test_images_that_it_has_seen(trained):
    assert [text.partition(" are ")[0] for text in warnings_of(trained)] == [SAID.partition(" are ")[0]]
    digests = pq.read_table(f"{trained.run}/trained-on.parquet")["digest"]
    assert len(digests) == len(set(digests.to_pylist())) == 2 * EACH


def test_so_does_one_whose_images_do_not_fit_into_memory(monkeypatch):
    monkeypatch.setattr("gapscope.cnn.images.HELD", 0, raising=False)
    done = train_cnn("pets", epochs=1, network="simple-cnn", report=False, memory="8kB", name="streamed")
    assert any(SAID in text for text in warnings_of(done))


def test_and_one_of_the_last_layer(trained):
    done = refit_head(run=trained.run, report=False)
    assert any(SAID in text for text in warnings_of(done))
    again = predict(done.run, dataset="more", split="test")
    assert any(SAID.replace("pets", "more") in text for text in warnings_of(again))


def test_every_command_that_judges_the_network_says_so(trained):
    done = predict(trained.run, dataset="more", split="test")
    assert any(SAID.replace("pets", "more") in text for text in warnings_of(done))
    for judged in (
        evaluate(trained.run, dataset="pets", split="test"),
        evaluate(done.run),
        compare(runs=(trained.run, trained.run), dataset="pets", split="test"),
        gate(runs=(trained.run, trained.run), target="pets/test"),
    ):
        assert any(f"{AGAIN} of the {2 * EACH} rows of" in text for text in warnings_of(judged)), judged.job
    assert not warnings_of(evaluate(trained.run, dataset="pets", split="val"))


def test_so_do_those_that_read_its_features(trained):
    extract("pets", backbone=f"run:{trained.run}", attributes=False)
    sides = {"reference": "pets/val", "target": "pets/test"}
    skip = ["domain", "features", "attributes", "reasons", "remedies"]
    assert any(SAID in text for text in warnings_of(gap(trained.run, **sides, skip=skip, report=False)))
    assert any(SAID in text for text in warnings_of(forecast(trained.run, **sides, heads=0)))
