"""The benchmark of the training loop runs, on a few images."""

import json

import pytest

from benchmarks import training


def test_the_training_benchmark_reports_the_three_ways_and_their_ratios(tmp_path, capsys):
    out = tmp_path / "results" / "training.json"
    training.main(["--tiny", "--out", str(out)])
    table = json.loads(out.read_text())
    assert [(row["network"], row["images"], row["rows"]) for row in table] == [
        ("simple-cnn", "random", 32),
        ("resnet-small", "random", 32),
    ]
    for row in table:
        rates = {name: row[f"{name}_images_per_second"] for name in training.WAYS}
        for name, rate in rates.items():
            low, high = row[f"{name}_spread"]
            assert 0 < low <= rate <= high
        assert row["share_of_bare"] == pytest.approx(rates["fit"] / rates["bare"])
        assert row["times_reference"] == pytest.approx(rates["fit"] / rates["reference"])
    assert capsys.readouterr().out.count("of bare (wanted 90%)") == 2


@pytest.mark.parametrize("setting", training.SETTINGS, ids=[one.network for one in training.SETTINGS])
def test_the_benchmark_finds_the_real_images(setting, test_data):
    images = training.images_of(setting, test_data, 20)
    assert images.name == setting.dataset
    assert images.pixels.shape == (20, *setting.frame)
