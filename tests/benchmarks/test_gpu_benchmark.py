"""The benchmark of a GPU runs, tiny, on the processors."""

import json

import pytest

from benchmarks import gpu


def test_every_part_runs_tiny_on_the_processors(tmp_path, capsys):
    out = tmp_path / "gpu.json"
    gpu.main(["--device", "cpu", "--tiny", "--out", str(out)])
    figures = json.loads(out.read_text())
    assert set(figures["parts"]) == {"ceilings", "heads", "extract mobilenetv3_small_050", "sampling gan"}
    assert figures["not_run"] == []
    for head in figures["parts"]["heads"]["heads"]:
        assert head["largest_difference"] < 1e-3
        assert head["same_class"] == 1
    assert "images_per_second" in capsys.readouterr().out


def test_parts_for_which_there_is_no_time_are_named(tmp_path, monkeypatch):
    monkeypatch.setattr(gpu, "parts", lambda options, folder: {"long": dict, "late": pytest.fail})
    out = tmp_path / "gpu.json"
    gpu.main(["--device", "cpu", "--tiny", "--minutes", "-1", "--out", str(out)])
    assert json.loads(out.read_text())["not_run"] == ["long", "late"]
