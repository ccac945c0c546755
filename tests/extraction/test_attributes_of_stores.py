"""Attributes beside embeddings: row for row, whatever happens, and never at the price of the embeddings."""

import os
from functools import partial

import numpy as np
import pytest
from PIL import Image

from gapscope.attributes import ATTRIBUTES
from gapscope.attributes.attribute import attributes_of
from gapscope.attributes.table import NAMES
from gapscope.backbones import BackboneChoice
from gapscope.core.errors import DamageError
from gapscope.core.location import Location
from gapscope.data.catalogue import open_dataset
from gapscope.extraction.extraction import extract
from gapscope.extraction.job import Extraction
from gapscope.store import Piece, StoreWriter, open_store
from gapscope.store.beside import beside, has_beside
from gapscope.store.selected import rows_of
from gapscope.verification import verify_workspace


def pictures(folder, rng, count=30):
    for index in range(count):
        place = folder / "test" / str(index % 2)
        place.mkdir(parents=True, exist_ok=True)
        pixels = rng.integers(0, 30 + 5 * index, (20, 30, 3), np.uint8)
        exif = Image.Exif()
        exif[0x0110], exif[0x0132] = f"Camera {index % 3}", f"2020:01:02 {index % 24:02d}:30:00"
        Image.fromarray(pixels).save(place / f"{index:03d}.jpg", quality=60 + index, exif=exif)
    (folder / "test" / "0" / "bad.jpg").write_bytes(b"no image")
    return folder


def opened(folder):
    dataset = open_dataset(str(folder), folder.parent, seed=0)
    return dataset.source(dataset.splits[0])


def job_of(folder, store, **settings):
    tiny = BackboneChoice("tiny", device="cpu")
    defaults = {"part_rows": 8, "batch_size": 4, "decode_workers": 0}
    place = Location(str(store))
    return Extraction("made", "all", place, partial(opened, folder), tiny, str(folder), **(defaults | settings))


@pytest.fixture
def folder(tmp_path, rng):
    return pictures(tmp_path / "images", rng)


def by_name(store):
    table = beside(store)
    return dict(zip(store.paths(Piece(0, store.rows)), table.to_pylist(), strict=True))


def test_each_row_has_the_attributes_of_its_image(folder, tmp_path):
    job = job_of(folder, tmp_path / "w" / "embeddings" / "tiny" / "made" / "all", decode_workers=2)
    extract(job)
    store, source = open_store(job.folder), opened(folder)
    assert has_beside(store)
    known = by_name(store)
    assert len(known) == store.rows == 30
    for name, row in known.items():
        index = source.listing.names.index(name)
        data = source.read(index)
        wanted = attributes_of(np.asarray(source.decode(index, data)), data)
        assert [row[one] for one in NAMES] == pytest.approx(wanted.astype(np.float32).tolist())
        assert row["camera"] == f"Camera {int(name[-7:-4]) % 3}"
        assert row["hour"] == int(name[-7:-4]) % 24 + 0.5
    assert not verify_workspace(Location(str(tmp_path / "w"))).findings
    half = rows_of(store, np.arange(30) % 2 == 1, "half")
    assert beside(half).equals(beside(store).take(list(range(1, 30, 2))))
    assert beside(half, 4).num_rows == 4


def test_embeddings_are_the_same_without(folder, tmp_path):
    one, other = job_of(folder, tmp_path / "a"), job_of(folder, tmp_path / "b", attributes=False)
    assert extract(one).manifest.contents == extract(other).manifest.contents
    store = open_store(other.folder)
    assert not has_beside(store)
    assert beside(store).column_names == ["sample_id"]


def test_changed_images_are_measured_again_and_the_others_stay(folder, tmp_path):
    job = job_of(folder, tmp_path / "store")
    extract(job)
    before = by_name(open_store(job.folder))
    changed = next(folder.rglob("004.jpg"))
    Image.new("RGB", (64, 48), "white").save(changed, quality=90)
    os.utime(changed, ns=(1, 1))
    extract(job)
    after = by_name(open_store(job.folder))
    name = next(one for one in after if one.endswith("004.jpg"))
    assert (after[name]["width"], after[name]["luminance"], after[name]["camera"]) == (64, 255, None)
    for other in after.keys() - {name}:
        assert {k: v for k, v in after[other].items() if v == v} == {k: v for k, v in before[other].items() if v == v}


def test_a_killed_run_goes_on_with_the_attributes_that_are_there(folder, tmp_path, monkeypatch):
    job, written = job_of(folder, tmp_path / "store"), StoreWriter.part

    def killed(self, index, *more):
        if index == 2:
            raise KeyboardInterrupt
        written(self, index, *more)

    monkeypatch.setattr(StoreWriter, "part", killed)
    with pytest.raises(KeyboardInterrupt):
        extract(job)
    monkeypatch.undo()
    extract(job)
    whole = job_of(folder, tmp_path / "whole")
    extract(whole)
    assert (
        beside(open_store(job.folder)).to_pylist().__repr__() == beside(open_store(whole.folder)).to_pylist().__repr__()
    )


@pytest.mark.parametrize("damage", ["cut", "gone"])
def test_damaged_attributes_are_seen_and_made_again(folder, tmp_path, damage):
    job = job_of(folder, tmp_path / "w" / "embeddings" / "tiny" / "made" / "all")
    extract(job)
    table = beside(open_store(job.folder)).to_pylist()
    place = tmp_path / "w" / "embeddings" / "tiny" / "made" / "all" / "attributes-00001.parquet"
    place.write_bytes(place.read_bytes()[:-50]) if damage == "cut" else place.unlink()
    (finding,) = verify_workspace(Location(str(tmp_path / "w"))).findings
    assert "attributes-00001.parquet" in str(finding.place)
    with pytest.raises(DamageError, match="attributes-00001"):
        beside(open_store(job.folder))
    extract(job)
    assert repr(beside(open_store(job.folder)).to_pylist()) == repr(table)
    assert not verify_workspace(Location(str(tmp_path / "w"))).findings


def test_names_of_attributes_are_no_names_of_rows():
    assert not {"sample_id", "path", "label", "embedding", "camera"} & set(ATTRIBUTES)
