"""A folder of classes without splits can be taken as one set, and every file of it is accounted for once it is read."""

import re
import shlex

import numpy as np
import pytest
from PIL import Image

from gapscope.core.errors import InputError
from gapscope.core.location import Location
from gapscope.data.dataset import Dataset
from gapscope.jobs.extract import ExtractConfig, run
from gapscope.store.workspace import find_store

EACH = 12


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """Two classes of images, and in the first a file that is empty and a link that leads nowhere."""
    folder = tmp_path_factory.mktemp("whole") / "photos"
    rng = np.random.default_rng(0)
    for name in ("ant", "bee"):
        (folder / name).mkdir(parents=True)
        for number in range(EACH):
            pixels = rng.integers(0, 255, (40, 40, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{number}.png")
    (folder / "ant" / "empty.png").touch()
    (folder / "ant" / "gone.png").symlink_to(folder / "nowhere.png")
    return folder


def extract(folder, *splits, suffix="", place=None):
    place = str(place or folder.parent / "workspace")
    config = ExtractConfig(dataset=(f"{folder}{suffix}",), split=splits, backbone="tiny", workspace=place)
    return [block.text for block in run(config).blocks if hasattr(block, "text")]


def account_of(texts):
    (sentence,) = [text for text in texts if " files: " in text]
    return sentence


def test_images_that_cannot_be_read_are_counted_as_rejected_in_the_account(photos):
    sentence = account_of(extract(photos))
    listed = f"{2 * EACH} listed (all {2 * EACH}, divided at random: train 19, val 2, test 3)"
    assert f"{2 * EACH + 2} files: {listed}, 2 rejected (" in sentence
    assert "ant/empty.png: the file is empty" in sentence
    assert "ant/gone.png: is a broken link" in sentence


def test_all_images_are_one_set_where_splits_are_made_by_rule(photos):
    texts = extract(photos, "all")
    assert f"{2 * EACH} listed" in account_of(texts)
    assert f"{photos}: it has no splits of its own and is taken as one set" in texts
    assert not any("keeps it whole" in text or "train 80%" in text for text in texts)
    store = find_store(Location.of(photos.parent / "workspace"), "photos", "all", "")
    assert np.bincount(store.labels()).tolist() == [EACH, EACH]


@pytest.mark.parametrize(("few", "said"), [(1, True), (EACH, False)])
def test_classes_without_a_training_image_are_said(tmp_path, few, said):
    rng = np.random.default_rng(1)
    for name, count in (("ant", EACH), ("bee", few)):
        (tmp_path / "lonely/train" / name).mkdir(parents=True)
        (tmp_path / "lonely/test" / name).mkdir(parents=True)
        for number in range(count):
            pixels = rng.integers(0, 255, (40, 40, 3), dtype=np.uint8)
            split = "test" if (few == 1 and name == "bee") or number == 0 else "train"
            Image.fromarray(pixels).save(tmp_path / "lonely" / split / name / f"{number}.png")
    texts = extract(tmp_path / "lonely", "train", "test", place=tmp_path)
    assert any("/train has no image of bee; nothing that is trained on it" in text for text in texts) == said


def test_a_dataset_that_cannot_be_taken_as_one_set_does_not_say_so():
    assert Dataset("photos+synthetic:blends", "photos", {}, notes=("a note",)).sentences() == ("a note",)


@pytest.mark.parametrize(("suffix", "rows"), [("+invert:1", 2 * EACH), ("@10", 10)])
def test_so_are_those_of_a_modified_or_limited_set(photos, suffix, rows):
    extract(photos, "all", suffix=suffix)
    name = next(one for one in (f"photos{suffix}", "photos+invert:1") if suffix in one)
    assert find_store(Location.of(photos.parent / "workspace"), name, "all", "").rows == rows


def test_the_command_that_an_unknown_split_is_answered_with_makes_it(photos, tmp_path):
    extract(photos, "train", place=tmp_path)
    place = Location.of(tmp_path)
    with pytest.raises(InputError) as error:
        find_store(place, "photos", "val", "tiny")
    command = re.search(r"`gapscope (extract .*?)`", str(error.value))[1]
    _, there, *words = shlex.split(command)
    assert there == str(photos)
    assert words == ["--split", "val", "--backbone", "tiny", "--workspace", str(tmp_path)]
    extract(photos, "val", place=tmp_path)
    assert find_store(place, "photos", "val", "tiny").rows > 0
    with pytest.raises(InputError, match=r"no split 'fold-3'; it has train, val, test, all"):
        extract(photos, "fold-3")


def test_a_name_that_is_neither_a_dataset_nor_a_place_is_said_to_be_neither(photos, monkeypatch):
    monkeypatch.chdir(photos.parent)
    with pytest.raises(InputError, match="no dataset named 'nowhere'") as error:
        run(ExtractConfig(dataset=("nowhere",), workspace="workspace"))
    assert "nor is there a file or folder of that name here" in " ".join(error.value.__notes__)


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("Été", "'Été 2023'?: what holds blanks"),
        ("Ete 2023", "'Été 2023'?"),
        ("photo", "photos?"),
        ("./fotos", "photos?"),
    ],
)
def test_a_place_that_was_probably_meant_is_named(typed, meant, photos, monkeypatch):
    monkeypatch.chdir(photos.parent)
    (photos.parent / "Été 2023").mkdir(exist_ok=True)
    with pytest.raises(InputError) as error:
        run(ExtractConfig(dataset=(typed,), workspace="workspace"))
    said = " ".join([str(error.value), *getattr(error.value, "__notes__", ())])
    assert f"did you mean {meant}" in said
