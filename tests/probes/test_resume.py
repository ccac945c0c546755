"""A training killed at any moment and called again ends in the same model, bit for bit, and goes on where it was."""

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from toy_workspace import Blobs, write_sets

from gapscope.core.checkpoint import NO_CHECKPOINT
from gapscope.core.location import Location
from gapscope.core.progress import SILENT
from gapscope.jobs.fit_incremental import FitIncrementalConfig, run
from gapscope.probes import PROBES
from gapscope.runs import folder as run_folder
from gapscope.runs.folder import opened
from gapscope.training import run as training

ROOT = Path(__file__).parents[2]
SETS = (("toy", "train", 5_000, 0.0, {}), ("toy", "val", 2_000, 0.0, {}))
QUICK = ("softmax", "knn", "ridge")


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    """Enough rows that a training takes a while."""
    blobs = Blobs(np.random.default_rng(11), dim=48)
    return write_sets(tmp_path_factory.mktemp("resume"), blobs, SETS)


@pytest.fixture
def small(tmp_path, rng):
    """Few rows."""
    return write_sets(tmp_path, Blobs(rng))


def config_of(workspace, **options):
    return FitIncrementalConfig(dataset="toy", workspace=str(workspace), **options)


def start(workspace, model, name):
    """The command as a process of its own."""
    words = ["--dataset", "toy", "--model", model, "--name", name, "--checkpoint-seconds", "0"]
    command = [sys.executable, "cli.py", "fit-incremental", *words, "--workspace", str(workspace)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


def seen(folder):
    """What lies in a run folder, and when it was written; files and folders come and go meanwhile."""
    found = {}
    for root, _, names in os.walk(folder):
        for name in names:
            with suppress(FileNotFoundError):
                found[root, name] = (Path(root) / name).stat().st_mtime_ns
    return found


def kill_behind(process, folder, changes, wait):
    """SIGKILL `wait` seconds after the run folder has changed so many times; whether the process still lived."""
    last, count = seen(folder), 0
    while process.poll() is None and count < changes:
        now = seen(folder)
        count += now != last
        last = now
        time.sleep(0.001)
    time.sleep(wait)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    return process.returncode == -signal.SIGKILL


@pytest.mark.parametrize(
    "model", [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in sorted(PROBES)]
)
def test_killed_at_random_moments_it_ends_in_the_same_model(workspace, model):
    whole = Path(run(config_of(workspace, model=(model,), name=f"whole-{model}")).run)
    folder = workspace / f"runs/fit-incremental-killed-{model}"
    draw = np.random.default_rng([5, *model.encode()])
    killed = 0
    for changes in (1, *draw.integers(2, 12, 1 if model in QUICK else 4)):
        process = start(workspace, model, f"killed-{model}")
        killed += kill_behind(process, folder, changes, draw.uniform(0, 0.03))
    left = sorted(path.name for path in folder.glob("checkpoint/[!.]*"))
    trained = (folder / "model.json").exists()
    complete = json.loads((folder / "manifest.json").read_text())["status"] == "complete"
    last = start(workspace, model, f"killed-{model}")
    _, said = last.communicate()
    assert last.returncode == 0, said
    assert killed >= 1
    assert ("is trained already" in said) == (trained and not complete)
    assert ("that was interrupted" in said) == (bool(left) and not trained)
    assert (folder / "model.safetensors").read_bytes() == (whole / "model.safetensors").read_bytes()
    assert (folder / "results.parquet").read_bytes() == (whole / "results.parquet").read_bytes()
    one, other = (pq.read_table(path / "predictions/toy-val") for path in (folder, whole))
    assert one.equals(other)
    assert not (folder / "checkpoint").exists()


def interrupted(monkeypatch, config, when="evaluate"):
    """A run that fails before it evaluates, or as it begins to train."""

    def fail(*_arguments):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(training, when, fail)
        with pytest.raises(KeyboardInterrupt):
            run(config)


class Spy:
    """`train`, and how often and with what it was called."""

    def __init__(self, monkeypatch):
        self.calls, self.train = [], training.train
        monkeypatch.setattr(training, "train", self)

    def __call__(self, *arguments):
        self.calls.append(arguments)
        return self.train(*arguments)


def test_a_model_that_was_finished_is_not_trained_again(small, monkeypatch):
    config = config_of(small, model=("lda", "ridge"))
    interrupted(monkeypatch, config)
    spy = Spy(monkeypatch)
    report = run(config)
    assert [call[0] for call in spy.calls] == ["ridge"]
    assert {r.model for r in report.results} == {"lda", "ridge"}


def test_states_that_outlived_their_model_go(small, monkeypatch):
    config = config_of(small, model=("lda",))
    interrupted(monkeypatch, config)
    left = small / "runs/fit-incremental-toy-lda/checkpoint"
    left.mkdir()
    run(config)
    assert not left.exists()


@pytest.mark.parametrize("change", [{"seed": 1}, {"holdout": 0.2}])
def test_an_unfinished_run_of_another_configuration_is_not_continued(small, monkeypatch, change):
    config = config_of(small, model=("lda",))
    interrupted(monkeypatch, config)
    spy = Spy(monkeypatch)
    run(replace(config, **change))
    assert len(spy.calls) == 1


def test_where_and_how_it_works_may_change_before_it_continues(small, monkeypatch):
    config = config_of(small, model=("lda",))
    interrupted(monkeypatch, config)
    spy = Spy(monkeypatch)
    run(replace(config, checkpoint_seconds=3.0))
    assert not spy.calls


def test_a_complete_run_starts_afresh(small, monkeypatch):
    config = config_of(small, model=("lda",))
    run(config)
    spy = Spy(monkeypatch)
    run(config)
    assert len(spy.calls) == 1


def test_other_training_rows_are_trained_on_afresh(small, monkeypatch, rng):
    config = config_of(small, model=("lda",))
    interrupted(monkeypatch, config)
    for path in (small / "embeddings/toy/toy/train").iterdir():
        path.unlink()
    write_sets(small, Blobs(rng), [("toy", "train", 2000, 0.0, {})])
    spy = Spy(monkeypatch)
    run(config)
    assert len(spy.calls) == 1


def test_another_version_starts_afresh(small, monkeypatch):
    config = config_of(small, model=("lda",))
    interrupted(monkeypatch, config)
    spy = Spy(monkeypatch)
    monkeypatch.setattr(run_folder, "version_of", lambda *_: "999")
    run(config)
    assert len(spy.calls) == 1


def test_a_changed_companion_is_predicted_again_by_the_model_that_was_finished(small, monkeypatch, rng):
    config = config_of(small, model=("lda",))
    with monkeypatch.context() as patch:
        patch.setattr(training, "held_out_result", None)
        with pytest.raises(TypeError):
            run(config)
    kept = small / "runs/fit-incremental-toy-lda/predictions/toy-val/part-00000.parquet"
    before = kept.stat().st_mtime_ns
    for path in (small / "embeddings/toy/toy/val").iterdir():
        path.unlink()
    write_sets(small, Blobs(rng), [("toy", "val", 600, 3.0, {"code_version": "x", "seed": 9})])
    spy = Spy(monkeypatch)
    run(config)
    assert not spy.calls
    assert kept.stat().st_mtime_ns > before


def test_predictions_that_were_written_are_not_written_again(small, monkeypatch):
    config = config_of(small, model=("lda",))
    with monkeypatch.context() as patch:
        patch.setattr(training, "held_out_result", None)
        with pytest.raises(TypeError):
            run(config)
    part = small / "runs/fit-incremental-toy-lda/predictions/toy-val/part-00000.parquet"
    before = part.stat().st_mtime_ns
    again = run(config)
    assert part.stat().st_mtime_ns == before
    fresh = run(replace(config, name="fresh"))
    assert [r.row() for r in again.results] == [r.row() for r in fresh.results]


def test_the_inputs_are_on_record_before_the_training_begins(small, monkeypatch):
    interrupted(monkeypatch, config_of(small, model=("lda",)), when="train")
    manifest = json.loads((small / "runs/fit-incremental-toy-lda/manifest.json").read_text())
    assert manifest["status"] == "failed"
    assert [one["rows"] for one in manifest["inputs"]] == [3000, 600, 500]


def test_the_training_is_handed_a_checkpoint_that_lies_in_the_run_folder(small, monkeypatch):
    spy = Spy(monkeypatch)
    run(config_of(small, model=("lda",), checkpoint_seconds=7.0))
    checkpoint = spy.calls[0][-1]
    assert checkpoint is not NO_CHECKPOINT
    assert str(checkpoint.folder) == f"{small}/runs/fit-incremental-toy-lda/checkpoint"
    assert checkpoint.seconds == 7.0
    assert spy.calls[0][-2] is SILENT


def test_what_an_earlier_run_left_is_gone_when_another_begins(tmp_path):
    place = tmp_path / "runs/fit-incremental-toy"
    for name in ("predictions/a", "models/b", "checkpoint"):
        (place / name).mkdir(parents=True)
    for name in ("model.json", "model.safetensors", "results.json", "results.parquet"):
        (place / name).touch()
    with opened(Location.of(tmp_path), "fit-incremental", "toy", config_of(tmp_path)) as made:
        assert not made.continues
        assert {path.name for path in place.iterdir()} == {"manifest.json", ".lease.json"}
