"""`train-cnn` from options to results: what it evaluates on, what it leaves, and what it says to bad input."""

import errno
import json
import os
import random
import signal
import subprocess
import sys
import time
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image
from sklearn.metrics import accuracy_score, f1_score, log_loss
from undrawn import undrawn

from gapscope.cnn import figures as cnn_figures
from gapscope.cnn.division import divide
from gapscope.cnn.images import open_images
from gapscope.cnn.presets import PRESETS
from gapscope.cnn.record import HISTORY
from gapscope.cnn.weights import first_weights
from gapscope.core.checkpoint import FolderCheckpoint
from gapscope.core.errors import InputError
from gapscope.core.location import Location
from gapscope.data.catalogue import open_dataset
from gapscope.jobs.command_line import execute
from gapscope.jobs.train_cnn import TrainCnnConfig, request_of, run
from gapscope.networks.design import Design
from gapscope.networks.frame import Frame
from gapscope.networks.trained import load_trained
from gapscope.predictions import read_predictions

ROOT = Path(__file__).parents[2]
CLOCK = ("seconds", "images_per_second")


@pytest.fixture(autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def drawn():
    """Asked for by tests that look at pictures."""


@pytest.fixture(autouse=True)
def quick(request):
    with undrawn() if "drawn" not in request.fixturenames else nullcontext():
        yield


SLOW = ("--dataset", "digits", "--epochs", "4", "--batch-size", "32", "--augment", "crop:1", "--ema", "0.9")


def command(workspace):
    return ["train-cnn", *SLOW, "--workspace", str(workspace)]


def folder_of(workspace):
    return workspace / "runs" / "train-cnn-digits-simple-cnn"


def test_a_run_that_is_killed_at_a_random_moment_ends_like_an_undisturbed_one(tmp_path):
    script = (
        "import sys, torch; from gapscope.jobs import command_line; "
        "torch.set_num_threads(1); sys.exit(command_line.execute(sys.argv[1:]))"
    )
    killed, whole = folder_of(tmp_path / "killed"), folder_of(tmp_path / "whole")
    state, latest = killed / "checkpoint" / "training.safetensors", time.monotonic() + 60
    child = subprocess.Popen(
        [sys.executable, "-c", script, *command(tmp_path / "killed")],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    while child.poll() is None and not state.exists() and time.monotonic() < latest:
        time.sleep(0.005)
    time.sleep(random.SystemRandom().uniform(0, 0.15))
    child.send_signal(signal.SIGKILL)
    assert child.wait() == -signal.SIGKILL
    assert execute(command(tmp_path / "killed")) == 0
    assert execute(command(tmp_path / "whole")) == 0
    assert (killed / "model.safetensors").read_bytes() == (whole / "model.safetensors").read_bytes()
    assert (killed / "results.parquet").read_bytes() == (whole / "results.parquet").read_bytes()
    assert not (killed / "checkpoint").exists()
    columns = pq.read_table(killed / HISTORY).drop_columns(CLOCK)
    assert columns.equals(pq.read_table(whole / HISTORY).drop_columns(CLOCK))


def test_columns_of_a_table_are_named_to_each_command_that_reads_its_images(tmp_path, rng):
    rows = []
    for number in range(60):
        split, kind, pose = "train" if number < 40 else "test", "ab"[number % 2], "xyz"[number % 3]
        place = tmp_path / "set" / split / f"{number}.png"
        place.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (12, 12, 3), np.uint8)).save(place)
        rows.append(f"{split}/{number}.png,{kind},{pose}\n")
    (tmp_path / "table.csv").write_text("first,second,third\n" + "".join(rows))
    own = ["--labels", str(tmp_path / "table.csv"), "--path-column", "first", "--label-column", "third"]
    shared = ["--workspace", str(tmp_path / "w"), "--name", "one"]
    images = ["--dataset", str(tmp_path / "set")]
    assert execute(["train-cnn", *images, "--epochs", "1", *own, *shared]) == 0
    assert execute(["refit-head", "train-cnn-one", "--workspace", str(tmp_path / "w"), "--name", "two"]) == 0
    again = ["--workspace", str(tmp_path / "w"), "--name", "again"]
    assert execute(["predict", "train-cnn-one", *images, "--split", "test", *own, *again]) == 0
    for name in ("one", "two", "again"):
        [place] = (tmp_path / "w" / "runs").glob(f"*-{name}")
        found = read_predictions(str(place), dataset="set", split="test")
        assert found.label.tolist() == [number % 3 for number in range(40, 60)]
        assert len(found.label) == 20


