"""Synthetic rows in stores and predictions: they are flagged, and only real rows that no generator saw are held out."""

import json
import shutil
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import pyarrow.parquet as pq
import pytest
from conftest import write_store
from PIL import Image

from gapscope.backbones import BackboneChoice
from gapscope.core.errors import GapscopeError, InputError
from gapscope.core.location import Location
from gapscope.data.source import Listing, Synthesis, Undecodable
from gapscope.estimators.rows import divided as divided_view
from gapscope.extraction.extraction import extract
from gapscope.extraction.job import Extraction
from gapscope.extraction.plan import shuffled, stored_order
from gapscope.generators.feature_joined import Joint, write_joined
from gapscope.generators.feature_store import write_features
from gapscope.generators.features import FEATURE_GENERATORS
from gapscope.jobs import command_line as cli
from gapscope.jobs.augment import AugmentConfig, request_of
from gapscope.jobs.augment import run as augment
from gapscope.predictions import read_predictions
from gapscope.schemas.embeddings import Fingerprint, Provenance, StoreManifest, SyntheticRows
from gapscope.store import Piece, open_store
from gapscope.store.selected import rows_of, selected
from gapscope.store.selection import Choice, Selection
from gapscope.store.stacked import stacked
from gapscope.store.workspace import companions, find_store, store_folder
from gapscope.store.write import MANIFEST, config_hash
from gapscope.stream import connect
from gapscope.synthesis.training_rows import training_rows
from gapscope.training.rows import divided

ROWS, LEARNT, REAL = 60, 34, 44


@dataclass(frozen=True)
class Made:
    """Images made from their number, of which some cannot be decoded."""

    listing: Listing
    bad: frozenset

    def image(self, index):
        if index in self.bad:
            raise Undecodable("is bad")
        return Image.fromarray(np.random.default_rng(index).integers(0, 256, (16, 16, 3), np.uint8))


def same(source):
    return source


def planted():
    """Images of which the first 44 are real; a generator has learnt from 34 of these and made the other 16."""
    rng = np.random.default_rng(2)
    synthesis = Synthesis(np.arange(ROWS) >= REAL, np.isin(np.arange(ROWS), rng.permutation(REAL)[:LEARNT]))
    names = [f"image-{index:05d}" for index in range(ROWS)]
    return Listing(names, np.arange(ROWS, dtype=np.int32) % 10, [str(index) for index in range(10)], synthesis)


def unseen_of(listing):
    return set(np.flatnonzero(~(listing.synthesis.made | listing.synthesis.learnt)).tolist())


@pytest.fixture(params=[7, 25, 100], ids="parts of {}".format)
def extracted(request, tmp_path):
    """The store of the planted images, one of which of each kind cannot be decoded, and their listing."""
    listing = planted()
    bad = frozenset([min(unseen_of(listing)), int(np.flatnonzero(listing.synthesis.learnt)[0]), REAL])
    open_source = partial(same, Made(listing, bad))
    backbone = BackboneChoice("tiny", device="cpu")
    settings = {"part_rows": request.param, "batch_size": 16, "decode_workers": 0}
    outcome = extract(Extraction("made", "all", Location.of(tmp_path), open_source, backbone, **settings))
    assert outcome.manifest.rejected == 3
    return open_store(Location.of(tmp_path)), listing


def test_an_extracted_store_flags_synthetic_rows_and_ends_in_the_real_ones_no_generator_saw(extracted):
    store, listing = extracted
    rows = store.sample_ids()
    assert store.is_synthetic(Piece(0, store.rows)).tolist() == (rows >= REAL).tolist()
    assert store.is_synthetic(Piece(5, 31)).tolist() == (rows[5:31] >= REAL).tolist()
    last = unseen_of(listing) - {min(unseen_of(listing))}
    assert store.manifest.unseen == len(last) == ROWS - 16 - LEARNT - 1
    assert set(rows[-len(last) :].tolist()) == last
    assert store.provenance.synthetic == SyntheticRows(made=16, unseen=10, hash=store.provenance.synthetic.hash)
    assert store.labels().tolist() == (rows % 10).tolist()


