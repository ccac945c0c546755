"""`measure` and `import-features --keep`: attributes and columns beside stores that are there already."""

import csv

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from gapscope.core.errors import InputError
from gapscope.core.location import Location
from gapscope.jobs import JOBS
from gapscope.jobs.extract import ExtractConfig
from gapscope.jobs.import_features import ImportFeaturesConfig
from gapscope.jobs.import_features import run as import_features
from gapscope.jobs.measure import MeasureConfig
from gapscope.jobs.measure import run as measure
from gapscope.store import Piece
from gapscope.store.beside import beside, has_beside
from gapscope.store.workspace import find_store
from gapscope.verification import verify_workspace


@pytest.fixture
def extracted(tmp_path, rng):
    """A workspace with a set of 24 images without attributes, and the folder of the images."""
    for index in range(24):
        place = tmp_path / "skin" / "test" / "ab"[index % 2] / f"{index:02d}.png"
        place.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 100 + index, (16, 16, 3), np.uint8)).save(place)
    workspace = tmp_path / "workspace"
    options = {"backbone": "tiny", "part_rows": 7, "decode_workers": 0, "workspace": str(workspace)}
    JOBS["extract"](ExtractConfig(dataset=(str(tmp_path / "skin"),), attributes=False, **options))
    return workspace, tmp_path / "skin"


def store_of(workspace):
    return find_store(Location(str(workspace)), "skin", "test")


def write_csv(place, rows):
    with place.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return str(place)


def test_measuring_a_store_gives_what_extraction_would_have_measured(extracted, tmp_path):
    workspace, folder = extracted
    assert not has_beside(store_of(workspace))
    result = measure(MeasureConfig(dataset=("skin",), workspace=str(workspace)))
    assert result.blocks[0].rows == [["skin/test", "tiny", 24, 24]]
    other = tmp_path / "other"
    JOBS["extract"](ExtractConfig(dataset=(str(folder),), backbone="tiny", part_rows=7, workspace=str(other)))
    assert repr(beside(store_of(workspace)).to_pylist()) == repr(beside(store_of(other)).to_pylist())
    assert not verify_workspace(Location(str(workspace))).findings
    assert "nothing was left to do" in str(extracted_again(folder, workspace))


def extracted_again(folder, workspace):
    options = {"backbone": "tiny", "part_rows": 7, "attributes": False, "workspace": str(workspace)}
    return JOBS["extract"](ExtractConfig(dataset=(str(folder),), **options)).blocks


def test_an_image_that_was_replaced_since_is_not_measured_and_said(extracted):
    workspace, folder = extracted
    Image.new("RGB", (5, 5)).save(folder / "test" / "a" / "00.png")
    result = measure(MeasureConfig(dataset=("skin/test",), workspace=str(workspace)))
    assert "1 image could not be measured" in result.blocks[1].text
    width = dict(
        zip(store_of(workspace).paths(Piece(0, 24)), beside(store_of(workspace))["width"].to_pylist(), strict=True)
    )
    assert np.isnan(width["test/a/00.png"] if "test/a/00.png" in width else width["a/00.png"])


@pytest.mark.parametrize(
    "called", [str, lambda name: name.rsplit("/", 1)[-1], lambda name: name.rsplit("/", 1)[-1][:-4]]
)
def test_a_table_is_joined_by_path_name_or_stem(extracted, tmp_path, called):
    workspace, _ = extracted
    names = store_of(workspace).paths(Piece(0, 24))
    rows = [{"nr": 900 + i, "image": called(name), "site": "AB"[i % 2], "age": i} for i, name in enumerate(names[:-1])]
    table = write_csv(tmp_path / "patients.csv", rows[::-1])
    result = measure(MeasureConfig(dataset=("skin/test",), table=table, workspace=str(workspace)))
    assert result.blocks[0].rows[0][-1] == 23
    assert "1 row of 24 have none" in result.blocks[1].text
    known = beside(store_of(workspace))
    assert known.column_names == ["sample_id", "nr", "site", "age"]
    assert known["age"].to_pylist() == [*map(float, range(23)), None]
    assert known["site"].to_pylist() == [*("AB"[i % 2] for i in range(23)), None]
    again = write_csv(tmp_path / "more.csv", [{"image": called(name), "site": "C"} for name in names])
    measure(MeasureConfig(dataset=("skin/test",), table=again, workspace=str(workspace)))
    known = beside(store_of(workspace))
    assert set(known["site"].to_pylist()) == {"C"}
    assert known["age"].to_pylist()[:3] == [0, 1, 2]
    assert not verify_workspace(Location(str(workspace))).findings


def test_columns_stay_when_an_image_is_replaced_and_extracted_again(extracted, tmp_path):
    workspace, folder = extracted
    names = store_of(workspace).paths(Piece(0, 24))
    table = write_csv(tmp_path / "t.csv", [{"path": name, "age": i} for i, name in enumerate(names)])
    measure(MeasureConfig(dataset=("skin",), table=table, workspace=str(workspace)))
    (folder / "test" / "a" / "00.png").write_bytes(b"no image any more")
    extracted_again(folder, workspace)
    store = store_of(workspace)
    ages = dict(zip(names, range(24), strict=True))
    assert store.rows == 23
    assert beside(store)["age"].to_pylist() == [ages[name] for name in store.paths(Piece(0, 23))]


