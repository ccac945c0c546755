"""One contract for every attribute; closed forms on made images; what they claim not to depend on."""

import time
from io import BytesIO

import numpy as np
import pytest
from PIL import Image
from scipy.stats import mannwhitneyu

from gapscope.attributes import ATTRIBUTES, photograph
from gapscope.attributes.attribute import attributes_of, measure
from gapscope.attributes.moved import Moved, beyond_chance, moved_attributes

GREYS = np.arange(256, dtype=np.uint8)


def measured(image, data=b""):
    return dict(zip(ATTRIBUTES, attributes_of(image, data), strict=True))


def grey(levels):
    """A colour image of grey ``levels : (h, w)``."""
    return np.repeat(np.clip(np.rint(levels), 0, 255).astype(np.uint8)[..., None], 3, axis=2)


def scene(rng, side=96):
    coarse = Image.fromarray(rng.integers(20, 230, (8, 8, 3), np.uint8))
    return np.asarray(coarse.resize((side, side), Image.Resampling.BICUBIC))


def saved(image, kind, **options):
    file = BytesIO()
    if kind == "JPEG":
        options = {"exif": taken_at("2020:01:02 12:30:00"), **options}
    Image.fromarray(image).save(file, kind, **options)
    return file.getvalue()


def taken_at(time, make="Nikon", model="NIKON D40"):
    exif = Image.Exif()
    exif[0x0132], exif[0x010F], exif[0x0110] = time, make, model
    return exif


@pytest.mark.parametrize("name", ATTRIBUTES)
def test_an_attribute_is_one_number_of_any_image_and_is_worded_both_ways(name, rng):
    attribute = ATTRIBUTES[name]
    assert all([attribute.label, attribute.more, attribute.less])
    assert attribute.more != attribute.less
    for shape in ((1, 1), (1, 9), (9, 1), (3, 40), (70, 91)):
        image = rng.integers(0, 256, (*shape, 3), np.uint8)
        before = image.copy()
        first = measured(image, saved(image, "JPEG"))[name]
        assert np.isfinite(first) or min(shape) < 16
        assert np.array_equal(first, measured(np.asfortranarray(image), saved(image, "JPEG"))[name], equal_nan=True)
        assert np.array_equal(image, before)


@pytest.mark.parametrize("level", [0, 100, 255])
def test_a_plain_image_has_one_tone_and_no_structure(level):
    found = measured(np.full((40, 60, 3), level, np.uint8))
    same = {"luminance": level, "luminance-low": level, "luminance-high": level, "contrast": 0, "entropy": 0}
    none = dict.fromkeys(["saturation", "colourfulness", "warmth", "tint", "sharpness", "high-frequencies", "noise"], 0)
    rest = {"edges": 0, "blockiness": 1, "grey": 1, "flat-border": 1, "width": 60, "height": 40, "aspect": 1.5}
    wanted = same | none | rest
    assert {name: found[name] for name in wanted} == pytest.approx(wanted, abs=1e-9)


def test_a_ramp_has_its_mean_spread_and_entropy_and_is_not_sharp():
    found = measured(grey(np.tile(GREYS, (32, 1))))
    assert found["luminance"] == 127.5
    assert found["contrast"] == pytest.approx(np.sqrt((256**2 - 1) / 12))
    assert found["entropy"] == 8
    assert (found["luminance-low"], found["luminance-high"]) == (12, 243)
    assert (found["sharpness"], found["noise"], found["edges"]) == (0, 0, 0)


def test_white_noise_has_its_own_deviation_and_nothing_but_high_frequencies(rng):
    for deviation in (3, 12, 25):
        found = measured(grey(rng.normal(128, deviation, (256, 256))))
        assert found["noise"] == pytest.approx(deviation, rel=0.04)
        assert found["contrast"] == pytest.approx(deviation, rel=0.03)
        assert found["sharpness"] == pytest.approx(np.sqrt(20) * deviation, rel=0.03)
        assert found["high-frequencies"] == pytest.approx(1, abs=0.04)


