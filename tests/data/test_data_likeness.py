"""Near duplicates are found whatever their encoding, distinct images are not, and both stay on one side of a split."""

import time
from io import BytesIO

import numpy as np
import pytest
from data_layouts import write
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from scipy.fft import dctn

from gapscope.blocks import Table
from gapscope.core.errors import InputError
from gapscope.data import alike, splits
from gapscope.data.catalogue import open_dataset
from gapscope.data.duplicates import find_duplicates
from gapscope.data.likeness import DISTANCE, PAIRED, Looks, joined, looks_of, perceptual_hashes
from gapscope.data.source import Listing
from gapscope.data.sources.files import FileSource
from gapscope.data.sources.subset import Subset
from gapscope.jobs.datasets import DatasetsConfig, run

# Pairs of the real sets that were looked at, side by side: each shows one and the same picture.
SEEN = {
    "objects37": {
        ("hedgehog/000.jpg", "hedgehog/003.jpg"),
        ("lotus/003.jpg", "lotus/008.jpg"),
        ("lotus/012.jpg", "lotus/018.jpg"),
        ("mayfly/001.jpg", "mayfly/009.jpg"),
        ("octopus/002.jpg", "octopus/003.jpg"),
        ("pagoda/006.jpg", "pagoda/011.jpg"),
        ("strawberry/000.jpg", "strawberry/019.jpg"),
        ("water_lilly/000.jpg", "water_lilly/008.jpg"),
    },
    "cats-vs-dogs": {
        ("Cat/1222.jpg", "Cat/77.jpg"),
        ("Cat/1259.jpg", "Cat/401.jpg"),
        ("Cat/1400.jpg", "Cat/3.jpg"),
        ("Dog/12.jpg", "Dog/1333.jpg"),
        ("Dog/1299.jpg", "Dog/20.jpg"),
    },
    "cifar10": {("train-00000-of-00002.parquet/000895", "train-00000-of-00002.parquet/001489")},
}


def scene(rng, size=(240, 180)):
    """A smooth random picture with something of every scale in it."""
    image = np.zeros((size[1], size[0], 3))
    for side in (3, 6, 12, 24):
        part = Image.fromarray(rng.integers(0, 256, (side, side, 3), np.uint8)).resize(size, Image.Resampling.BICUBIC)
        image += np.asarray(part, float)
    return Image.fromarray((image / 4).astype(np.uint8))


def encoded(image, kind="PNG", **options):
    file = BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def source_of(folder, files):
    for name, data in files.items():
        write(folder / name, data)
    return FileSource(str(folder), Listing(list(files), np.zeros(len(files), np.int32), ["a"]))


def test_the_hash_is_that_of_the_whole_cosine_transform(rng):
    grey = np.stack([np.asarray(scene(rng).convert("L").resize((32, 32))) for _ in range(5)])
    for one, found in zip(grey, perceptual_hashes(grey).tolist(), strict=True):
        low = dctn(one.astype(float))[1:9, 1:9].ravel()
        assert found == int("".join("1" if value > np.median(low) else "0" for value in low), 2)


def shades(rng, starts, flips):
    """Grey copies of `starts` scenes, each with copies of which some bits of noise differ."""
    found = []
    for _ in range(starts):
        scenery = np.asarray(scene(rng).convert("L").resize((32, 32)), float)
        found += [np.clip(scenery + rng.normal(0, noise, (32, 32)), 0, 255).astype(np.uint8) for noise in flips]
    return np.stack(found)[rng.permutation(len(found))]


@given(
    st.integers(1, 6), st.lists(st.sampled_from([0, 1, 4, 12, 25, 40, 60]), min_size=1, max_size=6), st.integers(0, 99)
)
def test_groups_are_those_that_all_pairs_connect(starts, flips, seed):
    looks = Looks(np.arange(starts * len(flips)), shades(np.random.default_rng(seed), starts, flips))
    one, other = np.triu_indices(len(looks.rows), 1)
    close = np.bitwise_count(looks.hashes[one] ^ looks.hashes[other]) <= DISTANCE
    wanted = [(i, j) for i, j, near in zip(one, other, close & looks.same(one, other), strict=True) if near]
    assert looks.pairs().tolist() == [list(pair) for pair in wanted]
    groups = joined(np.arange(len(looks.rows)), np.array(wanted, np.int64).reshape(-1, 2))
    assert looks.leaders.tolist() == groups.tolist()


