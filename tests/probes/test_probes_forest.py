"""A forest over all rows: its trees are scikit-learn's, see every row, and do not depend on who grows them."""

from functools import partial

import numpy as np
import pytest
from conftest import write_store
from sklearn.ensemble import RandomForestClassifier
from sklearn.tree import DecisionTreeClassifier

from gapscope.core.checkpoint import NO_CHECKPOINT, FolderCheckpoint
from gapscope.core.errors import InputError
from gapscope.core.location import Location
from gapscope.probes import forest
from gapscope.probes.forest import MOST_ROWS, SIDE_BY_SIDE, Deal, fit, fit_on_sample, rows_of_a_tree
from gapscope.probes.options import ProbeOptions
from gapscope.probes.rules.linear import NEVER
from gapscope.probes.rules.trees import Grown, Trees, rounded_down
from gapscope.store import ArrayStore, Weighted
from gapscope.stream import connect

# Enough memory for trees of some 300 rows of 10 features and 4 classes.
LITTLE = 300 * SIDE_BY_SIDE * (4 * 10 + forest.ROW_BYTES + 4 * forest.CLASS_BYTES)


def problem(rng, n=2000, dim=10, classes=4):
    centres = rng.normal(size=(classes, dim))
    y = rng.integers(0, classes, n).astype(np.int32)
    return (centres[y] + rng.normal(size=(n, dim)) * 1.2).astype(np.float32), y


def store_of(x, y, classes=4):
    return ArrayStore(x, y, [f"class {index}" for index in range(classes)])


def forest_of(store, held=0, threads=2, checkpoint=NO_CHECKPOINT, member=fit, **options):
    kept = store.rows - held
    with connect(threads=threads) as workers:
        return member(store.view(0, kept), store.view(kept), ProbeOptions(**options), workers, checkpoint=checkpoint)


def same(one, other):
    return all(np.array_equal(a, b) for a, b in zip(one.rule.grown, other.rule.grown, strict=True))


def test_votes_equal_those_of_the_same_trees_in_scikit_learn(rng):
    x, y = problem(rng)
    reference = RandomForestClassifier(7, random_state=0).fit(x, y)
    rule = Trees(Grown.joined([Grown.of(tree.tree_, np.arange(4)) for tree in reference.estimators_]), np.full(4, 0.25))
    new = problem(rng)[0]
    np.testing.assert_allclose(rule.shares(new), reference.predict_proba(new), atol=1e-6)


def test_trees_that_know_different_classes_vote_for_the_right_ones(rng):
    x, y = problem(rng)
    known = (y == 1) | (y == 3)
    shallow = DecisionTreeClassifier(max_depth=3, random_state=0).fit(x[known], y[known])
    whole = DecisionTreeClassifier(max_depth=3, random_state=0).fit(x, y)
    trees = [Grown.of(shallow.tree_, shallow.classes_), Grown.of(whole.tree_, whole.classes_)]
    expected = whole.predict_proba(x)
    expected[:, [1, 3]] += shallow.predict_proba(x)
    np.testing.assert_allclose(Trees(Grown.joined(trees), np.full(4, 0.25)).shares(x), expected / 2, atol=1e-6)


def test_a_threshold_rounded_down_decides_alike_for_every_float32(rng):
    exact = rng.normal(size=5000) * np.geomspace(1e-30, 1e30, 5000)
    rounded = rounded_down(exact)
    for x in (rounded, np.nextafter(rounded, np.float32(np.inf)), np.nextafter(rounded, np.float32(-np.inf))):
        np.testing.assert_array_equal(x <= rounded, x.astype(np.float64) <= exact)


def test_scores_are_the_logarithms_of_votes_with_one_more_tree_for_the_frequencies(rng):
    x, y = problem(rng, n=200)
    model = forest_of(store_of(x, y), trees=5)
    frequency = np.bincount(y, minlength=4) / len(y)
    expected = np.log((5 * model.rule.shares(x) + frequency) / 6)
    np.testing.assert_allclose(model.scores(x), expected, rtol=1e-5, atol=1e-6)


