"""Every file becomes an upright RGB image, or a reason that depends on nothing but its bytes."""

import io
import re
import struct
import threading
import warnings
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps, TiffImagePlugin

from gapscope.data.decode import DECODER, MAX_PIXELS, decode
from gapscope.data.source import Undecodable
from gapscope.data.tree import GLANCE_BYTES, begins_like_an_image

# What must happen to each odd file: the size of the image, or a part of the reason.
ODD_FILES = {
    "alpha.png": (160, 120),
    "animated.gif": (160, 120),
    "bomb.png": "unfolds to 3,600,000,000 pixels, more than the 134,217,728 allowed",
    "cmyk.jpg": (160, 120),
    "empty.jpg": "the file is empty",
    "exif_rotated.jpg": (120, 160),
    "flipped_bytes.jpg": "broken data stream",
    "gray.jpg": (160, 120),
    "gray16.png": (160, 120),
    "html_error_page.jpg": "is not an image but a web page, it begins with b'<html>503</html>'",
    "one_pixel.png": (1, 1),
    "palette.png": (160, 120),
    "png_named.jpg": (160, 120),
    "random_bytes.png": "is not an image, it begins with b'_",
    "truncated_half.jpg": "image file is truncated",
    "truncated_header.jpg": "begins like a JPEG file, but its header is damaged or cut short",
    "very_wide.png": (4000, 2),
}


def encoded(image, form="PNG", **options):
    file = io.BytesIO()
    image.save(file, form, **options)
    return file.getvalue()


def reason(data):
    with pytest.raises(Undecodable) as caught:
        decode(data)
    return str(caught.value)


def outcome(data):
    """The pixels of an image, or the reason why there are none."""
    try:
        return decode(data).tobytes()
    except Undecodable as error:
        return str(error)


@pytest.fixture
def picture(rng):
    """A photograph-like image: smooth, with a gradient and no symmetry."""
    small = Image.fromarray(rng.integers(0, 256, (5, 7, 3), np.uint8))
    return small.resize((70, 50), Image.Resampling.BICUBIC)


@pytest.mark.parametrize("name", sorted(ODD_FILES))
def test_an_odd_file_gives_the_expected_image_or_reason(test_data, name):
    data, expected = (test_data / "corrupt" / name).read_bytes(), ODD_FILES[name]
    if isinstance(expected, str):
        assert expected in reason(data)
    else:
        image = decode(data)
        assert (image.mode, image.size) == ("RGB", expected)


def test_the_table_knows_every_odd_file(test_data):
    assert {path.name for path in (test_data / "corrupt").iterdir()} == set(ODD_FILES)


# Mean difference in levels; the palette is the web's, whose levels stand 51 apart, dithered.
@pytest.mark.parametrize(("name", "difference"), [("animated.gif", 3), ("cmyk.jpg", 3), ("palette.png", 51 / 2)])
def test_odd_encodings_of_one_photograph_look_alike(test_data, name, difference):
    folder = test_data / "corrupt"
    plain = np.asarray(decode((folder / "png_named.jpg").read_bytes()), float)
    other = np.asarray(decode((folder / name).read_bytes()), float)
    assert np.abs(plain - other).mean() < difference
    assert np.abs(plain.mean((0, 1)) - other.mean((0, 1))).max() < 1


def test_sixteen_bit_grey_equals_the_eight_bit_file_it_was_made_from(test_data):
    folder = test_data / "corrupt"
    grey = np.asarray(decode((folder / "gray.jpg").read_bytes()), float)
    deep = np.asarray(decode((folder / "gray16.png").read_bytes()), float)
    assert np.abs(grey - deep).mean() < 3


@pytest.mark.parametrize("levels", [0, 1, 128, 129, 32768, 65407, 65535])
def test_sixteen_bit_levels_are_scaled_to_eight(levels):
    image = Image.fromarray(np.full((3, 4), levels, np.uint16))
    for form in ("PNG", "TIFF"):
        assert decode(encoded(image, form)).getpixel((0, 0)) == (round(levels / 257),) * 3


