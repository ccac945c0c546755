"""Training images are modified by chance: the same for one seed, epoch and name, and nothing else is touched."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from gapscope.cnn.images import even_parts, open_images
from gapscope.cnn.modified import Modified
from gapscope.cnn.recipe import Recipe
from gapscope.cnn.train import TrainingData, fit
from gapscope.core.checkpoint import FolderCheckpoint
from gapscope.core.location import Location
from gapscope.core.random import stream
from gapscope.data.modifications.modification import parse
from gapscope.data.modified import Modified as ModifiedSource
from gapscope.data.source import Listing
from gapscope.data.sources.arrays import ArraySource
from gapscope.networks.design import Design
from gapscope.networks.frame import Frame

ROWS = np.arange(200)
THREE = parse("night,gaussian-noise:2,occlusion")


def source_of(rng, channels=3, count=200):
    shape = (count, 12, 12, 3) if channels == 3 else (count, 12, 12)
    names = [f"image-{index}" for index in range(count)]
    return ArraySource(rng.integers(0, 256, shape, np.uint8), Listing(names, ROWS[:count] % 2, ["a", "b"]))


def images_of(source, channels=3, budget=2**30):
    return open_images(source, "made/train", Frame(12, 12, channels), budget, threads=2)


@pytest.fixture
def images(rng):
    return images_of(source_of(rng))


def changed(one, other):
    return (one != other).any(axis=(1, 2, 3))


def test_without_an_epoch_the_images_are_as_they_are(images):
    seen = Modified(images, THREE, 1.0, 0)
    assert np.array_equal(seen.batch(ROWS).x, images.batch(ROWS).x)
    assert (seen.name, seen.source, seen.frame, seen.rejected) == (
        *(images.name, images.source, images.frame),
        images.rejected,
    )


def test_a_share_of_the_images_changes_and_the_share_is_the_probability(images):
    seen = Modified(images, THREE, 0.3, 0).at(1).batch(ROWS)
    share = changed(seen.x, images.batch(ROWS).x).mean()
    assert 0.3 - 4 * np.sqrt(0.3 * 0.7 / 200) < share < 0.3 + 4 * np.sqrt(0.3 * 0.7 / 200)
    assert np.array_equal(seen.rows, ROWS)
    assert np.array_equal(seen.y, ROWS % 2)


def test_a_probability_of_0_changes_nothing_and_one_of_1_everything(images):
    plain = images.batch(ROWS).x
    assert not changed(Modified(images, THREE, 0.0, 0).at(1).batch(ROWS).x, plain).any()
    assert changed(Modified(images, THREE, 1.0, 0).at(1).batch(ROWS).x, plain).all()


def test_each_image_goes_through_one_of_the_modifications_and_all_of_them_occur(images):
    plain, seen = images.batch(ROWS).x, Modified(images, THREE, 1.0, 7).at(2).batch(ROWS).x
    counts = dict.fromkeys(THREE, 0)
    for row, (before, after) in enumerate(zip(plain, seen, strict=True)):
        rng = stream(7, "modify", 2, f"image-{row}")
        rng.random()
        chosen = THREE[rng.integers(3)]
        assert np.array_equal(after, chosen(before, rng))
        counts[chosen] += 1
    assert min(counts.values()) > 40


def test_an_image_depends_on_seed_epoch_and_name_and_not_on_the_order_of_reading(images, rng):
    seen = Modified(images, THREE, 0.7, 0)
    first, order = seen.at(1).batch(ROWS).x, rng.permutation(ROWS)
    assert np.array_equal(seen.at(1).batch(order).x, first[order])
    parts = [seen.at(1).batch(part).x for part in even_parts(ROWS, 7)]
    assert np.array_equal(np.concatenate(parts), first)
    assert changed(seen.at(2).batch(ROWS).x, first).any()
    assert changed(replace(seen, seed=1).at(1).batch(ROWS).x, first).any()


def test_the_images_beneath_stay_as_they_were(images):
    before = images.pixels.copy()
    Modified(images, THREE, 1.0, 0).at(1).batch(ROWS)
    assert np.array_equal(images.pixels, before)


def test_an_empty_batch_stays_empty(images):
    assert Modified(images, THREE, 1.0, 0).at(1).batch(ROWS[:0]).x.shape == (0, 12, 12, 3)


def test_grey_images_are_modified_like_the_same_images_of_a_modified_dataset(rng):
    source = source_of(rng, channels=1, count=20)
    seen = Modified(images_of(source, channels=1), parse("blur:2"), 1.0, 0).at(1).batch(ROWS[:20]).x
    through = ModifiedSource(source, parse("blur:2"))
    expected = np.stack([np.asarray(Image.Image.convert(through.image(row), "L")) for row in range(20)])
    assert np.array_equal(seen[..., 0], expected)


class Kill(Exception):
    """Stands for a process that ends between two epochs."""


class Killing(FolderCheckpoint):
    """Keeps one state, then ends the training."""

    def save(self, stage, arrays, about):
        super().save(stage, arrays, about)
        raise Kill


@pytest.mark.parametrize("budget", [2**30, 0])
def test_a_training_on_modified_images_that_goes_on_equals_an_undisturbed_one(rng, tmp_path, budget):
    images = images_of(source_of(rng, count=64), budget=budget)
    recipe = Recipe(epochs=3, batch_size=16, seed=3)

    def trained(checkpoint, images):
        lesson = TrainingData(images, ROWS[:48], ROWS[48:64], 2, (0.5,) * 3, (0.3,) * 3, torch.device("cpu"))
        return fit(Design("simple-cnn", images.frame, 2).build(3), lesson, recipe, checkpoint)

    def losses(fitted):
        return [(row.train_loss, row.validation_loss) for row in fitted.history]

    seen = Modified(images, THREE, 0.5, 3)
    with pytest.raises(Kill):
        trained(Killing(Location.of(tmp_path / "killed")), seen)
    continued = trained(FolderCheckpoint(Location.of(tmp_path / "killed")), seen)
    whole = trained(FolderCheckpoint(Location.of(tmp_path / "whole")), seen)
    plain = trained(FolderCheckpoint(Location.of(tmp_path / "plain")), images)
    assert losses(continued) == losses(whole)
    assert losses(plain) != losses(whole)
