"""The examination of accounts of gaps runs, small: one cause at a time is named, or said to be unknown."""

from pathlib import Path

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

    y = rng.integers(0, CLASSES, 8000)
    clean, away = centres[y] + rng.standard_normal((len(y), DIM)), rng.standard_normal(DIM)
    noise = clean + 1.5 * rng.standard_normal(clean.shape)
    sets = dict(zip(truth.MODIFIED, (noise, 0.5 * clean, clean + away, 0.3 * clean + 6 * away), strict=True))
    sets = {name: (x.astype(np.float32), y) for name, x in ({truth.CLEAN: clean} | sets).items()}
    return truth.world_from(sets, NAMES, workers)


@pytest.mark.parametrize("cause", list(truth.CAUSES))
def test_a_cause_is_named_or_said_to_be_unknown(world, workers, cause):
    outcomes = [truth.examined(world, cause, 600, seed, workers) for seed in range(SEEDS)]
    assert sum(one.verdict == "wrong" for one in outcomes) <= MOST_WRONG
    held = [value for one in outcomes for value in one.held.values()]
    assert np.mean(held) >= 0.75


def test_causes_that_cost_much_are_named(world, workers):
    for cause in ("noise", "drawings", "20 % wrong labels"):
        assert truth.examined(world, cause, 600, 7, workers).verdict == "right"


@pytest.mark.parametrize("cause", ["nothing", "class mix"])
def test_a_reference_and_a_target_share_no_image(world, cause):
    both = np.concatenate([one.x for one in truth.drawn(world, cause, 1000, seed=0)])
    assert len(np.unique(both, axis=0)) == len(both) == 2000


def test_no_two_causes_have_the_same_images(world):
    # Else one unlucky draw would count against every cause.
    one, other = (truth.drawn(world, cause, 400, seed=0)[0] for cause in ("nothing", "5 % wrong labels"))
    common = len(one.x) + len(other.x) - len(np.unique(np.concatenate([one.x, other.x]), axis=0))
    assert common < 100


def test_the_table_counts_verdicts_and_coverage_over_sets():
    outcomes = [truth.Outcome("right", {"novel_x": True}), truth.Outcome("unknown", {"novel_x": False})]
    cells = [truth.Cell.of("one", "blur", 100, outcomes), truth.Cell.of("other", "blur", 100, outcomes[1:])]
    assert list(truth.table_of(cells))[2] == "| blur | 100 | 3 | 33% | 67% | 0% | novel x 33% |"
    assert list(truth.table_of(cells, by="set"))[2:] == [
        "| one | all | 2 | 50% | 50% | 0% | novel x 50% |",
        "| other | all | 1 | 0% | 100% | 0% | novel x 0% |",
    ]


def test_a_run_goes_on_where_another_was_stopped(tmp_path, world, workers, monkeypatch):
    monkeypatch.setattr(truth, "world_of", lambda *_: world)
    monkeypatch.setattr(truth, "examined", lambda _w, _c, _r, seed, _: truth.Outcome(f"seed {seed}", {}))
    for seeds in (1, 3):
        truth.run(tmp_path / "some", tmp_path / "found.json", ["nothing", "blur"], {100: seeds}, workers)
    assert [(one.set, one.cause, one.verdicts) for one in truth.read_cells(tmp_path / "found.json")] == [
        ("some", cause, {"seed 0": 1, "seed 1": 1, "seed 2": 1}) for cause in ("nothing", "blur")
    ]


def test_the_page_has_the_figures_of_the_results():
    root = Path(truth.__file__).parents[1]
    page, cells = (root / "docs/truth.md").read_text(), truth.read_cells(root / "benchmarks/results/truth.json")
    for part in (truth.summary_of(cells), *("\n".join(truth.table_of(cells, by=one)) for one in ("cause", "set"))):
        assert part in page
