"""Files that other programs write are read as they come; what may mean two things is refused with its row."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binomtest

from gapscope.blocks import Sentence
from gapscope.core.errors import GapscopeError, InputError
from gapscope.core.location import Location
from gapscope.evaluation.models import model_folder
from gapscope.jobs.compare import CompareConfig
from gapscope.jobs.compare import run as compare
from gapscope.jobs.evaluate import EvaluateConfig
from gapscope.jobs.evaluate import run as evaluate
from gapscope.jobs.gap import GapConfig
from gapscope.jobs.gap import run as gap
from gapscope.jobs.gate import GateConfig
from gapscope.jobs.gate import run as gate
from gapscope.predictions import models_in, read_predictions
from gapscope.predictions.matched import check_same_task, with_classes_of_both
from gapscope.probes.model import load_model

ROWS, CLASSES = 1000, 10
NAMES = [f"class{i}" for i in range(CLASSES)]


@pytest.fixture
def frame(rng):
    """A thousand images of ten classes, sorted by class, about 80 % of them classified correctly."""
    label = np.sort(rng.integers(0, CLASSES, ROWS))
    answer = np.where(rng.random(ROWS) < 0.8, label, (label + rng.integers(1, CLASSES, ROWS)) % CLASSES)
    image = [f"img_{i:05d}.jpg" for i in rng.permutation(ROWS)]
    return pd.DataFrame({"image": image, "label": label, "pred": answer})


def accuracy(frame):
    return float((frame["label"] == frame["pred"]).mean())


def words(column):
    return [NAMES[i] for i in column]


FORMS = {
    "prediction": lambda f: f.rename(columns={"pred": "prediction"}),
    "y_pred and y_true": lambda f: f.rename(columns={"pred": "y_pred", "label": "y_true"}),
    "headings in capitals": lambda f: f.rename(columns={"image": "File Name", "pred": "Predicted", "label": "Label"}),
    "class names": lambda f: f.assign(label=words(f["label"]), pred=words(f["pred"])),
    "a wide table of class names": lambda f: pd.DataFrame(
        {"image": f["image"], "label": words(f["label"]), "m1": words(f["pred"])}
    ),
    "whole numbers as floats": lambda f: f.assign(pred=f["pred"].astype(float), label=f["label"].astype(float)),
    "texts of several classes": lambda f: f.drop(columns="pred").assign(top=[f"{a} {(a + 1) % 10}" for a in f["pred"]]),
    "lists as texts": lambda f: f.drop(columns="pred").assign(top=[f"[{a}, {(a + 1) % 10}]" for a in f["pred"]]),
    "an index of pandas": lambda f: f.reset_index(),
    "a nameless index": lambda f: f.reset_index().rename(columns={"index": ""}),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("ending", ["csv", "tsv", "parquet"])
def test_what_people_have_is_read(form, ending, frame, tmp_path):
    place, table = tmp_path / f"x.{ending}", FORMS[form](frame)
    if ending == "parquet":
        table.to_parquet(place)
    else:
        table.to_csv(place, index=False, sep="," if ending == "csv" else "\t")
    found = read_predictions(str(place))
    assert found.accuracy() == pytest.approx(accuracy(frame))
    assert len(found.class_names) == CLASSES
    assert len(np.unique(found.sample_id)) == ROWS


def test_semicolons_and_numpys_archives_are_read(frame, tmp_path):
    frame.to_csv(tmp_path / "x.csv", index=False, sep=";")
    columns = {"filename": frame["image"].to_numpy().astype("U"), "y_true": frame["label"], "y_pred": frame["pred"]}
    np.savez(tmp_path / "x.npz", class_names=np.array(NAMES), **columns)
    for place in ("x.csv", "x.npz"):
        assert read_predictions(str(tmp_path / place)).accuracy() == pytest.approx(accuracy(frame))
    assert read_predictions(str(tmp_path / "x.npz")).class_names == tuple(NAMES)
    np.savez(tmp_path / "scores.npz", logits=np.eye(CLASSES)[frame["pred"]], labels=frame["label"])
    assert read_predictions(str(tmp_path / "scores.npz")).scores.shape == (ROWS, CLASSES)


@pytest.mark.parametrize("name", ["x.npy", "alone.npz", "named.npz"])
def test_arrays_without_labels_take_them_from_a_file_also_by_name(name, frame, tmp_path):
    place, labels = tmp_path / name, tmp_path / "labels.txt"
    save = {"x.npy": np.save, "alone.npz": np.savez, "named.npz": lambda to, a: np.savez(to, predictions=a, width=a)}
    save[name](place, np.array(words(frame["pred"])))
    labels.write_text("\n".join(words(frame["label"])))
    run = evaluate(EvaluateConfig(predictions=str(place), labels=str(labels), workspace=str(tmp_path), replicates=2))
    assert next(one.value for one in run.results if one.metric == "accuracy") == pytest.approx(accuracy(frame))


def test_an_index_that_equals_the_labels_is_no_model(tmp_path, rng):
    rows = np.arange(300)
    answers = np.where(rng.random(300) < 0.8, rows, (rows + 1) % 300)
    pd.DataFrame({"image": rows.astype(str), "label": rows, "pred": answers}).to_csv(tmp_path / "x.csv")
    assert read_predictions(str(tmp_path / "x.csv")).accuracy() == pytest.approx((answers == rows).mean())
    pd.DataFrame({"image": rows.astype(str), "label": rows, "net": answers}).to_csv(tmp_path / "wide.csv")
    assert models_in(str(tmp_path / "wide.csv")) == ["net"]


def test_columns_beside_models_are_not_counted_as_models(frame, tmp_path, rng):
    wide = frame.rename(columns={"pred": "net"}).assign(vgg=frame["label"], poor=(frame["label"] + 1) % CLASSES)
    other = {"fold": np.arange(ROWS) % 5, "width": 32, "height": rng.integers(30, 40, ROWS), "area": 7}
    wide.assign(**other, annotator=rng.integers(0, CLASSES, ROWS), counter=np.arange(ROWS)).to_csv(tmp_path / "x.csv")
    assert models_in(str(tmp_path / "x.csv")) == ["net", "vgg", "poor"]
    run = compare(CompareConfig(predictions=(str(tmp_path / "x.csv"),), workspace=str(tmp_path), replicates=2))
    assert sum(one.metric == "accuracy" for one in run.results) == 3
    said = " ".join(block.text for block in run.blocks if isinstance(block, Sentence))
    assert "annotator: it agrees with the labels as often as chance does" in said
    assert read_predictions(str(tmp_path / "x.csv"), model="annotator").n == ROWS


def test_a_single_model_that_guesses_is_still_a_model(frame, tmp_path, rng):
    guesses = frame.drop(columns="pred").assign(guess=rng.integers(0, CLASSES, ROWS), width=32)
    guesses.to_csv(tmp_path / "x.csv", index=False)
    assert models_in(str(tmp_path / "x.csv")) == ["guess"]


@pytest.mark.parametrize(("shift", "side"), [(1, "pred"), (1, "label")])
@pytest.mark.parametrize("command", ["evaluate", "gap", "npy"])
def test_classes_counted_from_one_on_one_side_are_named_with_the_accuracy(shift, side, command, frame, tmp_path):
    place = tmp_path / "x.csv"
    frame.assign(**{side: frame[side] + shift}).to_csv(place, index=False)
    said = f"{side if side == 'label' or command != 'npy' else 'predictions'} counts classes from 1"
    shifted = pd.read_csv(place)
    np.save(tmp_path / "x.npy", shifted["pred"])
    np.save(tmp_path / "labels.npy", shifted["label"])
    both = {"predictions_reference": str(place), "predictions_target": str(place)}
    commands = {
        "evaluate": lambda: evaluate(EvaluateConfig(predictions=str(place), workspace=str(tmp_path))),
        "gap": lambda: gap(GapConfig(**both, workspace=str(tmp_path))),
        "npy": lambda: read_predictions(str(tmp_path / "x.npy"), labels=str(tmp_path / "labels.npy")),
    }
    with pytest.raises(InputError, match=rf"{said}.*shifted by one: {100 * accuracy(frame):.1f} %"):
        commands[command]()


def test_classes_counted_from_one_on_both_sides_are_fine(frame, tmp_path):
    frame.assign(pred=frame["pred"] + 1, label=frame["label"] + 1).to_csv(tmp_path / "x.csv", index=False)
    assert read_predictions(str(tmp_path / "x.csv")).accuracy() == pytest.approx(accuracy(frame))


def test_a_wrong_model_is_not_taken_for_one_that_counts_from_one(frame, tmp_path, rng):
    frame.assign(pred=rng.integers(1, CLASSES, ROWS)).to_csv(tmp_path / "x.csv", index=False)
    assert read_predictions(str(tmp_path / "x.csv")).accuracy() < 0.2


@pytest.mark.parametrize(("classes", "metric"), [(1, ""), (2, "top2_accuracy"), (5, "top5_accuracy")])
def test_the_best_classes_are_counted_as_far_as_they_are_known(classes, metric, frame, tmp_path):
    tops = [[(a + i) % CLASSES for i in range(classes)] for a in frame["pred"]]
    frame.drop(columns="pred").assign(top=tops).to_parquet(tmp_path / "x.parquet")
    config = EvaluateConfig(predictions=str(tmp_path / "x.parquet"), workspace=str(tmp_path), replicates=2)
    found = {one.metric: one.value for one in evaluate(config).results if one.metric.startswith("top")}
    wanted = np.mean([label in top for label, top in zip(frame["label"], tops, strict=True)])
    assert found == ({metric: pytest.approx(wanted)} if metric else {})


def test_a_word_among_answers_that_are_numbers_is_refused_with_its_row(frame, tmp_path):
    frame["pred"] = frame["pred"].astype(str)
    frame.loc[5, "pred"] = "cat"
    frame.to_csv(tmp_path / "x.csv", index=False)
    with pytest.raises(InputError, match="pred is 'cat' in row 5, and a number in others, as the labels are"):
        read_predictions(str(tmp_path / "x.csv"))


@pytest.mark.parametrize("value", [999, 12])
def test_a_stray_answer_is_refused_with_its_row_and_value(value, frame, tmp_path):
    frame.loc[5, "pred"] = value
    frame.to_csv(tmp_path / "x.csv", index=False)
    with pytest.raises(InputError, match=f"pred is {value} in row 5"):
        read_predictions(str(tmp_path / "x.csv"))
    (tmp_path / "classes.json").write_text(json.dumps([str(i) for i in range(1000)]))
    assert len(read_predictions(str(tmp_path / "x.csv")).class_names) == 1000


def test_a_single_class_without_labels_is_said(frame, tmp_path):
    frame.loc[5, "pred"] = CLASSES
    frame.to_csv(tmp_path / "x.csv", index=False)
    run = evaluate(EvaluateConfig(predictions=str(tmp_path / "x.csv"), workspace=str(tmp_path), replicates=2))
    assert any("'10' is predicted 1 times, first in row 5" in one.text for one in run.blocks if hasattr(one, "text"))


def test_answers_of_many_classes_on_a_set_of_few_are_read(frame, tmp_path, rng):
    other = rng.random(ROWS) < 0.1
    frame.assign(pred=np.where(other, rng.integers(10, 1000, ROWS), frame["pred"])).to_csv(
        tmp_path / "x.csv", index=False
    )
    assert len(read_predictions(str(tmp_path / "x.csv")).class_names) > 900


WRONG = {
    "pred is missing in row 3": lambda f: f.assign(pred=f["pred"].where(f.index != 3)),
    "pred is 0.5 in row 0, which is no class": lambda f: f.assign(pred=0.5),
    "pred is inf in row 2": lambda f: f.assign(pred=f["pred"].astype(float).where(f.index != 2, np.inf)),
    "has no row, only the header image, label, pred": lambda f: f[:0],
    "has prediction and y_pred, and each may be the prediction": lambda f: f.drop(columns="pred").assign(
        prediction=f["pred"], y_pred=f["pred"]
    ),
    "has y_true and target, and each may be the true class": lambda f: f.rename(columns={"label": "y_true"}).assign(
        target=1
    ),
    "confidence is missing in row 4": lambda f: f.assign(confidence=np.where(f.index == 4, np.nan, 0.5)),
    "score of nan for class 1 in row 6": lambda f: f.drop(columns="pred").assign(
        p_0=0.5, p_1=np.where(f.index == 6, np.nan, 0.5)
    ),
    "no score but -inf in row 7": lambda f: f.drop(columns="pred").assign(
        logit_0=np.where(f.index == 7, -np.inf, 0.5), logit_1=np.where(f.index == 7, -np.inf, 0.5)
    ),
}


@pytest.mark.parametrize("message", WRONG)
def test_what_is_wrong_is_refused_with_its_row(message, frame, tmp_path):
    WRONG[message](frame).to_csv(tmp_path / "x.csv", index=False)
    with pytest.raises(InputError, match=message):
        read_predictions(str(tmp_path / "x.csv"))


def test_a_row_without_any_finite_score_is_refused(frame, tmp_path):
    scores = np.eye(CLASSES)[frame["pred"]]
    scores[7] = -np.inf
    np.save(tmp_path / "x.npy", scores)
    np.save(tmp_path / "labels.npy", frame["label"])
    with pytest.raises(InputError, match="no score but -inf in row 7"):
        read_predictions(str(tmp_path / "x.npy"), labels=str(tmp_path / "labels.npy"))


@pytest.mark.parametrize("content", [b"", b"\n", b"image,label,pred\n", b"image;label\na;b\n", b"\xff\xfe\x00", b"[]"])
@pytest.mark.parametrize("ending", ["csv", "tsv", "json", "npz", "parquet"])
def test_broken_files_are_refused_in_one_sentence(content, ending, tmp_path):
    place = tmp_path / f"x.{ending}"
    place.write_bytes(content)
    with pytest.raises(GapscopeError):
        read_predictions(str(place))


def predictions_of(classes, tmp_path, name, **columns):
    label = np.arange(2000) % classes
    pd.DataFrame({"label": label, "pred": label}).assign(**columns).to_csv(tmp_path / name, index=False)
    return read_predictions(str(tmp_path / name))


def test_sets_of_ten_and_of_a_thousand_classes_are_not_compared(tmp_path):
    ten, thousand = predictions_of(10, tmp_path, "ten.csv"), predictions_of(1000, tmp_path, "thousand.csv")
    for pair in ((ten, thousand), (thousand, ten)):
        with pytest.raises(InputError, match=r"ten has 10 classes and .* 1,000"):
            with_classes_of_both(*pair)
    with pytest.raises(InputError, match="no sets of one task"):
        compare(CompareConfig(reference=(str(tmp_path / "ten.csv"),), target=(str(tmp_path / "thousand.csv"),)))
    check_same_task(thousand, predictions_of(998, tmp_path, "nearly.csv"))


def test_sets_without_a_common_class_are_not_compared(tmp_path):
    pairs = (("a", "b"), ("c", "d"))
    sides = []
    for first, second in pairs:
        column = np.where(np.arange(2000) % 2, first, second)
        sides.append(predictions_of(2, tmp_path, f"{first}.csv", label=column, pred=column))
    with pytest.raises(InputError, match="no class in common"):
        with_classes_of_both(*sides)


def test_a_class_that_one_side_lacks_is_matched_by_name(tmp_path):
    words = np.array(["ant", "bee", "cat"])
    full = words[np.arange(2000) % 3]
    part = words[np.arange(2000) % 2 * 2]
    sides = [
        predictions_of(3, tmp_path, f"{i}.csv", label=column, pred=np.roll(column, 1))
        for i, column in enumerate((full, part))
    ]
    one, other = with_classes_of_both(*sides)
    assert one.class_names == other.class_names == tuple(words)
    assert set(other.label.tolist()) == {0, 2}
    assert other.accuracy() == sides[1].accuracy()


ANSWERS = {  # what sklearn, torch and keras users save: the arrays of a .npz file, of labels and probabilities
    "unsigned labels and logits": lambda y, p: {"labels": y.astype(np.uint8), "logits": np.log(p)},
    "unsigned labels and answers": lambda y, p: {"label": y.astype(np.uint16), "pred": p.argmax(1).astype(np.uint64)},
    "predict_proba of sklearn": lambda y, p: {"y_true": y, "y_prob": p.astype(np.float32)},
    "decision_function of sklearn": lambda y, p: {"y_true": y, "y_score": np.log(p)},
    "predict of keras": lambda y, p: {"y_true": y, "y_pred": p.astype(np.float16)},
    "a score of the best class beside": lambda y, p: {"y_true": y, "y_pred": p.argmax(1), "y_prob": p.max(1)},
}


@pytest.mark.parametrize("form", ANSWERS)
def test_arrays_are_read_by_the_names_that_libraries_give(form, rng, tmp_path):
    label, p = rng.integers(0, CLASSES, ROWS), rng.dirichlet(np.ones(CLASSES), ROWS)
    columns = ANSWERS[form](label, p)
    np.savez(tmp_path / "x.npz", **columns)
    found = read_predictions(str(tmp_path / "x.npz"))
    assert found.accuracy() == pytest.approx((p.argmax(1) == label).mean(), abs=0.002)  # half precision has ties
    assert (found.scores is None) == (columns.get("pred", columns.get("y_pred", p)).ndim == 1)


@pytest.mark.parametrize("kind", [int, str])
@pytest.mark.parametrize("heading", ["p_{}", "{}", "probability_{}"])
def test_probabilities_of_classes_that_are_called_by_numbers_are_read(kind, heading, rng, tmp_path):
    codes = np.array([100, 20, 3, 47, 909])
    label, p = rng.integers(0, 5, 300), rng.dirichlet(np.ones(5), 300)
    table = pd.DataFrame({"image": [f"{i}.png" for i in range(300)], "label": codes[label].astype(kind)})
    table["predicted"] = codes[p.argmax(1)].astype(kind)
    for place, code in enumerate(codes):
        table[heading.format(code)] = p[:, place]
    table.to_parquet(tmp_path / "x.parquet")
    found = read_predictions(str(tmp_path / "x.parquet"))
    assert sorted(found.class_names) == sorted(map(str, codes))
    assert found.accuracy() == pytest.approx((p.argmax(1) == label).mean())
    assert found.log_likelihood == pytest.approx(np.log(p[np.arange(300), label]), abs=1e-5)


def test_numbered_columns_that_the_labels_do_not_name_are_no_classes(frame, tmp_path, rng):
    frame.assign(score_1=rng.random(ROWS), score_2=rng.random(ROWS)).to_csv(tmp_path / "x.csv")
    found = read_predictions(str(tmp_path / "x.csv"))
    assert found.scores is None
    assert found.accuracy() == pytest.approx(accuracy(frame))


def probabilities(frame):
    """Of every class, the best 0.4, the same in each row: a model's that the columns of few classes would belie."""
    return np.where(np.eye(CLASSES)[frame["pred"]] > 0, 0.4, 0.6 / (CLASSES - 1)) * np.ones((len(frame), 1))


