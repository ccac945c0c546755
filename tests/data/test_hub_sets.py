"""Data sets of the Hugging Face Hub: from its cache without a network, and from a hub, here a small one of our own."""

import hashlib
import json
import subprocess
import sys
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import ROOT, child_environment
from huggingface_hub import constants
from trees import counted, grow, picture

from gapscope.core.errors import InputError
from gapscope.data.catalogue import open_dataset
from gapscope.data.hub import HubSet, pinned_name
from gapscope.jobs.extract import ExtractConfig, build

SHA = "0a1b2c3d4e5f60718293a4b5c6d7e8f901234567"
FEATURES = {"label": {"names": ["cat", "dog"], "_type": "ClassLabel"}, "image": {"_type": "Image"}}


def parquet(place, first, rows=6):
    """A file as the hub has it: images as structs, class names in the metadata."""
    place.parent.mkdir(parents=True, exist_ok=True)
    images = [{"bytes": picture(first + row), "path": f"{row}.png"} for row in range(rows)]
    table = pa.table({"image": images, "label": [row % 2 for row in range(rows)]})
    about = {"huggingface": json.dumps({"info": {"features": FEATURES}})}
    pq.write_table(table.replace_schema_metadata(about), place)


def pets(root):
    parquet(root / "data/train-00000-of-00001.parquet", 0)
    parquet(root / "data/test-00000-of-00001.parquet", 20, 4)
    (root / "README.md").write_text("about")
    return root


@pytest.fixture
def cached(tmp_path, monkeypatch):
    """The cache of the hub, without a network; a function that puts a data set there."""
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.chdir(tmp_path)

    def put(repo, make, revision=SHA):
        base = tmp_path / "hub" / f"datasets--{repo.replace('/', '--')}"
        make(base / "snapshots" / revision)
        (base / "refs").mkdir(exist_ok=True)
        (base / "refs/main").write_text(revision)
        return base

    return put


def test_a_data_set_in_the_cache_is_opened_by_its_name_and_its_revision_is_its_place(cached):
    cached("owner/pets", pets)
    dataset = open_dataset("hf://datasets/owner/pets", None)
    assert (dataset.name, dataset.place) == ("pets", f"hf://datasets/owner/pets@{SHA}")
    assert counted(dataset) == {"train": {"cat": 3, "dog": 3}, "test": {"cat": 2, "dog": 2}}
    assert SHA in dataset.notes[0]
    assert counted(open_dataset("hf://datasets/owner/pets@main/data", None)) == counted(dataset)
    assert open_dataset("hf://datasets/owner/pets@2", None).name == "pets@2"
    assert open_dataset("hf://datasets/owner/pets/data/test-*", None).splits == ("test",)


def test_folders_of_images_on_the_hub_are_read_like_others(cached):
    cached("owner/folders", lambda root: grow(root, "train/cat*3", "train/dog*3", "test/cat*1", "test/dog*1"))
    assert counted(open_dataset("hf://datasets/owner/folders", None)) == {
        "train": {"cat": 3, "dog": 3},
        "test": {"cat": 1, "dog": 1},
    }


def test_cifar10_is_opened_by_its_name_on_the_hub(cached, test_data):
    cached(
        "uoft-cs/cifar10",
        lambda root: (root.mkdir(parents=True), (root / "plain_text").symlink_to(test_data / "cifar10")),
    )
    dataset = open_dataset("hf://datasets/uoft-cs/cifar10", None)
    assert (dataset.name, dataset.splits) == ("cifar10", ("train", "test"))
    assert len(dataset.source("train").listing) == 50_000
    assert dataset.source("test").listing.class_names[3] == "cat"


def test_a_store_records_the_revision_and_refuses_another_under_its_name(cached, tmp_path):
    options = {"workspace": str(tmp_path / "workspace"), "backbone": "tiny", "decode_workers": 0, "split": ("test",)}

    def extracted():
        (outcome,) = build(ExtractConfig(("hf://datasets/owner/pets",), **options))
        return outcome

    cached("owner/pets", pets)
    made = extracted().manifest
    assert made.provenance.source == made.place == f"hf://datasets/owner/pets@{SHA}"
    assert made.command["options"]["dataset"] == [made.place]
    assert "nothing was left to do" in extracted().notes[0]
    newer = SHA[::-1]
    cached("owner/pets", pets, newer)
    assert f"@{newer} now, and are those that were extracted" in extracted().notes[0]
    cached("owner/pets", lambda root: parquet(root / "data/test-00000-of-00001.parquet", 40, 4), "f" * 40)
    with pytest.raises(InputError, match=f"made from hf://datasets/owner/pets@{newer}, and .* give this one a name"):
        extracted()


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("hf://datasets/owner/nothing", "is not in the cache of the hub, which cannot be reached"),
        ("hf://datasets/owner/pets@v2", r"is not in the cache of the hub|has no revision"),
        ("hf://datasets/owner/pets/nothing", "has nothing called nothing"),
    ],
)
def test_what_the_cache_has_not_is_one_sentence(cached, address, message):
    cached("owner/pets", pets)
    with pytest.raises(InputError, match=message) as caught:
        open_dataset(address, None)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("address", "parts"),
    [
        ("hf://datasets/o/n", ("o/n", "", "")),
        ("hf://datasets/o/n@v1/data/", ("o/n", "v1", "data")),
        ("hf://datasets/o/n@refs/convert/parquet/default", ("o/n", "refs/convert/parquet", "default")),
        ("hf://datasets/o/n@refs%2Fpr%2F1", ("o/n", "refs/pr/1", "")),
    ],
)
def test_addresses_of_the_hub_name_a_set_a_revision_and_a_folder(address, parts):
    assert HubSet.parse(address) == parts


