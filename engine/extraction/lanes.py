"""The network at work: batches side by side, one lane for each processor core or two for each GPU."""

import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from queue import SimpleQueue
from time import perf_counter

import numpy as np
import torch

from gapscope.backbones.backbone import Backbone

# Beyond this many lanes, their activations crowd each other out of the caches; more cores then share a lane.
MOST_LANES = 16
LANES_PER_GPU = 2  # while one lane's images are copied and its results fetched, the other's are computed


class Lanes:
    """Runs batches on one or several copies of a backbone.

    On a processor, each lane computes alone on its core: two batches on one core each are faster than one batch on
    both, since no layer waits
    for the slower core, and decode processes can take time from one lane without holding up the other. It also makes
    embeddings independent
    of the number of cores (up to `MOST_LANES`).
    """

    def __init__(self, backbones: Sequence[Backbone], cores: int):
        on_cpu = backbones[0].device.type == "cpu"
        count = min(cores, MOST_LANES) if on_cpu else LANES_PER_GPU * len(backbones)
        self.count, self.seconds = count, 0.0
        self._threads = max(1, cores // count) if on_cpu else None
        self._free: SimpleQueue[Backbone] = SimpleQueue()
        for lane in range(count):
            self._free.put(backbones[lane % len(backbones)])
        self._lock = threading.Lock()
        self._pool = ThreadPoolExecutor(count, "lane", initializer=self._begin)

    def _begin(self) -> None:
        if self._threads:
            torch.set_num_threads(self._threads)

    def submit(self, images: np.ndarray) -> Future[np.ndarray]:
        """The features of ``images : (n, h, w, 3) uint8``, in the future."""
        return self._pool.submit(self._run, images)

    def _run(self, images: np.ndarray) -> np.ndarray:
        backbone = self._free.get()
        begun = perf_counter()
        try:
            return backbone.features(images)
        finally:
            self._free.put(backbone)
            with self._lock:
                self.seconds += perf_counter() - begun

    def close(self) -> None:
        """Stop, whatever is unfinished."""
        self._pool.shutdown(cancel_futures=True)


@contextmanager
def lanes(backbones: Sequence[Backbone], cores: int) -> Iterator[Lanes]:
    """Lanes over `backbones`; torch's thread count, which is the whole process's, is put back afterwards."""
    before = torch.get_num_threads()
    running = Lanes(backbones, cores)
    try:
        yield running
    finally:
        running.close()
        torch.set_num_threads(before)
