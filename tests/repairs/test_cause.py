"""A head that is trained on the reference's images after the cause that a run of `explain` has named."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import write_store
from sklearn.linear_model import LogisticRegression
from toy_workspace import Blobs, write_sets

import gapscope
from gapscope.causes.record import REPRODUCED
from gapscope.core.chunk import Chunk
from gapscope.core.errors import InputError
from gapscope.core.files import write_json, write_table
from gapscope.core.location import Location
from gapscope.jobs.explain import ExplainConfig
from gapscope.probes.model import Classifier
from gapscope.probes.rules.linear import Linear
from gapscope.repairs.cause import Images, chosen_by_cause
from gapscope.repairs.fit import Candidate
from gapscope.runs.folder import input_of, opened
from gapscope.schemas.run import Input
from gapscope.store import open_store

ROWS = 300


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    """The toy sets, a set with mirrored features, and what `explain` would have kept of it."""
    place, blobs = tmp_path_factory.mktemp("cause"), Blobs(np.random.default_rng(5))
    write_sets(place, blobs)
    x, y = blobs(1200)
    write_store(place / "embeddings/toy/mirror/test", x[:, ::-1], y, part_rows=512, dataset="mirror", split="test")
    val = gapscope_rows(place, "toy/val")
    write_store(place / "embeddings/toy/copy/test", val.x[:, ::-1], val.y, part_rows=512, dataset="copy", split="test")
    for name, rows in (("toy", ROWS), ("all", len(val.y)), ("copy", len(val.y))):
        folder = place / f"runs/explain-{name}"
        folder.mkdir(parents=True)
        keep(folder, val, rows, "copy/test" if name == "copy" else "mirror/test")
        (folder / "manifest.json").write_text("{}")
    return place


def keep(folder, val, rows, target):
    """What `explain` keeps of the first rows of a set that were mirrored."""
    about = {"reference": "toy/val", "target": target, "cause": "mirror:3"}
    columns = {
        "sample_id": pa.array(val.sample_id[:rows]),
        "class": pa.array([f"class {one}" for one in val.y[:rows]]),
        "embedding": pa.FixedSizeListArray.from_arrays(pa.array(val.x[:rows, ::-1].ravel()), val.x.shape[1]),
    }
    write_table(Location.of(folder) / f"{REPRODUCED}.parquet", pa.table(columns).replace_schema_metadata(about))


def gapscope_rows(place, name):
    return open_store(Location.of(place / "embeddings/toy" / name)).view().read()


@pytest.fixture(scope="module")
def model(workspace):
    return gapscope.fit_incremental("toy", model=("lda",), workspace=str(workspace), report=False).run


def config_of(result):
    return json.loads((Path(result.run) / "manifest.json").read_text())["config"]


def repair(workspace, model, target, **options):
    options = {"reference": "toy/val", "workspace": str(workspace), "report": False, "explain": "explain-toy"} | options
    return gapscope.repair(model, target=f"{target}/test", **options)


def test_a_head_of_the_reproduced_cause_wins_back_what_no_alignment_does_and_says_its_price(workspace, model):
    result = repair(workspace, model, "mirror")
    rows = {row["name"]: row for row in pq.read_table(f"{result.run}/repairs.parquet").to_pylist()}
    assert rows["cause"]["labels"] == 0
    assert rows["cause"]["target_value"] > 0.5
    assert rows["cause"]["reference_n"] == ROWS
    assert rows["cause"]["reference_value"] > -0.15
    assert rows["mean"]["reference_n"] == 600
    assert rows["cause"]["chosen"]
    fitted = pd.read_parquet(f"{result.run}/fitted-on.parquet")
    assert (fitted["dataset"] == "toy").sum() == ROWS
    sure = dict(result.blocks[0].parts)["How sure"]
    assert "It was chosen by images of toy/val after mirror:3." in sure


def test_a_price_is_unknown_only_of_a_head_of_labels_that_has_seen_every_image_of_the_reference(workspace, model):
    result = repair(workspace, model, "mirror", explain="explain-all", label_rows=60)
    rows = {row["name"]: row for row in pq.read_table(f"{result.run}/repairs.parquet").to_pylist()}
    assert rows["cause"]["reference_n"] == rows["mean"]["reference_n"] == 600
    assert {row["reference_n"] for name, row in rows.items() if name.startswith("cause+")} == {None}
    if next(row for row in rows.values() if row["chosen"])["labels"]:
        price = dict(result.blocks[0].parts)["What it costs"]
        assert "its head has seen every image of toy/val, so what it costs there is unknown" in price


def test_the_cause_that_explain_has_named_for_these_sets_is_used_without_being_named(workspace, model):
    """As `explain` has recorded it, that with more images; not that of another target, nor with `none`."""
    val = gapscope_rows(workspace, "toy/val")
    sets = [open_store(Location.of(workspace / "embeddings/toy" / name)) for name in ("toy/val", "mirror/test")]
    inputs = [Input(place=model, config_hash="", rows=1), *map(input_of, sets)]
    for name, rows in (("few", ROWS), ("most", 600)):
        with opened(Location.of(workspace), "explain", name, ExplainConfig(), inputs) as made:
            keep(str(made.place), val, rows, "mirror/test")
            write_json(made.place / "explanation.json", {"rows": [rows, rows]})
            made.finish([], page=lambda _: [])
    assert config_of(repair(workspace, model, "mirror", explain=""))["explain"] == "explain-most"
    assert config_of(repair(workspace, model, "mirror", explain="none"))["explain"] == "none"
    assert config_of(repair(workspace, model, "toy-shifted", explain=""))["explain"] == ""


def test_a_head_is_not_judged_on_copies_of_the_images_that_it_was_trained_on(workspace, model):
    result = repair(workspace, model, "copy", explain="explain-copy")  # one listing, so that row 5 is one image
    rows = {row["name"]: row for row in pq.read_table(f"{result.run}/repairs.parquet").to_pylist()}
    assert rows["cause"]["target_n"] == rows["mean"]["target_n"] == ROWS
    fitted = pd.read_parquet(f"{result.run}/fitted-on.parquet")
    trained, seen = (set(fitted[fitted["dataset"] == name]["sample_id"]) for name in ("toy", "copy"))
    assert trained == seen
    assert len(trained) == ROWS


def test_the_cause_of_other_sets_is_refused(workspace, model):
    with pytest.raises(InputError, match="explains mirror/test by toy/val"):
        repair(workspace, model, "toy-shifted")
    (workspace / "runs/nothing-named").mkdir()
    (workspace / "runs/nothing-named/manifest.json").write_text("{}")
    with pytest.raises(InputError, match="has named no cause"):
        repair(workspace, model, "mirror", explain="nothing-named")


def of_blobs(rng, mirrored):
    """Two classes as they are, and after a cause that mirrors them or does nothing."""
    y = np.repeat([0, 1], 200).astype(np.int32)
    x = (rng.normal(size=(400, 3)) + 2.0 * (2 * y[:, None] - 1)).astype(np.float32)
    plain, after = (Chunk(np.arange(400), sign * x, y) for sign in (1, -1 if mirrored else 1))
    return Images("mirror:3", plain, after, np.arange(400) % 5)


def test_a_repair_is_chosen_that_classifies_most_images_after_the_cause_and_none_where_nothing_was_lost(rng):
    rule = Linear(np.array([[-1.0] * 3, [1.0] * 3], np.float32), np.zeros(2, np.float32))
    model, other = Classifier("softmax", rule, class_names=("a", "b")), Linear(-rule.weight, rule.bias)
    half = Linear(rule.weight * np.array([[1.0, -1.0, -1.0]], np.float32), rule.bias)
    tried = [Candidate("nothing", rule, ""), Candidate("mean", half, ""), Candidate("scale", other, "")]
    assert chosen_by_cause(model, tried, of_blobs(rng, mirrored=True)) == "scale"
    assert chosen_by_cause(model, tried[:2], of_blobs(rng, mirrored=True)) == "mean"
    assert chosen_by_cause(model, tried, of_blobs(rng, mirrored=False)) == ""


def test_the_head_of_the_cause_is_judged_on_images_that_it_was_not_fitted_to(rng):
    """Labels at random: a head of as many features as rows knows those that it was fitted to, and no others."""
    y = rng.integers(0, 2, 120).astype(np.int32)
    x = rng.normal(size=(2, 120, 300)).astype(np.float32)
    images = Images("noise:3", *(Chunk(np.arange(120), one, y) for one in x), np.arange(120) % 5)
    rule = Linear(rng.normal(size=(2, 300)).astype(np.float32), np.zeros(2, np.float32))
    model = Classifier("softmax", rule, class_names=("a", "b"))
    nothing = Candidate("nothing", rule, "")
    heads = [LogisticRegression(C=1e3).fit(x[1][images.group != one], y[images.group != one]) for one in range(5)]
    heads = [
        Linear(np.stack([-one.coef_[0], one.coef_[0]]).astype(np.float32), np.zeros(2, np.float32)) for one in heads
    ]
    every = LogisticRegression(C=1e3).fit(x[1], y)
    sure = Linear(np.stack([-every.coef_[0], every.coef_[0]]).astype(np.float32), np.zeros(2, np.float32))
    assert (sure.scores(x[1]).argmax(axis=1) == y).all()
    assert chosen_by_cause(model, [nothing, Candidate("cause", sure, "", tuple(heads))], images) == ""
    assert chosen_by_cause(model, [nothing, Candidate("scale", sure, "")], images) == "scale"
