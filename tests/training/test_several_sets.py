"""Training on several sets at once: read as one store, balanced, classes by name, each left out in turn."""

import numpy as np
import pytest
from conftest import write_store
from toy_workspace import CLASSES, Blobs

from gapscope import commands
from gapscope.core.errors import InputError
from gapscope.core.location import Location
from gapscope.evaluation.accuracy import measured
from gapscope.evaluation.training_sets import TrainingSets
from gapscope.jobs.fit_incremental import FitIncrementalConfig, run
from gapscope.probes.model import load_model
from gapscope.runs.run import read_run
from gapscope.schemas.embeddings import Fingerprint
from gapscope.store import ArrayStore, open_store
from gapscope.store.interleaved import Interleaved
from gapscope.training.sets import same_images

NAMES = [f"class {index}" for index in range(CLASSES)]
# Rows and shift of each domain.
DOMAINS = {"photo": (900, 0.0), "cartoon": (300, 0.4), "art": (600, -0.4), "sketch": (400, 0.2)}


@pytest.fixture
def blobs(rng):
    return Blobs(rng)


@pytest.fixture
def workspace(tmp_path, blobs):
    for name, (rows, shift) in DOMAINS.items():
        x, y = blobs(rows, shift)
        listing = {"class_names": NAMES, "part_rows": 512, "dataset": name, "split": "train"}
        listing["fingerprint"] = Fingerprint(count=rows, hash=name)
        write_store(tmp_path / "embeddings/toy" / name / "train", x, y, **listing)
    return tmp_path


def fitted(workspace, *datasets, **options):
    return run(FitIncrementalConfig(dataset=datasets, workspace=str(workspace), report=False, **options))


def store_at(workspace, name):
    return open_store(Location.of(workspace / "embeddings/toy" / name / "train"))


def interleaved(workspace, *names):
    stores = tuple(store_at(workspace, name) for name in names)
    return Interleaved(stores, stores[0].provenance)


def test_every_run_of_rows_has_its_share_of_each_set_and_all_sets_count_alike(workspace):
    joint = interleaved(workspace, "photo", "cartoon")
    assert (joint.rows, joint.is_weighted) == (1200, True)
    whole = joint.view().read()
    assert whole.weights.mean() == pytest.approx(1)
    light, heavy = np.unique(whole.weights)
    assert (whole.weights == light).sum() * light == pytest.approx((whole.weights == heavy).sum() * heavy)
    for start in range(0, 1200, 100):
        assert (whole.weights[start : start + 100] == heavy).sum() == 25


@pytest.mark.parametrize("chunk_rows", [1, 7, 300, 5000])
def test_rows_do_not_depend_on_the_pieces_and_are_those_of_each_set_in_its_order(workspace, chunk_rows):
    joint, photo = interleaved(workspace, "photo", "cartoon", "art"), store_at(workspace, "photo").view().read()
    pieces = joint.view(0, 400).pieces(chunk_rows)
    buffer = np.empty((chunk_rows, joint.dim), np.float32)
    parts = [joint.read(piece, buffer)._replace(x=joint.read(piece).x) for piece in pieces]
    x = np.concatenate([part.x for part in parts])
    np.testing.assert_array_equal(x, joint.view(0, 400).read().x)
    of_photo = np.concatenate([part.weights for part in parts]) == joint.rows / (3 * 900)
    np.testing.assert_array_equal(x[of_photo], photo.x[: of_photo.sum()])


def test_a_model_of_several_sets_is_that_of_all_rows_with_their_weights(workspace):
    report = fitted(
        workspace, "photo", "cartoon", model=("lda",), evaluate=("sketch/train",), holdout=0.0, shrinkage=0.1
    )
    model = load_model(Location.of(report.run))
    means = [
        np.stack([rows.x[rows.y == c].mean(axis=0, dtype=float) for c in range(CLASSES)])
        for rows in (store_at(workspace, name).view().read() for name in ("photo", "cartoon"))
    ]
    counts = [np.bincount(store_at(workspace, name).labels()) for name in ("photo", "cartoon")]
    weight = [count * 1200 / (2 * count.sum()) for count in counts]
    expected = sum(w[:, None] * m for w, m in zip(weight, means, strict=True)) / sum(weight)[:, None]
    rows = np.asarray(model.details["class_rows"])
    np.testing.assert_allclose(rows, sum(weight), rtol=1e-6)
    assert (model.predict(expected.astype(np.float32)) == np.arange(CLASSES)).all()
    assert ("sketch", "train") in {(one.dataset, one.split) for one in report.results}
    assert any("each counting as much as every other" in note for note in report.sentences)


