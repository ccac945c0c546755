"""Data sets of torchvision by name: opened where their files are, and fetched only when asked to."""

import json
import pickle

import numpy as np
import pytest
from data_layouts import idx, write
from torchvision import datasets
from trees import counted, grow, picture

from gapscope.core.errors import InputError
from gapscope.data.catalogue import open_dataset
from gapscope.data.datasets.torchvision import BY_TRAIN, SPLITS, WHOLE
from gapscope.data.source import Undecodable


def kmnist(root):
    """Files in the layout of MNIST and its successors."""
    for prefix, count in (("train", 20), ("t10k", 10)):
        pixels = np.random.default_rng(count).integers(0, 256, (count, 28, 28), np.uint8)
        write(root / f"KMNIST/raw/{prefix}-images-idx3-ubyte", idx(pixels))
        write(root / f"KMNIST/raw/{prefix}-labels-idx1-ubyte", idx(np.arange(count, dtype=np.uint8) % 10))
    return root


def food(root):
    for split, first in (("train", 0), ("test", 6)):
        names = [f"{kind}/{first + at}" for kind in ("apple_pie", "waffles") for at in range(3)]
        table = {kind: [name for name in names if name.startswith(kind)] for kind in ("apple_pie", "waffles")}
        write(root / f"food-101/meta/{split}.json", json.dumps(table).encode())
        for number, name in enumerate(names):
            write(root / f"food-101/images/{name}.jpg", picture(first * 10 + number, "JPEG"))
    write(root / "food-101/meta/classes.txt", b"apple_pie\nwaffles\n")
    return root


def eurosat(root):
    return grow(root, "eurosat/2750/Forest*8", "eurosat/2750/River*8").parent


def test_every_name_is_a_class_of_torchvision():
    assert all(hasattr(datasets, name) for name in (*SPLITS, *BY_TRAIN, *WHOLE))


def test_images_in_arrays_are_those_of_torchvision(tmp_path):
    dataset = open_dataset("torchvision:KMNIST", kmnist(tmp_path))
    assert (dataset.name, dataset.splits) == ("kmnist", ("train", "test"))
    source, theirs = pickle.loads(pickle.dumps(dataset.source("test"))), datasets.KMNIST(str(tmp_path), train=False)
    assert source.listing.labels.tolist() == theirs.targets.tolist()
    assert source.listing.class_names == list(theirs.classes)
    for row in range(10):
        assert np.array_equal(np.asarray(source.image(row)), np.asarray(theirs[row][0].convert("RGB")))
    before = source.stamps()
    assert before.sizes.min() > 0
    write(tmp_path / "KMNIST/raw/t10k-labels-idx1-ubyte", b"x")
    assert (dataset.source("test").stamps().times != before.times).all()


def test_images_in_files_have_the_stamps_of_these(tmp_path):
    dataset = open_dataset("torchvision:food101", food(tmp_path))
    assert counted(dataset) == {"train": {"apple_pie": 3, "waffles": 3}, "test": {"apple_pie": 3, "waffles": 3}}
    source = dataset.source("train")
    place = tmp_path / "food-101/images/apple_pie/0.jpg"
    assert source.stamps().sizes[0] == place.stat().st_size
    place.write_bytes(b"no image")
    with pytest.raises(Undecodable, match="cannot be read by torchvision"):
        source.image(0)


def test_a_set_without_splits_is_divided_by_rule(tmp_path):
    eurosat(tmp_path)
    for name in ("torchvision:EuroSAT", "torchvision:eurosat@8"):
        dataset = open_dataset(name, tmp_path, workspace=str(tmp_path))
        assert set(dataset.splits) == {"train", "val", "test"}
    assert sum(len(open_dataset("torchvision:EuroSAT", tmp_path).source(s).listing) for s in dataset.splits) == 16


def test_nothing_is_fetched_unless_that_is_asked_for(tmp_path, monkeypatch):
    fetched = []
    monkeypatch.setattr(datasets.KMNIST, "download", lambda self: fetched.append(self.root) or kmnist(tmp_path))
    with pytest.raises(InputError, match=r"no files of KMNIST under .* --download"):
        open_dataset("torchvision:KMNIST", tmp_path)
    assert not fetched
    assert len(open_dataset("torchvision:KMNIST", tmp_path, download=True).source("train").listing) == 20
    assert fetched
    place = open_dataset("torchvision:KMNIST", tmp_path).place
    assert len(open_dataset(place, None).source("train").listing) == 20


def test_what_cannot_be_fetched_or_is_not_known_is_one_sentence(tmp_path, monkeypatch):
    def refused(self):
        raise RuntimeError("Error downloading train-images-idx3-ubyte.gz:\nno network")

    monkeypatch.setattr(datasets.KMNIST, "download", refused)
    with pytest.raises(InputError, match=r"KMNIST could not be fetched .* no network") as caught:
        open_dataset("torchvision:KMNIST", tmp_path, download=True)
    assert "\n" not in str(caught.value)
    with pytest.raises(InputError, match=r"does not fetch StanfordCars|could not be fetched"):
        open_dataset("torchvision:StanfordCars", tmp_path, download=True)
    with pytest.raises(InputError, match="did you mean 'CIFAR100'"):
        open_dataset("torchvision:CIFAR1000", tmp_path)


def test_pickles_that_torchvision_did_not_publish_are_not_opened(tmp_path):
    (tmp_path / "cifar-10-batches-py").mkdir()
    for name in ("data_batch_1", "data_batch_2", "data_batch_3", "data_batch_4", "data_batch_5", "test_batch"):
        (tmp_path / "cifar-10-batches-py" / name).write_bytes(b"cos\nsystem\n(S'touch /tmp/opened'\ntR.")
    with pytest.raises(InputError, match="finds no files of CIFAR10"):
        open_dataset("torchvision:CIFAR10", tmp_path)
