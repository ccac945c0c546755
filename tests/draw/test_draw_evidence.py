"""Diagrams of calibration, confusion and features say what their numbers say, at two sizes."""

import numpy as np
import pytest
from matplotlib.text import Text
from picture_words import check_words
from scipy.stats import binomtest

from gapscope.core.errors import InputError
from gapscope.draw import COLUMN, PAGE
from gapscope.draw.blocks import Blocks, block_confusion
from gapscope.draw.reliability import reliability, wilson
from gapscope.draw.spectrum import spectrum
from gapscope.draw.vector import svg

TITLE = "A title that says what the figure shows, and needs two lines where there is little room for it"
EDGES, MOVED = np.linspace(0, 1, 6), np.array([0.5, -2, 1, np.nan, 0])


def draw_reliability(size):
    low, high = EDGES[1:-1], EDGES[2:]
    middle = (low + high) / 2
    n = np.array([3, 40, 300, 2000])
    return reliability(low, high, n, middle, middle - 0.1, title=TITLE, size=size)


FIGURES = {
    "reliability": draw_reliability,
    "spectrum": lambda size: spectrum(MOVED, unit="standardised difference", by_luck=0.1, size=size),
    "blocks": lambda size: block_confusion([f"class {one}" for one in range(40)], paired(40), title=TITLE, size=size),
}


def paired(k, group=4):
    """Counts in which classes of one group, spread over all indices, are taken for each other."""
    same = np.arange(k) % (k // group)
    return 50 * np.eye(k, dtype=np.int64) + 8 * (same[:, None] == same) + (np.arange(k)[:, None] == 0)


@pytest.mark.parametrize("size", [PAGE, COLUMN], ids=["page", "column"])
@pytest.mark.parametrize("name", FIGURES)
def test_all_words_stand_inside_the_picture_and_are_readable(name, size):
    figure = FIGURES[name](size)
    check_words(figure)
    letters = [text.get_fontsize() for text in figure.findobj(Text) if text.get_text().strip()]
    assert min(letters) * size.dots / 72 >= 9


def test_figures_are_the_same_svg_file_twice():
    assert svg(draw_reliability(PAGE)) == svg(draw_reliability(PAGE))


def test_intervals_of_a_reliability_diagram_are_those_of_scipy():
    for right, n in ((0, 5), (3, 7), (90, 100)):
        truth = binomtest(right, n).proportion_ci(method="wilson")
        np.testing.assert_allclose(wilson(np.array(right / n), np.array(n)), [truth.low, truth.high], atol=1e-6)


def test_blocks_bring_together_the_classes_that_are_confused():
    counts = paired(100)
    found = Blocks.of([f"class {one}" for one in range(100)], counts, most=25)
    assert len(found.names) == 25
    assert sorted(found.order) == list(range(100))
    for one in range(25):
        assert len(set(np.flatnonzero(found.block == one) % 25)) == 1
    assert (np.diff(found.block[found.order]) >= 0).all()
    assert found.summed(counts).sum() == counts.sum()
    assert found.names[0].endswith("+ 2")


def test_a_thousand_classes_become_at_most_twenty_named_blocks(rng):
    counts = rng.poisson(0.02, (1000, 1000)) + 40 * np.eye(1000, dtype=np.int64)
    found = Blocks.of([f"n{one}, and so on" for one in range(1000)], counts)
    assert len(found.names) <= 20
    assert all(", and so on" not in name for name in found.names)


def test_one_class_and_no_errors_are_drawn():
    assert Blocks.of(["only"], np.array([[5]])).names == ["only"]
    words = [text.get_text() for text in block_confusion(["a", "b"], 9 * np.eye(2, dtype=int), title="t").findobj(Text)]
    assert any("2 classes in" in word for word in words)


def test_a_spectrum_says_how_many_features_hold_half_of_the_shift():
    figure = spectrum(np.array([0.1, -3, 0.1, np.nan]), unit="difference", names=["a", "b", "c", "d"])
    words = " ".join(text.get_text() for text in figure.findobj(Text)).replace("\n", " ")
    assert "1 of 3 features holds half of the squared shift" in words
    assert "moved most: b" in words
    assert "1 left out without a finite shift" in words
    with pytest.raises(InputError, match="nothing to draw"):
        spectrum(np.array([np.nan]), unit="difference")
