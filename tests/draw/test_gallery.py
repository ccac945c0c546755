"""Pictures of predictions show the right images under the right words, whatever their size, and nothing overlaps."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.text import Text

from gapscope.draw import COLUMN, PAGE, png
from gapscope.draw.gallery import Tile, gallery, overlay
from gapscope.evaluation.picks import telling_rows

LONG = "a class whose name is far longer than any thumbnail is wide, and that costs $5 or $6"
SHAPES = [(8, 8), (28, 28, 1), (20, 300, 3), (300, 20, 3), (400, 300, 3), (1, 1, 3)]


def tiles(rng, *, heat=False):
    images = [rng.integers(0, 256, shape, np.uint8) for shape in SHAPES]
    return [
        Tile(image, LONG if place % 2 else "cat", "cat", place / 5, rng.random((7, 7)) if heat else None)
        for place, image in enumerate(images)
    ]


def words_of(figure):
    return [text for text in figure.findobj(Text) if text.get_visible() and text.get_text().strip()]


@pytest.mark.parametrize("size", [PAGE, COLUMN], ids=["page", "column"])
@pytest.mark.parametrize("heat", [False, True], ids=["plain", "heat"])
def test_all_words_stand_inside_the_picture_and_cover_nothing(rng, size, heat):
    rows = {"right": tiles(rng, heat=heat), "empty": [], "wrong": tiles(rng, heat=heat) * 2}
    figure = gallery(rows, title=f"A title that says what the figure shows {LONG}", size=size)
    figure.canvas.draw()
    frame, boxes = figure.bbox, [text.get_window_extent() for text in words_of(figure)]
    assert min(text.get_fontsize() for text in words_of(figure)) * size.dots / 72 >= 9
    for place, box in enumerate(boxes):
        assert frame.x0 <= box.x0 < box.x1 <= frame.x1
        assert frame.y0 <= box.y0 < box.y1 <= frame.y1
        assert not any(box.overlaps(other) for other in boxes[:place])
        assert not any(box.overlaps(axes.get_window_extent()) for axes in figure.axes)
    pictures = [axes.get_window_extent().padded(-1) for axes in figure.axes]  # an image and its overlay touch
    for place, box in enumerate(pictures):
        assert not any(box.overlaps(other) for other in pictures[:place])


def test_each_image_keeps_its_proportions_and_a_small_one_its_pixels(rng):
    figure = gallery({"all": tiles(rng)}, title="t")
    for axes, shape in zip(figure.axes, SHAPES, strict=True):
        box = axes.get_window_extent()
        assert box.height / box.width == pytest.approx(shape[0] / shape[1], rel=0.05)  # of whole pixels when shrunk
    shown = figure.axes[0].images[0].get_array()
    np.testing.assert_array_equal(shown, np.broadcast_to(tiles(np.random.default_rng(20261121))[0].image[..., None],
                                                         (8, 8, 3)))  # fmt: skip
    assert max(max(axes.images[0].get_array().shape[:2]) for axes in figure.axes) <= 250


def test_wrong_answers_are_marked_by_sign_words_and_frame(rng):
    image = rng.integers(0, 256, (9, 9), np.uint8)
    right, wrong, unknown = (
        gallery({"row": [Tile(image, "dog", label, 0.5)]}, title="t") for label in ("dog", "cat", None)
    )
    said = [[text.get_text() for text in words_of(figure)][2:] for figure in (right, wrong, unknown)]
    assert said == [["✓ dog", "50.0%"], ["✗ dog", "is cat", "50.0%"], ["dog", "50.0%"]]
    thick = [figure.axes[0].patches[0].get_linewidth() for figure in (right, wrong, unknown)]
    assert thick[1] > 2 * max(thick[0], thick[2])


def test_a_row_without_images_says_none():
    figure = gallery({"wrong, most certain": []}, title="t")
    assert [text.get_text() for text in words_of(figure)] == ["t", "wrong, most certain", "none"]
    assert png(figure)[:4] == b"\x89PNG"


def test_long_names_lose_their_middle_and_a_dollar_is_a_dollar(rng):
    image = rng.integers(0, 256, (9, 9), np.uint8)
    figure = gallery({"$a$ row": [Tile(image, LONG, LONG)]}, title="costs $5 or $6")
    found = [text.get_text() for text in words_of(figure)]
    assert found[:2] == ["costs $5 or $6", "$a$ row"]
    assert found[2].startswith("✓ a cl")
    assert found[2].endswith("$6")
    assert "…" in found[2]


def test_the_picture_is_the_same_twice(rng):
    rows = {"row": tiles(rng, heat=True)}
    assert png(gallery(rows, title="t")) == png(gallery(rows, title="t"))


def test_more_heat_is_brighter_whatever_the_image(rng):
    heat = np.linspace(0, 1, 50)[None]
    for grey in (0, 128, 255):
        shown = overlay(np.full((1, 50, 3), grey, np.uint8), heat).astype(float) @ [0.299, 0.587, 0.114]
        assert (np.diff(shown[0]) >= -0.6).all()
        assert shown[0, -1] - shown[0, 0] > 100


def brute_force(label, predicted, confidence, sample_id, most):
    """The headings and rows by sorting Python tuples."""
    rows, known = range(len(label)), any(value >= 0 for value in label)
    kinds = {
        "right": [i for i in rows if label[i] >= 0 and label[i] == predicted[i]],
        "wrong": [i for i in rows if label[i] >= 0 and label[i] != predicted[i]],
    }
    if not known and len(label):
        kinds = {"answers": list(rows)}
    found = {}
    for kind, chosen in kinds.items():
        certain = sorted(chosen, key=lambda i: (-confidence[i], sample_id[i]))
        found[f"{kind}, most certain"] = certain[:most]
        found[f"{kind}, least certain"] = sorted(certain[most:], key=lambda i: (confidence[i], sample_id[i]))[:most]
    return found


@given(st.lists(st.tuples(st.integers(-1, 2), st.integers(0, 2), st.integers(0, 4)), max_size=40), st.integers(0, 5))
def test_the_rows_shown_are_those_of_a_plain_sort(rows, most):
    label, predicted, confidence = (np.array([row[i] for row in rows], int) for i in range(3))
    ids = np.random.default_rng(len(rows)).permutation(len(rows))
    found = telling_rows(label, predicted, confidence / 4, ids, most)
    wanted = brute_force(label.tolist(), predicted.tolist(), (confidence / 4).tolist(), ids.tolist(), most)
    assert {heading: chosen.tolist() for heading, chosen in found.items()} == wanted


@given(st.lists(st.tuples(st.integers(-1, 2), st.integers(0, 2), st.integers(0, 4)), max_size=40), st.randoms())
def test_the_images_shown_do_not_depend_on_the_order_of_the_rows(rows, random):
    label, predicted, confidence = (np.array([row[i] for row in rows], int) for i in range(3))
    ids, order = np.arange(len(rows)) * 7, list(range(len(rows)))
    random.shuffle(order)
    first = telling_rows(label, predicted, confidence, ids, 3)
    second = telling_rows(label[order], predicted[order], confidence[order], ids[order], 3)
    shown = [{heading: one.tolist() for heading, one in zip(found, map(table.__getitem__, found.values()), strict=True)}
             for found, table in ((first, ids), (second, ids[order]))]  # fmt: skip
    assert shown[0] == shown[1]


def test_without_any_label_all_are_shown_by_their_certainty():
    found = telling_rows([-1, -1, -1], [0, 1, 0], [0.2, 0.9, 0.5], [1, 2, 3], 1)
    assert {heading: rows.tolist() for heading, rows in found.items()} == {
        "answers, most certain": [1],
        "answers, least certain": [0],
    }
