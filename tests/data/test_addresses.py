"""Images at addresses are those of a folder: in an object store and behind a web server, as files and in archives."""

import gzip
import io
import os
import pickle
import shutil
import zipfile
from threading import Barrier

import boto3
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from servers import fill, web_server
from test_archives import SIDES, packed, shard, zipped
from trees import grow, opened, picture

from gapscope.core.errors import InputError
from gapscope.data import connection, web
from gapscope.data.addresses import Unreachable, checked, is_address
from gapscope.data.catalogue import accounting_of, open_dataset
from gapscope.data.redirects import check_redirect
from gapscope.data.remote import RemoteFile, copied, read_bytes
from gapscope.data.source import Undecodable, readers
from gapscope.extraction.decode import Task, Worker

LINES = ("train/cat*3", "train/a dog#*2", "test/cat*1", "test/a dog#*1", "readme.txt = nothing")


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(connection, "PAUSES", (0.01,))


@pytest.fixture
def tree(tmp_path):
    return grow(tmp_path / "set", *LINES)


@pytest.fixture
def site(tmp_path):
    (tmp_path / "site").mkdir()
    with web_server(tmp_path / "site") as (server, address):
        yield server, address


@pytest.fixture(params=["s3", "http"])
def put(request, tmp_path):
    """Puts a folder or file where its address is given back; again, to replace what is there."""
    if request.param == "s3":
        bucket = request.getfixturevalue("bucket")

        def place(path):
            name = bucket.removeprefix("s3://")
            client = boto3.client("s3")
            if path.is_dir():
                for one in client.list_objects_v2(Bucket=name).get("Contents", ()):
                    client.delete_object(Bucket=name, Key=one["Key"])
                fill(client, name, path.parent)
            else:
                client.put_object(Bucket=name, Key=path.name, Body=path.read_bytes())
            return f"{bucket}/{path.name}"

        return place
    server, address = request.getfixturevalue("site")

    def place(path):
        if path.is_dir():
            shutil.copytree(path, server.root / path.name, dirs_exist_ok=True)
        else:
            shutil.copy(path, server.root / path.name)
        return f"{address}/{path.name}"

    return place


def at(address, **options):
    return open_dataset(address, None, **options)


def same_images(one, other):
    """Whether two datasets have the same names, labels and bytes, in order, also after a source was sent elsewhere."""
    assert one.splits == other.splits
    for split in one.splits:
        mine, theirs = one.source(split), pickle.loads(pickle.dumps(other.source(split)))
        assert mine.listing.fingerprint() == theirs.listing.fingerprint()
        assert [mine.read(row) for row in range(len(mine.listing))] == [
            theirs.read(row) for row in range(len(mine.listing))
        ]


def test_a_folder_at_an_address_is_read_like_one_on_a_disk(tree, put):
    here, there = opened(tree), at(put(tree))
    same_images(here, there)
    assert there.name == "set"
    assert is_address(there.place)
    assert there.accounting.as_dict() == here.accounting.as_dict()
    assert accounting_of(there).files == 8
    assert there.source("train").sizes().tolist() == here.source("train").sizes().tolist()


def test_an_image_that_is_replaced_has_another_stamp(tree, put):
    before = at(put(tree)).source("train").stamps()
    image = tree / "train/cat/1.png"
    data = image.read_bytes()
    image.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    after = at(put(tree)).source("train").stamps()
    assert before.sizes.tolist() == after.sizes.tolist()
    assert np.flatnonzero(before.times != after.times).tolist() == [3]  # after two of a dog#


@pytest.mark.parametrize("name", ["set.tar", "set.zip", "set.tar.gz"])
def test_an_archive_at_an_address_is_read_like_one_on_a_disk(tree, put, tmp_path, name):
    data = packed(tree)
    if name == "set.zip":
        zipped(
            tmp_path / name, {p.relative_to(tree).as_posix(): p.read_bytes() for p in tree.rglob("*") if p.is_file()}
        )
    else:
        (tmp_path / name).write_bytes(gzip.compress(data) if name.endswith("gz") else data)
    same_images(opened(tmp_path / name), at(put(tmp_path / name)))


def test_shards_at_an_address_are_named_by_a_pattern(put, tmp_path):
    for number in range(3):
        shard(tmp_path / "set" / f"train-{number:04d}.tar", range(number * 4, number * 4 + 4), SIDES["json"])
    address = put(tmp_path / "set")
    here = opened(tmp_path / "set")
    same_images(here, at(f"{address}/train-{{0000..0002}}.tar"))
    same_images(here, at(f"{address}/train-*.tar"))
    assert at(f"{address}/train-{{0000..0001}}.tar").accounting.listed == {"train": 8}
    with pytest.raises(InputError, match=r"train-0003.tar is not there"):
        at(f"{address}/train-{{0000..0003}}.tar")


