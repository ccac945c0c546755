"""Pictures of maps count every point once, lose none to mixing, and show in their keys exactly the colours they use."""

import json
import re
import subprocess
import sys

import numpy as np
import pytest
from matplotlib.text import Text

from benchmarks import raster
from gapscope.core.errors import GapscopeError, InputError
from gapscope.draw import COLUMN, PAGE, png
from gapscope.draw.canvas import BLUE, PALE, VERMILION, svg, title_of
from gapscope.draw.points.aggregate import counts, counts_by, sums
from gapscope.draw.points.categories import answers, categories
from gapscope.draw.points.cloud import Cloud
from gapscope.draw.points.density import density
from gapscope.draw.points.mapped import figures
from gapscope.draw.points.middles import Middles
from gapscope.draw.points.multiples import multiples
from gapscope.draw.points.names import placed
from gapscope.draw.points.palette import CATEGORIES, apart
from gapscope.draw.points.shade import commonest, mixed, rgb, shades
from gapscope.draw.points.shift import shift, shifted
from gapscope.draw.points.transform import Scale, log_ratio, means, nearest
from gapscope.draw.points.values import values
from gapscope.draw.points.window import Window

N, CLASSES = 600, 4
NAMES = ["cat", "dog", "a name that goes on for longer than any panel is wide", "costs $5 or $6"]
WHITE = (255, 255, 255)


@pytest.fixture
def points(rng):
    """Four clusters: x, y, codes."""
    codes = rng.integers(0, CLASSES, N)
    xy = rng.normal(size=(N, 2)) + 6 * np.array([(0, 0), (1, 0), (0, 1), (1, 1)])[codes]
    return xy[:, 0].astype(np.float32), xy[:, 1].astype(np.float32), codes


DRAW = {
    "density": lambda x, y, c, size: density(x, y, size=size),
    "equalised": lambda x, y, c, size: density(x, y, scale="equalised", size=size),
    "categories": lambda x, y, c, size: categories(x, y, c, NAMES, named=True, size=size),
    "answers": lambda x, y, c, size: answers(x, y, c > 0, size=size),
    "values": lambda x, y, c, size: values(x, y, c / 3, unit="confidence", size=size),
    "shift": lambda x, y, c, size: shift((x, y), (x + 1, y), size=size),
    "multiples": lambda x, y, c, size: multiples(x, y, c, NAMES, size=size),
}


@pytest.fixture(params=sorted(DRAW))
def draw(request):
    return lambda x, y, codes, size=PAGE: DRAW[request.param](x, y, codes, size)


def words_of(figure):
    return [text for text in figure.findobj(Text) if text.get_visible() and text.get_text().strip()]


def told(figure):
    return " ".join(text.get_text() for text in words_of(figure)).replace("\n", " ")


def raster_of(figure, panel=0):
    return np.asarray(figure.axes[panel].images[0].get_array())


def colours_of(raster):
    return {tuple(one) for one in raster.reshape(-1, 3).tolist()}


def key_of(figure):
    """Colours of the swatches of a key."""
    return [tuple(np.round(255 * np.array(patch.get_facecolor()[:3])).astype(int)) for patch in pen_of(figure).patches]


def pen_of(figure):
    return next(axes for axes in figure.axes if not axes.axison)


def window_of(*clouds, width=97, height=61):
    return Window.around(clouds, width, height)


def edges(window):
    across = np.linspace(window.left, window.right, window.width + 1)
    return np.linspace(window.bottom, window.top, window.height + 1), across


def test_counts_are_those_of_numpy_and_add_up_to_all_points(points):
    cloud = Cloud.of(*points[:2])
    window = window_of(cloud)
    found = counts(cloud, window)
    np.testing.assert_array_equal(found, np.histogram2d(cloud.y, cloud.x, bins=edges(window))[0])
    assert found.sum() == N


