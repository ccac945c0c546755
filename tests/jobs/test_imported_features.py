"""Features of any format are trained on, evaluated and compared with features of any other; no file of them is opened
again in search of images."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from feature_files import WRITERS, rows_of, write
from PIL import Image

import gapscope
from gapscope.core.errors import InputError
from gapscope.data import catalogue, path_tables
from gapscope.data.catalogue import open_dataset

UNSTABLE = "ignore:.*does not have a Zarr V3 specification"
OF_TRAINING = ("hub folder", "save_to_disk")  # they have splits of their own
SAME = [(kind, "csv" if kind in OF_TRAINING else kind) for kind in sorted(WRITERS)]
JOURNEYS = [*SAME, ("csv", "npy"), ("parquet wide", "csv"), ("npy", "hdf5")]


def import_rows(kind, made, folder, workspace, split):
    folder.mkdir(parents=True)
    if kind == "csv":
        made.frame.to_csv(folder / "rows.csv", index=False)
        options = {"files": (str(folder / "rows.csv"),)}
    else:
        options = write(kind, made, folder)
    kept = {"dataset": "d", "split": split, "backbone": "b", "workspace": str(workspace), "dtype": "float32"}
    gapscope.import_features(options.pop("files"), **options, **kept)


def fitted(workspace):
    """The accuracy on the test set, and the result of training."""
    found = gapscope.fit_incremental(("d",), model=("ridge",), workspace=str(workspace))
    (accuracy,) = (one.value for one in found.results if (one.split, one.metric) == ("test", "accuracy"))
    return accuracy, found


@pytest.fixture(scope="module")
def made():
    """Rows that can be told apart, and others of the same kind."""
    rng = np.random.default_rng(4)
    sets = [rows_of(rng), rows_of(rng)]
    for one in sets:
        one.x[:, 0] += 2 * (one.label == "cat")
    return sets


@pytest.fixture(scope="module")
def wanted(made, tmp_path_factory):
    place = tmp_path_factory.mktemp("csv")
    for split, rows in zip(("train", "test"), made, strict=True):
        import_rows("csv", rows, place / split, place / "workspace", split)
    return fitted(place / "workspace")[0]


@pytest.mark.filterwarnings(UNSTABLE)
@pytest.mark.parametrize(("train", "test"), JOURNEYS)
def test_a_model_of_features_in_one_format_is_evaluated_on_another(train, test, made, wanted, tmp_path, monkeypatch):
    workspace = tmp_path / "workspace"
    import_rows(train, made[0], tmp_path / "train", workspace, "train")
    import_rows(test, made[1], tmp_path / "test", workspace, "test")
    opened = []
    monkeypatch.setattr(path_tables, "read_path_table", lambda *args: opened.append(args))
    monkeypatch.setattr(catalogue, "open_path", lambda *args, **options: opened.append(args))
    accuracy, _ = fitted(workspace)
    assert accuracy == wanted > 0.4
    assert gapscope.shift(reference="d/train", target=("d/test",), workspace=str(workspace)).results
    assert opened == []


def test_columns_of_other_names_are_no_such_features(made, tmp_path):
    workspace = tmp_path / "workspace"
    import_rows("csv", made[0], tmp_path / "train", workspace, "train")
    frame = made[1].frame.rename(columns={f"f{index}": f"g{index}" for index in range(6)})
    frame.to_csv(tmp_path / "other.csv", index=False)
    options = {"dataset": "d", "split": "test", "backbone": "b", "workspace": str(workspace), "dtype": "float32"}
    gapscope.import_features((str(tmp_path / "other.csv"),), **options)
    with pytest.raises(InputError, match=r"another kind: preprocessing .* import both from columns of the same names"):
        fitted(workspace)
    with pytest.raises(InputError, match="cannot be compared: preprocessing"):
        gapscope.shift(reference="d/train", target=("d/test",), workspace=str(workspace))


@pytest.mark.parametrize("named", [True, False])
def test_images_are_shown_for_imported_features_only_by_their_names(named, made, tmp_path, monkeypatch):
    """Ten images under a name that the features have too, with the same labels: nothing else says which is which."""
    root = tmp_path / "data"
    for split, rows in zip(("train", "test"), made, strict=True):
        for row in range(10):
            place = root / "d" / split / rows.label[row] / f"{row}.png"
            place.parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (9, 9), (row * 9, 0, 0)).save(place)
    listed = {split: open_dataset(str(root / "d"), root).source(split).listing for split in ("train", "test")}
    workspace = tmp_path / "workspace"
    for split, rows in zip(("train", "test"), made, strict=True):
        at = [int(name.rpartition("/")[2].partition(".")[0]) for name in listed[split].names]
        frame = rows.frame.iloc[at if named else sorted(at, key=lambda one: (rows.label[one], -one))]
        frame.assign(path=[f"x/{one}.png" for one in frame.index]).to_csv(tmp_path / f"{split}.csv", index=False)
        options = {"dataset": "d", "split": split, "workspace": str(workspace), "dtype": "float32"}
        gapscope.import_features((str(tmp_path / f"{split}.csv"),), **options)
    monkeypatch.setenv("GAPSCOPE_DATA", str(root))
    found = gapscope.fit_incremental(("d",), model=("ridge",), workspace=str(workspace))
    page = (Path(found.run) / "report.html").read_text()
    assert ("data:image/jpeg" in page) is named
    assert ("are not the images that were predicted" in page) is not named


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_a_file_of_features_is_not_read_as_a_table_of_images(suffix, rng, tmp_path, monkeypatch):
    frame = pd.DataFrame(rng.random((3, 600)), columns=[f"f{at}" for at in range(600)]).assign(path="a.png")
    place = tmp_path / f"features.{suffix}"
    frame.to_csv(place, index=False) if suffix == "csv" else frame.to_parquet(place)
    monkeypatch.setattr(path_tables, "read_table", None)  # 14 GB of text have no place in memory
    with pytest.raises(InputError, match=r"has 601 columns, .*import-features"):
        open_dataset(str(place), tmp_path)