def test_parquet_at_an_address_is_copied_once_for_each_version(put, tmp_path):
    def write(first):
        rows = [{"image": {"bytes": picture(first + n), "path": None}, "label": n % 2} for n in range(6)]
        (tmp_path / "set").mkdir(exist_ok=True)
        pq.write_table(pa.Table.from_pylist(rows), tmp_path / "set" / "test-00000-of-00001.parquet")
        return put(tmp_path / "set")

    address = write(0)
    same_images(opened(tmp_path / "set"), at(address))
    (copy,) = tmp_path.glob("workspace/fetched/*-set/*.parquet")
    before = copy.stat().st_ino, copy.stat().st_mtime_ns
    same_images(opened(tmp_path / "set"), at(address))
    assert (copy.stat().st_ino, copy.stat().st_mtime_ns) == before
    write(10)
    same_images(opened(tmp_path / "set"), at(address))


def test_a_table_at_an_address_names_files_below_its_folder_and_no_other(put, tree, tmp_path):
    lines = ["path,label", *(f"{p.relative_to(tree).as_posix()},{p.parent.name}" for p in tree.rglob("*.png"))]
    (tree / "rows.csv").write_text("\n".join(lines))
    address = put(tree)
    here, there = open_dataset(str(tree / "rows.csv"), None), at(f"{address}/rows.csv")
    same_images(here, there)
    for bad in ("/etc/passwd", "../../secret.png", "file:///etc/passwd"):
        (tmp_path / "bad.csv").write_text(f"path,label\n{bad},cat\n")
        with pytest.raises(InputError, match="is no file below its folder"):
            at(put(tmp_path / "bad.csv"))


def test_a_table_on_a_disk_names_files_anywhere(put, tree, tmp_path):
    address = put(tree)
    rows = [
        ("set/train/cat/0.png", "cat"),
        (str(tree / "train/cat/1.png"), "cat"),
        (f"{address}/test/cat/0.png", "dog"),
    ]
    (tmp_path / "rows.csv").write_text("\n".join(["file,kind", *map(",".join, rows)]))
    source = open_dataset(str(tmp_path / "rows.csv"), None, label_column="kind").openers["train"].func.__self__.whole()
    images = dict(zip(source.listing.names, map(source.read, range(3)), strict=True))
    assert [images[name] for name, _ in rows] == [
        (tree / name).read_bytes() for name in ("train/cat/0.png", "train/cat/1.png", "test/cat/0.png")
    ]


def test_an_image_that_vanishes_has_a_reason_and_one_that_is_closed_too(site, tree):
    server, address = site
    shutil.copytree(tree, server.root / "set")
    source = at(f"{address}/set").source("train")
    assert source.listing.names[2] == "train/cat/0.png"
    (server.root / "set/train/cat/0.png").unlink()
    server.status["/set/train/cat/1.png"] = 403
    for row, reason in ((2, "is not there"), (3, r"may not be read \(403\)")):
        with pytest.raises(Undecodable, match=reason):
            source.read(row)
    there = at(f"{address}/set")
    assert dict(there.accounting.rejected) == {"train/cat/1.png": "may not be read (403)"}
    assert there.accounting.files == 7


@pytest.mark.parametrize(("status", "message"), [(404, "is not there; correct"), (403, "may not be read .* ~/.netrc")])
def test_an_address_that_is_refused_is_one_sentence(site, status, message):
    server, address = site
    server.status["/set/"] = server.status["/set.tar"] = status
    for name in ("set", "set.tar"):
        with pytest.raises(InputError, match=message):
            at(f"{address}/{name}")


def test_an_object_store_without_the_bucket_is_one_sentence(bucket):
    for name in ("set", "set.tar", "set.parquet", "rows.csv"):
        with pytest.raises(InputError, match=r"is not there|there is nothing below"):
            at(f"s3://no-such-bucket/{name}")
        with pytest.raises(InputError, match=r"is not there|there is nothing below"):
            at(f"{bucket}/nothing/{name}")


def test_a_server_in_trouble_is_asked_again_and_then_stops_the_work(site, tree):
    server, address = site
    shutil.copytree(tree, server.root / "set")
    source = at(f"{address}/set").source("train")
    server.status["/set/train/cat/0.png"] = 503
    server.asked.clear()
    with pytest.raises(Unreachable, match="run the same command again later"):
        source.read(2)
    assert len(server.asked) == 2


