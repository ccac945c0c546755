"""Images that stand in a set several times count once, in every command that measures, tests or compares."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from gapscope import (
    budget,
    compare,
    evaluate,
    fit,
    forecast,
    gap,
    gate,
    import_features,
    import_predictions,
    label_queue,
    predict,
    repair,
    shift,
    verify_labels,
)
from gapscope.core.errors import GapscopeError
from gapscope.core.location import Location
from gapscope.evaluation.copies import _is_by_class, once
from gapscope.store.workspace import find_store

ROWS, DIM, TIMES = 120, 8, 5
SAID = f"copied: {ROWS * TIMES} rows are {ROWS} distinct images"


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    """Training and validation rows, harder ones, these again with each image under five names, one of three times and
    failed ones, and rows that say so little that many are equal.
    """
    folder, rng = tmp_path_factory.mktemp("copies"), np.random.default_rng(5)

    def rows(n, step=0.0, scale=1.0):
        label = rng.integers(0, 3, n)
        features = np.eye(3, DIM)[label] * 2 + scale * rng.standard_normal((n, DIM)) + step
        named = pd.DataFrame(features.astype(np.float32)).add_prefix("f")
        return named.assign(label=np.array(["ant", "bee", "cow"])[label], path=[f"{i}.png" for i in range(n)])

    plain, failed = rows(ROWS, 0.3, 1.6), rows(10)
    failed.iloc[:, :DIM] = 0.0
    numbers = [f"f{i}" for i in range(DIM)]
    tables = {
        "train": rows(400),
        "val": rows(ROWS),
        "plain": plain,
        "copied": pd.concat([plain.assign(path=f"{i}/" + plain["path"]) for i in range(TIMES)]),
        "some": pd.concat([rows(ROWS), plain[:4], plain[:2], failed]).assign(
            path=lambda t: [f"{i}.png" for i in range(len(t))]
        ),
        "mixed": pd.concat([plain, *[plain[plain["label"] == "ant"]] * 3]).assign(
            path=lambda t: [f"{i}.png" for i in range(len(t))]
        ),
        "few": pd.concat([rows(ROWS), plain[:1], plain[:1]]),
        "constant": rows(60).assign(**{name: 1.5 + index for index, name in enumerate(numbers)}),
        "two": rows(60).assign(**{name: np.arange(60) % 2 + 1.5 for name in numbers}),
        "coarse": plain.assign(**{name: (plain[name] > 1).astype(float) for name in numbers}),
    }
    for name, table in tables.items():
        if name in ("some", "few"):
            table = table.assign(path=[f"{i}.png" for i in range(len(table))])
        table.to_csv(folder / f"{name}.csv", index=False)
        import_features(folder / f"{name}.csv", dataset="mine", split=name, path_column="path", workspace=folder)
    return folder


@pytest.fixture(scope="module")
def runs(workspace):
    sets = ["mine/val", "mine/plain", "mine/copied", "mine/mixed"]
    return [
        fit("mine", model=name, evaluate=sets, report=False, workspace=workspace).run
        for name in ("lda", "nearest-mean")
    ]


def test_sets_of_one_row_that_is_repeated_are_alike(workspace):
    done = shift(reference="mine/constant", target="mine/constant", statistics=["prdc"], workspace=workspace)
    found = {row.metric: row.value for row in done.results if row.metric in ("precision", "recall")}
    assert found == {"precision": 1.0, "recall": 1.0}


def stored(workspace, split):
    return find_store(Location.of(workspace), "mine", split, "")


@pytest.mark.parametrize(
    ("split", "left"),
    [("copied", ROWS), ("some", ROWS + 4 + 10), ("few", None), ("coarse", None), ("constant", None), ("two", None)],
)
def test_each_image_is_taken_once_and_rows_that_agree_by_chance_or_failed_stay(workspace, split, left):
    store = stored(workspace, split)
    result, said = once(store)
    assert not said
    assert (result is store) if left is None else (result.rows == left)


def test_the_rows_that_are_left_are_those_of_the_set_without_copies(workspace):
    plain, copied = (once(stored(workspace, name))[0].view().read() for name in ("plain", "copied"))
    assert np.array_equal(*(np.unique(np.column_stack([one.x, one.y]), axis=0) for one in (plain, copied)))


@pytest.mark.parametrize("command", ["gap", "gap of predictions", "evaluate", "shift"])
def test_copies_that_make_a_mix_of_classes_count_and_are_warned_about(workspace, runs, command):
    result = COMMANDS[command](workspace, runs, "mixed")
    texts = [getattr(block, "text", "") for block in result.blocks]
    assert any("of some classes more than of others" in text and "they count" in text for text in texts)
    table = pd.read_csv(workspace / "mixed.csv")
    assert once(stored(workspace, "mixed"))[0].rows == len(table)
    if command == "evaluate":
        assert {row["n"] for key, row in figures(result).items() if key[1] == "accuracy"} == {len(table)}


def test_classes_are_repeated_to_other_degrees_only_beyond_chance(rng):
    label = rng.integers(0, 5, 400)
    drawn = [np.unique(rng.integers(0, 400, 400), return_counts=True) for _ in range(300)]
    assert np.mean([_is_by_class(count, label[some]) for some, count in drawn]) < 0.02
    assert not _is_by_class(np.array([100, *[1] * 399]), label)
    weights = np.where(label == 0, 5.0, 1.0)
    some, count = np.unique(rng.choice(400, 400, p=weights / weights.sum()), return_counts=True)
    assert _is_by_class(count, label[some])


LEFT_OUT = {"skip": ["domain", "features", "attributes", "reasons", "remedies"], "report": False}
COMMANDS = {
    "shift": lambda space, runs, split: shift(
        reference="mine/val", target=f"mine/{split}", statistics=["moments"], report=False, workspace=space
    ),
    "gap": lambda space, runs, split: gap(
        runs[0], reference="mine/val", target=f"mine/{split}", workspace=space, **LEFT_OUT
    ),
    "gap of predictions": lambda space, runs, split: gap(
        predictions_reference=f"{runs[0]}/predictions/mine-val",
        predictions_target=f"{runs[0]}/predictions/mine-{split}",
        workspace=space,
        **LEFT_OUT,
    ),
    "forecast": lambda space, runs, split: forecast(
        runs[0], reference="mine/val", target=f"mine/{split}", workspace=space, heads=0
    ),
    "evaluate": lambda space, runs, split: evaluate(runs[0], dataset="mine", split=split, workspace=space),
    "predict": lambda space, runs, split: predict(runs[0], dataset="mine", split=split, workspace=space),
    "compare": lambda space, runs, split: compare(runs, dataset="mine", split=split, workspace=space),
    "gate": lambda space, runs, split: gate(runs, target=f"mine/{split}", workspace=space),
}


@pytest.mark.parametrize("command", COMMANDS)
def test_a_set_with_each_image_five_times_is_judged_as_the_set_once(workspace, runs, command):
    one, five = (COMMANDS[command](workspace, runs, split) for split in ("plain", "copied"))
    assert any(SAID in getattr(block, "text", "") for block in five.blocks)
    assert not any("distinct" in getattr(block, "text", "") for block in one.blocks)
    rows, again = figures(one), figures(five)
    assert again.keys() <= rows.keys()
    for key in again:
        assert again[key]["n"] == rows[key]["n"], key
        assert again[key]["value"] == pytest.approx(rows[key]["value"], abs=1e-6, nan_ok=True), key
        widths = [row["high"] - row["low"] for row in (rows[key], again[key]) if row["low"] is not None]
        assert not widths or widths[1] == pytest.approx(widths[0], rel=0.35, abs=0.02), key


def figures(done):
    """The rows of the results, or of the looks of `gate`, by what they are of."""
    if done.results:
        return {(row["model"], row["metric"], row["class"]): row for row in (one.row() for one in done.results)}
    table = pq.read_table(f"{done.run}/looks.parquet").to_pylist()
    return {row["class_name"]: {"value": row["p"], "n": row["n"], "low": None} for row in table}


def test_predictions_of_a_file_are_measured_on_each_image_once(workspace, runs, tmp_path):
    table = pq.read_table(f"{runs[0]}/predictions/mine-copied").select(["sample_id", "label", "predicted"])
    table.to_pandas().to_csv(tmp_path / "answers.csv", index=False)
    done = import_predictions(tmp_path / "answers.csv", dataset="mine/copied", name="file", workspace=workspace)
    assert any(SAID in getattr(block, "text", "") for block in done.blocks)
    assert {row.n for row in done.results if row.metric == "accuracy" and row.class_name is None} == {ROWS}


def test_every_row_of_a_set_with_copies_has_a_prediction(runs):
    assert len(pq.read_table(f"{runs[0]}/predictions/mine-copied")) == ROWS * TIMES


def images_of(store, ids):
    table = store.view().read()
    names = dict(zip(table.sample_id.tolist(), store.paths(store.view()), strict=True))
    return [names[int(one)].split("/")[-1] for one in ids]


def said_of(done):
    return any(SAID in getattr(block, "text", "") for block in done.blocks)


def test_a_repair_is_judged_on_each_image_once_and_on_none_that_it_was_fitted_to(workspace, runs):
    done = repair(runs[0], reference="mine/val", target="mine/copied", report=False, workspace=workspace)
    assert said_of(done)
    assert {row.n for row in done.results if row.metric == "regained"} == {ROWS // 2}
    fitted = pq.read_table(f"{done.run}/fitted-on.parquet")["sample_id"].to_pylist()
    images = images_of(stored(workspace, "copied"), fitted)
    assert len(images) == TIMES * len(set(images)) == TIMES * ROWS // 2
    model = next(iter((Path(done.run) / "models").iterdir()))
    assert len(pq.read_table(model / "predictions" / "mine-copied")) == ROWS * TIMES


def test_labels_of_copies_are_labels_of_one_image_which_is_not_judged(workspace, runs, tmp_path):
    store = stored(workspace, "copied")
    ids = store.sample_ids()
    images = images_of(store, ids)
    label = dict(zip(ids.tolist(), store.labels().tolist(), strict=True))
    wanted = sorted(set(images))[:50]
    some = [one for one, name in zip(ids.tolist(), images, strict=True) if name in wanted]
    names = [store.class_names[label[one]] for one in some]
    pd.DataFrame({"sample_id": some, "label": names}).to_csv(tmp_path / "labels.csv", index=False)
    sets = {"reference": "mine/val", "target": "mine/copied", "labels": str(tmp_path / "labels.csv")}
    done = repair(runs[0], **sets, report=False, name="labelled", workspace=workspace)
    assert json.loads((Path(done.run) / "about.json").read_text())["labels"] == len(wanted)
    fitted = pq.read_table(f"{done.run}/fitted-on.parquet")["sample_id"].to_pylist()
    judged = {row.n for row in done.results if row.metric == "regained"}
    assert judged == {ROWS - len(set(images_of(store, fitted)))}
    spent = budget(runs[0], **sets, workspace=workspace)
    assert json.loads((Path(spent.run) / "about.json").read_text())["pilot"] == len(wanted)


def test_a_budget_takes_each_image_once(workspace, runs):
    sets = {"reference": "mine/val", "target": "mine/copied"}
    with pytest.raises(GapscopeError, match=f"has {ROWS} stored labels"):
        budget(runs[0], **sets, label_rows=ROWS + 1, workspace=workspace)


def test_no_image_is_labelled_or_reviewed_twice(workspace, runs):
    store = stored(workspace, "copied")
    done = label_queue(runs[0], target="mine/copied", count=ROWS + 1, workspace=workspace)
    queue = pq.read_table(f"{done.run}/queue.parquet")
    assert sorted(images_of(store, queue["sample_id"].to_pylist())) == sorted(set(images_of(store, store.sample_ids())))
    assert said_of(done)
    queue.slice(0, 20).to_pandas().assign(label="ant").to_csv(workspace / "some.labels.csv", index=False)
    labels = str(workspace / "some.labels.csv")
    rest = label_queue(runs[0], target="mine/copied", labels=labels, name="rest", count=ROWS, workspace=workspace)
    assert len(pq.read_table(f"{rest.run}/queue.parquet")) == ROWS - 20
    review = verify_labels(runs[0], target="mine/copied", count=ROWS * TIMES, workspace=workspace)
    reviewed = pq.read_table(f"{review.run}/queue.parquet")["sample_id"].to_pylist()
    assert len(images_of(store, reviewed)) == len(set(images_of(store, reviewed))) == ROWS
    assert said_of(review)
