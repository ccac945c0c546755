"""Files of predictions, of one model and one set each, where runs are compared: each is what it is, and said once."""

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from gapscope.core.errors import GapscopeError, InputError
from gapscope.core.files import read_json
from gapscope.core.location import Location
from gapscope.jobs.compare import CompareConfig
from gapscope.jobs.compare import run as compare
from gapscope.jobs.forecast import ForecastConfig
from gapscope.jobs.forecast import run as forecast
from gapscope.jobs.gate import GateConfig
from gapscope.jobs.gate import run as gate
from gapscope.probes.model import load_model

ROWS = 400


@pytest.fixture
def files(tmp_path, monkeypatch, rng):
    """Two models on two sets, as ``good/test.csv`` and ``good-test.csv``."""
    monkeypatch.chdir(tmp_path)
    for split in ("test", "new"):
        label = rng.integers(0, 4, ROWS)
        for model, share in (("good", 0.9), ("bad", 0.6)):
            answer = np.where(rng.random(ROWS) < share, label, (label + 1) % 4)
            table = pd.DataFrame({"image": [f"{split}/{i}.png" for i in range(ROWS)], "label": label, "pred": answer})
            (tmp_path / model).mkdir(exist_ok=True)
            for place in (f"{model}/{split}.csv", f"{model}-{split}.csv"):
                table.to_csv(tmp_path / place, index=False)
    return tmp_path


@pytest.mark.parametrize("option", ["runs", "predictions"])
@pytest.mark.parametrize("names", [("good-test.csv", "bad-test.csv"), ("good/test.csv", "bad/test.csv")])
def test_two_files_of_one_set_are_two_models_of_two_names(option, names, files):
    done = compare(CompareConfig(**{option: names}))
    found = pq.read_table(f"{done.run}/results.parquet").to_pandas()
    shares = found[found.metric == "accuracy"]
    assert len(shares) == shares.model.nunique() == 2
    assert shares.dataset.nunique() == 1
    assert not any(": " in name for name in shares.model)


def test_two_models_on_two_sets_are_paired_in_the_order_of_their_files(files):
    sides = {
        side: (f"good-{split}.csv", f"bad-{split}.csv") for side, split in (("reference", "test"), ("target", "new"))
    }
    found = pq.read_table(f"{compare(CompareConfig(**sides)).run}/results.parquet").to_pandas()
    gaps = found[found.metric == "accuracy_gap"]
    assert set(found.model) >= set(gaps.model) == {"good-test", "bad-test"}


def test_gate_compares_two_files_and_names_them_apart(files):
    done = gate(GateConfig(runs=("good/test.csv", "bad/test.csv")))
    about = read_json(Location.of(str(done.run)) / "about.json")
    assert done.exit_code == 1
    assert about["old"] != about["new"]


def test_a_file_is_not_read_as_two_sets(files):
    sets = {"reference": "digits/test", "target": "night/test"}
    with pytest.raises(InputError, match="holds one set"):
        gate(GateConfig(runs=("good-test.csv", "bad-test.csv"), **sets))
    with pytest.raises(InputError, match="holds one set"):
        compare(
            CompareConfig(runs=("good-test.csv", "bad-test.csv"), reference=("digits/test",), target=("night/test",))
        )


def test_a_file_where_a_model_is_wanted_is_said_to_be_one(files):
    with pytest.raises(GapscopeError, match=r"is a file, and no folder of a trained model; .*`evaluate`, "):
        load_model(Location.of("good-test.csv"))


def test_a_forecast_that_no_method_can_make_says_so(files):
    done = forecast(ForecastConfig(predictions_reference=("good-test.csv",), predictions_target=("good-new.csv",)))
    assert done.blocks[0].headline.startswith("No method can forecast")
