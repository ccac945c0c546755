"""The benchmarks of the shift statistics run, on tiny stores."""

import json

import numpy as np
import pytest

from benchmarks import power, shift
from gapscope.shifts import SHIFTS


def test_the_shift_benchmark_reports_every_cost_and_the_same_values_as_the_usual_tools(tmp_path, capsys):
    out = tmp_path / "results" / "shift.json"
    shift.main(["--tiny", "--beside-rows", "300", "--beside-dim", "12", "--out", str(out)])
    figures = json.loads(out.read_text())
    assert {f"compare_{name}" for name in SHIFTS} < set(figures)
    assert all(value > 0 for name, value in figures.items() if name != "beside")
    rows = {row["statistic"]: row for row in figures["beside"]}
    for name in ("ks", "frechet", "coverage"):
        assert rows[name]["value"] == pytest.approx(rows[name]["usual_value"], rel=1e-6)
    assert rows["mmd"]["value"] == pytest.approx(rows["mmd"]["usual_value"], rel=0.3)
    assert "times_less_memory" in capsys.readouterr().out


def test_the_power_curves_rise_with_the_shift_and_are_written_as_a_table(tmp_path):
    out = tmp_path / "power.md"
    figures = power.measure(["mmd"], rows=60, dim=3, runs=6, shifts={"mean": (0.0, 3.0)})
    power.write(figures, out)
    assert figures["rates"]["mean"]["mmd"][1] == 1
    assert "| mmd |" in out.read_text()


def test_every_shift_moves_one_population_only(rng):
    for name, draw in power.SHIFTED.items():
        x, y = draw(np.random.default_rng(1), 300, 8, 0.0)
        moved, _ = draw(np.random.default_rng(1), 300, 8, power.SIZES[name][-1])
        assert x.shape == (300, 8), name
        assert set(y) <= set(range(power.CLASSES))
        assert not np.array_equal(x, moved)
