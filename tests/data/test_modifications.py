"""One contract for every modification, published settings against plain NumPy and SciPy, and modified sources."""

import pickle
from functools import cache
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from published_modifications import REFERENCES
from scipy.ndimage import median_filter
from scipy.stats import chisquare, poisson

from gapscope.core.errors import InputError
from gapscope.core.random import stream
from gapscope.data.catalogue import open_dataset
from gapscope.data.modifications import MODIFICATIONS
from gapscope.data.modifications.modification import SEVERITIES, Modification, parse, written
from gapscope.data.modifications.smoothed import LARGE, SMALL
from gapscope.data.modified import SIDE, Modified, seen_through
from gapscope.data.source import Listing
from gapscope.data.sources.arrays import ArraySource

# Those whose published settings are no ladder of pixel changes: colours fade, then glare; first the whole bends, then
# small areas do.
NOT_ORDERED = {"saturation", "elastic"}
# Published neighbours that come to about the same: snow 2 and 3, and at 32 pixels motion blur 3 and 4 (kernels that
# differ in their empty ends) and pixelation 1 and 2 (30 pixels a side, and 28).
NEARLY_EQUAL = {"snow", "motion-blur", "pixelate"}
# Their severity is how many of the images are modified.
OF_SOME = {"sideways", "upside-down", "mirrored"}
SLACK = 0.97
SHAPES = ((8, 8), (1, 1), (3, 40), (40, 3), (70, 91), (224, 224))


@pytest.fixture(params=sorted(MODIFICATIONS))
def name(request):
    return request.param


