"""The nearest neighbours are those of a brute-force search in float64, wherever and however the rows are read."""

import os
import pickle
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.neighbors import NearestNeighbors

from gapscope.core.errors import BudgetError, ConfigMismatchError, InputError, SchemaError
from gapscope.core.location import Location
from gapscope.probes import nearest as search
from gapscope.probes.knn import fit
from gapscope.probes.model import load_model, unit_rows
from gapscope.probes.nearest import error_bound, nearest
from gapscope.probes.options import ProbeOptions
from gapscope.probes.rules.neighbours import Neighbours, vote
from gapscope.probes.train import train
from gapscope.store import ArrayStore, Changed, View
from gapscope.store.workspace import find_store
from gapscope.stream import connect, each

CLASSES = list("abcde")


def brute_force(x, there, k, y=None):
    """Similarities and rows of the k nearest in float64, the lower row first among equals."""
    known = np.arange(len(there)) if y is None else np.flatnonzero(y >= 0)
    x, there = x.astype(np.float64), there[known].astype(np.float64)
    lengths = np.linalg.norm(x, axis=1)[:, None] * np.linalg.norm(there, axis=1)
    similar = np.divide(x @ there.T, lengths, out=np.zeros(lengths.shape), where=lengths > 0)
    order = np.argsort(-similar, axis=1, kind="stable")[:, :k]
    return np.take_along_axis(similar, order, axis=1), known[order]


def sample(rng, n=3000, dim=37):
    y = rng.integers(0, 5, n).astype(np.int32)
    return (rng.normal(size=(5, dim))[y] + 1.5 * rng.normal(size=(n, dim)) + 0.5).astype(np.float32), y


def assert_exact(found, x, there, k, y=None):
    similarity, row = brute_force(x, there, k, y)
    np.testing.assert_allclose(found.similarity, similarity, rtol=1e-13, atol=1e-14)
    np.testing.assert_array_equal(found.row, row)


@pytest.mark.parametrize("k", [1, 20, 200])
def test_neighbours_are_those_of_brute_force(rng, make_store, k):
    x, y = sample(rng)
    store = make_store(x, y, part_rows=700)
    queries = sample(rng, 300)[0]
    found = nearest(queries, store.view(), k)
    assert_exact(found, queries, x, k)
    np.testing.assert_array_equal(found.label, y[found.row])


def test_neighbours_are_those_of_scikit_learn(rng):
    x, y = sample(rng)
    queries = sample(rng, 100)[0]
    distance, row = NearestNeighbors(n_neighbors=15, metric="cosine", algorithm="brute").fit(x).kneighbors(queries)
    found = nearest(queries, ArrayStore(x, y, CLASSES).view(), 15)
    np.testing.assert_allclose(1 - found.similarity, distance, atol=1e-6)
    assert (found.row == row).mean() > 0.999  # scikit-learn compares in float32


@pytest.mark.parametrize("spread", [1e-3, 1e-5, 1e-6])
def test_rows_closer_together_than_float32_can_tell_are_told_apart(rng, spread):
    centre = rng.normal(size=200)
    there = (centre + spread * rng.normal(size=(2500, 200))).astype(np.float32)
    queries = (centre + 0.3 * rng.normal(size=(20, 200))).astype(np.float32)
    found = nearest(queries, ArrayStore(there, np.zeros(2500, np.int32), CLASSES).view(), 10)
    assert_exact(found, queries, there, 10)
    unit, unit_there = unit_rows(queries), unit_rows(there)
    naive = np.argsort(-(unit @ unit_there.T), axis=1, kind="stable")[:, :10]
    assert spread > 1e-4 or (naive != found.row).any()


def test_among_equal_rows_the_first_is_nearest(rng):
    x = sample(rng, 400)[0]
    there = np.tile(x, (6, 1))
    found = nearest(x[:50], ArrayStore(there, np.zeros(2400, np.int32), CLASSES).view(), 9)
    once = brute_force(x[:50], x, 2)[1]
    np.testing.assert_array_equal(found.row[:, :6], once[:, :1] + 400 * np.arange(6))
    np.testing.assert_array_equal(found.row[:, 6:], once[:, 1:] + 400 * np.arange(3))
    assert (found.similarity[:, :6] == found.similarity[:, :1]).all()


@settings(deadline=None)  # blocks of one row take long
@given(
    chunk_rows=st.integers(1, 700),
    block_rows=st.integers(1, 700),
    query_rows=st.integers(1, 40),
    start=st.integers(0, 590),
)
def test_the_answer_does_not_depend_on_the_chunking(chunk_rows, block_rows, query_rows, start):
    rng = np.random.default_rng(0)
    x, y = sample(rng, 600, 11)
    x[300:] = x[:300]
    view = ArrayStore(x, y, CLASSES).view(start)
    whole = nearest(x[:40], view, 7)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(search, "CHUNK_ROWS", chunk_rows)
        patch.setattr(search, "BLOCK_ROWS", block_rows)
        patch.setattr(search, "QUERY_ROWS", query_rows)
        again = nearest(x[:40], view, 7)
    for one, other in zip(whole, again, strict=True):
        np.testing.assert_array_equal(one, other)


