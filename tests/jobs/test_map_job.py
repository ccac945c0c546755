"""`map`: a table with a place for every row, joined with what is known of it, and made once."""

import json
import re
import shutil
from pathlib import Path

import duckdb
import matplotlib.figure as plt
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import write_store
from toy_workspace import Blobs, write_sets

from gapscope.blocks import Figure, Sentence, Table
from gapscope.core.errors import BudgetError, GapscopeError, InputError
from gapscope.core.location import Location
from gapscope.draw.points import mapped as drawing
from gapscope.jobs import command_line as cli
from gapscope.jobs.fit_incremental import FitIncrementalConfig
from gapscope.jobs.fit_incremental import run as fit
from gapscope.jobs.map import MapConfig, run
from gapscope.schemas.coordinates import COORDINATES_SCHEMA, PREDICTED_SCHEMA
from gapscope.store import open_store
from gapscope.store.beside import write_columns


@pytest.fixture
def workspace(tmp_path, rng):
    return write_sets(tmp_path, Blobs(rng))


@pytest.fixture(autouse=True)
def one_thread(monkeypatch):
    """t-SNE on one: its threads wait for each other, which takes long on a busy machine."""
    monkeypatch.setattr("gapscope.jobs.map.processors", lambda: 1)


@pytest.fixture
def drawn():
    """Figures are drawn, which takes a second or two, where they are what is tested."""


@pytest.fixture(autouse=True)
def blank(request, monkeypatch):
    """One empty figure elsewhere."""
    if "drawn" not in request.fixturenames:
        monkeypatch.setattr(drawing, "figures", lambda *_, **__: [("density", plt.Figure((1, 1)))])


def mapped(workspace, *dataset, **options):
    usual = {"method": "pca", "report": False}
    return run(MapConfig(dataset=dataset or ("toy/val",), workspace=str(workspace), **usual | options))


def points(report):
    return pq.read_table(Path(report.run) / "coordinates" / "points.parquet")


def said(report):
    """Every sentence of the page."""
    return [block.text for block in report.blocks if isinstance(block, Sentence)]


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
    assert any("the other 3,200 rows were placed" in text for text in said(report))


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
    assert any("was there already" in text for text in said(again))
    assert mapped(workspace, seed=1).run != first.run
    x, y = Blobs(rng)(50)
    write_store(workspace / "embeddings/toy/other/test", x, y, dataset="other", split="test")
    assert mapped(workspace, "toy/val", "other").run != first.run


@pytest.mark.usefixtures("drawn")
def test_a_map_that_was_made_without_figures_gets_them(workspace):
    place = Path(mapped(workspace).run)
    names = sorted(path.name for path in (place / "figures").iterdir())
    shutil.rmtree(place / "figures")
    manifest = (place / "manifest.json").read_bytes()
    again = mapped(workspace)
    assert any("was there already" in text for text in said(again))
    assert sorted(path.name for path in (place / "figures").iterdir()) == names
    assert {"density.png", "density.svg", "classes.png"} <= set(names)
    assert (place / "manifest.json").read_bytes() == manifest


def chosen(place, *rows):
    """A file of ids, as the explorer exports them, of ``(dataset, split, sample_id)``."""
    place.write_text("sample_id,dataset,split\n" + "".join(f"{one},{name},{split}\n" for name, split, one in rows))
    return str(place)


def test_a_map_of_chosen_rows_is_that_of_a_store_of_them(workspace, tmp_path):
    whole = open_store(Location.of(workspace / "embeddings/toy/toy/val")).view().read()
    kept = np.arange(0, 600, 3)
    write_store(workspace / "embeddings/toy/third/test", whole.x[kept], whole.y[kept], dataset="third", split="test")
    only = chosen(tmp_path / "kept.csv", *(("toy", "val", whole.sample_id[row]) for row in kept))
    left = chosen(tmp_path / "left.csv", *(("toy", "val", one) for one in np.delete(whole.sample_id, kept)))
    wanted = points(mapped(workspace, "third/test")).to_pandas()
    for option in ({"only": only}, {"exclude": left}):
        report = mapped(workspace, **option)
        found = points(report).to_pandas()
        np.testing.assert_array_equal(found["sample_id"], whole.sample_id[kept])
        np.testing.assert_allclose(found[["x", "y"]], wanted[["x", "y"]], rtol=1e-5, atol=1e-5)
        assert value(report, "rows") == 200
        assert any("toy/val: 200 of 600 rows" in text for text in said(report))


