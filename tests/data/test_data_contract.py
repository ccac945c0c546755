"""One contract for every dataset: each layout made on the fly, and each named one that can be opened."""

import pickle
from concurrent.futures import ThreadPoolExecutor

import data_layouts
import numpy as np
import pytest

from gapscope.core.hashing import digest_bytes
from gapscope.data.catalogue import companions_of, open_dataset
from gapscope.data.datasets import DATASETS
from gapscope.data.source import Undecodable, read_picture

SAMPLE = 7


@pytest.fixture(scope="module", params=[*sorted(data_layouts.LAYOUTS), *sorted(DATASETS)])
def reopen(request, tmp_path_factory):
    """Opens the dataset anew at each call."""
    tmp_path = tmp_path_factory.mktemp("data")
    if request.param in data_layouts.LAYOUTS:
        place = str(data_layouts.LAYOUTS[request.param](tmp_path / "set"))
        return lambda: open_dataset(place, tmp_path)
    root = root_of(request, tmp_path)
    return lambda: open_dataset(request.param, root)


@pytest.fixture(scope="module")
def dataset(reopen):
    return reopen()


@pytest.fixture(scope="module")
def again(reopen):
    """The same dataset, listed once more."""
    return reopen()


def root_of(request, tmp_path):
    """A data root that holds the named dataset: the real one, else a toy in its layout."""
    if DATASETS[request.param].embedded:
        return tmp_path
    if request.param in data_layouts.TOYS:
        return data_layouts.TOYS[request.param](tmp_path)
    return request.getfixturevalue("test_data")


def outcome(source, index):
    try:
        return source.image(index).tobytes()
    except Undecodable as error:
        return str(error)


def sample(source):
    return range(0, len(source.listing), max(1, len(source.listing) // SAMPLE))


def test_listing_twice_gives_the_same_order(dataset, again):
    assert dataset.splits == again.splits
    for split in dataset.splits:
        assert dataset.source(split).listing.fingerprint() == again.source(split).listing.fingerprint()


def test_names_are_unique_and_labels_are_classes(dataset):
    for split in dataset.splits:
        listing = dataset.source(split).listing
        assert len(listing) == len(set(listing.names)) == len(listing.labels) > 0
        assert listing.labels.dtype == np.int32
        assert -1 <= listing.labels.min() <= listing.labels.max() < max(len(listing.class_names), 1)
        assert len(set(listing.class_names)) == len(listing.class_names)


def test_splits_share_no_image_and_all_classes(dataset):
    listings = [dataset.source(split).listing for split in dataset.splits]
    names = [name for listing in listings for name in listing.names]
    assert len(names) == len(set(names))
    assert all(listing.class_names == listings[0].class_names for listing in listings)


def test_images_are_rgb_and_the_same_twice_and_after_travelling(dataset):
    for split in dataset.splits:
        source = dataset.source(split)
        first = [outcome(source, index) for index in sample(source)]
        travelled = pickle.loads(pickle.dumps(source))
        assert travelled.listing.fingerprint() == source.listing.fingerprint()
        assert [outcome(travelled, index) for index in sample(source)] == first
        assert all(
            source.image(index).mode == "RGB" for index in sample(source) if isinstance(outcome(source, index), bytes)
        )


def test_threads_in_any_order_see_what_one_thread_sees(dataset, rng):
    source = dataset.source(dataset.splits[0])
    order = rng.permutation(np.tile(np.array(sample(source)), 3)).tolist()
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda index: outcome(source, index), order))
    assert found == [outcome(source, index) for index in order]


def test_sizes_are_the_lengths_of_what_is_read(dataset):
    source = dataset.source(dataset.splits[-1])
    sizes = source.sizes()
    assert len(sizes) == len(source.listing)
    assert [len(source.read(index)) for index in sample(source)] == [int(sizes[index]) for index in sample(source)]


def pictured(source, index):
    """The pixels or the reason of the image, and the digest that comes with either."""
    try:
        picture = read_picture(source, index)
    except Undecodable as error:
        return str(error), error.digest
    return picture.image.tobytes(), picture.digest


def test_a_picture_and_a_reason_come_with_the_digest_of_the_bytes(dataset):
    source = dataset.source(dataset.splits[-1])
    for index in sample(source):
        assert pictured(source, index) == (outcome(source, index), digest_bytes(source.read(index)))


def test_stamps_are_those_of_the_files_and_the_same_twice(dataset, again):
    for split in dataset.splits:
        source, listing = dataset.source(split), dataset.source(split).listing
        stamps, later = source.stamps(), again.source(split).stamps()
        assert len(stamps.sizes) == len(stamps.times) == len(listing)
        assert stamps.digest(listing.names) == later.digest(listing.names)


def test_companions_are_known_and_say_so_themselves():
    for name, recipe in DATASETS.items():
        assert recipe.name == name
        assert all(DATASETS[companion].companion_of == name for companion in companions_of(name))
