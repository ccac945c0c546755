"""`import-predictions`: files in the forms that people have, joined to stored images as pandas joins them."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import top_k_accuracy_score

import gapscope
from gapscope.core.errors import InputError
from gapscope.core.location import Location
from gapscope.predictions import read_predictions
from gapscope.store import Piece
from gapscope.store.workspace import find_store

NAMES, ROWS, DIM = ("cat", "dog", "elk"), 240, 8
SETS = ("photos/val", "night/test")


def images(split, rng):
    """Features, labels and paths of a set, in no order of classes, with file names that occur once."""
    label = rng.integers(0, len(NAMES), ROWS)
    x = (rng.standard_normal((ROWS, DIM)) + 2 * np.eye(len(NAMES), DIM)[label]).astype(np.float32)
    paths = [f"{NAMES[one]}/{split}_{row:04}.png" for row, one in enumerate(label)]
    return x, label, paths


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A workspace of two sets, and by set a table of the answers of a model to its images, in another order."""
    place, rng = tmp_path_factory.mktemp("join"), np.random.default_rng(7)
    workspace, tables = str(place / "workspace"), {}
    for name, wrong in zip(SETS, (0.5, 1.5), strict=True):
        dataset, split = name.split("/")
        x, label, paths = images(split, rng)
        words = [NAMES[one] for one in label]
        gapscope.import_features(x, labels=words, names=paths, dataset=dataset, split=split, workspace=workspace)
        scores = 2 * np.eye(len(NAMES))[label] + wrong * rng.standard_normal((ROWS, len(NAMES)))
        p = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
        table = pd.DataFrame({"path": paths, "label": words, "code": label, "number": np.arange(ROWS)})
        table[[f"prob_{one}" for one in NAMES]] = p
        table["pred"] = [NAMES[one] for one in p.argmax(axis=1)]
        tables[name] = table.sample(frac=1, random_state=3).reset_index(drop=True)
    return place, workspace, tables


def store_of(workspace, name):
    return find_store(Location.of(workspace).absolute(), *name.split("/"))


def expected(workspace, name, table):
    """The answers in store order, by pandas."""
    store = store_of(workspace, name)
    rows = pd.DataFrame({"path": store.paths(Piece(0, store.rows)), "sample_id": store.sample_ids()})
    return rows.merge(table, on="path", how="left", validate="one_to_one")


PROBS = [f"prob_{one}" for one in NAMES]


def full(table):
    return table[["path", "label", *PROBS]]


def written(form, table, place):
    """The table as a file of one form, and the options that it needs."""
    short = table.assign(path=table.path.str.rpartition("/")[2])
    numbers = table.assign(label=table.code, pred=[NAMES.index(one) for one in table.pred])
    ordered = table.sort_values("number")
    file = place / f"{form}.csv"
    match form:
        case "whole paths, probabilities":
            full(table).to_csv(file, index=False)
        case "paths on another machine":
            full(table.assign(path="/data/photos/" + table.path)).to_csv(file, index=False)
        case "addresses":
            full(table.assign(path="https://host/photos/" + table.path + "?v=1")).to_csv(file, index=False)
        case "backslashes":
            full(table.assign(path=r"C:\photos\\" + table.path.str.replace("/", "\\"))).to_csv(file, index=False)
        case "names of files, answers":
            short[["path", "label", "pred"]].rename(columns={"path": "filename"}).to_csv(file, index=False)
        case "stems, tabs":
            file = file.with_suffix(".tsv")
            short.assign(path=short.path.str.removesuffix(".png"))[["path", "pred"]].to_csv(file, sep="\t", index=False)
        case "class numbers":
            numbers[["path", "label", "pred"]].to_csv(file, index=False)
        case "an index of pandas":
            full(table).to_csv(file)
        case "parquet, without labels":
            file = file.with_suffix(".parquet")
            table[["path", *PROBS]].to_parquet(file)
        case "json lines":
            file = file.with_suffix(".jsonl")
            full(table).to_json(file, orient="records", lines=True)
        case "npz, logits and paths":
            file = file.with_suffix(".npz")
            np.savez(file, logits=np.log(table[PROBS].to_numpy()) + 3, path=table.path.to_numpy().astype(str))
        case "npy, with names":
            file = file.with_suffix(".npy")
            np.save(file, table[PROBS].to_numpy())
            (place / "names.txt").write_text("\n".join(table.path))
            return file, {"names": str(place / "names.txt")}
        case "npy in order, with labels":
            file = file.with_suffix(".npy")
            np.save(file, ordered[PROBS].to_numpy())
            (place / "labels.txt").write_text(" ".join(map(str, ordered.code)))
            return file, {"labels": str(place / "labels.txt")}
        case "no names, in order":
            ordered[["label", "pred"]].to_csv(file, index=False)
        case "sample ids":
            table.assign(sample_id=table.number)[["sample_id", "pred"]].to_csv(file, index=False)
        case "confidence":
            table.assign(confidence=table[PROBS].max(axis=1))[["path", "pred", "confidence"]].to_csv(file, index=False)
    return file, {}


