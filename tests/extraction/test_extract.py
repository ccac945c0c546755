"""Extraction: whatever happens to images, processes and workers, the store is the one an undisturbed run makes."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conftest import child_environment
from made_images import TINY, job_of, made, named
from safetensors.numpy import load

import gapscope.jobs.extract
from benchmarks import extract as benchmark
from gapscope.backbones import BackboneChoice, load_backbone
from gapscope.core.errors import ConfigMismatchError, DivergedError, InputError
from gapscope.core.location import Location
from gapscope.extraction.decode import KILLED, Decoder
from gapscope.extraction.extraction import extract
from gapscope.extraction.plan import batches_of, part_count, shuffled
from gapscope.store import Piece, open_store

ROOT = Path(__file__).parents[2]


def rows_of(folder):
    """Vector and label by path, and paths in the order of the store."""
    store = open_store(Location(str(folder)))
    chunk = store.view().read()
    return store.paths(Piece(0, store.rows)), chunk


def assert_same_store(one, other):
    (paths, chunk), (other_paths, other_chunk) = rows_of(one), rows_of(other)
    assert paths == other_paths
    assert all(np.array_equal(mine, theirs) for mine, theirs in zip(chunk, other_chunk, strict=True))
    assert open_store(Location(str(one))).rejected() == open_store(Location(str(other))).rejected()


def test_each_row_is_the_backbone_applied_to_its_own_image(tmp_path):
    source = made(250)
    outcome = extract(job_of(tmp_path, source, dtype="float32"))
    backbone = load_backbone("tiny", device="cpu")
    paths, chunk = rows_of(tmp_path)
    assert outcome.manifest.rows == 250
    assert sorted(chunk.sample_id.tolist()) == list(range(250))
    assert [source.listing.names[i] for i in chunk.sample_id] == paths
    assert np.array_equal(chunk.y, source.listing.labels[chunk.sample_id])
    prepared = np.stack([backbone.preprocessing.prepare(source.image(int(i))) for i in chunk.sample_id])
    np.testing.assert_allclose(chunk.x, backbone.features(prepared), rtol=1e-5, atol=1e-6)


def test_rows_stand_in_a_seeded_shuffle(tmp_path):
    orders = []
    for seed in (0, 0, 1):
        folder = tmp_path / str(len(orders))
        extract(job_of(folder, made(120), seed=seed))
        orders.append(rows_of(folder)[1].sample_id.tolist())
    assert orders[0] == orders[1] != orders[2]
    assert orders[0] != sorted(orders[0])


@pytest.mark.parametrize("workers", [1, 2])
def test_the_store_does_not_depend_on_who_decodes(workers, tmp_path):
    source = made(130, bad=named(3, 77))
    extract(job_of(tmp_path / "one", source))
    extract(job_of(tmp_path / "other", source, decode_workers=workers))
    assert_same_store(tmp_path / "one", tmp_path / "other")


@pytest.mark.parametrize("batch_size", [1, 7, 64])
def test_another_batch_size_changes_nothing_but_last_bits(batch_size, tmp_path):
    source = made(130, bad=named(3, 77))
    for name, size in (("one", 16), ("other", batch_size)):
        extract(job_of(tmp_path / name, source, batch_size=size, dtype="float32"))
    (paths, chunk), (others, other) = rows_of(tmp_path / "one"), rows_of(tmp_path / "other")
    assert paths == others
    np.testing.assert_allclose(chunk.x, other.x, rtol=1e-5, atol=1e-6)


def test_every_image_is_in_the_store_or_in_the_ledger(tmp_path):
    bad = named(0, 50, 51, 52, 249)
    outcome = extract(job_of(tmp_path, made(250, bad=bad)))
    rejected = open_store(Location(str(tmp_path))).rejected()
    assert outcome.manifest.rows + outcome.manifest.rejected == 250
    assert {row["path"] for row in rejected} == bad
    assert {row["reason"] for row in rejected} == {"is bad"}


def test_good_images_have_exactly_the_vectors_they_have_without_the_bad_ones(tmp_path):
    bad = (0, 50, 51, 52, 199)
    extract(job_of(tmp_path / "with", made(200, bad=named(*bad)), dtype="float32"))
    extract(job_of(tmp_path / "without", made(200, skip=bad), dtype="float32"))
    (paths, chunk), (others, other) = rows_of(tmp_path / "with"), rows_of(tmp_path / "without")
    vectors = dict(zip(others, other.x, strict=True))
    assert sorted(paths) == sorted(others)
    assert all(np.array_equal(vector, vectors[path]) for path, vector in zip(paths, chunk.x, strict=True))


@pytest.mark.parametrize("name", ["resnet18", "vit_tiny_patch16_224", "mobilenetv3_small_050"])
def test_a_vector_does_not_depend_on_its_place_in_the_batch(name, rng):
    from gapscope.extraction.lanes import lanes  # here, because decode processes import this file and need no torch

    backbone = load_backbone(name, "random", device="cpu", image_size=64 if name != "vit_tiny_patch16_224" else None)
    images = rng.integers(0, 256, (8, *backbone.preprocessing.size, 3), np.uint8)
    with lanes([backbone], 1) as running:
        straight, turned = (running.submit(x).result() for x in (images, np.roll(images, 3, axis=0).copy()))
    assert np.array_equal(np.roll(straight, 3, axis=0), turned)


def test_a_decoder_that_dies_takes_only_its_own_image_along(tmp_path):
    deadly = named(7, 60)
    outcome = extract(job_of(tmp_path / "deadly", made(100, deadly=deadly), decode_workers=2))
    extract(job_of(tmp_path / "bad", made(100, bad=deadly)))
    rejected = open_store(Location(str(tmp_path / "deadly"))).rejected()
    assert (outcome.manifest.rows, outcome.manifest.rejected) == (98, 2)
    assert {row["path"]: row["reason"] for row in rejected} == dict.fromkeys(deadly, KILLED)
    assert np.array_equal(rows_of(tmp_path / "deadly")[1].x, rows_of(tmp_path / "bad")[1].x)


def test_when_no_image_can_be_decoded_the_error_names_the_first(tmp_path):
    with pytest.raises(InputError, match=r"none of the 3 images.*image-00000: is bad"):
        extract(job_of(tmp_path, made(3, bad=named(0, 1, 2))))
    assert len(open_store(Location(str(tmp_path))).rejected()) == 3


def test_a_listing_without_images_is_refused(tmp_path):
    with pytest.raises(InputError, match="has no images"):
        extract(job_of(tmp_path, made(0)))


def test_a_second_run_verifies_and_does_nothing(tmp_path):
    first = extract(job_of(tmp_path, made(150)))
    again = extract(job_of(tmp_path, made(150)))
    assert again.images == 0
    assert again.manifest == first.manifest
    assert "nothing was left to do" in again.notes[0]


def test_a_second_run_makes_a_part_that_was_lost(tmp_path):
    extract(job_of(tmp_path / "whole", made(250, bad=named(4))))
    extract(job_of(tmp_path / "mended", made(250, bad=named(4))))
    (tmp_path / "mended" / "part-00001.parquet").unlink()
    again = extract(job_of(tmp_path / "mended", made(250, bad=named(4))))
    assert again.images == 100
    assert again.manifest.rejected == 1
    assert_same_store(tmp_path / "whole", tmp_path / "mended")


@pytest.mark.parametrize(
    ("settings", "difference"),
    [
        ({"seed": 1}, "seed was 0, now 1"),
        ({"dtype": "float32"}, "dtype was 'float16', now 'float32'"),
        ({"backbone": replace(TINY, image_size=48)}, "preprocessing.size was"),
    ],
)
def test_another_configuration_is_refused_with_the_difference(settings, difference, tmp_path):
    extract(job_of(tmp_path, made(20)))
    with pytest.raises(ConfigMismatchError, match=difference):
        extract(job_of(tmp_path, made(20), **settings))


@pytest.mark.parametrize(
    ("value", "dtype", "sentence"),
    [(70000.0, "float16", "float16 ends at 65,504; store it with --dtype float32"), (np.nan, "float32", "not finite")],
)
def test_a_vector_that_cannot_be_stored_stops_the_job_and_names_the_image(value, dtype, sentence, tmp_path):
    backbone = load_backbone("tiny", device="cpu")
    network = replace(backbone.network, features=lambda x: backbone.network.features(x) * 0 + value)
    with pytest.raises(DivergedError, match=f"image-0.*{sentence}"):
        extract(job_of(tmp_path, made(20), dtype=dtype), replace(backbone, network=network))


def test_the_head_lies_beside_the_embeddings(tmp_path):
    choice = BackboneChoice("mobilenetv3_small_050", "random", image_size=32, device="cpu")
    extract(job_of(tmp_path, made(10), backbone=choice))
    head = load(open_store(Location(str(tmp_path))).head.read_bytes())
    assert head["weight"].shape == (1000, 1024)
    assert head["bias"].shape == (1000,)


def test_the_seconds_are_kept_and_the_bottleneck_is_named(tmp_path):
    outcome = extract(job_of(tmp_path, made(50)))
    assert set(outcome.manifest.seconds) == {"decoding", "inferring", "writing", "waiting", "total"}
    assert "the bottleneck is" in outcome.notes[-1]


@pytest.mark.parametrize("rows", [0, 1, 99, 100, 101, 1000])
def test_batches_cover_every_image_once_and_begin_anew_with_each_part(rows):
    order = shuffled(rows, 3)
    batches = list(batches_of(order, range(part_count(rows, 100)), 100, 16))
    assert sorted(np.concatenate([np.array([], int), *(b.indices for b in batches)]).tolist()) == list(range(rows))
    assert all(b.start % 16 == 0 for b in batches)
    parts = {b.part for b in batches}
    assert all(np.array_equal(b.indices, order[b.part * 100 + b.start :][: len(b.indices)]) for b in batches)
    assert parts == set(range(-(-rows // 100)))


def test_the_decoder_stays_a_bounded_number_of_batches_ahead():
    asked = []

    def watched():
        for batch in batches_of(np.arange(100), [0], 100, 10):
            asked.append(batch.start)
            yield batch

    preprocessing = load_backbone("tiny", device="cpu").preprocessing
    with Decoder(made(100), preprocessing, 10, 3, 0) as decoder:
        stream_of = decoder.stream(watched())
        first = next(stream_of)
        assert len(asked) <= 4
        decoder.release(first.slot)
        rest = []
        for decoded in stream_of:
            rest.append(decoded.batch.start)
            decoder.release(decoded.slot)
    assert rest == list(range(10, 100, 10))


CHILD = """
from made_images import job_of, made, named
from gapscope.extraction.extraction import extract
if __name__ == "__main__":
    extract(job_of({folder!r}, made(1200, bad=named(5, 700), seconds=0.001), part_rows=60, decode_workers=2))
