"""Networks that stay near the weights that a training begins with: a share of the way (WiSE-FT), the first layers."""

import numpy as np
import pytest
from safetensors.numpy import load_file

import gapscope
from gapscope.core.errors import InputError

pytestmark = pytest.mark.usefixtures("quick_trainings")


def train(workspace, name, **options):
    common = {"network": "simple-cnn", "epochs": 1, "workspace": str(workspace), "report": False, "device": "cpu"}
    return gapscope.train_cnn("digits@300", **common | options, name=name)


def tensors(workspace, name):
    return load_file(workspace / f"runs/train-cnn-{name}/model.safetensors")


def test_every_weight_lies_at_its_share_of_the_way_from_the_first_network_to_the_trained_one(tmp_path):
    train(tmp_path, "old")
    onwards = {"weights": "run:train-cnn-old", "modify": "night:3", "seed": 1}
    train(tmp_path, "tuned", **onwards)
    found = train(tmp_path, "between", **onwards, interpolate=0.3)
    old, tuned, between = (tensors(tmp_path, name) for name in ("old", "tuned", "between"))
    assert any(np.abs(tuned[name] - old[name]).max() > 1e-3 for name in old)
    for name, value in between.items():
        wanted = 0.7 * old[name] + 0.3 * tuned[name] if value.dtype == np.float32 else tuned[name]
        np.testing.assert_allclose(value, wanted, atol=1e-6, err_msg=name)
    assert found.results
    gapscope.predict("train-cnn-between", dataset="digits@300", split="test", workspace=str(tmp_path))


def test_the_first_layers_alone_are_trained(tmp_path):
    train(tmp_path, "old")
    train(tmp_path, "first", weights="run:train-cnn-old", modify="night:3", train_layers="first")
    old, first = tensors(tmp_path, "old"), tensors(tmp_path, "first")
    assert {name for name in old if not np.array_equal(old[name], first[name])} == {"0.weight", "0.bias"}
    with pytest.raises(InputError, match="--train-layers needs a trained network to begin with"):
        train(tmp_path, "random", train_layers="first")


def test_random_weights_and_shares_that_are_none_are_refused(tmp_path):
    with pytest.raises(InputError, match="needs a trained network to begin with"):
        train(tmp_path, "random", interpolate=0.5)
    with pytest.raises(InputError, match="give a share above 0"):
        train(tmp_path, "far", interpolate=1.5)
    with pytest.raises(InputError, match="run"):
        train(tmp_path, "lost", weights="run:nothing-here")