@pytest.mark.parametrize("noise", [0, 6])
def test_images_that_all_look_alike_take_as_long_as_others(rng, noise):
    count = 4000
    one = rng.integers(0, 256, (32, 32))
    grey = np.clip(one + rng.integers(-noise, noise + 1, (count, 32, 32)), 0, 255).astype(np.uint8)
    looks, start = Looks(np.arange(count), grey), time.perf_counter()
    assert looks.leaders.tolist() == [0] * count
    assert len(looks.pairs()) == count - 1 > PAIRED
    assert time.perf_counter() - start < 20  # 0.4 s here; every pair of them, as before, took 500 s


@given(st.lists(st.integers(0, 9), min_size=1, max_size=12), st.data())
def test_joined_groups_are_those_that_a_chain_of_pairs_connects(groups, data):
    rows = st.integers(0, len(groups) - 1)
    pairs = data.draw(st.lists(st.tuples(rows, rows), max_size=8))
    wanted = list(groups)
    for one, other in pairs:
        old, new = wanted[other], wanted[one]
        wanted = [new if group == old else group for group in wanted]
    found = joined(np.array(groups), np.array(pairs, np.int64).reshape(-1, 2)).tolist()
    same = [[a == b for b in wanted] for a in wanted]
    assert [[a == b for b in found] for a in found] == same


def test_copies_in_other_encodings_sizes_and_brightness_are_found(tmp_path, rng):
    image = scene(rng)
    turned = Image.Exif()
    turned[0x0112] = 6
    files = {
        "0.png": encoded(image),
        "1.jpg": encoded(image, "JPEG", quality=40),
        "2.jpg": encoded(image.resize((101, 77)), "JPEG"),
        "3.png": encoded(image.convert("L")),
        "4.jpg": encoded(image.transpose(Image.Transpose.ROTATE_90), "JPEG", exif=turned),
        "5.png": encoded(image.resize((960, 720))),
        "6.png": encoded(scene(rng)),
        "7.png": encoded(image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)),
    }
    pairs = looks_of(source_of(tmp_path, files)).pairs().tolist()
    assert pairs == [[i, j] for i in range(6) for j in range(i + 1, 6)]


