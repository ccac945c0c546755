"""Datasets are found by name, by path and by looking, and what is missing is said in one sentence."""

import re
import shutil
import subprocess
import sys
import unicodedata
from pathlib import Path

import data_layouts
import pytest
from data_layouts import png, write
from hypothesis import given
from hypothesis import strategies as st

from gapscope.blocks import Sentence, Table
from gapscope.core.errors import InputError
from gapscope.core.location import Location
from gapscope.data.catalogue import accounting_of, find_datasets, open_dataset
from gapscope.data.datasets import DATASETS
from gapscope.data.datasets.cifar10 import CLASSES
from gapscope.data.layouts import dataset_name
from gapscope.data.vocabulary import dataset_slug
from gapscope.jobs.datasets import DatasetsConfig, list_datasets, run
from gapscope.jobs.extract import ExtractConfig
from gapscope.jobs.extract import run as extract
from gapscope.store import open_store


def test_the_shared_folder_holds_these_datasets_and_no_others(test_data):
    names = ["cifar10", "fashion-mnist", "cats-vs-dogs", "imagenet-sample", "objects37"]
    assert [found.name for found in find_datasets(test_data)] == names


@pytest.mark.parametrize(
    ("folder", "name"),
    [("objects37", "objects37"), ("cifar10", "cifar10"), ("FashionMNIST", "fashion-mnist"), ("corrupt", None)],
)
def test_the_data_root_may_be_the_dataset_itself(test_data, folder, name):
    assert [found.name for found in find_datasets(test_data / folder)] == ([name] if name else [])


@pytest.mark.parametrize("name", ["cifar10", "objects37"])
def test_a_dataset_opens_alike_by_name_and_by_path(test_data, name):
    by_name, by_path = open_dataset(name, test_data), open_dataset(str(test_data / name), Path("nowhere"))
    assert by_name.name == by_path.name == name
    for split in by_name.splits:
        assert by_name.source(split).listing.fingerprint() == by_path.source(split).listing.fingerprint()


def test_every_layout_but_loose_images_is_found_by_looking(tmp_path):
    for name, builder in data_layouts.LAYOUTS.items():
        builder(tmp_path / name)
    found = {dataset.name for dataset in find_datasets(tmp_path)}
    assert found >= {"class_tree", "split_tree", "flat_csv", "parquet", "parquet_texts", "fashion-mnist", "imagenetv2"}
    assert "flat" not in found


def test_archives_in_the_root_are_found_and_names_are_kept_apart(tmp_path):
    data_layouts.tar(tmp_path)
    data_layouts.tar_gz(tmp_path)
    data_layouts.class_tree(tmp_path / "digits")
    assert [found.name for found in find_datasets(tmp_path)] == ["digits-2", "set", "set-2"]
    assert open_dataset("set-2", tmp_path).name == "set-2"


def test_variants_beside_other_datasets_hide_none_of_them(tmp_path):
    data_layouts.numbered_v2(tmp_path)
    data_layouts.class_tree(tmp_path / "insects")
    assert [found.name for found in find_datasets(tmp_path)] == ["imagenetv2", "insects"]


def test_the_parts_of_a_dataset_are_not_datasets(tmp_path):
    data_layouts.imagenet(tmp_path)
    assert [found.name for found in find_datasets(tmp_path / "imagenet")] == ["imagenet"]


def test_a_root_that_is_not_there_holds_nothing(tmp_path):
    assert find_datasets(tmp_path / "nowhere") == []


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("cifar", "no dataset named 'cifar'; did you mean 'cifar10'"),
        ("imagenet", "imagenet was not found under .* to get it, register"),
        ("some/where", "there is no dataset at some/where"),
    ],
)
def test_what_is_missing_is_said_in_one_sentence(tmp_path, name, sentence):
    with pytest.raises(InputError, match=sentence) as caught:
        open_dataset(name, tmp_path)
    assert "\n" not in str(caught.value)


def test_a_folder_without_images_is_refused(tmp_path):
    write(tmp_path / "set" / "notes.txt", b"nothing")
    with pytest.raises(InputError, match="holds no images"):
        open_dataset(str(tmp_path / "set"), tmp_path)


def test_an_unknown_split_is_refused_with_those_there_are(tmp_path):
    with pytest.raises(InputError, match=r"no split of digits named 'tset'; did you mean 'test'"):
        open_dataset("digits", tmp_path).source("tset")


@pytest.mark.parametrize("builder", [data_layouts.split_tree, data_layouts.parquet])
@pytest.mark.parametrize(("kept", "splits"), [("train", ("train", "val", "test")), ("other", None)])
def test_a_lone_training_set_is_divided_and_a_lone_test_set_is_not(tmp_path, builder, kept, splits):
    root = builder(tmp_path / "set")
    for path in list(root.iterdir()):
        if path.name.startswith("train") != (kept == "train"):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    dataset = open_dataset(str(root), tmp_path)
    assert dataset.splits == (splits or (("test",) if builder is data_layouts.parquet else ("val",)))
    assert set(dataset.source(dataset.splits[0]).listing.class_names) == set(data_layouts.CLASSES)