def test_where_the_rows_fit_it_is_as_good_as_scikit_learns_forest(rng):
    x, y = problem(rng, n=5000)
    model = forest_of(store_of(x[:2000], y[:2000]))
    reference = RandomForestClassifier(random_state=0).fit(x[:2000], y[:2000])
    found, wanted = (model.predict(x[2000:]) == y[2000:]).mean(), reference.score(x[2000:], y[2000:])
    assert found == pytest.approx(wanted, abs=0.015)


def test_where_they_do_not_fit_it_is_better_than_a_forest_on_the_rows_of_one_tree(rng):
    x, y = problem(rng, n=9000, classes=4)
    model = forest_of(store_of(x[:6000], y[:6000]), memory_bytes=LITTLE)
    assert model.details["rows_of_a_tree"] <= 300
    reference = RandomForestClassifier(random_state=0).fit(x[:300], y[:300])
    assert (model.predict(x[6000:]) == y[6000:]).mean() > reference.score(x[6000:], y[6000:])


@pytest.mark.parametrize(("rows", "trees"), [(1, 3), (299, 3), (301, 1), (1000, 7), (2003, 50)])
def test_each_round_of_trees_sees_every_row_once(rng, rows, trees):
    x = np.zeros((rows + 20, 10), np.float32)
    view = store_of(x, np.zeros(rows + 20, np.int32)).view(20)
    deal = Deal.of(view, ProbeOptions(trees=trees, memory_bytes=LITTLE))
    assert deal.trees >= trees
    assert deal.trees == deal.groups * deal.rounds
    for turn in range(deal.rounds):
        seen = [
            row
            for tree in range(turn * deal.groups, (turn + 1) * deal.groups)
            for piece in deal.pieces(tree)
            for row in range(*piece)
        ]
        assert sorted(seen) == list(range(20, 20 + rows))


def test_every_labelled_row_is_used_by_a_tree_and_no_other(rng):
    x, y = problem(rng)
    x[:, 0] = np.arange(len(x))
    y[rng.random(len(y)) < 0.3] = -1
    deal = Deal.of(store_of(x, y).view(), ProbeOptions(trees=1, memory_bytes=LITTLE))
    used = [forest._rows(deal.view, deal.pieces(tree))[0][:, 0] for tree in range(deal.trees)]
    np.testing.assert_array_equal(np.sort(np.concatenate(used)), np.flatnonzero(y >= 0))


def test_trees_of_different_rounds_share_only_some_of_their_rows(rng):
    x, y = problem(rng, n=6000)
    deal = Deal.of(store_of(x, y).view(), ProbeOptions(memory_bytes=LITTLE))
    first = set(deal.pieces(0))
    later = [len(first & set(deal.pieces(tree))) for tree in range(deal.groups, deal.trees)]
    assert max(later) < len(first)


def test_the_rows_of_a_tree_fit_in_their_part_of_the_memory_and_keep_the_model_small():
    for dim, classes, allowed in ((64, 2, 2**31), (1024, 1000, 2**31), (4096, 10, 2**30)):
        rows = rows_of_a_tree(dim, classes, allowed)
        assert rows * (4 * dim + 16 * classes) * SIDE_BY_SIDE <= allowed
        assert rows <= MOST_ROWS


def test_threads_parts_and_a_cluster_do_not_change_the_forest(rng, tmp_path, cluster):
    x, y = problem(rng, n=900)
    names = [f"class {index}" for index in range(4)]
    options = {"trees": 8, "memory_bytes": LITTLE}
    one = forest_of(store_of(x, y), threads=1, **options)
    for part_rows in (64, 500):
        store = write_store(tmp_path / f"{part_rows}", x, y, part_rows=part_rows, class_names=names)
        assert same(one, forest_of(store, threads=3, **options))
    with connect(cluster) as workers:
        assert same(one, fit(store.view(), store.view(900), ProbeOptions(**options), workers))


def test_the_seed_decides_the_forest(rng):
    store = store_of(*problem(rng, n=500))
    one = forest_of(store, trees=5)
    assert same(one, forest_of(store, trees=5))
    assert not same(one, forest_of(store, trees=5, seed=1))


class Mortal(FolderCheckpoint):
    """Always due, and dies behind the first batch of trees it saves."""

    def save(self, stage, arrays, about):
        super().save(stage, arrays, about)
        if stage.startswith("trees"):
            raise KeyboardInterrupt


