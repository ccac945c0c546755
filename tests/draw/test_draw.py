"""Every figure shows all its words inside its frame at two sizes, and is the same file twice."""

from io import BytesIO

import numpy as np
import pytest
from matplotlib.text import Text
from picture_words import check_words
from PIL import Image

from gapscope.draw import COLUMN, PAGE, png
from gapscope.draw.canvas import title_of
from gapscope.draw.dots import dots
from gapscope.draw.matrix import matrix
from gapscope.draw.probit import probit_line
from gapscope.draw.ranks import ranks
from gapscope.draw.shares import shares
from gapscope.draw.spread import spread
from gapscope.draw.versus import versus
from gapscope.draw.waterfall import waterfall

NAMES = ["a model", "another_model_with_a_long_name", "third"]
VALUES = np.array([0.71, 0.65, 0.8])
TITLE = "A title that says what the figure shows, and needs two lines where there is little room for it"


def draw_dots(size):
    bounds = 100 * (VALUES - 0.02), 100 * (VALUES + 0.02)
    series = {"one": (100 * VALUES, *bounds), "two": (np.array([50, np.nan, 60]), None, None)}
    return dots(NAMES, series, title=TITLE, unit="accuracy, %", zero=70, joined=True, size=size)


def draw_probit(size):
    return probit_line(
        NAMES,
        VALUES,
        VALUES - 0.1,
        (VALUES - 0.12, VALUES - 0.08),
        (1.0, -0.3),
        title=TITLE,
        across="accuracy on one",
        up="accuracy on the other",
        chosen=[True, False, False],
        size=size,
    )


def draw_waterfall(size):
    terms = np.array([0.05, -0.01, 0.0])
    return waterfall(
        ("reference", 0.8),
        NAMES,
        terms,
        "target",
        title=TITLE,
        intervals=(terms - 0.01, terms + 0.01),
        size=size,
    )


FIGURES = {
    "dots": draw_dots,
    "matrix": lambda size: matrix(NAMES, np.outer(VALUES, VALUES), title=TITLE, unit="same answer, %", size=size),
    "probit": draw_probit,
    "ranks": lambda size: ranks(NAMES, VALUES, VALUES[::-1], title=TITLE, sets=("one set", "another set"), size=size),
    "shares": lambda size: shares(
        np.arange(3), {"one": VALUES, "other": VALUES / 2}, title=TITLE, across="models", size=size
    ),
    "spread": lambda size: spread(
        {"one": 100 * VALUES, "other": np.array([np.nan, 3.0])},
        title=TITLE,
        across="points",
        up="classes",
        width=10,
        size=size,
    ),
    "versus": lambda size: versus(
        VALUES, {"forecast": VALUES + 0.01}, title=TITLE, across="truth", up="forecast", size=size
    ),
    "waterfall": draw_waterfall,
}


@pytest.fixture(params=sorted(FIGURES))
def draw(request):
    return FIGURES[request.param]


@pytest.mark.parametrize("size", [PAGE, COLUMN], ids=["page", "column"])
def test_all_words_stand_inside_the_picture(draw, size):
    check_words(draw(size))


def test_letters_are_readable_at_both_sizes(draw):
    for size in (PAGE, COLUMN):
        letters = [text.get_fontsize() for text in draw(size).findobj(Text) if text.get_text().strip()]
        assert min(letters) * size.dots / 72 >= 9, "letters of less than nine pixels"


def test_the_file_is_a_picture_with_something_on_it_and_the_same_twice(draw):
    first = png(draw(PAGE))
    assert first == png(draw(PAGE))
    picture = Image.open(BytesIO(first))
    assert picture.format == "PNG"
    assert picture.width == PAGE.width * PAGE.dots
    assert len(np.unique(np.asarray(picture.convert("L")))) > 10


def test_names_beside_points_cover_neither_points_nor_each_other():
    rng = np.random.default_rng(3)
    x = np.sort(rng.uniform(0.6, 0.8, 20))
    names = [f"model_{index}" for index in range(20)]
    figure = probit_line(names, x, x - 0.1, (x - 0.11, x - 0.09), (1, -0.3), title="t", across="x", up="y")
    figure.canvas.draw()
    written = [text for text in figure.axes[0].texts if text.get_text() in names]
    assert len(written) >= 5
    boxes = [Text.get_window_extent(text) for text in written]
    for place, box in enumerate(boxes):
        assert not any(box.overlaps(other) for other in boxes[:place])


def test_a_picture_carries_its_title_as_text(draw):
    figure = draw(PAGE)
    assert title_of(png(figure)) == " ".join(figure.get_label().split()) != ""
    assert title_of(b"no picture") == ""


def test_a_waterfall_says_which_step_takes_most_of_the_way():
    def title(*terms):
        return waterfall(("a", 0.8), NAMES, np.array(terms), "b", title="Lost").get_label()

    assert title(0.05, -0.01, 0.02) == f"Lost: most by {NAMES[0]}, 5.0 of 6.0 points"
    assert title(0.05, -0.09, 0.01) == f"Lost: most by {NAMES[1]}, 9.0 of 3.0 points"
    assert title(0.0, 0.0, 0.0) == "Lost"


def test_a_waterfall_whose_steps_are_not_told_has_its_title_alone():
    figure = waterfall(("a", 0.8), NAMES, np.array([0.05, -0.01, 0.02]), "b", title="Nothing lost", told=False)
    assert figure.get_label() == "Nothing lost"


def test_intervals_end_at_all_and_nothing_and_hold_the_end_of_their_step():
    terms = np.array([0.005, -0.015, 0.03])
    intervals = (terms - np.array([0.06, 0.001, 0.02]), terms + np.array([0.06, 0.001, 0.99]))
    (axes,) = waterfall(("a", 0.99), NAMES, terms, "b", title="t", intervals=intervals).axes
    (lines,) = [
        one for one in axes.collections if len(one.get_segments()) == 3 and np.ptp(one.get_segments()[0][:, 1]) == 0
    ]
    for segment, level in zip(lines.get_segments(), (98.5, 100.0, 97.0), strict=True):
        assert 0 <= segment[:, 0].min() <= level + 1e-9
        assert level - 1e-9 <= segment[:, 0].max() <= 100 + 1e-9
    assert axes.get_xlim()[0] >= 0
    assert axes.get_xlim()[1] <= 100 + 1e-9


def test_no_state_is_shared_through_pyplot():
    import sys

    assert "matplotlib.pyplot" not in sys.modules or not sys.modules["matplotlib.pyplot"].get_fignums()
