"""A workspace of made-up features: a dataset with train and val, a shifted companion, and a stranger."""

import numpy as np
from conftest import write_store

CLASSES, DIM = 5, 16
SETS = (
    ("toy", "train", 3000, 0.0, {}),
    ("toy", "val", 600, 0.0, {}),
    ("toy-shifted", "test", 500, 0.5, {"companion_of": "toy"}),
    ("stranger", "test", 100, 0.0, {}),
)


class Blobs:
    """Labelled rows from one fixed mixture of Gaussians."""

    def __init__(self, rng, dim=DIM):
        self.rng = rng
        self.centres = rng.standard_normal((CLASSES, dim)) * 1.2

    def __call__(self, rows, shift=0.0):
        y = self.rng.integers(0, CLASSES, rows)
        noise = self.rng.standard_normal((rows, self.centres.shape[1]))
        return (self.centres[y] + noise + shift).astype(np.float32), y


def write_sets(workspace, blobs, sets=SETS):
    """Write `sets` into a workspace, and return it."""
    for dataset, split, rows, shift, fields in sets:
        x, y = blobs(rows, shift)
        folder = workspace / "embeddings" / "toy" / dataset / split
        write_store(folder, x, y, part_rows=512, dataset=dataset, split=split, **fields)
    return workspace