def test_chosen_rows_are_laid_out_beside_a_set_that_stays_whole_and_joined(workspace, tmp_path):
    trained = fit(FitIncrementalConfig(dataset="toy", model=("lda",), workspace=str(workspace), report=False))
    only = chosen(tmp_path / "ids.csv", *(("toy", "val", one) for one in range(40)))
    report = mapped(workspace, "toy/val", "toy-shifted/test", method="tsne", sample=100, only=only, run=trained.run)
    frame = points(report).to_pandas()
    assert frame.groupby("dataset", observed=True).size().to_dict() == {"toy": 40, "toy-shifted": 500}
    assert sorted(frame.loc[frame["dataset"] == "toy", "sample_id"]) == list(range(40))
    assert frame["right"].notna().all()
    assert any("toy-shifted/test: all rows" in text for text in said(report))


def test_other_rows_make_another_map_and_the_same_rows_none(workspace, tmp_path):
    first = mapped(workspace)
    only = chosen(tmp_path / "ids.csv", *(("toy", "val", one) for one in range(50)))
    some = mapped(workspace, only=only)
    assert some.run != first.run
    assert any("was there already" in text for text in said(mapped(workspace, only=only)))
    assert any("toy/val: 50 of 600 rows" in text for text in said(mapped(workspace, only=only)))
    chosen(tmp_path / "ids.csv", *(("toy", "val", one) for one in range(60)))
    assert mapped(workspace, only=only).run not in (first.run, some.run)
    assert any("was there already" in text for text in said(mapped(workspace)))


@pytest.fixture
def joined(workspace):
    """A map with joined predictions."""
    trained = fit(FitIncrementalConfig(dataset="toy", model=("lda",), workspace=str(workspace), report=False))
    return mapped(workspace, "toy/val", "toy-shifted/test", run=trained.run)


@pytest.mark.usefixtures("drawn")
def test_the_page_of_a_map_shows_its_figures_and_how_far_to_believe_it(joined):
    answer, measures, *_ = joined.blocks
    parts = dict(answer.parts)
    assert answer.headline == "Map of toy/val and toy-shifted/test by principal components"
    assert f"trustworthiness {value(joined, 'trustworthiness'):.3f}" in parts["How sure"]
    assert f"{100 * value(joined, 'neighbour_recall'):.1f} %" in parts["How sure"]
    assert "1,100 rows of toy/val and toy-shifted/test" in parts["What was seen"]
    assert f"explore {joined.run}" in parts["What to do next"]
    assert {row[0]: row[1].value for row in measures.rows}["trustworthiness"] == value(joined, "trustworthiness")
    figures = [block for block in joined.blocks if isinstance(block, Figure)]
    names = ["classes", "sets", "shift", "answers", "confidence", "density", "each-class"]
    assert [one.name for one in figures] == names
    assert len({one.alt for one in figures}) == len(names)


def test_the_page_of_a_map_counts_the_joined_predictions(joined):
    frame = points(joined).to_pandas()
    by_set, by_class = [block for block in joined.blocks if isinstance(block, Table)][1:]
    right = frame.groupby("dataset", observed=True)["right"].mean()
    assert {row[0].split("/")[0]: row[1].value for row in by_set.rows} == pytest.approx(right.to_dict())
    sure = frame.groupby("dataset", observed=True)["confidence"].mean()
    assert {row[0].split("/")[0]: row[3].value for row in by_set.rows} == pytest.approx(sure.to_dict(), rel=1e-5)
    assert sum(row[3] for row in by_class.rows) == len(frame)
    shares = [row[2].value for row in by_class.rows]
    assert shares == sorted(shares)


