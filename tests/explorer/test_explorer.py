"""The explorer's pure parts: points, colours, links, selections, pictures, words, images."""

import json
from dataclasses import replace
from io import BytesIO
from urllib.error import URLError
from urllib.parse import parse_qs
from urllib.request import urlopen

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import write_store
from matplotlib import colormaps
from matplotlib.colors import to_hex
from PIL import Image
from scipy.spatial import cKDTree
from sklearn.metrics import adjusted_rand_score

import gapscope
from gapscope.core.errors import InputError
from gapscope.core.location import Location
from gapscope.draw.points.palette import CATEGORIES
from gapscope.explorer import words
from gapscope.explorer.clusters import clusters_of
from gapscope.explorer.colouring import by_class, by_confidence, by_reason
from gapscope.explorer.export import MOST, as_csv, as_parquet, frame_of, ids_of
from gapscope.explorer.join import joined
from gapscope.explorer.load import read_points
from gapscope.explorer.neighbours import BY_FEATURES, ON_MAP, Stores, neighbours_of, stores_of
from gapscope.explorer.palette import PALE, RIGHT, colours_of
from gapscope.explorer.phrases import phrases_of
from gapscope.explorer.pictures import Pictures, placeholder
from gapscope.explorer.selecting import found_by, inside_box, inside_outline, nearest_on_map, nearest_point
from gapscope.explorer.session import Session
from gapscope.explorer.shading import Frame, counted, in_window, shade
from gapscope.explorer.state import BESIDE, State, first_state, rounded
from gapscope.explorer.view import fitted
from gapscope.schemas.embeddings import Tensor
from gapscope.schemas.reasons import CODES, REASONS_SCHEMA
from gapscope.schemas.selection import SELECTION_SCHEMA
from gapscope.stream import connect
from gapscope.words.bank import Phrase
from gapscope.words.texts import Texts, normalised

NAMES = ["cat", "dog", "<b>bird</b>"]


def write_map(folder, rng, rows=200, names=NAMES, **columns):
    """A run folder of a map of two sets of made-up points."""
    n = 2 * rows
    label = rng.integers(0, len(names), n).astype(np.int32)
    table = {
        "sample_id": np.concatenate([rng.permutation(rows), rng.permutation(rows)]),
        "dataset": ["pets"] * n,
        "split": ["val"] * rows + ["test"] * rows,
        "path": [f"{index // 10}/Image-{index}.png" for index in range(n)],
        "label": label,
        "x": rng.standard_normal(n).astype(np.float32),
        "y": rng.standard_normal(n).astype(np.float32),
    }
    (folder / "coordinates").mkdir(parents=True)
    pq.write_table(pa.table(table | columns), folder / "coordinates" / "points.parquet")
    (folder / "coordinates" / "about.json").write_text(json.dumps({"method": "pca", "class_names": list(names)}))
    return Location.of(folder)


@pytest.fixture
def run(tmp_path, rng):
    return write_map(tmp_path / "map", rng)


@pytest.fixture
def points(run):
    return read_points(run)


def test_a_cell_of_a_notebook_shows_a_server_of_its_own(run):
    opened = gapscope.open_explorer(str(run), workspace=str(run.parent))
    try:
        assert f'<iframe src="{opened.address}"' in opened._repr_html_()
        with urlopen(opened.address) as answer:
            assert answer.status == 200
    finally:
        opened.close()
    with pytest.raises(URLError):
        urlopen(opened.address)
    with pytest.raises(InputError, match=r"^no run in .* named 'nothing'"):
        gapscope.open_explorer("nothing", workspace=str(run.parent))


# Reading.


def test_every_row_of_the_table_is_a_point_with_its_set(run, points):
    frame = pq.read_table(f"{run}/coordinates/points.parquet").to_pandas()
    assert points.n == len(frame)
    np.testing.assert_array_equal(points.sample_id, frame["sample_id"])
    assert [points.sets[number].split for number in points.member] == frame["split"].tolist()
    assert points.path.to_pylist() == frame["path"].tolist()
    label = points.colourings["label"]
    assert [label.names[code] for code in label.code] == [NAMES[index] for index in frame["label"]]


def test_an_image_is_found_by_its_set_and_id_and_nothing_else_is(points):
    for point in (0, 57, 399):
        one = points.sets[points.member[point]]
        assert points.find(*one, int(points.sample_id[point])) == point
    for stranger in (("pets", "val", 200), ("pets", "val", -1), ("pets", "train", 0), ("..", "", 0)):
        assert points.find(*stranger) is None


