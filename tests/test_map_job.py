"""`map`: a table with a place for every row, joined with what is known of it, and made once."""

import json
import shutil
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from conftest import write_store
from toy_workspace import Blobs, write_sets

import cli
from engine.core.errors import BudgetError, GapscopeError, InputError
from jobs.fit_incremental import FitIncrementalConfig
from jobs.fit_incremental import run as fit
from jobs.map import MapConfig, run
from schemas.coordinates import COORDINATES_SCHEMA, PREDICTED_SCHEMA


@pytest.fixture
def workspace(tmp_path, rng):
    return write_sets(tmp_path, Blobs(rng))


@pytest.fixture(autouse=True)
def one_thread(monkeypatch):
    """t-SNE on one: its threads wait for each other, which takes long on a busy machine."""
    for module in ("memory", "options"):
        monkeypatch.setattr(f"jobs.map.{module}.processors", lambda: 1)


def mapped(workspace, *dataset, **options):
    return run(MapConfig(dataset=dataset or ("toy/val",), workspace=str(workspace), **{"method": "pca"} | options))


def points(report):
    return pq.read_table(Path(report.run) / "coordinates" / "points.parquet")


def value(report, metric):
    return next(one.value for one in report.results if one.metric == metric)


def test_every_row_of_every_set_has_a_place_in_one_table(workspace):
    report = mapped(workspace, "toy/train", "toy-shifted/test", method="tsne", sample=300)
    table = points(report)
    assert table.schema.equals(COORDINATES_SCHEMA)
    frame = table.to_pandas()
    assert frame.groupby(["dataset", "split"], observed=True).size().to_dict() == {
        ("toy", "train"): 3000,
        ("toy-shifted", "test"): 500,
    }
    assert (frame["class"].astype(str) == "class " + frame["label"].astype(str)).all()
    assert frame.loc[frame["dataset"] == "toy", "path"].tolist() == [f"image-{row}.png" for row in range(3000)]
    assert np.isfinite(frame[["x", "y"]]).all(axis=None)
    assert frame.groupby("dataset", observed=True)["fitted"].sum().to_dict() == {"toy": 150, "toy-shifted": 150}
    assert value(report, "fitted_rows") == 300
    assert any("the other 3,200 rows were placed" in note for note in report.notes)


def test_the_quality_is_in_the_results_with_intervals(workspace):
    report = mapped(workspace, "toy/train", method="tsne", sample=200)
    by_name = {one.metric: one for one in report.results}
    assert {"trustworthiness", "neighbour_recall", "trustworthiness_fitted", "placement_displacement"} <= set(by_name)
    assert 0.5 < by_name["trustworthiness"].low < by_name["trustworthiness"].value < by_name["trustworthiness"].high < 1
    assert by_name["trustworthiness"].n == 2000
    assert by_name["placement_displacement"].n == 20


def test_the_table_opens_in_duckdb_and_pandas_as_it_is(workspace):
    place = Path(mapped(workspace).run) / "coordinates" / "points.parquet"
    rows = duckdb.sql(f"select dataset, class, count(*), avg(x) from '{place}' group by all").fetchall()
    assert sum(row[2] for row in rows) == 600
    assert pd.read_parquet(place)["class"].nunique() == 5


def test_a_map_of_the_same_rows_is_not_made_again(workspace, rng):
    first = mapped(workspace)
    place = Path(first.run) / "coordinates" / "points.parquet"
    written = place.stat().st_mtime_ns
    again = mapped(workspace)
    assert place.stat().st_mtime_ns == written
    assert again.run == first.run
    assert [one.row() for one in again.results] == [one.row() for one in first.results]
    assert any("was there already" in note for note in again.notes)
    assert mapped(workspace, seed=1).run != first.run
    x, y = Blobs(rng)(50)
    write_store(workspace / "embeddings/toy/other/test", x, y, dataset="other", split="test")
    assert mapped(workspace, "toy/val", "other").run != first.run


def test_a_map_that_was_made_without_figures_gets_them(workspace):
    place = Path(mapped(workspace).run)
    names = sorted(path.name for path in (place / "figures").iterdir())
    shutil.rmtree(place / "figures")
    manifest = (place / "manifest.json").read_bytes()
    again = mapped(workspace)
    assert any("was there already" in note for note in again.notes)
    assert sorted(path.name for path in (place / "figures").iterdir()) == names
    assert {"density.png", "density.svg", "classes.png"} <= set(names)
    assert (place / "manifest.json").read_bytes() == manifest