@cache
def scene(height, width, seed=3):
    """A smooth coloured picture with edges and some texture, the full range of levels in it."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (6, 6, 3), np.uint8)
    smooth = np.asarray(Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC), np.float64)
    smooth[height // 3 : height // 2, width // 4 : width // 2] *= 0.3
    pixels = np.clip(smooth + rng.normal(0, 6, smooth.shape), 0, 255).astype(np.uint8)
    pixels.setflags(write=False)
    return pixels


def test_the_docs_say_how_many_there_are():
    docs = Path(__file__).parents[2] / "docs"
    assert all(f"{len(MODIFICATIONS)} modifications" in (docs / page).read_text() for page in ("explain.md", "tour.md"))


def change(name, severity, image, repeats=4):
    """Mean absolute change of a level, over a few streams that are the same at every severity."""
    modify = Modification(name, severity)
    changed = [modify(image, stream(seed, "change")).astype(np.float64) for seed in range(repeats)]
    return np.mean([np.abs(one - image).mean() for one in changed])


@pytest.mark.parametrize("shape", SHAPES)
def test_shape_and_type_stay_and_the_input_is_untouched(name, shape):
    image = scene(*shape).copy()
    before = image.copy()
    for severity in SEVERITIES:
        found = Modification(name, severity)(image, np.random.default_rng(0))
        assert found.shape == image.shape
        assert found.dtype == np.uint8
        assert not np.shares_memory(found, image)
        assert np.array_equal(image, before)


def test_the_same_stream_gives_the_same_image_also_from_a_read_only_or_strided_one(name):
    image = scene(70, 91)
    strided = np.repeat(image, 2, axis=1)[:, ::2]
    for severity in (1, 5):
        modify = pickle.loads(pickle.dumps(Modification(name, severity)))
        first = modify(image, np.random.default_rng(5))
        assert np.array_equal(first, modify(image.copy(), np.random.default_rng(5)))
        assert np.array_equal(first, modify(strided, np.random.default_rng(5)))


@pytest.mark.parametrize("side", [224, 32])
def test_a_severer_modification_changes_more(name, side):
    repeats = 40 if name in OF_SOME else 4
    changes = [change(name, severity, scene(side, side), repeats) for severity in SEVERITIES]
    assert changes[-1] > 0.5
    least = SLACK if name in NEARLY_EQUAL else 1.0
    steps = pairwise(changes)
    assert name in NOT_ORDERED or all(later > least * earlier for earlier, later in steps), changes


@pytest.mark.parametrize("level", [0, 127, 255])
def test_plain_grey_images_survive(name, level):
    image = np.full((40, 40, 3), level, np.uint8)
    for severity in SEVERITIES:
        assert Modification(name, severity)(image, np.random.default_rng(1)).shape == image.shape


# Those that draw nothing, and those that draw the same numbers in the same order as the reference.
EXACT = {"brightness", "blur", "contrast", "defocus-blur", "fog", "jpeg", "motion-blur", "pixelate", "saturation"}


@pytest.mark.parametrize("side", [224, 32])
@pytest.mark.parametrize("published", sorted(EXACT))
def test_what_draws_the_same_numbers_is_the_published_image_within_a_level(published, side):
    image = scene(side, side)
    for severity in SEVERITIES:
        wanted = REFERENCES[published](image, severity, stream(1, "fog")).astype(np.int64)
        found = Modification(published, severity)(image, stream(1, "fog")).astype(np.int64)
        assert np.abs(found - wanted).max() <= 1, severity


@pytest.mark.parametrize(("side", "repeats"), [(224, 8), (32, 60)])
@pytest.mark.parametrize("published", sorted(set(REFERENCES) - EXACT))
def test_the_mean_change_is_that_of_the_published_code(published, side, repeats):
    """Within 5 % plus half a level: the authors cut levels off where these are rounded, and draw other numbers."""
    image, repeats = scene(side, side), 1 if published == "zoom-blur" else repeats  # which draws nothing
    for severity in SEVERITIES:
        drawn = [REFERENCES[published](image, severity, stream(seed, "change")) for seed in range(repeats)]
        wanted = np.mean([np.abs(one.astype(np.float64) - image).mean() for one in drawn])
        found = change(published, severity, image, repeats)
        assert abs(found - wanted) <= 0.05 * wanted + 0.5, (severity, found, wanted)


def test_counts_of_photons_are_poisson_numbers():
    photons, level = 25, 100
    image = np.full((200, 200, 3), level, np.uint8)
    shown = Modification("shot-noise", 2)(image, np.random.default_rng(2))
    counts = np.rint(shown / 255 * photons).astype(int).ravel()
    expected = poisson.pmf(np.arange(photons), level / 255 * photons)
    found = np.bincount(counts, minlength=photons + 1)
    likely = expected * counts.size > 5
    observed = np.append(found[:-1][likely], counts.size - found[:-1][likely].sum())
    wanted = np.append(expected[likely], 1 - expected[likely].sum()) * counts.size
    assert chisquare(observed, wanted).pvalue > 1e-3


def test_dark_mode_and_inversion_at_their_worst_undo_themselves():
    image = scene(40, 50)
    for name in ("dark-mode", "invert"):
        modify = Modification(name, 5)
        assert np.array_equal(modify(modify(image, None), None), image)


def test_dark_mode_keeps_chroma_and_turns_lightness_over():
    image = scene(40, 50).astype(int)
    found = Modification("dark-mode", 5)(scene(40, 50), None).astype(int)
    assert np.array_equal(np.ptp(found, axis=2), np.ptp(image, axis=2))
    lightness = image.max(axis=2) + image.min(axis=2)
    assert np.array_equal(found.max(axis=2) + found.min(axis=2), 510 - lightness)


def test_night_is_cooler_and_lamp_light_warmer_than_grey():
    grey = np.full((64, 64, 3), 160, np.uint8)
    red, _, blue = Modification("night", 4)(grey, None).mean(axis=(0, 1))
    assert red < blue
    red, _, blue = Modification("low-light", 4)(grey, np.random.default_rng(0)).mean(axis=(0, 1))
    assert red > blue


def test_tone_curves_and_haze_are_their_formulas():
    image = scene(40, 50)
    level = image / 255
    wanted = {
        "gamma-dark": 255 * level**2.0,
        "gamma-bright": 255 * level**0.5,
        "high-contrast": np.clip(127.5 + 1.9 * (image - 127.5), 0, 255),
        "haze": 0.5 * image + 0.5 * 245,
    }
    for name, pixels in wanted.items():
        assert np.abs(Modification(name, 3)(image, stream(0)).astype(float) - pixels).max() <= 0.51, name


def test_grain_is_the_same_in_all_channels_and_has_its_deviation():
    image = np.full((200, 200, 3), 128, np.uint8)
    found = Modification("grain", 3)(image, stream(1)).astype(float)
    assert (found == found[..., :1]).all()
    assert found.std() == pytest.approx(24, rel=0.03)


@pytest.mark.parametrize(("severity", "deviation"), [(1, 3), (5, 17)])
def test_noise_of_a_sensor_is_independent_in_all_channels_and_has_its_deviation(severity, deviation):
    image = np.full((200, 200, 3), 128, np.uint8)
    found = Modification("sensor-noise", severity)(image, stream(1)).astype(float) - 128
    assert found.std() == pytest.approx(deviation, rel=0.03)
    assert np.abs(np.corrcoef(found.reshape(-1, 3).T) - np.eye(3)).max() < 0.03


def test_red_and_blue_are_exchanged_and_a_vignette_leaves_the_centre():
    image = scene(41, 41)
    assert np.array_equal(Modification("bgr-order", 5)(image, stream(0)), image[..., ::-1])
    found = Modification("vignette", 5)(image, stream(0))
    assert np.array_equal(found[20, 20], image[20, 20])
    assert not found[0, 0].any()


def test_a_frame_is_black_around_the_whole_and_a_tilted_image_has_black_corners():
    bright = np.full((60, 80, 3), 200, np.uint8)
    framed, tilted = (Modification(name, 3)(bright, stream(0)) for name in ("framed", "tilted"))
    assert (framed > 0).mean() == pytest.approx(0.7**2, abs=0.01)
    assert not framed[:8].any()
    assert framed[30, 40].tolist() == tilted[30, 40].tolist() == [200, 200, 200]
    assert not tilted[0, 0].any()


@pytest.mark.parametrize("side", [224, 32])
def test_smoothing_is_a_median_filter(side):
    image = scene(side, side)
    for severity, reach in zip(SEVERITIES, LARGE if side == 224 else SMALL, strict=True):
        size = (2 * reach + 1, 2 * reach + 1, 1)
        wanted = median_filter(image, size, mode="nearest")
        assert np.array_equal(Modification("smoothed", severity)(image, stream(0)), wanted)


def test_bars_are_black_and_leave_the_middle_and_a_wide_lens_moves_what_is_seen_outwards():
    image = np.maximum(scene(100, 80), 1)
    above, beside, bulging = (
        Modification(name, 3)(image, stream(0)) for name in ("letterboxed", "pillarboxed", "barrel")
    )
    assert not above[:14].any()
    assert not above[-14:].any()
    assert np.array_equal(above[14:-14], image[14:-14])
    assert not beside[:, :11].any()
    assert np.array_equal(beside[:, 11:-11], image[:, 11:-11])
    # With k = 0.2 what is seen three quarters of the way to the right lies at 3/4 (1 + k 9/16); its corners are black.
    odd = np.maximum(scene(101, 81), 1)
    across = 0.75 * (1 + 0.2 * 0.75**2) * 40 + 40
    left, part = int(across), across % 1
    wanted = odd[50, left] * (1 - part) + odd[50, left + 1] * part
    assert np.abs(Modification("barrel", 3)(odd, stream(0))[50, 70] - wanted).max() <= 1
    assert not bulging[0, 0].any()
    assert not bulging[:, 0].any()


def test_nearest_pixels_are_those_of_the_image_and_hues_turn_without_another_value():
    image = scene(100, 100)
    squares = Modification("aliased", 5)(image, stream(0))
    assert np.array_equal(squares[2::5, 2::5], image[2::5, 2::5])
    assert np.array_equal(squares, squares[2::5, 2::5].repeat(5, axis=0).repeat(5, axis=1))
    turned = Modification("hue", 5)(np.full((4, 4, 3), (200, 30, 30), np.uint8), stream(0))
    assert np.abs(turned[0, 0].astype(int) - (30, 200, 200)).max() <= 4
    assert np.array_equal(Modification("hue", 3)(np.full((4, 4, 3), 77, np.uint8), stream(0)), np.full((4, 4, 3), 77))


def test_a_shadow_covers_a_part_and_leaves_the_rest():
    shadowed = Modification("shadow", 5)(np.full((80, 80, 3), 200, np.uint8), stream(0))
    assert 0.2 < (shadowed == 200).mean() < 0.8
    assert 0.2 < (shadowed == 30).mean() < 0.8


def test_patterns_of_screens_and_prints_and_what_covers_an_image():
    image = scene(120, 120)
    lines = Modification("scan-lines", 5)(image, stream(0))
    assert np.array_equal(lines[1::3], image[1::3])
    assert np.abs(lines[::3] - 0.2 * image[::3]).max() <= 0.51
    plain = Modification("halftone", 5)(np.full((200, 200, 3), 191, np.uint8), stream(0)).astype(float)
    assert plain.mean() == pytest.approx(191, abs=30)
    assert plain.std() > 60
    captioned = Modification("captioned", 5)(image, stream(0))
    assert np.array_equal(captioned[:-30], image[:-30])
    assert (np.diff(captioned[-30:].astype(int), axis=2) == 0).all()
    assert 0.05 < (captioned[-30:] > 128).mean() < 0.6
    scratched = (Modification("scratched", 3)(image, stream(0)) != image).any(axis=2)
    assert 0.02 < scratched.mean() < 0.15


def test_a_flare_brightens_one_place_and_a_white_frame_leaves_the_middle():
    grey = np.full((100, 100, 3), 50, np.uint8)
    flare = Modification("flare", 3)(grey, stream(0))
    assert flare.min() < 60
    assert flare[:51].max() == 180
    framed = Modification("white-framed", 3)(grey, stream(0))
    assert (framed == 50).mean() == pytest.approx(0.7**2, abs=0.01)
    assert (framed[:15] == 255).all()


@pytest.mark.parametrize("seed", range(6))
def test_what_is_seen_from_one_side_is_as_it_was_at_the_far_side(seed):
    image = scene(90, 90)
    found = Modification("perspective", 4)(image, stream(seed)).astype(float)
    sides = [np.s_[0], np.s_[-1], np.s_[:, 0], np.s_[:, -1]]
    away = [np.abs(found[side] - image[side]).mean() for side in sides]
    assert sum(one < 6 for one in away) == 1


def test_orientations_are_exact_and_their_severity_is_how_many_images_have_them():
    image = scene(40, 40)
    turns = {
        "sideways": [np.rot90(image), np.rot90(image, 3)],
        "upside-down": [image[::-1, ::-1]],
        "mirrored": [image[:, ::-1]],
    }
    for name, wanted in turns.items():
        found = {s: [Modification(name, s)(image, stream(seed, name)) for seed in range(200)] for s in SEVERITIES}
        assert {which_of(one, wanted) for one in found[5]} == set(range(len(wanted)))
        same = {s: np.array([np.array_equal(one, image) for one in made]) for s, made in found.items()}
        assert all(np.mean(~same[s]) == pytest.approx(s / 5, abs=0.1) for s in SEVERITIES)
        assert all((same[s + 1] <= same[s]).all() for s in SEVERITIES[:-1])


def which_of(image, wanted):
    """The place of the one that `image` is."""
    return next(place for place, one in enumerate(wanted) if np.array_equal(image, one))


def test_a_wide_image_on_its_side_has_its_middle_turned():
    image = scene(40, 60)
    middle = image[:, 10:50]
    found = Modification("sideways", 5)(image, stream(0, "sideways"))[:, 10:50]
    assert which_of(found, [np.rot90(middle), np.rot90(middle, 3)]) in (0, 1)


def test_a_specification_names_modifications_and_severities():
    found = parse(" night, blur:1,fog:5 ")
    assert found == (Modification("night", 3), Modification("blur", 1), Modification("fog", 5))
    assert parse(written(found)) == found


@pytest.mark.parametrize(
    ("specification", "sentence"),
    [
        ("nigth", "no modification named 'nigth'; did you mean 'night'?"),
        ("night:3@9", "it is a whole number from 1 to 5, and the number of images stands before the +"),
        ("night:6", "'night:6' has the severity '6'; it is a whole number from 1 to 5"),
        ("night:", "has the severity ''"),
        ("fog:x", "has the severity 'x'"),
        (" , ", "names no modification; wanted for example night"),
    ],
)
def test_a_specification_that_is_none_says_what_was_wanted(specification, sentence):
    with pytest.raises(InputError, match=sentence.replace("?", r"\?")):
        parse(specification)


@pytest.mark.parametrize("image", [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3)), np.zeros((0, 4, 3), np.uint8)])
def test_what_is_no_image_is_refused(image):
    with pytest.raises(InputError, match="wanted uint8 of"):
        Modification("night")(image, np.random.default_rng(0))


@pytest.fixture
def source():
    pixels = np.stack([scene(24, 24, seed) for seed in range(6)])
    return ArraySource(pixels, Listing([f"image-{i}" for i in range(6)], np.arange(6, dtype=np.int32) % 2, ["a", "b"]))


def test_a_modified_source_has_the_same_listing_and_applies_all_in_order(source):
    modified = Modified(source, parse("invert:5,rain:2"), seed=4)
    assert modified.listing is source.listing
    wanted = 255 - np.asarray(source.image(2))
    wanted = Modification("rain", 2)(wanted, stream(4, "image-2", "rain"))
    assert np.array_equal(np.asarray(modified.image(2)), wanted)


def test_a_modified_image_depends_on_seed_and_name_and_not_on_the_order_or_the_process(source):
    modified = Modified(source, parse("gaussian-noise"))
    travelled = pickle.loads(pickle.dumps(modified))
    backwards = [np.asarray(travelled.image(i)) for i in reversed(range(6))][::-1]
    assert all(np.array_equal(np.asarray(modified.image(i)), backwards[i]) for i in range(6))
    other = Modified(source, parse("gaussian-noise"), seed=1)
    assert not np.array_equal(np.asarray(other.image(0)), backwards[0])
    noise = [backwards[i].astype(int) - np.asarray(source.image(i)) for i in (0, 1)]
    assert not np.array_equal(*noise)


def test_large_images_are_shrunk_before_they_are_modified():
    pixels = np.full((1, 300, 600, 3), 200, np.uint8)
    large = ArraySource(pixels, Listing(["large"], np.zeros(1, np.int32), ["a"]))
    assert Modified(large, parse("invert:5")).image(0).size == (2 * SIDE, SIDE)


def test_a_dataset_opens_as_seen_through_modifications_and_accompanies_it(tmp_path):
    plain, night = (open_dataset(name, tmp_path) for name in ("digits", "digits+night,blur:1"))
    assert (night.name, night.companion_of, night.splits) == ("digits+night:3,blur:1", "digits", plain.splits)
    assert open_dataset(night.name, tmp_path).name == night.name
    for split in plain.splits:
        before, after = plain.source(split), night.source(split)
        assert after.listing.fingerprint() == before.listing.fingerprint()
        assert after.image(0).size == before.image(0).size
        assert np.asarray(after.image(0)).sum() < np.asarray(before.image(0)).sum()


def test_what_accompanies_a_dataset_still_does_when_it_is_modified(tmp_path):
    assert open_dataset("digits-night+fog", tmp_path).companion_of == "digits"
    twice = seen_through(open_dataset("digits+fog", tmp_path), "blur")
    assert (twice.name, twice.companion_of) == ("digits+fog:3+blur:3", "digits")


def test_a_path_is_modified_too_and_a_folder_with_a_plus_in_its_name_is_a_folder(tmp_path):
    for place in ("set", "set+night"):
        for label in ("a", "b"):
            (tmp_path / place / "train" / label).mkdir(parents=True)
            (tmp_path / place / "test" / label).mkdir(parents=True)
            for split in ("train", "test"):
                Image.fromarray(scene(24, 24)).save(tmp_path / place / split / label / "1.png")
    assert open_dataset(str(tmp_path / "set+night"), tmp_path).notes == ()
    modified = open_dataset(f"{tmp_path}/set+fog:2", tmp_path)
    assert (modified.name, modified.companion_of) == ("set+fog:2", "set")
    assert modified.place.endswith("set+fog:2")
    assert not np.array_equal(np.asarray(modified.source("test").image(0)), scene(24, 24))


def test_a_misspelt_modification_of_a_dataset_is_named(tmp_path):
    with pytest.raises(InputError, match="no modification named 'knight'; did you mean 'night'"):
        open_dataset("digits+knight", tmp_path)
    with pytest.raises(InputError, match="no dataset named 'digit'"):
        open_dataset("digit+night", tmp_path)
