"""What a second worker process is worth, what the cluster itself costs, and what 64 workers would make of it.

    python -m benchmarks.cluster --out benchmarks/results/cluster.json
    python -m benchmarks.cluster FOLDER        the same on a store that `benchmarks.synthetic_store` made

The work is one gradient of softmax regression over all rows, a fold as `logistic` asks for dozens of times: `x @ W`,
softmax, `x.T @ residual`. One and two worker processes of one thread each, with one thread of linear algebra each,
take turns on the same store; the best of several counts for each.

The projection adds up what was measured on this machine, nothing overlapping: the largest share of the leaves that one
of 64 workers gets, the scheduler's time for every task, the parameters handed on from worker to worker in doubling
rounds, and the transfers on the way up the tree of merges. A network slower than this machine's loopback costs more:
the seconds of each part are printed, so that its own transfer time can be put in.
"""

import argparse
import json
import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from math import ceil, log2
from pathlib import Path
from time import perf_counter
from typing import NamedTuple

import numpy as np

from benchmarks.synthetic_store import TRAIN_ROWS, Recipe, make
from gapscope.core.chunk import Chunk
from gapscope.core.location import Location
from gapscope.core.threads import processors
from gapscope.store import View, open_store
from gapscope.stream import CHUNK_ROWS, connect, fold
from gapscope.stream.cluster import Cluster
from gapscope.stream.tree import FAN_IN
from gapscope.stream.verbs import LEAVES

# A tenth of ImageNet: 32 leaves for two workers, so that the last ones cost little.
ROWS = 131_072
PROJECTED_WORKERS = 64
SUMMARY_BYTES = 4 * 2**20


class Gradient(NamedTuple):
    """Gradient ``(d, k)`` float32 of softmax regression, summed over some rows."""

    weight: np.ndarray

    @classmethod
    def of(cls, chunk: Chunk, weight: np.ndarray) -> "Gradient":
        """The gradient of a chunk at ``weight : (d, k)``, its labels taken modulo k; ``4 d k`` flops a row."""
        scores = chunk.x @ weight
        scores -= scores.max(axis=1, keepdims=True)
        np.exp(scores, out=scores)
        scores /= scores.sum(axis=1, keepdims=True)
        scores[np.arange(len(scores)), chunk.y % scores.shape[1]] -= 1
        return cls(chunk.x.T @ scores)

    def merge(self, other: "Gradient") -> "Gradient":
        """The gradient of both row sets."""
        return Gradient(self.weight + other.weight)


def best_seconds(work: Callable[[], object], repeats: int) -> float:
    """Shortest of several timings, after one that is not counted."""
    times = []
    for _ in range(repeats + 1):
        start = perf_counter()
        work()
        times.append(perf_counter() - start)
    return min(times[1:])


def gradient_seconds(view: View, classes: int, cluster: Cluster, repeats: int) -> float:
    """Seconds of one gradient over the view."""
    rng = np.random.default_rng(0)
    weight = rng.standard_normal((view.store.dim, classes), dtype=np.float32) / 100
    of = partial(Gradient.of, weight=weight.astype(np.float32))
    return best_seconds(lambda: fold(view, of, cluster, description="gradient"), repeats)


def nothing(_item: int) -> None:
    """A task that costs only what every task costs."""


def task_seconds(cluster: Cluster, tasks: int) -> float:
    """Seconds that client, scheduler and workers spend on a task, one after the other."""
    return best_seconds(lambda: cluster.each(nothing, range(tasks), lambda _index: None), 2) / tasks


def transfer_seconds(cluster: Cluster, repeats: int = 8) -> float:
    """Seconds for a summary of 4 MB to go from one worker to another, its task included."""
    client = cluster.client
    here, there = sorted(client.scheduler_info(n_workers=-1)["workers"])[:2]

    def send() -> None:
        sent = [client.submit(bytes, SUMMARY_BYTES, workers=[here], pure=False) for _ in range(repeats)]
        client.gather([client.submit(len, one, workers=[there], pure=False) for one in sent])

    return best_seconds(send, 2) / repeats