def test_flat_tiny_and_damaged_images_have_no_look(tmp_path, rng):
    flat = np.full((64, 64, 3), 255, np.uint8)
    flat[0, 0] = 0
    whole = encoded(scene(rng), "JPEG")
    files = {
        "0.png": encoded(Image.fromarray(flat)),
        "1.png": encoded(Image.new("RGB", (90, 90), "white")),
        "2.png": encoded(scene(rng, (31, 200))),
        "3.jpg": whole[: len(whole) // 2],
        "4.jpg": b"",
        "5.jpg": b"\xff\xd8\xff nothing",
        "6.jpg": whole,
    }
    assert looks_of(source_of(tmp_path, files)).rows.tolist() == [6]


@pytest.mark.parametrize("name", SEEN)
def test_of_real_images_only_true_duplicates_are_found(test_data, name):
    whole = open_dataset(name, test_data).source("train")
    source = Subset.of(whole, np.arange(2000)) if name == "cifar10" else whole.source
    names = source.listing.names
    assert {(names[i], names[j]) for i, j in looks_of(source).pairs().tolist()} == SEEN[name]


@pytest.mark.parametrize("name", ["objects37", "cats-vs-dogs"])
@pytest.mark.parametrize("seed", [0, 1])
def test_near_duplicates_stay_in_one_split(test_data, name, seed):
    dataset = open_dataset(name, test_data, seed=seed)
    side = {image: split for split in dataset.splits for image in dataset.source(split).listing.names}
    assert all(side[one] == side[other] for one, other in SEEN[name])


def test_groups_join_identical_files_and_those_that_look_alike(tmp_path, rng):
    image = scene(rng)
    same = {
        "0.png": encoded(image),
        "1.png": encoded(image),
        "2.jpg": encoded(image, "JPEG"),
        "3.png": encoded(scene(rng)),
        "4.txt": b"",
        "5.txt": b"",
    }
    assert splits.content_groups(source_of(tmp_path, same)).tolist() == [0, 0, 0, 3, 4, 4]


def test_a_set_of_images_that_all_look_alike_says_so(tmp_path, rng):
    for number in range(20):
        write(tmp_path / "set" / f"{'ab'[number % 2]}" / f"{number}.png", encoded(Image.new("RGB", (40, 40))))
    dataset = open_dataset(str(tmp_path / "set"), tmp_path)
    with pytest.raises(InputError, match=r"has 20 images, but only 1 that differ .* too few to fill .* folders train"):
        [dataset.source(split) for split in dataset.splits]


def split_tree(root, rng):
    """Training and test folders that share an image, and its near duplicate under another class."""
    image, other = scene(rng), scene(rng)
    files = {
        "train/cat/a.png": encoded(image),
        "train/cat/b.png": encoded(other),
        "train/cat/empty.jpg": b"",
        "train/dog/empty.jpg": b"",
        "train/dog/c.png": encoded(scene(rng)),
        "test/cat/a.png": encoded(image),
        "test/dog/d.jpg": encoded(other, "JPEG"),
    }
    for name, data in files.items():
        write(root / name, data)
    return root


def test_copies_are_found_across_given_splits_with_their_classes(tmp_path, rng):
    dataset = open_dataset(str(split_tree(tmp_path / "set", rng)), tmp_path)
    found = find_duplicates({split: dataset.source(split) for split in dataset.splits})
    assert [(copy.identical, copy.splits, copy.classes) for copy in found] == [
        (True, ("train", "test"), ("cat", "cat")),
        (False, ("train", "test"), ("cat", "dog")),
    ]
    assert [copy.names[1].rpartition("/")[2] for copy in found] == ["a.png", "d.jpg"]


def test_the_job_lists_duplicates_and_warns_of_those_across_splits(tmp_path, rng):
    split_tree(tmp_path / "set", rng)
    report = run(DatasetsConfig(data_root=tmp_path, check="set"))
    values = {row["metric"]: (row["value"], row["n"]) for row in report.as_json()["results"]}
    assert values == {
        "identical images": (1, 7),
        "near duplicates": (1, 7),
        "duplicates across splits": (2, 7),
        "duplicates of different classes": (1, 7),
    }
    (table,) = (block for block in report.blocks if isinstance(block, Table))
    texts = [block.text for block in report.blocks if not isinstance(block, Table)]
    assert len(table.rows) == 2
    assert "2 duplicates fall across the splits train and test" in texts[1]
    assert "1 duplicates have different classes" in texts[2]


def test_the_job_says_so_where_there_are_none(tmp_path):
    report = run(DatasetsConfig(data_root=tmp_path, check="digits"))
    assert not any(isinstance(block, Table) for block in report.blocks)
    assert len(report.blocks) == 1


def test_what_looks_alike_is_remembered_until_a_file_is_touched_or_the_memory_is_damaged(tmp_path, rng, monkeypatch):
    monkeypatch.setattr(alike, "MANY", 3)
    image = scene(rng)
    source = source_of(
        tmp_path / "set", {"0.png": encoded(image), "1.jpg": encoded(image, "JPEG"), "2.png": encoded(scene(rng))}
    )
    searched = []
    monkeypatch.setattr(alike, "content_groups", lambda source: searched.append(1) or splits.content_groups(source))

    def groups():
        return alike.remembered_groups(source, "set", str(tmp_path / "workspace")).tolist()

    assert groups() == [0, 0, 2]
    assert not (tmp_path / "workspace").exists()
    (tmp_path / "workspace").mkdir()
    assert [groups() for _ in range(3)] == [[0, 0, 2]] * 3
    assert len(searched) == 2
    (file,) = (tmp_path / "workspace" / "alike").iterdir()
    for damage in (b"", file.read_bytes()[:-1], bytes(200), file.read_bytes()[:40] + b"x" + file.read_bytes()[41:]):
        file.write_bytes(damage)
        assert groups() == [0, 0, 2]
    assert len(searched) == 6
    write(tmp_path / "set" / "2.png", encoded(image, "BMP"))
    assert groups() == [0, 0, 0]
