"""The journey at ImageNet's size runs, tiny; memory is what was projected; regressions are found."""

import json
from time import perf_counter, process_time

import pytest

from benchmarks import compare, imagenet_scale, memory, process
from benchmarks.synthetic_store import Recipe
from gapscope.core.memory import peak_bytes
from gapscope.jobs import COMMANDS
from gapscope.jobs.command_line import execute


@pytest.fixture
def same_process(monkeypatch, capsys):
    """Commands run in this process, which spares the imports."""

    def command(*arguments):
        clock = perf_counter(), process_time()
        code = execute(list(arguments))
        said = capsys.readouterr()
        return process.Done(
            perf_counter() - clock[0], process_time() - clock[1], peak_bytes(), code, said.out + said.err
        )

    monkeypatch.setattr(process, "command", command)


def test_the_whole_journey_runs_tiny(tmp_path, same_process, capsys):
    out = tmp_path / "figures.json"
    tools = ["pandas_read", "polars_read", "sgd_classifier", "torch_recipe", "scipy_loop", "umap_learn"]
    scales = ["--scale", "0.002", "--test-scale", "0.003"]
    tiny = [str(tmp_path), *scales, "--dim", "16", "--classes", "4", "--out", str(out), "--skip", *tools]
    imagenet_scale.main(tiny)
    figures = json.loads(out.read_text())
    assert [one["step"] for one in figures["steps"]] == [one.name for one in imagenet_scale.steps(tmp_path)]
    assert figures["rows"] == {"train": 2562, "test": 150, "harder": 150}
    assert figures["test_accuracy"]["imagenet/test"] > figures["test_accuracy"]["harder/test"] > 0.25
    assert "of ceiling" in capsys.readouterr().out
    imagenet_scale.main([*tiny, "--steps", "report"])
    again = json.loads(out.read_text())
    changed = [one["step"] for one, kept in zip(again["steps"], figures["steps"], strict=True) if one != kept]
    assert changed == ["report"]
    assert again["test_accuracy"] == figures["test_accuracy"]


@pytest.mark.slow
def test_a_tenth_of_the_journey_beside_what_people_use_now(tmp_path):
    imagenet_scale.main([str(tmp_path), "--scale", "0.1", "--out", str(tmp_path / "figures.json")])
    steps = json.loads((tmp_path / "figures.json").read_text())["steps"]
    assert {one["way"] for one in steps} > {"gapscope", "sgd_classifier", "torch_recipe"}


@pytest.mark.parametrize("name", ["pandas_read", "polars_read", "sgd_classifier", "torch_recipe", "scipy_loop"])
def test_what_people_use_now_runs_tiny(tmp_path, name, capsys):
    for split, rows in (("train", 300), ("test", 60), ("harder", 60)):
        imagenet_scale.write_csv(tmp_path / f"{split}.csv", Recipe(8, 3), split, rows)
    getattr(imagenet_scale, name)(str(tmp_path))
    assert capsys.readouterr().out.strip()


def test_files_are_as_peoples_files_are(tmp_path):
    place = imagenet_scale.write_csv(tmp_path / "train.csv", Recipe(6, 3), "train", 400)
    header, *lines = place.read_text().splitlines()
    assert header.replace('"', "").split(",")[:3] == ["label", "path", "f0"]
    labels = [line.split(",")[0] for line in lines]
    changed = sum(a != b for a, b in zip(labels, sorted(labels), strict=True))
    assert len(lines) == 400
    assert changed < 100  # sorted, but for the wrong labels


def test_figures_that_are_worse_by_more_than_a_tenth_are_found():
    kept = {"seconds": 10.0, "share_of_gemm": 0.5, "rows": 7, "steps": [{"step": "fit", "peak_bytes": 100}]}
    now = {"seconds": 10.9, "share_of_gemm": 0.4, "rows": 1, "steps": [{"step": "fit", "peak_bytes": 150}]}
    found = compare.changes("one.json", kept, now)
    assert [(one.figure, round(one.worse, 2)) for one in found] == [
        ("steps/fit/peak_bytes", 0.5),
        ("share_of_gemm", 0.2),
    ]
    assert compare.changes("one.json", now, now) == []


@pytest.mark.parametrize("place", sorted(compare.RESULTS.glob("*.json")), ids=lambda place: place.name)
def test_kept_results_are_not_worse_than_themselves(place):
    result = json.loads(place.read_text())
    paths = [path for path, _ in compare.figures(result)]
    assert len(set(paths)) == len(paths)
    assert compare.changes(place.name, result, result) == []


def test_entries_are_told_apart_by_all_that_says_how_they_were_run():
    kept = [{"kind": "a", "features": 8, "seconds": 1.0}, {"kind": "a", "features": 64, "seconds": 9.0}]
    now = [{"kind": "a", "features": 64, "seconds": 10.5}, {"kind": "a", "features": 8, "seconds": 1.0}]
    assert [(one.figure, one.kept) for one in compare.changes("one.json", kept, now)] == [("/a 64/seconds", 9.0)]


def test_two_files_are_compared(tmp_path, capsys):
    for name, seconds in (("now", 2.0), ("kept", 1.0)):
        (tmp_path / f"{name}.json").write_text(json.dumps({"seconds": seconds}))
    places = [str(tmp_path / f"{name}.json") for name in ("now", "kept")]
    assert compare.main(places) == 1
    assert "100% worse" in capsys.readouterr().out
    assert compare.main(places[::-1]) == 0


def test_every_command_is_in_the_table_of_those_that_read_stores_or_in_that_of_the_others():
    read = {one.split()[0] for one in memory.COMMANDS}
    assert read & set(memory.WITHOUT) == set()
    assert read | set(memory.WITHOUT) == set(COMMANDS)


def test_every_command_that_reads_predictions_or_stores_says_before_it_begins_what_it_needs(tmp_path, same_process):
    workspace = memory.prepared(tmp_path, 400, Recipe(8, 3), list(memory.COMMANDS))
    runs = set((workspace / "runs").iterdir())
    assert all(memory.projected(workspace, command, 400) > 0 for command in memory.COMMANDS)
    assert set((workspace / "runs").iterdir()) == runs


@pytest.mark.slow
@pytest.mark.parametrize("command", memory.COMMANDS)
def test_a_command_takes_no_more_memory_than_it_projects(tmp_path, command):
    """Few rows are more than a chunk, so that both runs load the same libraries."""
    rows = [300, 1700] if memory.COMMANDS[command].of_images else [9000, 60_000]
    few, many = memory.measure(tmp_path, rows, Recipe(32, 10), [command])
    assert many.peak - few.peak <= many.projected
