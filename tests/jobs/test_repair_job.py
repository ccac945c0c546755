"""`repair`: a repaired model in a run folder that every other command takes, its price, and refusals."""

import json
import shlex
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from conftest import write_store
from pages import tables_of, texts_of
from safetensors.numpy import load_file
from toy_workspace import CLASSES, Blobs, write_sets

import gapscope
from gapscope.core.errors import InputError
from gapscope.core.location import Location
from gapscope.jobs import command_line as cli
from gapscope.predictions import read_predictions
from gapscope.repairs.budget import half_widths
from gapscope.repairs.labels import read_label_file
from gapscope.repairs.words import words as in_words
from gapscope.store.workspace import find_store


@pytest.fixture(scope="module")
def blobs():
    return Blobs(np.random.default_rng(5))


@pytest.fixture(scope="module")
def workspace(tmp_path_factory, blobs):
    """The toy sets; a dark one, also without labels, and small; and one of other class shares."""
    place = write_sets(tmp_path_factory.mktemp("repair"), blobs)
    towards = blobs.centres[:3].mean(axis=0).astype(np.float32)
    x, y = blobs(1200)
    dark = np.float32(0.3) * x + np.float32(0.5) * towards
    rare, theirs = blobs(3000)
    few = np.concatenate([np.flatnonzero(theirs == c)[: 20 if c else 500] for c in range(CLASSES)])
    few = np.random.default_rng(0).permutation(few)
    sets = {
        "dark": (dark, y),
        "unlabelled": (dark, np.full(1200, -1)),
        "tiny-dark": (dark[:4], y[:4]),
        "mixed": (rare[few], theirs[few]),
        "same": blobs(1000),
    }
    for name, (rows, labels) in sets.items():
        write_store(place / "embeddings/toy" / name / "test", rows, labels, part_rows=512, dataset=name, split="test")
    return place


@pytest.fixture(scope="module")
def model(workspace):
    return gapscope.fit_incremental("toy", model=("lda",), workspace=str(workspace), report=False).run


def repair(workspace, model, target, **options):
    return gapscope.repair(model, target=f"{target}/test", workspace=str(workspace), report=False, **options)


def table(result):
    return {row["name"]: row for row in pq.read_table(Path(result.run) / "repairs.parquet").to_pylist()}


def chosen(result):
    return next(row for row in table(result).values() if row["chosen"])


@pytest.fixture(scope="module")
def dark(workspace, model):
    return repair(workspace, model, "dark")


def test_a_shift_of_the_features_is_repaired_and_its_price_is_said(dark):
    row = chosen(dark)
    assert row["name"] in ("scale", "coral", "mean")
    assert row["target_value"] > 0.2
    assert row["target_low"] < row["target_value"] < row["target_high"]
    assert row["target_n"] == 600
    assert row["reference_value"] < 0
    answer = dark.blocks[0]
    assert "repair of lda for dark/test" in answer.headline
    assert "predict repair-" in dict(answer.parts)["What to do"]


@pytest.mark.filterwarnings("ignore")
def test_workers_of_a_cluster_make_the_same_repairs(workspace, model, dark, cluster):
    there = table(repair(workspace, model, "dark", scheduler=cluster, name="there"))
    for name, row in table(dark).items():
        for column in ("target_value", "target_low", "reference_value", "mix", "shared", "chosen"):
            if row[column] is not None:
                assert there[name][column] == pytest.approx(row[column], rel=1e-6, abs=1e-9), (name, column)


def test_the_saved_model_needs_ten_lines_of_numpy(workspace, dark):
    folder = Path(dark.run) / "models" / chosen(dark)["name"]
    model, about = load_file(folder / "model.safetensors"), json.loads((folder / "model.json").read_text())
    rows = find_store(Location.of(str(workspace)), "dark", "test").view().read()
    assert not about["normalised"]
    scores = (rows.x @ model["weight"].T + model["bias"]) / about["temperature"]
    predicted = read_predictions(str(folder / "predictions" / "dark-test"))
    np.testing.assert_array_equal(scores.argmax(axis=1), predicted.top[:, 0])
    judged = (scores.argmax(axis=1) == rows.y)[600:]
    assert judged.mean() == pytest.approx(chosen(dark)["target_after"])