def test_a_map_that_is_there_gets_its_report_without_being_made_again(workspace):
    first = mapped(workspace)
    assert not (Path(first.run) / "report.html").exists()
    again = mapped(workspace, report=True)
    assert again.run == first.run
    assert (Path(first.run) / "report.html").exists()
    assert any("was there already" in text for text in said(again))
    assert any(text.startswith("The report is ") for text in said(again))


def edge(workspace, capsys, method, x, y, names):
    """Exit code, complaint and results of a map of made-up rows, by the command."""
    write_store(workspace / "embeddings/toy/odd/test", np.float32(x), np.array(y), dataset="odd", split="test",
                class_names=names)  # fmt: skip
    more = ["--classes", *names[:2]] if method == "head" else []
    code = cli.execute(["map", "--dataset", "odd", "--method", method, "--workspace", str(workspace), "--json", *more])
    told = capsys.readouterr()
    place = workspace / "runs" / f"map-{method}-odd-test"
    return code, told.err.strip().splitlines()[-1:], place


@pytest.mark.usefixtures("drawn")
@pytest.mark.parametrize("method", ["pca", "lda", "head"])
@pytest.mark.parametrize("kind", ["three rows", "identical", "half unlabelled"])
def test_odd_sets_have_linear_maps_with_figures_and_a_report(tmp_path, rng, capsys, method, kind):
    x = rng.standard_normal((60, 6))
    x, y = {
        "three rows": (x[:3], [0, 1, 1]),
        "identical": (np.full((30, 5), 0.3), np.arange(30) % 2),
        "half unlabelled": (x, np.arange(60) % 3 - 1),
    }[kind]
    code, told, place = edge(tmp_path, capsys, method, x, y, ["a", "b"])
    if (kind, method) == ("identical", "head"):
        assert (code, len(told)) == (2, 1)
        assert "do not differ in any feature" in told[0]
        return
    assert code == 0
    assert np.isfinite(pq.read_table(place / "coordinates/points.parquet")["x"].to_numpy()).all()
    assert {"density.png", "classes.png"} <= {path.name for path in (place / "figures").iterdir()}
    assert "<h1>Map of odd/test" in (place / "report.html").read_text()


@pytest.mark.parametrize(
    ("method", "kind", "sentence"),
    [
        ("tsne", "three rows", "needs 10 rows or more, there are 3"),
        ("tsne", "identical", "have the same features"),
        ("pca", "a NaN", "feature 3 of odd/test has NaN or infinite values"),
        ("pca", "an infinity", "feature 3 of odd/test has NaN or infinite values"),
        ("lda", "one class", "lda needs rows of two classes"),
        ("lda", "unlabelled", "lda needs rows of two classes"),
    ],
)
def test_odd_sets_without_such_a_map_are_one_sentence_and_exit_code_2(tmp_path, rng, capsys, method, kind, sentence):
    x, y = rng.standard_normal((60, 6)), np.arange(60) % 2
    x, y = {
        "three rows": (x[:3], y[:3]),
        "identical": (np.full_like(x, 0.3), y),
        "a NaN": (np.where(np.arange(360).reshape(60, 6) == 45, np.nan, x), y),
        "an infinity": (np.where(np.arange(360).reshape(60, 6) == 45, np.inf, x), y),
        "one class": (x, 0 * y),
        "unlabelled": (x, 0 * y - 1),
    }[kind]
    code, told, _ = edge(tmp_path, capsys, method, x, y, ["a", "b"])
    assert (code, len(told)) == (2, 1)
    assert told[0].startswith("gapscope: ")
    assert sentence in told[0]