def test_counts_by_category_add_up_to_each_and_leave_out_the_unknown(points):
    x, y, codes = points
    codes = np.where(np.arange(N) % 7 == 0, -1, codes)
    cloud = Cloud.of(x, y)
    found = counts_by(cloud, codes, CLASSES + 1, window_of(cloud))
    np.testing.assert_array_equal(found.sum(axis=(1, 2)), np.bincount(codes[codes >= 0], minlength=CLASSES + 1))
    for code in range(CLASSES):
        np.testing.assert_array_equal(found[code], counts(cloud.only(codes == code), window_of(cloud)))


def test_means_are_those_of_the_points_on_a_pixel(points, rng):
    cloud, numbers = Cloud.of(*points[:2]), rng.normal(size=N)
    window = window_of(cloud, width=13, height=9)
    found = means(sums(cloud, numbers, window), counts(cloud, window))
    total = np.histogram2d(cloud.y, cloud.x, bins=edges(window), weights=numbers)[0]
    number = np.histogram2d(cloud.y, cloud.x, bins=edges(window))[0]
    np.testing.assert_allclose(found[number > 0], (total / np.maximum(number, 1))[number > 0], rtol=1e-12, atol=1e-12)
    assert np.isnan(found[number == 0]).all()


@pytest.mark.parametrize("chunk_rows", [1, 7, 100])
def test_points_counted_by_chunks_equal_those_counted_at_once(points, chunk_rows):
    x, y, codes = (column[:100] for column in points)
    whole = Cloud.of(x, y)
    window = window_of(whole)
    parts = [slice(start, start + chunk_rows) for start in range(0, len(x), chunk_rows)]
    np.testing.assert_array_equal(
        sum(counts(Cloud.of(x[part], y[part]), window) for part in parts), counts(whole, window)
    )
    np.testing.assert_array_equal(
        sum(counts_by(Cloud.of(x[part], y[part]), codes[part], CLASSES, window) for part in parts),
        counts_by(whole, codes, CLASSES, window),
    )


@pytest.mark.parametrize("size", [PAGE, COLUMN], ids=["page", "column"])
def test_all_words_stand_inside_the_picture_readable_and_cover_nothing(draw, points, size):
    figure = draw(*points, size)
    figure.canvas.draw()
    boxes, frame = [], figure.bbox.padded(1)
    for text in words_of(figure):
        box = text.get_window_extent()
        assert frame.x0 <= box.x0 < box.x1 <= frame.x1, f"{text.get_text()!r} is cut off at the side"
        assert frame.y0 <= box.y0 < box.y1 <= frame.y1, f"{text.get_text()!r} is cut off above or below"
        assert not any(box.padded(-1).overlaps(other) for other in boxes), f"{text.get_text()!r} covers another"
        assert text.get_fontsize() * size.dots / 72 >= 9
        boxes.append(box)
    assert len(boxes) > 3
    assert f"{N:,} points drawn" in told(figure)


def test_a_figure_is_the_same_file_twice_as_png_and_as_svg_with_its_raster(draw, points):
    x, y, codes = (column[:60] for column in points)
    one, other = (draw(x, y, codes, COLUMN) for _ in range(2))
    assert png(one) == png(other)
    assert title_of(png(one)) == " ".join(one.get_label().split()) != ""
    first = svg(one)
    assert first == svg(other)
    assert b"<svg" in first
    assert b"data:image/png;base64" in first


def test_a_panel_has_exactly_the_pixels_of_its_raster(points):
    figure = categories(*points, NAMES)
    box = figure.axes[0].get_window_extent()
    tall, wide = raster_of(figure).shape[:2]
    np.testing.assert_allclose([box.x0, box.y0], np.round([box.x0, box.y0]), atol=1e-6)
    np.testing.assert_allclose([box.width, box.height], [wide, tall], atol=1e-6)


def test_the_file_shows_the_raster_pixel_by_pixel(points):
    from io import BytesIO

    from PIL import Image

    figure = answers(points[0], points[1], points[2] > 0)
    shown = np.asarray(Image.open(BytesIO(png(figure))).convert("RGB"))
    box, raster = figure.axes[0].get_window_extent(), raster_of(figure)[::-1]
    left, top = round(box.x0), shown.shape[0] - round(box.y1)
    inside = shown[top : top + raster.shape[0], left : left + raster.shape[1]]
    np.testing.assert_array_equal(inside[2:-2, 2:-2], raster[2:-2, 2:-2])


