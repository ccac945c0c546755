"""What undoes a cause brings images back near to what they were, keeps their type, and leaves its input alone."""

import numpy as np
import pytest
from PIL import Image, ImageFilter

from gapscope.causes.families import KINDS
from gapscope.cures.inverses import (
    INVERSES,
    balanced,
    middle,
    mirrored,
    negative,
    scaled,
    sharpened,
    smoothed,
    stretched,
    turned,
)


@pytest.fixture
def image(rng):
    """Smooth blobs of all colours, 64 by 48."""
    small = rng.integers(30, 226, (6, 8, 3)).astype(np.uint8)
    return np.array(Image.fromarray(small).resize((64, 48), Image.Resampling.BICUBIC))


def apart(one, other):
    return np.abs(one.astype(float) - other).mean()


def test_every_inverse_gives_images_and_leaves_its_input_alone(image):
    before = image.copy()
    for family, inverses in INVERSES.items():
        assert family in {kind.family for kind in KINDS.values()}
        for inverse in inverses:
            for strength in inverse.strengths:
                made = inverse.change(image, strength)
                assert made.dtype == np.uint8
                assert made.ndim == 3
    assert np.array_equal(image, before)


def test_light_contrast_and_negatives_come_back(image):
    assert apart(scaled(scaled(image, 0.5), 2), image) < 1
    assert np.array_equal(negative(negative(image, 1), 1), image)
    wide = np.clip((image.astype(float) - 128) * 1.25 + 128, 0, 255).astype(np.uint8)
    faded = (0.4 * wide + 80).astype(np.uint8)
    assert apart(stretched(faded, 1), wide) < 0.5 * apart(faded, wide)


def test_a_cast_is_balanced(image):
    cast = np.clip(image * np.array([1.2, 1.0, 0.6]), 0, 255).astype(np.uint8)
    means = balanced(cast, 1).reshape(-1, 3).mean(axis=0)
    assert np.ptp(means) < 0.3 * np.ptp(cast.reshape(-1, 3).mean(axis=0))


def test_blur_is_sharpened_and_noise_smoothed(image, rng):
    blurred = np.array(Image.fromarray(image).filter(ImageFilter.GaussianBlur(2)))
    assert apart(sharpened(blurred, 2), image) < apart(blurred, image)
    noisy = np.clip(image + rng.normal(0, 25, image.shape), 0, 255).astype(np.uint8)
    assert apart(smoothed(noisy, 3), image) < 0.7 * apart(noisy, image)


def test_the_middle_is_the_middle(image):
    assert middle(image, 0.5).shape == (24, 32, 3)
    assert np.array_equal(middle(image, 0.5)[0, 0], image[12, 16])


def test_orientation_comes_back(image):
    for quarters in (1, 2, 3):
        assert np.array_equal(turned(np.rot90(image, -quarters), quarters), image)
    assert np.array_equal(mirrored(image[:, ::-1], 1), image)
