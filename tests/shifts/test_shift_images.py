"""Attributes in `shift`: those that moved are named with their size, and nothing is where nothing moved."""

import numpy as np
import pyarrow as pa
import pytest
from conftest import write_store

from gapscope.attributes.attribute import Measured
from gapscope.attributes.columns import Column, columns_of
from gapscope.attributes.moved import Changed, beyond_chance, corrected, move_of, moved_columns
from gapscope.attributes.page import sentences
from gapscope.attributes.page import table as table_of_moves
from gapscope.attributes.table import NAMES, table_of
from gapscope.blocks import Sentence
from gapscope.jobs.shift import ShiftConfig, run
from gapscope.shifts.images import compare_images
from gapscope.store import StoreWriter, open_store
from gapscope.store.beside import write_columns
from gapscope.store.write import read_manifest


def measured_store(folder, rng, n, dataset, *, columns=None, **numbers):
    """A store of `n` rows of noise whose attributes are noise but for `numbers`, with `columns` of a user."""
    store = write_store(folder, rng.normal(size=(n, 4)).astype(np.float32), rng.integers(0, 2, n), dataset=dataset)
    values = rng.normal(50, 10, (n, len(NAMES)))
    for name, column in numbers.items():
        values[:, NAMES.index(name)] = column
    writer, ids = StoreWriter(store.folder, store.provenance), store.sample_ids()
    for part, start in enumerate(range(0, n, 64)):
        rows = ids[start : start + 64]
        writer.write_attributes(part, table_of(rows, [Measured(one, "") for one in values[start : start + 64]]))
    writer.rewrite(read_manifest(store.folder))
    store = open_store(store.folder)
    if columns:
        write_columns(store, pa.table(columns))
    return open_store(store.folder)


@pytest.fixture
def two(tmp_path, rng):
    """A workspace with a set, and one that is darker and from another site."""
    folder = tmp_path / "workspace" / "embeddings" / "toy"
    sites = [rng.choice(["A", "B"], 200, p=share).tolist() for share in ([0.9, 0.1], [0.3, 0.7])]
    one = measured_store(
        folder / "day" / "test", rng, 200, "day", columns={"site": sites[0]}, luminance=rng.normal(118, 20, 200)
    )
    other = measured_store(
        folder / "night" / "test", rng, 200, "night", columns={"site": sites[1]}, luminance=rng.normal(54, 20, 200)
    )
    return tmp_path / "workspace", one, other


def test_what_moved_is_named_with_its_values_and_nothing_else_is(two):
    _, one, other = two
    found, notes = compare_images([one, other])
    assert notes == []
    moved = beyond_chance([move for _, move in found])
    assert [move.name for move in moved] == ["luminance", "site"]
    assert moved[0].sentence.startswith("The target is darker: luminance 5")
    assert isinstance(moved[1], Changed)
    assert moved[1].low < moved[1].target - moved[1].reference < moved[1].high


def test_the_page_of_a_run_says_it_and_once_that_it_proves_nothing(two):
    workspace, *_ = two
    config = {"statistics": ("moments",), "report": False, "workspace": str(workspace)}
    report = run(ShiftConfig(reference="day/test", target=("night/test",), **config))
    assert "The target is darker: luminance" in report.blocks[0].parts[0][1]
    texts = [block.text for block in report.blocks if isinstance(block, Sentence)]
    assert any("another mix of site" in text for text in texts)
    assert sum("`explain` proves causes" in text for text in texts) == 1
    same = run(ShiftConfig(reference="day/test", target=("day/test",), **config))
    texts = [block.text for block in same.blocks if isinstance(block, Sentence)]
    assert any("no attribute of the images moved beyond chance" in text for text in texts)


def test_a_set_without_attributes_is_said_where_there_are_images(two, tmp_path, rng):
    _, one, _ = two
    x, y = rng.normal(size=(30, 4)).astype(np.float32), np.zeros(30, np.int64)
    imported = write_store(tmp_path / "a", x, y, decoder="csv")
    extracted = write_store(tmp_path / "b", x, y, decoder="pillow-11/exif/white", dataset="new")
    assert compare_images([one, imported]) == ([], [])
    assert "`gapscope measure new/train --workspace " in compare_images([one, extracted])[1][0]


def table(rng, n, shift=0.0):
    columns = {f"number {i}": rng.normal(shift, 1, n) for i in range(15)}
    columns |= {f"value {i}": rng.choice(list("ABCDEFGH"), n) for i in range(15)}
    return pa.table({"sample_id": np.arange(n)} | columns)


def test_under_no_difference_no_column_moves_in_95_of_100_trials(rng):
    trials = [corrected(moved_columns(columns_of(table(rng, 60), table(rng, 80)))) for _ in range(100)]
    assert sum(bool(beyond_chance(found)) for found in trials) <= 12
    inside = [one.low <= 0 <= one.high for found in trials for one in found if isinstance(one, Changed)]
    assert np.mean(inside) > 0.93


def test_columns_that_tell_images_apart_or_are_one_value_are_left_out(rng):
    one = pa.table(
        {"sample_id": range(40), "name": [f"a{i}" for i in range(40)], "one": ["x"] * 40, "site": ["A", "B"] * 20}
    )
    other = one.set_column(1, "name", pa.array([f"b{i}" for i in range(40)]))
    assert [column.name for column in columns_of(one, other)] == ["site"]
    assert columns_of(one, other.drop_columns(["site"])) == []


def test_few_numbers_are_values_and_many_are_numbers(rng):
    one = pa.table({"sample_id": range(60), "site": rng.integers(1, 4, 60).astype(float), "age": rng.normal(50, 9, 60)})
    site, age = columns_of(one, one)
    assert site.values == ("1", "2", "3")
    assert age.values == ()
    assert age.wording.more == "higher in age"


def test_sets_that_share_no_value_are_said_to(rng):
    one, other = (pa.table({"sample_id": range(40), "camera": [name] * 40}) for name in ("A", "B"))
    (found,) = moved_columns(columns_of(one, other))
    assert "shares no value of camera with the reference" in found.sentence
    assert found.apart == 1
    assert move_of({"above": None, **found._asdict()}) == found
    assert sentences([found], 3) == [f"{found.sentence}."]


def test_few_images_and_unknown_values_say_nothing(rng):
    one = pa.table({"sample_id": range(40), "age": [None] * 31 + list(range(9)), "site": [None] * 40})
    assert moved_columns(columns_of(one, one)) == []


def test_the_effect_of_sets_that_do_not_overlap_has_an_interval_with_a_width(rng):
    apart = [rng.normal(mean, 1, 50) for mean in (0, 100)]
    near = [rng.normal(mean, 1, 50) for mean in (0, 1)]
    columns = [Column(name, *sides) for name, sides in (("luminance", apart), ("width", near))]
    effects = {row[0]: row[3] for row in table_of_moves("Moved", moved_columns(columns)).rows}
    assert 0.8 < effects["luminance"].low < effects["luminance"].value == effects["luminance"].high == 1
    assert -1 < effects["width"].low < effects["width"].value < effects["width"].high < 1
