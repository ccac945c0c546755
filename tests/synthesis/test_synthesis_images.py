"""`augment`: what generators may see, what becomes of their images, and that none reaches validation or test."""

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from gapscope.cnn.division import divide
from gapscope.cnn.request import USUAL
from gapscope.cnn.sampling import SAMPLERS
from gapscope.core.errors import GapscopeError, InputError
from gapscope.core.location import Location
from gapscope.core.progress import SILENT
from gapscope.data.catalogue import open_dataset
from gapscope.data.source import Listing, Synthesis
from gapscope.data.sources.subset import Subset
from gapscope.data.synthetic import finished_sets, sets_folder
from gapscope.generators import GENERATORS
from gapscope.generators.generator import Generator, load_generator
from gapscope.jobs.augment import AugmentConfig, request_of, run
from gapscope.jobs.extract import ExtractConfig
from gapscope.jobs.extract import run as run_extract
from gapscope.jobs.train_cnn import TrainCnnConfig
from gapscope.jobs.train_cnn import run as run_training
from gapscope.realism.agreement import Agreement
from gapscope.realism.table import SYNTHETIC_SCHEMA
from gapscope.store import Piece, open_store
from gapscope.store.workspace import store_folder
from gapscope.synthesis import samples
from gapscope.synthesis.image_set import NOT_NEEDED, table_of
from gapscope.synthesis.quality import features_of, framed, load_backbone
from gapscope.synthesis.report import warnings_of
from gapscope.synthesis.samples import Shard, make_shard, sampled, usable_classes
from gapscope.synthesis.trained import trained_generator
from gapscope.synthesis.training_images import training_images

pytestmark = pytest.mark.usefixtures("quick_trainings")

COUNTS = {"disc": 40, "cross": 24, "bars": 14, "dots": 10}


def pattern(kind, rng, height=16, width=16):
    """A noisy picture of a class, ``(h, w, 3) uint8``."""
    down, across = np.mgrid[:height, :width]
    top, left = height / 2 + rng.normal(), width / 2 + rng.normal()
    shapes = {
        "disc": (down - top) ** 2 + (across - left) ** 2 < 20,
        "cross": (abs(down - top) < 2) | (abs(across - left) < 2),
        "bars": (across + int(left)) % 4 < 2,
        "dots": ((across + int(left)) % 4 < 2) & ((down + int(top)) % 4 < 2),
    }
    colour = rng.integers(120, 255, 3)
    return np.clip(shapes[kind][..., None] * colour + rng.normal(20, 12, (height, width, 3)), 0, 255).astype(np.uint8)


def write_images(folder, counts, *, grey=False, shape=(16, 16)):
    rng = np.random.default_rng(5)
    for kind, count in counts.items():
        (folder / kind).mkdir(parents=True)
        for number in range(count):
            picture = Image.fromarray(pattern(kind, rng, *shape))
            (picture.convert("L") if grey else picture).save(folder / kind / f"{number:03d}.png")
    return folder