def send_seconds(cluster: Cluster) -> float:
    """Seconds for parameters of 4 MB to go from the client through the scheduler to one worker."""
    payload = bytes(SUMMARY_BYTES)
    return best_seconds(lambda: cluster.client.submit(len, payload, pure=False).result(), 3)


def projection(rows: int, one_worker: float, costs: dict[str, float], workers: int) -> dict[str, float]:
    """Seconds of one gradient over `rows` rows on `workers` workers, part by part, and the speed-up over one.

    `one_worker` is its rate in rows per second. Every summary has 4 MB.
    """
    chunks = ceil(rows / CHUNK_ROWS)
    leaves = min(LEAVES, chunks)
    levels = ceil(log2(leaves) / log2(FAN_IN)) if leaves > 1 else 0
    parts = {
        "compute": ceil(leaves / workers) * (chunks / leaves) * CHUNK_ROWS / one_worker,
        "tasks": (leaves * FAN_IN / (FAN_IN - 1) + 1) * costs["task_seconds"],
        "parameters": costs["send_seconds"] + ceil(log2(workers)) * costs["transfer_seconds"],
        "merges": (levels * (FAN_IN - 1) + 1) * costs["transfer_seconds"],
    }
    return parts | {"speed_up": rows / one_worker / sum(parts.values())}


def measure(view: View, class_counts: Sequence[int], repeats: int, tasks: int) -> dict:
    """Rates on one and on two workers, costs of the cluster, projections."""
    figures: dict = {"rows": view.rows, "dim": view.store.dim, "processors": processors()}
    rates: dict[int, dict[int, float]] = {}
    for workers in (1, 2):
        with connect(cluster="local", workers=workers) as cluster:
            rates[workers] = {k: view.rows / gradient_seconds(view, k, cluster, repeats) for k in class_counts}
            if workers == 2:
                costs = {
                    "task_seconds": task_seconds(cluster, tasks),
                    "transfer_seconds": transfer_seconds(cluster),
                    "send_seconds": send_seconds(cluster),
                }
    for k in class_counts:
        figures[f"gradient_{k}_classes"] = {
            "one_worker_rows_per_second": rates[1][k],
            "two_workers_rows_per_second": rates[2][k],
            "two_against_one": rates[2][k] / rates[1][k],
            f"projected_on_{PROJECTED_WORKERS}": projection(TRAIN_ROWS, rates[1][k], costs, PROJECTED_WORKERS),
        }
    return figures | costs


def lines_of(figures: dict, indent: str = "") -> list[str]:
    """The figures as lines of name and value."""
    lines = []
    for name, value in figures.items():
        if isinstance(value, dict):
            lines += [f"{indent}{name}", *lines_of(value, indent + "  ")]
        else:
            lines.append(f"{indent}{name:<36} " + (f"{value:,.4g}" if value < 1000 else f"{value:,.0f}"))
    return lines


def main(arguments: Sequence[str] | None = None) -> None:
    """Parse the command line, measure, print the table, write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Location, nargs="?", help="where synthetic_store.py wrote its two stores")
    parser.add_argument("--out", type=Path, help="JSON file for the figures")
    parser.add_argument("--rows", type=int, default=ROWS, help="rows to use")
    parser.add_argument("--tiny", action="store_true", help="make a tiny store and measure on that, as a test")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as scratch:
        if options.tiny:
            store = make(Location(scratch) / "train", "train", 2000, Recipe(dim=16, classes=20))
            figures = measure(store.view(), (20, 10), repeats=1, tasks=20)
        else:
            place = (options.folder or Location(scratch)) / "train"
            store = open_store(place) if options.folder else make(place, "train", options.rows, Recipe())
            view = store.view(0, min(options.rows, store.rows))
            figures = measure(view, (len(store.class_names), 10), repeats=3, tasks=1000)
    print("\n".join(lines_of(figures)))
    if options.out:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.write_text(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
