"""Predictions know what they were made from: others are refused by name."""

import shutil

import numpy as np
import pytest
from toy_workspace import Blobs, write_sets

from gapscope.core.errors import InputError
from gapscope.core.location import Location
from gapscope.jobs.fit_incremental import FitIncrementalConfig, run
from gapscope.predictions import read_predictions
from gapscope.predictions.origin import origin_of
from gapscope.probes.model import load_model
from gapscope.runs.run import read_run
from gapscope.store import open_store

SETS = (("toy", "train", 600, 0.0, {}), ("toy", "val", 9000, 0.0, {}))


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A workspace with two runs, whose predictions have three parts each."""
    workspace = tmp_path_factory.mktemp("origin")
    write_sets(workspace, Blobs(np.random.default_rng(0)), SETS)
    for name, model in (("one", "lda"), ("other", "nearest-mean")):
        run(FitIncrementalConfig(dataset="toy", model=(model,), workspace=str(workspace), name=name, report=False))
    return workspace


@pytest.fixture
def workspace(trained, tmp_path):
    shutil.copytree(trained, tmp_path / "w")
    return tmp_path / "w"


def folder(workspace, name="one"):
    return workspace / "runs" / f"fit-incremental-{name}"


def predictions(workspace, name="one"):
    return read_predictions(str(folder(workspace, name)), dataset="toy", split="val")


def parts(workspace, name="one"):
    return sorted((folder(workspace, name) / "predictions" / "toy-val").glob("part-*"))


def test_predictions_carry_the_digest_of_their_model_and_of_the_stored_rows(trained):
    from gapscope.core.files import read_table

    origin = origin_of(read_table(Location.of(parts(trained)[0])).schema.metadata)
    store = open_store(Location.of(trained / "embeddings/toy/toy/val"))
    model = load_model(Location.of(folder(trained)))
    assert (origin.model, origin.store, origin.rows) == (model.digest, store.digest, 9000)
    assert origin.model != load_model(Location.of(folder(trained, "other"))).digest
    assert predictions(trained).n == 9000


@pytest.mark.parametrize("damage", ["dropped", "last dropped", "doubled", "swapped", "of another model", "bit"])
def test_parts_of_other_predictions_are_refused_by_name(damage, workspace):
    first, second, last = parts(workspace)
    if damage == "dropped":
        second.unlink()
    elif damage == "last dropped":
        last.unlink()
    elif damage == "doubled":
        shutil.copy(first, second)
    elif damage == "swapped":
        held = first.read_bytes()
        first.write_bytes(second.read_bytes())
        second.write_bytes(held)
    elif damage == "of another model":
        shutil.copy(parts(workspace, "other")[1], second)
    else:
        content = bytearray(second.read_bytes())
        content[len(content) // 2] ^= 4
        second.write_bytes(content)
    with pytest.raises(InputError, match=r"(part-0000\d\.parquet|toy-val) is damaged"):
        predictions(workspace)


def test_another_model_in_the_run_s_folder_is_refused(workspace):
    for name in ("model.json", "model.safetensors"):
        shutil.copy(folder(workspace, "other") / name, folder(workspace) / name)
    with pytest.raises(InputError, match="was predicted by another model"):
        predictions(workspace)


def test_weights_of_another_model_are_refused(workspace):
    shutil.copy(folder(workspace, "other") / "model.safetensors", folder(workspace) / "model.safetensors")
    with pytest.raises(InputError, match="fit-incremental-one"):
        load_model(Location.of(folder(workspace)))


VAL = "embeddings/toy/toy/val"


def test_predictions_of_a_workspace_that_was_copied_or_moved_are_of_its_own_store(workspace, tmp_path):
    assert predictions(workspace).store == str(workspace / VAL)
    shutil.move(workspace, tmp_path / "deeper" / "moved")
    moved = tmp_path / "deeper" / "moved"
    assert predictions(moved).store == str(moved / VAL)
    inputs = read_run(Location.of(folder(moved))).manifest.inputs
    assert [one.place for one in inputs] == [str(moved / f"embeddings/toy/toy/{split}") for split in ("train", "val")]


def test_a_run_that_was_copied_alone_keeps_the_store_that_it_was_made_of(workspace, trained, tmp_path):
    write_sets(tmp_path / "other", Blobs(np.random.default_rng(1)), SETS)
    shutil.copytree(trained / "runs", tmp_path / "other" / "runs")
    assert predictions(tmp_path / "other").store == str(trained / VAL)


def test_a_store_that_was_made_again_after_a_move_is_noticed(tmp_path):
    write_sets(tmp_path / "old", Blobs(np.random.default_rng(0)), SETS)
    run(FitIncrementalConfig(dataset="toy", model=("lda",), workspace=str(tmp_path / "old"), name="one", report=False))
    shutil.move(tmp_path / "old", tmp_path / "new")
    shutil.rmtree(tmp_path / "new" / VAL)
    write_sets(tmp_path / "new", Blobs(np.random.default_rng(1)), SETS[1:])
    with pytest.raises(InputError, match=rf"was predicted from other rows than {tmp_path}/new/{VAL} holds now"):
        predictions(tmp_path / "new")


def test_predictions_from_rows_that_were_made_again_are_refused(workspace):
    shutil.rmtree(workspace / "embeddings")
    assert predictions(workspace).n == 9000
    # The recorded place is that of the workspace where the run was made.
    trained = origin_of_first(workspace).place
    store = open_store(Location.of(trained))
    assert store.digest == origin_of_first(workspace).store


def origin_of_first(workspace):
    from gapscope.core.files import read_table

    return origin_of(read_table(Location.of(parts(workspace)[0])).schema.metadata)


def test_a_store_with_other_rows_in_the_same_place_is_noticed(tmp_path):
    write_sets(tmp_path, Blobs(np.random.default_rng(0)), SETS)
    config = FitIncrementalConfig(dataset="toy", model=("lda",), workspace=str(tmp_path), name="one", report=False)
    run(config)
    shutil.rmtree(tmp_path / "embeddings/toy/toy/val")
    write_sets(tmp_path, Blobs(np.random.default_rng(1)), SETS[1:])
    with pytest.raises(InputError, match=r"was predicted from other rows than \S+/toy/val holds now"):
        predictions(tmp_path)
