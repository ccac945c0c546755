"""Extraction from addresses, shards and tables: all images are rows or rejected, changes are noticed, work goes on."""

import shutil

import boto3
import numpy as np
import pytest
from PIL import Image
from servers import fill, web_server
from test_archives import SIDES, shard

from gapscope.core.location import Location
from gapscope.data import connection
from gapscope.data.addresses import Unreachable
from gapscope.jobs.extract import ExtractConfig, build
from gapscope.store import open_store
from gapscope.verification.workspace import verify_workspace

IMAGES = 13


def pictures(folder, count=12):
    """`count` random images of two classes in `folder`/train, and two in `folder`/test."""
    for number in range(count + 2):
        place = folder / ("train" if number < count else "test") / ("cat", "dog")[number % 2] / f"{number}.png"
        place.parent.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(number).integers(0, 256, (20, 20, 3), np.uint8)
        Image.fromarray(pixels).save(place)
    return folder


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(connection, "PAUSES", ())


@pytest.fixture
def pets(tmp_path):
    """Twelve images and one that is none."""
    root = pictures(tmp_path / "pets")
    (root / "train/cat/99.png").write_bytes(b"no image")
    return root


@pytest.fixture
def web(tmp_path):
    (tmp_path / "site").mkdir()
    with web_server(tmp_path / "site") as served:
        yield served


def on_s3(pets, request):
    bucket = request.getfixturevalue("bucket")

    def put():
        fill(boto3.client("s3"), bucket.removeprefix("s3://"), pets)

    return bucket, put


def behind_a_web_server(pets, request):
    server, address = request.getfixturevalue("web")
    return f"{address}/pets", lambda: shutil.copytree(pets, server.root / "pets", dirs_exist_ok=True)


def in_a_zip_behind_a_web_server(pets, request):
    server, address = request.getfixturevalue("web")
    return f"{address}/pets.zip", lambda: shutil.make_archive(str(server.root / "pets"), "zip", pets)


def in_a_table(pets, request):
    def put():
        rows = [f"{path},{path.parent.name},{path.parent.parent.name}" for path in sorted(pets.rglob("*.png"))]
        (pets.parent / "rows.csv").write_text("\n".join(["path,label,split", *rows]))

    return str(pets.parent / "rows.csv"), put


PLACES = {"s3": on_s3, "http": behind_a_web_server, "zip": in_a_zip_behind_a_web_server, "table": in_a_table}


def extracted(place, workspace="workspace", **options):
    settings = {"backbone": "tiny", "decode_workers": 0, "part_rows": 4, "split": ("train",), "name": "pets"} | options
    (outcome,) = build(ExtractConfig((place,), workspace=str(workspace), **settings))
    return outcome


def content(workspace="workspace"):
    chunk = open_store(Location.of(f"{workspace}/embeddings/tiny/pets/train")).view().read()
    order = np.argsort(chunk.sample_id)
    return chunk.sample_id[order].tolist(), chunk.x[order].tolist()


@pytest.mark.parametrize("kind", PLACES)
def test_images_are_extracted_as_from_a_folder_and_changes_are_noticed(kind, pets, request):
    place, put = PLACES[kind](pets, request)
    put()
    made = extracted(place).manifest
    assert (made.rows, made.rejected) == (IMAGES - 1, 1)
    extracted(str(pets), "plain")
    assert content() == content("plain")
    assert "nothing was left to do" in extracted(place).notes[0]
    shutil.copy(pets / "train/dog/1.png", pets / "train/cat/0.png")
    put()
    assert any("1 image was replaced" in note for note in extracted(place).notes)
    extracted(str(pets), "plain")
    assert content() == content("plain")
    assert not verify_workspace(Location.of("workspace")).findings
    assert "all parts were read and are whole" in extracted(place, verify=True).notes


def test_a_connection_that_is_lost_stops_the_work_which_then_goes_on(pets, web):
    server, address = web
    shutil.copytree(pets, server.root / "pets")
    server.status["GET", "/pets/train/dog/5.png"] = 503
    with pytest.raises(Unreachable, match=r"dog/5.png cannot be reached .* run the same command again later"):
        extracted(f"{address}/pets", part_rows=1)
    server.status.clear()
    parts = len(list(server.root.parent.glob("workspace/embeddings/tiny/pets/train/part-*")))
    outcome = extracted(f"{address}/pets", part_rows=1)
    assert outcome.manifest.rows + outcome.manifest.rejected == IMAGES
    assert any(f"{parts} of {IMAGES} parts were there already" in note for note in outcome.notes) or parts == 0
    extracted(str(pets), "plain", part_rows=1)
    assert content() == content("plain")


def test_shards_are_extracted_and_a_replaced_one_is_noticed(tmp_path):
    for number in range(3):
        shard(tmp_path / "set" / f"train-{number:04d}.tar", range(number * 4, number * 4 + 4), SIDES["json"])
    shard(tmp_path / "set" / "val-0000.tar", range(40, 44), SIDES["json"])
    pattern = "set/{train-{0000..0002},val-0000}.tar"
    made = extracted(pattern).manifest
    assert (made.rows, made.rejected) == (12, 0)
    assert made.command["options"]["dataset"] == [str(tmp_path / pattern)]
    assert "nothing was left to do" in extracted(pattern).notes[0]
    shard(tmp_path / "set" / "train-0001.tar", [4, 5, 6, 17], SIDES["json"])
    with pytest.raises(Exception, match=r"made of other images \(names or labels of its 12 images"):
        extracted(pattern)
    shard(
        tmp_path / "set" / "train-0001.tar",
        range(4, 8),
        lambda key: ("json", b'{"label": %d,  "width": 6}' % (key % 2)),
    )
    assert "compared and are those" in " ".join(extracted(pattern).notes)