def test_rows_without_a_label_are_no_neighbours(rng):
    x, y = sample(rng)
    y[rng.random(len(y)) < 0.4] = -1
    found = nearest(x[:100], ArrayStore(x, y, CLASSES).view(), 12)
    assert_exact(found, x[:100], x, 12, y)


def test_fewer_rows_than_neighbours_all_vote(rng):
    x, y = sample(rng, 6)
    found = nearest(x, ArrayStore(x, y, CLASSES).view(), 20)
    assert (found.label[:, 6:] == -1).all()
    np.testing.assert_array_equal(np.sort(found.row[:, :6]), np.tile(np.arange(6), (6, 1)))
    assert np.isfinite(vote(found, 20, np.bincount(y, minlength=5))).all()


def test_rows_of_zeros_are_at_right_angles_to_all(rng):
    x, y = sample(rng, 50)
    x[7] = 0
    found = nearest(x[5:9], ArrayStore(x, y, CLASSES).view(), 50)
    assert_exact(found, x[5:9], x, 50)
    np.testing.assert_array_equal(found.similarity[2], 0)


@pytest.mark.parametrize("scale", [1e-30, 1e30])
def test_lengths_beyond_the_range_of_float32_products_change_nothing(rng, scale):
    x, y = sample(rng, 500)
    found = nearest((x[:20] * np.float32(scale)), ArrayStore(x * np.float32(scale), y, CLASSES).view(), 5)
    np.testing.assert_array_equal(found.row, brute_force(x[:20], x, 5)[1])


@pytest.mark.parametrize("dim", [2, 64, 1280])
def test_the_error_bound_holds_with_room_to_spare(rng, dim):
    x, there = (rng.normal(size=(200, dim)).astype(np.float32) ** 3 for _ in range(2))
    unit, unit_there = (search.directions(one)[0] for one in (x, there))
    exact, row = brute_force(x, there, 200)
    found = np.take_along_axis(unit @ unit_there.T, row, axis=1)
    assert 0 < np.abs(found - exact).max() < error_bound(dim)


@dataclass(frozen=True, eq=False)
class Watched:
    """A store that notes how many rows were read of it at a time."""

    store: ArrayStore
    read_rows: list = field(default_factory=list)

    def __getattr__(self, name):
        return getattr(self.store, name)

    def read(self, piece, into=None):
        self.read_rows.append(piece.rows)
        return self.store.read(piece, into)


def test_it_never_holds_more_than_one_chunk_of_rows(rng):
    x, y = sample(rng, 20_000, 4)
    store = Watched(ArrayStore(x, y, CLASSES))
    nearest(x[:10], View(store, 0, 20_000), 3)
    assert max(store.read_rows) == 4096
    assert sum(store.read_rows) == 20_000


def fitted(store, held=500, **options):
    kept = store.rows - held
    with connect(threads=2) as workers:
        return fit(store.view(0, kept), store.view(kept), ProbeOptions(**options), workers)


def test_votes_weigh_as_in_dino_and_leave_no_class_out(rng):
    x, y = sample(rng)
    probe = fitted(ArrayStore(x, y, CLASSES), neighbours=8)
    queries = sample(rng, 50)[0]
    similarity, row = brute_force(queries, x, 8)
    weight = np.exp(similarity / 0.07)
    votes = np.stack([np.where(y[row] == c, weight, 0).sum(axis=1) for c in range(5)], axis=1)
    share = votes / votes.sum(axis=1, keepdims=True)
    expected = (8 * share + 1 / 5) / 9
    np.testing.assert_allclose(np.exp(probe.scores(queries).astype(np.float64)), expected, rtol=1e-5)


def test_held_out_rows_choose_the_number_of_neighbours_from_one_search(rng):
    x, y = sample(rng)
    probe = fitted(ArrayStore(x, y, CLASSES))
    table = probe.details["settings"]
    best = min(table, key=lambda row: row["log_loss"])
    assert [row["neighbours"] for row in table] == [20, 5, 10, 50, 100, 200]
    assert (probe.details["neighbours"], probe.temperature) == (best["neighbours"], best["temperature"])
    assert probe.details["rows"] == 3000
    assert probe.details["holdout_rows"] == 500
    held = fitted(ArrayStore(x[:2500], y[:2500], CLASSES), held=0, neighbours=best["neighbours"])
    assert best["accuracy"] == pytest.approx((held.predict(x[2500:]) == y[2500:]).mean())


def test_without_held_out_rows_twenty_vote(rng):
    probe = fitted(ArrayStore(*sample(rng), CLASSES), held=0)
    assert probe.details["neighbours"] == 20
    assert probe.temperature == 1