def test_rows_whose_coordinates_are_no_numbers_are_left_out_and_counted(tmp_path, rng):
    x = rng.standard_normal(20).astype(np.float32)
    x[[3, 15]] = np.nan, np.inf
    points = read_points(write_map(tmp_path, rng, 10, x=x))
    assert (points.n, points.left_out) == (18, 2)
    assert points.row.tolist() == [*(row for row in range(10) if row != 3), *(row for row in range(10) if row != 5)]


def test_rows_without_a_label_have_a_category_of_their_own(tmp_path, rng):
    points = read_points(write_map(tmp_path, rng, 2, label=np.array([0, -1, 2, -1], np.int32)))
    label = points.colourings["label"]
    assert [label.names[code] for code in label.code] == ["cat", "no label", "<b>bird</b>", "no label"]
    nothing = read_points(write_map(tmp_path / "none", rng, 2, label=np.full(4, -1, np.int32)))
    assert next(iter(nothing.colourings)) == "dataset"


def test_a_map_without_a_single_place_is_refused_in_one_sentence(tmp_path, rng):
    with pytest.raises(InputError, match=r"none of the 20 rows of .* has a place"):
        read_points(write_map(tmp_path, rng, 10, x=np.full(20, np.nan, np.float32)))


def test_empty_cells_of_a_table_that_others_made_are_no_label_no_split_and_no_path(tmp_path, rng):
    label = pa.array([0, None, 2, None], pa.int32())
    path = pa.array(["a.png", None, "b.png", None])
    split = pa.nulls(4, pa.string())
    points = read_points(write_map(tmp_path, rng, 2, label=label, path=path, split=split, sample_id=np.arange(4)))
    assert points.sets == (("pets", ""),)
    assert [points.colourings["label"].names[code] for code in points.colourings["label"].code][1] == "no label"
    assert found_by(points, "b.png").tolist() == [False, False, True, False]


@pytest.mark.parametrize(
    ("name", "column", "told"),
    [
        ("sample_id", ["a", "b", "c", "d"], "'sample_id' of the map is of type string"),
        ("sample_id", [0, None, 1, 2], "'sample_id' of the map is empty in 1 of 4 rows"),
        ("x", [[0.0], [1.0], [2.0], [3.0]], "'x' of the map is of type list"),
        ("predicted", ["cat", "dog", "cat", "dog"], "'predicted' of the map is of type string"),
    ],
)
def test_a_column_of_another_type_is_refused_by_name(tmp_path, rng, name, column, told):
    with pytest.raises(InputError, match=told):
        read_points(write_map(tmp_path, rng, 2, **{name: pa.array(column)}))


def test_labels_that_are_words_are_their_own_names(tmp_path, rng):
    points = read_points(write_map(tmp_path, rng, 2, label=["dog", "cat", "dog", None]))
    label = points.colourings["label"]
    assert [label.names[code] for code in label.code] == ["dog", "cat", "dog", "no label"]


def test_columns_of_words_and_of_few_numbers_colour_the_map(tmp_path, rng):
    columns = {"camera": ["b", "a"] * 20, "cluster": [10, 9, None, 9] * 10, "free": rng.random(40)}
    points = read_points(write_map(tmp_path, rng, 20, **columns))
    camera, cluster = points.colourings["camera"], points.colourings["cluster"]
    assert (camera.names, camera.code[:2].tolist()) == (("a", "b"), [1, 0])
    assert (cluster.names, cluster.code[:3].tolist()) == (("9", "10", "not known"), [1, 0, 2])
    assert np.array_equal(points.colourings["free"].values, columns["free"].astype(np.float32))


def test_two_classes_of_one_name_are_two_categories(tmp_path, rng):
    label = read_points(write_map(tmp_path, rng, 50, names=["crane", "cat", "crane"])).colourings["label"]
    assert label.names == ("crane", "cat", "crane (2)")


# Clusters.


def test_clusters_of_a_map_are_its_groups_of_points_the_largest_first(rng):
    group = np.repeat([0, 1, 2], [300, 200, 100])
    middle = np.array([(0, 0), (10, 0), (0, 10)])[group]
    x, y = (middle + 0.5 * rng.standard_normal((600, 2))).astype(np.float32).T
    code = clusters_of(x, y)
    assert adjusted_rand_score(group, code) > 0.95
    sizes = np.bincount(code[code >= 0])
    assert (np.diff(sizes) <= 0).all()


@pytest.mark.parametrize("n", [1, 3, 5000])
def test_points_that_are_all_the_same_are_one_cluster_or_too_few_for_one(n):
    same = np.full(n, 7, np.float32)
    assert set(clusters_of(same, same)) == ({0} if n > 10 else {-1})