def test_the_seed_decides_splits_by_rule(tmp_path):
    first, second = (open_dataset("digits", tmp_path, seed=seed).source("test").listing.names for seed in (0, 1))
    assert first != second


def test_a_dataset_with_splits_of_its_own_is_not_read_to_make_some(tmp_path, monkeypatch):
    root = data_layouts.split_tree(tmp_path / "set")
    monkeypatch.setattr(Path, "read_bytes", lambda path: pytest.fail(f"read {path}"))
    dataset = open_dataset(str(root), tmp_path)
    assert [len(dataset.source(split).listing) for split in dataset.splits] == [24, 12]


def test_the_job_lists_what_is_there_and_how_to_get_the_rest(tmp_path):
    data_layouts.class_tree(tmp_path / "insects")
    data_layouts.parquet(tmp_path / "half")
    (tmp_path / "half" / "train-00001-of-00002.parquet").unlink()
    entries = {entry.name: entry for entry in list_datasets(DatasetsConfig(data_root=tmp_path))}
    assert sum(entries["insects"].splits.values()) == 3 * data_layouts.PER_CLASS + 1
    assert entries["half"].notes[0].startswith("cannot be opened")
    assert (entries["digits"].place, entries["digits"].splits) == ("embedded", {"train": 1437, "test": 360})
    assert entries["imagenet"].notes[0].startswith("to get it, register")


def test_the_job_reports_files_by_split(tmp_path):
    report = run(DatasetsConfig(data_root=tmp_path))
    rows = [(row["dataset"], row["split"], row["value"]) for row in report.as_json()["results"]]
    assert rows[:2] == [("digits", "train", 1437), ("digits", "test", 360)]
    assert {row[0] for row in report.blocks[0].rows} - {""} == set(DATASETS)


def test_looking_for_datasets_loads_no_heavy_library(tmp_path):
    for number in range(3):
        for label, wnid in enumerate(("n01440764", "n01443537")):
            write(tmp_path / "a" / wnid / f"{number}.jpg", png(label, number))
    script = (
        "import sys; from pathlib import Path; from gapscope.data.catalogue import find_datasets, open_dataset; "
        "import gapscope.jobs.datasets; root = Path(sys.argv[1]); assert len(find_datasets(root)) == 1; "
        "open_dataset('a', root).source('train'); "
        "sys.exit(str({'torch', 'dask', 'sklearn', 'timm', 'pandas', 'numba'} & set(sys.modules) or ''))"
    )
    outcome = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
    )
    assert outcome.stderr.strip() == ""


def test_a_modified_copy_of_a_named_dataset_has_its_own_name(tmp_path):
    for folder in ("cifar10", "cifar10-night"):
        for name in CLASSES:
            write(tmp_path / folder / "test" / name / "0.png", png(0, 0))
    opened = [open_dataset(str(tmp_path / folder), tmp_path).name for folder in ("cifar10", "cifar10-night")]
    assert opened == ["cifar10", "cifar10-night"]


@pytest.mark.parametrize("name", ["cats-vs-dogs", "objects37"])
def test_every_file_of_a_dataset_of_the_catalogue_is_accounted_for(test_data, name):
    account = accounting_of(open_dataset(name, test_data))
    place = open_dataset(name, test_data).place
    assert account.files == sum(path.is_file() for path in Path(place).rglob("*"))
    assert account.files == sum(account.listed.values())


NAMES = {
    "猫": "猫",
    "犬": "犬",
    "Ä": "ä",
    "Some Set": "some-set",
    "pets.tar.gz": "pets",
    "PetImages": "petimages",
    "cats-vs-dogs": "cats-vs-dogs",
    "fog/3": "fog-3",
    "gaussian_noise/3": "gaussian_noise-3",
    "noise/2/3": "noise-2-3",
    "fog/severity_1": "fog-severity_1",
    "snow/level-2.tar.gz": "snow-level-2",
    "cv/fold1/3": "cv-fold1-3",
}


@pytest.mark.parametrize("place", NAMES)
def test_a_path_keeps_its_own_name(tmp_path, place):
    assert dataset_name(tmp_path / place) == NAMES[place]


@given(st.sets(st.text("aA äÄ猫犬+#.-_ (2)🐱", min_size=1, max_size=6), min_size=2, max_size=12))
def test_names_that_differ_in_more_than_case_and_blanks_stay_different(names):
    plain = {" ".join(unicodedata.normalize("NFC", name).lower().replace(" ", "-").split()) for name in names}
    slugs = {dataset_slug(name) for name in names}
    assert len(slugs) >= len(plain)
    assert all(re.fullmatch(r"[\w.-]+", slug) and not slug.startswith((".", "-")) for slug in slugs)