def test_a_command_that_is_written_down_names_the_revision():
    pinned = "hf://datasets/o/n@0a1b/data"
    assert pinned_name("hf://datasets/o/n/data", pinned) == pinned
    assert pinned_name("hf://datasets/o/n@main/data@500+blur:2", f"{pinned}+blur:2") == f"{pinned}@500+blur:2"


@contextmanager
def hub(files, closed=()):
    """A hub with the data set owner/pets: its address, and what it was asked for."""
    asked = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *words):
            pass

        def do_HEAD(self):
            self.do_GET()

        def do_GET(self):
            path = unquote(self.path.partition("?")[0])
            asked.append((self.command, path))
            api, resolve = "/api/datasets/owner/pets/", "/datasets/owner/pets/resolve/"
            if path.startswith((f"{api}revision/", api[:-1])) and "/tree/" not in path:
                names = [{"rfilename": name} for name in files]
                return self.send(json.dumps({"id": "owner/pets", "sha": SHA, "siblings": names}).encode())
            if path.startswith(f"{api}tree/"):
                entries = [{"type": "file", "path": n, "size": len(d), "oid": "0" * 40} for n, d in files.items()]
                return self.send(json.dumps(entries).encode())
            name = path.removeprefix(resolve).partition("/")[2]
            if not path.startswith(resolve) or name not in files:
                return self.send(b"{}", 404, **{"X-Error-Code": "RepoNotFound"})
            if name in closed:
                return self.send(b"{}", 403, **{"X-Error-Code": "GatedRepo"})
            return self.send(files[name], ETag=f'"{hashlib.md5(files[name]).hexdigest()}"')

        def send(self, data, status=200, **headers):
            self.send_response(status)
            for key, value in {"Content-Length": str(len(data)), "X-Repo-Commit": SHA, **headers}.items():
                self.send_header(key, value)
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(data)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", asked
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def asked_of(address, home, name):
    """What `datasets NAME` says to whom that hub is the Hugging Face Hub."""
    variables = {"HF_ENDPOINT": address, "HF_HOME": str(home), "HF_HUB_DISABLE_XET": "1", "NO_PROXY": "127.0.0.1"}
    words = [sys.executable, str(ROOT / "cli.py"), "datasets", name]
    return subprocess.run(
        words, capture_output=True, text=True, cwd=home, env=child_environment(**variables), check=False
    )


def test_a_hub_is_asked_for_the_files_that_are_needed_and_they_stay(tmp_path):
    root = pets(tmp_path / "source")
    files = {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()}
    (tmp_path / "home").mkdir()
    with hub(files) as (address, asked):
        done = asked_of(address, tmp_path / "home", "hf://datasets/owner/pets")
        assert done.returncode == 0, done.stderr
        assert "cat" in done.stdout
        assert SHA[:8] in done.stdout.replace("\n", "")
        fetched = {path.partition(f"{SHA}/")[2] for verb, path in asked if verb == "GET" and "/resolve/" in path}
        assert fetched == {"data/train-00000-of-00001.parquet", "data/test-00000-of-00001.parquet"}
        asked.clear()
        assert asked_of(address, tmp_path / "home", "hf://datasets/owner/pets").stdout == done.stdout
        assert not [path for verb, path in asked if verb == "GET" and "/resolve/" in path]


def test_what_a_hub_refuses_is_one_sentence(tmp_path):
    root = pets(tmp_path / "source")
    files = {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()}
    (tmp_path / "home").mkdir()
    with hub(files, closed=set(files)) as (address, _):
        done = asked_of(address, tmp_path / "home", "hf://datasets/owner/pets")
        assert done.returncode == 2
        assert "Traceback" not in done.stderr
        assert "accepted its conditions" in " ".join((done.stdout + done.stderr).split())
        gone = asked_of(address, tmp_path / "home", "hf://datasets/owner/cats")
        assert gone.returncode == 2
        assert "is not on the hub, or not open to you" in " ".join((gone.stdout + gone.stderr).split())