def test_a_table_that_is_no_map_is_refused_in_one_sentence(tmp_path):
    with pytest.raises(InputError, match="holds no map"):
        read_points(Location.of(tmp_path))
    place = tmp_path / "other.parquet"
    pq.write_table(pa.table({"x": [1.0]}), place)
    with pytest.raises(InputError, match="no column 'sample_id'"):
        read_points(Location.of(place))
    place.write_bytes(b"not parquet")
    with pytest.raises(InputError, match="cannot be read as parquet"):
        read_points(Location.of(place))
    empty = {
        "sample_id": pa.array([], pa.int64()),
        "dataset": pa.array([], pa.string()),
        "split": pa.array([], pa.string()),
    }
    pq.write_table(pa.table(empty | {"x": pa.array([], pa.float32()), "y": pa.array([], pa.float32())}), place)
    with pytest.raises(InputError, match="nothing to explore"):
        read_points(Location.of(place))


# Runs that are joined.


def test_predictions_and_reasons_are_joined_by_sample_id(tmp_path, points, rng):
    ids = rng.permutation(150)
    label = {
        int(points.sample_id[at]): int(points.colourings["label"].code[at]) for at in np.flatnonzero(points.member == 1)
    }
    right = rng.random(150) < 0.5
    run = tmp_path / "gap"
    run.mkdir()
    (run / "manifest.json").write_text(json.dumps({"config": {"target": "pets/test"}}))
    columns = {name: pa.nulls(150, REASONS_SCHEMA.field(name).type) for name in REASONS_SCHEMA.names}
    columns |= {code: pa.array(np.zeros(150, bool)) for code in CODES}
    columns |= {"sample_id": pa.array(ids), "right": pa.array(right), "near_boundary": pa.array(ids % 2 == 0)}
    pq.write_table(pa.table(columns), run / "reasons.parquet")
    folder = run / "predictions" / "pets-test"
    folder.mkdir(parents=True)
    predicted = np.array([label[int(one)] for one in ids]).astype(np.int32)
    predicted[~right] = (predicted[~right] + 1) % 3
    (run / "model.json").write_text(json.dumps({"name": "toy", "class_names": NAMES}))
    table = {"sample_id": ids, "label": [label[int(one)] for one in ids], "predicted": predicted}
    pq.write_table(pa.table(table | {"confidence": np.full(150, 0.85, np.float32)}), folder / "part-00000.parquet")
    result = {"dataset": ["pets"], "split": ["test"]}
    pq.write_table(pa.table(result), run / "results.parquet")
    more, told = joined(points, [Location.of(run)])
    assert told == []
    reason, answer, sure = (more.colourings[key] for key in ("reason", "right-gap", "confidence-gap"))
    for one, good in zip(ids, right, strict=True):
        at = points.find("pets", "test", int(one))
        assert answer.names[answer.code[at]] == ("right" if good else "wrong")
        assert sure.names[sure.code[at]] == "80-90 %"
        assert ("confidence", "85.0 %") in words.facts(more, at)
        assert reason.names[reason.code[at]] == (
            "right" if good else "near the boundary to another class" if one % 2 == 0 else "wrong, no reason"
        )
    assert set(np.array(reason.names)[reason.code[points.member == 0]]) == {"not known"}


def test_a_run_that_says_nothing_of_the_map_is_named_and_a_folder_that_is_no_run_refused(tmp_path, points):
    (tmp_path / "manifest.json").write_text("{}")
    _, told = joined(points, [Location.of(tmp_path)])
    assert told == [f"{tmp_path.name} says nothing of pets/val, pets/test"]
    with pytest.raises(InputError, match="is no run folder"):
        joined(points, [Location.of(tmp_path / "none")])


# Colours.


def test_a_thousand_categories_have_a_thousand_colours_and_the_first_never_change():
    many = colours_of(1000)
    assert len(set(many)) > 990
    assert many[:10] == colours_of(10)


def test_confidence_falls_into_equal_steps(rng):
    sure = rng.random(1000).astype(np.float32)
    colouring = by_confidence("confidence", sure)
    lower = [int(colouring.names[code].split("-")[0]) / 100 for code in colouring.code]
    assert ((sure >= np.array(lower) - 1e-6) & (sure <= np.array(lower) + 0.1 + 1e-6)).all()