@pytest.mark.parametrize("share", [0.02, 0.1, 0.5, 0.99])
def test_held_out_rows_are_real_ones_that_no_generator_saw_and_no_row_is_lost(extracted, share):
    store, listing = extracted
    for train, held in (divided(store, share), divided_view(store.view(), share)[:2]):
        assert held.rows == min(int(store.rows * share), store.manifest.unseen)
        assert {*held.read().sample_id.tolist()} <= unseen_of(listing)
        assert [*train.read().sample_id, *held.read().sample_id] == store.sample_ids().tolist()
    part = store.view(0, store.rows - 4)
    assert divided_view(part, 0.99).held.rows == store.manifest.unseen - 4


def test_chosen_rows_of_such_a_store_keep_their_flags_and_their_hold_out(extracted, rng):
    store, listing = extracted
    ids = np.sort(rng.choice(store.sample_ids(), 30, replace=False))
    chosen = selected(store, Choice(Selection("ids.csv", {("made", "all"): ids})))
    found = [store.sample_ids()[row] for row in range(store.rows) if store.sample_ids()[row] in ids]
    assert chosen.is_synthetic(Piece(0, 30)).tolist() == [one >= REAL for one in found]
    assert chosen.is_synthetic(Piece(7, 19)).tolist() == [one >= REAL for one in found[7:19]]
    _, held = divided(chosen, 0.9)
    assert {*held.read().sample_id.tolist()} == unseen_of(listing) & set(ids.tolist())


def test_where_no_row_may_be_held_out_one_sentence_says_what_to_do(extracted):
    store, _ = extracted
    seen = store.sample_ids()[: -store.manifest.unseen]
    chosen = selected(store, Choice(Selection("ids.csv", {("made", "all"): np.sort(seen)})))
    with pytest.raises(InputError, match=r"none can be held out; use --holdout 0, or make the set again") as caught:
        divided(chosen, 0.1)
    assert "\n" not in str(caught.value)
    assert divided(chosen, 0)[0].rows == len(seen)


def test_without_synthetic_images_the_order_is_the_shuffled_one_and_otherwise_it_is_so_within_either_group():
    listing = planted()
    plain = Listing(listing.names, listing.labels, listing.class_names)
    assert stored_order(plain, 3).tolist() == shuffled(ROWS, 3).tolist()
    last = unseen_of(listing)
    order, whole = stored_order(listing, 3).tolist(), shuffled(ROWS, 3).tolist()
    assert order == [row for row in whole if row not in last] + [row for row in whole if row in last]


def test_hash_and_manifest_of_a_store_without_synthetic_rows_are_what_they_were():
    fields = {
        "backbone": "toy",
        "decoder": "none",
        "dataset": "toy",
        "split": "train",
        "seed": 0,
        "code_version": "test",
    }
    made = Provenance(
        dim=3, dtype="float32", part_rows=2, fingerprint=Fingerprint(count=4, hash="0"), class_names=["a"], **fields
    )
    # Printed by the code of before, for two class names; the format's version is part of the hash.
    two = made.model_copy(update={"class_names": ["a", "b"], "spec_version": 1})
    assert config_hash(two) == "d88c231e1034061adf4512829899dee0bd26c653c59ca7deb940f034a11d37d4"
    written = json.loads(StoreManifest(provenance=two, config_hash="x").model_dump_json())
    assert not {"synthetic", "unseen", "underflows", "files"} & {*written, *written["provenance"]}
    other = two.model_copy(update={"synthetic": SyntheticRows(made=1, unseen=1, hash="0")})
    assert config_hash(other) != config_hash(two)
    assert Provenance.model_validate_json(other.model_dump_json()) == other


def test_a_store_without_the_flag_has_no_synthetic_row_and_any_may_be_held_out(rng, make_store):
    store = make_store(rng.standard_normal((50, 3)).astype(np.float32), np.zeros(50, int))
    assert store.unseen is None
    assert not store.is_synthetic(Piece(3, 40)).any()
    assert divided(store, 0.4)[1].rows == 20


D, COUNTS = 5, (40, 18, 9)