FORMS = (
    *("whole paths, probabilities", "paths on another machine", "addresses", "backslashes", "names of files, answers"),
    *("stems, tabs", "class numbers", "an index of pandas", "parquet, without labels", "json lines"),
    *("npz, logits and paths", "npy, with names", "npy in order, with labels", "no names, in order", "sample ids"),
    "confidence",
)


@pytest.mark.parametrize("form", FORMS)
def test_every_form_is_joined_as_pandas_joins_it(form, made):
    place, workspace, tables = made
    table = tables[SETS[0]]
    file, options = written(form, table, place)
    done = gapscope.import_predictions(str(file), dataset=SETS[0], workspace=workspace, **options)
    want, got = expected(workspace, SETS[0], table), read_predictions(done.run)
    assert got.sample_id.tolist() == want.sample_id.tolist()
    assert got.class_names == NAMES
    assert [NAMES[one] for one in got.label] == want.label.tolist()
    assert [NAMES[one] for one in got.predicted] == want.pred.tolist()
    if got.scores is not None:
        np.testing.assert_allclose(np.exp(got.scores), want[PROBS], atol=1e-6)
    if got.confidence is not None:
        np.testing.assert_allclose(got.confidence, want[PROBS].max(axis=1), atol=1e-6)
    assert (got.confidence is None) == (form in ANSWERS_ALONE)
    assert {row.metric: row.value for row in done.results}["accuracy"] == np.mean(want.label == want.pred)


ANSWERS_ALONE = {
    *("names of files, answers", "stems, tabs", "class numbers", "no names, in order", "sample ids"),
}


def join(made, table, name="file.csv", sets=SETS[:1], **options):
    place, workspace, _ = made
    table.to_csv(place / name, index=False)
    return gapscope.import_predictions(str(place / name), dataset=sets, workspace=workspace, **options)


def notes(done):
    return (Location.of(str(done.run)) / "join.json").read_text()


def test_images_without_a_prediction_are_refused_and_counted_and_left_out_where_that_is_asked_for(made):
    table = full(made[2][SETS[0]])
    stranger = table.head(1).assign(path="cat/stranger.png")
    some = pd.concat([table.iloc[10:], stranger])
    with pytest.raises(InputError, match=rf"no prediction for 10 of the {ROWS} images of photos/val, .* --partial"):
        join(made, some)
    done = join(made, some, partial=True)
    got, want = read_predictions(done.run), expected(made[1], SETS[0], some).dropna()
    assert got.sample_id.tolist() == want.sample_id.tolist()
    assert f"matched by their paths, {ROWS - 10} of {ROWS} images" in notes(done)
    assert "1 row, such as cat/stranger.png, are of no image of photos/val" in notes(done)


