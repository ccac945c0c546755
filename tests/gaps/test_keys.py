"""Two sets are resampled as pairs where their images are the same, and nowhere else."""

import numpy as np
import pyarrow as pa
import pytest
from conftest import toy_part, toy_provenance, write_store

from gapscope.core.location import Location
from gapscope.gaps.breakdown import break_down
from gapscope.gaps.keys import keys_of_predictions, keys_of_stores, strangers
from gapscope.predictions import Predictions
from gapscope.predictions.images import ids_of_names
from gapscope.schemas.embeddings import DIGEST_FIELD, Fingerprint
from gapscope.store import StoreWriter, open_store

NAMES = ("a", "b")


def sorted_by_class(rng, rows, *, names=None, accuracies=(0.95, 0.5)):
    """A listing sorted by class, half of each, numbered from 0 on as any listing is."""
    label = np.repeat([0, 1], rows // 2)
    right = rng.random(rows) < np.array(accuracies)[label]
    image = None if names is None else pa.array(names)
    answers = np.where(right, label, 1 - label)[:, None]
    ids = np.arange(rows) if names is None else ids_of_names(names)
    return Predictions("model", "set", "test", NAMES, ids, label, answers, image=image)


def width(term):
    return term.high - term.low


def test_independent_sets_of_equal_numbers_are_no_pairs(rng):
    sides = sorted_by_class(rng, 200), sorted_by_class(rng, 200)
    found = break_down(*sides, keys=keys_of_predictions(*sides)).term("class_mix")
    # The share of a class of 100 in 200 has a standard error of .035, a difference .05; accuracies differ by .45.
    assert width(found) == pytest.approx(2 * 1.96 * 0.05 * 0.45, rel=0.25)
    assert not break_down(*sides, keys=keys_of_predictions(*sides)).same


def test_images_of_one_name_are_pairs(rng):
    names = [f"image {index}" for index in range(200)]
    sides = [sorted_by_class(rng, 200, names=names) for _ in range(2)]
    assert width(break_down(*sides, keys=keys_of_predictions(*sides)).term("class_mix")) == pytest.approx(0, abs=1e-9)


def test_one_name_with_other_labels_is_another_image(rng):
    names = [f"{index:04d}.jpg" for index in range(200)]
    one = sorted_by_class(rng, 200, names=names)
    other = sorted_by_class(rng, 200, names=names[::-1])
    keys = keys_of_predictions(one, other)
    assert not np.isin(*keys).any()


def test_strangers_have_no_key_in_common(rng):
    ids = np.concatenate([np.arange(1000), rng.integers(0, 2**62, 1000)])
    one, other = strangers(ids, ids)
    assert len(np.unique(np.concatenate([one, other]))) == len(np.unique(ids)) * 2


def with_digests(folder, digest, **provenance):
    """A store of as many rows, made from images with these digests."""
    x, y = np.zeros((len(digest), 4), np.float32), np.zeros(len(digest), int)
    listing = Fingerprint(count=len(digest), hash=folder.name)
    made = toy_provenance(x, y, dataset=folder.name, split="test", fingerprint=listing, **provenance)
    writer = StoreWriter(Location.of(folder), made)
    writer.begin()
    writer.part(0, toy_part(x, y, "float32", 0, len(x)).append_column(DIGEST_FIELD, pa.array(digest)))
    writer.finish(1)
    return open_store(Location.of(folder))


def test_rows_of_stores_are_pairs_by_their_digests(tmp_path, rng):
    digest = rng.integers(1, 2**63, 90).astype(np.uint64)
    stores = [with_digests(tmp_path / "one", digest[:60]), with_digests(tmp_path / "other", digest[30:])]
    keys = keys_of_stores(stores, [store.sample_ids() for store in stores])
    assert np.isin(keys[0], keys[1]).sum() == 30
    assert np.array_equal(*keys_of_stores([stores[0]] * 2, [stores[0].sample_ids()] * 2))


def test_rows_of_stores_without_digests_are_strangers(tmp_path, rng):
    x, y = np.zeros((60, 4), np.float32), np.zeros(60, int)
    listings = [Fingerprint(count=60, hash=name) for name in ("one", "other")]
    stores = [
        write_store(tmp_path / one.hash, x, y, dataset=one.hash, split="test", fingerprint=one) for one in listings
    ]
    assert not np.isin(*keys_of_stores(stores, [store.sample_ids() for store in stores])).any()
    copy = write_store(tmp_path / "copy", x, y, dataset="one+night", split="test", fingerprint=listings[0])
    assert np.array_equal(*keys_of_stores([stores[0], copy], [store.sample_ids() for store in (stores[0], copy)]))
