"""Rows that a model was trained on are found in every set that it meets, whatever this is called."""

from pathlib import Path
from shutil import copytree

import numpy as np
import pandas as pd
import pytest

from gapscope import compare, evaluate, fit, forecast, gap, gate, import_features, predict, repair
from gapscope.blocks import Warning
from gapscope.core.errors import InputError

ROWS, DIM, AGAIN = 300, 6, 24


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    """Training rows, new rows, some training rows among new ones, and a copy of all."""
    folder = tmp_path_factory.mktemp("seen")
    rng = np.random.default_rng(3)

    def rows(n):
        label = rng.integers(0, 3, n)
        features = np.eye(3, DIM)[label] * 2 + rng.standard_normal((n, DIM))
        return pd.DataFrame(features).add_prefix("f").assign(label=np.array(["ant", "bee", "cow"])[label])

    trained, new = rows(ROWS), rows(ROWS)
    mixed = pd.concat([rows(ROWS - AGAIN), trained[:AGAIN]])
    for name, split, table in (
        ("mine", "train", trained),
        ("mine", "test", new),
        ("mixed", "test", mixed),
        ("copy", "test", trained[::-1]),
    ):
        table.to_csv(folder / f"{name}-{split}.csv", index=False)
        import_features(folder / f"{name}-{split}.csv", dataset=name, split=split, workspace=folder)
    return folder


@pytest.fixture(scope="module")
def model(workspace):
    return fit("mine", model="lda", evaluate=["mine/test", "mixed/test"], report=False, workspace=workspace)


SKIPPED = {"skip": ["domain", "features", "attributes", "reasons", "remedies"], "report": False}
SAID = f"{AGAIN} of the {ROWS} rows of mixed/test are rows that"


def warnings_of(result):
    return [block.text for block in result.blocks if isinstance(block, Warning)]


def test_a_test_set_that_shares_rows_with_the_training_rows_is_named(model):
    assert [text.split(" are ")[0] for text in warnings_of(model)] == [
        SAID.split(" are ")[0],
    ]


@pytest.mark.parametrize(
    ("command", "more", "reference", "target", "warned"),
    [
        (gap, SKIPPED, "mine/test", "mixed/test", True),
        (gap, SKIPPED, "mixed/test", "mine/test", True),
        (gap, SKIPPED, "mine/test", "mine/test", False),
        (forecast, {"heads": 0}, "mine/test", "mixed/test", True),
        (repair, {"report": False}, "mine/test", "mixed/test", True),
    ],
)
def test_shared_rows_are_said_by_every_command_that_judges_a_model(
    workspace, model, command, more, reference, target, warned
):
    done = command(model.run, reference=reference, target=target, workspace=workspace, **more)
    assert any(SAID in text for text in warnings_of(done)) is warned


@pytest.fixture(scope="module")
def predicted(workspace, model):
    return predict(model.run, dataset="mixed", split="test", workspace=workspace)


@pytest.mark.parametrize("name", ["test", "train"])
def test_predict_says_which_rows_trained_the_model(workspace, model, name):
    done = predict(model.run, dataset="mine", split=name, workspace=workspace, name=f"of-{name}")
    said = [text.partition(",")[0] for text in warnings_of(done)]
    assert said == [f"{ROWS} of the {ROWS} rows of mine/train are rows that lda was trained on"] * (name == "train")


def test_so_do_the_commands_that_judge_predictions(workspace, model, predicted):
    both = {"workspace": workspace, "name": "judged"}
    sets = {"reference": "mine/test", "target": "mixed/test"}
    assert any(SAID in text for text in warnings_of(predicted))
    judged = {
        "evaluate a training": evaluate(model.run, **both),
        "evaluate": evaluate(predicted.run, **both),
        "compare": compare([model.run, predicted.run], dataset="mixed", split="test", **both),
        "gate": gate([model.run, model.run], **sets, **both),
    }
    for name, done in judged.items():
        said = [text for text in warnings_of(done) if SAID in text]
        assert len(said) == 1, name
    assert SAID in (Path(judged["gate"].run) / "gate.md").read_text()
    assert not warnings_of(gate([model.run, model.run], reference="mine/test", **both))
    assert not [t for t in warnings_of(evaluate(model.run, dataset="mine", split="test", **both)) if "trained" in t]


def test_rows_that_were_left_out_are_not_counted(workspace, predicted, tmp_path):
    ids = pd.DataFrame({"dataset": "mixed", "split": "test", "sample_id": np.arange(ROWS - AGAIN)})
    ids.to_csv(tmp_path / "new.csv", index=False)
    done = evaluate(predicted.run, only=str(tmp_path / "new.csv"), workspace=workspace, name="left")
    assert not [text for text in warnings_of(done) if "trained on" in text]


def test_so_they_are_after_the_workspace_was_copied_or_moved(workspace, model, tmp_path):
    """The place that the run has recorded of its training rows is not that of the copy."""
    copied = copytree(workspace, tmp_path / "moved")
    away = workspace.rename(workspace.parent / "away")
    try:
        run = copied / "runs" / Path(model.run).name
        done = gap(run, reference="mine/test", target="mixed/test", workspace=copied, **SKIPPED)
    finally:
        away.rename(workspace)
    assert any(SAID in text for text in warnings_of(done))


def test_features_that_were_imported_are_not_said_to_come_from_a_network(workspace, model):
    with pytest.raises(InputError) as error:
        gap(model.run, reference="mine/test", target="mine/val", workspace=workspace, **SKIPPED)
    assert "`gapscope import-features FILE --dataset mine --split val --workspace " in str(error.value)
    assert "extract" not in str(error.value)


@pytest.mark.parametrize("form", [str, Path, None, lambda run: [Path(run)]])
def test_a_run_is_named_by_its_text_its_path_or_its_result(workspace, model, form):
    run = form(model.run) if form else model
    done = forecast(run, reference="mine/test", target="mixed/test", workspace=workspace, heads=0)
    assert done.run


@pytest.mark.parametrize(("command", "more"), [(gap, SKIPPED), (forecast, {"heads": 0}), (repair, {})])
def test_a_copy_of_the_training_rows_is_no_reference(workspace, model, command, more):
    with pytest.raises(InputError, match=r"was trained on .*copy/test.*held out"):
        command(model.run, reference="copy/test", target="mixed/test", workspace=workspace, **more)


def test_classes_that_a_model_was_not_trained_on_are_named_by_every_command_that_measures_it(workspace, tmp_path):
    for name, split, kept in (("few", "train", ["ant", "bee"]), ("few", "test", ["ant", "bee", "cow"])):
        table = pd.read_csv(workspace / f"mine-{split}.csv")
        table[table["label"].isin(kept)].to_csv(tmp_path / f"{split}.csv", index=False)
        import_features(
            tmp_path / f"{split}.csv", dataset=name, split=split, workspace=tmp_path, classes=_class_list(tmp_path)
        )
    fitted = fit("few", model="lda", report=False, workspace=tmp_path)
    cows = (pd.read_csv(tmp_path / "test.csv")["label"] == "cow").sum()
    wanted = f"few/test: the model had no training rows of cow, so its {cows} rows of them are all wrong"
    again = predict(fitted.run, dataset="few", split="test", workspace=tmp_path)
    for result in (fitted, evaluate(fitted.run, workspace=tmp_path), again, evaluate(again.run, workspace=tmp_path)):
        assert wanted in warnings_of(result)


def _class_list(folder):
    (folder / "classes.txt").write_text("ant\nbee\ncow\n")
    return folder / "classes.txt"