def test_a_server_that_is_silent_is_not_waited_for(site, monkeypatch):
    server, address = site
    server.delay["/set/"] = 3
    monkeypatch.setattr(connection, "READ_SECONDS", 0.2)
    connection._filesystem.cache_clear()
    with pytest.raises(Unreachable, match=r"does not answer within 0.2 s"):
        at(f"{address}/set")
    connection._filesystem.cache_clear()


def test_nobody_at_an_address_is_one_sentence():
    with pytest.raises(Unreachable, match="cannot be reached"):
        at("http://127.0.0.1:9/set")


def test_a_listing_without_end_is_refused(site, monkeypatch):
    server, address = site
    server.pages["/deep/"] = lambda path: '<a href="more/">more</a>'
    with pytest.raises(InputError, match="goes on beyond 32 folders deep"):
        at(f"{address}/deep")
    monkeypatch.setattr(web, "MOST_FOLDERS", 50)
    server.pages["/wide/"] = lambda path: "".join(f'<a href="{n}/">{n}</a>' for n in range(10))
    with pytest.raises(InputError, match="goes on beyond 50 folders"):
        at(f"{address}/wide")
    monkeypatch.setattr(web, "MOST_PAGE_BYTES", 10_000)
    server.pages["/long/"] = lambda path: "x" * 10**6
    with pytest.raises(InputError, match="lists a folder on more than"):
        at(f"{address}/long")


def test_links_that_lead_elsewhere_are_left_alone(site, tree):
    server, address = site
    shutil.copytree(tree, server.root / "set")
    for name in ("0.png", "1.png"):
        (server.root / name).write_bytes(picture(99))
    links = ["/0.png", "../1.png", "..", "//example.org/x.png", "file:///etc/passwd", "%2e%2e/1.png", "a%2f..%2fb.png"]
    page = "".join(f'<a href="{link}">x</a>' for link in [*links, "train/", "cat.png?size=2#top", "javascript:go()"])
    (server.root / "set/cat.png").write_bytes(picture(98))
    server.pages["/set/train/"] = lambda path: ""
    server.status["/set/train/"] = 200
    server.status.clear()
    server.pages = {"/set/train": lambda path: '<a href="x.png">x</a>' if path.endswith("train/") else "x"}
    server.pages["/set/"] = lambda path: page if path == "/set/" else "picture"
    assert sorted(entry.name for entry in web.listing(f"{address}/set")) == ["cat.png", "train/x.png"]


@pytest.mark.parametrize("location", ["file:///etc/passwd", "ftp://127.0.0.1/x", "gopher://x"])
def test_a_redirect_out_of_the_web_is_not_followed(site, location):
    server, address = site
    server.location["/set.tar"] = location
    with pytest.raises(InputError, match=r"is not followed|cannot be reached"):
        at(f"{address}/set.tar")


def test_redirects_go_to_no_less_private_place():
    check_redirect("https://hub.example/a", "https://cdn.example/b")
    check_redirect("http://host.example/a", "/b")
    check_redirect("http://127.0.0.1:1/a", "http://localhost:2/b")
    for before, after in (
        ("https://host.example/a", "http://host.example/a"),
        ("https://host.example/a", "https://169.254.169.254/latest"),
        ("http://host.example/a", "http://localhost/admin"),
        ("http://host.example/a", "http://10.0.0.1/"),
    ):
        with pytest.raises(Undecodable, match="is not followed"):
            check_redirect(before, after)


def test_a_redirect_within_the_web_is_followed(site, tree):
    server, address = site
    (server.root / "real.tar").write_bytes(packed(tree))
    server.location["/set.tar"] = "/real.tar"
    assert at(f"{address}/set.tar").accounting.listed == {"train": 5, "test": 2}


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("ftp://host/set", "begin with ftp:// are not read"),
        ("gopher://host", "begin with gopher:// are not read"),
        ("https://me:secret@host/set", "holds credentials"),
        ("https://host/a.tar?X-Amz-Signature=abc", "holds credentials"),
        ("hf://models/owner/name", "names no data set of the hub"),
        ("hf://datasets/owner", "names no data set of the hub"),
        ("hf://datasets/owner/name/../../x", "leads out"),
    ],
)
def test_addresses_that_are_not_read_are_one_sentence(address, message):
    with pytest.raises(InputError, match=message) as caught:
        at(address)
    assert "secret" not in str(caught.value)
    assert "abc" not in str(caught.value)