def with_scores(frame, names, scores=None):
    scores = probabilities(frame) if scores is None else scores
    return frame.assign(**{name: scores[:, index] for index, name in enumerate(names)})


@pytest.mark.parametrize("kind", ["uint8", "uint16", "uint32", "uint64", "int8"])
def test_labels_of_any_whole_numbers_are_read(kind, frame, tmp_path):
    columns = {"y_true": frame["label"].astype(kind), "y_pred": frame["pred"].astype(kind)}
    np.savez(tmp_path / "x.npz", **columns)
    np.save(tmp_path / "x.npy", probabilities(frame))
    np.save(tmp_path / "labels.npy", columns["y_true"])
    pd.DataFrame(columns).to_parquet(tmp_path / "x.parquet")
    for name, labels in (("x.npz", ""), ("x.parquet", ""), ("x.npy", str(tmp_path / "labels.npy"))):
        assert read_predictions(str(tmp_path / name), labels=labels).accuracy() == pytest.approx(accuracy(frame))


@pytest.mark.parametrize("prefix", ["", "prob_"])
@pytest.mark.parametrize("answered", [True, False])
def test_classes_without_labels_keep_their_scores(prefix, answered, frame, tmp_path):
    table = with_scores(frame, [prefix + name for name in reversed(NAMES)], probabilities(frame)[:, ::-1])
    table = table.assign(label=words(frame["label"]), pred=words(frame["pred"]))
    table = table if answered else table.drop(columns="pred")
    some = frame["label"] < 3
    table[some].to_csv(tmp_path / "x.csv", index=False)
    found = read_predictions(str(tmp_path / "x.csv"))
    assert found.accuracy() == pytest.approx(accuracy(frame[some]))
    assert found.class_names == tuple(NAMES)
    assert found.confidence == pytest.approx(0.4)