def test_predictions_of_a_network_are_read_and_evaluated_like_those_of_a_probe(tmp_path, capsys, drawn):
    report = run(TrainCnnConfig(dataset="digits", epochs=6, batch_size=32, workspace=str(tmp_path)))
    accuracy = {(row.dataset, row.metric): row.value for row in report.results if row.split == "test"}
    assert accuracy["digits", "accuracy"] > 0.9
    assert ("digits-night", "accuracy") in accuracy
    found = read_predictions(report.run, dataset="digits", split="test")
    assert found.model == "simple-cnn"
    assert found.class_names == tuple("0123456789")
    assert found.right.mean() == accuracy["digits", "accuracy"]
    assert execute(["evaluate", report.run, "--workspace", str(tmp_path), "--replicates", "9", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)["results"]
    again = {(row["dataset"], row["metric"]): row["value"] for row in rows}
    for metric in ("accuracy", "log_loss", "macro_auroc"):
        assert again["digits", metric] == pytest.approx(accuracy["digits", metric], rel=1e-6)
    figures = {path.stem for path in (Path(report.run) / "figures").iterdir()}
    each = {
        f"{kind}-{name}-test"
        for kind in ("confusion", "predictions", "saliency")
        for name in ("digits", "digits-night")
    }
    assert figures == {"history-loss", "history-accuracy", *each}


def test_several_seeds_have_their_mean_and_its_interval(tmp_path):
    report = run(TrainCnnConfig(dataset="digits", epochs=1, seeds=2, workspace=str(tmp_path)))
    accuracy = [one for one in report.results if (one.split, one.dataset, one.metric) == ("test", "digits", "accuracy")]
    singles, mean = [one.value for one in accuracy[:2]], accuracy[2]
    assert mean.model == "simple-cnn, mean of 2 seeds"
    half = 12.706205 * np.std(singles, ddof=1) / np.sqrt(2)  # Student's t with one degree of freedom
    assert (mean.value, mean.low, mean.high) == pytest.approx(
        (np.mean(singles), np.mean(singles) - half, np.mean(singles) + half)
    )
    assert read_predictions(report.run, model="simple-cnn-seed-1", dataset="digits", split="test").n == 360


def folders(root, counts, size=(12, 12)):
    """A tree of class folders with so many images each."""
    rng = np.random.default_rng(1)
    for name, count in counts.items():
        (root / name).mkdir(parents=True)
        for index in range(count):
            pixels = rng.integers(0, 256, (*size, 3), np.uint8)
            Image.fromarray(pixels).save(root / name / f"{index}.png")
    return root


@pytest.mark.parametrize(
    ("counts", "more", "sentence"),
    [
        ({"a": 6, "b": 6, "c": 0}, (), "no image of 1 of its 3 classes, such as 'c'"),
        ({"a": 6}, (), "images of 1 class; a network needs two or more"),
        ({"a": 6, "b": 6}, ("--patience", "2", "--validation", "0"), "--patience 2 watches the validation loss"),
        ({"a": 6, "b": 6}, ("--network", "resnet-smal"), "did you mean 'resnet-small'"),
        ({"a": 6, "b": 6}, ("--optimizer", "adm"), 'Did you mean "adam"'),
        ({"a": 6, "b": 6}, ("--pretrained",), "nobody publishes weights of 'simple-cnn'"),
        ({"a": 6, "b": 6}, ("--weights", "none.pth"), "there is no weights file none.pth"),
        ({"a": 6, "b": 6}, ("--modify", "nigt"), "did you mean 'night'"),
        ({"a": 6, "b": 6}, ("--modify", "night:9"), "it is a whole number from 1 to 5"),
        ({"a": 6, "b": 6}, ("--modify", "night", "--modify-probability", "2"), "give a number from 0 to 1"),
        ({"a": 6, "b": 6}, ("--processes", "0"), "--processes is 0; give 1 or more"),
        ({"a": 6, "b": 6}, ("--processes", "2", "--cluster", "local"), "choose one"),
    ],
)
def test_bad_input_is_one_sentence(tmp_path, counts, more, sentence, capsys):
    folders(tmp_path / "set" / "train", counts)
    folders(tmp_path / "set" / "test", {name: max(1, count) for name, count in counts.items()})
    place = ["--dataset", str(tmp_path / "set"), "--workspace", str(tmp_path / "ws")]
    assert execute(["train-cnn", *place, "--epochs", "1", *more]) == 2
    said = capsys.readouterr().err
    assert sentence in said
    assert "Traceback" not in said


def test_a_class_that_only_the_test_images_have_is_found_before_the_training_begins(tmp_path, capsys):
    folders(tmp_path / "set" / "train", {"a": 6, "b": 6})
    folders(tmp_path / "set" / "test", {"a": 2, "b": 2, "c": 2})
    place = ["--dataset", str(tmp_path / "set"), "--workspace", str(tmp_path / "ws")]
    assert execute(["train-cnn", *place, "--epochs", "1"]) == 2
    said = capsys.readouterr().err
    assert "'c'" in said
    assert "epoch" not in said


def test_images_of_different_sizes_are_scaled_and_the_user_told(tmp_path):
    folders(tmp_path / "set" / "train", {"a": 4, "b": 4}, (20, 30))
    folders(tmp_path / "set" / "train" / "a", {"more": 3}, (40, 24))
    folders(tmp_path / "set" / "test", {"a": 1, "b": 1}, (9, 9))
    report = run(TrainCnnConfig(dataset=str(tmp_path / "set"), epochs=1, workspace=str(tmp_path / "ws")))
    assert (
        "images of 2 sizes from 20 × 30 to 40 × 24 are scaled to 64 × 64; --image-size changes that" in report.sentences
    )


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_is_a_training_and_says_what_it_costs(name):
    preset = PRESETS[name]
    config = request_of(TrainCnnConfig(preset=name))
    assert f"--preset {name}" in preset.command
    assert preset.cost
    assert preset.expected
    assert {option: getattr(config, option) for option in preset.options} == dict(preset.options)
    assert request_of(TrainCnnConfig(preset=name, epochs=1)).epochs == 1


def test_random_weights_win_over_a_preset_that_begins_with_pretrained_ones():
    config = request_of(TrainCnnConfig(preset="cats-dogs-resnet18", weights="random"))
    assert config.pretrained
    assert first_weights(config, Design(config.network, Frame(32, 32, 3), 2)) is None


SETS = ("digits+night:3/test", "digits/test")


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A run that was asked to evaluate on two sets."""
    place = tmp_path_factory.mktemp("whole")
    with undrawn():
        return run(TrainCnnConfig(dataset="digits", epochs=2, batch_size=32, evaluate=SETS, workspace=str(place)))


def test_it_is_evaluated_on_the_sets_that_are_asked_for_and_on_what_it_learnt_from(whole):
    sets = [f"{row.dataset}/{row.split}" for row in whole.results if row.metric == "accuracy"]
    assert sets == [*SETS, "digits/train", "digits/train (held out)"]
    assert {path.name for path in (Path(whole.run) / "predictions").iterdir()} == {"digits+night-3-test", "digits-test"}
    assert [row[1] for row in whole.tables[0].rows] == sets


def test_accuracy_on_training_images_is_that_of_the_final_weights_on_the_rows_learnt_from(whole):
    source = open_dataset("digits", Path("data")).source("train")
    rows = divide(source.listing, np.arange(len(source.listing)), 0.1, 0, "digits/train")
    model = load_trained(Location.of(whole.run))
    images = open_images(source, "digits/train", model.design.frame, 2**30)
    for split, chosen in (("train", rows.train), ("train (held out)", rows.validation)):
        found = {row.metric: row for row in whole.results if row.split == split}
        logits = torch.from_numpy(model.scores(images.batch(chosen).x)).double()
        truth, given = source.listing.labels[chosen], logits.argmax(1).numpy()
        assert found["accuracy"].n == len(chosen)
        assert found["accuracy"].value == pytest.approx(accuracy_score(truth, given))
        assert found["macro_f1"].value == pytest.approx(f1_score(truth, given, average="macro"))
        assert found["log_loss"].value == pytest.approx(log_loss(truth, logits.softmax(1).numpy()), rel=1e-6)


def test_what_was_held_out_agrees_with_the_history_of_the_training(whole):
    about = json.loads((Path(whole.run) / "model.json").read_text())["details"]
    kept = about["history"][about["kept_epoch"] - 1]
    found = {row.metric: row.value for row in whole.results if row.split == "train (held out)"}
    assert found["accuracy"] == pytest.approx(kept["validation_accuracy"])
    assert found["log_loss"] == pytest.approx(kept["validation_loss"], rel=1e-5)


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("digits/train", "names the training images; name another split, such as digits/test"),
        ("digits+night:2/train", "names the training images"),
        ("digits/tset", "did you mean 'test'"),
        ("digits", "--evaluate digits names no split; write it as dataset/split, such as digits/test"),
        ("digits+nigt/test", "did you mean 'night'"),
        ("no-such-set/test", "no-such-set"),
    ],
)
def test_a_set_that_cannot_be_evaluated_on_is_refused_before_anything_is_learnt(name, sentence, tmp_path, capsys):
    options = ["--dataset", "digits", "--evaluate-on", name, "--workspace", str(tmp_path / "ws")]
    assert execute(["train-cnn", *options]) == 2
    assert sentence in capsys.readouterr().err
    assert not (tmp_path / "ws").exists()


def test_two_sets_of_one_name_are_refused(tmp_path, capsys):
    for place in ("train", "one", "two"):
        folders(tmp_path / place / "photos" / "train", {"a": 3, "b": 3})
        folders(tmp_path / place / "photos" / "test", {"a": 2, "b": 2})
    sets = [str(tmp_path / place / "photos" / "test") for place in ("one", "two")]
    options = ["--dataset", str(tmp_path / "train" / "photos"), "--workspace", str(tmp_path / "ws")]
    assert execute(["train-cnn", *options, "--evaluate-on", *sets]) == 2
    assert "photos/test and photos/test would have one name in the results" in capsys.readouterr().err


def test_a_folder_that_is_learnt_from_may_be_asked_for_by_its_name_as_results_call_it(tmp_path):
    for split, count in {"train": 4, "test": 2, "val": 3}.items():
        folders(tmp_path / "photos" / split, {"a": count, "b": count})
    place = {"dataset": str(tmp_path / "photos"), "workspace": str(tmp_path / "ws")}
    report = run(TrainCnnConfig(epochs=1, evaluate=("photos/val",), report=False, **place))
    assert {path.name for path in (Path(report.run) / "predictions").iterdir()} >= {"photos-val"}
    assert not (Path(report.run) / "predictions" / "photos-test").exists()


def test_modified_training_images_are_recorded_and_validation_images_stay_as_they_are(tmp_path):
    options = {"dataset": "digits", "epochs": 1, "evaluate": ("digits/test",), "workspace": str(tmp_path)}
    plain = run(TrainCnnConfig(**options, name="plain"))
    never = run(TrainCnnConfig(**options, modify="invert:5", modify_probability=0.0, name="never"))
    always = run(TrainCnnConfig(**options, modify="invert:5", modify_probability=1.0, name="always"))
    history = [pq.read_table(Path(one.run) / HISTORY).drop_columns(CLOCK) for one in (plain, never, always)]
    assert history[0].equals(history[1])
    assert not history[0].equals(history[2])
    about = json.loads((Path(always.run) / "model.json").read_text())["details"]
    assert (about["modifications"], about["modify_probability"]) == (["invert:5"], 1.0)
    watched = {row.metric: row.value for row in always.results if row.split == "train (held out)"}
    assert watched["log_loss"] == pytest.approx(about["history"][0]["validation_loss"], rel=1e-5)


def test_a_class_of_one_image_is_learnt_from_and_the_user_told(tmp_path):
    folders(tmp_path / "set" / "train", {"a": 6, "b": 6, "only": 1})
    folders(tmp_path / "set" / "test", {"a": 1, "b": 1, "only": 1})
    report = run(TrainCnnConfig(dataset=str(tmp_path / "set"), epochs=1, workspace=str(tmp_path / "ws")))
    assert (
        "set/train has one usable image of 1 of its classes, such as 'only'; it is trained on and not validated on"
        in report.sentences
    )
    counts = {row.split: row.n for row in report.results if row.metric == "accuracy"}
    assert counts["train"] + counts["train (held out)"] == 13


def test_a_dataset_without_labels_is_one_sentence(tmp_path, capsys):
    folders(tmp_path / "set", {"flat": 4})
    options = ["--dataset", str(tmp_path / "set" / "flat"), "--workspace", str(tmp_path / "ws")]
    assert execute(["train-cnn", *options, "--split", "all"]) == 2
    assert "has no labels; put images into one folder per class or name a CSV" in capsys.readouterr().err


def test_a_disk_that_is_full_is_one_sentence_and_the_same_command_continues(tmp_path, monkeypatch, capsys):
    folders(tmp_path / "set" / "train", {"a": 6, "b": 6})
    folders(tmp_path / "set" / "test", {"a": 2, "b": 2})

    def command(workspace):
        place = ["--dataset", str(tmp_path / "set"), "--workspace", str(tmp_path / workspace)]
        return ["train-cnn", *place, "--epochs", "3", "--name", "set"]

    save = FolderCheckpoint.save

    def full(self, stage, arrays, about):
        if about["epoch"] == 2:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        save(self, stage, arrays, about)

    with monkeypatch.context() as patch:
        patch.setattr(FolderCheckpoint, "save", full)
        assert execute(command("killed")) == 2
    said = capsys.readouterr().err
    assert "the disk is full: the checkpoint of epoch 2 needs" in said
    assert "that of epoch 1 is still there and the same command continues behind it" in said
    assert execute(command("killed")) == 0
    assert "that was interrupted" in capsys.readouterr().err
    assert execute(command("whole")) == 0
    models = [tmp_path / name / "runs" / "train-cnn-set" / "model.safetensors" for name in ("killed", "whole")]
    assert models[0].read_bytes() == models[1].read_bytes()


def test_a_network_without_a_map_gets_no_picture_of_where_it_looks_and_a_sentence(tmp_path, monkeypatch, drawn):
    def mapless(*_):
        raise InputError("there is no map")

    monkeypatch.setattr(cnn_figures, "grad_cam", mapless)
    options = {"dataset": "digits", "epochs": 1, "evaluate": ("digits/test",), "workspace": str(tmp_path)}
    report = run(TrainCnnConfig(**options))
    assert "digits/test: no picture of where simple-cnn looks, because there is no map" in report.sentences
    figures = {path.name for path in (Path(report.run) / "figures").iterdir()}
    assert "predictions-digits-test.png" in figures
    assert "saliency-digits-test.png" not in figures


def test_help_lists_every_preset_with_what_it_costs_and_what_to_expect(capsys):
    assert execute(["train-cnn", "--help"]) == 0
    said = " ".join(capsys.readouterr().out.split())
    for name, preset in PRESETS.items():
        for text in (f"{name}: {preset.about}", f"Test accuracy: {preset.expected}", f"cost: {preset.cost}"):
            assert text in said


def test_a_dataset_beside_a_preset_wins(tmp_path):
    config = request_of(TrainCnnConfig(preset="cifar10-small", dataset="digits"))
    assert (config.dataset, config.network, config.augment) == (
        "digits",
        "resnet-small",
        ("flip", "crop:4", "cutout:8"),
    )


def test_networks_that_a_cluster_trains_are_those_of_this_process(tmp_path, cluster):
    options = {"dataset": "digits", "epochs": 1, "seeds": 2, "evaluate": ("digits/test",), "modify": "night"}
    here = run(TrainCnnConfig(**options, workspace=str(tmp_path / "here")))
    there = run(TrainCnnConfig(**options, workspace=str(tmp_path / "there"), scheduler=cluster))
    assert [row.value for row in there.results] == pytest.approx([row.value for row in here.results], rel=1e-4)
    for seed in (0, 1):
        place = Path("models") / f"simple-cnn-seed-{seed}"
        assert (Path(there.run) / place / "model.safetensors").exists()
        assert not (Path(there.run) / place / "checkpoint").exists()


@pytest.mark.slow
def test_two_processes_train_a_network_that_is_evaluated_like_any_other(tmp_path):
    options = {"dataset": "digits", "epochs": 4, "batch_size": 32, "evaluate": ("digits/test",)}
    report = run(TrainCnnConfig(**options, processes=2, workspace=str(tmp_path)))
    assert {row.split: row.value for row in report.results if row.metric == "accuracy"}["test"] > 0.85