@pytest.fixture
def joint(tmp_path):
    """A function that joins real rows with some Gaussian ones, in parts of any size, and the real and the new store."""

    def join(part_rows, made_rows=None, folder="joined"):
        rng = np.random.default_rng(0)
        y = rng.permutation(np.repeat(np.arange(3), COUNTS))
        x = rng.normal(size=(3, D))[y].astype(np.float32) + rng.normal(size=(len(y), D)).astype(np.float32)
        place = tmp_path / f"{part_rows}"
        real = write_store(place / "real", x, y, part_rows=part_rows)
        with connect(threads=1) as workers:
            generator = FEATURE_GENERATORS["gaussian"].train(real.view(0, 57), [1, 2], workers)
        counts, about = {1: 22, 2: 31}, real.provenance.model_copy(update={"part_rows": made_rows or part_rows})
        made = write_features(Location.of(place / "made"), generator, counts, 5, about, "test")
        kept = rows_of(made, made.sample_ids() % 3 > 0, "two thirds")
        return (
            write_joined(Location.of(place / folder), Joint(real, kept, 10), "toy+synthetic:g", 4, "test"),
            real,
            kept,
        )

    return join


def test_a_joined_store_has_all_rows_in_random_order_but_the_unseen_ones_which_are_last(joint):
    store, real, kept = joint(16)
    both = store.view().read()
    flags = store.is_synthetic(Piece(0, store.rows))
    for source, mine in ((real, ~flags), (kept, flags)):
        expected = source.view().read()
        for found, wanted in zip(both[:3], expected[:3], strict=True):
            np.testing.assert_array_equal(found[mine], wanted)
        paths = np.array(store.paths(Piece(0, store.rows)))[mine]
        assert paths.tolist() == source.paths(Piece(0, source.rows))
    assert both.sample_id[-10:].tolist() == real.sample_ids()[-10:].tolist()
    assert store.manifest.unseen == 10
    assert (np.diff(flags[:-10].astype(int)) != 0).sum() > 20
    assert store.provenance.synthetic.made == kept.rows == store.provenance.fingerprint.count - real.rows
    _, held = divided(store, 0.5)
    assert held.read().sample_id.tolist() == real.sample_ids()[-10:].tolist()


def test_a_joined_store_does_not_depend_on_how_the_stores_are_divided(joint):
    first = joint(16)[0].view().read()
    for part_rows, made_rows in ((5, 11), (64, 3), (200, 200)):
        for found, wanted in zip(joint(part_rows, made_rows)[0].view().read()[:3], first[:3], strict=True):
            np.testing.assert_array_equal(found, wanted)


def test_a_joined_store_continues_where_it_was_killed_and_one_of_other_rows_is_replaced(joint):
    store, real, kept = joint(16)
    folder = store.folder
    before = {name: (folder / name).read_bytes() for name in folder.names() if name.startswith("part-")}
    (folder / "part-00001.parquet").delete()
    unfinished = store.manifest.model_copy(update={"complete": False, "parts": [], "unseen": None})
    (folder / MANIFEST).write_text(unfinished.model_dump_json())
    again = write_joined(folder, Joint(real, kept, 10), "toy+synthetic:g", 4, "test")
    assert {name: (folder / name).read_bytes() for name in before} == before
    assert again.manifest == store.manifest
    fewer = write_joined(folder, Joint(real, kept, 12), "toy+synthetic:g", 4, "test")
    assert fewer.manifest.unseen == 12
    with pytest.raises(InputError, match="give another --name"):
        write_joined(real.folder, Joint(real, kept, 12), "toy", 4, "test")


def test_rows_of_several_stores_read_as_one(rng, make_store, tmp_path):
    x = rng.standard_normal((50, 3)).astype(np.float32)
    one = make_store(x[:20], np.zeros(20, int), folder=tmp_path / "one")
    other = make_store(x[20:], np.ones(30, int), folder=tmp_path / "other")
    view = stacked([one.view(2, 20), other.view(0, 25)])
    for start, stop in ((0, 43), (0, 5), (17, 19), (18, 43), (7, 7)):
        np.testing.assert_array_equal(view.store.read(Piece(start, stop)).x, x[2:45][start:stop])