def test_noise_is_found_on_a_scene_and_edges_are_not_taken_for_it(rng):
    image = scene(rng, 256)
    image = np.where(np.arange(256)[:, None, None] // 32 % 2, image, image // 2)
    noisy = np.clip(image + rng.normal(0, 10, (256, 256, 1)), 0, 255).astype(np.uint8)
    assert measured(image)["noise"] < 1.5
    assert measured(noisy)["noise"] == pytest.approx(10, abs=1)


def test_colours_have_the_values_of_their_formulas():
    image = np.full((8, 8, 3), (200, 100, 50), np.uint8)
    found = measured(image)
    assert found["saturation"] == pytest.approx(0.75)
    assert found["warmth"] == pytest.approx(100 * 150 / 350)
    assert found["tint"] == pytest.approx(100 * (100 - 125) / 350)
    assert found["colourfulness"] == pytest.approx(0.3 * np.hypot(100, 100))
    assert found["grey"] == 0


def test_half_red_half_cyan_is_as_colourful_as_the_paper_says():
    image = np.zeros((4, 4, 3), np.uint8)
    image[:2], image[2:] = (255, 0, 0), (0, 255, 255)
    across, along = np.array([255.0, -255.0]), np.array([127.5, -127.5])
    wanted = np.hypot(across.std(), along.std()) + 0.3 * np.hypot(across.mean(), along.mean())
    assert measured(image)["colourfulness"] == pytest.approx(wanted)


def test_the_border_is_the_share_around_what_varies(rng):
    image = np.full((100, 200, 3), 255, np.uint8)
    image[25:75, 50:150] = rng.integers(0, 256, (50, 100, 3), np.uint8)
    assert measured(image)["flat-border"] == 0.75


def test_squares_of_jpeg_show_and_its_quality_is_read_from_the_file(rng):
    image = scene(rng, 160)
    noisy = np.clip(image + rng.normal(0, 15, image.shape), 0, 255).astype(np.uint8)
    data = saved(noisy, "JPEG", quality=12)
    found = measured(np.asarray(Image.open(BytesIO(data))), data)
    assert found["blockiness"] > 1.5
    assert measured(noisy)["blockiness"] == pytest.approx(1, abs=0.1)
    assert found["bytes-per-pixel"] == len(data) / 160**2
    for quality in (12, 30, 50, 75, 90, 95):
        data = saved(image, "JPEG", quality=quality)
        assert measured(image, data)["jpeg-quality"] == quality
    assert np.isnan(measured(image, saved(image, "PNG"))["jpeg-quality"])
    assert np.isnan(measured(image, data[:30])["jpeg-quality"])


def test_time_and_camera_are_those_of_exif_and_damaged_metadata_say_nothing(rng):
    image = scene(rng, 16)
    for kind in ("JPEG", "WEBP", "TIFF"):
        found = measure(image, saved(image, kind, exif=taken_at("2020:01:02 12:30:00")))
        numbers = dict(zip(ATTRIBUTES, found.numbers, strict=True))
        assert found.camera == "NIKON D40"
        assert (numbers["taken"], numbers["hour"]) == (18263 + 12.5 / 24, 12.5)
        assert ATTRIBUTES["taken"].show(numbers["taken"]) == "2020-01-02"
    for exif in (taken_at("0000:00:00 00:00:00", "", "Phone\0 "), taken_at("in May", "", "Phone")):
        found = measure(image, saved(image, "JPEG", exif=exif))
        assert np.isnan(found.numbers[[-2, -1]]).all()
        assert found.camera == "Phone"
    data = saved(image, "JPEG")
    for cut in range(0, 200, 7):
        measure(image, data[:cut])
        measure(image, data[:cut] + rng.bytes(50))
    assert measure(image).camera == ""


def test_large_images_have_about_the_attributes_of_all_their_pixels(rng, monkeypatch):
    image = np.clip(scene(rng, 1000)[:601] + rng.normal(0, 6, (601, 1000, 1)), 0, 255).astype(np.uint8)
    data = saved(image, "JPEG", quality=20)
    image = np.asarray(Image.open(BytesIO(data)))
    some = measured(image, data)
    monkeypatch.setattr(photograph, "MOST_PIXELS", 2**24)
    every = measured(image, data)
    for name in ATTRIBUTES:
        assert some[name] == pytest.approx(every[name], rel=0.2, abs=0.01), name
    assert (some["width"], some["height"]) == (1000, 601)


def test_light_leaves_casts_and_structure_alone_and_a_negative_leaves_contrast(rng):
    image = (scene(rng) // 4 * 4).astype(np.uint8)
    dark = image // 2
    one, other = measured(image), measured(dark)
    for name in ("warmth", "tint", "saturation"):
        assert other[name] == pytest.approx(one[name], rel=1e-6), name
    assert other["high-frequencies"] == pytest.approx(one["high-frequencies"], rel=0.05)
    negative = measured(255 - image)
    for name in ("contrast", "sharpness", "noise"):
        assert negative[name] == pytest.approx(one[name], rel=0.01), name


def test_moved_pixels_leave_all_tones_and_colours_alone(rng):
    image = scene(rng)
    moved = rng.permutation(image.reshape(-1, 3)).reshape(image.shape)
    one, other = measured(image), measured(moved)
    for name in [*list(ATTRIBUTES)[:10], "width", "height", "aspect"]:
        assert other[name] == pytest.approx(one[name]), name


def test_all_attributes_of_a_network_input_take_less_than_a_millisecond(rng):
    image, data = rng.integers(0, 256, (224, 224, 3), np.uint8), b""
    attributes_of(image, data)
    times = []
    for _ in range(15):
        begun = time.perf_counter()
        attributes_of(image, data)
        times.append(time.perf_counter() - begun)
    assert min(times) < 0.001


def rows(rng, n, **columns):
    """Rows of attributes that are noise but for `columns`."""
    result = rng.standard_normal((n, len(ATTRIBUTES)))
    for name, values in columns.items():
        result[:, list(ATTRIBUTES).index(name)] = values
    return result


def test_the_attribute_that_moved_is_first_with_its_medians_and_its_share(rng):
    reference, target = rows(rng, 300, luminance=rng.normal(118, 20, 300)), rows(rng, 200)
    target[:, 0] = rng.normal(70, 20, 200)
    first, *rest = moved_attributes(reference, target)
    assert first.name == "luminance"
    assert first.above == pytest.approx(np.mean(target[:, :1] > reference[:, 0]))
    assert first.low < first.above < first.high
    assert first.p < 1e-10
    assert beyond_chance([first, *rest])[0] == first
    assert "darker" in first.sentence


def test_the_rank_test_is_scipys_and_constant_or_missing_attributes_are_left_out(rng):
    reference, target = rows(rng, 40, width=100.0), rows(rng, 60, width=100.0)
    reference[:, 0], target[:, 0] = rng.integers(0, 5, 40), rng.integers(1, 6, 60)
    reference[:, list(ATTRIBUTES).index("jpeg-quality")] = np.nan
    found = {one.name: one for one in moved_attributes(reference, target)}
    assert not {"width", "jpeg-quality"} & set(found)
    wanted = mannwhitneyu(reference[:, 0], target[:, 0], use_continuity=False, method="asymptotic").pvalue
    assert found["luminance"].p == pytest.approx(min(wanted * len(found), 1), rel=1e-9)


def test_under_no_difference_hardly_anything_moves_and_intervals_hold_one_half(rng):
    trials = [moved_attributes(rows(rng, 60), rows(rng, 60)) for _ in range(100)]
    assert sum(bool(beyond_chance(found)) for found in trials) <= 12
    covered = np.mean([one.low <= 0.5 <= one.high for found in trials for one in found])
    assert 0.92 < covered < 0.98


def test_a_rise_is_worded_as_one():
    assert "sharper than 80.0 %" in Moved("sharpness", 5, 9, 0.8, 0.7, 0.9, 0.001).sentence
