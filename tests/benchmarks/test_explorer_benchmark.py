"""The benchmark of the explorer runs, on few points."""

import json

import pytest

from benchmarks import explorer


def test_the_explorer_benchmark_times_the_start_and_every_answer(tmp_path, capsys):
    pytest.importorskip("panel", reason="Panel is not installed")
    out = tmp_path / "explorer.json"
    explorer.main(["--tiny", "--out", str(out)])
    figures = json.loads(out.read_text())
    assert figures["points"] == explorer.TINY
    seconds = figures["seconds"]
    assert set(seconds["zoom"]) == {"100%", "10%", "1%"}
    assert min(seconds[name] for name in ("ready", "read", "isolate", "hover", "loop", "search")) > 0
    assert "zoom" in capsys.readouterr().out