def test_a_set_with_synthetic_rows_has_the_companions_and_the_splits_of_the_real_one(tmp_path, rng):
    x, y = rng.standard_normal((20, 3)).astype(np.float32), np.zeros(20, int)
    workspace = Location.of(tmp_path)
    sets = [
        ("toy", "train", ""),
        ("toy", "val", ""),
        ("toy", "test", ""),
        ("night", "test", "toy"),
        ("far", "test", ""),
    ]
    for dataset, split, of in [*sets, ("toy+synthetic:a", "test", "")]:
        folder = store_folder(workspace, "toy", dataset, split)
        write_store(folder.path, x, y, dataset=dataset, split=split, companion_of=of)
    folder = store_folder(workspace, "toy", "toy+synthetic:a", "train")
    store = write_store(folder.path, x, y, dataset="toy+synthetic:a", split="train")
    found = [one.name for one in companions(workspace, store, ["far"], "toy")]
    assert found == ["toy+synthetic:a/test", "toy/val", "far/test", "night/test"]
    manifest = store.manifest.provenance.model_copy(update={"synthetic": SyntheticRows(made=1, unseen=0, hash="")})
    made = {"provenance": manifest, "config_hash": config_hash(manifest)}
    (folder / MANIFEST).write_text(store.manifest.model_copy(update=made).model_dump_json())
    assert find_store(workspace, "toy+synthetic", "train").folder == folder
    write_store(store_folder(workspace, "toy", "toy+synthetic:b", "train").path, x, y, dataset="toy+synthetic:b")
    with pytest.raises(InputError, match=r"stored with the sets a, b; name one, as in toy\+synthetic:a"):
        find_store(workspace, "toy+synthetic", "train")
    real = find_store(workspace, "toy", "val")
    assert "toy+synthetic:a/train" not in [one.name for one in companions(workspace, real, ["toy+synthetic:a"])]


def test_a_class_of_one_row_is_left_out_with_a_sentence_where_the_method_needs_two(tmp_path, rng):
    y = np.repeat(np.arange(3), (30, 12, 1))
    folder = store_folder(Location.of(tmp_path), "toy", "toy", "train")
    write_store(folder.path, rng.standard_normal((43, 4)).astype(np.float32), y)
    asked = AugmentConfig(dataset="toy", method="smote", validation=0.0, workspace=str(tmp_path))
    data = training_rows(request_of(asked), "toy", FEATURE_GENERATORS["smote"], Location.of(tmp_path))
    assert data.wanted.tolist() == [0, 18, 0]
    assert data.notes[0].startswith("no synthetic rows for class 2: smote needs 2 training rows or more")
    gaussian = request_of(replace(asked, method="gaussian"))
    other = training_rows(gaussian, "toy", FEATURE_GENERATORS["gaussian"], Location.of(tmp_path))
    assert other.wanted.tolist() == [0, 18, 29]
    assert not other.notes


class Killed(Exception):
    """A process that is gone."""


class Watching:
    """A progress that remembers what there was to do, and ends the process, as it were, when a task begins."""

    def __init__(self, deadly=""):
        self.deadly, self.totals = deadly, {}

    def say(self, message):
        pass

    def task(self, description, total, unit):
        if description == self.deadly:
            raise Killed
        self.totals[description] = total
        return self

    def __enter__(self):
        return self

    def __exit__(self, *error):
        return None

    def advance(self, count=1):
        pass


def test_a_killed_run_goes_on_where_it_was_and_ends_in_the_same_store(tmp_path):
    rng = np.random.default_rng(1)
    y = rng.permutation(np.repeat(np.arange(3), COUNTS))
    x = (4 * rng.normal(size=(3, D))[y] + rng.normal(size=(len(y), D))).astype(np.float32)
    settings = ("steps=20", "width=8", "layers=1", "axes=3", "block=8", "ddim_steps=10")
    found = []
    for name, deaths in (("killed", ["write feature-diffusion rows", "write rows"]), ("whole", [])):
        work = tmp_path / name
        write_store(store_folder(Location.of(work), "toy", "toy", "train").path, x, y, part_rows=16)
        config = AugmentConfig(dataset="toy", method="feature-diffusion", settings=settings, workspace=str(work))
        for deadly in deaths:
            with pytest.raises(Killed):
                augment(config, Watching(deadly))
        last = Watching()
        augment(config, last)
        assert last.totals.get("train the generator") == (None if deaths else 20)
        store = find_store(Location.of(work), "toy+synthetic:feature-diffusion-to-max", "train")
        found.append((store.manifest, [(store.folder / part.name).read_bytes() for part in store.manifest.parts]))
    assert found[0] == found[1]


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    """A workspace with the embeddings of some digits, and the name of the dataset."""
    place = tmp_path_factory.mktemp("features") / "work"
    command(place, "extract", "--dataset", "digits@240", "--decode-workers", "0", "--seed", "0")
    return place


