"""Runs of which predictions of a file alone are known: the same findings as of the model that made the file."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from toy_workspace import Blobs

import gapscope
from gapscope.core.errors import GapscopeError, InputError
from gapscope.core.location import Location
from gapscope.evaluation.models import model_folder, model_in
from gapscope.predictions import read_predictions
from gapscope.store import Piece
from gapscope.store.workspace import find_store

SETS = {"toy/train": (1500, 0.0), "toy/val": (400, 0.0), "moved/test": (400, 0.5), "bare/test": (300, 0.5)}
BOTH = {"reference": "toy/val", "target": "moved/test"}


def open_set(workspace, name):
    return find_store(Location.of(workspace).absolute(), *name.split("/"))


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A workspace with a trained head, what it says of each set as a table, and the run of these tables."""
    place, blobs, answers = tmp_path_factory.mktemp("recorded"), Blobs(np.random.default_rng(5)), {}
    workspace = str(place / "workspace")
    for name, (rows, shift) in SETS.items():
        (dataset, split), (x, label) = name.split("/"), blobs(rows, shift)
        paths = [f"{split}/{row:04}.png" for row in range(rows)]
        words = None if dataset == "bare" else [f"class {one}" for one in label]
        gapscope.import_features(x, labels=words, names=paths, dataset=dataset, split=split, workspace=workspace)
        answers[name] = pd.DataFrame({"path": paths, "label": [f"class {one}" for one in label]})
    trained = gapscope.fit("toy", model="lda", workspace=workspace).run
    model = model_in(model_folder(Location.of(workspace).absolute(), Path(trained).name))
    for name in list(SETS)[1:]:
        store = open_set(workspace, name)
        columns = [f"prob_{one}" for one in model.class_names]
        said = pd.DataFrame(model.probabilities(store.view().read().x), columns=columns)
        said["path"] = store.paths(Piece(0, store.rows))
        answers[name] = said.merge(answers[name], on="path")
        answers[name].to_csv(place / f"{name.replace('/', '-')}.csv", index=False)
    files = [str(place / f"{name.replace('/', '-')}.csv") for name in list(SETS)[1:]]
    run = gapscope.import_predictions(files, dataset=list(SETS)[1:], name="elsewhere", workspace=workspace).run
    return place, workspace, trained, str(run), answers


def values(done):
    return {row.metric: row.value for row in done.results}


def test_a_gap_is_that_of_the_model_whose_predictions_were_imported(made):
    _, workspace, trained, run, _ = made
    without = {"skip": ("features", "remedies"), "report": False, "workspace": workspace}
    done = [gapscope.gap(name, **BOTH, **without) for name in (trained, run)]
    one, other = map(values, done)
    terms = [name for name in one if name.startswith("gap")]
    assert {"gap_x_shift", "gap_y_given_x"} <= set(terms)
    for name in (*terms, "accuracy"):
        assert other[name] == pytest.approx(one[name], abs=1e-3), name
    tables = [pd.read_parquet(Path(each.run) / "reasons.parquet") for each in done]
    exact = ["sample_id", "path", "right", "far_from_training", "likely_label_error", "ambiguous_label"]
    pd.testing.assert_frame_equal(*(table[exact] for table in tables))
    np.testing.assert_allclose(tables[1].strangeness, tables[0].strangeness, rtol=1e-5)


def test_what_needs_a_model_is_said_to_be_lacking_once(made):
    _, workspace, _, run, _ = made
    done = gapscope.gap(run, **BOTH, report=False, workspace=workspace, replicates=20)
    notes = (Path(done.run) / "notes.json").read_text()
    assert "There are no weights of features and remedies: of elsewhere predictions alone are known" in notes


def test_a_queue_of_doubtful_images_is_that_of_the_model(made):
    _, workspace, trained, run, _ = made
    options = {"target": "moved/test", "by": "doubt", "count": 30, "workspace": workspace}
    queues = [pd.read_csv(Path(gapscope.label_queue(name, **options).run) / "queue.csv") for name in (trained, run)]
    assert queues[0].sample_id.tolist() == queues[1].sample_id.tolist()
    assert queues[0].reason.tolist() == queues[1].reason.tolist()


def test_a_forecast_is_that_of_the_files(made):
    place, workspace, _, run, _ = made
    files = {f"predictions_{side}": str(place / f"{name.replace('/', '-')}.csv") for side, name in BOTH.items()}
    of_files = gapscope.forecast(**files, workspace=workspace)
    of_run = gapscope.forecast(run, reference="toy/val", target=("moved/test",), workspace=workspace)
    assert values(of_run) == pytest.approx(values(of_files), nan_ok=True, abs=1e-4)


