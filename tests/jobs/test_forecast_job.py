"""`forecast`: from runs and stored sets, or from files, with a back-test where there are labels."""

import json

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import write_store
from toy_workspace import Blobs, write_sets

from gapscope.blocks import Sentence, Table, Warning
from gapscope.core.errors import InputError
from gapscope.core.location import Location
from gapscope.forecasts import FORECASTS
from gapscope.forecasts.heads import train_heads
from gapscope.jobs import command_line as cli
from gapscope.jobs.fit_incremental import FitIncrementalConfig
from gapscope.jobs.fit_incremental import run as fit
from gapscope.jobs.forecast import ForecastConfig, run
from gapscope.probes.model import load_model
from gapscope.schemas.run import RunManifest
from gapscope.store import open_store
from gapscope.stream import connect

SHIFTED = "toy-shifted/test"


@pytest.fixture
def workspace(tmp_path, rng):
    return write_sets(tmp_path, Blobs(rng))


@pytest.fixture
def model(workspace):
    return fit(FitIncrementalConfig(dataset="toy", model=("lda",), workspace=str(workspace))).run


@pytest.fixture
def several(workspace):
    models = ("lda", "softmax", "nearest-mean")
    return fit(FitIncrementalConfig(dataset="toy", model=models, workspace=str(workspace))).run


def forecast(workspace, *runs, target=(SHIFTED,), reference="toy/val", **options):
    options = {"replicates": 20, "workspace": str(workspace), **options}
    return run(ForecastConfig(runs=runs, reference=reference, target=target, **options))


def said(report, words):
    """Whether a sentence or a warning of the page holds these words."""
    return any(words in block.text for block in report.blocks if isinstance(block, Sentence | Warning))


def table_of(report):
    """The table of all methods."""
    return next(block for block in report.blocks if isinstance(block, Table) and block.caption.startswith("Accuracy"))


def values(report):
    return {(r.dataset, r.model, r.metric): r.value for r in report.results}


def test_all_methods_that_fit_one_model_are_made_and_tested(workspace, model):
    report = forecast(workspace, model)
    found = {r.metric: r for r in report.results}
    methods = [name.replace("-", "_") for name in FORECASTS if name != "aline-d"]
    assert {f"forecast_{name}" for name in methods} | {f"forecast_{name}_error" for name in methods} == set(found) - {
        *("accuracy", "forecast_recommended", "forecast_recommended_error")
    }
    for name in methods:
        one, error = found[f"forecast_{name}"], found[f"forecast_{name}_error"]
        assert one.low <= one.value <= one.high
        assert error.value == pytest.approx(one.value - found["accuracy"].value)
        assert (one.n, one.dataset, one.split, one.model) == (500, "toy-shifted", "test", "lda")
    trained = json.loads((Location.of(model) / "results.json").read_text())["results"]
    measured = {(r["dataset"], r["split"]): r["value"] for r in trained if r["metric"] == "accuracy"}
    assert found["accuracy"].value == measured["toy-shifted", "test"]
    assert list(table_of(report).columns)[-2:] == ["true accuracy", "forecast less truth"]
    assert said(report, "No ALine d: the model is not among those")
    assert said(report, "its own error is not in it")
    advised = found["forecast_recommended"]
    assert advised.low <= advised.value <= advised.high
    assert report.blocks[0].headline.startswith("lda is expected to classify ")
    assert said(report, "Temperatures from the first 600 labelled rows of toy/val: lda ")


@pytest.mark.parametrize("labels", ["permuted", "unknown"])
def test_target_labels_change_no_forecast(workspace, model, labels, rng):
    store = open_store(Location.of(workspace / "embeddings/toy/toy-shifted/test"))
    rows = store.view().read()
    y = rng.permutation(rows.y) if labels == "permuted" else np.full_like(rows.y, -1)
    folder = workspace / f"embeddings/toy/{labels}/test"
    write_store(folder, rows.x, y, part_rows=512, dataset=labels, split="test", class_names=store.class_names)
    one, other = (values(forecast(workspace, model, target=(name,))) for name in (SHIFTED, f"{labels}/test"))
    made = {key[2]: value for key, value in one.items() if key[2].startswith("forecast") and "error" not in key[2]}
    assert made == {
        key[2]: value for key, value in other.items() if key[2].startswith("forecast") and "error" not in key[2]
    }
    assert ((labels, "lda", "accuracy") in other) == (labels == "permuted")


def test_several_targets_are_forecast_from_one_reading_of_the_reference(workspace, model):
    report = forecast(workspace, model, target=(SHIFTED, "stranger/test"), heads=0)
    assert {r.dataset for r in report.results} == {"toy-shifted", "stranger"}
    assert {row[2] for row in table_of(report).rows} == {"toy-shifted/test", "stranger/test"}
    assert said(report, "No GDE: there are fewer than two models")


def test_the_rows_that_the_model_was_trained_on_are_refused_as_a_reference(workspace, model):
    with pytest.raises(InputError, match=r"lda was trained on toy/train, .* biased; give --reference a labelled split"):
        forecast(workspace, model, reference="toy/train")


