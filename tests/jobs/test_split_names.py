"""A split may be called by any word for it: every command finds the one that is meant, or says which there are."""

import json
import shlex
import shutil
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from gapscope import commands
from gapscope.core.errors import InputError
from gapscope.core.location import Location
from gapscope.data.catalogue import open_dataset
from gapscope.jobs import command_line
from gapscope.store.workspace import find_store, holds_set, named_set, stored_set

EACH = 8
FOLDERS = {"training_set": "train", "valid": "val", "test1": "test"}


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A folder with a data set whose splits have unusual names."""
    folder, rng = tmp_path_factory.mktemp("splits"), np.random.default_rng(0)
    for place in (folder / "pets" / split / name for split in FOLDERS for name in ("ant", "bee")):
        place.mkdir(parents=True)
        for one in range(EACH):
            Image.fromarray(rng.integers(0, 256, (24, 24, 3), np.uint8)).save(place / f"{one}.png")
    return folder


@pytest.fixture(autouse=True)
def _here(home, monkeypatch):
    monkeypatch.chdir(home)


@pytest.fixture(scope="module")
def stored(home):
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(home)
        assert run("extract", "pets", "--backbone", "tiny", "--no-attributes") == 0
    return home / "workspace"


def run(*words):
    return command_line.execute([*map(str, words)])


@pytest.mark.parametrize(
    ("asked", "split"),
    [
        *FOLDERS.items(),
        *(("validation", "val"), ("dev", "val"), ("Val", "val"), ("TRAIN", "train"), ("training", "train")),
        *(("testing", "test"), ("train", "train"), ("eval", "test")),
    ],
)
def test_a_data_set_knows_its_splits_by_all_their_names(asked, split):
    dataset = open_dataset("pets", None)
    assert dataset.called(asked) == split
    assert dataset.source(asked).listing.names == dataset.source(split).listing.names


def test_another_number_is_another_split():
    dataset = open_dataset("pets", None)
    assert dataset.called("test2") == "test2"
    with pytest.raises(InputError, match=r"no split of pets named 'test2'.*known: test, train, val"):
        dataset.source("test2")


@pytest.mark.parametrize("asked", ["valid", "dev"])
def test_extract_stores_a_split_under_its_one_name(asked, home, tmp_path, capsys):
    words = ("--backbone", "tiny", "--no-attributes", "--workspace", tmp_path / "w")
    assert run("extract", "pets", "--split", asked, *words) == 0
    assert "pets/val" in capsys.readouterr().out
    assert (tmp_path / "w/embeddings/tiny/pets").is_dir()
    assert [one.name for one in (tmp_path / "w/embeddings/tiny/pets").iterdir()] == ["val"]


def test_extract_names_the_command_for_a_split_that_is_not_there(capsys):
    assert run("extract", "pets", "--split", "vali", "--backbone", "tiny") == 2
    said = capsys.readouterr().err
    assert "pets has no split 'vali'; it has train, val, test" in said
    command = shlex.split(said.split("`")[1])
    assert command[1:] == ["extract", "pets", "--backbone", "tiny", "--split", "val"]


@pytest.mark.usefixtures("stored")
def test_stored_sets_are_found_by_any_word_for_their_split(home):
    workspace = Location.of(home / "workspace")
    for asked in ("valid", "dev", "validation", "VAL", "val"):
        assert find_store(workspace, "pets", asked).name == "pets/val"
        assert stored_set(workspace, f"pets/{asked}") == stored_set(workspace, f"./pets/{asked}") == "pets/val"
        assert named_set(workspace, f"pets/{asked}") == ("pets", "val")
        assert named_set(workspace, "pets", asked) == ("pets", "val")
        assert holds_set(workspace, "pets", asked)
    assert stored_set(workspace, "./pets/training_set") == "pets/train"
    assert stored_set(workspace, "./pets/test1") == "pets/test"
    assert not holds_set(workspace, "pets", "test2")


@pytest.mark.usefixtures("stored")
def test_every_command_of_stored_sets_takes_any_word(home, capsys):
    assert run("fit", "pets", "--split", "training", "--model", "lda", "--evaluate", "pets/dev", "--no-report") == 0
    fitted = "fit-incremental-pets-lda"
    assert "pets/val" in capsys.readouterr().out
    sides = ("--reference", "pets/validation", "--target", "pets/test2")
    assert run("shift", *sides, "--statistics", "moments", "--no-report") == 2
    assert "holds no embeddings of pets/test2" in capsys.readouterr().err
    sides = ("--reference", "pets/validation", "--target", "./pets/test1")
    assert run("shift", *sides, "--statistics", "moments", "--no-report") == 0
    assert run("gap", fitted, *sides, "--skip", "domain", "remedies", "--no-report") == 0
    assert run("predict", fitted, "--dataset", "pets", "--split", "valid") == 0
    assert run("map", "pets", "--split", "valid", "--method", "pca", "--no-report") == 0
    assert run("measure", "pets/valid") == 0
    assert run("evaluate", fitted, "--dataset", "pets", "--split", "valid") == 0
    assert run("replay-head", "pets", "--split", "valid") == 2  # tiny has no head to replay
    assert "holds no embeddings" not in capsys.readouterr().err
    names = sorted(one.name for one in (home / "workspace/runs").iterdir())
    assert not [name for name in names if "valid" in name or "dev" in name], names


def test_a_set_that_was_imported_under_another_word_is_found(tmp_path, rng):
    for split in ("train", "validation"):
        rows = "".join(f"{number % 2},{','.join(map(str, rng.normal(size=3)))}\n" for number in range(30))
        (tmp_path / f"{split}.csv").write_text(f"label,f0,f1,f2\n{rows}")
        words = ("--dataset", "s", "--split", split, "--workspace", tmp_path)
        assert run("import", tmp_path / f"{split}.csv", *words) == 0
    assert find_store(Location.of(tmp_path), "s", "val").name == "s/validation"


def test_a_network_is_never_tested_on_its_training_images_under_another_word(home, quick_trainings, tmp_path):
    """``--split training_set`` was another split than ``train``, which was a test set then."""
    done = commands.function("train_cnn")(
        "pets", split="training_set", epochs=1, report=False, network="simple-cnn", workspace=str(tmp_path)
    )
    sets = {(row["split"], row["n"]) for row in pq.read_table(f"{done.run}/results.parquet").to_pylist()}
    assert {split for split, _ in sets} == {"train", "train (held out)", "val", "test"}
    assert json.loads((Path(done.run) / "manifest.json").read_text())["config"]["split"] == "train"
    with pytest.raises(InputError, match="names the training images"):
        commands.function("train_cnn")(
            "pets", evaluate=["pets/training"], epochs=1, report=False, workspace=str(tmp_path)
        )


def test_made_images_are_not_compared_with_training_images_as_if_these_were_for_testing(home, tmp_path):
    kept = {}
    for split in ("train", "training"):
        done = commands.function("augment")(
            "pets", split=split, method="mixup-pixels", balance="2x", workspace=str(tmp_path / split)
        )
        table = pq.read_table(f"{done.run}/results.parquet").to_pylist()
        kept[split] = {row["metric"]: row["value"] for row in table if row["class"] is None}
        assert {row["split"] for row in table} == {"train"}
    clock = ("seconds", "per_second", "memory")
    for metric, value in kept["train"].items():
        if not any(word in metric for word in clock):
            np.testing.assert_equal(kept["training"][metric], value, metric)


def test_a_modified_copy_has_the_usual_folders(tmp_path):
    assert run("modify-dataset", "pets", "--modify", "fog:2", "--split", "dev", "--out", tmp_path / "fog") == 0
    assert sorted(one.name for one in (tmp_path / "fog").iterdir() if one.is_dir()) == ["val"]


@pytest.fixture(scope="module")
def fitted(stored):
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(stored.parent)
        assert run("fit", "pets", "--model", "lda", "ridge", "--name", "p") == 0
    return "fit-incremental-p"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("fit", "pets", "--split", "trian"), "; did you mean pets/train?"),
        (("map", "pets/tset"), "; did you mean pets/test?"),
        (("shift", "--reference", "pets/train", "--target", "pets\\test"), "; write / for each backslash: 'pets/test'"),
        (("map", "pets\\test"), "; write / for each backslash: 'pets/test' (known: pets)"),
        (("fit", "pets", "train"), "(a split is written behind its dataset, as in pets/train)"),
        (("explore", "pets/test"), "pets/test is a stored set, and a run is wanted: `gapscope runs` lists those there"),
        (("evaluate", "pets"), "`gapscope map pets` makes a map of a set"),
        (
            ("shift", "--reference", "RUN", "--target", "pets/test"),
            "RUN is a run, and --reference takes a set as d",
        ),
        (("fit", "RUN"), "`gapscope datasets --workspace workspace` lists these"),
        (("map", "workspace/runs/RUN"), "workspace/runs/RUN is a run, and --dataset takes a set"),
        (("predict", "RUN/models/lda", "--dataset", "RUN"), "RUN is a run, and --dataset takes a set"),
        (("fit", "pets", "--model", "softmax,lda"), "; several names have blanks between them: softmax lda (known"),
        (("measure", "pts"), "make it with `gapscope extract pts`"),
    ],
    ids=" ".join,
)
def test_a_wrong_guess_is_told_what_was_meant(fitted, words, said, capsys):
    assert run(*(word.replace("RUN", fitted) for word in words)) == 2
    assert said.replace("RUN", fitted) in capsys.readouterr().err


def test_a_model_in_a_run_is_found_by_its_folder(fitted):
    assert run("predict", f"{fitted}/models/lda", "--dataset", "pets") == 0


def test_commands_in_messages_name_another_workspace(stored, capsys):
    assert (
        run("shift", "--reference", "pets/holdout", "--target", "pets/test", "--workspace", str(stored.parent / "w"))
        == 2
    )
    said = capsys.readouterr().err
    assert (
        f"`gapscope extract pets --split holdout --workspace {stored.parent / 'w'}` or `gapscope import-features"
        in said
    )


@pytest.mark.parametrize("words", [("fit", "flat"), ("train-cnn", "flat", "--epochs", "1")], ids=" ".join)
def test_images_without_labels_are_said_to_have_none(home, words, capsys):
    for one in range(EACH):
        (home / "flat").mkdir(exist_ok=True)
        Image.new("RGB", (24, 24), (one, one, one)).save(home / "flat" / f"{one}.png")
    assert run("extract", "flat", "--backbone", "tiny", "--no-attributes", "--workspace", "other") == 0
    capsys.readouterr()
    assert run(*words, "--workspace", "other") == 2
    said = capsys.readouterr().err
    assert "labels" in said
    assert "--labels" in said


def test_what_file_managers_leave_in_a_workspace_stops_no_command(fitted, stored, tmp_path, monkeypatch, capsys):
    shutil.copytree(stored, tmp_path / "workspace")
    monkeypatch.chdir(tmp_path)
    for folder in [one for one in (tmp_path / "workspace").rglob("*") if one.is_dir()] + [tmp_path / "workspace"]:
        for name in (".DS_Store", "Thumbs.db", "notes.txt"):
            (folder / name).write_bytes(b"left")
        (folder / "New Folder").mkdir()
    for words in (
        *("runs", "datasets", "verify workspace", f"evaluate {fitted}", f"report {fitted}", f"explore {fitted}x"),
        *(f"predict {fitted}/models/lda --dataset pets", "fit pets --model lda", "map pets --method pca"),
        *(f"compare {fitted} --dataset pets/test", "measure pets", "shift --reference pets/train --target pets/test"),
    ):
        assert run(*words.split()) == (2 if words.startswith("explore") else 0), capsys.readouterr().err
    assert "/runs named" in capsys.readouterr().err