def test_other_commands_take_the_repaired_model_like_any_other(workspace, dark):
    name = Path(dark.run).name
    same = gapscope.predict(name, dataset="dark", split="test", workspace=str(workspace))
    title = f"lda repaired to {in_words(chosen(dark)['name'])}"
    assert next(one.value for one in same.results if one.metric == "accuracy") > 0.6
    assert "was fitted to 600 of the 1,200 rows of dark/test" in " ".join(texts_of(same))
    evaluated = gapscope.evaluate(name, workspace=str(workspace))
    assert f"{title} was fitted to 600 of the 1,200 rows" in " ".join(texts_of(evaluated))
    assert {one.model for result in (same, evaluated) for one in result.results} == {title}
    options = {"skip": ("domain", "features", "reasons", "remedies"), "report": False}
    asked = {"reference": "toy/val", "target": "dark/test", "workspace": str(workspace)} | options
    gap = gapscope.gap(name, **asked)
    assert gap.results
    assert "was fitted to 600 of the 1,200 rows" in " ".join(texts_of(gap))
    advised = shlex.split(dict(dark.blocks[0].parts)["What to do"].rpartition("`gap")[2].split("`")[0])
    left = gapscope.gap(name, exclude=advised[advised.index("--exclude") + 1], **asked)
    assert "was fitted to" not in " ".join(texts_of(left))
    assert next(one.n for one in left.results if one.metric == "gap") == 600
    with pytest.raises(InputError, match="was trained on"):
        gapscope.gap(name, reference="toy/train", target="dark/test", workspace=str(workspace))
    assert Path(gapscope.report([name], workspace=str(workspace)).run or dark.run).exists()


def test_predictions_of_a_run_know_the_model_and_the_classes_of_the_run_that_was_named(workspace, model):
    """They were called by the run, and classes by their numbers, wherever the workspace was not the current folder."""
    name = Path(model).name
    known = gapscope.predict(name, dataset="dark", split="test", workspace=str(workspace), name="known")
    read = read_predictions(str(known.run))
    assert read.model == "lda"
    assert read.class_names == tuple(find_store(Location.of(str(workspace)), "dark", "test").class_names)


def test_a_model_is_named_once_where_the_other_run_has_one_alone(workspace, model, dark):
    asked = {"model": ("lda",), "workspace": str(workspace)}
    passed = gapscope.gate([model, dark.run], reference="toy/val", **asked)
    title = f"lda repaired to {in_words(chosen(dark)['name'])}"
    assert json.loads((Path(passed.run) / "about.json").read_text())["new"].startswith(title)
    accuracies, *_ = tables_of(gapscope.compare([model, dark.run], dataset="toy/val", **asked))
    assert {row[0] for row in accuracies.rows} == {"lda", title}
    with pytest.raises(InputError, match=r"no model in .* named 'lsa'; did you mean 'lda'"):
        gapscope.gate([model, dark.run], reference="toy/val", **asked | {"model": ("lsa",)})


def test_rows_that_were_fitted_to_are_not_those_that_were_judged(workspace, dark):
    fitted = pq.read_table(Path(dark.run) / "fitted-on.parquet")
    rows = find_store(Location.of(str(workspace)), "dark", "test").sample_ids()
    assert set(fitted["sample_id"].to_pylist()) == set(rows[:600].tolist())


def test_without_a_shift_and_with_another_class_mix_nothing_is_done_that_costs(workspace, model):
    assert chosen(repair(workspace, model, "same"))["name"] == "nothing"
    mixed = repair(workspace, model, "mixed")
    assert chosen(mixed)["name"] in ("nothing", "shares")
    assert chosen(mixed)["target_value"] > -0.01


def test_labels_are_used_and_what_the_choice_gains_is_counted_on_others(workspace, model):
    result = repair(workspace, model, "dark", label_rows=60)
    row = chosen(result)
    assert row["target_value"] > 0.2
    assert {one.split("+")[-1] for one in table(result)} >= {"logistic", "ridge", "interpolation"}
    assert row["target_n"] == 600


def label_file(workspace, place, count, change=lambda label: label):
    rows = find_store(Location.of(str(workspace)), "dark", "test").view().read()
    lines = [f"{one},{change(int(y))}" for one, y in zip(rows.sample_id[:count], rows.y, strict=False)]
    place.write_text("\n".join(["sample_id,label", *lines, ""]))
    return str(place)


def test_labels_of_a_file_judge_a_set_that_has_none(workspace, model, tmp_path):
    file = label_file(workspace, tmp_path / "labels.csv", 100)
    result = repair(workspace, model, "unlabelled", labels=file)
    row = chosen(result)
    assert row["target_value"] > 0.2
    assert row["target_n"] == 100
    assert "fifth" in dict(result.blocks[0].parts)["How sure"]


def test_without_any_label_the_gain_is_unknown(workspace, model):
    result = repair(workspace, model, "unlabelled")
    assert chosen(result)["name"] != "nothing"
    assert chosen(result)["target_value"] is None
    assert "Unknown" in dict(result.blocks[0].parts)["What it wins back"]


