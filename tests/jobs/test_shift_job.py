"""`shift`: reads the sets, says how far apart they are, and refuses sets that cannot be compared."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from conftest import ROOT, write_store
from scipy.cluster.hierarchy import dendrogram
from toy_workspace import CLASSES, Blobs, write_sets

from gapscope.blocks import Sentence, Table
from gapscope.core.errors import BudgetError, InputError
from gapscope.jobs import command_line as cli
from gapscope.jobs.fit_incremental import FitIncrementalConfig
from gapscope.jobs.fit_incremental import run as fit
from gapscope.jobs.shift import ShiftConfig, run
from gapscope.schemas.run import RunManifest
from gapscope.shifts import SHIFTS
from gapscope.store.comparable import check_comparable, comparable_view

ONCE = ("moments", "marginal", "sliced")


@pytest.fixture
def blobs(rng):
    return Blobs(rng)


@pytest.fixture
def workspace(tmp_path, blobs):
    return write_sets(tmp_path, blobs)


def shifted(workspace, *target, reference="toy/train", statistics=ONCE, **options):
    return run(
        ShiftConfig(reference=reference, target=target, statistics=statistics, workspace=str(workspace), **options)
    )


def tables(report, words):
    return [block for block in report.blocks if isinstance(block, Table) and words in block.caption]


def results(report, metric):
    return {f"{r.dataset}/{r.split}": r.value for r in report.results if r.metric == metric}


def test_a_shift_is_found_and_a_second_sample_of_the_same_is_not(workspace):
    report = shifted(workspace, "toy/val", "toy-shifted/test")
    for metric in ("mean_shift", "ks_max", "sliced_energy", "mahalanobis_distance"):
        p = results(report, f"{metric}_p_value")
        assert p["toy/val"] > 0.001
        assert p["toy-shifted/test"] < 1e-6
    assert {r.model for r in report.results} == {"toy/train"}


def test_a_set_against_itself_does_not_differ(workspace):
    report = shifted(workspace, "toy/train")
    assert results(report, "mean_shift") == {"toy/train": 0}
    (meanings,) = tables(report, "what it means")
    assert all("no " in row[-1].lower() for row in meanings.rows)
    assert report.blocks[0].headline == "The features of toy/train cannot be distinguished from those of toy/train"


@pytest.mark.parametrize(("rows", "known"), [((2, 2), False), ((3, 3), False), ((4, 5), False), ((7, 7), True)])
def test_of_so_few_rows_that_no_shift_could_be_shown_none_is_denied_or_said(tmp_path, rng, rows, known):
    for split, n, step in (("a", rows[0], 0.0), ("b", rows[1], 1000.0)):
        place = tmp_path / "embeddings" / "toy" / "set" / split
        write_store(place, rng.standard_normal((n, 6)) + step, np.zeros(n, int), dataset="set", split=split)
    answer = shifted(tmp_path, "set/b", reference="set/a", statistics=(*ONCE, "mmd")).blocks[0]
    assert ("differ from those of set/a" in answer.headline and "unknown" not in answer.headline) == known
    assert ("is unknown: too few rows" in answer.headline) != known
    assert ("so few rows show no shift, however large" in dict(answer.parts)["How sure"]) != known


def test_without_a_test_nothing_is_said_to_be_the_same(workspace):
    answer = shifted(workspace, "toy-shifted/test", statistics=("prdc",)).blocks[0]
    assert answer.headline == "The features of toy-shifted/test are not tested against those of toy/train"
    assert dict(answer.parts)["How sure"] == "Unknown: none of the statistics that were chosen has a test."


def test_verdicts_features_and_classes_are_written(workspace):
    report = shifted(workspace, "toy-shifted/test")
    folder = Path(report.run)
    verdicts = json.loads((folder / "verdicts.json").read_text())
    assert {one["target"] for one in verdicts} == {"toy-shifted/test"}
    assert {"statistic", "value", "p", "effect", "sentence", "class_name"} <= set(verdicts[0])
    features = pq.read_table(folder / "features.parquet")
    assert features.num_rows == 16
    wanted = {"ks", "ks_high", "ks_adjusted_p", "standardised_difference", "psi", "wasserstein_sd"}
    assert wanted <= set(features.column_names)
    classes = pq.read_table(folder / "classes.parquet")
    assert classes["class"].to_pylist() == [f"class {c}" for c in range(CLASSES)]
    table = pq.read_table(folder / "results.parquet")
    of_class = table.filter(table["class"].is_valid())
    assert set(of_class["metric"].to_pylist()) >= {"class_mean_shift", "class_mean_shift_p_value"}
    manifest = RunManifest.model_validate_json((folder / "manifest.json").read_text())
    assert (manifest.job, manifest.status, len(manifest.inputs)) == ("shift", "complete", 2)


def test_the_page_shows_verdicts_features_and_classes(workspace):
    report = shifted(workspace, "toy-shifted/test")
    assert report.blocks[0].headline == "The features of toy-shifted/test differ from those of toy/train"
    (verdicts,) = [table for table in tables(report, "Shift of") if table.headline]
    assert [row[0] for row in verdicts.rows][:3] == ["mean shift", "class mean shift", "KS max"]
    (features,) = tables(report, "features whose means moved most")
    (classes,) = tables(report, "Classes")
    assert len(features.rows) == 16
    assert len(classes.rows) == CLASSES


def test_several_targets_give_a_matrix_and_a_tree(workspace):
    report = shifted(workspace, "toy/val", "toy-shifted/test")
    matrix = tables(report, "Distances")
    assert [table.caption.split(": ")[1] for table in matrix] == ["mean shift", "KS mean", "sliced energy"]
    assert list(matrix[0].columns) == ["set", "toy/train", "toy/val", "toy-shifted/test"]
    assert [row[1 + place] for place, row in enumerate(matrix[0].rows)] == [0, 0, 0]
    assert pq.read_table(f"{report.run}/distances.parquet").num_rows == 9
    tree = pq.read_table(f"{report.run}/linkage.parquet").to_pylist()
    columns = ("first", "second", "distance", "sets")
    joints = [[row[name] for name in columns] for row in tree if row["statistic"] == "mean_shift"]
    assert dendrogram(np.array(joints, float), no_plot=True)["ivl"] == ["2", "0", "1"]


def test_all_statistics_run_by_default_and_those_that_read_again_come_last(workspace):
    report = shifted(workspace, "toy-shifted/test", reference="toy/val", statistics=(), replicates=20)
    timed = json.loads((Path(report.run) / "manifest.json").read_text())["seconds"]
    names = [name.split()[0] for name in timed if name.split()[0] in SHIFTS]
    again = [SHIFTS[name].needs_rows for name in names]
    assert set(names) == set(SHIFTS)
    assert again == sorted(again)
    assert len({r.metric for r in report.results}) > 20


def test_slow_statistics_can_be_left_out(workspace):
    report = shifted(workspace, "toy/val", statistics=("moments", "classifier"), exclude_slow=True)
    assert not results(report, "classifier_auc")
    with pytest.raises(InputError, match="--exclude-slow leaves nothing of classifier"):
        shifted(workspace, "toy/val", statistics=("classifier",), exclude_slow=True)


def test_rows_without_labels_on_one_side_leave_out_the_classes(workspace, blobs):
    x, y = blobs(300)
    folder = workspace / "embeddings/toy/bare/test"
    write_store(folder, x, np.full_like(y, -1), dataset="bare", split="test", class_names=[])
    for reference, target in (("toy/train", "bare/test"), ("bare/test", "toy/train")):
        report = shifted(workspace, target, reference=reference)
        assert any(
            "bare/test has no class names" in block.text for block in report.blocks if isinstance(block, Sentence)
        )
        assert results(report, "mean_shift")
        assert not results(report, "class_mean_shift")


def test_the_shift_of_the_class_shares_is_told_with_a_model(workspace, blobs):
    x, y = blobs(4000)
    kept = (y != 0) | (np.arange(4000) % 4 == 0)
    write_store(workspace / "embeddings/toy/rare/test", x[kept], y[kept], dataset="rare", split="test")
    model = fit(FitIncrementalConfig(dataset="toy", model=("lda",), workspace=str(workspace))).run
    report = shifted(workspace, "rare/test", reference="toy/val", statistics=("moments",), model=model)
    assert results(report, "label_shift_p_value")["rare/test"] < 1e-6
    classes = pq.read_table(f"{report.run}/classes.parquet")
    assert classes["label_shift_weight"].to_pylist()[0] == pytest.approx(0.3, abs=0.15)


def test_classes_in_another_order_are_compared_by_name(workspace, blobs):
    x, y = blobs(600)
    names = [f"class {index}" for index in reversed(range(CLASSES))]
    turned = write_store(
        workspace / "embeddings/toy/turned/test", x, CLASSES - 1 - y, dataset="turned", split="test", class_names=names
    )
    report = shifted(workspace, "turned/test", statistics=("moments",))
    assert results(report, "class_mean_shift_p_value")["turned/test"] > 0.001
    same = write_store(workspace / "same", x, y)
    assert (comparable_view(same, turned).read().y == y).all()
    assert check_comparable(same, turned).tolist() == [4, 3, 2, 1, 0]


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"weights_hash": "abc"}, "weights_hash is '' in the first and 'abc' in the second"),
        ({"layer": "head"}, "layer is '' in the first and 'head'"),
        ({"preprocessing": {"size": 224}}, "preprocessing is {} in the first and {'size': 224}"),
        ({"precision": "bfloat16"}, "precision is 'float32' in the first and 'bfloat16'"),
        ({"class_names": ["cat", "dog"]}, "2 of the 2 classes of the second, such as 'cat', are not among the 5"),
    ],
)
def test_sets_of_another_kind_are_refused_with_both_values(workspace, blobs, fields, sentence):
    write_store(workspace / "embeddings/toy/odd/test", *blobs(50), dataset="odd", split="test", **fields)
    with pytest.raises(InputError, match="toy/train and odd/test cannot be compared") as refused:
        shifted(workspace, "odd/test")
    assert sentence in str(refused.value)


def test_another_width_and_another_backbone_are_refused(tmp_path, workspace, rng):
    here = write_store(tmp_path / "one", rng.standard_normal((9, 4)), np.zeros(9, int))
    wide = write_store(tmp_path / "two", rng.standard_normal((9, 5)), np.zeros(9, int))
    other = write_store(tmp_path / "three", rng.standard_normal((9, 4)), np.zeros(9, int), backbone="other")
    with pytest.raises(InputError, match="dim is 4 in the first and 5 in the second"):
        check_comparable(here, wide)
    with pytest.raises(InputError, match="backbone is 'toy' in the first and 'other' in the second"):
        check_comparable(here, other)


@pytest.mark.parametrize(
    ("options", "error", "sentence"),
    [
        ({"statistics": ("momnets",)}, InputError, "did you mean 'moments'"),
        ({"reference": "toy"}, InputError, "--reference toy names no split"),
        ({"correction": "none"}, InputError, "no correction named 'none'"),
        ({"memory": "1MB"}, BudgetError, "comparing 2 sets of 16 features and 5 classes needs about"),
        ({"replicates": 0}, InputError, "--replicates is 0"),
    ],
)
def test_a_mistake_is_one_sentence_before_anything_is_read(workspace, options, error, sentence):
    with pytest.raises(error, match=sentence):
        shifted(workspace, "toy/val", **options)


def test_the_command_line_prints_the_results(workspace, capsys):
    arguments = ["--reference", "toy/val", "--target", "toy/train", "toy-shifted/test", "--statistics", "moments"]
    assert cli.execute(["shift", *arguments, "--workspace", str(workspace), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["job"] == "shift"
    assert {row["metric"] for row in found["results"]} >= {"mean_shift", "mean_shift_p_value", "variance_shift"}


@pytest.mark.filterwarnings("ignore")
def test_a_cluster_finds_the_same(workspace, cluster):
    here = shifted(workspace, "toy-shifted/test", name="here")
    there = shifted(workspace, "toy-shifted/test", name="there", scheduler=cluster)
    assert [r.row() for r in here.results] == [r.row() for r in there.results]


def test_help_loads_no_heavy_library():
    code = (
        "import sys, gapscope.jobs.command_line as cli; cli.execute(['shift', '--help']); "
        "heavy = {'torch', 'dask', 'sklearn', 'numba', 'pandas', 'matplotlib', 'scipy.stats'} & set(sys.modules); "
        "sys.exit(f'loaded {heavy}' if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