def test_labels_that_contradict_those_of_the_images_are_refused_and_counted(made):
    table = full(made[2][SETS[0]])
    wrong = table.assign(label=np.where(np.arange(ROWS) < 7, "elk", table.label))
    count = int((wrong.label != table.label).sum())
    with pytest.raises(InputError, match=rf"has other labels than photos/val for {count} of {ROWS} images, such as 'e"):
        join(made, wrong)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda t: t.assign(path="x" + t.path.str.replace("/", "x")), "has no row of an image of photos/val"),
        (lambda t: t.assign(path="train/" + t.path), "names images of the split train, such as train/"),
        (lambda t: t.drop(columns=["path", "label"]).sort_index(), "no labels by which the order"),
        (lambda t: t.drop(columns="path"), "labels are others than those of photos/val, so that its rows"),
        (lambda t: t.drop(columns="path").head(9), "has 9 rows with no name of any image"),
        (lambda t: t.assign(path=t.path.iloc[0]), "rows of an image that it has already"),
        (lambda t: t.rename(columns={"prob_elk": "prob_emu"}).assign(label=""), "classes that the model was not tr"),
    ],
)
def test_what_cannot_be_joined_is_refused(change, said, made):
    with pytest.raises(InputError, match=said):
        join(made, change(full(made[2][SETS[0]])))


def test_names_that_several_images_share_are_refused(made, tmp_path):
    x = np.random.default_rng(0).standard_normal((4, DIM)).astype(np.float32)
    names, workspace = ["a/1.png", "b/1.png", "a/2.png", "b/3.png"], str(tmp_path / "workspace")
    gapscope.import_features(x, names=names, dataset="shared", split="test", workspace=workspace)
    table = pd.DataFrame({"path": ["1.png", "2.png", "3.png"], "pred": [0, 1, 1]})
    with pytest.raises(InputError, match=r"2 images of shared/test, such as ./1\.png, cannot be told by the names of"):
        join((tmp_path, workspace, {}), table, sets=("shared/test",))


def test_words_for_classes_that_are_stored_as_numbers_need_an_order(tmp_path):
    x, label = np.random.default_rng(0).standard_normal((24, DIM)).astype(np.float32), np.arange(24) % 12
    names, workspace = [f"{row:02}.png" for row in range(24)], str(tmp_path / "workspace")
    gapscope.import_features(x, labels=label, names=names, dataset="twelve", split="test", workspace=workspace)
    table = pd.DataFrame({"path": names, "pred": [f"class_{one}" for one in label]})  # class_10 sorts before class_2
    made = tmp_path, workspace, {}
    with pytest.raises(InputError, match=r"has words for its classes, such as 'class_0', and twelve/test has numbers"):
        join(made, table, sets=("twelve/test",))
    with pytest.raises(InputError, match="has other labels than twelve/test for 20 of 24 images"):
        join(made, table.assign(label=table.pred), sets=("twelve/test",))
    numbers = pd.DataFrame({"path": names, "label": label + 1, "pred": label + 1})
    with pytest.raises(InputError, match=r"for 24 of 24 images, .* as of classes counted from 1: count them from 0"):
        join(made, numbers, sets=("twelve/test",), name="numbers.csv")
    (tmp_path / "classes.txt").write_text("\n".join(f"class_{one}" for one in range(12)))
    done = join(made, table, sets=("twelve/test",), classes=tmp_path / "classes.txt")
    assert {row.metric: row.value for row in done.results}["accuracy"] == 1
    (tmp_path / "from-1.txt").write_text("\n".join(f"{one + 1} class_{one}" for one in range(12)))
    done = join(made, table, sets=("twelve/test",), classes=tmp_path / "from-1.txt")
    assert {row.metric: row.value for row in done.results}["accuracy"] == 1
    bare = pd.DataFrame({"path": names, "pred": label + 1})
    with pytest.raises(
        InputError, match=r"from-1\.txt numbers its classes 1 to 12, and the answers of .* count from 0"
    ):
        join(made, bare, sets=("twelve/test",), classes=tmp_path / "from-1.txt", name="bare.csv")