def command(place, *arguments):
    """Run the command line in this process; it ends well."""
    assert cli.execute([*arguments, "--workspace", str(place)]) == 0


def test_smote_on_the_command_line_and_a_classifier_that_learns_from_its_rows(workspace):
    asked = ("augment", "--dataset", "digits@240", "--method", "smote", "--backbone", "tiny", "--balance", "40")
    command(workspace, *asked)
    name = "digits@240+synthetic:smote-40"
    store = find_store(Location.of(workspace), name, "train")
    real = find_store(Location.of(workspace), "digits@240", "train")
    learnt = real.rows - int(real.rows * 0.1)
    table = pq.read_table(workspace / "runs" / "augment-digits-240-smote-40" / "synthetic.parquet")
    kept = table.filter(table["kept"])
    flags = store.is_synthetic(Piece(0, store.rows))
    assert store.rows == real.rows + kept.num_rows
    assert sorted(store.sample_ids()[flags].tolist()) == sorted(kept["sample_id"].to_pylist())
    counts = np.bincount(store.labels()[: -store.manifest.unseen], minlength=10)
    assert (counts <= np.maximum(40, np.bincount(real.labels()[:learnt], minlength=10))).all()
    assert counts.sum() > learnt + 50
    # What was made, part by part and as a whole, is found again; what a kill has taken is made again.
    before = {path.name: path.read_bytes() for path in (workspace / "embeddings").rglob("*smote-40/train/part-*")}
    made = {path: path.stat().st_mtime_ns for path in (workspace / "generators").rglob("part-*.parquet")}
    shutil.rmtree(store.folder.path)
    command(workspace, *asked)
    assert {
        path.name: path.read_bytes() for path in (workspace / "embeddings").rglob("*smote-40/train/part-*")
    } == before
    assert {path: path.stat().st_mtime_ns for path in (workspace / "generators").rglob("part-*.parquet")} == made
    command(workspace, "fit-incremental", "--dataset", name, "--model", "ridge", "--no-report")
    [run] = (workspace / "runs").glob("fit-incremental-*")
    about = json.loads((run / "model.json").read_text())
    assert about["details"]["holdout_rows"] == store.manifest.unseen == real.rows - learnt
    assert [path.name for path in (run / "predictions").iterdir()] == ["digits-240-test"]
    assert read_predictions(str(run), dataset="digits@240", split="test").is_synthetic is None
    command(workspace, "predict", "--model", str(run), "--dataset", name, "--split", "train", "--name", "own")
    found = read_predictions(str(workspace / "runs" / "predict-own"))
    assert found.is_synthetic.sum() == kept.num_rows
    assert found.rows(np.flatnonzero(found.is_synthetic)).is_synthetic.all()


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"image_size": 32}, "--image-size is for methods that make images"),
        ({"validation": 1.0}, "--validation is 1.0"),
        ({"balance": "3"}, "asks for no row"),
        ({"settings": ("neighbors=3",)}, "did you mean 'neighbours'"),
        ({"method": "smotte"}, "did you mean 'smote'"),
        ({"memory": "1KB"}, "needs about"),
        ({"dataset": "digits"}, "digits"),
        ({"surplus": 0.5}, "--surplus is 0.5"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_mistake_is_one_sentence(workspace, options, sentence):
    usual = {"dataset": "digits@240", "method": "smote", "balance": "to-max", "workspace": str(workspace)}
    with pytest.raises(GapscopeError, match=sentence) as caught:
        augment(AugmentConfig(**(usual | options)))
    assert "\n" not in str(caught.value)
