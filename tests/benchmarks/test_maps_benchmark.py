"""The benchmark of the maps runs, on tiny stores."""

import json

import pytest

from benchmarks import maps


@pytest.mark.parametrize("names", [["tsne"], pytest.param(["umap", "tsne"], marks=pytest.mark.slow)])
def test_the_maps_benchmark_sets_both_ways_of_placing_beside_each_other(tmp_path, capsys, monkeypatch, names):
    if "umap" not in names:  # the graph takes more than a minute to compile
        monkeypatch.setattr(maps, "searches", lambda space, new, anchors: {"graph_finds": 1.0})
    out = tmp_path / "results" / "maps.json"
    maps.main(["--tiny", "--sample", "120", "--maps", *names, "--out", str(out)])
    figures = json.loads(out.read_text())
    assert {(row["map"], row["way"]) for row in figures["beside"]} == {
        (name, way) for name in names for way in ("neighbours", "library")
    }
    assert all(0 < row["recall"] <= 1 for row in figures["beside"])
    assert figures["graph_finds"] > 0.9
    assert "times_faster" in capsys.readouterr().out