def test_classes_are_matched_by_name_and_new_ones_are_added(workspace, blobs):
    x, y = blobs(500, 0.1)
    names = ["class 4", "class 3", "class 2", "class 1", "another"]
    listing = {"class_names": names, "part_rows": 512, "dataset": "turned", "split": "train"}
    listing["fingerprint"] = Fingerprint(count=500, hash="turned")
    write_store(workspace / "embeddings/toy/turned/train", x, CLASSES - 1 - y, **listing)
    report = fitted(workspace, "photo", "turned", evaluate=("sketch/train",))
    model = load_model(Location.of(report.run))
    assert model.class_names == (*NAMES, "another")
    found = [one for one in report.results if (one.dataset, one.metric, one.class_name) == ("sketch", "accuracy", None)]
    assert found[0].value > 0.8


def test_each_set_is_left_out_in_turn_and_evaluated_on(workspace):
    report = fitted(workspace, "photo", "cartoon", "sketch", leave_one_out=True)
    tested = {(one.model, one.dataset) for one in report.results if one.split == "train" and "," not in one.dataset}
    assert tested == {(f"softmax without {name}", name) for name in ("photo", "cartoon", "sketch")}
    losses = {(one.model, one.set): one.against for one in measured(read_run(Location.of(report.run)))}
    assert losses["softmax without sketch", "photo, cartoon/train"] == ""
    assert losses["softmax without sketch", "sketch/train"] == "sketch/train"
    place = Location.of(report.run) / "models/softmax-without-sketch"
    assert {one.place.split("/")[-2] for one in TrainingSets(place).inputs} == {"photo", "cartoon"}


def test_a_model_of_several_sets_is_judged_on_none_of_them(workspace):
    report = fitted(workspace, "photo", "cartoon", evaluate=("sketch/train",))
    for name in ("photo", "cartoon"):
        with pytest.raises(InputError, match=f"was trained on {name}/train"):
            commands.function("repair")(
                report.run, reference=f"{name}/train", target="sketch/train", workspace=workspace
            )


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"weights_hash": "abc"}, "weights_hash is '' in the first and 'abc'"),
        ({"class_names": ["a", "b", "c", "d", "e"]}, "shares no class with the other training sets"),
    ],
)
def test_sets_that_do_not_fit_are_refused_in_one_sentence(workspace, blobs, fields, sentence):
    x, y = blobs(50)
    fields = {"class_names": NAMES, "dataset": "other", "split": "train"} | fields
    fields["fingerprint"] = Fingerprint(count=50, hash="other")
    write_store(workspace / "embeddings/toy/other/train", x, y, **fields)
    with pytest.raises(InputError, match=sentence):
        fitted(workspace, "photo", "other")


def test_a_set_that_is_named_twice_and_a_single_one_that_is_left_out_are_refused(workspace):
    with pytest.raises(InputError, match="names a set twice"):
        fitted(workspace, "photo", "photo/train")
    with pytest.raises(InputError, match="name two or more"):
        fitted(workspace, "photo", leave_one_out=True)


def test_images_that_are_held_out_in_one_set_are_not_trained_on_in_another(workspace, blobs):
    """A set and its modification hold the same images; those that one of them lacks stand in neither."""
    x, y = blobs(400)
    listing = {
        "class_names": NAMES,
        "part_rows": 512,
        "split": "train",
        "fingerprint": Fingerprint(count=400, hash="r"),
    }
    stores = [
        write_store(workspace / f"embeddings/toy/{name}/train", x[:rows], y[:rows], dataset=name, **listing)
        for name, rows in (("real", 400), ("real+night-3", 390))
    ]
    kept = same_images(stores)
    assert [one.rows for one in kept] == [390, 390]
    np.testing.assert_array_equal(*(one.sample_ids() for one in kept))
    report = fitted(workspace, "real", "real+night-3/train", evaluate=("sketch/train",))
    assert load_model(Location.of(report.run)).details["holdout_rows"] == 78


class Turned:
    """A store whose rows stand the other way round."""

    def __init__(self, store):
        self.name, self.provenance, self.ids = store.name, store.provenance, store.sample_ids()[::-1]

    def sample_ids(self):
        return self.ids


def test_the_same_images_in_different_orders_are_refused(workspace):
    store = store_at(workspace, "photo")
    with pytest.raises(InputError, match="same images in different orders"):
        same_images([store, Turned(store)])


def test_one_dataset_in_a_list_is_that_dataset(workspace):
    first = run(FitIncrementalConfig(dataset="photo", workspace=str(workspace), report=False))
    assert commands.function("fit_incremental")("photo", workspace=str(workspace), report=False).run == first.run


def test_members_that_take_no_weights_refuse_sets_of_other_sizes():
    rows = np.zeros((3, 2), np.float32)
    stores = tuple(ArrayStore(rows[:n], np.zeros(n, np.int32), ["a"]) for n in (1, 2))
    assert Interleaved(stores, None).is_weighted