@pytest.mark.parametrize(
    ("count", "change", "reason"), [(1, int, "1 label cannot"), (30, lambda y: 2, "all labels are of")]
)
def test_labels_that_cannot_choose_are_said_and_not_used(workspace, model, tmp_path, count, change, reason):
    file = label_file(workspace, tmp_path / "labels.csv", count, change)
    result = repair(workspace, model, "dark", labels=file, name=f"few-{count}")
    assert any(reason in text for text in result.sentences)


def test_a_target_of_fewer_rows_than_features_does_no_harm(workspace, model):
    assert chosen(repair(workspace, model, "tiny-dark"))["name"] == "nothing"


def test_a_file_of_labels_that_is_not_there_is_said_to_be_none(workspace, model):
    with pytest.raises(InputError, match=r"no file of labels at queue.csv; .*`label-queue`"):
        repair(workspace, model, "dark", labels="queue.csv")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("sample_id,label\n1,zebra\n", "no class in .* named 'zebra'"),
        ("sample_id,label\n1,\n2,\n", "has no row with a label"),
        ("image,label\n1,0\n", "lacks the column sample_id"),
        ("sample_id,label\n1,0\n1,1\n", "several labels of the image"),
        ("sample_id,label\nx,0\n", "sample_id must be whole numbers"),
    ],
)
def test_a_file_of_labels_that_says_something_else_is_refused(tmp_path, text, message):
    place = tmp_path / "labels.csv"
    place.write_text(text)
    with pytest.raises(InputError, match=message):
        read_label_file(str(place), ("0", "1"))


def test_mistakes_are_one_sentence(workspace, model, tmp_path, capsys):
    place = tmp_path / "labels.csv"
    place.write_text("sample_id,label\n987654321,0\n")
    common = ["--target", "dark/test", "--workspace", str(workspace)]
    for words, said in (
        (["--labels", str(place)], "are not in dark/test"),
        (["--labels", str(place), "--label-rows", "3"], "not both"),
        (["--label-rows", "5000"], "asks for 5,000"),
        (["--reference", "toy/train"], "was trained on toy/train"),
        (["--reference", "dark/test"], "is named by --reference and by --target"),
    ):
        assert cli.execute(["repair", Path(model).name, *common, *words]) == 2
        assert said in capsys.readouterr().err


def test_labels_that_are_not_there_are_refused_before_anything_is_fitted(workspace, model, tmp_path, monkeypatch):
    place = tmp_path / "labels.csv"
    place.write_text("sample_id,label\n987654321,0\n")
    monkeypatch.setattr("gapscope.repairs.run.known_of", lambda *_: pytest.fail("a repair was fitted first"))
    for options, said in (({"label_rows": 5000}, "asks for 5,000"), ({"labels": str(place)}, "are not in dark/test")):
        with pytest.raises(InputError, match=said):
            repair(workspace, model, "dark", **options)


def test_a_model_that_is_not_linear_is_refused(workspace):
    forest = gapscope.fit_incremental("toy", model=("knn",), workspace=str(workspace), report=False).run
    with pytest.raises(InputError, match="no linear model"):
        repair(workspace, forest, "dark")


def test_a_gate_ends_with_one_where_the_new_model_is_worse_and_with_zero_where_it_is_not(workspace, model, dark):
    sets = ["--target", "dark/test", "--workspace", str(workspace)]
    old = Path(gapscope.predict(Path(model).name, dataset="dark", split="test", workspace=str(workspace)).run).name
    new = Path(dark.run).name
    assert cli.execute(["gate", new, new, *sets]) == 0
    assert cli.execute(["gate", new, old, *sets]) == 1
    assert cli.execute(["gate", new, "--target", "dark/test", "--workspace", str(workspace)]) == 2
    pages = list((workspace / "runs").glob("gate-*/gate.md"))
    assert any("is worse than" in page.read_text() for page in pages)