def test_colours_in_the_key_are_those_of_isolated_points():
    x, y = np.array([0.0, 5.0, 0.0, 5.0, 9.0]), np.array([0.0, 0.0, 5.0, 5.0, 9.0])
    figure = categories(x, y, np.array([0, 1, 2, 3, -1]), NAMES, named=False)
    assert colours_of(raster_of(figure)) == {*key_of(figure), WHITE}
    assert key_of(figure)[-1] == tuple(rgb(PALE))
    assert "no label  1" in told(figure)


def test_a_pixel_has_the_colours_of_its_points_by_their_shares():
    by = np.zeros((2, 1, 3), np.uint32)
    by[:, 0, 0], by[:, 0, 1] = (3, 1), (0, 2)
    shown = mixed(by, np.array([(0, 0, 100), (200, 0, 0)], np.uint8))
    assert shown[0].tolist() == [[50, 0, 75], [200, 0, 0], [255, 255, 255]]


def test_a_category_of_one_point_among_a_million_stays_visible(rng):
    x, y = rng.normal(size=(2, 1_000_000)).astype(np.float32)
    codes = np.zeros(len(x), np.int64)
    codes[np.argmin(x**2 + y**2)] = 1  # in the middle of the crowd
    figure = categories(x, y, codes, ["crowd", "one"])
    raster = raster_of(figure)
    assert 20 <= (raster == rgb(VERMILION)).all(axis=2).sum() <= 60
    assert colours_of(raster) == {*key_of(figure), WHITE}
    assert "999,999" in told(figure)


def test_dots_belong_to_the_nearest_pixel_with_points():
    there = np.zeros((20, 30), bool)
    there[5, 5] = there[5, 8] = there[19, 29] = True
    near, rows, columns = nearest(there, 2)
    at = np.argwhere(there)
    for row, column in np.ndindex(there.shape):
        far = np.hypot(*(at - (row, column)).T)
        assert near[row, column] == (far.min() < 2.25 + 1e-9)
        assert np.hypot(rows[row, column] - row, columns[row, column] - column) == pytest.approx(far.min())


@pytest.mark.parametrize("vision", ["normal", "deutan", "protan"])
def test_categories_are_told_apart_by_everyone(vision):
    """In OKLab of what Machado et al. (2009) simulate, none of 20 are closer than the closest of Okabe and Ito's."""
    seen = seen_as(shades(CATEGORIES), vision)
    far = np.sqrt(((seen[:, None] - seen) ** 2).sum(axis=-1)) + np.eye(len(seen))
    assert len(CATEGORIES) == 20
    assert far.min() > 0.075


def seen_as(colours, vision):
    light = colours / 255
    light = np.where(light <= 0.04045, light / 12.92, ((light + 0.055) / 1.055) ** 2.4)
    machado = {
        "normal": np.eye(3),
        "deutan": [(0.367322, 0.860646, -0.227968), (0.280085, 0.672501, 0.047413), (-0.01182, 0.04294, 0.968881)],
        "protan": [(0.152286, 1.052583, -0.204868), (0.114503, 0.786281, 0.099216), (-0.003882, -0.048116, 1.051998)],
    }
    cones = [
        (0.41222147, 0.53633254, 0.05144599),
        (0.2119035, 0.68069955, 0.10739696),
        (0.08830246, 0.28171884, 0.6299787),
    ]
    axes = [
        (0.21045426, 0.79361779, -0.00407205),
        (1.9779985, -2.42859221, 0.45059371),
        (0.0259040, 0.78277177, -0.80867577),
    ]
    light = np.clip(light @ np.array(machado[vision]).T, 0, 1)
    return np.cbrt(light @ np.array(cones).T) @ np.array(axes).T


