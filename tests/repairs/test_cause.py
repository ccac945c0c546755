"""A head that is trained on the reference's images after the cause that a run of `explain` has named."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import write_store
from toy_workspace import Blobs, write_sets

import gapscope
from gapscope.causes.record import REPRODUCED
from gapscope.core.errors import InputError
from gapscope.core.files import write_table
from gapscope.core.location import Location

ROWS = 300


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    """The toy sets, a set with mirrored features, and what `explain` would have kept of it."""
    place, blobs = tmp_path_factory.mktemp("cause"), Blobs(np.random.default_rng(5))
    write_sets(place, blobs)
    x, y = blobs(1200)
    write_store(place / "embeddings/toy/mirror/test", -x, y, part_rows=512, dataset="mirror", split="test")
    val = gapscope_rows(place, "toy/val")
    write_store(place / "embeddings/toy/copy/test", -val.x, val.y, part_rows=512, dataset="copy", split="test")
    for name, rows in (("toy", ROWS), ("all", len(val.y)), ("copy", len(val.y))):
        about = {
            "reference": "toy/val",
            "target": f"{'copy' if name == 'copy' else 'mirror'}/test",
            "cause": "mirror:3",
        }
        columns = {
            "sample_id": pa.array(val.sample_id[:rows]),
            "class": pa.array([f"class {one}" for one in val.y[:rows]]),
            "embedding": pa.FixedSizeListArray.from_arrays(pa.array(-val.x[:rows].ravel()), x.shape[1]),
        }
        folder = place / f"runs/explain-{name}"
        folder.mkdir(parents=True)
        write_table(Location.of(folder / f"{REPRODUCED}.parquet"), pa.table(columns).replace_schema_metadata(about))
        (folder / "manifest.json").write_text("{}")
    return place


def gapscope_rows(place, name):
    from gapscope.store import open_store

    return open_store(Location.of(place / "embeddings/toy" / name)).view().read()


@pytest.fixture(scope="module")
def model(workspace):
    return gapscope.fit_incremental("toy", model=("lda",), workspace=str(workspace), report=False).run


def repair(workspace, model, target, **options):
    options = {"reference": "toy/val", "workspace": str(workspace), "report": False, "explain": "explain-toy"} | options
    return gapscope.repair(model, target=f"{target}/test", **options)


def test_a_head_of_the_reproduced_cause_wins_back_what_no_alignment_does_and_says_its_price(workspace, model):
    result = repair(workspace, model, "mirror")
    rows = {row["name"]: row for row in pq.read_table(f"{result.run}/repairs.parquet").to_pylist()}
    assert rows["cause"]["labels"] == 0
    assert rows["cause"]["target_value"] > 0.5
    assert rows["cause"]["reference_n"] == 600 - ROWS
    assert rows["mean"]["reference_n"] == 600
    assert rows["cause"]["chosen"]
    fitted = pd.read_parquet(f"{result.run}/fitted-on.parquet")
    assert (fitted["dataset"] == "toy").sum() == ROWS


def test_a_price_is_unknown_only_of_a_head_that_has_seen_every_image_of_the_reference(workspace, model):
    result = repair(workspace, model, "mirror", explain="explain-all")
    rows = {row["name"]: row for row in pq.read_table(f"{result.run}/repairs.parquet").to_pylist()}
    assert rows["cause"]["reference_n"] is None
    assert rows["mean"]["reference_n"] == 600
    price = dict(result.blocks[0].parts)["What it costs"]
    assert "its head has seen every image of toy/val, so what it costs there is unknown" in price


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
