"""Which versions a process has, and whether a worker may join those that compute together.

Another version of Python or NumPy may round in another way, and one of Dask or cloudpickle may not even understand
what it is sent: it then fails in the middle, or hangs.
"""

import sys
from collections.abc import Mapping
from pickle import UnpicklingError
from typing import Any

from distributed import Status, Worker
from distributed.diagnostics.plugin import WorkerPlugin

from gapscope.core.errors import InputError
from gapscope.core.program import version_of

PACKAGES = ("gapscope", "numpy", "dask", "distributed", "cloudpickle")
# Topic of the scheduler under which a worker says that it is refused.
TOPIC = "gapscope-refused"
Versions = Mapping[str, str]


def versions() -> dict[str, str]:
    """Of Python, to the minor version, and of the packages that must agree; empty where one is not installed."""
    major, minor, *_ = sys.version_info
    return {"python": f"{major}.{minor}"} | {name: version_of(name, "") for name in PACKAGES}


def difference(result: Any, wanted: Versions, whose: str) -> str:
    """What is wrong with the versions of a process, or with its answer to the question for them; empty if nothing is.

    >>> difference({"python": "3.11", "numpy": "1.26.4"}, {"python": "3.11", "numpy": "2.1.0"}, "worker tcp://a:1")
    'worker tcp://a:1 has numpy 1.26.4, this process has 2.1.0; install the same versions there'
    """
    if isinstance(result, ImportError | AttributeError | UnpicklingError):
        return f"{whose} cannot import gapscope, or not this version of it; install it there with pip"
    if not isinstance(result, Mapping):
        return f"{whose} does not say which versions it has ({result!r}); start it again"
    other = [name for name in wanted if result.get(name) != wanted[name]]
    if not other:
        return ""
    there = " and ".join(f"{name} {result.get(name) or 'missing'}" for name in other)
    here = " and ".join(wanted[name] for name in other)
    return f"{whose} has {there}, this process has {here}; install the same versions there"


class SameVersions(WorkerPlugin):
    """Lets only workers join that have the versions of the process that sent it.

    A worker unpacks the plugins of a scheduler after it has registered and before it takes its first task, so one that
    cannot unpack this one, because its versions differ, says so and closes.
    """

    def __init__(self, wanted: Versions, name: str):
        self.wanted, self.name = dict(wanted), name

    def __reduce__(self) -> tuple[Any, ...]:
        return admitted, (self.wanted, self.name)


def admitted(wanted: Versions, name: str) -> SameVersions:
    """The plugin, unpacked in a process with the `wanted` versions.

    Raises
    ------
    InputError
        The versions differ; whoever listens to the scheduler's topic `TOPIC` is told.
    """
    workers = [worker for worker in Worker._instances if worker.status in (Status.init, Status.running)]
    for worker in workers:
        if sentence := difference(versions(), wanted, f"worker {worker.address}"):
            worker.log_event(TOPIC, {"sentence": sentence})
            raise InputError(sentence)
    return SameVersions(wanted, name)
