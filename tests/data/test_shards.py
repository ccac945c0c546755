"""WebDataset shards: named by patterns, labelled by the files beside the images, listed once; and what spoils them."""

import json
import re
import tarfile
import zipfile

import pytest
from test_archives import entry, shard, zipped
from trees import counted, grow, opened, picture

from gapscope.core.errors import InputError
from gapscope.data.catalogue import open_dataset
from gapscope.data.patterns import expanded, has_pattern, place_of
from gapscope.data.source import Undecodable
from gapscope.data.sources import archive_files, archive_index, archives

LABELS = ("cat", "dog")


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def of_json(value):
    return lambda key: ("json", json.dumps(value(key)).encode())


def shards(root, side, count=3, split="test"):
    """Shards of four images each, and the pattern that names them."""
    for number in range(count):
        shard(root / f"{split}-{number:04d}.tar", range(number * 4, number * 4 + 4), side)
    return f"{root}/{split}-{{0000..{count - 1:04d}}}.tar"


@pytest.mark.parametrize(
    ("side", "options", "classes"),
    [
        (lambda key: ("cls", b"%d\n" % (key % 2)), {}, ["0", "1"]),
        (of_json(lambda key: {"label": LABELS[key % 2], "width": 6}), {}, ["cat", "dog"]),
        (of_json(lambda key: {"breed": LABELS[key % 2], "width": 6}), {"label_column": "breed"}, ["cat", "dog"]),
        (of_json(lambda key: {"meta": {"kind": LABELS[key % 2]}}), {"label_column": "meta.kind"}, ["cat", "dog"]),
        (of_json(lambda key: {"label": [key % 2]}), {}, ["0", "1"]),
        (of_json(lambda key: {"label": float(key % 2)}), {}, ["0", "1"]),
        (lambda key: ("txt", LABELS[key % 2].encode()), {}, ["cat", "dog"]),
        (lambda key: ("txt", LABELS[key % 2].encode()), {"label_column": "txt"}, ["cat", "dog"]),
    ],
)
def test_the_files_beside_the_images_are_the_labels(tmp_path, side, options, classes):
    source = open_dataset(shards(tmp_path / "set", side), None, **options).source("test")
    keys = [int(name.rpartition("/")[2].partition(".")[0]) for name in source.listing.names]
    assert source.listing.class_names == classes
    assert source.listing.labels.tolist() == [key % 2 for key in keys]
    assert [source.read(row) for row in range(12)] == [picture(key) for key in keys]


def test_shards_that_the_library_of_webdataset_wrote_are_read(tmp_path):
    webdataset = pytest.importorskip("webdataset")
    (tmp_path / "set").mkdir()
    with webdataset.ShardWriter(f"{tmp_path}/set/val-%06d.tar", maxcount=5, verbose=0) as writer:
        for key in range(12):
            writer.write({"__key__": f"sample{key:04d}", "png": picture(key), "cls": key % 3, "json": {"at": key}})
    dataset = open_dataset(f"{tmp_path}/set/val-{{000000..000002}}.tar", None)
    assert counted(dataset) == {"val": {"0": 4, "1": 4, "2": 4}}
    assert dataset.accounting.files == 36


def test_captions_are_no_labels_and_what_could_be_is_named(tmp_path):
    side = of_json(lambda key: {"caption": f"picture {key}", "width": 6})
    dataset = open_dataset(shards(tmp_path / "set", side), None)
    assert set(dataset.source("test").listing.labels.tolist()) == {-1}
    assert any("have no usual field of labels, but caption, width" in note for note in dataset.notes)
    captions = open_dataset(shards(tmp_path / "texts", lambda key: ("txt", b"a picture, number %d" % key)), None)
    assert any("--label-column txt" in note for note in captions.notes)


def test_a_field_that_no_file_has_is_refused_with_those_there_are(tmp_path):
    pattern = shards(tmp_path / "set", of_json(lambda key: {"breed": "pug", "width": 6}))
    with pytest.raises(
        InputError, match=r"no table with a column 'species'.* the fields beside the images breed, width"
    ):
        open_dataset(pattern, None, label_column="species")


def test_images_without_a_label_beside_them_are_unlabelled_and_counted(tmp_path):
    whole = of_json(lambda key: {"label": LABELS[key % 2]})

    def side(key):
        return ("json", b"{ broken") if key == 3 else whole(key)

    dataset = open_dataset(shards(tmp_path / "set", side), None)
    assert dataset.source("test").listing.labels.tolist().count(-1) == 1
    assert any(re.search(r"^1 of the \d+ images.* have no label$", note) for note in dataset.notes)


