"""Fixtures every test may use: seeded numbers, the shared real data, a real two-worker cluster."""

import gc
import gzip
import os
import secrets
import socket
import warnings
from pathlib import Path

# Tests run in as many processes as there are cores; more threads would wait for one another. Before NumPy is loaded,
# and for the processes that tests start.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pyarrow as pa
import pytest
from data_layouts import idx
from hypothesis import settings

from gapscope.core.location import Location
from gapscope.schemas.embeddings import Fingerprint, Provenance, embedding_schema
from gapscope.store import StoreWriter, open_store
from gapscope.store.write import embedding_column

# A busy machine takes longer for an example than a quiet one; how long says nothing about what is tested.
settings.register_profile("any-speed", deadline=None)
settings.load_profile("any-speed")

ROOT = Path(__file__).parent.parent


def child_environment(**variables):
    """Environment of a child process that can import every test module, as this process can."""
    folders = [ROOT, ROOT / "tests", *sorted(path for path in (ROOT / "tests").iterdir() if path.is_dir())]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, folders)), **variables}


def pytest_addoption(parser):
    parser.addoption("--runslow", action="store_true", help="also run tests that take minutes")
    parser.addoption("--rungpu", action="store_true", help="also run tests that need a CUDA device")


def pytest_collection_modifyitems(config, items):
    # A cluster that waits takes a tenth of a core: the files that need it come last, and it begins with the first.
    late = {item.path for item in items if "cluster" in getattr(item, "fixturenames", ())}
    items.sort(key=lambda item: item.path in late)
    for item in items:
        for name in ("slow", "gpu"):
            if name in item.keywords and not config.getoption(f"--run{name}"):
                item.add_marker(pytest.mark.skip(reason=f"needs --run{name}"))


def pytest_collection_finish():
    # What was imported stays, and need not be looked through whenever Python looks for garbage.
    gc.collect()
    gc.freeze()


@pytest.fixture
def rng():
    return np.random.default_rng(20261121)


@pytest.fixture(scope="session")
def test_data():
    """The folder of real images and weights; tests that ask for it skip where it is absent."""
    folder = Path(os.environ.get("GAPSCOPE_TEST_DATA", ROOT.parent / "shared" / "data")).resolve()
    if not folder.is_dir():
        pytest.skip(f"no test data at {folder}; set GAPSCOPE_TEST_DATA to use some")
    return folder


@pytest.fixture(scope="session")
def fashion_of(test_data, tmp_path_factory):
    """A function that makes a data root with the first so many training and test images of Fashion-MNIST."""
    source, kinds = test_data / "FashionMNIST" / "raw", (("images-idx3", 16, (-1, 28, 28)), ("labels-idx1", 8, (-1,)))

    def make(train, test):
        root = tmp_path_factory.mktemp("data")
        (root / "FashionMNIST" / "raw").mkdir(parents=True)
        for split, count in (("train", train), ("t10k", test)):
            for kind, offset, shape in kinds:
                name = f"{split}-{kind}-ubyte"
                content = gzip.decompress((source / f"{name}.gz").read_bytes())
                first = np.frombuffer(content, np.uint8, offset=offset).reshape(shape)[:count]
                (root / "FashionMNIST" / "raw" / name).write_bytes(idx(first))
        return root

    return make


@pytest.fixture(scope="session")
def cluster():
    """Address of a real scheduler with two worker processes of one thread each, which watch themselves seldom."""
    import dask.config
    from distributed import LocalCluster

    seldom = {"distributed.admin.tick.interval": "1s", "distributed.worker.profile.enabled": False}
    with warnings.catch_warnings(), dask.config.set(seldom):
        warnings.simplefilter("ignore")
        local = LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None)
    yield local.scheduler_address
    local.close()


@pytest.fixture(scope="module")
def quick_trainings():
    """Networks are trained on one thread, and without pictures."""
    import torch
    from undrawn import undrawn

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with undrawn():
        yield
    torch.set_num_threads(threads)


@pytest.fixture
def make_store(tmp_path):
    """A function that writes arrays as a finished store, in the order given."""
    return lambda x, y, **options: write_store(options.pop("folder", tmp_path / "store"), x, y, **options)


def write_store(folder, x, y, *, dtype="float32", part_rows=64, class_names=None, **provenance):
    """A finished store of embeddings ``x : (n, d)`` and labels ``y : (n,)`` in `folder`."""
    writer = StoreWriter(Location.of(folder), toy_provenance(x, y, dtype, part_rows, class_names, **provenance))
    writer.begin()
    starts = range(0, len(x), part_rows)
    for part, start in enumerate(starts):
        writer.part(part, toy_part(x, y, dtype, start, start + part_rows))
    writer.finish(len(starts))
    return open_store(Location.of(folder))


def toy_provenance(x, y, dtype="float32", part_rows=64, class_names=None, **fields):
    """Provenance of a store of made-up rows."""
    defaults = {
        "backbone": "toy",
        "decoder": "none",
        "dataset": "toy",
        "split": "train",
        "seed": 0,
        "code_version": "test",
        "fingerprint": Fingerprint(count=len(x), hash="0"),
        "class_names": [f"class {index}" for index in range(int(y.max(initial=0)) + 1)],
    }
    if class_names is not None:
        fields = {"class_names": class_names, **fields}
    return Provenance(dim=x.shape[1], dtype=dtype, part_rows=part_rows, **(defaults | fields))


def toy_part(x, y, dtype, start, stop):
    """Rows ``start <= i < stop`` as the table of a part."""
    rows = np.arange(len(x))[start:stop]
    columns = [
        pa.array(rows),
        pa.array([f"image-{row}.png" for row in rows], pa.string()),
        pa.array(y[start:stop].astype(np.int32)),
        embedding_column(x[start:stop], dtype),
    ]
    return pa.table(columns, schema=embedding_schema(x.shape[1], dtype))


@pytest.fixture(scope="session")
def object_store():
    """The address of an object store on this machine that speaks the real S3 protocol."""
    from moto.server import ThreadedMotoServer

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = ThreadedMotoServer(port=port, verbose=False)
    server.start()
    yield f"http://127.0.0.1:{port}"
    server.stop()


@pytest.fixture
def bucket(object_store, monkeypatch, request):
    """The address of a new bucket in the object store."""
    import boto3

    for name, value in {
        "AWS_ENDPOINT_URL": object_store,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    name = f"bucket-{secrets.token_hex(6)}"
    boto3.client("s3").create_bucket(Bucket=name)
    return f"s3://{name}"
