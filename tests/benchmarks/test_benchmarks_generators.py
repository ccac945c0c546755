"""The benchmarks of generators run, on digits and with a few steps."""

import json

import numpy as np
import pytest
from PIL import Image

from benchmarks import generators, sampling
from gapscope.core.location import Location
from gapscope.networks.frame import Frame


@pytest.fixture(scope="module")
def looked(tmp_path_factory):
    """Where the benchmark of generators has left its figures, and where what it trained."""
    folder = tmp_path_factory.mktemp("generators")
    arguments = ["--tiny", "--work", str(folder / "work"), "--out", str(folder / "results" / "generators.json")]
    generators.main(arguments)
    return folder, arguments


def test_each_generator_is_looked_at_beside_real_images_and_shown(looked):
    folder, _ = looked
    figures = json.loads((folder / "results" / "generators.json").read_text())
    looks = figures["looks"]
    assert [(row["name"], row.get("steps")) for row in looks] == [
        ("real", None),
        *((name, steps) for name in ("diffusion", "gan") for steps in (1, 2)),
    ]
    for row in looks:
        low, high = row["recognised_interval"]
        assert low <= row["recognised"] <= high
        assert row["kid_interval"][0] < row["kid"] < row["kid_interval"][1]
        assert len(row["recognised_of_class"]) == 10
    assert all(row["recognised"] == pytest.approx(np.mean(row["recognised_of_class"])) for row in looks[1:])
    # Two steps make noise, which is further from digits than other digits are.
    assert min(row["kid"] for row in looks[1:]) > looks[0]["kid_interval"][1]
    for name in ("diffusion", "gan"):
        with Image.open(folder / "results" / f"generators-{name}.png") as sheet:
            assert sheet.height > 10 * 3 * 48


def test_looks_that_were_taken_are_not_taken_again_and_others_go_on(looked, capsys):
    folder, arguments = looked
    place = folder / "results" / "generators.json"
    before = place.read_text()
    figures = json.loads(before)
    dropped = figures["looks"].pop()
    place.write_text(json.dumps(figures))
    capsys.readouterr()
    generators.main([*arguments, "--only", "gan"])
    told = capsys.readouterr().out.splitlines()
    assert len(told) == 2
    assert told[1].startswith("gan after 2 steps: KID")
    again = json.loads(place.read_text())["looks"][-1]
    assert again["steps_per_second"] is None
    assert {name: again[name] for name in ("kid", "recognised")} == {
        name: dropped[name] for name in ("kid", "recognised")
    }


def test_sampling_is_set_beside_the_bare_network_and_its_steps_beside_each_other(looked, tmp_path, capsys):
    folder, _ = looked
    out = tmp_path / "results" / "sampling.json"
    work = ["--work", str(folder / "work"), "--out", str(out)]
    sampling.main(["--tiny", "--only", "speed", "quality", *work])
    figures = json.loads(out.read_text())
    assert {row["name"] for row in figures["speed"]} == {"diffusion", "gan"}
    assert {row["threads"] for row in figures["speed"]} == {1}
    for row in figures["speed"]:
        assert row["share_of_bare"] == pytest.approx(row["images_per_second"] / row["bare_images_per_second"])
        assert (row["passes"], row["guided"]) == ((2, True) if row["name"] == "diffusion" else (1, False))
    assert [point["ddim_steps"] for point in figures["quality"]["points"]] == [1, 2]
    assert figures["quality"]["enough"] in (1, 2)
    assert out.with_suffix(".png").exists()
    assert "of the bare network (wanted 90%)" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["diffusion", "gan"])
def test_a_process_tells_its_memory_before_and_after_it_has_sampled(name, tmp_path):
    sampling.untrained(name, Frame(8, 8, 1), width=8).save(Location.of(tmp_path))
    told = sampling.sampling_alone(name, str(tmp_path), 25)
    assert told["images"] == 25
    assert 0 < told["bytes_before"] <= told["peak_bytes"]
    assert len([*tmp_path.rglob("*.npy")]) == 10


@pytest.mark.slow
def test_memory_is_that_of_processes_of_their_own(tmp_path):
    out = tmp_path / "sampling.json"
    sampling.main(["--tiny", "--only", "memory", "--out", str(out)])
    for row in json.loads(out.read_text())["memory"]:
        assert [run["images"] for run in row["runs"]] == [2, 40]
        assert row["growth"] == pytest.approx(row["runs"][1]["peak_bytes"] / row["runs"][0]["peak_bytes"])