def test_a_file_address_is_a_path(tree):
    same_images(opened(tree), at(f"file://{tree}"))
    assert checked("file:///a%20b") == "/a b"


def test_a_server_that_gives_no_pieces_has_its_archives_copied(site, tree):
    server, address = site
    server.ranges = False
    (server.root / "set.tar").write_bytes(packed(tree))
    assert at(f"{address}/set.tar").accounting.listed == {"train": 5, "test": 2}


def test_a_copy_goes_on_where_a_killed_one_has_stopped(site, tmp_path):
    server, address = site
    data = os.urandom(3 * 2**23 + 5)
    (server.root / "set.bin").write_bytes(data)
    whole = copied(address, "set.bin", "workspace")
    part = whole.with_name(f".set.bin.{whole.stat().st_mtime_ns:x}.tmp")
    part.write_bytes(data[: 2**24])
    whole.unlink()
    server.asked.clear()
    assert copied(address, "set.bin", "workspace").read_bytes() == data
    assert [range_ for _, _, range_ in server.asked] == [
        "bytes=0-0",
        "bytes=16777216-25165823",
        "bytes=25165824-25165828",
    ]
    assert not part.exists()


def test_a_key_that_leads_out_of_the_copies_is_refused(bucket):
    with pytest.raises(InputError, match="leads out of any folder"):
        copied(bucket, "../../x.parquet", "workspace")


def test_a_distant_file_is_read_in_pieces_that_grow(site):
    server, address = site
    data = np.random.default_rng(0).bytes(2**20)
    (server.root / "set.bin").write_bytes(data)
    file = RemoteFile(f"{address}/set.bin", len(data))
    assert file.read(10) == data[:10]
    file.seek(-5, io.SEEK_END)
    assert file.read() == data[-5:]
    file.seek(0)
    assert b"".join(iter(lambda: file.read(4096), b"")) == data
    assert len(server.asked) < 12


def test_what_large_archives_hold_is_asked_for_once(site, tmp_path, monkeypatch):
    from gapscope.data.sources import archive_index, archives

    monkeypatch.setattr(archive_index, "MANY", 4)
    server, address = site
    for number in range(2):
        shard(server.root / f"test-{number:04d}.tar", range(number * 8, number * 8 + 8), SIDES["json"])
    first = at(f"{address}/test-{{0000..0001}}.tar")
    assert len(list(tmp_path.glob("workspace/archives/*.parquet"))) == 2
    archives._members.cache_clear()
    server.asked.clear()
    again = at(f"{address}/test-{{0000..0001}}.tar")
    assert {piece for _, _, piece in server.asked} == {"bytes=0-0"}
    same_images(first, again)
    shard(server.root / "test-0001.tar", range(20, 28), SIDES["json"])
    changed = at(f"{address}/test-{{0000..0001}}.tar").source("test")
    assert changed.read(15) == picture(27)


def test_a_zip_at_an_address_takes_one_request_an_image(site, tmp_path):
    server, address = site
    files = {
        f"{kind}/{n}.png": picture(n + 100 * (kind == "dog")) + os.urandom(20_000)
        for kind in ("cat", "dog")
        for n in range(9)
    }
    zipped(server.root / "set.zip", files, zipfile.ZIP_STORED)
    source = at(f"{address}/set.zip").openers["train"].func.__self__.whole()
    source.read(8)
    server.asked.clear()
    for row in (3, 17, 0, 9):
        assert source.read(row) == files[source.listing.names[row]]
    assert len(server.asked) == 4


def test_an_empty_folder_and_an_object_store_without_objects_say_so(bucket, site):
    for address in (f"{bucket}/empty", site[1]):
        with pytest.raises(InputError, match="there is nothing below"):
            at(address)


def test_images_behind_a_network_are_asked_for_together(site, tree):
    server, address = site
    shutil.copytree(tree, server.root / "set")
    source = at(f"{address}/set").source("train")
    assert source.distant
    assert readers(source) >= 8
    assert not getattr(opened(tree).source("train"), "distant", False)
    together = Barrier(5, timeout=20)
    server.pages = {"/set/train": lambda path: str(together.wait())}
    slots = np.zeros((1, 5, 8, 8, 3), np.uint8)
    done = Worker(source, None, slots, attributes=False).work(Task(0, 0, np.arange(5)))
    assert sorted(done.reasons) == sorted(done.digests) == list(range(5))


def test_bytes_beyond_the_end_are_none(site):
    server, address = site
    (server.root / "a.bin").write_bytes(b"12345")
    assert read_bytes(f"{address}/a.bin", 2, 4) == b"34"