def test_a_row_with_several_reasons_is_shown_by_the_one_that_explains_most():
    flags = np.zeros((2, len(CODES)), bool)
    flags[:, [CODES.index("near_boundary"), CODES.index("likely_label_error")]] = True
    colouring = by_reason("reason", flags, np.array([False, True]), np.ones(2, bool))
    assert [colouring.names[code] for code in colouring.code] == ["likely label error", "right"]


def test_the_map_has_the_colours_that_the_pictures_of_maps_have():
    assert colours_of(20) == list(CATEGORIES)
    assert by_confidence("confidence", np.linspace(0, 1, 100)).colours[0] == to_hex(colormaps["viridis_r"](0.0))


def test_no_two_reasons_share_a_colour_and_right_is_blue_as_elsewhere():
    right, known = np.array([True, False, False]), np.array([True, True, False])
    colouring = by_reason("reason", np.zeros((3, len(CODES)), bool), right, known)
    assert len(set(colouring.colours)) == len(colouring.names)
    assert colouring.colours[colouring.names.index("right")] == RIGHT


# Links.


def test_a_link_restores_the_state(points):
    window = (-1.5, 2.0, 0.25, 1e-3 + 1)
    state = State("label", "<b>bird</b>", "a & b=c", BESIDE, "pets/test", "pets/val", window, points.name(33))
    query = state.query(points)
    assert State.of(parse_qs(query.removeprefix("?")), points) == state
    assert first_state(points).query(points) == ""


@pytest.mark.parametrize(
    "query",
    ["colour=none", "only=nobody", "window=1,2", "window=nan,1,0,1", "left=x", "view=both", "point=pets/val:9999"],
)
def test_what_a_link_says_wrongly_is_left_at_its_beginning(points, query):
    assert State.of(parse_qs(query), points) == first_state(points)


# Selections.


def by_hand(x, y, corners):
    """Even-odd rule, point by point and edge by edge."""
    inside = np.zeros(len(x), bool)
    for index, (px, py) in enumerate(zip(x.tolist(), y.tolist(), strict=True)):
        for (ax, ay), (bx, by) in zip(corners, [*corners[1:], corners[0]], strict=True):
            if (ay > py) != (by > py) and px < ax + (py - ay) / (by - ay) * (bx - ax):
                inside[index] = not inside[index]
    return inside


@pytest.mark.parametrize("corners", [3, 4, 40])
def test_a_loop_holds_the_points_that_the_even_odd_rule_says(rng, corners):
    x, y = rng.standard_normal((2, 500)).astype(np.float32)
    outline = rng.standard_normal((corners, 2)).tolist()
    np.testing.assert_array_equal(inside_outline(x, y, outline), by_hand(x, y, outline))


def test_a_loop_through_points_and_of_less_than_three_corners_is_harmless():
    x, y = (axis.ravel().astype(np.float32) for axis in np.meshgrid(np.arange(4), np.arange(4)))
    square = [(0, 0), (2, 0), (2, 2), (0, 2)]
    found = inside_outline(x, y, square)
    assert found[(x == 1) & (y == 1)].all()
    assert not found[(x > 2) | (y > 2)].any()
    assert not inside_outline(x, y, [(0, 0), (3, 3)]).any()
    assert not inside_outline(x, y, np.empty((0, 2))).any()


def test_a_box_may_be_drawn_from_any_corner(rng):
    x, y = rng.standard_normal((2, 100))
    wanted = (x >= -1) & (x <= 0.5) & (y >= 0) & (y <= 1)
    for x0, x1, y0, y1 in ((-1, 0.5, 0, 1), (0.5, -1, 1, 0)):
        np.testing.assert_array_equal(inside_box(x, y, x0, x1, y0, y1), wanted)


def test_the_nearest_point_is_that_of_a_tree(points, rng):
    tree = cKDTree(np.column_stack([points.x, points.y]) / [0.2, 0.1])
    for place in rng.standard_normal((100, 2)):
        far, index = tree.query(place / [0.2, 0.1])
        assert nearest_point(points, *place, (0.2, 0.1), None) == (index if far <= 1 else None)
    nothing = np.zeros(points.n, bool)
    assert nearest_point(points, 0, 0, (10, 10), nothing) is None