def test_one_file_for_two_sets_and_a_file_for_each_make_the_same_run(made):
    place, workspace, tables = made
    whole = pd.concat([full(tables[one]).assign(path=f"{one}/" + tables[one].path) for one in SETS])
    both = join(made, whole, sets=SETS, name="both.csv")
    for at, one in enumerate(SETS):
        full(tables[one]).to_csv(place / f"side-{at}.csv", index=False)
    files = [str(place / f"side-{at}.csv") for at in (0, 1)]
    each = gapscope.import_predictions(files, dataset=SETS, workspace=workspace)
    for name in SETS:
        dataset, split = name.split("/")
        one, other = (read_predictions(run.run, dataset=dataset, split=split) for run in (both, each))
        want = expected(workspace, name, tables[name])
        assert one.sample_id.tolist() == other.sample_id.tolist() == want.sample_id.tolist()
        np.testing.assert_allclose(np.exp(one.scores), want[PROBS], atol=1e-6)
        np.testing.assert_array_equal(one.scores, other.scores)


def test_predictions_in_several_parts_are_read_as_one_table(made, monkeypatch):
    monkeypatch.setattr("gapscope.evaluation.recorded.PART_NUMBERS", 300)
    table = full(made[2][SETS[0]])
    done = join(made, table, name="parts.csv")
    assert len(list((Path(done.run) / "predictions" / "photos-val").iterdir())) == 3
    got, want = read_predictions(done.run), expected(made[1], SETS[0], table)
    np.testing.assert_allclose(np.exp(got.scores), want[PROBS], atol=1e-6)


def test_a_table_of_several_models_makes_a_model_of_each(made):
    table = made[2][SETS[0]]
    done = join(made, table[["path", "label"]].assign(good=table.pred, bad="cat"), name="wide.csv")
    got = {row.model: row.value for row in done.results if row.metric == "accuracy"}
    assert got == {"good": np.mean(table.label == table.pred), "bad": np.mean(table.label == "cat")}
    with pytest.raises(InputError, match="no model in these files named 'god'; did you mean 'good'"):
        join(made, table[["path", "label"]].assign(good=table.pred, bad="cat"), name="wide.csv", model=("god",))


def test_labels_in_the_order_of_classes_do_not_prove_the_order_of_images(tmp_path):
    x = np.random.default_rng(0).standard_normal((40, DIM)).astype(np.float32)
    label, workspace = np.repeat([0, 1], 20), str(tmp_path / "workspace")
    gapscope.import_features(x, labels=label, dataset="sorted", split="test", workspace=workspace)
    done = join((tmp_path, workspace, {}), pd.DataFrame({"label": label, "pred": label}), sets=("sorted/test",))
    assert "cannot say whether the order within a class is the same" in notes(done)


def test_the_accuracy_among_five_is_that_of_scores_and_of_single_answers_unknown(tmp_path, rng):
    label, scores = rng.integers(0, 12, 300), rng.standard_normal((300, 12))
    p = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    names, words = [f"{one}.png" for one in range(300)], [f"class-{one:02}" for one in range(12)]
    workspace = str(tmp_path / "workspace")
    given = {"labels": [words[one] for one in label], "names": names, "workspace": workspace}
    gapscope.import_features(rng.standard_normal((300, 4)), dataset="twelve", split="test", **given)
    tables = {
        "scores": pd.DataFrame(p, columns=[f"prob_{one}" for one in words]),
        "answers": pd.DataFrame({"pred": np.array(words)[p.argmax(1)]}),
    }
    found = {}
    for name, table in tables.items():
        table.assign(path=names).to_csv(tmp_path / f"{name}.csv", index=False)
        done = gapscope.import_predictions(str(tmp_path / f"{name}.csv"), dataset="twelve/test", workspace=workspace)
        found[name] = {row.metric: row.value for row in done.results if row.class_name is None}
    assert found["scores"]["top5_accuracy"] == pytest.approx(top_k_accuracy_score(label, p, k=5))
    assert found["answers"]["accuracy"] == pytest.approx(found["scores"]["accuracy"])
    assert "top5_accuracy" not in found["answers"]
