"""Images in Google's object store, asked by its own client library of a small server of ours."""

import base64
import hashlib
import json
import os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from urllib.parse import parse_qs, unquote, urlsplit

import fsspec
import pytest
from test_archives import packed
from trees import grow, opened

from gapscope.core.errors import InputError
from gapscope.data import connection
from gapscope.data.catalogue import open_dataset
from gapscope.data.source import Undecodable

os.environ.setdefault("GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT", "false")  # read at import; asks by a protocol of its own
pytest.importorskip("gcsfs", reason="the extra gs is not part of the test extra")


class Handler(BaseHTTPRequestHandler):
    """As much of the JSON interface as listing and reading need; its server has a folder for each bucket."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *words):
        pass

    def do_GET(self):
        parts = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        words = parts.path.partition("/b/")[2].split("/")
        bucket = self.server.root / unquote(words[0])
        if len(words) < 2:
            return self.say(200 if bucket.is_dir() else 404, {"name": words[0], "timeCreated": "2026-01-01T00:00:00Z"})
        if words[1:] == ["o"]:
            files = [path for path in sorted(bucket.rglob("*")) if path.is_file()] if bucket.is_dir() else []
            items = [self.about(bucket, path) for path in files]
            items = [one for one in items if one["name"].startswith(query.get("prefix", ""))]
            return self.say(200 if bucket.is_dir() else 404, {"items": items})
        path = bucket / unquote(words[2])
        if not path.is_file():
            return self.say(404, {"error": {"message": "No such object"}})
        if "alt" not in query:
            return self.say(200, self.about(bucket, path))
        data, wanted = path.read_bytes(), self.headers.get("Range")
        if wanted:
            first, last = wanted.removeprefix("bytes=").split("-")
            return self.send(206, data[int(first) : int(last or len(data)) + 1])
        return self.send(200, data)

    def about(self, bucket, path):
        data = path.read_bytes()
        digest = hashlib.md5(data).digest()
        return {
            "kind": "storage#object",
            "bucket": bucket.name,
            "name": path.relative_to(bucket).as_posix(),
            "size": str(len(data)),
            "etag": digest.hex(),
            "md5Hash": base64.b64encode(digest).decode(),
            "updated": "2026-01-01T00:00:00Z",
            "timeCreated": "2026-01-01T00:00:00Z",
        }

    def say(self, status, value):
        self.send(status, json.dumps(value).encode())

    def send(self, status, data):
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(data)


@pytest.fixture
def root(tmp_path, monkeypatch):
    """The folder of buckets of a server that is taken for Google's."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.root = tmp_path / "buckets"
    server.root.mkdir()
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", f"http://127.0.0.1:{server.server_address[1]}")
    monkeypatch.setitem(fsspec.config.conf, "gcs", {"token": "anon"})
    monkeypatch.chdir(tmp_path)
    connection._filesystem.cache_clear()
    yield server.root
    connection._filesystem.cache_clear()
    server.shutdown()
    server.server_close()
    thread.join()


def same_images(one, other):
    for split in one.splits:
        mine, theirs = one.source(split), other.source(split)
        assert mine.listing.fingerprint() == theirs.listing.fingerprint()
        assert all(mine.read(row) == theirs.read(row) for row in range(len(mine.listing)))


def test_images_in_googles_store_are_those_of_a_folder(root):
    tree = grow(root / "bucket" / "set", "train/cat*3", "train/a dog#*2", "test/cat*1", "test/a dog#*1")
    there = open_dataset("gs://bucket/set", None)
    same_images(opened(tree), there)
    before = there.source("train").stamps()
    assert before.sizes.tolist() == opened(tree).source("train").stamps().sizes.tolist()
    (tree / "train/cat/0.png").write_bytes(b"other")
    assert (open_dataset("gs://bucket/set", None).source("train").stamps().times != before.times).sum() == 1
    (tree / "train/cat/0.png").unlink()
    with pytest.raises(Undecodable, match="is not there"):
        there.source("train").read(2)


def test_archives_in_googles_store_are_read_in_pieces(root, tmp_path):
    tree = grow(tmp_path / "set", "train/cat*3", "train/dog*2", "test/cat*1", "test/dog*1")
    (root / "bucket").mkdir()
    (root / "bucket" / "set.tar").write_bytes(packed(tree))
    same_images(opened(tree), open_dataset("gs://bucket/set.tar", None))
    assert open_dataset("gcs://bucket/s*.tar", None).accounting.listed == {"train": 5, "test": 2}


def test_a_bucket_that_is_not_there_is_one_sentence(root):
    for name in ("set", "set.tar"):
        with pytest.raises(InputError, match=r"is not there|there is nothing below"):
            open_dataset(f"gs://nowhere/{name}", None)