def test_a_thousand_classes_are_told_apart_by_place_and_the_clearest_are_named(rng):
    k = 1000
    codes = np.repeat(np.arange(k), rng.integers(1, 12, k))
    x, y = (10 * rng.normal(size=(2, k)))[:, codes] + 0.1 * rng.normal(size=(2, len(codes)))
    figure = categories(x, y, codes, [f"class {code}, and more" for code in range(k)])
    written = [text.get_text() for text in figure.axes[0].texts]
    assert 10 < len(written) <= 40
    assert all(re.fullmatch(r"class \d+", word) for word in written)
    assert f"Names of {len(written)} of 1,000 categories" in told(figure)
    assert "different categories" in told(figure)
    assert set(map(tuple, shades(CATEGORIES[:10]).tolist())) <= colours_of(raster_of(figure))


def test_equal_colours_lie_farther_apart_than_by_chance(rng):
    places, sizes = rng.normal(size=(200, 2)), rng.integers(1, 99, 200)
    far = np.sqrt(((places[:, None] - places) ** 2).sum(axis=-1)) + 99 * np.eye(200)

    def nearest_equal(colours):
        return np.mean([far[one][colours == colours[one]].min() for one in range(200)])

    assert nearest_equal(apart(places, sizes)) > 1.3 * nearest_equal(rng.integers(0, 10, 200))


def test_names_cover_each_other_nowhere_and_the_largest_come_first(rng):
    codes = np.repeat(np.arange(60), np.arange(60, 0, -1))
    x, y = rng.normal(size=(2, 60))[:, codes] + 0.01 * rng.normal(size=(2, len(codes)))
    cloud = Cloud.of(x, y)
    names, middles = [f"name {code}" for code in range(60)], Middles.of(cloud, codes, 60)
    found = placed(PAGE, window_of(cloud, width=600, height=400), middles, names, 99)
    boxes = np.array([one.box for one in found])
    for place, box in enumerate(boxes):
        others = np.delete(boxes, place, axis=0)
        assert not ((box[:2] < others[:, 2:]) & (others[:, :2] < box[2:])).all(axis=1).any()
    assert (boxes[:, :2] >= 0).all()
    assert (boxes[:, 2:] <= (600, 400)).all()
    assert len(found) < 60


def test_a_name_stands_where_its_points_are_and_not_between_two_clusters(rng):
    x = np.concatenate([rng.normal(-10, 1, 120), rng.normal(10, 1, 80)])
    middles = Middles.of(Cloud.of(x, np.zeros(200)), np.zeros(200, np.int64), 2)
    assert middles.places[0, 0] == pytest.approx(-10, abs=1)
    assert np.isnan(middles.places[1]).all()
    assert middles.clearest().tolist() == [0]


def test_the_shift_picture_says_how_many_times_as_dense_the_target_is():
    reference, target = np.array([[90, 8, 0, 2]]), np.array([[10, 30, 3, 0]])
    found = log_ratio(target, reference, fewest=5)
    one = 1 / 143
    np.testing.assert_allclose(found[0, :2], np.log2([(10 / 43 + one) / (0.9 + one), (30 / 43 + one) / (0.08 + one)]))
    assert found[0, 2:].tolist() == [0, 0]  # too few of both
    assert np.isnan(log_ratio(np.array([[0, 1]]), np.array([[0, 1]]), 1)[0, 0])


def test_the_ratio_is_symmetric_and_neutral_where_both_sets_are_the_same(points, rng):
    one, other = (Cloud.of(*rng.normal(mean, 1, (2, 3000))) for mean in (0, 1))
    window = window_of(one, other)
    there, back, same = shifted(one, other, window), shifted(other, one, window), shifted(one, one, window)
    np.testing.assert_allclose(there.ratio, -back.ratio, atol=1e-12)
    assert there.limit == back.limit >= 2
    assert there.denser.low > 0.35
    assert there.denser.beyond
    assert np.nanmax(np.abs(same.ratio)) < 1e-12
    assert not same.denser.beyond
    assert there.reference.sum() == there.target.sum() == 3000


def test_the_three_panels_of_a_shift_show_the_same_extent(points):
    figure = shift(points[:2], (points[0] + 3, points[1]))
    limits = {(*axes.get_xlim(), *axes.get_ylim()) for axes in figure.axes[:3]}
    assert len(limits) == 1
    assert re.search(r"\d+% of target \(\d+% to \d+%\) lies where it is at least twice as dense", told(figure))


