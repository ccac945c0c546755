"""The benchmarks of the probes run, on a tiny store."""

import json

import numpy as np

from benchmarks import defaults, fit_softmax, synthetic_store, time_to_accuracy
from benchmarks.synthetic_store import Recipe, make_pair
from gapscope.core.location import Location
from gapscope.store import open_store


def test_the_softmax_benchmark_reports_every_rate(tmp_path, capsys):
    out = tmp_path / "results" / "fit.json"
    fit_softmax.main(["--tiny", "--out", str(out)])
    figures = json.loads(out.read_text())
    rates = {"gemm_gflops", "read_rows_per_second", "epoch_rows_per_second", "times_sgd", "epoch_share_of_gemm"}
    assert rates < set(figures)
    assert all(figures[name] > 0 for name in rates)
    assert figures["softmax_accuracy_same_rows"] > figures["sgd_accuracy"]
    assert "epoch_rows_per_second" in capsys.readouterr().out


def test_the_synthetic_store_is_the_same_each_time(tmp_path):
    arguments = ["--fraction", "0.0005", "--dim", "16", "--classes", "30"]
    for name in ("one", "other"):
        synthetic_store.main([str(tmp_path / name), *arguments])
    one, other = (open_store(Location(str(tmp_path / name / "train"))).view().read() for name in ("one", "other"))
    np.testing.assert_array_equal(one.x, other.x)
    np.testing.assert_array_equal(one.y, other.y)
    assert len(one.y) == 641


def test_the_comparison_of_defaults_with_optima_runs(tmp_path, capsys):
    out = tmp_path / "defaults.json"
    defaults.main(["--tiny", "--out", str(out)])
    table = json.loads(out.read_text())
    assert [row["classes"] for row in table] == [3, 5]
    assert all(row["points"] > -5 for row in table)
    assert "worst" in capsys.readouterr().out


def test_the_race_to_an_accuracy_runs_and_draws_every_curve(tmp_path):
    make_pair(Location(str(tmp_path)), 0.001, Recipe(dim=24, classes=6))
    out = tmp_path / "race.json"
    ways = ["gapscope", "sgd", "lbfgs", "saga", "torch"]
    stores = [str(tmp_path / "train"), str(tmp_path / "test")]
    time_to_accuracy.main([*stores, "--only", *ways, "--limit", "1", "--out", str(out)])
    figures = json.loads(out.read_text())
    assert sorted(figures["curves"]) == sorted(ways)
    assert all(0 <= accuracy <= 1 for points in figures["curves"].values() for _, _, accuracy in points)
    assert out.with_suffix(".png").stat().st_size > 10_000
