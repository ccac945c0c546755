"""`shift --model` and `forecast` take a network by the features of its last layer, and find these by themselves."""

import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax

import gapscope.jobs.extract
import gapscope.jobs.forecast
import gapscope.jobs.predict
import gapscope.jobs.shift
import gapscope.jobs.train_cnn
from gapscope.core.errors import InputError
from gapscope.core.location import Location
from gapscope.jobs.extract import ExtractConfig
from gapscope.jobs.forecast import ForecastConfig
from gapscope.jobs.predict import PredictConfig
from gapscope.jobs.shift import ShiftConfig
from gapscope.jobs.train_cnn import TrainCnnConfig
from gapscope.networks.trained import load_trained
from gapscope.predictions import read_predictions
from gapscope.shifts.label_shift import label_shift

pytestmark = pytest.mark.usefixtures("quick_trainings")

RUN = "run:train-cnn-fashion-mnist-simple-cnn"
TEST, NIGHT = "fashion-mnist/test", "fashion-mnist+night:3/test"


@pytest.fixture(scope="module")
def fashion(fashion_of):
    """A data root with the first 300 and 200 images of Fashion-MNIST."""
    return fashion_of(300, 200)


@pytest.fixture(scope="module")
def learnt(fashion, tmp_path_factory):
    """A workspace with a network, its features and those of another backbone; and the run folder of the network."""
    workspace = tmp_path_factory.mktemp("workspace")
    where = {"workspace": str(workspace), "data_root": fashion, "device": "cpu"}
    config = TrainCnnConfig(
        dataset="fashion-mnist", network="simple-cnn", epochs=4, batch_size=32, learning_rate=2e-3, **where
    )
    report = gapscope.jobs.train_cnn.run(config)
    sets = ExtractConfig(dataset=("fashion-mnist", "fashion-mnist+night:3"), backbone=RUN, decode_workers=0, **where)
    gapscope.jobs.extract.run(replace(sets, split=("train", "test")))
    gapscope.jobs.extract.run(replace(sets, split=("test",), backbone="tiny"))
    return str(workspace), report


def shift_of(learnt, target=NIGHT, **options):
    workspace, report = learnt
    options = {"model": report.run, "statistics": ("moments",), **options}
    return ShiftConfig(reference=TEST, target=(target,), replicates=20, workspace=workspace, **options)


def forecast_of(learnt, target=NIGHT, **options):
    workspace, report = learnt
    options = {"runs": (report.run,), "reference": TEST, "replicates": 20, **options}
    return ForecastConfig(target=(target,), workspace=workspace, **options)


def values(report, split="test"):
    """The numbers of a report about a set as a whole, by metric."""
    return {row.metric: row.value for row in report.results if row.split == split and row.class_name is None}


def notes_of(error):
    return " ".join([str(error.value), *getattr(error.value, "__notes__", ())])


def test_the_shift_of_class_shares_is_that_of_what_the_network_says_of_the_images(learnt):
    workspace, report = learnt
    found = values(gapscope.jobs.shift.run(shift_of(learnt)))
    dataset = NIGHT.removesuffix("/test")
    seen = gapscope.jobs.predict.run(
        PredictConfig(model=report.run, dataset=dataset, workspace=workspace, device="cpu")
    )
    names = {"model": "simple-cnn", "split": "test", "class_names": load_trained(Location.of(report.run)).class_names}
    sides = [
        read_predictions(f"{run}/predictions/{place}", dataset=place, **names)
        for run, place in ((report.run, "fashion-mnist-test"), (seen.run, "fashion-mnist+night-3-test"))
    ]
    wanted = label_shift(*sides, replicates=20)
    assert found["label_shift"] == pytest.approx(wanted.distance, abs=0.05)  # features are stored as float16


def test_a_forecast_is_what_the_logits_of_the_images_say(learnt, fashion):
    _, report = learnt
    found = values(gapscope.jobs.forecast.run(forecast_of(learnt, TEST, methods=("average-confidence",))))
    raw = fashion / "FashionMNIST" / "raw"
    images = np.fromfile(raw / "t10k-images-idx3-ubyte", np.uint8)[16:].reshape(-1, 28, 28, 1)
    label = np.fromfile(raw / "t10k-labels-idx1-ubyte", np.uint8)[8:]
    scores = load_trained(Location.of(report.run)).scores(images).astype(float)

    def loss(temperature):
        return -log_softmax(scores / temperature, axis=1)[np.arange(len(label)), label].mean()

    temperature = minimize_scalar(loss, bounds=(0.1, 10), method="bounded").x
    confidence = np.exp(log_softmax(scores / temperature, axis=1)).max(axis=1).mean()
    assert found["forecast_average_confidence"] == pytest.approx(confidence, abs=0.01)
    assert found["accuracy"] == pytest.approx((scores.argmax(axis=1) == label).mean(), abs=1 / 200)


def test_heads_on_the_features_of_a_network_are_not_compared(learnt):
    report = gapscope.jobs.forecast.run(forecast_of(learnt))
    assert any("would share what it has learned, so none were trained" in note for note in report.sentences)
    assert {"forecast_atc_mc", "forecast_doc"} <= set(values(report))
    assert "forecast_gde" not in values(report)


@pytest.mark.parametrize("reference", ["fashion-mnist/train", "fashion-mnist+night:3/train"])
def test_images_that_the_network_has_learnt_from_are_no_reference(learnt, reference):
    with pytest.raises(InputError, match=f"simple-cnn was trained on the images of {re.escape(reference)}"):
        gapscope.jobs.forecast.run(forecast_of(learnt, reference=reference))


@pytest.mark.parametrize(("job", "of"), [(gapscope.jobs.shift, shift_of), (gapscope.jobs.forecast, forecast_of)])
def test_features_that_are_missing_are_a_sentence_with_the_command(learnt, job, of):
    with pytest.raises(InputError) as error:
        job.run(of(learnt, "fashion-mnist+fog/test"))
    assert f"extract fashion-mnist+fog --split test --backbone {RUN}" in notes_of(error)


@pytest.mark.parametrize(("job", "of"), [(gapscope.jobs.shift, shift_of), (gapscope.jobs.forecast, forecast_of)])
def test_features_of_another_backbone_are_refused(learnt, job, of):
    with pytest.raises(InputError, match="has features of another kind: dim is"):
        job.run(of(learnt, backbone="tiny"))


def test_several_networks_are_refused_with_the_way_to_choose(learnt, tmp_path):
    _, report = learnt
    places = [tmp_path / "three" / "models" / f"seed-{seed}" for seed in range(2)]
    for place in places:
        place.mkdir(parents=True)
        for name in ("model.safetensors", "model.json"):
            shutil.copy(Path(report.run, name), place)
    run = str(tmp_path / "three")
    with pytest.raises(InputError, match=r"holds several models; choose one with --model: .*seed-0, .*seed-1"):
        gapscope.jobs.shift.run(shift_of(learnt, model=run))
    with pytest.raises(InputError, match="seed-0, seed-1 are networks, each with features of its own; choose one"):
        gapscope.jobs.forecast.run(forecast_of(learnt, runs=(run,)))