def test_logits_of_which_some_may_be_no_classes_are_asked_about(frame, tmp_path):
    table = with_scores(frame, NAMES, np.log(probabilities(frame))).assign(label=words(frame["label"]))
    table = table.drop(columns="pred")[frame["label"] < 3]
    table.to_csv(tmp_path / "x.csv", index=False)
    with pytest.raises(InputError, match="'class3' may be a class without labels or no class"):
        read_predictions(str(tmp_path / "x.csv"))
    (tmp_path / "classes.json").write_text(json.dumps(NAMES))
    assert read_predictions(str(tmp_path / "x.csv")).accuracy() == pytest.approx(accuracy(frame[frame["label"] < 3]))


def test_columns_beside_probabilities_are_no_classes(frame, tmp_path):
    table = with_scores(frame, NAMES).assign(label=words(frame["label"]), pred=words(frame["pred"]), loss=3.5)
    table.to_csv(tmp_path / "x.csv", index=False)
    assert read_predictions(str(tmp_path / "x.csv")).class_names == tuple(NAMES)


@pytest.mark.parametrize("prefix", ["", "logit_"])
@pytest.mark.parametrize("kind", ["int64", "float64", "str"])
def test_numbers_that_are_names_are_the_names_of_their_columns(prefix, kind, frame, tmp_path):
    names = np.array([10, 20, 30, 5, 7, 100, 200, 3, 1, 0])
    table = with_scores(frame, [f"{prefix}{name}" for name in names]).assign(
        label=names[frame["label"]].astype(kind), pred=names[frame["pred"]].astype(kind)
    )
    table.to_parquet(tmp_path / "x.parquet")
    found = read_predictions(str(tmp_path / "x.parquet"))
    assert found.accuracy() == pytest.approx(accuracy(frame))
    assert sorted(found.class_names, key=int) == [str(name) for name in sorted(names)]
    assert found.confidence == pytest.approx(0.4)


