"""A second extraction: what it notices of images, places and parts that are not what they were."""

import os
import shutil
import subprocess
import sys
from textwrap import dedent

import numpy as np
import pytest
from made_images import job_of, made
from PIL import Image

from gapscope import backbones
from gapscope.backbones import BackboneChoice, load_backbone
from gapscope.core.errors import BusyError, ConfigMismatchError, InputError
from gapscope.core.files import read_json, write_json
from gapscope.core.lease import Lease
from gapscope.core.location import Location
from gapscope.data.source import Stamps
from gapscope.extraction.changes import digests_of, record_stamps, stamps_of_source, suspects_of
from gapscope.extraction.extraction import extract
from gapscope.jobs.extract import ExtractConfig, build
from gapscope.store import open_store
from gapscope.store.write import StoreWriter


def pictures(folder, count=12, seed=0):
    """`count` random images of two classes in `folder`/train, and two in `folder`/test."""
    for number in range(count + 2):
        place = folder / ("train" if number < count else "test") / ("cat", "dog")[number % 2] / f"{number}.png"
        place.parent.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng([seed, number]).integers(0, 256, (20, 20, 3), np.uint8)
        Image.fromarray(pixels).save(place)
    return folder


def extracted(images, workspace, **options):
    """The outcome of the only split of `images`."""
    defaults = {"backbone": "tiny", "decode_workers": 0, "part_rows": 4}
    settings = defaults | {"split": ("train",)} | options
    (outcome,) = build(ExtractConfig((str(images),), workspace=str(workspace), **settings))
    return outcome


def flip_a_bit(file, place):
    content = bytearray(file.read_bytes())
    content[place] ^= 1
    file.write_bytes(content)


def content_of(workspace, name):
    store = open_store(Location.of(workspace / "embeddings" / "tiny" / name / "train"))
    chunk = store.view().read()
    return chunk.sample_id.tolist(), chunk.x.tolist(), store.rejected()


def test_an_image_that_was_replaced_is_made_again_and_counted(tmp_path):
    images, workspace = pictures(tmp_path / "pets"), tmp_path / "workspace"
    extracted(images, workspace)
    shutil.copy(images / "train/dog/1.png", images / "train/cat/0.png")
    outcome = extracted(images, workspace)
    assert any(note.startswith("1 image was replaced") for note in outcome.notes)
    assert outcome.images == 4
    extracted(images, tmp_path / "fresh")
    assert content_of(workspace, "pets") == content_of(tmp_path / "fresh", "pets")
    assert "nothing was left to do" in extracted(images, workspace).notes[0]


