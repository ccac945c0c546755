"""Predictions come from anybody's files alike, and what is wrong with a file is said in one sentence."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from scipy.special import log_softmax, softmax

from gapscope.core.errors import InputError
from gapscope.predictions import Predictions, matched, models_in, read_all_models, read_predictions
from gapscope.predictions.images import ids_of_names
from gapscope.predictions.matched import with_classes_of_both
from gapscope.schemas.predictions import PREDICTIONS_SCHEMA

NAMES = ["ant", "bee", "cat"]
IMAGES = ["a.png", "b.png", "c.png", "d.png"]
LABEL = [0, 1, 2, -1]
LOGITS = np.array([[2.0, 1, 0], [3, 1, 2], [0, 1, 5], [1, 0, 0]], np.float32)


def csv(place, columns):
    pyarrow.csv.write_csv(pa.table(columns), place)
    return str(place)


def parquet(place, columns):
    pq.write_table(pa.table(columns), place)
    return str(place)


def jsonl(place, columns):
    place.write_text("\n".join(json.dumps(row) for row in pa.table(columns).to_pylist()))
    return str(place)


def as_json(place, columns):
    place.write_text(json.dumps(pa.table(columns).to_pylist()))
    return str(place)


WRITERS = {"x.csv": csv, "x.parquet": parquet, "x.jsonl": jsonl, "x.json": as_json}


@pytest.fixture(params=sorted(WRITERS))
def written(request, tmp_path):
    return lambda columns: WRITERS[request.param](tmp_path / request.param, columns)


def test_a_table_of_answers_is_read_from_every_format(written):
    found = read_predictions(written({"image": IMAGES, "label": LABEL, "predicted": [0, 0, 2, 1]}))
    assert found.right.tolist() == [True, False, True, False]
    assert found.sample_id.tolist() == ids_of_names(IMAGES).tolist()
    assert (found.accuracy(), found.n, found.class_names) == (2 / 3, 4, ("0", "1", "2"))
    assert found.scores is None


def test_columns_of_logits_give_answers_confidences_and_likelihoods(written):
    columns = {f"logit_{name}": LOGITS[:, i].astype(float) for i, name in enumerate(NAMES)}
    found = read_predictions(written({"id": [5, 6, 7, 8], "label": LABEL, **columns}), class_names=NAMES)
    assert found.sample_id.tolist() == [5, 6, 7, 8]
    assert found.top[:, 0].tolist() == [0, 0, 2, 0]
    assert found.confidence == pytest.approx(softmax(LOGITS, axis=1).max(axis=1), rel=1e-6)
    likelihood = log_softmax(LOGITS, axis=1)
    assert found.log_likelihood[:3] == pytest.approx([likelihood[0, 0], likelihood[1, 1], likelihood[2, 2]], rel=1e-5)
    assert np.isnan(found.log_likelihood[3])


def test_probabilities_say_what_their_logits_say(written):
    shares = softmax(LOGITS.astype(float), axis=1)
    columns = {f"probability_{i}": shares[:, i] for i in range(3)}
    found = read_predictions(written({"image": IMAGES, "label": LABEL, **columns}))
    assert found.confidence == pytest.approx(shares.max(axis=1), rel=1e-6)
    assert found.class_names == ("0", "1", "2")


def test_words_are_classes_too(written):
    found = read_predictions(written({"image": IMAGES[:2], "label": ["bee", "ant"], "predicted": ["bee", "cat"]}))
    assert found.class_names == ("ant", "bee", "cat")
    assert (found.label.tolist(), found.predicted.tolist()) == ([1, 0], [1, 2])


def test_a_wide_table_has_one_column_for_each_model(tmp_path):
    tops = pa.FixedSizeListArray.from_arrays(pa.array([0, 1, 1, 0, 2, 1], pa.int16()), 2)
    place = parquet(tmp_path / "set.parquet", {"image": IMAGES[:3], "label": [0, 1, 1], "net": tops, "vgg": [0, 1, 2]})
    assert models_in(place) == ["net", "vgg"]
    models = read_all_models(place)
    assert [one.model for one in models] == ["net", "vgg"]
    assert models[0].sample_id is models[1].sample_id  # names become numbers once for all models
    assert read_predictions(place, model="net").top.tolist() == [[0, 1], [1, 0], [2, 1]]
    with pytest.raises(InputError, match="did you mean 'vgg'"):
        read_predictions(place, model="vg")
    with pytest.raises(InputError, match="2 models"):
        read_predictions(place)


def test_class_names_come_from_the_neighbour_or_the_schema(tmp_path):
    place = parquet(tmp_path / "set.parquet", {"image": IMAGES[:2], "label": [0, 1], "predicted": [0, 1]})
    classes = [{"class": 1, "name": "crane"}, {"class": 0, "name": "crane"}, {"class": 2, "name": "cat"}]
    (tmp_path / "classes.json").write_text(json.dumps(classes))
    assert read_predictions(place).class_names == ("crane (0)", "crane (1)", "cat")
    table = pq.read_table(place).replace_schema_metadata({"class_names": json.dumps(NAMES)})
    pq.write_table(table, place)
    assert read_predictions(place).class_names == tuple(NAMES)


def test_an_array_of_scores_needs_labels_as_long_as_itself(tmp_path):
    place, labels = str(tmp_path / "net.npy"), tmp_path / "labels.txt"
    np.save(place, LOGITS)
    labels.write_text("0\n1\n2\n-1\n")
    found = read_predictions(place, labels=str(labels))
    assert (found.model, found.predicted.tolist(), found.accuracy()) == ("net", [0, 0, 2, 0], 2 / 3)
    np.save(tmp_path / "top.npy", np.argsort(-LOGITS, axis=1))
    assert read_predictions(str(tmp_path / "top.npy"), labels=str(labels)).top.shape == (4, 3)
    labels.write_text("0 1 2")
    with pytest.raises(InputError, match=r"4 rows but .* 3 labels"):
        read_predictions(place, labels=str(labels))
    with pytest.raises(InputError, match="no labels"):
        read_predictions(place)


def run_folder(place, classes=3):
    for dataset, right in (("toy-test", [0, 1, 2]), ("toy-val", [0, 0, 0])):
        rows = {"sample_id": [0, 1, 2], "label": [0, 1, 2], "predicted": right, "confidence": [0.9, 0.8, 0.7]}
        rows |= {"log_likelihood": [-0.1, -0.2, -0.3], "top": [[one, (one + 1) % classes] for one in right]}
        folder = place / "predictions" / dataset
        folder.mkdir(parents=True)
        pq.write_table(pa.table(rows).cast(PREDICTIONS_SCHEMA), folder / "part-00000.parquet")
    (place / "model.json").write_text(json.dumps({"name": "lda", "class_names": NAMES}))
    names = [{"dataset": "toy", "split": split} for split in ("test", "val")]
    pq.write_table(pa.Table.from_pylist(names), place / "results.parquet")


def test_a_run_is_read_by_set(tmp_path):
    run_folder(tmp_path)
    found = read_predictions(str(tmp_path), dataset="toy", split="val")
    assert (found.name, found.model, found.class_names) == ("toy/val", "lda", tuple(NAMES))
    assert found.accuracy() == 1 / 3
    assert read_predictions(str(tmp_path / "predictions/toy-test")).accuracy() == 1
    with pytest.raises(InputError, match=r"name one of toy/test, toy/val by --dataset, or .*/predictions/toy-test$"):
        read_predictions(str(tmp_path))


def test_a_run_with_several_models_is_read_by_model(tmp_path):
    for name in ("lda", "knn"):
        run_folder(tmp_path / "models" / name)
    assert models_in(str(tmp_path)) == ["knn", "lda"]
    assert len(read_all_models(str(tmp_path), dataset="toy", split="test")) == 2
    with pytest.raises(InputError, match="several models"):
        read_predictions(str(tmp_path), dataset="toy", split="test")


WRONG = {
    "no column 'label'": {"image": IMAGES, "predicted": [0, 1, 2, 0]},
    "no prediction": {"image": IMAGES, "label": LABEL},
    "label is 7 in row 1, outside -1…2": {"image": IMAGES, "label": [0, 7, 1, 2], "predicted": [0, 1, 2, 0]},
    "predicted is 9 in row 2": {"image": IMAGES, "label": LABEL, "predicted": [0, 1, 9, 0]},
    "such as 'a.png' in row 3": {"image": [*IMAGES[:3], "a.png"], "label": LABEL, "predicted": [0, 1, 2, 0]},
    "score of nan for class 1 in row 2": {
        "image": IMAGES,
        "label": LABEL,
        "logits": [[0.1, 0.2, 0.3], [1.0, 2.0, 0.5], [0.0, float("nan"), 1.0], [1.0, 1.0, 1.0]],
    },
    "said to hold probabilities": {"image": IMAGES, "label": LABEL, "probabilities": [[0.5, 0.6, 0.5]] * 4},
    "same length": {"image": IMAGES, "label": LABEL, "top": [[0], [1, 2], [1], [0]]},
}


@pytest.mark.parametrize("message", sorted(WRONG))
def test_what_is_wrong_with_a_table_is_said(tmp_path, message):
    place = parquet(tmp_path / "x.parquet", WRONG[message])
    with pytest.raises(InputError, match=message.replace(".", r"\.")):
        read_predictions(place, class_names=NAMES)


@pytest.mark.parametrize("stray", ["7692", "inf", "-0.2"])
def test_a_few_confidences_that_are_no_probabilities_do_not_turn_those_of_all_rows_into_scores(tmp_path, stray):
    rows = [f"{n}.png,cat,dog,0.{n + 1}\n" for n in range(9)]
    rows[4] = f"4.png,cat,dog,{stray}\n"
    (tmp_path / "p.csv").write_text("image,label,prediction,confidence\n" + "".join(rows))
    with pytest.raises(InputError, match=r"p\.csv: confidence is .* in row 4, and from 0 to 1 in most others"):
        read_predictions(str(tmp_path / "p.csv"))
    scores = "".join(f"{n}.png,cat,dog,{n + 2}.5\n" for n in range(9))
    (tmp_path / "s.csv").write_text("image,label,prediction,confidence\n" + scores)
    assert read_predictions(str(tmp_path / "s.csv")).confidence is None


def test_a_file_that_is_not_there_or_not_what_it_says_is_refused(tmp_path):
    with pytest.raises(InputError, match="no file of predictions"):
        read_predictions(str(tmp_path / "none.csv"))
    for name in ("x.parquet", "x.json", "x.npy"):
        (tmp_path / name).write_text("{nonsense")
        with pytest.raises(InputError, match="cannot be read as"):
            read_predictions(str(tmp_path / name), labels=str(tmp_path / name))
    (tmp_path / "x.txt").write_text("0")
    with pytest.raises(InputError, match="save the predictions as one of these"):
        read_predictions(str(tmp_path / "x.txt"))


def test_matching_brings_images_into_one_order(tmp_path):
    one = read_predictions(csv(tmp_path / "one.csv", {"image": IMAGES, "label": LABEL, "predicted": [0, 0, 2, 1]}))
    columns = {"image": IMAGES[::-1], "label": LABEL[::-1], "predicted": [1, 2, 1, 0]}
    other = read_predictions(csv(tmp_path / "other.csv", columns))
    mine, theirs = matched(one, other)
    assert mine.sample_id.tolist() == theirs.sample_id.tolist()
    assert theirs.predicted.tolist() == [0, 1, 2, 1]
    with pytest.raises(InputError, match="1 of 4 images of one on one are not in"):
        matched(one, other.rows(np.arange(3)))


def test_other_labels_for_the_same_image_are_refused(tmp_path):
    one, other = (
        read_predictions(csv(tmp_path / f"{i}.csv", {"image": IMAGES[:2], "label": label, "predicted": [0, 1]}))
        for i, label in enumerate(([0, 1], [1, 1]))
    )
    with pytest.raises(InputError, match="1 image has another label"):
        matched(one, other)


def test_numbered_classes_take_the_names_of_the_other_side(tmp_path):
    place = csv(tmp_path / "x.csv", {"image": IMAGES[:2], "label": [0, 1], "predicted": [0, 1]})
    named, numbers = read_predictions(place, class_names=NAMES), read_predictions(place)
    assert with_classes_of_both(numbers, named)[0].class_names == tuple(NAMES)
    with pytest.raises(InputError, match="other classes"):
        with_classes_of_both(named, read_predictions(place, class_names=["ant", "bee", "dog"]))


PUBLISHED = {"resnet50": (76.13, 63.33), "resnet152": (78.31, 67.02), "polynet": (80.86, 70.31)}


@pytest.mark.parametrize("model", sorted(PUBLISHED))
def test_published_accuracies_come_out_to_the_digit(model, test_data):
    folder = test_data / "imagenet-predictions"
    if not folder.is_dir():
        pytest.skip(f"no predictions in {folder}")
    sets = ("validation", "v2-matched-frequency")
    found = [read_predictions(str(folder / f"{name}.parquet"), model=model).accuracy() for name in sets]
    assert tuple(round(100 * value, 2) for value in found) == PUBLISHED[model]


def test_the_same_class_names_in_another_order_are_refused(tmp_path):
    ids, label, top = np.arange(4), np.array([0, 1, 1, 0], np.int32), np.array([[0], [1], [0], [0]], np.int32)
    one = Predictions("a", "set", "test", ("cat", "dog"), ids, label, top)
    other = Predictions("b", "set", "test", ("dog", "cat"), ids, label, top)
    for pair in ((one, other), (other, one)):
        with pytest.raises(InputError, match="or another order"):
            matched(*pair)