def test_neighbours_on_the_map_are_those_of_a_tree_and_begin_with_the_point(points):
    xy = np.column_stack([points.x, points.y])
    for point in (0, 11):
        assert nearest_on_map(points, point, 7).tolist() == cKDTree(xy).query(xy[point], 8)[1].tolist()
    assert len(nearest_on_map(points, 0, 10**6)) == points.n


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("CAT", lambda frame: frame["class"] == "cat"),
        ("image-17", lambda frame: frame["path"].str.lower().str.contains("image-17")),
        ("ca", lambda frame: frame["class"].isin([name for name in NAMES if "ca" in name.lower()])),
        ("123", lambda frame: (frame["sample_id"] == 123) | frame["path"].str.contains("123")),
        ("pets/test", lambda frame: frame["split"] == "test"),
        ("no such thing", lambda frame: frame["label"] == -5),
    ],
)
def test_a_search_finds_class_path_and_id(run, points, text, holds):
    frame = pq.read_table(f"{run}/coordinates/points.parquet").to_pandas()
    frame["class"] = [NAMES[label] for label in frame["label"]]
    np.testing.assert_array_equal(found_by(points, text), holds(frame))


def test_a_search_for_a_class_finds_that_class_and_not_those_whose_names_or_paths_hold_it(tmp_path, rng):
    names, n = ["cat", "cattle", "dog"], 30
    columns = {
        "sample_id": np.arange(n),
        "dataset": ["pets"] * n,
        "split": ["test"] * n,
        "path": [f"cat/{place}.png" for place in range(n)],
        "label": np.arange(n) % 3,
        "class": [names[place % 3] for place in range(n)],
        "predicted": np.full(n, 0, np.int32),
        **{axis: rng.standard_normal(n).astype(np.float32) for axis in "xy"},
    }
    place = tmp_path / "map.parquet"
    pq.write_table(pa.table(columns), place)
    points = read_points(Location.of(place))
    np.testing.assert_array_equal(found_by(points, " Cat"), np.arange(n) % 3 == 0)
    np.testing.assert_array_equal(found_by(points, "cattle"), np.arange(n) % 3 == 1)
    assert found_by(points, "cat/").all()


def test_an_outline_in_a_link_selects_the_same_points(points):
    corners = [(-1.23456789, -1.0), (1.5, -0.75), (0.2, 1.987654321)]
    state = replace(State.of({}, points), outline=rounded(corners), on=1)
    again = State.of(parse_qs(state.query(points).removeprefix("?")), points)
    assert again == state
    inside = inside_outline(points.x, points.y, np.array(rounded(corners)))
    assert inside.any()
    np.testing.assert_array_equal(Session(points, None, again).drawn, np.flatnonzero(inside))


@pytest.mark.parametrize("text", ["1,2", "a,b;1,2", "1,2;inf,3", "1;2", ",,,;", ";" * 50])
def test_an_outline_that_is_none_selects_nothing(points, text):
    assert State.of({"outline": [text]}, points).outline == ()


def test_a_gap_alone_brings_the_predictions_of_the_run_that_it_explains(tmp_path, points):
    explained, gap = tmp_path / "fit", tmp_path / "gap"
    folder = explained / "predictions" / "pets-test"
    folder.mkdir(parents=True)
    gap.mkdir()
    (explained / "manifest.json").write_text("{}")
    (explained / "model.json").write_text(json.dumps({"name": "toy", "class_names": NAMES}))
    ids = points.sample_id[points.member == 1]
    label = points.colourings["label"].code[points.member == 1].astype(np.int32)
    predicted = np.where(np.arange(len(ids)) % 2, label, (label + 1) % 3).astype(np.int32)
    table = {"sample_id": ids, "label": label, "predicted": predicted}
    pq.write_table(pa.table(table | {"confidence": np.full(len(ids), 0.85, np.float32)}), folder / "part-00000.parquet")
    pq.write_table(pa.table({"dataset": ["pets"], "split": ["test"]}), explained / "results.parquet")
    inputs = [{"place": str(explained), "config_hash": "", "rows": 0}]
    manifest = {"job": "gap", "config": {"target": "pets/test", "model": ""}, "inputs": inputs}
    (gap / "manifest.json").write_text(json.dumps(manifest))
    more, notes = joined(points, [Location.of(gap)])
    assert notes == []
    right = next(one for key, one in more.colourings.items() if key.startswith("right"))
    names = np.array(right.names)[right.code[points.member == 1]]
    assert (names == np.where(np.arange(len(ids)) % 2, "right", "wrong")).all()
    assert any(key.startswith("prediction") for key in more.colourings)


def test_an_empty_search_is_none(points):
    assert found_by(points, "  ") is None


# Pictures of points.

FRAME = Frame((-4.0, 4.0, -4.0, 4.0), 60, 50)


