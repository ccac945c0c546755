"""Better labels are those of the same images, in whichever order a file lists them, or they are refused."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from gapscope.core.errors import InputError
from gapscope.evaluation.multilabel import multi_label
from gapscope.jobs.evaluate import EvaluateConfig
from gapscope.jobs.evaluate import run as evaluate
from gapscope.jobs.gap import GapConfig
from gapscope.jobs.gap import run as gap
from gapscope.predictions import read_predictions
from gapscope.predictions.valid_labels import read_valid_labels

ROWS, CLASSES = 600, 10


@pytest.fixture
def images(rng):
    """Images whose numbers say nothing of their class, sorted by class: number, class, answer, valid classes."""
    number, label = rng.permutation(ROWS), np.sort(rng.integers(0, CLASSES, ROWS))
    answer = np.where(rng.random(ROWS) < 0.8, label, (label + 1) % CLASSES)
    valid = [
        sorted({int(a), int(b)}) if i % 4 == 0 else [int(a)] for i, (a, b) in enumerate(zip(label, answer, strict=True))
    ]
    return number, label, answer, valid


def written(tmp_path, names, label, answer):
    place = str(tmp_path / "x.parquet")
    pq.write_table(pa.table({"image": names, "label": label, "pred": answer}), place)
    return place


NAMES = {
    "from 0": lambda number: [f"img_{i:05d}.jpg" for i in number],
    "from 1, as ILSVRC": lambda number: [f"ILSVRC2012_val_{i + 1:08d}.JPEG" for i in number],
    "hashes": lambda number: [f"{chr(97 + i % 26)}x{i * 7919 % 10007:x}" for i in number],
}


@pytest.mark.parametrize("naming", NAMES)
@pytest.mark.parametrize("order", ["of the table", "of the names"])
def test_a_list_without_names_is_read_in_the_order_it_has(naming, order, images, tmp_path):
    number, label, answer, valid = images
    names = NAMES[naming](number)
    rows = np.arange(ROWS) if order == "of the table" else np.argsort(np.array(names), kind="stable")
    (tmp_path / "real.json").write_text(json.dumps([valid[row] for row in rows]))
    predictions = read_predictions(written(tmp_path, names, label, answer))
    found = multi_label(predictions, read_valid_labels(str(tmp_path / "real.json"), predictions.class_names))
    wanted = np.mean([one in some for one, some in zip(answer, valid, strict=True)])
    assert found.all.value == pytest.approx(wanted)
    several = [len(some) > 1 for some in valid]
    assert (found.several.n, found.several.value) == (sum(several), 1.0)
    assert found.one.n == ROWS - sum(several)


def test_the_list_of_a_whole_set_serves_a_part_of_it(images, tmp_path):
    number, label, answer, valid = images
    (tmp_path / "real.json").write_text(json.dumps([valid[row] for row in np.argsort(number)]))
    part = slice(100, 400)
    predictions = read_predictions(
        written(tmp_path, NAMES["from 1, as ILSVRC"](number[part]), label[part], answer[part])
    )
    found = multi_label(predictions, read_valid_labels(str(tmp_path / "real.json"), predictions.class_names))
    assert found.all.right == sum(one in some for one, some in zip(answer[part], valid[part], strict=True))


@pytest.mark.parametrize("classes", [2, CLASSES])
@pytest.mark.parametrize("form", ["list", "object"])
def test_labels_of_other_images_are_refused(form, classes, images, tmp_path, rng):
    number, label, answer, _ = images
    label, answer = label % classes, answer % classes
    names = NAMES["from 0"](number)
    other = [[int(one)] for one in rng.permutation(label)]
    if form == "object":
        other = dict(zip(names, [[(int(one) + 1) % classes] for one in label], strict=True))
    (tmp_path / "real.json").write_text(json.dumps(other))
    config = EvaluateConfig(predictions=written(tmp_path, names, label, answer), labels=str(tmp_path / "real.json"))
    with pytest.raises(InputError, match="does not belong to x"):
        evaluate(config)


def test_corrections_of_a_few_images_are_read(images, tmp_path):
    number, label, answer, _ = images
    names = NAMES["from 0"](number)
    wrong = np.flatnonzero(label != answer)[:20]
    (tmp_path / "fixed.json").write_text(json.dumps({names[row]: int(answer[row]) for row in wrong}))
    predictions = read_predictions(written(tmp_path, names, label, answer))
    found = multi_label(predictions, read_valid_labels(str(tmp_path / "fixed.json"), predictions.class_names))
    assert (found.all.right, found.all.n) == (20, 20)


def test_better_labels_for_one_side_of_a_gap_are_refused(images, tmp_path):
    number, label, answer, valid = images
    sides = []
    for side in ("old", "new"):
        (tmp_path / side).mkdir()
        names = [f"{side}-{name}" for name in NAMES["from 0"](number)]
        sides.append((written(tmp_path / side, names, label, answer), names))
    (tmp_path / "real.json").write_text(json.dumps(dict(zip(sides[0][1], valid, strict=True))))
    config = GapConfig(
        predictions_reference=sides[0][0],
        predictions_target=sides[1][0],
        labels=(str(tmp_path / "real.json"),),
        workspace=str(tmp_path),
    )
    with pytest.raises(InputError, match="600 of 600 images of x and of 0 of 600"):
        gap(config)


def test_a_published_form_of_better_labels_is_matched_to_a_table_sorted_by_class(test_data, tmp_path):
    folder = test_data / "imagenet-predictions"
    if not folder.is_dir():
        pytest.skip(f"no predictions in {folder}")
    predictions = read_predictions(str(folder / "validation.parquet"), model="resnet50")
    numbers = np.array([int(name[-13:-5]) for name in predictions.image.to_pylist()])
    lists = [[int(one)] for one in predictions.label[np.argsort(numbers)]]
    (tmp_path / "real.json").write_text(json.dumps(lists))
    found = multi_label(predictions, read_valid_labels(str(tmp_path / "real.json"), predictions.class_names))
    assert round(100 * found.all.value, 2) == 76.13
