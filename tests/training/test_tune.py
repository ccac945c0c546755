"""`tune`: settings compete on held-out training rows alone, and the best is trained, saved and evaluated."""

import pyarrow.parquet as pq
import pytest
from conftest import write_store
from pages import tables_of
from toy_workspace import Blobs, write_sets

from gapscope.core.errors import InputError
from gapscope.core.location import Location
from gapscope.evaluation.settings import setting_results, settings_table
from gapscope.jobs import command_line as cli
from gapscope.jobs.tune import TuneConfig, run
from gapscope.probes.model import load_model


@pytest.fixture
def workspace(tmp_path, rng):
    return write_sets(tmp_path, Blobs(rng))


def tuned(workspace, **options):
    return run(TuneConfig(dataset="toy", workspace=str(workspace), **options))


@pytest.mark.parametrize("model", ["softmax", "lda", "ridge", "knn"])
def test_the_best_setting_is_saved_and_every_setting_is_kept(workspace, model):
    report = tuned(workspace, model=(model,))
    found = load_model(Location.of(report.run))
    tried = found.details["settings"]
    assert len(tried) > 3
    table = pq.read_table(f"{report.run}/results.parquet").to_pylist()
    held_out = [row for row in table if row["split"] == "train (held out)" and "(" in row["model"]]
    assert len(held_out) == 2 * len(tried)
    assert {(r.dataset, r.split) for r in report.results} == {
        *(("toy", split) for split in ("val", "train", "train (held out)")),
        ("toy-shifted", "test"),
    }
    results, best = tables_of(report)
    assert "best" in best.caption
    assert results.rows[0][0] == model
    assert results.rows[0][3].value > 0.9


def test_evaluated_rows_have_no_influence_on_the_settings(workspace, rng):
    first = load_model(Location.of(tuned(workspace, model=("lda",), name="first").run))
    for split in ("toy/val", "toy-shifted/test"):
        for path in (workspace / "embeddings/toy" / split).iterdir():
            path.unlink()
    x, y = Blobs(rng)(200)
    write_store(workspace / "embeddings/toy/toy/val", -x, y, split="val")
    second = load_model(Location.of(tuned(workspace, model=("lda",), name="second").run))
    assert first.details["settings"] == second.details["settings"]


def test_several_models_are_tuned_in_one_run(workspace):
    report = tuned(workspace, model=("lda", "ridge"))
    assert [table.caption.split(":")[0] for table in tables_of(report)[1:]] == ["lda", "ridge"]
    assert Location.of(f"{report.run}/models").names() == ["lda", "ridge"]


def test_a_wrong_name_is_answered_with_the_nearest(workspace):
    with pytest.raises(InputError, match="did you mean 'softmax'"):
        tuned(workspace, model=("sofmax",))


def test_the_command_line_shows_the_best_settings(workspace, capsys):
    assert cli.execute(["tune", "--dataset", "toy", "--model", "lda", "--workspace", str(workspace)]) == 0
    assert "settings, on 300 held-out rows" in " ".join(capsys.readouterr().out.split())


RACE = {
    "holdout_rows": 50,
    "settings": [
        {"l2": 0.1, "view": "raw", "rung": 1, "rows": 100, "log_loss": 0.2, "accuracy": 0.9},
        {"l2": 0.01, "view": "whitened", "rung": 3, "rows": 400, "log_loss": 0.4, "accuracy": 0.8},
        {"l2": 1.0, "view": "raw", "rung": 3, "rows": 400, "log_loss": 0.3, "accuracy": 0.85},
        {"l2": None, "view": "raw", "rung": 2, "rows": 200, "log_loss": None, "accuracy": 0.7},
    ],
}


def test_settings_that_came_further_stand_above_those_that_were_dropped():
    (table,) = settings_table("softmax", RACE)
    assert list(table.columns) == ["L2 penalty", "view", "round", "rows", "log loss", "accuracy"]
    assert [row[0] for row in table.rows] == [1.0, 0.01, None, 0.1]


def test_a_setting_is_named_by_what_it_is_and_not_by_how_it_did():
    rows = setting_results("softmax", RACE, "toy", "train")
    assert [row.model for row in rows][::2] == [
        "softmax(l2=0.1, view=raw)",
        "softmax(l2=0.01, view=whitened)",
        "softmax(l2=1, view=raw)",
        "softmax(view=raw)",
    ]
    assert len(rows) == 7
    assert {(row.split, row.n) for row in rows} == {("train (held out)", 50)}
    assert setting_results("softmax", RACE | {"holdout_rows": 0}, "toy", "train") == []