def test_a_model_of_unknown_origin_is_used_with_a_warning(workspace, model):
    (Location.of(model) / "manifest.json").delete()
    report = forecast(workspace, model)
    assert said(report, "the training rows of lda are unknown")
    assert said(report, "The training rows are not available, so no heads were trained to compare.")


def test_the_models_of_a_run_are_compared_with_each_other(workspace, several):
    report = forecast(workspace, several)
    assert {r.model for r in report.results} == {"lda", "softmax", "nearest-mean"}
    assert {r.metric for r in report.results} >= {"forecast_aline_d", "forecast_gde"}
    assert said(report, "GDE and ALine compare the 3 models of the runs")
    errors = next(block for block in report.blocks if getattr(block, "caption", "").startswith("Mean absolute error"))
    assert {row[2] for row in errors.rows} == {3}
    made = {r.metric: [] for r in report.results}
    for r in report.results:
        made[r.metric].append(r.value)
    expected = 100 * np.mean(np.abs(made["forecast_gde_error"]))
    assert next(row[3] for row in errors.rows if row[0] == "GDE") == pytest.approx(expected)


def test_models_of_several_runs_are_compared_and_some_can_be_chosen(workspace, model, several):
    report = forecast(workspace, model, several, methods=("gde",))
    assert {r.model for r in report.results} == {
        "softmax",
        "nearest-mean",
        "lda (fit-incremental-toy-lda)",
        "lda (fit-incremental-toy-lda+softmax+nearest-mean)",
    }
    one = forecast(workspace, several, model=("softmax",), methods=("doc",))
    assert {r.model for r in one.results} == {"softmax"}
    with pytest.raises(InputError, match="no model is called forest; the runs have lda, "):
        forecast(workspace, several, model=("forest",))


def test_a_set_without_labels_is_forecast_without_a_truth(workspace, model, rng):
    x, y = Blobs(rng)(80)
    folder = workspace / "embeddings/toy/bare/test"
    write_store(folder, x, np.full_like(y, -1), dataset="bare", split="test", class_names=["unknown"])
    report = forecast(workspace, model, target=("bare/test",), heads=0)
    assert not any(r.metric == "accuracy" or r.metric.endswith("_error") for r in report.results)
    assert said(report, "There is no back-test on bare/test")
    assert list(table_of(report).columns)[-1] == "forecast"


def test_heads_come_in_pairs_from_disjoint_halves(workspace, model):
    store = open_store(Location.of(workspace / "embeddings/toy/toy/train"))
    with connect(threads=2) as workers:
        heads, group = train_heads(load_model(Location.of(model)), store.view(), 4, workers)
        assert group == (0, 1, 0, 1)
        assert [head.details["rows"] for head in heads[:2]] == [1500, 1500]
        assert not np.array_equal(heads[0].rule.weight, heads[1].rule.weight)
        with pytest.raises(InputError, match="in pairs, so 3 of them cannot be; ask for 4"):
            train_heads(heads[0], store.view(), 3, workers)
        with pytest.raises(InputError, match="ask for fewer with --heads"):
            train_heads(heads[0], store.view(), 16, workers)


def test_the_record_names_the_model_and_the_sets(workspace, model):
    report = forecast(workspace, model, heads=0)
    manifest = RunManifest.model_validate_json((Location.of(report.run) / "manifest.json").read_text())
    assert (manifest.job, manifest.status) == ("forecast", "complete")
    assert [one.place for one in manifest.inputs] == [
        model,
        str(workspace / "embeddings/toy/toy/val"),
        str(workspace / "embeddings/toy/toy-shifted/test"),
    ]


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"reference": ""}, "needs a run folder, --reference"),
        ({"reference": "toy"}, "toy names no split"),
        ({"methods": ("act",)}, "no forecast named 'act'"),
        ({"predictions_target": ("a.csv",)}, "need --predictions-reference and --predictions-target, and no run"),
        ({"heads": -1}, "numbers of 0 or more"),
    ],
)
def test_options_that_do_not_fit_are_refused(workspace, model, options, sentence):
    with pytest.raises(InputError, match=sentence):
        forecast(workspace, model, **options)


def test_the_command_line_prints_the_results(workspace, model, capsys):
    options = ["--reference", "toy/val", "--target", SHIFTED, "--heads", "0", "--workspace", str(workspace), "--json"]
    assert cli.execute(["forecast", model, *options]) == 0
    found = json.loads(capsys.readouterr().out)
    assert {row["metric"] for row in found["results"]} >= {"accuracy", "forecast_atc_ne", "forecast_doc_error"}


@pytest.mark.filterwarnings("ignore")
def test_a_cluster_forecasts_the_same(workspace, model, cluster):
    here = forecast(workspace, model, name="here", heads=0)
    there = forecast(workspace, model, name="there", heads=0, scheduler=cluster)
    assert [r.row() for r in here.results] == [r.row() for r in there.results]


