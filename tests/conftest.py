"""Fixtures every test may use: seeded numbers, the shared real data, a real two-worker cluster."""

import os
import warnings
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parent.parent


def pytest_addoption(parser):
    parser.addoption("--runslow", action="store_true", help="also run tests that take minutes")
    parser.addoption("--rungpu", action="store_true", help="also run tests that need a CUDA device")


def pytest_collection_modifyitems(config, items):
    for item in items:
        for name in ("slow", "gpu"):
            if name in item.keywords and not config.getoption(f"--run{name}"):
                item.add_marker(pytest.mark.skip(reason=f"needs --run{name}"))


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
def cluster():
    """Address of a real scheduler with two worker processes of one thread each."""
    from distributed import LocalCluster

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        local = LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None)
    yield local.scheduler_address
    local.close()