def test_the_predictions_of_a_run_are_joined_by_sample_id(workspace):
    trained = fit(FitIncrementalConfig(dataset="toy", model=("lda",), workspace=str(workspace)))
    report = mapped(workspace, "toy/val", "stranger/test", run=trained.run)
    table = points(report)
    assert table.schema.equals(PREDICTED_SCHEMA)
    frame = table.to_pandas()
    known, stranger = (frame[frame["dataset"] == name] for name in ("toy", "stranger"))
    assert (known["right"] == (known["predicted"] == known["label"])).all()
    assert (known["predicted_class"].astype(str) == "class " + known["predicted"].astype(int).astype(str)).all()
    accuracy = next(one.value for one in trained.results if (one.split, one.metric) == ("val", "accuracy"))
    assert known["right"].mean() == pytest.approx(accuracy)
    assert known["confidence"].between(0, 1).all()
    assert stranger[["predicted", "confidence", "right"]].isna().all(axis=None)
    assert any("no predictions for stranger/test" in note for note in report.notes)


def test_head_takes_its_direction_from_the_linear_model_of_a_run(workspace):
    trained = fit(FitIncrementalConfig(dataset="toy", model=("lda",), workspace=str(workspace)))
    pair = ("class 1", "class 3")
    frame = points(mapped(workspace, method="head", classes=pair, run=trained.run)).to_pandas()
    both = frame[frame["predicted_class"].isin(pair)]
    assert ((both["x"] > 0) == (both["predicted_class"] == "class 1")).all()


def test_rows_without_labels_or_class_names_are_mapped(workspace, rng):
    x, y = Blobs(rng)(120)
    folder = workspace / "embeddings" / "toy" / "bare" / "test"
    write_store(folder, x, np.full_like(y, -1), dataset="bare", split="test", class_names=["only"])
    frame = points(mapped(workspace, "bare")).to_pandas()
    assert frame["class"].isna().all()
    assert (frame["label"] == -1).all()


def test_a_cluster_gives_the_same_places(workspace, cluster):
    here = points(mapped(workspace, method="tsne", sample=120, name="here")).to_pandas()
    there = points(mapped(workspace, method="tsne", sample=120, name="there", scheduler=cluster)).to_pandas()
    np.testing.assert_allclose(there[["x", "y"]], here[["x", "y"]], rtol=1e-3, atol=1e-3 * here["x"].std())


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"method": "umpa"}, "did you mean 'umap'"),
        ({"placement": "librry"}, "did you mean 'library'"),
        ({"method": "head"}, "name them with --classes"),
        ({"method": "head", "classes": ("class 1", "clas 2")}, "did you mean 'class 2'"),
        ({"method": "head", "classes": ("class 1", "class 1")}, "twice"),
        ({"perplexity": 0.0}, "--perplexity is 0; give 1 or more"),
        ({"sample": 0}, "--sample is 0; give 1 or more"),
        ({"run": "no-such-run"}, "is no run folder"),
        ({"dataset": ("tooy",)}, "did you mean 'toy'"),
        ({"dataset": ()}, "no set to map"),
    ],
)
def test_what_cannot_be_done_is_one_sentence(workspace, options, sentence):
    with pytest.raises(GapscopeError, match=sentence):
        run(MapConfig(**{"dataset": ("toy/val",), "workspace": str(workspace)} | options))


def test_sets_of_other_features_and_layouts_beyond_the_memory_are_refused(workspace, rng):
    write_store(workspace / "embeddings/toy/wide/test", *Blobs(rng, dim=7)(40), dataset="wide", split="test")
    with pytest.raises(InputError, match="cannot be compared: dim is 16"):
        mapped(workspace, "toy/val", "wide/test")
    with pytest.raises(BudgetError, match="ask for a smaller --sample"):
        mapped(workspace, "toy/train", method="tsne", memory="1MB")


def test_the_command_prints_the_results_as_json(workspace, capsys):
    assert cli.execute(["map", "--dataset", "toy", "--split", "val", "--method", "pca", "--workspace", str(workspace),
                        "--json"]) == 0  # fmt: skip
    found = json.loads(capsys.readouterr().out)
    assert {row["metric"] for row in found["results"]} >= {"trustworthiness", "neighbour_recall", "rows"}