@pytest.mark.parametrize(
    ("rows", "options", "said"),
    [
        ([{"image": "nobody.png", "age": 3}], {}, "no column of .* names images of skin/test"),
        ([{"image": "00.png", "age": 3}, {"image": "00.png", "age": 4}], {}, "2 rows for 00.png that differ"),
        ([{"image": "00.png"}], {}, "no column beside image"),
        ([{"image": "00.png", "age": 3}], {"keep": ("agee",)}, "did you mean 'age'"),
        ([{"image": "00.png", "age": 3}], {"path_column": "img"}, "column in .* 'img'|named 'img'"),
    ],
)
def test_a_table_that_cannot_be_joined_is_refused_in_a_sentence(extracted, tmp_path, rows, options, said):
    workspace, _ = extracted
    table = write_csv(tmp_path / "t.csv", rows)
    with pytest.raises(InputError, match=said):
        measure(MeasureConfig(dataset=("skin",), table=table, workspace=str(workspace), **options))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"dataset": ()}, "no set to measure"),
        ({"dataset": ("nothing",)}, "not stored"),
        ({"dataset": ("skin",), "keep": ("age",)}, "add --table"),
        ({"dataset": ("skin",), "table": "nothing.csv"}, "no table nothing.csv"),
    ],
)
def test_what_cannot_be_measured_is_refused_in_a_sentence(extracted, options, said):
    with pytest.raises(InputError, match=said):
        measure(MeasureConfig(workspace=str(extracted[0]), **options))


def feature_rows(rng, n):
    return [
        {
            "name": f"{i}.png",
            "label": "ab"[i % 2],
            "f0": rng.normal(),
            "f1": rng.normal(),
            "site": f"site {i % 3}",
            "age": i,
        }
        for i in range(n)
    ]


@pytest.mark.parametrize("keep", [("all",), ("site", "age")])
def test_columns_of_a_csv_are_kept_row_for_row(tmp_path, rng, keep):
    file = write_csv(tmp_path / "train.csv", feature_rows(rng, 40))
    text = (tmp_path / "train.csv").read_text().splitlines()
    (tmp_path / "train.csv").write_text("\n".join([*text[:5], "broken,line", text[5], "", *text[6:]]) + "\n")
    options = {"path_column": "name", "on_bad_row": "reject", "part_rows": 16, "workspace": str(tmp_path / "w")}
    config = ImportFeaturesConfig(files=(file,), dataset="skin", split="test", keep=keep, **options)
    import_features(config)
    store = store_of(tmp_path / "w")
    paths, known = store.paths(Piece(0, store.rows)), beside(store)
    assert (store.rows, known.column_names) == (40, ["sample_id", "site", "age"])
    for path, site, age in zip(paths, known["site"].to_pylist(), known["age"].to_pylist(), strict=True):
        assert (path, site) == (f"{age:.0f}.png", f"site {int(age) % 3}")
    assert not verify_workspace(Location(str(tmp_path / "w"))).findings
    import_features(config)
    assert beside(store_of(tmp_path / "w")).equals(known)


def test_features_without_images_cannot_be_measured(tmp_path, rng):
    file = write_csv(tmp_path / "train.csv", feature_rows(rng, 4))
    import_features(ImportFeaturesConfig(files=(file,), dataset="skin", split="test", workspace=str(tmp_path / "w")))
    with pytest.raises(InputError, match="has no images to measure; --table FILE adds columns"):
        measure(MeasureConfig(dataset=("skin",), workspace=str(tmp_path / "w")))


@pytest.mark.parametrize(("keep", "said"), [(("sit",), "did you mean 'site'"), (("f0",), "column to keep")])
def test_a_column_that_cannot_be_kept_is_refused_before_the_import(tmp_path, rng, keep, said):
    file = write_csv(tmp_path / "train.csv", feature_rows(rng, 4))
    with pytest.raises(InputError, match=said):
        import_features(ImportFeaturesConfig(files=(file,), dataset="skin", keep=keep, workspace=str(tmp_path / "w")))
    assert not (tmp_path / "w").exists()


def test_columns_of_a_parquet_file_are_kept_too(tmp_path, rng):
    x = rng.normal(size=(30, 4)).astype(np.float32)
    columns = {"embedding": list(x), "label": ["a", "b"] * 15, "site": [f"site {i % 3}" for i in range(30)]}
    pq.write_table(pa.table(columns | {"age": np.arange(30)}), tmp_path / "rows.parquet")
    files = (str(tmp_path / "rows.parquet"),)
    import_features(ImportFeaturesConfig(files=files, dataset="skin", split="test", keep=("all",),
                                         workspace=str(tmp_path / "w")))  # fmt: skip
    known = beside(store_of(tmp_path / "w"))
    assert known["age"].to_pylist() == [float(one) for one in known["sample_id"].to_pylist()]
    assert known["site"].to_pylist() == [f"site {one % 3}" for one in known["sample_id"].to_pylist()]