def wide(folder, name, rng, n, accuracy):
    label = rng.integers(0, 10, n)
    columns = {"image": [f"{name}-{row}.png" for row in range(n)], "label": label}
    hard = rng.random(n)
    for index, share in enumerate(np.linspace(accuracy - 0.15, accuracy + 0.1, 4)):
        right = hard + 0.5 * rng.standard_normal(n) < np.quantile(hard, share)
        columns[f"net{index}"] = np.where(right, label, (label + rng.integers(1, 10, n)) % 10)
    pq.write_table(pa.table(columns), folder / f"{name}.parquet")
    return str(folder / f"{name}.parquet")


def test_a_wide_table_of_best_classes_allows_what_compares_models_alone(tmp_path, rng):
    files = [wide(tmp_path, name, rng, n, share) for name, n, share in (("v1", 800, 0.7), ("v2", 500, 0.6))]
    config = ForecastConfig(
        predictions_reference=(files[0],), predictions_target=(files[1],), replicates=20, workspace=str(tmp_path)
    )
    report = run(config)
    assert {r.metric for r in report.results if "error" not in r.metric} == {
        "accuracy",
        "forecast_gde",
        "forecast_aline_s",
        "forecast_aline_d",
        "forecast_recommended",
    }
    assert {r.model for r in report.results} == {"net0", "net1", "net2", "net3"}
    assert said(report, "No average confidence, DoC, ATC MC: there are no confidences")


def test_arrays_of_scores_are_forecast_with_or_without_target_labels(tmp_path, rng):
    label = rng.integers(0, 4, 300)
    for name in ("v1", "v2"):
        np.save(tmp_path / f"{name}.npy", 2 * rng.standard_normal((300, 4)) + 3 * np.eye(4)[label])
    np.save(tmp_path / "labels.npy", label)
    options = {
        "predictions_reference": (str(tmp_path / "v1.npy"),),
        "predictions_target": (str(tmp_path / "v2.npy"),),
        "labels_reference": str(tmp_path / "labels.npy"),
        "replicates": 20,
        "workspace": str(tmp_path),
    }
    blind = run(ForecastConfig(**options, name="blind"))
    tested = run(ForecastConfig(**options, labels_target=str(tmp_path / "labels.npy"), name="tested"))
    made = {r.metric: r.value for r in blind.results}
    assert set(made) == {
        *(f"forecast_{name}" for name in ("average_confidence", "doc", "atc_mc", "atc_ne", "cot", "nuclear_norm")),
        "forecast_recommended",
    }
    assert made.items() <= {r.metric: r.value for r in tested.results}.items()
    errors = [r.value for r in tested.results if r.metric.endswith("_error")]
    assert np.abs(errors).max() < 0.08


@pytest.mark.parametrize("form", ["named.csv", "numbered.parquet", "scores.npz", "empty.csv"])
def test_a_table_that_says_no_labels_is_forecast(form, tmp_path, rng):
    """The same forecast as that of the table with its labels, which nothing but the test of the forecast looks at."""
    words, label = np.array(["ant", "bee", "cat", "dog"]), rng.integers(0, 4, 600)
    scores = 2 * rng.standard_normal((600, 4)) + 3 * np.eye(4)[label]
    scores = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    by_name = form.startswith("named")
    columns = list(words) if by_name else [f"prob_{index}" for index in range(4)]
    whole = pd.DataFrame(scores, columns=columns).assign(
        label=words[label] if by_name else label,
        predicted=words[scores.argmax(axis=1)] if by_name else scores.argmax(axis=1),
    )
    bare = whole.assign(label=None) if form == "empty.csv" else whole.drop(columns="label")
    for name, table in (("v1", whole[:300]), ("v2", bare[300:]), ("v2labelled", whole[300:])):
        place = tmp_path / f"{name}.{form.split('.')[1]}"
        if form == "scores.npz":
            known = {"labels": table["label"].to_numpy()} if "label" in table else {}
            np.savez(place, probabilities=table[columns].to_numpy(), **known)
        else:
            (table.to_parquet if form.endswith("parquet") else table.to_csv)(place, index=False)

    def forecast(target):
        end = form.split(".")[1]
        config = ForecastConfig(
            predictions_reference=(str(tmp_path / f"v1.{end}"),),
            predictions_target=(str(tmp_path / f"{target}.{end}"),),
            replicates=20,
            workspace=str(tmp_path),
        )
        return {
            r.metric: r.value
            for r in run(config).results
            if r.metric.startswith("forecast_") and "error" not in r.metric
        }

    found = forecast("v2")
    assert found["forecast_recommended"] == pytest.approx(forecast("v2labelled")["forecast_recommended"])


def test_files_without_a_common_model_are_refused(tmp_path, rng):
    files = [wide(tmp_path, name, rng, 50, 0.6) for name in ("v1", "v2")]
    table = pq.read_table(files[1]).rename_columns(["image", "label", "a", "b", "c", "d"]).drop_columns("d")
    pq.write_table(table, files[1])
    with pytest.raises(InputError, match="no model is in both files: the reference has net0, net1, net2, net3"):
        run(ForecastConfig(predictions_reference=(files[0],), predictions_target=(files[1],), workspace=str(tmp_path)))
