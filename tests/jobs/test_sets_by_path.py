"""A set may be named by the path that its images were read from, wherever stored sets are named."""

import shlex
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from gapscope import commands
from gapscope.core.errors import InputError
from gapscope.core.location import Location
from gapscope.core.program import called
from gapscope.jobs import command_line
from gapscope.store.workspace import find_store

EACH = 10


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A folder with photographs in splits, some in none, others of two names, and the workspace of all."""
    folder, rng = tmp_path_factory.mktemp("paths"), np.random.default_rng(0)
    for place in ("mine/pets/train", "mine/pets/valid", "new", "twice"):
        for number, name in enumerate(("ant", "bee")):
            (folder / place / name).mkdir(parents=True)
            for one in range(EACH):
                pixels = rng.integers(0, 200 + 50 * number, (32, 32, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(folder / place / name / f"{one}.png")
    return folder


@pytest.fixture(scope="module", autouse=True)
def stored(home):
    """The sets, extracted as they are typed in `home`."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(home)
        for words in (
            ("./mine/pets", "--name", "animals"),
            ("./new", "--split", "all"),
            ("./twice",),
            ("./twice", "--name", "again"),
        ):
            assert run("extract", *words, "--backbone", "tiny", "--no-attributes") == 0
        yield


def run(*words):
    return command_line.execute([*map(str, words)])


TYPED = {
    "a path": ("./mine/pets", "./new/all", "./mine/pets/val"),
    "with a slash behind it": ("mine/pets/", "new/all/", "mine/pets/val/"),
    "the folder of a split": ("./mine/pets/train", "./new/all", "./mine/pets/val"),
    "the stored name": ("animals", "new/all", "animals/val"),
}


@pytest.mark.parametrize("how", TYPED)
def test_every_command_takes_the_path_that_was_extracted(home, how, capsys):
    train, new, val = TYPED[how]
    assert run("fit", train, "--model", "lda", "--evaluate", new, "--no-report") == 0
    fitted = "fit-incremental-animals-lda"
    if train.endswith("train"):
        fitted = "fit-incremental-animals-train-lda"
    assert "of new/all correctly" in capsys.readouterr().out or (home / "workspace/runs" / fitted).exists()
    sides = ("--reference", val, "--target", new)
    assert run("shift", *sides, "--statistics", "moments", "--no-report") == 0
    assert run("gap", fitted, *sides, "--skip", "domain", "remedies", "--no-report") == 0
    assert run("predict", fitted, "--dataset", new) == 0
    assert run("map", val, new, "--method", "pca", "--no-report") == 0
    assert run("measure", new) == 0
    assert (home / "workspace/runs/shift-animals-val-new-all").is_dir()
    assert not [one.name for one in (home / "workspace/runs").iterdir() if ".-" in one.name or "mine" in one.name]


@pytest.mark.parametrize("typed", ["./new", "new/", "../{home}/new"])
def test_so_is_a_folder_that_is_stored_by_its_own_name(home, typed):
    assert run("tune", typed.format(home=home.name), "--split", "all", "--model", "lda") == 0


def test_a_file_that_was_imported_names_its_set(home, rng):
    for name, count in (("spring", 40), ("autumn", 30)):
        rows = "".join(f"{number % 2},{','.join(map(str, rng.normal(size=3)))}\n" for number in range(count))
        (home / f"{name}.csv").write_text(f"label,f0,f1,f2\n{rows}")
    assert run("import", "spring.csv", "--dataset", "seasons") == 0
    assert run("import", "autumn.csv", "--dataset", "seasons", "--split", "test") == 0
    assert run("fit", "./spring.csv", "--evaluate", "autumn.csv", "--model", "lda", "--no-report") == 0
    sides = ("--reference", "spring.csv", "--target", str(home / "autumn.csv"))
    assert run("shift", *sides, "--statistics", "moments", "--no-report") == 0
    assert (home / "workspace/runs/shift-seasons-train-seasons-test").is_dir()


def test_so_does_python(home):
    done = commands.function("shift")(reference=home / "mine/pets/val", target="new/all", statistics=["moments"])
    assert done.run.endswith("shift-animals-val-new-all")


@pytest.mark.parametrize("typed", ["./twice", "twice/../twice"])
def test_a_path_of_two_stored_sets_is_asked_about(typed):
    with pytest.raises(InputError, match="is stored as again and as twice; name one of them"):
        commands.function("tune")(f"./{typed}")


def test_the_way_out_of_a_split_that_is_not_stored_can_be_typed(home, capsys):
    assert run("shift", "--reference", "animals/val", "--target", "animals/test") == 2
    assert (
        f"`gapscope extract {home / 'mine/pets'} --split test --name animals --backbone tiny`"
        in capsys.readouterr().err
    )
    assert run("fit", "animals", "--evaluate", "new/test", "--no-report") == 2
    said = capsys.readouterr().err
    command = said.split("make them with `")[1].split("`")[0]
    assert run(*shlex.split(command)[1:], "--no-attributes") == 0
    assert run("fit", "animals", "--evaluate", "new/test", "--model", "lda", "--no-report") == 0


def test_a_command_for_another_backbone_has_no_weights_of_the_stored_one(tmp_path, monkeypatch):
    """It named the file of one network's weights together with the name of another."""
    options = {"dataset": ["/new"], "weights": "w.safetensors", "backbone": "tiny", "image_size": 8}
    known = SimpleNamespace(
        command={"job": "extract", "options": options},
        provenance=SimpleNamespace(is_imported=False, class_names=("a",)),
    )
    monkeypatch.setattr("gapscope.store.workspace.manifests", lambda *_: iter([known]))
    ours = "extract /new --split odd --weights w.safetensors --image-size 8 --backbone tiny --workspace"
    for backbone, said in (("tiny", ours), ("", ours), ("vit", "extract /new --split odd --backbone vit --workspace")):
        with pytest.raises(InputError) as error:
            find_store(Location(str(tmp_path)), "new", "odd", backbone)
        assert said in str(error.value)


def test_a_folder_without_splits_says_what_was_divided_into_what_and_how_to_keep_it_whole(home, capsys):
    assert run("extract", "./twice", "--backbone", "tiny", "--no-attributes") == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "20 listed (all 20, divided at random: train 16, val 2, test 2)" in said
    assert f"{called()} extract ./twice --backbone tiny --no-attributes --split all keeps it whole" in said
    assert run("extract", "./new", "--split", "all", "--backbone", "tiny") == 0
    assert "20 listed (all 20)," in capsys.readouterr().out


def test_a_stored_set_without_its_manifest_is_damaged_and_not_missing(home, capsys):
    store = next((home / "workspace/embeddings").rglob("again/test"))
    manifest = (store / "manifest.json").rename(store / "away")
    assert run("shift", "--reference", "again/val", "--target", "again/test") == 2
    assert "again/test is damaged: it has no manifest.json; `gapscope verify " in capsys.readouterr().err
    manifest.rename(store / "manifest.json")
