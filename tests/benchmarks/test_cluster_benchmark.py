"""The benchmark of the cluster runs, on a tiny store."""

import json

import pytest

from benchmarks import cluster


@pytest.mark.filterwarnings("ignore")
def test_the_cluster_benchmark_reports_rates_costs_and_projections(tmp_path, capsys):
    out = tmp_path / "results" / "cluster.json"
    cluster.main(["--tiny", "--out", str(out)])
    figures = json.loads(out.read_text())
    for classes in (20, 10):
        found = figures[f"gradient_{classes}_classes"]
        one, two = found["one_worker_rows_per_second"], found["two_workers_rows_per_second"]
        assert found["two_against_one"] == pytest.approx(two / one)
        assert 0 < found["projected_on_64"]["speed_up"] < 64
    assert all(figures[f"{cost}_seconds"] > 0 for cost in ("task", "transfer", "send"))
    assert "two_against_one" in capsys.readouterr().out


def test_a_cluster_that_costs_nothing_is_as_much_faster_as_its_leaves_can_be_divided():
    free = dict.fromkeys(("task_seconds", "transfer_seconds", "send_seconds"), 0.0)
    assert cluster.projection(256 * cluster.CHUNK_ROWS, 1000.0, free, 64)["speed_up"] == pytest.approx(64)
    assert cluster.projection(10 * cluster.CHUNK_ROWS, 1000.0, free, 64)["speed_up"] == pytest.approx(10)
    assert cluster.projection(3 * cluster.CHUNK_ROWS, 1000.0, free, 2)["speed_up"] == pytest.approx(1.5)