def test_probabilities_with_two_decimals_are_probabilities(frame, tmp_path):
    with_scores(frame, [f"p_{index}" for index in range(CLASSES)]).round(2).to_csv(tmp_path / "x.csv", index=False)
    found = read_predictions(str(tmp_path / "x.csv"))
    assert found.confidence == pytest.approx(0.4 / (0.4 + 9 * 0.07))


def test_answers_that_are_not_the_best_by_their_scores_are_refused(frame, tmp_path):
    scores = probabilities(frame)
    names = [f"p_{index}" for index in range(CLASSES)]
    with_scores(frame, names, np.roll(scores, 1, axis=1)).to_csv(tmp_path / "x.csv", index=False)
    with pytest.raises(InputError, match="pred is not the class with the best score in 1,000 of 1,000 rows"):
        read_predictions(str(tmp_path / "x.csv"))
    with_scores(frame, names, np.full_like(scores, 0.1)).to_csv(tmp_path / "x.csv", index=False)
    found = read_predictions(str(tmp_path / "x.csv"))
    assert found.accuracy() == pytest.approx(accuracy(frame))
    assert all(len(set(row)) == len(row) for row in found.top.tolist())


def test_two_files_are_gated_without_naming_their_set(frame, tmp_path, rng):
    worse = frame.assign(pred=np.where(rng.random(ROWS) < 0.1, (frame["label"] + 1) % CLASSES, frame["pred"]))
    places = [str(tmp_path / "old.csv"), str(tmp_path / "new.csv")]
    for table, place in zip((frame, worse.sample(frac=1, random_state=0)), places, strict=True):
        table.to_csv(place, index=False)
    done = gate(GateConfig(runs=tuple(places), workspace=str(tmp_path)))
    found = pd.read_parquet(Path(done.run) / "looks.parquet").iloc[0]
    before, after = (side["label"] == side["pred"] for side in (frame, worse))
    spoilt, corrected = int((before & ~after).sum()), int((after & ~before).sum())
    assert (found["spoilt"], found["corrected"]) == (spoilt, corrected)
    assert found["p"] == pytest.approx(binomtest(spoilt, spoilt + corrected, alternative="greater").pvalue)
    assert done.exit_code == 1
    with pytest.raises(InputError, match=r"old\.csv is a file, which holds one set"):
        gate(GateConfig(runs=tuple(places), reference="a/b", target="c/d", workspace=str(tmp_path)))


def test_a_run_that_only_measures_has_no_predictions_and_no_model(frame, tmp_path):
    frame.to_csv(tmp_path / "x.csv", index=False)
    config = EvaluateConfig(predictions=str(tmp_path / "x.csv"), model="mine", workspace=str(tmp_path), replicates=2)
    made = str(evaluate(config).run)
    for names in ((made, made), (made, str(tmp_path / "x.csv"))):
        with pytest.raises(InputError, match="keeps no predictions; name the run, or the file, whose predictions"):
            gate(GateConfig(runs=names, reference="mine/test", workspace=str(tmp_path)))
    assert str(model_folder(Location(str(tmp_path)), made)) == made
    with pytest.raises(GapscopeError, match="holds no model; name a run that trained one, such as one of `fit-incr"):
        load_model(Location(made))