def test_a_queue_is_filled_in_and_comes_back_as_labels(workspace, model, tmp_path):
    rows = find_store(Location.of(str(workspace)), "dark", "test").view().read()
    truth = dict(zip(rows.sample_id.tolist(), rows.y.tolist(), strict=True))
    queues = {}
    for by in ("fair", "doubt"):
        made = gapscope.label_queue(model, target="dark/test", count=40, by=by, workspace=str(workspace), name=by)
        queues[by] = pd.read_csv(Path(made.run) / "queue.csv")
        wanted = f"--reference toy/val --target dark/test --labels {made.run}/queue.csv"
        assert f"gapscope repair {model} {wanted}" in dict(made.blocks[0].parts)["What to do"]
        assert len(set(queues[by]["sample_id"])) == 40
    assert queues["doubt"]["confidence"].mean() < queues["fair"]["confidence"].mean()
    names = json.loads((Path(model) / "model.json").read_text())["class_names"]
    fair = queues["fair"].assign(label=[names[truth[one]] for one in queues["fair"]["sample_id"]])
    fair.to_csv(tmp_path / "labels.csv", index=False)
    assert (
        chosen(repair(workspace, model, "dark", labels=str(tmp_path / "labels.csv"), name="queue"))["target_value"]
        > 0.2
    )
    more = gapscope.label_queue(
        model, target="dark/test", count=1200, labels=str(tmp_path / "labels.csv"), workspace=str(workspace)
    )
    left = pq.read_table(Path(more.run) / "queue.parquet")
    assert len(left) == 1160
    assert not set(left["sample_id"].to_pylist()) & set(fair["sample_id"])
    again = gapscope.label_queue("repair-queue", target="dark/test", count=5, workspace=str(workspace))
    assert "--reference toy/val --target dark/test" in dict(again.blocks[0].parts)["What to do"]
    tasks = json.loads((Path(more.run) / "label-studio.json").read_text())
    answered = [task | {"annotations": [{"result": task["predictions"][0]["result"]}]} for task in tasks[:5]]
    (tmp_path / "export.json").write_text(json.dumps(answered))
    assert len(read_label_file(str(tmp_path / "export.json"), tuple(names)).label) == 5


def test_a_budget_says_what_labels_buy(workspace, model):
    options = {"reference": "toy/val", "workspace": str(workspace)}
    result = gapscope.budget(model, target="dark/test", label_rows=400, **options)
    (shown,) = tables_of(result)
    assert f"{shown.rows[3][1]} points each way" in dict(result.blocks[0].parts)["To measure"]
    assert "points on the 400 rows of the pilot" in dict(result.blocks[0].parts)["To regain"]
    rows = pq.read_table(Path(result.run) / "budget.parquet").to_pylist()
    assert rows[0]["gain"] > 0.2
    ten, hundred, thousand = (next(row for row in rows if row["labels"] == one) for one in (10, 100, 1000))
    assert hundred["plain"] == pytest.approx(ten["plain"] / np.sqrt(10))
    assert hundred["stratified"] <= hundred["plain"]
    assert hundred["gain"] > 0.2
    assert thousand["draws"] == 0
    with pytest.raises(InputError, match="a budget needs labels of one kind"):
        gapscope.budget(model, target="dark/test", **options)
    with pytest.raises(InputError, match="was trained on"):
        gapscope.budget(model, target="dark/test", label_rows=400, **options | {"reference": "toy/train"})
    with pytest.raises(InputError, match="is named by --reference and by --target"):
        gapscope.budget(model, target="toy/val", label_rows=400, **options)


def test_a_pilot_that_says_nothing_is_refused_and_one_without_an_error_is_no_certainty(workspace, model):
    options = {"reference": "toy/val", "target": "dark/test", "workspace": str(workspace)}
    with pytest.raises(InputError, match="a pilot of 3 labels says nothing"):
        gapscope.budget(model, label_rows=3, **options)
    plain, stratified = half_widths(np.ones(40, bool), np.linspace(0, 1, 40), 100)
    assert plain > 0.02
    assert stratified > 0.02


def test_the_same_class_mix_is_taken_at_its_word_unless_labels_deny_it(workspace, model):
    known = repair(workspace, model, "dark", same_mix=True, name="known")
    assert chosen(known)["target_value"] > 0.2
    with pytest.raises(InputError, match="have other class shares"):
        repair(workspace, model, "mixed", same_mix=True)


def test_the_half_width_of_a_measurement_holds_what_draws_give(rng):
    confidence = rng.random(20_000)
    correct = rng.random(20_000) < confidence
    plain, stratified = half_widths(correct[:2000], confidence[:2000], 100)
    means = np.array([correct[rng.integers(0, 20_000, 100)].mean() for _ in range(400)])
    assert 0.9 <= (np.abs(means - correct.mean()) <= plain).mean() <= 0.99
    assert stratified < 0.9 * plain


def test_of_a_large_target_so_many_rows_are_fitted_to_and_others_judge(workspace, model, monkeypatch):
    monkeypatch.setattr("gapscope.repairs.run.FITTED_ROWS", 200)
    monkeypatch.setattr("gapscope.repairs.run.JUDGED_ROWS", 300)
    result = repair(workspace, model, "dark", name="large")
    assert pq.read_table(Path(result.run) / "fitted-on.parquet").num_rows == 200
    assert chosen(result)["target_n"] == 300
