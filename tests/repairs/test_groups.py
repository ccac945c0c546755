"""A head fitted to rows of which every class has as many in every group (DFR)."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import write_store
from sklearn.linear_model import LogisticRegression

import gapscope
from gapscope.core.errors import InputError
from gapscope.core.location import Location
from gapscope.probes.rules.linear import Linear
from gapscope.repairs.cross_fit import best_of
from gapscope.repairs.groups import DRAWS, Groups, balanced, balanced_groups, cells_of
from gapscope.repairs.labelled import PENALTIES, Rows
from gapscope.store import open_store
from gapscope.store.beside import write_columns

DIM = 6


def birds(rng, n, agree=0.95):
    """Two classes by one feature, weakly; a background that mostly goes with the class, strongly."""
    y = rng.integers(0, 2, n)
    group = np.where(rng.random(n) < agree, y, 1 - y)
    z = rng.standard_normal((n, DIM))
    z[:, 0] += 1.2 * (2 * y - 1)
    z[:, 1] += 4.0 * (2 * group - 1)
    return Rows(z.astype(np.float32), y, group)


def worst(head, rows):
    right = head.scores(rows.z).argmax(axis=1) == rows.y
    _, cell = cells_of(rows.y, rows.group)
    return min(right[cell == one].mean() for one in range(4))


def leaning(rows):
    """The head that ordinary training gives."""
    found = LogisticRegression().fit(rows.z, rows.y)
    weight = np.concatenate([-found.coef_, found.coef_]) / 2
    bias = np.concatenate([-found.intercept_, found.intercept_]) / 2
    return Linear(weight.astype(np.float32), bias.astype(np.float32))


def test_the_head_is_the_mean_of_sklearns_on_balanced_draws(rng):
    rows, temperature = birds(rng, 600, 0.8), 1.7
    found = balanced_groups(Linear(np.ones((2, DIM), np.float32), np.zeros(2, np.float32)), temperature, rows, 3)
    penalty = PENALTIES[1:][[f"penalty {one:g}" in found.note for one in PENALTIES[1:]].index(True)]
    _, cell = cells_of(rows.y, rows.group)
    expected = np.zeros((len(rows.y), 2))
    for draw in range(DRAWS):
        some = rows.take(balanced(cell, 3, draw))
        assert len(set(np.bincount(cells_of(some.y, some.group)[1]).tolist())) == 1
        centre, unit = some.z.mean(axis=0), some.z.std(axis=0) * np.sqrt(DIM)
        design = np.concatenate([(some.z - centre) / unit, np.ones((len(some.y), 1))], axis=1)
        # Two logits with half the penalty each are one logit with C = 2 / (penalty n).
        fit = LogisticRegression(C=2 / (penalty * len(some.y)), fit_intercept=False, tol=1e-8, max_iter=1000)
        logit = (
            np.concatenate([(rows.z - centre) / unit, np.ones((len(rows.y), 1))], axis=1)
            @ fit.fit(design, some.y).coef_.ravel()
        )
        expected += temperature * np.stack([-logit, logit], axis=1) / 2 / DRAWS
    np.testing.assert_allclose(found.head.scores(rows.z), expected, atol=0.02 * np.abs(expected).max())


def test_the_worst_group_of_a_head_that_leans_on_the_background_is_won_back(rng):
    old = leaning(birds(rng, 4000))
    fresh = birds(rng, 4000)
    found = balanced_groups(old, 1.0, birds(rng, 800), 0)
    assert worst(old, fresh) < 0.75
    assert worst(found.head, fresh) > worst(old, fresh) + 0.1


def test_without_groups_or_with_a_class_that_a_group_hardly_has_nothing_is_fitted(rng):
    rows = birds(rng, 60, 1.0)
    assert "--groups" in balanced_groups(leaning(rows), 1.0, rows._replace(group=None)).note
    few = rows._replace(group=np.where(np.arange(60) < 2, 1 - rows.y, rows.y))
    assert balanced_groups(leaning(rows), 1.0, few).head is None


def test_the_choice_with_groups_is_by_the_worst_of_them():
    cell = np.repeat([0, 1], [90, 30])
    usual, fair = np.ones(120, bool), np.ones(120, bool)
    usual[100:], fair[:40] = False, False
    both = np.stack([usual, fair], axis=1)
    assert best_of(both, 0) == 0
    assert best_of(both, 0, cell) == 1
    assert best_of(both, 1, cell) == 1


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    place, rng = tmp_path_factory.mktemp("groups"), np.random.default_rng(2)
    names = ["land", "water"]
    sets = (("birds", "train", 3000, 0.97), ("birds", "val", 800, 0.97), ("new", "test", 2400, 0.7))
    for name, split, n, agree in sets:
        rows = birds(rng, n, agree)
        folder = place / "embeddings/toy" / name / split
        write_store(folder, rows.z, rows.y, part_rows=512, dataset=name, split=split, class_names=names)
        if name == "new":
            scenery = pa.table({"scenery": [names[one] for one in rows.group]})
            write_columns(open_store(Location.of(folder)), scenery)
    return place


def test_repair_takes_a_column_of_groups_and_says_what_each_class_in_each_has(workspace):
    run = gapscope.fit_incremental("birds", model=("logistic",), workspace=str(workspace), report=False).run
    asked = {"target": "new/test", "reference": "birds/val", "workspace": str(workspace), "report": False}
    result = gapscope.repair(run, **asked, label_rows=600, groups="scenery")
    rows = {row["name"]: row for row in pq.read_table(f"{result.run}/repairs.parquet").to_pylist()}
    assert any(name.endswith("balanced-groups") and row["labels"] == 600 for name, row in rows.items())
    cells = pq.read_table(f"{result.run}/groups.parquet").to_pylist()
    assert sum(one["rows"] for one in cells) == 1200
    assert len(cells) == 4
    assert min(one["after"] for one in cells) > min(one["before"] for one in cells) + 0.1
    groups = Groups.of(open_store(Location.of(workspace / "embeddings/toy/new/test")), "scenery")
    assert groups.names == ("land", "water")
    with pytest.raises(InputError, match="named 'scenry'; did you mean 'scenery'"):
        gapscope.repair(run, **asked, label_rows=600, groups="scenry", name="lost")
