"""A wrong command is answered with the right one, with the runs, the sets and the files that are there."""

import json
import shlex
import shutil

import numpy as np
import pytest
from conftest import write_store

import gapscope
from gapscope.jobs import command_line as cli

FIT, MAP = "fit-incremental-pets-softmax", "map-pca-pets-test"
BOTH = "--reference pets/test --target night/all"
OF_FILES = "--predictions-reference old-said.csv --predictions-target new-said.csv"


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A folder with a workspace, in which a classifier was trained and a map drawn, images, and two tables."""
    folder = tmp_path_factory.mktemp("home")
    rng = np.random.default_rng(0)
    for dataset, split, rows in (("pets", "train", 60), ("pets", "test", 30), ("night", "all", 30)):
        y = np.arange(rows) % 3
        x = (np.eye(3, 8)[y] * 4 + rng.normal(size=(rows, 8))).astype(np.float32)
        write_store(folder / "workspace/embeddings/toy" / dataset / split, x, y, dataset=dataset, split=split)
    workspace = str(folder / "workspace")
    gapscope.fit_incremental("pets", workspace=workspace, report=False)
    gapscope.map(("pets/test",), method="pca", workspace=workspace, report=False)
    for name in ("my photos/cat/1.jpg", "my photos/dog/1.jpg"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"\xff\xd8\xff")
    for name in ("old", "new"):
        (folder / f"{name}.csv").write_text("image,label,f0,f1\na.jpg,cat,0.5,1\n")
        (folder / f"{name}-said.csv").write_text("image,label,prediction\na.jpg,cat,dog\n")
    return folder


def answered(arguments, home, monkeypatch, capsys):
    """What the command line says of the arguments, in the folder with the workspace."""
    monkeypatch.chdir(home)
    assert cli.execute(shlex.split(arguments)) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    return said


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("gap pets night", f"gap {FIT} {BOTH}"),
        ("gap pets/test night/all", f"gap {FIT} {BOTH}"),
        (f"gap {FIT} pets night", f"gap {FIT} {BOTH}"),
        (f"gap pets/test {FIT}", f"gap {FIT} {BOTH}"),
        (f"gap {BOTH}", f"gap {FIT} {BOTH}"),
        (f"gap {FIT} --reference pets --target night", f"gap {FIT} {BOTH}"),
        (f"gap {FIT} --ref=pets/test --new night/all", f"gap {FIT} {BOTH}"),
        (f"gap {FIT}", f"gap {FIT} {BOTH}"),
        ("gap", f"gap {FIT} {BOTH}"),
        ("gap pets night --seed 3", f"gap {FIT} --seed 3 {BOTH}"),
        (f"gap workspace/runs/{FIT}/manifest.json {BOTH}", f"gap workspace/runs/{FIT} {BOTH}"),
        (f"shift {FIT} {BOTH}", f"shift {BOTH}"),
        ("repair night", f"repair {FIT} {BOTH}"),
        ("forecast night/all", f"forecast {FIT} {BOTH}"),
        ("label-queue night", f"label-queue {FIT} --target night/all"),
        (f"predict {FIT} night/all", f"predict {FIT} --dataset night/all"),
        (f"predict {FIT} --data night", f"predict {FIT} --dataset night/all"),
        ("evaluate pets", f"evaluate {FIT} --dataset pets/test"),
        ("report pets", f"report {FIT}"),
        ("report", f"report {FIT}"),
        ("explore", f"explore {MAP}"),
        ("explore pets", f"explore {MAP}"),
        (f"map {FIT}", "map pets/test"),
        (f"tune {FIT}", "tune pets"),
        ("runs list", "runs"),
        (f"runs show {FIT}", f"report {FIT}"),
        ("models", "runs"),
        ("train pets", "fit-incremental pets"),
        ("evaluat x", "evaluate x"),
        ("--seed 3 runs", "runs --seed 3"),
        ("datasets list", "datasets"),
        (f"export {FIT} onnx", f"export {FIT} --to onnx"),
        (f"export {FIT} --format onnx", f"export {FIT} --to onnx"),
        ("fit pets --test night/all", "fit pets --evaluate night/all"),
        ("extract --folder 'my photos'", "extract 'my photos'"),
        ("extract 'my photos' resnet50", "extract 'my photos' --backbone resnet50"),
        ("extract 'my photos/cat/1.jpg'", "extract 'my photos/cat'"),
        ("import old.csv", "import-features old.csv --dataset old"),
        (f"verify {FIT}", "verify {home}/workspace"),
        ("gap old-said.csv new-said.csv", f"gap {OF_FILES}"),
        ("gap --predictions old-said.csv new-said.csv", f"gap {OF_FILES}"),
        ("extract 'my photos/train'", "extract 'my photos' --split train"),
        ("extract 'my photos/*'", "extract 'my photos'"),
        ("extract 'my photos' --size 112", "extract 'my photos' --image-size 112"),
        ("shift --source pets --target night", f"shift {BOTH}"),
        ("label-queue pets night", f"label-queue {FIT} --target night/all"),
        ("evaluate new-said.csv", "evaluate --predictions new-said.csv"),
    ],
)
def test_a_wrong_command_is_answered_with_the_right_one(typed, meant, home, monkeypatch, capsys):
    said = answered(typed, home, monkeypatch, capsys)
    assert said.rstrip("\n").endswith(f"did you mean `gapscope {meant.format(home=home)}`?")


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        (f"gate {FIT} workspace/runs/{FIT} --target night/all", f"runs/{FIT} --dataset night --split all --workspace "),
        (f"gate {FIT} {FIT} night pets", f"did you mean `gapscope gate {FIT} {FIT} --reference night/all --target"),
        (f"gate {FIT} --target night/all", "gate compares an old run or file with a new one: name two, not 1"),
    ],
)
def test_of_several_runs_none_is_dropped(typed, said, home, monkeypatch, capsys):
    answer = answered(typed, home, monkeypatch, capsys)
    assert said in answer
    assert f"did you mean `gapscope gate {FIT} --" not in answer


@pytest.mark.parametrize(
    ("typed", "first", "last"),
    [
        ("gap my photos night", "extract 'my photos' --backbone resnet50", "fit-incremental-my-photos-softmax"),
        ("gap pets 'my photos'", "extract 'my photos' --backbone resnet50 --split all", "--target my-photos/all"),
        (
            "gap old new",
            "import-features old.csv --dataset old --split train",
            "fit-incremental old --evaluate new/test",
        ),
        ("shift old.csv new.csv", "import-features old.csv --dataset old --split train", "--target new/test"),
    ],
)
def test_what_is_not_stored_is_stored_first(typed, first, last, home, monkeypatch, capsys):
    said = answered(typed, home, monkeypatch, capsys)
    assert f"did you mean `gapscope {first}`, then `gapscope " in said
    assert last in said.rpartition("then ")[2]


def test_a_table_that_is_not_stored_is_imported(home, monkeypatch, capsys):
    said = answered("fit old.csv", home, monkeypatch, capsys)
    assert "(or make them with `gapscope import-features old.csv --dataset old --split train`)" in said


def test_names_that_are_not_there_are_answered_with_an_example_of_those_that_are(home, monkeypatch, capsys):
    assert f"for instance `gapscope gap {FIT} {BOTH}`." in answered("gap A B", home, monkeypatch, capsys)


@pytest.mark.parametrize("typed", [f"gap {FIT} {BOTH} --replicates 3", f"gap --run {FIT} {BOTH} --replicates 3"])
def test_nothing_else_is_proposed_where_runs_and_sets_are_right(typed, home, monkeypatch, capsys):
    assert "did you mean" not in answered(typed, home, monkeypatch, capsys)


@pytest.mark.parametrize(
    "typed", [f"shift {FIT} {BOTH} --no-report", f"runs show {FIT}", "datasets list", "report pets"]
)
def test_the_command_that_is_proposed_works_as_it_stands(typed, home, monkeypatch, capsys):
    proposed = answered(typed, home, monkeypatch, capsys).rpartition("`gapscope ")[2].rpartition("`")[0]
    assert cli.execute(shlex.split(proposed)) == 0


def test_a_word_where_a_number_is_wanted_is_said_without_the_name_of_a_type(home, monkeypatch, capsys):
    said = answered("fit pets --epochs ten", home, monkeypatch, capsys)
    assert "--epochs takes a whole number, and ten is none." in said


def test_a_run_that_is_not_finished_is_answered_with_its_whole_command(home, monkeypatch, capsys):
    config = {"dataset": "pets", "model": ["lda", "ridge"], "seed": 3, "grid": False, "report": False}
    place = home / "workspace/runs/killed/manifest.json"
    place.parent.mkdir(exist_ok=True)
    manifest = {"spec_version": 2, "job": "fit-incremental", "config": config, "versions": {}, "status": "failed"}
    place.write_text(json.dumps(manifest))
    monkeypatch.chdir(home)
    assert cli.execute(["report", "killed"]) == 2
    said = capsys.readouterr().err
    shutil.rmtree(place.parent)
    assert "(its status is failed)" in said
    assert said.endswith(": `gapscope fit-incremental pets --model lda ridge --no-report --seed 3`\n")


def test_an_image_that_is_not_there_is_taken_for_no_run(home, monkeypatch, capsys):
    said = answered("predict 'my photos/cat/2.jpg'", home, monkeypatch, capsys)
    assert "predict needs --dataset" in said
    assert "did you mean" not in said