def config_of(work, **options):
    usual = {"dataset": str(work / "shapes"), "method": "augment-only", "balance": "to-max", "backbone": "tiny"}
    return AugmentConfig(**(usual | {"workspace": str(work / "work"), "device": "cpu"} | options))


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A small set of shapes with a synthetic set, and the report of the run that made it."""
    work = tmp_path_factory.mktemp("augment")
    write_images(work / "shapes", COUNTS)
    return work, run(config_of(work))


def with_synthetic(work, name="", seed=0):
    asked = f"{work / 'shapes'}+synthetic{name and ':' + name}"
    return open_dataset(asked, work, seed=seed, workspace=str(work / "work"))


def everything(listing):
    return np.arange(len(listing))


def test_a_run_leaves_images_a_row_for_each_and_pictures(made):
    work, report = made
    place = Path(str(sets_folder(str(work / "work"), "shapes"))) / "augment-only-to-max"
    table = pq.read_table(place / "images.parquet")
    assert set(SYNTHETIC_SCHEMA.names) < set(table.column_names)
    rows = table.to_pylist()
    kept = [row for row in rows if row["kept"]]
    assert kept
    assert {row["reason"] for row in kept} == {""}
    assert all(row["reason"] for row in rows if not row["kept"])
    assert all((place / row["file"]).exists() for row in kept)
    assert len([*place.rglob("*.png")]) == len(kept)
    listed = open_dataset(str(work / "shapes"), work).source("train").listing
    assert all(row["nearest_path"] == listed.names[row["nearest_training"]] for row in rows)
    assert (Path(report.run) / "figures" / "contact.png").exists()
    assert (Path(report.run) / "figures" / "contact-dots.png").exists()
    values = {one.metric: one.value for one in report.results}
    assert {"kid", "precision", "recall", "class_agreement", "copies_of_training", "copies_of_test"} <= set(values)
    assert values["kept"] == len(kept)


def test_no_synthetic_image_and_nothing_that_one_is_made_of_is_validated_on(made):
    work, _ = made
    listing = with_synthetic(work).source("train").listing
    forbidden = set(np.flatnonzero(listing.synthesis.made | listing.synthesis.learnt).tolist())
    for seed, share in ((0, 0.1), (1, 0.1), (7, 0.5)):
        division = divide(listing, everything(listing), share, seed, "shapes/train")
        assert len(division.validation)
        assert not forbidden & set(division.validation.tolist())
        assert forbidden <= set(division.train.tolist())


def test_the_generator_learns_from_the_rows_that_train_cnn_learns_from_and_from_no_other(made):
    work, _ = made
    plain = open_dataset(str(work / "shapes"), work).source("train")
    division = divide(plain.listing, everything(plain.listing), USUAL["validation"], 0, "shapes/train")
    synthesis = with_synthetic(work).source("train").listing.synthesis
    assert np.flatnonzero(synthesis.learnt).tolist() == division.train.tolist()
    [place] = (work / "work" / "generators").glob("augment-only-*")
    seen = load_generator(Location.of(place)).arrays["images"]
    assert seen.tolist() == [np.asarray(plain.image(row)).tolist() for row in division.train]
    assert AugmentConfig(dataset="", method="").validation == USUAL["validation"]


def test_splits_other_than_that_of_the_set_are_untouched(made):
    work, _ = made
    plain, joined = open_dataset(str(work / "shapes"), work), with_synthetic(work)
    assert joined.splits == plain.splits
    for split in ("val", "test"):
        assert joined.source(split).listing.fingerprint() == plain.source(split).listing.fingerprint()
        assert joined.source(split).listing.synthesis is None
    real, both = plain.source("train"), joined.source("train")
    first = len(real.listing)
    assert both.listing.names[:first] == real.listing.names
    assert both.listing.synthesis.made.tolist() == [row >= first for row in range(len(both.listing))]
    assert all(name.startswith("synthetic/shapes/") for name in both.listing.names[first:])
    assert both.image(0) == real.image(0)
    assert both.image(first).size == (16, 16)
    assert len(both.sizes()) == len(both.listing)
    assert both.read(first).startswith(b"\x89PNG")


def test_a_set_is_refused_where_another_seed_has_made_its_sources_test_images(made):
    work, _ = made
    with pytest.raises(InputError, match="was made for other images"):
        with_synthetic(work, seed=1).source("train")


def test_the_flag_stays_with_an_image_that_is_chosen_from_a_listing(made):
    work, _ = made
    source = with_synthetic(work).source("train")
    rows = np.array([len(source.listing) - 1, 0])
    assert Subset.of(source, rows).listing.synthesis.made.tolist() == [True, False]


def test_train_cnn_learns_from_synthetic_images_and_validates_on_real_ones(made):
    work, _ = made
    options = {"workspace": str(work / "work"), "data_root": work, "device": "cpu"}
    report = run_training(
        TrainCnnConfig(
            dataset=f"{work / 'shapes'}+synthetic", epochs=1, evaluate=(f"{work / 'shapes'}/test",), **options
        )
    )
    about = json.loads((Path(report.run) / "model.json").read_text())
    listing = with_synthetic(work).source("train").listing
    assert listing.synthesis.made.sum() > 0
    details = about.get("details", about)
    assert details["train_rows"] == (listing.synthesis.made | listing.synthesis.learnt).sum()
    assert details["train_rows"] + details["validation_rows"] == len(listing)


def test_predictions_of_a_network_flag_the_synthetic_images_that_it_is_evaluated_on(made, tmp_path):
    work, _ = made
    asked = f"{work / 'shapes'}+synthetic/train"
    workspace = {"workspace": str(work / "work"), "data_root": work, "name": "flags", "report": False}
    usual = {"network": "simple-cnn", "image_size": 16, "batch_size": 8, "device": "cpu", "epochs": 1}
    report = run_training(TrainCnnConfig(dataset=str(work / "shapes"), evaluate=(asked,), **usual, **workspace))
    [place] = (Path(report.run) / "predictions").iterdir()
    table = pq.read_table(sorted(place.glob("part-*.parquet")))
    synthesis = with_synthetic(work).source("train").listing.synthesis
    flagged = dict(zip(table["sample_id"].to_pylist(), table["is_synthetic"].to_pylist(), strict=True))
    assert sum(flagged.values()) == synthesis.made.sum() > 0
    assert all(synthesis.made[row] == flag for row, flag in flagged.items())


def test_extracted_rows_say_that_they_are_synthetic_and_those_that_train_cnn_validates_on_come_last(made):
    work, _ = made
    asked = f"{work / 'shapes'}+synthetic:augment-only-to-max"
    run_extract(
        ExtractConfig(
            dataset=(asked,), split=("train",), backbone="tiny", workspace=str(work / "work"), decode_workers=0
        )
    )
    name = "shapes+synthetic:augment-only-to-max"
    store = open_store(store_folder(Location.of(work / "work"), "tiny", name, "train"))
    paths = [path for piece in store.view().pieces(100) for path in store.paths(piece)]
    listing = with_synthetic(work).source("train").listing
    assert sum(path.startswith("synthetic/") for path in paths) == listing.synthesis.made.sum()
    assert store.is_synthetic(Piece(0, store.rows)).tolist() == [path.startswith("synthetic/") for path in paths]
    validated = divide(listing, everything(listing), 0.1, 0, "shapes/train").validation
    assert sorted(store.sample_ids()[-store.manifest.unseen :].tolist()) == validated.tolist()


def test_of_several_sets_one_must_be_named(tmp_path):
    place = sets_folder(str(tmp_path), "digits")
    for name in ("one", "two"):
        (place / name / "manifest.json").write_text(json.dumps({"status": "complete"}))
    (place / "begun" / "manifest.json").write_text(json.dumps({"status": "running"}))
    assert finished_sets(str(tmp_path), "digits") == ["one", "two"]
    for asked, sentence in (("", "name one, as in digits"), (":on", "did you mean 'one'"), (":begun", "begun")):
        with pytest.raises(InputError, match=sentence):
            open_dataset(f"digits+synthetic{asked}", tmp_path, workspace=str(tmp_path))
    with pytest.raises(InputError, match="there are no synthetic images"):
        open_dataset("digits+synthetic", tmp_path, workspace=str(tmp_path / "empty"))


def test_a_set_whose_generator_saw_every_image_leaves_none_to_validate_on():
    learnt = np.array([True, True, True, True, False])
    synthesis = Synthesis(~learnt, learnt)
    listing = Listing([*"abcd", "synthetic/e"], np.array([0, 0, 1, 1, 0], np.int32), ["x", "y"], synthesis)
    assert len(divide(listing, everything(listing), 0, 0, "toys").train) == 5
    with pytest.raises(InputError, match="use --validation 0"):
        divide(listing, everything(listing), 0.1, 0, "toys")


class Stopped(Exception):
    """A worker that is gone."""


def data_for(config):
    """The training images of a configuration."""
    dataset = open_dataset(config.dataset, config.data_root, seed=config.seed, workspace=config.workspace)
    return training_images(request_of(config), dataset, SILENT)


def generator_for(config, data, workspace):
    return trained_generator(request_of(config), data, Location.of(workspace), SILENT)


def test_sampling_that_was_interrupted_goes_on_and_makes_the_same_images(made, tmp_path, monkeypatch):
    work, _ = made
    config = config_of(work, workspace=str(tmp_path), method="cutmix")
    data = data_for(config)
    generator = generator_for(config, data, tmp_path)
    counts = np.array([20, 0, 3, 40])
    whole = sampled(request_of(config), generator, counts, data.class_names, SILENT)
    pixels = np.stack([whole.pixels(row) for row in range(len(whole.listing))])
    [folder] = (tmp_path / "generators").glob("cutmix-*/samples-*")
    files = sorted(folder.rglob("*.npy"))
    assert len(files) == 2 + 1 + 3
    for file in files[1:3]:
        file.unlink()
    files[3].write_bytes(files[3].read_bytes()[:-40] + bytes(40))
    again: list[Shard] = []

    def stopping(shard):
        if len(again) == 2:
            raise Stopped
        again.append(shard)
        return make_shard(shard)

    monkeypatch.setattr(samples, "make_shard", stopping)
    with pytest.raises(Stopped):
        sampled(request_of(config), generator, counts, data.class_names, SILENT)
    monkeypatch.undo()
    assert len(again) == 2
    found = sampled(request_of(config), generator, counts, data.class_names, SILENT)
    assert np.array_equal(pixels, [found.pixels(row) for row in range(len(found.listing))])
    fewer = sampled(request_of(config), generator, np.array([0, 0, 0, 5]), data.class_names, SILENT)
    assert np.array_equal(fewer.pixels(4), found.pixels(20 + 3 + 4))


def test_a_network_is_built_once_for_all_the_files_that_a_worker_makes(made, tmp_path, monkeypatch):
    work, _ = made
    config = config_of(work, workspace=str(tmp_path), method="cutmix")
    data = data_for(config)
    generator = generator_for(config, data, tmp_path)
    built, usual = [], Generator.__post_init__

    def counted(self):
        built.append(self)
        usual(self)

    monkeypatch.setattr(Generator, "__post_init__", counted)
    found = sampled(request_of(config), generator, np.array([40, 0, 3, 40]), data.class_names, SILENT)
    assert len(found.listing) == 83
    assert len(built) == 2  # as the folder has it, and with the settings that are asked for


def test_images_that_cannot_be_decoded_are_not_learnt_from(tmp_path):
    write_images(tmp_path / "shapes" / "train", {"disc": 6, "cross": 6})
    write_images(tmp_path / "shapes" / "test", {"disc": 2, "cross": 2})
    (tmp_path / "shapes" / "train" / "disc" / "003.png").write_bytes(b"no image")
    data = data_for(config_of(tmp_path, balance="1x"))
    used = [data.source.listing.names[row] for rows in data.rows[:2] for row in rows.tolist()]
    assert len(used) == 11
    assert not any(name.endswith("disc/003.png") for name in used)
    assert data.wanted.tolist() == data.counts.tolist()


def test_workers_of_a_cluster_make_the_same_images(made, tmp_path, cluster):
    work, _ = made
    config = config_of(work, workspace=str(tmp_path), method="cutmix")
    data = data_for(config)
    generator = generator_for(config, data, tmp_path)
    counts = np.array([0, 3, 0, 5])
    far = sampled(request_of(replace(config, scheduler=cluster)), generator, counts, data.class_names, SILENT)
    shape = (8, *data.frame)
    pixels = np.stack([far.pixels(row) for row in range(8)])
    here = np.concatenate([generator.generator.sample(1, range(3), 0), generator.generator.sample(3, range(5), 0)])
    assert pixels.shape == shape
    assert np.array_equal(pixels, here)


def test_a_trained_generator_is_used_again_and_grey_images_of_odd_sizes_stay_so(tmp_path):
    write_images(tmp_path / "shapes", {"disc": 12, "cross": 7}, grey=True, shape=(13, 17))
    config = config_of(tmp_path, method="gan", steps=2, settings=("width=8",), balance="1x", surplus=1.0)
    report = run(config)
    assert {one.metric: one.value for one in report.results}["made"] > 0
    [folder] = (tmp_path / "work" / "generators").glob("gan-*")
    assert not (folder / "checkpoint").exists()
    [shard, *_] = sorted(folder.rglob("*.npy"))
    assert np.load(shard).shape[1:] == (13, 17, 1)
    assert finished_sets(str(tmp_path / "work"), "shapes") == ["gan-1x"]
    before = (folder / "generator.safetensors").stat().st_mtime_ns
    (folder / "checkpoint").mkdir()  # as a kill leaves it between saving the generator and the end
    other = replace(config, balance="2x")
    again = generator_for(other, data_for(other), tmp_path / "work")
    assert (folder / "generator.safetensors").stat().st_mtime_ns == before
    assert again.generator.sample(1, range(16), 0).tobytes() == np.load(sorted(folder.rglob("*.npy"))[1]).tobytes()
    assert not (folder / "checkpoint").exists()


def test_a_classifier_that_does_not_know_the_real_images_is_told():
    def notes(right):
        nothing = np.zeros(0)
        agreed = Agreement(nothing, nothing, np.array(right), nothing, nothing, nothing)
        filtered = SimpleNamespace(agreement=agreed)
        return warnings_of(SimpleNamespace(verdicts=[], backbone="tiny", filtered=filtered))

    assert "only 25.0 % of the real rows are recognised" in notes([True, False, False, False])[0]
    assert not any("recognised" in note for note in notes([True, True, False, True]))


def test_features_of_changed_images_and_of_another_seed_are_made_anew(tmp_path):
    for split in ("train", "test"):
        write_images(tmp_path / "shapes" / split, {"disc": 6, "cross": 6})

    def features(seed=0):
        config = config_of(tmp_path, balance="1x", validation=0.0, seed=seed)
        data, request, workspace = data_for(config), request_of(config), Location.of(tmp_path)
        images = framed(data, (data.source,), [data.rows.train])
        backbone = load_backbone(request, data, workspace, SILENT)
        return features_of(request, data, backbone, workspace, SILENT, images, "real")

    first = features()
    assert features().folder == first.folder
    assert features(seed=1).rows == first.rows
    image = tmp_path / "shapes" / "train" / "disc" / "000.png"
    Image.fromarray(np.zeros((16, 16, 3), np.uint8)).save(image)
    changed = features()
    assert (changed.view().read().x != first.view().read().x).any(axis=1).sum() == 1


def test_a_class_that_a_method_cannot_make_is_left_out_with_a_sentence(made):
    work, _ = made
    method, recipe = GENERATORS["cutmix"], request_of(config_of(work, method="cutmix")).recipe
    images = np.zeros((4, 8, 8, 3), np.uint8)
    generator = method.train(images, np.array([0, 0, 0, 1]), 2, recipe)
    left, notes = usable_classes(generator, np.array([2, 3]), ["many", "single"])
    assert left.tolist() == [2, 0]
    assert notes[0].startswith("single gets no synthetic images: class 1 has 1 training images")
    with pytest.raises(InputError, match="no class can be given images"):
        usable_classes(generator, np.array([0, 3]), ["many", "single"])


def test_many_classes_that_a_method_cannot_make_are_one_sentence(made):
    work, _ = made
    method, recipe = GENERATORS["cutmix"], request_of(config_of(work, method="cutmix")).recipe
    labels = np.array([0, 0, *range(1, 14)])
    generator = method.train(np.zeros((15, 8, 8, 3), np.uint8), labels, 14, recipe)
    left, notes = usable_classes(generator, np.full(14, 3), [f"c{label}" for label in range(14)])
    assert left.tolist() == [3] + [0] * 13
    [note] = notes
    assert note.startswith("c1, c2, c3, c4, c5, c6, c7, c8, c9, c10 and 3 more get no synthetic images: class 1 has 1")


def test_only_as_many_images_are_kept_as_were_wanted_the_first_that_pass(made):
    work, _ = made
    data = data_for(config_of(work))
    columns = {name: np.zeros(6) for name in SYNTHETIC_SCHEMA.names}
    columns |= {
        "sample_id": np.array([3, 1, 0, 2, 5, 4]),
        "class": np.array([0, 0, 0, 0, 1, 1]),
        "index": np.array([3, 1, 0, 2, 1, 0]),
        "kept": np.array([True, True, False, True, True, True]),
        "reason": ["", "", "off_class", "", "", ""],
        "generator": ["cutmix"] * 6,
        "nearest_training": np.zeros(6, np.int64),
    }
    arrays = [pa.array(columns[field.name]).cast(field.type) for field in SYNTHETIC_SCHEMA]
    found = table_of(pa.table(arrays, schema=SYNTHETIC_SCHEMA), data, np.array([2, 1, 0, 0])).to_pylist()
    assert [row["sample_id"] for row in found] == list(range(6))
    assert [row["reason"] for row in found] == ["off_class", "", "", NOT_NEEDED, "", NOT_NEEDED]
    assert [bool(row["file"]) for row in found] == [row["kept"] for row in found]


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"method": "gna"}, "did you mean 'gan'"),
        ({"method": "smote"}, "holds no embeddings of"),
        ({"balance": "5"}, "asks for no image"),
        ({"balance": "most"}, "is not understood"),
        ({"balance": "99999999999999999999"}, "which no class needs"),
        ({"balance": "1e30x"}, "which no class needs"),
        ({"balance": "-3"}, "makes nothing"),
        ({"balance": "nanx"}, "makes nothing"),
        ({"settings": ("smalest=0.5",)}, "did you mean 'smallest'"),
        ({"settings": ("smallest=much",)}, "must be of type float"),
        ({"method": "gan", "steps": 0}, "steps is 0"),
        ({"surplus": 0.5}, "--surplus is 0.5"),
        ({"surplus": float("nan")}, "--surplus is nan"),
        ({"surplus": float("inf")}, "--surplus is inf"),
        ({"image_size": 0}, "--image-size is 0"),
        ({"method": "gan", "steps": 1, "image_size": 4}, "scale them"),
        ({"memory": "1KB"}, "need"),
        ({"workspace": "s3://bucket/work"}, "a folder of this machine"),
        ({"split": "tran"}, "did you mean 'train'"),
        ({"dataset": "no-such-set"}, "no-such-set"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_mistake_is_one_sentence(made, tmp_path, options, sentence):
    work, _ = made
    with pytest.raises(GapscopeError, match=sentence) as caught:
        run(config_of(work, **({"workspace": str(tmp_path)} | options)))
    assert "\n" not in str(caught.value)


def test_generators_do_not_learn_from_synthetic_images(made):
    work, _ = made
    with pytest.raises(InputError, match="train on the real ones alone"):
        run(config_of(work, dataset=f"{work / 'shapes'}+synthetic:augment-only-to-max"))


def test_a_balanced_sampler_shows_every_class_as_often(rng):
    rows = np.arange(100, 1100)
    labels = np.repeat([0, 1, 2], [900, 90, 10])
    drawn = SAMPLERS["balanced"](rows, labels, rng)
    assert len(drawn) == len(rows)
    shares = np.bincount(labels[drawn - 100], minlength=3) / len(drawn)
    assert abs(shares - 1 / 3).max() < 4 * np.sqrt(1 / 3 * 2 / 3 / 1000)
    assert sorted(SAMPLERS["shuffled"](rows, labels, rng).tolist()) == rows.tolist()
