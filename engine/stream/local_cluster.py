"""Worker processes on this machine, started for one piece of work and closed behind it."""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import dask.config
from distributed import LocalCluster
from distributed.system import MEMORY_LIMIT

from gapscope.core.budget import parse_bytes
from gapscope.core.script import without_script
from gapscope.core.threads import processors
from gapscope.stream.cluster import Cluster, cluster
from gapscope.stream.workers import LocalProcesses

# The usual port, or another where it is taken; for this machine alone.
DASHBOARD = "127.0.0.1:8787"
FIRST = "gapscope.stream.local_worker"
# How often a process looks whether its event loop keeps up: Dask's fifty times a second take a twentieth of a core.
SETTINGS = {"distributed.admin.tick.interval": "1s"}


@contextmanager
def local_cluster(setting: LocalProcesses) -> Iterator[Cluster]:
    """A scheduler in this process with workers of one thread each, also for linear algebra."""
    with without_script(), _started(setting) as started, cluster(started.scheduler_address) as workers:
        yield workers


def _started(setting: LocalProcesses) -> LocalCluster:
    count = setting.workers or processors()
    with warnings.catch_warnings(), dask.config.set(SETTINGS):
        warnings.simplefilter("ignore")  # that the port of the dashboard is taken
        return LocalCluster(
            n_workers=count,
            threads_per_worker=1,
            processes=True,
            memory_limit=_memory_limit(setting, count),
            dashboard_address=DASHBOARD,
            silence_logs=logging.CRITICAL,
            preload=[FIRST],
        )


def _memory_limit(setting: LocalProcesses, count: int) -> int:
    wanted = setting.memory_limit
    if wanted is None:
        return MEMORY_LIMIT // (count + 1)
    return parse_bytes(wanted) if isinstance(wanted, str) else wanted
