"""The examination of accounts of gaps runs, small: one cause at a time is named, or said to be unknown."""

import json

import numpy as np
import pytest

from benchmarks import truth
from gapscope.stream import connect

CLASSES, DIM = 10, 24
NAMES = [f"class {index}" for index in range(CLASSES)]
# So many accounts of one cause, and so many of these may be wrong.
SEEDS, MOST_WRONG = 3, 0


@pytest.fixture(scope="module")
def workers():
    with connect(threads=1) as connected:
        yield connected


@pytest.fixture(scope="module")
def world(workers):
    """Rows of ten classes; modified images have noise, are weaker, are moved, or lie elsewhere."""
    rng = np.random.default_rng(4)
    centres = rng.standard_normal((CLASSES, DIM)) * 0.75

    def rows(count):
        y = rng.integers(0, CLASSES, count)
        return centres[y] + rng.standard_normal((count, DIM)), y

    clean = rows(8000)
    (noise, a), (blur, b), (night, c), (drawing, d) = (rows(1500) for _ in range(4))
    noise += 1.5 * rng.standard_normal(noise.shape)
    away = rng.standard_normal(DIM)
    changed = (noise, a), (0.5 * blur, b), (night + away, c), (0.3 * drawing + 6 * away, d)
    sets = {truth.CLEAN: clean} | dict(zip(truth.MODIFIED, changed, strict=True))
    return truth.world_from({name: (x.astype(np.float32), y) for name, (x, y) in sets.items()}, NAMES, workers)


@pytest.mark.parametrize("cause", list(truth.CAUSES))
def test_a_cause_is_named_or_said_to_be_unknown(world, workers, cause):
    outcomes = [truth.examined(world, cause, 600, seed, workers) for seed in range(SEEDS)]
    assert sum(one.verdict == "wrong" for one in outcomes) <= MOST_WRONG
    held = [value for one in outcomes for value in one.held.values()]
    assert np.mean(held) >= 0.75


def test_causes_that_cost_much_are_named(world, workers):
    for cause in ("noise", "drawings", "20 % wrong labels"):
        assert truth.examined(world, cause, 600, 7, workers).verdict == "right"


def test_the_table_counts_verdicts_and_coverage(tmp_path):
    rows = [("blur", 100, "right", {"novel_x": True}), ("blur", 100, "unknown", {"novel_x": False})]
    (tmp_path / "one.json").write_text(json.dumps(rows))
    table = list(truth.table_of(truth.read_outcomes([tmp_path / "one.json"])))
    assert table[2] == "| blur | 100 | 2 | 50% | 50% | 0% | novel x 50% |"