def test_the_counts_of_a_raster_are_those_of_a_histogram_and_sum_to_the_points(points):
    found, pixel = in_window(points.x, points.y, FRAME)
    palette = points.colourings["label"].rgb
    layer = counted(pixel, points.colourings["label"].code[found], palette, FRAME)
    edges = np.linspace(-4, 4, 51), np.linspace(-4, 4, 61)
    wanted, *_ = np.histogram2d(points.y.astype(float), points.x.astype(float), bins=edges)
    assert layer.count.sum() == points.n
    assert (layer.count != wanted).sum() <= 2  # a point within rounding of an edge
    np.testing.assert_allclose(layer.rgb.sum(axis=(0, 1)), palette[points.colourings["label"].code].sum(axis=0))


def rgba(picture):
    return picture.view(np.uint8).reshape(*picture.shape, 4)


def test_a_lone_point_has_the_colour_of_the_legend(points):
    colouring = points.colourings["label"]
    for code in range(3):
        picture = rgba(shade(np.zeros(1), np.zeros(1), np.array([code]), colouring.rgb, None, FRAME))
        assert {tuple(one) for one in picture[picture[..., 3] > 0].tolist()} == {(*colouring.rgb[code], 255)}


def test_points_that_are_not_looked_at_are_grey_and_below_and_never_gone(rng):
    x, y = rng.uniform(-3, 3, (2, 3000))
    focus = np.zeros(3000, bool)
    focus[:5] = True
    code = np.where(focus, 1, 0)
    palette = np.array([[200, 0, 0], [0, 0, 200]], np.uint8)
    picture = rgba(shade(x, y, code, palette, focus, FRAME))
    seen = picture[..., 3] > 0
    assert {tuple(one) for one in picture[seen][:, :3].tolist()} == {PALE, (0, 0, 200)}
    for px, py in zip(x[:5], y[:5], strict=True):
        line, column = int((py + 4) / 8 * 50), int((px + 4) / 8 * 60)
        assert tuple(picture[line, column, :3]) == (0, 0, 200)
    everything = rgba(shade(x, y, code, palette, None, FRAME))
    np.testing.assert_array_equal(seen, everything[..., 3] > 0)


def test_three_points_identical_points_and_none_make_a_picture(points):
    palette = points.colourings["label"].rgb
    for n in (0, 1, 3, 5000):
        same = np.full(n, 0.5)
        picture = rgba(shade(same, same, np.zeros(n, int), palette, None, FRAME))
        assert picture.shape == (50, 60, 4)
        assert (picture[..., 3] > 0).any() == (n > 0)


def test_identical_points_have_a_window_with_an_area(tmp_path, rng):
    same = np.full(6, 7.0, np.float32)
    x0, x1, y0, y1 = read_points(write_map(tmp_path, rng, 3, x=same, y=same)).extent
    assert x0 < 7 < x1
    assert y0 < 7 < y1


@pytest.mark.parametrize("size", [(100, 100), (300, 50), (7, 900)])
def test_a_fitted_window_holds_the_one_asked_for_and_keeps_proportions(size):
    x0, x1, y0, y1 = fitted((-1, 2, 0, 5), *size)
    assert x0 <= -1 + 1e-12
    assert x1 >= 2 - 1e-12
    assert y0 <= 1e-12
    assert y1 >= 5 - 1e-12
    assert (x1 - x0) / size[0] == pytest.approx((y1 - y0) / size[1])
    assert fitted((x0, x1, y0, y1), *size) == pytest.approx((x0, x1, y0, y1))


# Words and tables.


def test_names_are_escaped_wherever_they_are_written(points):
    bird = int(np.flatnonzero(points.colourings["label"].code == 2)[0])
    chosen = np.flatnonzero(points.colourings["label"].code == 2)
    texts = [
        words.legend(points.colourings["label"], "", points.colourings["label"].counts()),
        words.kept_card(points, bird, 224),
        words.thumbnails(points, chosen, 0, 10, 48),
        words.selection(points, chosen, ""),
    ]
    assert all("&lt;b&gt;bird" in text and "<b>bird" not in text for text in texts)


def test_a_selection_is_told_by_its_size_and_its_classes(points):
    chosen = np.flatnonzero(points.colourings["label"].code == 0)
    assert f"<b>{len(chosen):,}</b> of 400 points · cat 100.0 %" in words.selection(points, chosen, "")
    assert words.EMPTY_SELECTION in words.selection(points, None, "")


def test_a_legend_of_a_thousand_classes_lists_all_and_of_more_says_how_many():
    many = by_class("label", np.arange(2000), [f"class {index}" for index in range(2000)], "none")
    assert words.legend(many, "", many.counts()).count("data-act") == words.LISTED
    assert "500 more" in words.legend(many, "", many.counts())
    first = words.legend(many, "", many.counts(np.arange(2000) < 1000))
    assert first.count("data-act") == 1000