def test_what_may_be_chance_has_no_colour_and_no_cell_is_too_small_for_one(rng):
    clouds = [rng.normal(0, 1, (2, n)) for n in (120, 12)]
    figure = shift(*clouds)
    assert "No more of target than chance gives" in told(figure)
    assert "all neutral, for it may be chance" in told(figure)
    assert len(colours_of(raster_of(figure, 2))) == 2  # the paper and the middle of the scale
    assert len(colours_of(raster_of(shift(clouds[0], clouds[0] + 3), 2))) > 2
    both = [Cloud.of(*one) for one in clouds]
    seen = shifted(*both, window_of(*both))
    assert seen.target[seen.reference + seen.target >= 8].sum() >= 6


@pytest.mark.parametrize(("n", "m"), [(100_000, 4000), (4000, 4000), (20_000, 200), (150, 120)])
def test_two_samples_of_one_population_are_nowhere_denser_than_by_chance(n, m):
    said = 0
    for seed in range(6):
        rng = np.random.default_rng(seed)
        clouds = [Cloud.of(*rng.normal(0, 1, (2, rows))) for rows in (n, m)]
        said += shifted(*clouds, window_of(*clouds)).denser.beyond
    assert said <= 2


@pytest.mark.parametrize("rows", [120, 3000])
def test_two_sets_that_lie_apart_are_denser_nearly_everywhere(rng, rows):
    clouds = [Cloud.of(*rng.normal(mean, 1, (2, rows))) for mean in (0, 6)]
    assert shifted(*clouds, window_of(*clouds)).denser.value > 0.85


def test_a_place_of_many_categories_has_the_colour_of_most_of_its_points():
    by = np.zeros((3, 1, 2), np.uint32)
    by[:, 0, 0] = (2, 5, 4)
    colours = np.array([[9, 9, 9], [200, 0, 0], [0, 0, 200]], np.uint8)
    assert commonest(by, colours).tolist() == [[[200, 0, 0], [255, 255, 255]]]


def test_scales_rise_from_0_to_1():
    counted = np.array([1, 1, 1, 2, 5, 100])
    for scale in (Scale.log(1, 100), Scale.equalised(counted), Scale.straight(1, 100)):
        found = scale(np.unique(counted).astype(float))
        assert (found[0], found[-1]) == (0, 1)
        assert (np.diff(found) > 0).all()
    assert Scale.log(1, 100)(np.array([10.0, np.nan])).tolist() == pytest.approx([0.5, np.nan], nan_ok=True)
    np.testing.assert_allclose(Scale.equalised(counted)(np.array([2.0, 5])), [1 / 3, 2 / 3])


def test_small_multiples_show_each_category_once_on_all_points(points):
    x, y, codes = points
    figure = multiples(x, y, np.where(codes == 3, 2, codes), NAMES, most=2)
    assert "The largest 2 of 3 categories." in told(figure)
    totals = np.sort(np.bincount(np.where(codes == 3, 2, codes)))[-2:]
    heads = [axes.texts[0].get_text() for axes in figure.axes[:2]]
    assert sorted(int(head.split(", ")[-1]) for head in heads) == totals.tolist()
    for panel in range(2):
        assert colours_of(raster_of(figure, panel)) == {WHITE, tuple(rgb(BLUE)), tuple(rgb(PALE))}
    ground = [(raster_of(figure, panel) != 255).any(axis=2) for panel in range(2)]
    np.testing.assert_array_equal(*ground)


@pytest.mark.parametrize(("n", "same"), [(1, True), (3, True), (3, False)])
def test_few_and_identical_points_are_drawn(draw, rng, n, same):
    x, y = np.full((2, n), 7e5, np.float32) if same else rng.normal(size=(2, n))
    figure = draw(x, y, np.zeros(n, np.int64), COLUMN)
    assert f"{n} point{'s' * (n != 1)} drawn" in told(figure)
    assert len(colours_of(raster_of(figure))) > 1


