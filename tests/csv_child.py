"""A process that imports CSV files and dies at a chosen write: ``python csv_child.py CONFIG.json WRITE MOMENT``."""

import json
import sys
from pathlib import Path

from import_child import with_a_death_at

from gapscope.jobs.import_features import ImportFeaturesConfig, build
from gapscope.store.imports import segment

MOMENTS = ("before", "within", "after")


def main(config, last_write, moment):
    """Import; `last_write` writes from now, die `before`, `within` or `after` it."""
    with_a_death_at(last_write, moment)
    segment.SEGMENT_ROWS = 200
    build(ImportFeaturesConfig(**config))


if __name__ == "__main__":
    main(json.loads(Path(sys.argv[1]).read_text()), int(sys.argv[2]), sys.argv[3])