@pytest.mark.usefixtures("drawn")
def test_a_thousand_classes_have_a_map_whose_report_is_short(tmp_path, rng, capsys):
    y = np.arange(2000) % 1000
    x = rng.standard_normal((1000, 8))[y] + 0.1 * rng.standard_normal((2000, 8))
    code, _, place = edge(tmp_path, capsys, "pca", x, y, [f"kind {index}" for index in range(1000)])
    assert code == 0
    assert (place / "report.html").stat().st_size < 3_000_000


def test_the_predictions_of_a_run_are_joined_by_sample_id(workspace):
    trained = fit(FitIncrementalConfig(dataset="toy", model=("lda",), workspace=str(workspace), report=False))
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
    assert any("no predictions for stranger/test" in text for text in said(report))


def test_head_takes_its_direction_from_the_linear_model_of_a_run(workspace):
    trained = fit(FitIncrementalConfig(dataset="toy", model=("lda",), workspace=str(workspace), report=False))
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
        ({"run": "no-such-run"}, "no run in .* called 'no-such-run'|no-such-run"),
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
                        "--json", "--no-report"]) == 0  # fmt: skip
    found = json.loads(capsys.readouterr().out)
    assert {row["metric"] for row in found["results"]} >= {"trustworthiness", "neighbour_recall", "rows"}


def test_attributes_and_columns_stand_beside_the_places_and_a_map_without_is_made_again(workspace):
    before = mapped(workspace)
    place = workspace / "embeddings" / "toy" / "toy" / "val"
    store = open_store(Location(str(place)))
    ids = store.sample_ids()
    write_columns(store, pa.table({"age": ids * 2.0, "x": [f"word {one % 3}" for one in ids]}))
    again = mapped(workspace, "toy/val", "toy-shifted/test", name=Path(before.run).name)
    assert "age" in points(again).column_names
    after = mapped(workspace)
    frame = points(after).to_pandas()
    assert (frame["age"] == frame["sample_id"] * 2).all()
    assert (frame["x (own)"] == [f"word {one % 3}" for one in frame["sample_id"]]).all()
    assert any("was there already" in text for text in said(mapped(workspace)))
    both = points(again).to_pandas()
    assert both[both["dataset"] == "toy-shifted"]["age"].isna().all()


@pytest.mark.usefixtures("drawn")
def test_a_map_is_coloured_by_a_number_and_by_texts_if_asked(workspace):
    store = open_store(Location(str(workspace / "embeddings" / "toy" / "toy" / "val")))
    ids = store.sample_ids()
    nothing = np.full(len(ids), np.nan)
    write_columns(store, pa.table({"age": ids * 2.0, "site": [f"word {one % 3}" for one in ids], "hour": nothing}))
    plain = mapped(workspace)
    assert not any("site" in name for name in plain.figures)
    coloured = mapped(workspace, colour=("age", "site"))
    assert coloured.run == plain.run
    assert any("was there already" in text for text in said(coloured))
    assert {"by-age", "by-site"} <= set(coloured.figures)
    alts = [block.alt for block in coloured.blocks if isinstance(block, Figure)]
    assert any(text.endswith("every point by its site") for text in alts)
    for colour, sentence in (("agee", "did you mean 'age'"), ("hour", "none of these images has a known hour")):
        with pytest.raises(InputError, match=sentence):
            mapped(workspace, colour=(colour,))
    with pytest.raises(InputError, match="`measure` adds them"):
        mapped(workspace, "toy-shifted/test", colour=("age",))


def test_a_dataset_without_a_split_says_which_part_of_it_is_on_the_map(workspace):
    report = mapped(workspace, "toy", split="val")
    (note,) = [text for text in said(report) if text.startswith("Of toy")]
    assert re.fullmatch(r"Of toy only the split val is on the map \([\d,]+ images\); name another as toy/train\.", note)
    assert not any(text.startswith("Of toy") for text in said(mapped(workspace, "toy/val")))