def test_the_table_has_a_row_for_each_selected_point_up_to_its_limit(points):
    chosen = np.array([5, 2, 300])
    frame = frame_of(points, chosen)
    assert frame["id"].tolist() == points.sample_id[chosen].tolist()
    assert frame["set"].tolist() == ["pets/val", "pets/val", "pets/test"]
    assert len(frame_of(points, np.zeros(MOST + 1, np.int64))) == MOST


@pytest.mark.parametrize(("write", "read"), [(as_csv, pd.read_csv), (as_parquet, pd.read_parquet)])
def test_the_export_has_the_ids_of_the_selected_points(points, write, read):
    chosen = np.array([399, 0, 7])
    frame = read(write(ids_of(points, chosen)))
    assert list(frame.columns) == SELECTION_SCHEMA.names
    assert frame["sample_id"].tolist() == points.sample_id[chosen].tolist()
    assert frame["split"].tolist() == ["test", "val", "val"]
    assert len(read(write(ids_of(points, np.empty(0, np.int64))))) == 0


# Neighbours.


def stored(tmp_path, rng, points, dim=6):
    """Stores behind the sets of the map, in its order, and their features."""
    features = []
    for number, one in enumerate(points.sets):
        ids = points.sample_id[points.member == number]
        x = rng.standard_normal((len(ids), dim)).astype(np.float32)
        folder = tmp_path / "workspace" / "embeddings" / "toy" / one.dataset / one.split
        write_store(folder, x, ids.astype(np.int32), dataset=one.dataset, split=one.split, class_names=["a"] * len(ids))
        features.append(x)
    return tmp_path / "workspace", np.concatenate(features)


def test_neighbours_are_the_nearest_by_features_over_all_sets(tmp_path, rng):
    rows = np.tile(np.arange(100), 2)  # stores number their rows as they come
    points = read_points(write_map(tmp_path / "map", rng, 100, sample_id=rows))
    workspace, x = stored(tmp_path, rng, points)
    stores = stores_of(points, Location.of(workspace), [])
    assert len(stores.stores) == 2
    for point in (0, 150):
        with connect() as workers:
            found, how = neighbours_of(points, stores, point, 9, workers)
        assert how == BY_FEATURES.format(200)
        assert found.tolist() == np.argsort(((x - x[point]) ** 2).sum(axis=1), kind="stable")[:10].tolist()


def test_without_the_stores_neighbours_are_those_on_the_map_and_that_is_said(points, tmp_path):
    stores = stores_of(points, Location.of(tmp_path), [{"place": str(tmp_path), "config_hash": "0", "rows": 1}])
    assert stores == Stores()
    with connect() as workers:
        found, how = neighbours_of(points, stores, 3, 5, workers)
    assert how == ON_MAP
    assert found.tolist() == nearest_on_map(points, 3, 5).tolist()


# Images.


def test_the_picture_of_a_point_is_its_image_and_never_another(tmp_path, rng):
    folder = tmp_path / "data" / "pets"
    for number in range(6):
        place = folder / ("cat", "dog")[number % 2] / f"{number}.png"
        place.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8), (40 * number, 0, 0)).save(place)
    from gapscope.data.catalogue import open_dataset

    dataset = open_dataset("pets", tmp_path / "data")
    split = dataset.splits[0]
    listing = dataset.source(split).listing
    n = len(listing)
    path = [*listing.names, "gone.png"]
    columns = {"dataset": ["pets"] * (n + 1), "split": [split] * (n + 1), "path": path, "sample_id": np.arange(n + 1)}
    table = columns | {"x": np.zeros(n + 1, np.float32), "y": np.zeros(n + 1, np.float32)}
    pq.write_table(pa.table(table), tmp_path / "map.parquet")
    (folder / listing.names[0]).write_bytes(b"broken")
    pictures = Pictures(read_points(Location.of(tmp_path / "map.parquet")), tmp_path / "data")
    assert pictures.missing() == []
    for at in range(1, n):
        seen = Image.open(BytesIO(pictures.picture("pets", split, at, 48)))
        assert seen.getpixel((0, 0)) == Image.open(folder / listing.names[at]).getpixel((0, 0))
    assert pictures.picture("pets", split, 0, 48) == placeholder(48)
    assert pictures.picture("pets", split, n, 48) == placeholder(48)
    for stranger in (("pets", split, n + 1), ("pets", "none", 0), ("digits", "test", 0), ("../..", split, 0)):
        assert pictures.picture(*stranger, 48) is None