def test_points_without_coordinates_are_left_out_and_counted(draw, points):
    x, y, codes = (column.copy() for column in points)
    x[3], y[4], x[5] = np.nan, np.inf, -np.inf
    figure = draw(x, y, codes, COLUMN)
    assert "597 points drawn; 3 left out without finite coordinates." in told(figure)


def test_nothing_to_draw_is_one_sentence(draw):
    with pytest.raises(InputError, match="nothing to draw"):
        draw(np.full(4, np.nan), np.zeros(4), np.zeros(4, np.int64))


def test_rows_without_labels_and_one_class_are_drawn(points):
    x, y, _ = points
    assert "No point has a category" in told(categories(x, y, np.full(N, -1), NAMES))
    assert "600 points, all of dog" in told(categories(x, y, np.ones(N, int), NAMES))
    assert "No answer is known" in told(answers(x, y, np.full(N, np.nan)))
    assert "no category" in told(multiples(x, y, np.full(N, -1), NAMES))
    right = np.array([True, False, None] * 200, dtype=object)
    assert "50.0% of 400 answers are right" in told(answers(x, y, right))


def test_points_without_a_number_are_pale_and_counted(points):
    numbers = np.where(np.arange(N) % 6 == 0, np.nan, 1.0)
    figure = values(points[0], points[1], numbers, unit="confidence")
    assert "100 without a number are pale." in told(figure)
    assert tuple(rgb(PALE)) in colours_of(raster_of(figure))


@pytest.mark.parametrize(
    ("draw_it", "sentence"),
    [
        (lambda x, y, c: density(x, y[1:]), "give one number of each"),
        (lambda x, y, c: density(x, y, scale="logg"), "did you mean 'log'"),
        (lambda x, y, c: categories(x, y, c, NAMES[:2]), "code 3 has no name"),
        (lambda x, y, c: categories(x, y, c / 2, NAMES), "give whole numbers"),
        (lambda x, y, c: categories(x, y, c[1:], NAMES), "codes has the shape"),
        (lambda x, y, c: answers(x, y, c[1:] > 0), "answers has the shape"),
        (lambda x, y, c: values(x, y, np.full(N, np.nan), unit="confidence"), "has a number for confidence"),
        (lambda x, y, c: multiples(x, y, c, []), "code 3 has no name"),
    ],
)
def test_what_cannot_be_drawn_is_one_sentence(points, draw_it, sentence):
    with pytest.raises(GapscopeError, match=re.escape(sentence)):
        draw_it(*points)


def test_importing_the_pictures_loads_neither_datashader_nor_numba():
    script = (
        "import sys, gapscope.draw.points.categories, gapscope.draw.points.density, gapscope.draw.points.shift; "
        "sys.exit(len({'datashader', 'numba', 'pandas', 'xarray'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


def test_a_map_has_the_figures_that_its_columns_can_fill(points):
    x, y, codes = (column[:50] for column in points)
    plain = {"x": x, "y": y, "label": np.full(50, -1), "set": np.zeros(50, int)}
    assert [name for name, _ in figures(plain, NAMES, ["one"])] == ["density"]
    known = {"label": codes, "set": np.arange(50) % 3, "right": codes / 3 > 0.5, "confidence": codes / 3}
    found = dict(figures(plain | known, NAMES, ["one", "two", "three"], note="UMAP: neighbours are alike"))
    assert list(found) == [
        *("density", "classes", "each-class", "sets", "shift", "shift-2", "answers", "confidence"),
    ]
    assert all("neighbours are alike" in told(figure) for figure in found.values())


def test_the_raster_benchmark_counts_every_point_in_each_way(tmp_path, capsys):
    out = tmp_path / "results" / "raster.json"
    raster.main(["--tiny", "--out", str(out)])
    figures = json.loads(out.read_text())
    assert figures["counted"] == figures["points"]
    assert figures["times_reading"]["reading"] == 1
    assert {"raster", "numpy_histogram2d", "matplotlib_hexbin", "whole_figure"} <= set(figures["seconds"])
    assert "times_reading" in capsys.readouterr().out
