"""A process that imports CSV files and dies at a chosen write: ``python csv_child.py CONFIG.json WRITE MOMENT``."""

import json
import os
import signal
import sys
from pathlib import Path

from gapscope.core.location import Location
from gapscope.jobs.import_features import ImportFeaturesConfig, build
from gapscope.store.imports import segment

MOMENTS = ("before", "within", "after")


def die():
    os.kill(os.getpid(), signal.SIGKILL)


def main(config, last_write, moment):
    """Import; `last_write` writes from now, die `before`, `within` or `after` it."""
    whole, left = Location.write_atomically, iter(range(last_write, -1, -1))

    def write(place, fill):
        if next(left, -1) != 0:
            return whole(place, fill)
        if moment == "before":
            die()
        whole(place, lambda file: (fill(file), file.flush(), die() if moment == "within" else None))
        die()

    Location.write_atomically = write
    segment.SEGMENT_ROWS = 200
    build(ImportFeaturesConfig(**config))


if __name__ == "__main__":
    main(json.loads(Path(sys.argv[1]).read_text()), int(sys.argv[2]), sys.argv[3])