@pytest.mark.parametrize("memory_bytes", [2**30, LITTLE])
def test_killed_and_started_again_it_grows_only_what_is_missing(rng, tmp_path, monkeypatch, memory_bytes):
    monkeypatch.setattr(forest, "BATCH", 3)
    monkeypatch.setattr(forest, "TASK_ROWS", 2000)
    store, options = store_of(*problem(rng)), {"trees": 20, "memory_bytes": memory_bytes}
    whole = forest_of(store, **options)
    grown = []
    monkeypatch.setattr(forest, "grow", partial(_noted, forest.grow, grown))
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            forest_of(store, checkpoint=Mortal(Location(str(tmp_path)), seconds=0), **options)
    again = forest_of(store, checkpoint=FolderCheckpoint(Location(str(tmp_path)), seconds=0), **options)
    assert same(again, whole)
    assert sorted(grown) == list(range(again.rule.trees))


def _noted(grow, grown, deal, weight, trees):
    grown.extend(trees)
    return grow(deal, weight, trees)


def test_a_run_of_rows_without_labels_makes_trees_that_vote_for_nobody(rng):
    x, y = problem(rng)
    y[:1600] = -1
    model = forest_of(store_of(x, y), memory_bytes=LITTLE)
    assert np.isfinite(model.scores(x)).all()
    assert (model.predict(x[1600:]) == y[1600:]).mean() > 0.9


def test_a_class_without_rows_scores_never(rng):
    x, y = problem(rng)
    model = forest_of(store_of(x, y, classes=6), trees=5)
    assert (model.scores(x)[:, 4:] == NEVER).all()
    assert (model.scores(x)[:, :4] > -100).all()


def test_balanced_weights_equal_those_of_scikit_learns_forest(rng):
    x, y = problem(rng, n=6000, classes=2)
    keep = (y == 0) | (rng.random(len(y)) < 0.05)
    x, y = x[keep], y[keep]
    model = forest_of(store_of(x[:1500], y[:1500], 2), class_weight="balanced", trees=100)
    reference = RandomForestClassifier(100, class_weight="balanced", random_state=0).fit(x[:1500], y[:1500])
    difference = model.rule.shares(x[1500:]) - reference.predict_proba(x[1500:])
    assert np.abs(difference).mean() < 0.04


@pytest.mark.parametrize("rows", [2000, 200], ids=["all rows", "rows of a tree"])
def test_a_class_of_more_weight_is_said_more_often_where_classes_overlap(rng, monkeypatch, rows):
    monkeypatch.setattr(forest, "rows_of_a_tree", lambda *_: rows)
    x, y, weight = rng.standard_normal((1500, 4)), rng.integers(0, 2, 1500), np.array([9.0, 1.0])
    model = forest_of(Weighted(store_of(x, y, 2), weight), trees=40)
    reference = RandomForestClassifier(40, random_state=0).fit(x, y, sample_weight=weight[y])
    new = rng.standard_normal((500, 4))
    assert model.rule.shares(new)[:, 0].mean() == pytest.approx(reference.predict_proba(new)[:, 0].mean(), abs=0.03)


def test_the_temperature_sharpens_an_unsure_forest_on_held_out_rows(rng):
    x, y = problem(rng)
    assert forest_of(store_of(x, y), held=400).temperature < 1
    assert forest_of(store_of(x, y)).temperature == 1


def test_the_sample_forest_sees_the_first_rows_only_and_says_how_many(rng, monkeypatch):
    monkeypatch.setattr(forest, "SAMPLE_ROWS", 700)
    x, y = problem(rng)
    model = forest_of(store_of(x, y), member=fit_on_sample, held=100, trees=5)
    assert (model.details["rows"], model.details["rows_there"]) == (700, 1900)
    assert same(model, forest_of(store_of(x[:700], y[:700]), trees=5))


def test_less_than_one_tree_is_refused(rng):
    with pytest.raises(InputError, match="at least one"):
        forest_of(store_of(*problem(rng, n=50)), trees=0)


def test_restored_it_scores_the_same(rng):
    x, y = problem(rng, n=300)
    rule = forest_of(store_of(x, y), trees=3).rule
    again = Trees.restore(rule.tensors(), rule.settings())
    np.testing.assert_array_equal(again.scores(x), rule.scores(x))