def test_a_typed_folder_of_cats_and_dogs_keeps_its_own_name_and_the_recipe_goes_by_names(tmp_path):
    for folder in ("day", "night", "PetImages"):
        for label, kind in enumerate(("Cat", "Dog")):
            for number in range(3):
                write(tmp_path / folder / kind / f"{number}.png", png(label, number + 10 * len(folder)))
    assert [open_dataset(str(tmp_path / folder), tmp_path).name for folder in ("day", "night")] == ["day", "night"]
    assert [found.name for found in find_datasets(tmp_path)] == ["cats-vs-dogs", "day", "night"]
    assert find_datasets(tmp_path)[0].place.name == "PetImages"
    shutil.rmtree(tmp_path / "PetImages")
    assert [found.name for found in find_datasets(tmp_path)] == ["day", "night"]
    assert open_dataset("cats-vs-dogs", tmp_path).place == str(
        tmp_path / "day"
    )  # asked for by name, the layout suffices


def test_a_modified_copy_of_imagenets_validation_images_is_not_imagenet(tmp_path):
    data_layouts.imagenet(tmp_path)
    (tmp_path / "imagenet").rename(tmp_path / "blurred")
    dataset = open_dataset(str(tmp_path / "blurred"), tmp_path)
    assert (dataset.name, dataset.companions) == ("blurred", ())
    assert dataset.source("val").listing.labels.tolist() == [0, 2, 757] * 2  # read as ImageNet is, with its devkit
    assert [found.name for found in find_datasets(tmp_path)] == ["blurred"]


def test_the_manifest_and_the_last_sentence_account_for_every_file(tmp_path):
    root = data_layouts.split_tree(tmp_path / "set")
    write(root / "Thumbs.db", b"x")
    write(root / "notes.txt", b"x")
    (root / "train" / "ant" / "gone.png").symlink_to(tmp_path / "nowhere")
    options = {"backbone": "tiny", "decode_workers": 0, "image_size": 32, "workspace": str(tmp_path / "workspace")}
    report = extract(ExtractConfig(dataset=(str(root),), **options))
    texts = [block.text for block in report.blocks if isinstance(block, Sentence)]
    sentence = next(text for text in texts if "39 files" in text)
    assert "36 listed (train 24, val 12), 1 rejected (train/ant/gone.png: is a broken link to" in sentence
    assert "2 not used (hidden or system files: Thumbs.db; tables: notes.txt)" in sentence
    manifest = open_store(Location.of(tmp_path / "workspace" / "embeddings" / "tiny" / "set" / "train")).manifest
    assert manifest.files == {
        "files": 39,
        "listed": {"train": 24, "val": 12},
        "rejected": 1,
        "unused": {"hidden or system files": 1, "tables": 1},
    }
    assert (manifest.rows, manifest.rejected) == (24, 1)


def test_a_dataset_is_shown_as_it_is_understood_before_any_work(tmp_path):
    root = data_layouts.split_tree(tmp_path / "set")
    report = run(DatasetsConfig(dataset=str(root), data_root=tmp_path))
    overview, classes = (block for block in report.blocks if isinstance(block, Table))
    assert [row[2:] for row in overview.rows] == [("train", 24, 3), ("val", 12, 3)]
    assert classes.rows[0] == ("train", "ant", 8, "train/ant/00.png")
    assert len(classes.rows) == 6
    assert any("36 files: 36 listed" in block.text for block in report.blocks if isinstance(block, Sentence))


def test_a_folder_here_of_the_name_of_a_known_data_set_is_said_to_be_another(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("digits", "imagenet"):
        (tmp_path / name).mkdir()
    assert any("named as ./digits" in note for note in open_dataset("digits", tmp_path / "data").notes)
    with pytest.raises(InputError) as error:
        open_dataset("imagenet", tmp_path / "data")
    assert "named as ./imagenet" in " ".join(error.value.__notes__)
    (tmp_path / "digits").rmdir()
    assert not any("named as" in note for note in open_dataset("digits", tmp_path / "data").notes)


@pytest.mark.parametrize(("listed", "folder"), [("NFC", "NFD"), ("NFD", "NFC")])
def test_letters_with_accents_are_one_class_however_a_computer_writes_them(listed, folder, tmp_path):
    spelt = {form: unicodedata.normalize(form, "café") for form in ("NFC", "NFD")}
    for name in (spelt[folder], "dog"):
        for number in range(4):
            write(tmp_path / "data" / name / f"{number}.png", png(0, number))
    (tmp_path / "classes.txt").write_text(f"dog\n{spelt[listed]}\n")
    listing = open_dataset(str(tmp_path / "data"), tmp_path, classes=tmp_path / "classes.txt").source("all").listing
    assert listing.class_names == ["dog", spelt["NFC"]]
    assert sorted(listing.labels.tolist()) == [0] * 4 + [1] * 4
