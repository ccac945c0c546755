"""`shift --model` and `forecast` take a network by the features of its last layer, and find these by themselves."""

import gzip
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

import jobs.extract
import jobs.forecast
import jobs.shift
import jobs.train_cnn
from engine.core.errors import InputError
from engine.core.location import Location
from engine.networks.trained import load_trained
from jobs.extract import ExtractConfig
from jobs.forecast import ForecastConfig
from jobs.shift import ShiftConfig
from jobs.train_cnn import TrainCnnConfig

RUN = "run:train-cnn-fashion-mnist-simple-cnn"
TEST, NIGHT = "fashion-mnist/test", "fashion-mnist+night:3/test"


def _idx(array):
    header = bytes([0, 0, 8, array.ndim]) + b"".join(size.to_bytes(4, "big") for size in array.shape)
    return header + np.ascontiguousarray(array).tobytes()


@pytest.fixture(scope="module")
def fashion(test_data, tmp_path_factory):
    """A data root with the first 300 and 200 images of Fashion-MNIST."""
    raw = test_data / "FashionMNIST" / "raw"
    place = tmp_path_factory.mktemp("data")
    (place / "FashionMNIST" / "raw").mkdir(parents=True)
    for split, count in (("train", 300), ("t10k", 200)):
        for kind, offset, shape in (("images-idx3", 16, (-1, 28, 28)), ("labels-idx1", 8, (-1,))):
            content = gzip.decompress((raw / f"{split}-{kind}-ubyte.gz").read_bytes())
            first = np.frombuffer(content, np.uint8, offset=offset).reshape(shape)[:count]
            (place / "FashionMNIST" / "raw" / f"{split}-{kind}-ubyte").write_bytes(_idx(first))
    return place


@pytest.fixture(scope="module")
def learnt(fashion, tmp_path_factory):
    """A workspace with a network, its features and those of another backbone; and the run folder of the network."""
    workspace = tmp_path_factory.mktemp("workspace")
    where = {"workspace": str(workspace), "data_root": fashion, "device": "cpu"}
    config = TrainCnnConfig(dataset="fashion-mnist", network="simple-cnn", epochs=4, batch_size=32, lr=2e-3, **where)
    report = jobs.train_cnn.run(config)
    sets = ExtractConfig(dataset=("fashion-mnist", "fashion-mnist+night:3"), backbone=RUN, decode_workers=0, **where)
    jobs.extract.run(replace(sets, split=("train", "test")))
    jobs.extract.run(replace(sets, split=("test",), backbone="tiny"))
    return str(workspace), report


def shift_of(learnt, target=NIGHT, **options):
    workspace, report = learnt
    options = {"model": report.run, "statistics": ("moments",), **options}
    return ShiftConfig(reference=TEST, target=(target,), replicates=20, workspace=workspace, **options)


def forecast_of(learnt, target=NIGHT, **options):
    workspace, report = learnt
    options = {"runs": (report.run,), "reference": TEST, "replicates": 20, **options}
    return ForecastConfig(target=(target,), workspace=workspace, **options)


def images_said(report, name):
    """The share of each class that the training run predicted from the images themselves."""
    table = pq.read_table(f"{report.run}/predictions/{name}")
    return np.bincount(table["predicted"].to_numpy(), minlength=10) / table.num_rows


def test_print(learnt):
    import json
    r = jobs.shift.run(shift_of(learnt))
    print([ (x.metric, x.value) for x in r.results if "label" in x.metric])
    r = jobs.forecast.run(forecast_of(learnt))
    print(r.notes)
    print([(x.metric, x.value) for x in r.results])
    t = pq.read_table(f"{learnt[1].run}/predictions/fashion-mnist-test")
    print(t.schema, t.slice(0,2).to_pylist())
    print(json.loads(Path(learnt[1].run, "manifest.json").read_text())["inputs"])
