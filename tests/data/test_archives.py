"""Archives are read whatever packed them, nothing leaves them, and what cannot be read is said."""

import bz2
import gzip
import io
import lzma
import stat
import tarfile
import zipfile

import pytest
import zstandard
from trees import counted, grow, opened, picture

from gapscope.core.errors import InputError
from gapscope.data.source import Undecodable
from gapscope.data.sources import archive_files
from gapscope.data.sources.archives import archive_members

R3 = {"rule": {"cat": 3, "dog": 3}}
TREE = ("cat*3", "dog*3")
PACKERS = {
    "set.tar": lambda data: data,
    "set.tar.gz": gzip.compress,
    "set.tgz": gzip.compress,
    "set.tar.bz2": bz2.compress,
    "set.tar.xz": lzma.compress,
    "set.tar.zst": zstandard.ZstdCompressor().compress,
    "misnamed.tar": gzip.compress,
}


def packed(tree, rename=lambda name: name):
    """The files of `tree` as a tar."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        for path in sorted(tree.rglob("*")):
            if path.is_file():
                info = tarfile.TarInfo(rename(path.relative_to(tree).as_posix()))
                info.size = path.stat().st_size
                archive.addfile(info, io.BytesIO(path.read_bytes()))
    return file.getvalue()


def entry(archive, name, data=b"", kind=tarfile.REGTYPE, link=""):
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.size = kind, link, len(data)
    archive.addfile(info, io.BytesIO(data))


def zipped(place, files, mode=zipfile.ZIP_DEFLATED):
    with zipfile.ZipFile(place, "w", mode) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return place


@pytest.mark.parametrize("name", PACKERS)
def test_every_packing_gives_the_same_images(tmp_path, name):
    tree = grow(tmp_path / "tree", *TREE)
    (tmp_path / name).write_bytes(PACKERS[name](packed(tree)))
    dataset = opened(tmp_path / name)
    assert counted(dataset) == R3
    for split in dataset.splits:
        source = dataset.source(split)
        for index, member in enumerate(source.listing.names):
            assert source.read(index) == (tree / member).read_bytes()


@pytest.mark.parametrize("mode", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_zip_is_read_whatever_compresses_it(tmp_path, mode):
    tree = grow(tmp_path / "tree", *TREE)
    files = {path.relative_to(tree).as_posix(): path.read_bytes() for path in tree.rglob("*.png")}
    dataset = opened(zipped(tmp_path / "set.zip", files, mode))
    assert counted(dataset) == R3
    source = dataset.source("train")
    assert all(source.read(index) == files[name] for index, name in enumerate(source.listing.names))


@pytest.mark.parametrize(
    "rename",
    [
        lambda name: f"/tmp/absolute/{name}",
        lambda name: f"../../{name}",
        lambda name: f"./a/../set/{name}",
        lambda name: f"set//{name}",
    ],
)
def test_names_that_lead_out_of_an_archive_stay_inside(tmp_path, rename):
    tree = grow(tmp_path / "tree", *TREE)
    before = sorted(path for path in tmp_path.parent.rglob("*"))
    (tmp_path / "set.tar").write_bytes(packed(tree, rename))
    dataset = opened(tmp_path / "set.tar")
    assert counted(dataset) == R3
    assert all(
        not name.startswith("/") and ".." not in name
        for s in dataset.splits
        for name in dataset.source(s).listing.names
    )
    assert sorted(path for path in tmp_path.parent.rglob("*")) == sorted([*before, tmp_path / "set.tar"])


def test_backslashes_of_windows_are_folders(tmp_path):
    files = {f"set\\{kind}\\{at}.png": picture(at + 10 * (kind == "dog")) for kind in ("cat", "dog") for at in range(3)}
    assert counted(opened(zipped(tmp_path / "set.zip", files))) == R3


def test_links_in_a_tar_are_the_files_they_lead_to(tmp_path):
    with tarfile.open(tmp_path / "set.tar", "w") as archive:
        for at in range(3):
            entry(archive, f"train/cat/{at}.png", picture(at))
            entry(archive, f"test/cat/{at}.png", picture(10 + at))
        entry(archive, "train/cat/hard.png", kind=tarfile.LNKTYPE, link="train/cat/0.png")
        entry(archive, "train/cat/again.png", kind=tarfile.LNKTYPE, link="train/cat/hard.png")
        entry(archive, "train/cat/soft.png", kind=tarfile.SYMTYPE, link="../../test/cat/1.png")
        entry(archive, "train/cat/gone.png", kind=tarfile.SYMTYPE, link="../nowhere.png")
        entry(archive, "train/cat/out.png", kind=tarfile.SYMTYPE, link="/etc/passwd")
        entry(archive, "train/cat/round.png", kind=tarfile.SYMTYPE, link="round.png")
        entry(archive, "train/more", kind=tarfile.SYMTYPE, link="cat")
        entry(archive, "train/pipe", kind=tarfile.FIFOTYPE)
    dataset = opened(tmp_path / "set.tar")
    source = dataset.source("train")
    read = {name.rpartition("/")[2]: at for at, name in enumerate(source.listing.names)}
    assert source.read(read["hard.png"]) == source.read(read["again.png"]) == picture(0)
    assert source.read(read["soft.png"]) == picture(11)
    for name in ("gone.png", "out.png", "round.png"):
        with pytest.raises(Undecodable, match=r"is a link to .*, which is not in the archive"):
            source.read(read[name])
    assert dict(dataset.accounting.rejected).keys() >= {"train/cat/gone.png", "train/more", "train/pipe"}
    assert dataset.accounting.listed == {"train": 6, "test": 3}


def test_a_tar_of_tars_is_a_folder_of_classes(tmp_path):
    with tarfile.open(tmp_path / "all.tar", "w") as archive:
        for kind in ("cat", "dog"):
            entry(archive, f"{kind}.tar", packed(grow(tmp_path / kind, "*3")))
    dataset = opened(tmp_path / "all.tar")
    assert counted(dataset) == R3
    source = dataset.source("train")
    assert all(source.read(at)[:4] == picture(0)[:4] for at in range(len(source.listing)))


def test_archives_in_a_folder_are_its_splits(tmp_path):
    tree = grow(tmp_path / "tree", *TREE)
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "train.tar").write_bytes(packed(tree))
    zipped(tmp_path / "set" / "test.zip", {"cat/9.png": picture(90), "dog/9.png": picture(91)})
    assert counted(opened(tmp_path / "set")) == {"train": {"cat": 3, "dog": 3}, "test": {"cat": 1, "dog": 1}}


def shard(place, keys, side):
    place.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(place, "w") as archive:
        for key in keys:
            entry(archive, f"{key:06d}.png", picture(key))
            name, data = side(key)
            entry(archive, f"{key:06d}.{name}", data)


SIDES = {
    "cls": lambda key: ("cls", str(key % 2).encode()),
    "json": lambda key: ("json", b'{"label": %d, "width": 6}' % (key % 2)),
}


@pytest.mark.parametrize("side", SIDES)
def test_webdataset_shards_are_splits_with_labels_beside_the_images(tmp_path, side):
    for number in range(3):
        shard(tmp_path / "set" / f"train-{number:06d}.tar", range(number * 4, number * 4 + 4), SIDES[side])
    shard(tmp_path / "set" / "val-000000.tar", range(50, 54), SIDES[side])
    dataset = opened(tmp_path / "set")
    assert counted(dataset) == {"train": {"0": 6, "1": 6}, "val": {"0": 2, "1": 2}}
    source = dataset.source("train")
    keys = [int(name.rpartition("/")[2].partition(".")[0]) for name in source.listing.names]
    assert [key % 2 for key in keys] == source.listing.labels.tolist()
    assert all(source.read(at) == picture(key) for at, key in enumerate(keys))


def test_a_shard_that_is_missing_is_noticed(tmp_path):
    for number in (0, 2):
        shard(tmp_path / "set" / f"train-{number:06d}.tar", range(number * 4, number * 4 + 4), SIDES["cls"])
    with pytest.raises(InputError, match="lacks shard 1 of 0 to 2"):
        opened(tmp_path / "set")


def test_shards_whose_keys_repeat_lose_none(tmp_path):
    for number in (0, 1):
        shard(tmp_path / "set" / f"shard-{number:04d}.tar", range(3), SIDES["cls"])
    assert opened(tmp_path / "set").accounting.listed == {"all": 6}


DAMAGED = {
    "no archive": ("set.tar", b"<html>404"),
    "no zip": ("set.zip", b"PK\3\4 cut"),
    "empty": ("set.tar", b""),
    "cut gzip": ("set.tar.gz", gzip.compress(b"x" * 9000)[:-9]),
    "cut bz2": ("set.tar.bz2", bz2.compress(b"x" * 9000)[:20]),
    "cut xz": ("set.tar.xz", lzma.compress(b"x" * 9000)[:40]),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_a_damaged_archive_is_one_sentence(tmp_path, name):
    file, data = DAMAGED[name]
    (tmp_path / file).write_bytes(data)
    with pytest.raises(InputError, match=r"cannot be read as a (tar|zip) archive .* fetch it again"):
        opened(tmp_path / file)


def test_a_member_that_claims_more_than_there_is_gives_a_reason(tmp_path, monkeypatch):
    zipped(tmp_path / "set.zip", {**{f"cat/{at}.png": picture(at) for at in range(3)}, "cat/bomb.png": bytes(10**6)})
    monkeypatch.setattr(archive_files, "MOST_BYTES", 10**5)
    source = opened(tmp_path / "set.zip").source
    reasons = []
    for split in ("train", "val", "test"):
        for index, name in enumerate(source(split).listing.names):
            if "bomb" in name:
                with pytest.raises(Undecodable, match="unfolds to 1,000,000 bytes") as caught:
                    source(split).read(index)
                reasons.append(caught)
    assert len(reasons) == 1


def test_what_only_unfolds_from_the_front_is_refused_beyond_its_limit(tmp_path, monkeypatch):
    (tmp_path / "set.tar.xz").write_bytes(lzma.compress(packed(grow(tmp_path / "tree", *TREE))))
    monkeypatch.setattr(archive_files, "MOST_UNFOLDED", 100)
    with pytest.raises(InputError, match="unfolds to more than"):
        archive_members(str(tmp_path / "set.tar.xz"))


def test_encrypted_and_linked_members_of_a_zip(tmp_path):
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as archive:
        for at in range(3):
            archive.writestr(f"cat/{at}.png", picture(at))
        link = zipfile.ZipInfo("cat/link.png")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, "0.png")
    members = {member.name: member for member in archive_members(str(tmp_path / "set.zip")).files}
    assert members["cat/link.png"].offset == members["cat/0.png"].offset


def test_an_archive_that_is_replaced_is_read_anew(tmp_path):
    place = tmp_path / "set.tar"
    place.write_bytes(packed(grow(tmp_path / "one", "cat*3", "dog*3")))
    assert opened(place).accounting.listed == {"all": 6}
    place.write_bytes(packed(grow(tmp_path / "two", "cat*4", "dog*4")))
    assert opened(place).accounting.listed == {"all": 8}


@pytest.mark.parametrize(
    ("name", "way_out"),
    [
        *((name, "unpack it first") for name in ("a.7z", "a.RAR", "a.tar.lzma", "a.iso", "images.gz")),
        *(
            (name, "join all of them")
            for name in ("a.zip.001", "a.z01", "a.tar.gz.part_aa", "a.part1.rar", "a.tar.partaa")
        ),
        ("a.docx", r"\.parquet\)$"),
    ],
)
def test_an_archive_that_is_not_read_is_answered_with_what_to_do(tmp_path, name, way_out):
    (tmp_path / name).write_bytes(b"x")
    with pytest.raises(InputError, match=way_out):
        opened(tmp_path / name)
