"""Images that were deleted or renamed since extraction: every command says what is otherwise, and what goes on."""

import shlex
import shutil

import numpy as np
import pytest
from PIL import Image

from gapscope.jobs import command_line

EACH = 12


@pytest.fixture
def home(tmp_path, monkeypatch):
    """Images, the workspace of their features, and then one image less and one under another name."""
    rng = np.random.default_rng(0)
    for number, place in enumerate(("train/ant", "train/bee", "val/ant", "val/bee")):
        (tmp_path / "pets" / place).mkdir(parents=True)
        for one in range(EACH):
            pixels = rng.integers(0, 150 + 20 * number, (24, 24, 3), np.uint8)
            Image.fromarray(pixels).save(tmp_path / "pets" / place / f"{one}.png")
    monkeypatch.chdir(tmp_path)
    assert run("extract", "./pets", "--backbone", "tiny", "--no-attributes", "--workspace", "w") == 0
    return tmp_path


def run(*words):
    return command_line.execute([*map(str, words)])


def commands_in(text):
    return [words for words in (shlex.split(one) for one in text.split("`")[1::2]) if words]


CHANGES = {
    "deleted": (lambda home: (home / "pets/train/ant/3.png").unlink(), "there were 24 images, now 23"),
    "renamed": (
        lambda home: (home / "pets/val/bee/1.png").rename(home / "pets/val/bee/99.png"),
        "names or labels of its 24 images are others",
    ),
    "moved to another class": (
        lambda home: shutil.move(home / "pets/train/ant/3.png", home / "pets/train/bee/33.png"),
        "names or labels of its 24 images are others",
    ),
    "a class less": (lambda home: shutil.rmtree(home / "pets/train/bee"), "there were 24 images, now 12"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_extract_names_the_command_that_goes_on(change, home, capsys):
    do, said = CHANGES[change]
    do(home)
    capsys.readouterr()
    assert run("extract", "./pets", "--backbone", "tiny", "--no-attributes", "--workspace", "w") == 2
    error = capsys.readouterr().err
    assert said in error
    (command,) = commands_in(error)
    assert command[1:3] == ["extract", "./pets"]
    assert run(*command[1:]) == 0
    assert "pets-2/train" in capsys.readouterr().out


@pytest.mark.parametrize("change", ["deleted", "moved to another class"])
def test_so_do_commands_that_look_for_the_images_of_a_store(change, home, capsys):
    CHANGES[change][0](home)
    for again in (("measure", "pets/train"), ("explain", "--reference", "pets/train", "--target", "pets/val")):
        assert run(*again, "--workspace", "w") == 2
        error = capsys.readouterr().err
        assert "has other names or labels than what was extracted (24 images then, " in error
        (command,) = commands_in(error)
        assert command[1] == "extract"
    assert run(*command[1:]) == 0
    assert (home / "w/embeddings/tiny/pets-2/train/manifest.json").exists()


def test_and_one_that_trains_the_last_layer_of_a_network_again(home, capsys, quick_trainings):
    words = ("--network", "simple-cnn", "--epochs", "1", "--no-report", "--workspace", "w")
    assert run("train-cnn", "./pets", *words) == 0
    CHANGES["deleted"][0](home)
    capsys.readouterr()
    assert run("refit-head", "train-cnn-pets-simple-cnn", "--no-report", "--workspace", "w") == 2
    error = capsys.readouterr().err
    assert "lists other images than train-cnn-pets-simple-cnn was trained on" in error
    (command,) = commands_in(error)
    assert command[1:3] == ["train-cnn", "./pets"]
    assert run(*command[1:], "--no-report") == 0
    assert run("refit-head", "train-cnn-pets-simple-cnn", "--no-report", "--workspace", "w") == 0


def test_a_store_of_images_that_moved_is_told_which_of_two_places_is_meant(home, capsys):
    shutil.copytree(home / "pets", home / "other/pets")
    CHANGES["deleted"][0](home)
    assert run("extract", "other/pets", "--backbone", "tiny", "--no-attributes", "--workspace", "w") == 2
    (command,) = commands_in(capsys.readouterr().err)
    assert run(*command[1:]) == 0
    assert (home / "w/embeddings/tiny/pets-2").is_dir()