def test_the_labels_of_a_file_serve_a_set_that_has_none(made):
    _, workspace, _, run, answers = made
    done = gapscope.gap(
        run, reference="toy/val", target="bare/test", report=False, workspace=workspace, replicates=20, skip=("domain",)
    )
    shares = []
    for name in ("toy/val", "bare/test"):
        table = answers[name]
        best = table.filter(like="prob_").idxmax(axis=1).str.removeprefix("prob_")
        shares.append((best == table.label).mean())
    assert values(done)["gap"] == pytest.approx(shares[0] - shares[1], abs=1e-12)
    assert "the labels of 300 images are those of the file" in (Path(run) / "join.json").read_text()


def test_images_without_a_prediction_take_no_part(made):
    place, workspace, _, _, answers = made
    for name in BOTH.values():
        answers[name].iloc[: 300 if name == "moved/test" else None].to_csv(place / f"part-{name[:3]}.csv", index=False)
    files = [str(place / f"part-{name[:3]}.csv") for name in BOTH.values()]
    run = gapscope.import_predictions(files, dataset=list(BOTH.values()), partial=True, workspace=workspace).run
    done = gapscope.gap(run, **BOTH, report=False, workspace=workspace, replicates=20)
    assert {row.metric: row.n for row in done.results}["gap"] == 300
    assert "moved/test: 100 images have no prediction." in (Path(done.run) / "notes.json").read_text()


def test_answers_without_probabilities_give_a_gap_and_a_fair_queue(made):
    place, workspace, _, _, answers = made
    for name in BOTH.values():
        table = answers[name]
        best = table.filter(like="prob_").idxmax(axis=1).str.removeprefix("prob_")
        table[["path", "label"]].assign(pred=best).to_csv(place / f"answers-{name[:3]}.csv", index=False)
    files = [str(place / f"answers-{name[:3]}.csv") for name in BOTH.values()]
    run = gapscope.import_predictions(files, dataset=list(BOTH.values()), workspace=workspace).run
    done = gapscope.gap(run, **BOTH, report=False, workspace=workspace, replicates=20)
    assert "gap_x_shift" in values(done)
    with pytest.raises(InputError, match=r"no probabilities, so that nothing says what it doubts; .* --by fair"):
        gapscope.label_queue(run, target="moved/test", by="doubt", workspace=workspace)
    spent = gapscope.budget(run, **BOTH, label_rows=200, workspace=workspace)
    assert "when drawn by confidence" not in str(spent.blocks)
    queue = Path(gapscope.label_queue(run, target="moved/test", count=3, workspace=workspace).run)
    tasks = json.loads((queue / "label-studio.json").read_text())
    assert [task["predictions"][0]["score"] for task in tasks if "predictions" in task] == [None] * 3


def test_a_budget_says_what_labels_tell_of_the_accuracy_and_that_no_gain_is_known(made):
    _, workspace, _, run, _ = made
    done = gapscope.budget(run, **BOTH, label_rows=200, workspace=workspace)
    got = pd.read_parquet(Path(done.run) / "budget.parquet")
    assert got.gain.isna().all()
    hundred = got[got.labels == 100].iloc[0]
    right = read_predictions(run, dataset="moved", split="test").rows(np.arange(200)).right
    share = (right.sum() + 1) / 202
    assert hundred.plain == pytest.approx(1.96 * np.sqrt(share * (1 - share) / 100), rel=1e-4)
    assert "predictions alone are known" in str(done.blocks)


@pytest.mark.parametrize("command", ["repair", "predict"])
def test_a_command_that_computes_with_the_model_is_refused_with_the_way_out(command, made):
    _, workspace, _, run, _ = made
    options = {"repair": BOTH, "predict": {"dataset": "toy/val"}}
    with pytest.raises(
        GapscopeError, match="no model to compute with; train a head on features with `fit-incremental`"
    ):
        getattr(gapscope, command)(run, **options[command], workspace=workspace)


def test_a_set_that_was_not_joined_is_named(made):
    _, workspace, _, run, _ = made
    with pytest.raises(InputError, match=r"no predictions for toy/train; join them with `import-predictions FILE"):
        gapscope.gap(run, reference="toy/train", target="moved/test", workspace=workspace)


def test_explain_says_that_no_model_is_at_hand(made):
    _, workspace, _, run, _ = made
    done = gapscope.explain(run, **BOTH, report=False, images=200, workspace=workspace)
    assert "Of elsewhere predictions alone are known" in (Path(done.run) / "notes.json").read_text()