"""


def start_child(folder, script):
    text = CHILD.format(folder=str(folder))
    script.write_text(text)
    streams = {"stderr": subprocess.PIPE, "start_new_session": True}
    return subprocess.Popen([sys.executable, str(script)], env=child_environment(), **streams)


def test_a_run_killed_again_and_again_ends_with_the_store_of_an_undisturbed_one(tmp_path):
    rng = np.random.default_rng(time.time_ns())
    killed = parts_seen = 0
    for _ in range(12):
        child = start_child(tmp_path / "killed", tmp_path / "child.py")
        deadline, goal = time.monotonic() + 20, parts_seen + 1 + int(rng.integers(0, 4))
        while child.poll() is None and parts_seen < goal and time.monotonic() < deadline:
            time.sleep(0.005)
            parts_seen = len(list((tmp_path / "killed").glob("part-*.parquet")))
        time.sleep(rng.uniform(0, 0.05))
        child.send_signal(signal.SIGKILL)
        killed += child.wait() == -signal.SIGKILL
        child.stderr.close()
        if killed == 3:
            break
        if child.returncode == 0:  # on a busy machine it was done before anybody looked: once more from the beginning
            shutil.rmtree(tmp_path / "killed")
            killed = parts_seen = 0
    assert killed >= 3
    source = made(1200, bad=named(5, 700))
    extract(job_of(tmp_path / "killed", source, part_rows=60))
    extract(job_of(tmp_path / "whole", source, part_rows=60))
    assert_same_store(tmp_path / "killed", tmp_path / "whole")
    manifest = json.loads((tmp_path / "killed" / "manifest.json").read_text())
    assert sum(part["rows"] for part in manifest["parts"]) == 1198


def test_a_killed_run_leaves_no_decode_process_behind(tmp_path):
    child = start_child(tmp_path / "store", tmp_path / "child.py")
    while child.poll() is None and not list((tmp_path / "store").glob("part-*.parquet")):
        time.sleep(0.01)
    child.kill()
    child.wait()
    child.stderr.close()
    deadline = time.monotonic() + 10
    while _session(child.pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert _session(child.pid) == []


def _session(leader):
    """Living processes of the session that `leader` began."""
    import psutil

    found = []
    for process in psutil.process_iter(["pid", "status"]):
        try:
            if process.info["status"] != psutil.STATUS_ZOMBIE and os.getsid(process.info["pid"]) == leader:
                found.append(process.info["pid"])
        except ProcessLookupError:
            continue
    return found


def test_two_workers_of_a_cluster_write_the_same_store(cluster, tmp_path):
    opened = gapscope.jobs.extract.ExtractConfig(dataset=("digits",), split=("train",), part_rows=200, device="cpu")
    list(gapscope.jobs.extract.build(replace(opened, workspace=str(tmp_path / "here"))))
    list(gapscope.jobs.extract.build(replace(opened, workspace=str(tmp_path / "there"), scheduler=cluster)))
    assert_same_store(*(tmp_path / name / "embeddings" / "tiny" / "digits" / "train" for name in ("here", "there")))


def test_damaged_files_do_not_change_their_good_neighbours(test_data, tmp_path):
    good = sorted((test_data / "cats-vs-dogs" / "PetImages" / "Cat").glob("1*.jpg"))[:20]
    for name, extra in (("good", []), ("mixed", sorted((test_data / "corrupt").iterdir()))):
        (tmp_path / name / "a").mkdir(parents=True)
        for path in (*good, *extra):
            (tmp_path / name / "a" / path.name).write_bytes(path.read_bytes())
    stores = {}
    for name in ("good", "mixed"):
        config = gapscope.jobs.extract.ExtractConfig(
            dataset=(str(tmp_path / name),), backbone="tiny", workspace=str(tmp_path / "w"), dtype="float32"
        )
        for outcome in gapscope.jobs.extract.build(config):
            made_of = outcome.manifest.provenance
            assert outcome.manifest.rows + outcome.manifest.rejected == made_of.fingerprint.count
            paths, chunk = rows_of(tmp_path / "w" / "embeddings" / "tiny" / made_of.dataset / made_of.split)
            stores |= {(name, Path(path).name): x for path, x in zip(paths, chunk.x, strict=True)}
    shared = [path.name for path in good if ("good", path.name) in stores]
    assert len(shared) >= 15
    assert all(np.array_equal(stores["good", name], stores["mixed", name]) for name in shared)


def test_without_options_the_embedded_digits_are_extracted_and_it_says_so(tmp_path):
    config = gapscope.jobs.extract.ExtractConfig(
        workspace=str(tmp_path / "w"), data_root=tmp_path / "nothing", decode_workers=0
    )
    report = gapscope.jobs.extract.run(config)
    assert any("embedded digits" in note for note in report.sentences)
    assert sum(result.value for result in report.results if result.metric == "rows") == 1797


def test_the_benchmark_runs(capsys):
    benchmark.main(["--tiny", "--decode-workers", "0"])
    assert "of the folded network" in capsys.readouterr().out