def test_a_dataset_that_is_not_there_has_placeholders(points, tmp_path):
    pictures = Pictures(points, tmp_path)
    assert pictures.picture("pets", "val", int(points.sample_id[0]), 96) == placeholder(96)
    assert pictures.missing() == list(points.sets)


# Attributes and columns.


@pytest.fixture
def measured(tmp_path, rng):
    """Points with an attribute, which some have not, and a column of the user's."""
    luminance = rng.permutation(np.arange(400)).astype(np.float32)
    luminance[:20] = np.nan
    sites = np.array(["north", "south"])[np.arange(400) % 2]
    return read_points(write_map(tmp_path / "measured", rng, luminance=luminance, site=sites))


def test_points_are_coloured_and_legends_filter_by_attribute_and_column(measured):
    light, site = measured.colourings["luminance"], measured.colourings["site"]
    assert (light.title, len(light.names), light.names[-1]) == ("luminance", 11, "not known")
    assert light.names[0].endswith("grey levels")
    counts = light.counts()
    assert counts[-1] == 20
    assert counts[:-1].max() - counts[:-1].min() <= 2
    assert light.colours[0] != light.colours[5]
    assert site.names == ("north", "south")
    first = np.flatnonzero(light.code == 0)
    assert np.nanmax(light.values[first]) < np.nanmin(light.values[light.code == 1])


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("luminance < 50", lambda light, site: light < 50),
        ("Luminance>=300.5", lambda light, site: light >= 300.5),
        ("site = North", lambda light, site: site == "north"),
        ("site != north", lambda light, site: site != "north"),
    ],
)
def test_a_search_compares_numbers_and_words(measured, text, wanted):
    site = np.array(measured.colourings["site"].names)[measured.colourings["site"].code]
    found = found_by(measured, text)
    assert np.array_equal(found, wanted(measured.colourings["luminance"].values, site))
    assert 0 < found.sum() < measured.n


@pytest.mark.parametrize("text", ["luminance < dark", "age < 5", "a=b", "site < north", "= 3"])
def test_a_search_that_compares_nothing_known_is_one_for_words(measured, text):
    assert not found_by(measured, text).any()


def test_selected_images_stand_in_the_order_of_an_attribute_and_a_link_keeps_it(measured):
    state = State.of(parse_qs(replace(first_state(measured), sort="luminance").query(measured)[1:]), measured)
    assert state.sort == "luminance"
    assert State.of({"sort": ["label"]}, measured).sort == ""
    session = Session(measured, None, state)
    session.drawn = np.arange(measured.n)
    light = measured.colourings["luminance"].values[session.selected()]
    assert np.array_equal(light[:380], np.sort(light[:380]))
    assert np.isnan(light[380:]).all()
    frame = frame_of(measured, session.selected())
    assert frame["luminance"].tolist()[:3] == light[:3].tolist()


def test_a_kept_point_says_all_its_attributes_and_a_hovered_one_does_not(measured):
    assert "grey levels" in words.kept_card(measured, 50, 100)
    assert "grey levels" not in words.card(measured, 50, 100)
    assert "grey levels" not in words.kept_card(measured, 3, 100)


def test_a_phrase_finds_the_images_that_fit_it_best_and_words_without_a_mark_search_names(tmp_path, rng, points):
    vectors = normalised(rng.standard_normal((3, 4)))
    texts = Texts("some", (Phrase("at night", "light"), Phrase("in fog", "weather")), vectors[:2], vectors[2:])
    stores = []
    for one in points.sets:
        x, y = rng.standard_normal((200, 4)).astype(np.float32), np.zeros(200, np.int32)
        about = {"dataset": one.dataset, "split": one.split, "tensor": Tensor(joint=True)}
        stores.append(write_store(tmp_path / one.split, x, y, **about))
    points = replace(points, sample_id=points.row)
    phrases = phrases_of(tuple(stores), texts)
    found = phrases.found_by(points, "NIGHT")
    fits = np.concatenate([normalised(store.view().read().x) @ phrases.vector("at night") for store in stores])
    assert set(np.flatnonzero(found)) == set(np.argsort(-fits)[:8])
    assert not phrases.found_by(points, "under water").any()
    state = replace(first_state(points), search="~at night")
    session = Session(points, Stores(tuple(stores), phrases), state)
    assert np.array_equal(session.searched(), found)
    with pytest.raises(InputError, match="model of images and texts"):
        phrases_of((), texts)
