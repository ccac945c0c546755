"""Where a reduction stops scaling: a model of the cluster, checked against real worker processes.

    python -m benchmarks.cluster_model --out benchmarks/results/cluster_model.json

Cores are simulated by tasks that sleep as long as a leaf was measured to compute, so that 4 worker processes can be had
on two cores; client, scheduler, transfers and merges are the real ones. The model is a simulation of events with costs
that are measured on this machine: the scheduler serves one task after another, a worker does one at a time, a merge
first fetches what lies on other workers. It is compared with 1, 2 and 4 processes, and then asked about up to 64.
"""

import argparse
import heapq
import json
from collections.abc import Sequence
from functools import partial
from math import ceil
from pathlib import Path
from time import sleep
from typing import NamedTuple

from benchmarks.cluster import best_seconds, send_seconds, task_seconds, transfer_seconds
from benchmarks.synthetic_store import TRAIN_ROWS
from gapscope.stream import CHUNK_ROWS, connect
from gapscope.stream.cluster import Cluster
from gapscope.stream.tree import FAN_IN
from gapscope.stream.verbs import LEAF_FLOPS, leaves_of
from gapscope.stream.workers import Shown

REAL, ASKED = (1, 2, 4), (1, 2, 4, 8, 16, 32, 64)
PAYLOAD = 2**16
# Flops a second of one core, for how long a leaf computes.
CORE_FLOPS = 2e10


class Costs(NamedTuple):
    """Seconds of what a cluster does beside computing.

    Attributes
    ----------
    task
        Of the scheduler and the client, for each task.
    transfer
        For a summary to go from one worker to another.
    send
        For the work to reach the first worker.
    worker
        Of a worker, for each task beside the work itself.
    """

    task: float
    transfer: float
    send: float
    worker: float = 0.0


def predicted(leaf: float, leaves: int, workers: int, costs: Costs) -> float:
    """Seconds of a reduction whose `leaves` take `leaf` seconds each."""
    scheduler = costs.send
    free = [costs.send] * workers
    heapq.heapify(free)
    done = []
    for _ in range(leaves):
        scheduler += costs.task
        end = max(heapq.heappop(free), scheduler) + leaf + costs.worker
        done.append(end)
        heapq.heappush(free, end)
    while len(done) > 1:
        merged = []
        for index in range(0, len(done), FAN_IN):
            run = done[index : index + FAN_IN]
            scheduler = max(scheduler, max(run)) + costs.task
            away = 0 if workers == 1 else (len(run) - 1) * (1 - 1 / workers)
            merged.append(scheduler + away * costs.transfer)
        done = merged
    return done[0]


class Summary(NamedTuple):
    """A few bytes that merge."""

    content: bytes


def slept(_item: int, seconds: float) -> Summary:
    """A leaf on a simulated core."""
    sleep(seconds)
    return Summary(bytes(PAYLOAD))


def merged(summaries: Sequence[Summary]) -> Summary:
    """Any of them: merging costs next to nothing beside moving."""
    return summaries[0]


def measured(cluster: Cluster, leaf: float, leaves: int, repeats: int) -> float:
    """Seconds of the same reduction by real processes."""
    work = partial(slept, seconds=leaf)
    shown = Shown("simulated", lambda _text: None)
    return best_seconds(lambda: cluster.reduce(work, list(range(leaves)), merged, lambda _index: None, shown), repeats)


def costs_of(cluster: Cluster, tasks: int, worker: float) -> Costs:
    """What this machine's cluster costs."""
    single = len(cluster.client.scheduler_info(n_workers=-1)["workers"]) < 2
    moved = 0.0 if single else transfer_seconds(cluster) * PAYLOAD / 2**22
    return Costs(task_seconds(cluster, tasks), moved, send_seconds(cluster) * PAYLOAD / 2**22, worker)


def worker_seconds(leaf: float, leaves: int, repeats: int) -> float:
    """What a worker spends on a task beside its work: of one worker, with leaves of half the length."""
    with connect(cluster="local", workers=1) as cluster:
        return max(measured(cluster, leaf / 2, leaves, repeats) / leaves - leaf / 2, 0.0)


def scaling(classes: int, dim: int, costs: Costs, rows: int = TRAIN_ROWS) -> dict:
    """Speed-ups over one worker of a gradient of softmax regression at ImageNet's size."""
    flops = 4.0 * dim * classes * rows
    leaves = min(leaves_of(flops), ceil(rows / CHUNK_ROWS))
    seconds = {workers: predicted(flops / CORE_FLOPS / leaves, leaves, workers, costs) for workers in ASKED}
    speed_up = {str(workers): seconds[1] / one for workers, one in seconds.items()}
    return {"leaves": leaves, "seconds": {str(w): one for w, one in seconds.items()}, "speed_up": speed_up}


def measure(workers: Sequence[int], leaf: float, leaves: int, repeats: int, tasks: int) -> dict:
    """Model and real processes beside each other, and the model at ImageNet's size."""
    rows, costs, worker = [], Costs(0, 0, 0), worker_seconds(leaf, leaves, repeats)
    for count in workers:
        with connect(cluster="local", workers=count) as cluster:
            costs = costs_of(cluster, tasks, worker)
            real = measured(cluster, leaf, leaves, repeats)
        model = predicted(leaf, leaves, count, costs)
        rows.append({"workers": count, "seconds": real, "predicted": model, "off": model / real - 1})
    figures = {f"gradient_{classes}_classes": scaling(classes, 1024, costs) for classes in (10, 100, 1000)}
    return {"leaf_flops": LEAF_FLOPS, "costs": costs._asdict(), "against_processes": rows, **figures}


def main(arguments: Sequence[str] | None = None) -> None:
    """Parse the command line, measure, write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workers", type=int, nargs="+", default=list(REAL))
    parser.add_argument("--leaf", type=float, default=0.1, help="seconds that a leaf computes")
    parser.add_argument("--leaves", type=int, default=64)
    parser.add_argument("--tasks", type=int, default=500, help="empty tasks that the cost of one is measured on")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--out", type=Path, help="JSON file for the figures")
    options = parser.parse_args(arguments)
    figures = measure(options.workers, options.leaf, options.leaves, options.repeats, options.tasks)
    print(json.dumps(figures, indent=1))
    if options.out:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.write_text(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
