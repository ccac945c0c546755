"""What a worker process of a local cluster does first: it leaves Ctrl-C to the process that started it."""

import signal

from distributed import Worker


async def dask_setup(worker: Worker) -> None:
    """Ignore the interrupt, which a terminal sends to all processes of a job; the first of them closes the others."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