def test_sizes_and_times_are_compared_without_pandas(tmp_path):
    record_stamps(Location.of(tmp_path), Stamps(np.arange(3), np.arange(3)))
    words = f"""
        import sys
        from gapscope.core.location import Location
        from gapscope.extraction.changes import recorded_stamps
        print(recorded_stamps(Location.of({str(tmp_path)!r}), 3).sizes.tolist(), "pandas" in sys.modules)
    """
    ran = subprocess.run([sys.executable, "-c", dedent(words)], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[0, 1, 2] False"


def test_an_unchanged_folder_loads_no_pandas(tmp_path):
    images, workspace = pictures(tmp_path / "pets"), tmp_path / "workspace"
    extracted(images, workspace)
    code = f"""
        import sys
        from gapscope.core.location import Location
        from gapscope.store import open_store
        store = open_store(Location.of({str(workspace / "embeddings/tiny/pets/train")!r}))
        print(len(store.labels()), len(store.sample_ids()), len(store.digests()), "pandas" in sys.modules)
        """
    done = subprocess.run([sys.executable, "-c", dedent(code)], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["12", "12", "12", "False"]


def test_images_that_went_or_came_are_said_in_words(tmp_path):
    images, workspace = pictures(tmp_path / "pets"), tmp_path / "workspace"
    extracted(images, workspace)
    (images / "train/cat/0.png").unlink()
    said = r"of other images \(there were 12 images, now 11\); .* --name: `.* --name pets-2`$"
    with pytest.raises(ConfigMismatchError, match=said):
        extracted(images, workspace)


def test_a_store_whose_images_and_network_are_unchanged_loads_no_network(tmp_path, monkeypatch):
    images, workspace = pictures(tmp_path / "pets"), tmp_path / "workspace"
    extracted(images, workspace)
    loads = []
    monkeypatch.setattr(BackboneChoice, "load", lambda choice: loads.append(choice) or load_backbone(choice.name))
    assert "nothing was left to do" in extracted(images, workspace).notes[0]
    assert not loads
    place = workspace / "embeddings/tiny/pets/train/part-00001.parquet"
    whole = place.read_bytes()
    for damage in (lambda: place.unlink(), lambda: os.utime(images / "train/cat/0.png", (1, 1))):
        damage()
        extracted(images, workspace)
        assert loads
        assert place.read_bytes() == whole
        loads.clear()
        extracted(images, workspace)
        assert not loads


def test_another_file_of_weights_another_version_or_another_setting_is_another_network(tmp_path, monkeypatch):
    file = tmp_path / "weights.safetensors"
    file.write_bytes(b"1")
    choice = BackboneChoice("resnet10t", str(file))
    marks = {choice.mark(), BackboneChoice("resnet10t").mark(), BackboneChoice("resnet18").mark()}
    assert choice.mark() in marks
    os.utime(file, (1, 1))
    marks.add(choice.mark())
    monkeypatch.setattr(backbones, "version_of", lambda *_: "99")
    marks.add(choice.mark())
    assert len(marks) == 5


def test_an_image_that_was_only_touched_is_read_once_and_kept(tmp_path):
    images, workspace = pictures(tmp_path / "pets"), tmp_path / "workspace"
    extracted(images, workspace)
    os.utime(images / "train/cat/0.png", (1, 1))
    assert any("bytes of 1 image were compared" in note for note in extracted(images, workspace).notes)
    assert not any("compared" in note for note in extracted(images, workspace).notes)


def test_a_replacement_of_the_same_size_and_time_is_noticed_when_all_bytes_are_read(tmp_path):
    images, workspace = tmp_path / "pets", tmp_path / "workspace"
    for number in range(9):
        place = images / ("train" if number < 8 else "test") / "cat" / f"{number}.bmp"
        place.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((8, 8, 3), number, np.uint8)).save(place)
    extracted(images, workspace)
    place = images / "train/cat/3.bmp"
    before = place.stat()
    Image.fromarray(np.full((8, 8, 3), 99, np.uint8)).save(place)
    os.utime(place, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert extracted(images, workspace).images == 0
    assert extracted(images, workspace, verify=True).images == 4
    notes = extracted(images, workspace, verify=True).notes
    assert any("bytes of 8 images were compared" in note for note in notes)
    assert "all parts were read and are whole" in notes


def test_a_rejected_image_that_was_mended_gets_its_row_and_a_spoilt_one_loses_it(tmp_path):
    images, workspace = pictures(tmp_path / "pets"), tmp_path / "workspace"
    good = (images / "train/cat/2.png").read_bytes()
    (images / "train/cat/2.png").write_bytes(b"no image")
    assert extracted(images, workspace).manifest.rejected == 1
    (images / "train/cat/2.png").write_bytes(good)
    assert extracted(images, workspace).manifest.rejected == 0
    (images / "train/dog/3.png").write_bytes(good[:30])
    outcome = extracted(images, workspace)
    assert (outcome.manifest.rows, outcome.manifest.rejected) == (11, 1)
    (row,) = open_store(Location.of(workspace / "embeddings/tiny/pets/train")).rejected()
    assert row["digest"]


def test_a_change_between_two_parts_of_a_killed_run_is_noticed(tmp_path):
    images, workspace = pictures(tmp_path / "pets"), tmp_path / "workspace"
    extracted(images, workspace)
    folder = workspace / "embeddings/tiny/pets/train"
    manifest = read_json(Location.of(folder / "manifest.json"))
    write_json(Location.of(folder / "manifest.json"), manifest | {"complete": False, "parts": [], "seals": {}})
    (folder / "part-00002.parquet").unlink()
    shutil.copy(images / "train/dog/1.png", images / "train/cat/0.png")
    extracted(images, workspace)
    extracted(images, tmp_path / "fresh")
    assert content_of(workspace, "pets") == content_of(tmp_path / "fresh", "pets")


def test_another_place_of_the_same_name_is_refused_and_can_have_a_name_of_its_own(tmp_path):
    clean, blurred = pictures(tmp_path / "clean/pets"), pictures(tmp_path / "blurred/pets", seed=1)
    workspace = tmp_path / "workspace"
    extracted(clean, workspace)
    before = content_of(workspace, "pets")
    with pytest.raises(InputError, match=rf"{clean}, and {blurred} is another place.*--name"):
        extracted(blurred, workspace)
    assert content_of(workspace, "pets") == before
    extracted(blurred, workspace, name="pets-blurred")
    assert content_of(workspace, "pets-blurred") != before
    link = tmp_path / "link"
    link.symlink_to(clean)
    assert extracted(link, workspace, name="pets").images == 0


def test_images_that_were_moved_are_the_same_where_their_bytes_are(tmp_path):
    images, workspace = pictures(tmp_path / "pets"), tmp_path / "workspace"
    extracted(images, workspace)
    moved = tmp_path / "elsewhere" / "pets"
    moved.parent.mkdir()
    images.rename(moved)
    assert any(f"lie in {moved} now" in note for note in extracted(moved, workspace).notes)
    assert extracted(moved, workspace).notes[0].startswith("nothing was left to do")
    other = pictures(tmp_path / "third" / "pets", seed=5)
    shutil.rmtree(moved)
    with pytest.raises(InputError, match="another place under the same name"):
        extracted(other, workspace)


@pytest.mark.parametrize("damage", ["dropped", "doubled", "swapped", "cut", "emptied", "of another store", "older"])
def test_a_part_that_is_not_the_recorded_one_is_made_again(damage, tmp_path):
    images, workspace = pictures(tmp_path / "pets", 11), tmp_path / "workspace"
    extracted(images, workspace)
    fresh = content_of(workspace, "pets")
    folder = workspace / "embeddings/tiny/pets/train"
    one, other = folder / "part-00000.parquet", folder / "part-00001.parquet"
    if damage == "dropped":
        one.unlink()
    elif damage == "doubled":
        shutil.copy(other, one)
    elif damage == "swapped":
        held = one.read_bytes()
        one.write_bytes(other.read_bytes())
        other.write_bytes(held)
    elif damage == "cut":
        one.write_bytes(one.read_bytes()[:-100])
    elif damage == "emptied":
        one.write_bytes(b"")
    else:
        source = pictures(tmp_path / ("older/pets" if damage == "older" else "cats"), 11, seed=3)
        extracted(source, tmp_path / "other")
        shutil.copy(tmp_path / "other/embeddings/tiny" / source.name / "train/part-00000.parquet", one)
    with pytest.raises(InputError, match=r"part-0000[01]\.parquet is damaged"):
        content_of(workspace, "pets")
    extracted(images, workspace)
    assert content_of(workspace, "pets") == fresh


def test_a_flipped_byte_of_a_part_is_seen_by_the_next_extraction_and_a_copied_part_is_read_once(tmp_path, monkeypatch):
    images, workspace = pictures(tmp_path / "pets", 11), tmp_path / "workspace"
    extracted(images, workspace)
    fresh = content_of(workspace, "pets")
    part = workspace / "embeddings/tiny/pets/train/part-00001.parquet"
    flip_a_bit(part, 2000)
    assert any(
        "part-00001.parquet, missing or damaged, was made again" in note for note in extracted(images, workspace).notes
    )
    assert content_of(workspace, "pets") == fresh
    shutil.copyfile(part, tmp_path / "copy")
    shutil.move(tmp_path / "copy", part)
    read = []
    is_readable = StoreWriter.is_readable
    monkeypatch.setattr(StoreWriter, "is_readable", lambda self, index: read.append(index) or is_readable(self, index))
    for _ in range(2):
        assert "nothing was left to do" in extracted(images, workspace).notes[0]
    assert read == [1]


def test_features_that_float16_would_lose_are_stored_as_float32_and_said(tmp_path, monkeypatch):
    from gapscope.backbones.backbone import Backbone

    features = Backbone.features
    monkeypatch.setattr(Backbone, "features", lambda self, images: features(self, images) * np.float32(1e-9))
    outcome = extract(job_of(tmp_path, made(250)))
    assert outcome.manifest.provenance.dtype == "float32"
    assert outcome.manifest.underflows
    assert any("stored as float32" in note for note in outcome.notes)
    assert np.count_nonzero(open_store(Location.of(tmp_path)).view().read().x) > 1000
    again = extract(job_of(tmp_path, made(250)))
    assert (again.images, again.manifest) == (0, outcome.manifest)


def test_a_second_extraction_into_the_same_store_is_told_who_works_on_it(tmp_path):
    with Lease(Location.of(tmp_path)), pytest.raises(BusyError, match="is being worked on by process"):
        extract(job_of(tmp_path, made(20)))


def test_only_files_whose_size_or_time_differ_are_suspects(tmp_path, rng):
    images = pictures(tmp_path / "pets")
    from gapscope.data.sources.class_folders import class_folders

    source = class_folders(images, "train")
    before = stamps_of_source(source)
    os.utime(images / source.listing.names[3], (5, 5))
    assert suspects_of(stamps_of_source(source), before).tolist() == [3]
    assert suspects_of(before, None).tolist() == list(range(12))
    (images / source.listing.names[0]).unlink()
    assert digests_of(source, np.arange(2), lambda count: None)[0] == 0


def test_the_command_that_makes_a_store_again_is_recorded(tmp_path, monkeypatch):
    images = pictures(tmp_path / "pets")
    monkeypatch.chdir(tmp_path)
    manifest = extracted("pets", tmp_path / "workspace").manifest
    assert manifest.command["job"] == "extract"
    assert manifest.command["options"]["dataset"] == [str(images)]
    assert manifest.place == str(images)


def test_two_places_of_one_name_in_one_command_are_refused_before_any_work(tmp_path):
    images = [pictures(tmp_path / place / "pets", seed=seed) for seed, place in enumerate(("fog", "snow"))]
    with pytest.raises(InputError, match=r"fog/pets and .*snow/pets are both called pets; .*--name"):
        list(build(ExtractConfig(tuple(map(str, images)), backbone="tiny", workspace=str(tmp_path / "workspace"))))
    assert not (tmp_path / "workspace").exists()


@pytest.mark.parametrize("name", ["part-00001", "attributes-00000", "rejected", "files"])
@pytest.mark.parametrize("gone", [True, False])
def test_a_damaged_file_of_a_store_is_named_when_it_is_made_again(name, gone, tmp_path):
    images, workspace = pictures(tmp_path / "pets", 11), tmp_path / "workspace"
    extracted(images, workspace)
    file = workspace / "embeddings/tiny/pets/train" / f"{name}.parquet"
    before = content_of(workspace, "pets")
    file.unlink() if gone else file.write_bytes(file.read_bytes()[:-3])
    notes = extracted(images, workspace).notes
    assert f"{name}.parquet, missing or damaged, was made again" in notes
    assert content_of(workspace, "pets") == before
    assert not any("damaged" in note for note in extracted(images, workspace).notes)


def test_a_changed_page_of_a_part_is_named_and_made_again_when_all_is_verified(tmp_path):
    images, workspace = pictures(tmp_path / "pets", 11), tmp_path / "workspace"
    extracted(images, workspace)
    before = content_of(workspace, "pets")
    file = workspace / "embeddings/tiny/pets/train/part-00001.parquet"
    flip_a_bit(file, 1000)
    outcome = extracted(images, workspace, verify=True)
    assert "part-00001.parquet, missing or damaged, was made again" in outcome.notes
    assert content_of(workspace, "pets") == before