def test_wider_integers_are_stretched_and_not_clipped():
    levels = np.array([[-100_000, 0], [100_000, 300_000]], np.int32)
    assert np.asarray(decode(encoded(Image.fromarray(levels), "TIFF")))[..., 0].tolist() == [[0, 64], [128, 255]]


@pytest.mark.parametrize(
    ("levels", "expected"),
    [([0.0, 0.5, 1.0], [0, 128, 255]), ([0.0, 100.0, 255.0], [0, 100, 255]), ([-1.0, 0.0, 1000.0], [0, 0, 255])],
)
def test_float_levels_are_fractions_or_levels_or_stretched(levels, expected):
    image = Image.fromarray(np.array([levels], np.float32))
    assert np.asarray(decode(encoded(image, "TIFF")))[0, :, 0].tolist() == expected


def test_a_level_that_is_no_number_is_a_reason():
    assert "finite" in reason(encoded(Image.fromarray(np.array([[np.nan]], np.float32)), "TIFF"))


def test_a_constant_image_of_large_integers_does_not_divide_by_zero():
    assert decode(encoded(Image.fromarray(np.full((2, 2), 10**6, np.int32)), "TIFF")).size == (2, 2)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_rotation_agrees_with_pillows_own(picture, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encoded(picture, "JPEG", exif=exif)
    with Image.open(io.BytesIO(data)) as file:
        expected = ImageOps.exif_transpose(file).convert("RGB")
    assert np.array_equal(decode(data), expected)


def test_an_image_is_not_turned_again_by_who_receives_it(picture):
    exif = Image.Exif()
    exif[0x0112] = 6
    image = decode(encoded(picture, "JPEG", exif=exif))
    assert ImageOps.exif_transpose(image).size == image.size == (50, 70)


def test_damaged_exif_does_not_cost_the_image(picture):
    data = encoded(picture, "JPEG", exif=b"Exif\0\0II*\0\xff\xff\xff\xff garbage")
    assert decode(data).size == picture.size


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
@pytest.mark.parametrize("form", ["PNG", "TIFF"])
def test_transparency_shows_white(mode, form):
    image = Image.new(mode, (4, 4), 0)
    assert decode(encoded(image, form)).getpixel((1, 1)) == (255, 255, 255)


def test_half_transparent_black_is_grey():
    assert decode(encoded(Image.new("RGBA", (2, 2), (0, 0, 0, 128)))).getpixel((0, 0)) == (127, 127, 127)


def test_a_transparent_palette_entry_shows_white():
    image = Image.new("P", (2, 1))
    image.putpalette([10, 20, 30, 40, 50, 60])
    image.putpixel((1, 0), 1)
    decoded = decode(encoded(image, transparency=0))
    assert [decoded.getpixel((x, 0)) for x in (0, 1)] == [(255, 255, 255), (40, 50, 60)]


def test_cmyk_is_inverted_as_adobe_writes_it(picture):
    data = encoded(picture.convert("CMYK"), "JPEG", quality=95)
    assert np.abs(np.asarray(decode(data), float) - np.asarray(picture, float)).mean() < 4


@pytest.mark.parametrize("form", ["GIF", "WEBP", "PNG", "TIFF"])
def test_the_first_frame_stands_for_an_animation(form):
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "lime", "blue")]
    data = encoded(frames[0], form, save_all=True, append_images=frames[1:])
    red, green, blue = decode(data).getpixel((4, 4))
    assert red > 240
    assert green < 15
    assert blue < 15


def test_a_bomb_is_refused_before_it_unfolds():
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 20_000, 8_000, 8, 2, 0, 0, 0))
    data = b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", b"")
    assert reason(data) == f"unfolds to 160,000,000 pixels, more than the {MAX_PIXELS:,} allowed"


