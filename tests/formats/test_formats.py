"""Workspaces of every earlier version of the format are read, used and left as they are."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from gapscope.core.errors import InputError, SchemaError
from gapscope.core.files import read_json, write_json
from gapscope.core.location import Location
from gapscope.evaluation.predict import scores_left
from gapscope.explorer.load import read_points
from gapscope.jobs.extract import ExtractConfig, build
from gapscope.predictions import read_all_models, read_predictions
from gapscope.probes.model import load_model
from gapscope.runs.run import list_runs, read_run
from gapscope.schemas import SPEC_VERSION
from gapscope.store import Piece, open_store
from gapscope.store.workspace import find_store

HERE = Path(__file__).parent
VERSIONS = sorted(path.name for path in HERE.glob("v[0-9]*"))


@pytest.fixture(params=VERSIONS)
def old(request, tmp_path):
    """A copy of a workspace of an earlier version."""
    shutil.copytree(HERE / request.param, tmp_path / "old")
    return tmp_path / "old"


def bytes_of(folder):
    return {str(path): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_there_is_a_workspace_of_each_earlier_version():
    assert [f"v{version}" for version in range(1, SPEC_VERSION)] == VERSIONS


def test_stores_are_read_with_all_their_rows(old):
    before = bytes_of(old)
    workspace = Location.of(old / "workspace")
    for dataset, split, rows, rejected in (
        ("digits", "test", 360, 0),
        ("shapes", "train", 398, 2),
        ("shapes", "val", 120, 0),
        ("shapes-shifted", "test", 120, 0),
    ):
        store = find_store(workspace, dataset, split)
        chunk = store.view().read()
        assert (len(chunk.x), len(store.rejected()), len(store.paths(Piece(0, store.rows)))) == (rows, rejected, rows)
        assert np.isfinite(chunk.x).all()
        assert len(set(chunk.sample_id.tolist())) == rows
    table = np.genfromtxt(old / "val.csv", delimiter=",", skip_header=1, usecols=range(2, 14), dtype=np.float32)
    chunk = find_store(workspace, "shapes", "val").view().read()
    np.testing.assert_array_equal(chunk.x, table[chunk.sample_id].astype(np.float16).astype(np.float32))
    assert bytes_of(old) == before


def test_models_predictions_results_and_maps_are_read(old):
    runs = Location.of(old / "workspace" / "runs")
    one = runs / "fit-incremental-one"
    model = load_model(one)
    predictions = read_predictions(str(one), dataset="shapes", split="val")
    chunk = find_store(Location.of(old / "workspace"), "shapes", "val").view().read()
    predicted = dict(zip(chunk.sample_id.tolist(), model.predict(chunk.x).tolist(), strict=True))
    assert {row: predicted[row] for row in predictions.sample_id.tolist()} == dict(
        zip(predictions.sample_id.tolist(), predictions.predicted.tolist(), strict=True)
    )
    assert scores_left(one / "predictions" / "shapes-val").n == 120
    both = read_all_models(str(runs / "fit-incremental-shapes-softmax+lda"), dataset="shapes", split="val")
    assert sorted(one.model for one in both) == ["lda", "softmax"]
    assert {run.status for run in list_runs(Location.of(old / "workspace"))} == {"complete"}
    accuracy = read_run(one).of_metric("accuracy")
    assert {row["n"] for row in accuracy} == {120}
    assert len(read_points(runs / "map-pca-shapes-val-shapes-shifted-test").x) == 240


def test_a_whole_store_is_left_as_it_is_by_the_command_that_made_it_and_a_damaged_one_is_made_anew(old):
    before = bytes_of(old / "workspace")
    config = ExtractConfig(
        ("digits",), split=("test",), backbone="tiny", decode_workers=0, workspace=str(old / "workspace")
    )
    (outcome,) = build(config)
    assert outcome.images == 0
    assert any("version 1 of the format" in note for note in outcome.notes)
    assert bytes_of(old / "workspace") == before
    folder = old / "workspace" / "embeddings" / "tiny" / "digits" / "test"
    wanted = open_store(Location.of(folder)).view().read()
    part = folder / "part-00000.parquet"
    part.write_bytes(part.read_bytes()[:-9])
    with pytest.raises(InputError, match=r"part-00000\.parquet is damaged"):
        open_store(Location.of(folder)).view().read()
    (outcome,) = build(config)
    assert (outcome.images, outcome.manifest.provenance.spec_version) == (360, SPEC_VERSION)
    for mine, theirs in zip(open_store(Location.of(folder)).view().read(), wanted, strict=True):
        np.testing.assert_array_equal(mine, theirs)


def test_an_edited_manifest_is_refused_by_name(old):
    folder = old / "workspace" / "embeddings" / "csv" / "shapes" / "train"
    text = (folder / "manifest.json").read_text()
    for before, after in (
        ('"dim": 12', '"dim": 3'),
        ('"dim": 12', '"dim": 40'),
        ('"ant"', '"cow"'),
        ('"rows": 199', '"rows": 19'),
        ('"rows": 199', '"rows": 1990'),
        ('"part-00001', '"part-00000'),
    ):
        (folder / "manifest.json").write_text(text.replace(before, after))
        with pytest.raises(InputError, match=r"(manifest\.json|part-0000\d\.parquet) is damaged"):
            open_store(Location.of(folder)).view().read()


def test_a_format_of_a_newer_version_is_refused_by_its_version(old):
    place = Location.of(old / "workspace/embeddings/csv/shapes/train/manifest.json")
    manifest = read_json(place)
    manifest["provenance"] |= {"spec_version": 99, "a field of tomorrow": 1}
    write_json(place, manifest)
    with pytest.raises(SchemaError, match="version 99 of the format, and this gapscope reads versions up to"):
        open_store(place.parent)