def test_all_images_of_a_sample_share_its_label(tmp_path):
    with tarfile.open(tmp_path / "test-0000.tar", "w") as archive:
        for key in range(4):
            for side in ("left", "right"):
                entry(archive, f"{key}.{side}.png", picture(key + 10 * (side == "left")))
            entry(archive, f"{key}.cls", b"%d" % (key % 2))
    assert counted(opened(tmp_path / "test-0000.tar")) == {"test": {"0": 4, "1": 4}} or counted(
        opened(tmp_path / "test-0000.tar")
    ) == {"rule": {"0": 4, "1": 4}}


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("a{0..2}.tar", ["a0.tar", "a1.tar", "a2.tar"]),
        ("a{08..10}.tar", ["a08.tar", "a09.tar", "a10.tar"]),
        ("{a0,b}/c.tar", ["a0/c.tar", "b/c.tar"]),
        ("{a{0..1},b}.tar", ["a0.tar", "b.tar", "a1.tar"]),
        ("a*.tar", ["a0.tar", "a08.tar", "a09.tar", "a1.tar", "a10.tar", "a2.tar"]),
        ("?.tar", ["b.tar"]),
        ("a[01].tar", ["a0.tar", "a1.tar"]),
    ],
)
def test_a_pattern_means_the_files_that_a_shell_would_name(tmp_path, pattern, names):
    for name in ("a0", "a1", "a2", "a08", "a09", "a10", "b", "a0/c", "b/c"):
        (tmp_path / "set" / f"{name}.tar").parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "set" / f"{name}.tar").touch()
    assert has_pattern(pattern)
    assert expanded(f"{tmp_path}/set/{pattern}") == (f"{tmp_path}/set", names)
    assert place_of(f"set/{pattern}") == f"{tmp_path}/set/{pattern}"


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("set/{0000..0003}.tar", r"names 4 files, of which 0000.tar is not there"),
        ("set/x*.tar", "no file fits set/x"),
        ("set/{0..99999999999}.tar", "means more than 1,000,000 files"),
        ("set/{0..9999}{0..9999}.tar", "means more than 1,000,000 files"),
        ("set/*.png", "wanted archives or Parquet files"),
        ("set/*", "wanted archives or Parquet files"),
    ],
)
def test_a_pattern_that_cannot_be_meant_is_one_sentence(tmp_path, pattern, message):
    grow(tmp_path / "set", "a.png", "b.txt = x")
    with pytest.raises(InputError, match=message):
        open_dataset(pattern, None)


def test_what_large_archives_hold_is_remembered_until_they_change(tmp_path, monkeypatch):
    monkeypatch.setattr(archive_index, "MANY", 4)
    pattern = shards(tmp_path / "set", lambda key: ("cls", b"%d" % (key % 2)), count=2)
    first = open_dataset(pattern, None).source("test")
    listed = []
    read = archives._members.__wrapped__
    monkeypatch.setattr(archives, "_members", lambda opened: listed.append(opened.file) or read(opened))
    assert open_dataset(pattern, None).source("test").listing.fingerprint() == first.listing.fingerprint()
    assert not listed
    shard(tmp_path / "set" / "test-0001.tar", range(20, 26), lambda key: ("cls", b"1"))
    changed = open_dataset(pattern, None).source("test")
    assert [place.rpartition("/")[2] for place in listed] == ["test-0001.tar"]
    assert len(changed.listing) == 10
    for index in (tmp_path / "workspace/archives").glob("test-0000*"):
        index.write_bytes(index.read_bytes()[:-40])
    assert len(open_dataset(pattern, None).source("test").listing) == 10  # a damaged list is made again


# --- what spoils archives


def cut(data):
    return data[: len(data) // 2 // 512 * 512 + 100]


def test_a_shard_that_is_cut_short_is_one_sentence(tmp_path):
    pattern = shards(tmp_path / "set", lambda key: ("cls", b"0"))
    place = tmp_path / "set" / "test-0001.tar"
    place.write_bytes(cut(place.read_bytes()))
    with pytest.raises(InputError, match=r"test-0001.tar cannot be read as a tar archive .* fetch it again"):
        open_dataset(pattern, None)


def test_a_tar_that_unfolds_without_end_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(archive_files, "RATIO_FROM", 2**20)
    with tarfile.open(tmp_path / "bomb.tar.gz", "w:gz") as archive:
        for at in range(4):
            entry(archive, f"cat/{at}.png", bytes(2**20))
    with pytest.raises(InputError, match="unfolds to more than 200 times its size"):
        opened(tmp_path / "bomb.tar.gz")


def test_a_zip_that_is_encrypted_has_reasons_for_its_images(tmp_path):
    place = zipped(tmp_path / "set.zip", {f"test/cat/{at}.png": picture(at) for at in range(3)}, zipfile.ZIP_STORED)
    data = bytearray(place.read_bytes())
    for start in (b"PK\x03\x04", b"PK\x01\x02"):
        at = data.find(start)
        while at >= 0:
            data[at + (6 if start == b"PK\x03\x04" else 8)] |= 1
            at = data.find(start, at + 1)
    place.write_bytes(data)
    dataset = opened(place)
    assert dict(dataset.accounting.rejected) == {f"test/cat/{at}.png": "is encrypted" for at in range(3)}
    with pytest.raises(Undecodable, match="is encrypted"):
        dataset.source(dataset.splits[0]).read(0)
