"""Imports that die at a chosen write or after some seconds, each in a process of its own, as lines of input say.

A line is the JSON list ``[configuration, write, moment, seconds]``; how its process ended is printed, 0 where it
finished. They are forked from this one, which has loaded everything and started no thread.
"""

import json
import os
import signal
import sys
import time

from gapscope.core.location import Location
from gapscope.formats import table
from gapscope.jobs.import_features import ImportFeaturesConfig, build, plan
from gapscope.store.imports import segment

SEGMENT_ROWS, RUN_BYTES = 150, 1200


def die():
    os.kill(os.getpid(), signal.SIGKILL)


def with_a_death_at(last_write, moment):
    """Let this process die at a write: `last_write` writes from now, `before`, `within` or `after` it."""
    whole, left = Location.write_atomically, iter(range(last_write, -1, -1))

    def write(place, fill):
        if next(left, -1) != 0:
            return whole(place, fill)
        if moment == "before":
            die()
        whole(place, lambda file: (fill(file), file.flush(), die() if moment == "within" else None))
        die()

    Location.write_atomically = write


def run(config, last_write, moment):
    """Import until the death."""
    with_a_death_at(last_write, moment)
    segment.SEGMENT_ROWS, table.RUN_BYTES = SEGMENT_ROWS, RUN_BYTES
    build(ImportFeaturesConfig(**config))


def forked(config, last_write, moment, seconds):
    """How an import in a process of its own ends, which is killed from outside after so many seconds, if any."""
    job = plan(ImportFeaturesConfig(**config))
    if job.source.decoder == "csv":
        next(job.source.blocks((), job.dtype)).parse()  # here, so that the compiler is loaded once
    process = os.fork()
    if not process:
        try:
            run(config, last_write, moment)
        except Exception as error:  # noqa: BLE001  # the parent must not go on in this process
            print(error, file=sys.stderr, flush=True)
            os._exit(1)
        os._exit(0)
    if seconds is not None:
        time.sleep(seconds)
        os.kill(process, signal.SIGKILL)
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


if __name__ == "__main__":
    for line in sys.stdin:
        print(json.dumps(forked(*json.loads(line))), flush=True)
