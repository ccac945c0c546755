"""Natural differences of real photographs: two halves of a set by brightness, size or a column are told apart by it."""

import numpy as np
import pyarrow as pa
import pytest

from gapscope.attributes.attribute import measure
from gapscope.attributes.columns import columns_of, kind_of
from gapscope.attributes.moved import beyond_chance, corrected, moved_columns
from gapscope.attributes.page import sentences
from gapscope.attributes.table import table_of
from gapscope.data.source import Listing, Undecodable, read_picture
from gapscope.data.sources.files import FileSource, walk

PHOTOGRAPHS = 160


@pytest.fixture(scope="module")
def photographs(test_data):
    """Attributes of photographs of many things and sizes, and the mean light of the middle of each."""
    folder = test_data / "objects37"
    names = sorted(walk(str(folder), ""))[:: max(len(list(walk(str(folder), ""))) // PHOTOGRAPHS, 1)][:PHOTOGRAPHS]
    source = FileSource(str(folder), Listing(names, np.zeros(len(names), np.int32), ["all"]))
    measured, middles = [], []
    for index in range(len(names)):
        try:
            picture = read_picture(source, index)
        except Undecodable:
            continue
        pixels = np.asarray(picture.image)
        height, width, _ = pixels.shape
        measured.append(measure(pixels, picture.file))
        middles.append(pixels[height // 4 : 3 * height // 4, width // 4 : 3 * width // 4].mean())
    return table_of(np.arange(len(measured)), measured), np.array(middles)


def halves(table, upper):
    """What moved from the rows that are not `upper` to those that are."""
    one, other = (table.filter(pa.array(rows)) for rows in (~upper, upper))
    return corrected(moved_columns(columns_of(one, other)))


def test_halves_by_the_light_of_their_middle_differ_in_luminance_first(photographs):
    table, middles = photographs
    found = halves(table, middles > np.median(middles))
    assert kind_of(found[0].name).endswith("tones")
    assert found[0].p < 1e-4
    luminance = next(one for one in found if one.name == "luminance")
    assert luminance.effect > 0.4
    assert "brighter" in luminance.sentence


def test_halves_by_size_differ_in_their_size_first(photographs):
    table, _ = photographs
    area = table["width"].to_numpy() * table["height"].to_numpy()
    found = halves(table, area > np.median(area))
    assert found[0].name in ("width", "height")
    assert sentences(found, 1)[0].startswith(("The target is wider", "The target is taller"))


def test_halves_by_a_camera_that_changes_nothing_differ_in_the_column_alone(photographs, rng):
    table, _ = photographs
    upper = rng.random(table.num_rows) < 0.5
    camera = np.where(rng.random(len(upper)) < np.where(upper, 0.9, 0.1), "Phone", "Reflex")
    table = table.set_column(table.column_names.index("camera"), "camera", pa.array(camera))
    moved = beyond_chance(halves(table, upper))
    assert moved[0].name == "camera"
    assert "Phone" in moved[0].sentence or "Reflex" in moved[0].sentence
    assert len(moved) == 1


def test_random_halves_are_not_told_apart(photographs):
    table, _ = photographs
    rng = np.random.default_rng(0)
    told = [bool(beyond_chance(halves(table, rng.random(table.num_rows) < 0.5))) for _ in range(20)]
    assert sum(told) <= 3