def test_the_limit_lies_between_large_cameras_and_pillows_own():
    assert 11_648 * 8_736 < MAX_PIXELS < 2 * Image.MAX_IMAGE_PIXELS


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_damage_anywhere_gives_an_rgb_image_or_one_line(data):
    image = Image.fromarray(np.arange(32 * 32 * 3, dtype=np.uint32).astype(np.uint8).reshape(32, 32, 3))
    good = encoded(image, data.draw(st.sampled_from(["JPEG", "PNG", "GIF", "WEBP", "TIFF", "BMP"])))
    damaged = bytearray(good[: data.draw(st.integers(0, len(good)))])
    for place in data.draw(st.lists(st.integers(0, max(len(damaged) - 1, 0)), max_size=4)) if damaged else []:
        damaged[place] ^= data.draw(st.integers(1, 255))
    first, second = outcome(bytes(damaged)), outcome(bytes(damaged))
    assert first == second
    assert isinstance(first, bytes) or re.fullmatch(r"(?!.*object at)[^\n]+", first)


def test_pillows_warnings_neither_appear_nor_decide():
    """A count of two where Pillow expects one value makes it warn; under `error` that warning would be an exception."""
    ifd = [(256, 3, 1, 2), (257, 3, 1, 2), (258, 3, 1, 8), (262, 3, 1, 1), (259, 3, 1, 1), (273, 4, 1, 200)]
    ifd += [(277, 3, 1, 1), (278, 3, 1, 2), (279, 4, 1, 4), (282, 5, 1, 10_000)]
    body = b"".join(struct.pack("<HHII", *entry) for entry in sorted(ifd))
    data = (b"II*\0\x08\0\0\0" + struct.pack("<H", len(ifd)) + body + bytes(4)).ljust(200, b"\0") + bytes(
        [0, 85, 170, 255]
    )
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        Image.open(io.BytesIO(data)).load()
    with warnings.catch_warnings(record=True) as mine:
        warnings.simplefilter("always")
        quiet = decode(data)
    assert seen, "this file should make Pillow warn"
    assert not mine
    assert np.array_equal(decode(data), quiet)  # here warnings are errors


def test_warnings_of_pillow_still_reach_everybody_else():
    with pytest.warns(UserWarning, match="from outside"):
        TiffImagePlugin.warnings.warn("from outside", UserWarning, stacklevel=1)


def test_threads_decode_as_one_thread_does(picture):
    files = [encoded(picture, "JPEG"), encoded(picture.convert("CMYK"), "JPEG"), b"<html>", encoded(picture)[:-40]]

    expected, wrong = [outcome(data) for data in files], []

    def work():
        for _ in range(20):
            wrong.extend(data for data, want in zip(files, expected, strict=True) if outcome(data) != want)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_the_decoder_is_named_with_its_version():
    assert re.fullmatch(r"pillow-\d+\.\d+\.\d+/exif/white", DECODER)


@pytest.mark.parametrize(
    "form", ["AVIF", "JPEG2000", "WEBP", "QOI", "ICO", "PCX", "SGI", "TGA", "DDS", "PPM", "BMP", "GIF"]
)
def test_what_the_installed_pillow_reads_is_an_image(form):
    Image.init()
    if form not in Image.SAVE:
        pytest.skip(f"this Pillow writes no {form}")
    image = Image.fromarray(np.random.default_rng(3).integers(0, 256, (32, 48, 3), np.uint8)).resize((48, 48))
    data = encoded(image.convert("P") if form == "GIF" else image, form)
    assert decode(data).size == (48, 48)
    assert begins_like_an_image(data[:GLANCE_BYTES]) or form in ("ICO", "PCX", "SGI", "TGA")


def test_only_its_end_makes_data_a_tga_image():
    data = encoded(Image.new("RGB", (9, 7), "red"), "TGA")
    assert decode(data).size == (9, 7)
    assert "is not an image" in reason(data[:-2])
    assert reason(b"<html>404</html>" + data[-18:])


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:ab\nsize 12\n", "fetch it with `git lfs pull`"),
        (
            b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(60),
            "is a HEIF image, which",
        ),
        (b"\0\0\0\x18ftypisom\0\0\0\0mp42" + bytes(60), "is a video"),
        (b'<?xml version="1.0"?>\n<svg xmlns="x"></svg>', "is an SVG drawing, which has no pixels"),
        (b"<!DOCTYPE html><title>Log in</title>", "is not an image but a web page"),
    ],
)
def test_what_is_often_taken_for_an_image_is_called_what_it_is(data, said):
    assert said in reason(data)
