"""The benchmarks of the probes run, on a tiny store."""

import json

import numpy as np

from benchmarks import fit_softmax, synthetic_store
from engine.core.location import Location
from engine.store import open_store


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