@pytest.mark.parametrize(
    ("options", "sentence"),
    [({"neighbours": 0}, "0 neighbours cannot vote"), ({"view": "whitened"}, "by the angle between them")],
)
def test_options_that_mean_nothing_are_refused(rng, options, sentence):
    with pytest.raises(InputError, match=sentence):
        fitted(ArrayStore(*sample(rng), CLASSES), **options)


def test_rows_on_disk_stay_there_and_are_opened_where_the_model_is_loaded(rng, make_store, tmp_path):
    x, y = sample(rng)
    store = make_store(x, y, class_names=CLASSES)
    probe = fitted(store)
    folder = Location(str(tmp_path / "model"))
    probe.save(folder)
    assert (folder / "model.safetensors").size() < 1000
    assert len(pickle.dumps(probe.rule)) < 20_000
    for again in (load_model(folder).rule, pickle.loads(pickle.dumps(probe.rule))):
        assert again.rows == probe.rule.rows
        np.testing.assert_array_equal(again.scores(x[:50]), probe.rule.scores(x[:50]))


def test_rows_in_memory_are_saved_with_the_model(rng, tmp_path):
    x, y = sample(rng)
    probe = fitted(ArrayStore(x, y, CLASSES))
    probe.save(Location(str(tmp_path)))
    np.testing.assert_array_equal(load_model(Location(str(tmp_path))).scores(x[:50]), probe.scores(x[:50]))


def test_another_store_in_the_place_of_the_training_rows_is_refused(rng, make_store, tmp_path):
    x, y = sample(rng)
    store = make_store(x, y, class_names=CLASSES)
    rule = fitted(store).rule
    tensors, settings = rule.tensors(), rule.settings()
    store.folder.delete_folder()
    with pytest.raises(SchemaError):
        Neighbours.restore(tensors, settings)
    make_store(x[:2000], y[:2000], class_names=CLASSES, seed=5)
    with pytest.raises(ConfigMismatchError, match="are not those that the neighbours were taken from"):
        Neighbours.restore(tensors, settings)


def test_normalised_rows_are_looked_up_where_they_are(rng, make_store):
    x, y = sample(rng)
    store = make_store(x, y, class_names=CLASSES)
    with connect(threads=1) as workers:
        probe = train("knn", store.view(0, 2500), store.view(2500), ProbeOptions(view="normalised"), workers)
    assert probe.rule.rows == store.view()
    np.testing.assert_allclose(probe.scores(3 * x[:50]), replace(probe, normalised=False).scores(x[:50]), atol=1e-4)


def test_changed_rows_are_kept_in_memory_if_they_fit(rng):
    x, y = sample(rng)
    store = Changed(ArrayStore(x, y, CLASSES), partial(np.multiply, np.linspace(0, 1, 37, dtype=np.float32)))
    probe = fitted(store)
    assert_exact(nearest(x[:30], probe.rule.rows, 5), x[:30], store.view().read().x, 5)
    with pytest.raises(BudgetError, match="keeping 3,000 changed rows of arrays needs about 1 MiB"):
        fitted(store, memory_bytes=1000)


def test_several_threads_may_ask_at_once(rng, make_store):
    x, y = sample(rng)
    probe = fitted(make_store(x, y, class_names=CLASSES))
    expected = probe.scores(x)
    with ThreadPoolExecutor(4) as pool:
        parts = list(pool.map(probe.scores, np.array_split(x, 7)))
    np.testing.assert_array_equal(np.concatenate(parts), expected)


def test_workers_of_a_cluster_find_the_same_neighbours(rng, cluster, make_store):
    x, y = sample(rng)
    store = make_store(x, y, class_names=CLASSES)
    probe = fitted(store)
    with connect(cluster) as workers:
        parts = each(store.view(0, 400), partial(_scores, probe), workers, chunk_rows=150)
    np.testing.assert_array_equal(np.concatenate(parts), probe.scores(x[:400]))


def _scores(probe, _index, chunk):
    return probe.scores(chunk.x)


def test_a_query_that_is_not_finite_has_no_neighbours_but_finite_scores(rng):
    x, y = sample(rng)
    probe = fitted(ArrayStore(x, y, CLASSES))
    query = np.full((1, 37), np.nan, np.float32)
    with np.errstate(invalid="ignore"):
        np.testing.assert_allclose(probe.probabilities(query), 0.2)


@pytest.mark.slow
def test_on_the_features_of_cifar10_neighbours_are_those_of_brute_force():
    """Needs a workspace with the embeddings of cifar10, named in GAPSCOPE_TEST_WORKSPACE."""
    if "GAPSCOPE_TEST_WORKSPACE" not in os.environ:
        pytest.skip("set GAPSCOPE_TEST_WORKSPACE to a workspace with embeddings of cifar10")
    workspace = Location(os.environ["GAPSCOPE_TEST_WORKSPACE"])
    there, queries = (find_store(workspace, "cifar10", split) for split in ("train", "test"))
    rows = there.view().read().x
    for chunk in queries.view().chunks(1000):
        assert_exact(nearest(chunk.x, there.view(), 200), chunk.x, rows, 200)
