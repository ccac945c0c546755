"""The verbs give the same answer on any chunking, on threads and on a real two-worker cluster."""

import os
import signal
import sys
from functools import partial
from itertools import chain
from typing import NamedTuple

import numpy as np
import pytest
from conftest import write_store
from hypothesis import given, settings
from hypothesis import strategies as st

from gapscope.core.errors import InputError
from gapscope.store import EmbeddingStore, View
from gapscope.stream import Rounds, connect, each, fold, scan


class Numbers(NamedTuple):
    """What a numbered fold was given, in order."""

    seen: tuple

    def merge(self, other):
        return Numbers(self.seen + other.seen)


class Total(NamedTuple):
    """Count and sum of the rows seen so far."""

    n: int
    total: np.ndarray

    @classmethod
    def of(cls, chunk):
        return cls(len(chunk.x), chunk.x.sum(axis=0, dtype=np.float64))

    def merge(self, other):
        return Total(self.n + other.n, self.total + other.total)


class Weights(NamedTuple):
    """A state whose parameters are weights."""

    parameters: np.ndarray


def gradient(weights, chunk):
    return chunk.x.T @ (chunk.x @ weights - chunk.y)


def descend(state, gradients, _where):
    return Weights(state.parameters - 1e-4 * sum(gradients))


def count(index, chunk):
    return index, len(chunk.x), os.getpid()


def seen_rows(_parameters, chunk):
    return chunk.sample_id.tolist()


def collect(state, values, _where):
    return Weights([*state.parameters, list(chain(*values))])


@pytest.fixture
def store(rng, make_store):
    return make_store(rng.standard_normal((1000, 6)).astype(np.float32), rng.integers(0, 3, 1000), part_rows=300)


@pytest.fixture
def workers():
    with connect(threads=2) as workers:
        yield workers


def test_a_chunk_that_is_alone_needs_no_scheduler(store, workers, monkeypatch):
    monkeypatch.setitem(sys.modules, "dask.base", None)  # whose import fails now
    assert fold(store.view(), Total.of, workers, chunk_rows=5000).n == 1000
    assert each(store.view(), count, workers, chunk_rows=5000) == [(0, 1000, os.getpid())]
    with pytest.raises(ImportError):
        fold(store.view(), Total.of, workers, chunk_rows=97)


@pytest.mark.parametrize("chunk_rows", [1, 97, 256, 5000])
def test_a_fold_does_not_depend_on_the_chunking(store, workers, chunk_rows):
    found = fold(store.view(), Total.of, workers, chunk_rows=chunk_rows)
    assert found.n == 1000
    assert found.total == pytest.approx(store.view().read().x.sum(axis=0, dtype=np.float64), rel=1e-10)


def test_a_fold_over_no_rows_is_the_summary_of_no_rows(store, workers):
    assert fold(store.view(5, 5), Total.of, workers).n == 0


def test_fold_may_number_the_chunks(store):
    def of(index, chunk):
        return Numbers(((index, int(chunk.sample_id[0])),))

    with connect(threads=2) as workers:
        found = fold(store.view(7), of, workers, numbered=True, chunk_rows=50)
    starts = [int(store.view(start, start + 1).read().sample_id[0]) for start in range(7, store.rows, 50)]
    assert found.seen == tuple(enumerate(starts))


def test_each_answers_in_order(store, workers):
    found = each(store.view(), count, workers, chunk_rows=300)
    assert [row[:2] for row in found] == [(0, 300), (1, 300), (2, 300), (3, 100)]


@given(
    rows=st.integers(0, 400),
    batch=st.integers(1, 16).map(lambda n: 4 * n),
    chunk=st.integers(1, 5),
    shards=st.sampled_from([1, 2, 4]),
    epoch=st.integers(0, 2),
    repeats=st.integers(1, 3),
)
def test_the_sub_batches_of_a_pass_hold_every_row_as_often_as_asked(rows, batch, chunk, shards, epoch, repeats):
    store = object.__new__(EmbeddingStore)
    rounds = Rounds(View(store, 7, 7 + rows), batch, chunk * batch // shards, shards, repeats, epoch)
    streams = [list(rounds.sub_batches(shard)) for shard in range(shards)]
    assert {len(stream) for stream in streams} == {rounds.steps}
    taken = [
        row
        for stream in streams
        for item in stream
        if item
        for row in range(item[0].start + item[1], item[0].start + item[2])
    ]
    assert sorted(taken) == sorted(list(range(7, 7 + rows)) * repeats)
    for shard, stream in enumerate(streams):
        for first in (0, rounds.steps // 2, rounds.steps):
            assert list(rounds.sub_batches(shard, first)) == stream[first:]


def test_a_scan_visits_every_row_once_in_batches_of_the_size_asked_for(store, workers):
    rounds = Rounds(store.view(), batch_rows=64, chunk_rows=48)
    batches = scan(rounds, Weights([]), seen_rows, collect, workers).parameters
    assert sorted(row for batch in batches for row in batch) == list(range(1000))
    assert max(len(batch) for batch in batches) == 64


def test_later_epochs_take_the_same_rows_in_another_order(store, workers):
    first, second = (
        scan(Rounds(store.view(), 64, 48, epoch=epoch), Weights([]), seen_rows, collect, workers).parameters
        for epoch in (0, 1)
    )
    assert first != second
    assert sorted(chain(*first)) == sorted(chain(*second))


@settings(max_examples=10, deadline=None)
@given(threads=st.integers(1, 5))
def test_a_scan_does_not_depend_on_the_number_of_threads(threads, tmp_path_factory):
    rng = np.random.default_rng(0)
    folder = tmp_path_factory.mktemp("scan")
    store = write_store(folder, rng.standard_normal((300, 6)).astype(np.float32), rng.integers(0, 3, 300))
    models = []
    for count_of_threads in (1, threads):
        with connect(threads=count_of_threads) as workers:
            rounds = Rounds(store.view(), 64, 48)
            models.append(scan(rounds, Weights(np.zeros(6)), gradient, descend, workers).parameters)
    assert np.array_equal(*models)


def test_a_failure_in_a_task_reaches_the_caller(store, workers):
    with pytest.raises(ZeroDivisionError):
        each(store.view(), lambda _index, _chunk: 1 // 0, workers)
    with pytest.raises(ZeroDivisionError):
        scan(Rounds(store.view()), Weights(0), lambda _parameters, _chunk: 1 // 0, descend, workers)


@pytest.mark.filterwarnings("ignore")
def test_a_cluster_gives_the_same_answers_as_this_process(store, workers, cluster):
    with connect(cluster) as remote:
        for place in (workers, remote):
            assert [row[:2] for row in each(store.view(), count, place, chunk_rows=300)][-1] == (3, 100)
        assert {row[2] for row in each(store.view(), count, remote, chunk_rows=10)}.isdisjoint({os.getpid()})
        here, there = (fold(store.view(), Total.of, place, chunk_rows=97) for place in (workers, remote))
        assert np.array_equal(here.total, there.total)
        rounds = Rounds(store.view(), 64, 48)
        here, there = (scan(rounds, Weights(np.zeros(6)), gradient, descend, p).parameters for p in (workers, remote))
        assert np.array_equal(here, there)


def fall_over_once(marker, _index, chunk):
    """Kill the worker that gets the first chunk, the first time."""
    if 0 in chunk.sample_id and not marker.exists():
        marker.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return Total.of(chunk)


@pytest.mark.filterwarnings("ignore")
def test_the_death_of_a_worker_is_survived(store, cluster, tmp_path):
    with connect(cluster) as remote:
        found = each(store.view(), partial(fall_over_once, tmp_path / "marker"), remote, chunk_rows=100)
    assert (tmp_path / "marker").exists()
    assert sum(summary.n for summary in found) == 1000


def test_an_address_where_nothing_answers_is_one_sentence(monkeypatch):
    monkeypatch.setattr("gapscope.stream.cluster.CONNECT_SECONDS", 1)
    with pytest.raises(InputError, match=r"no Dask scheduler answers at tcp://127.0.0.1:9 .* leave out --scheduler"):
        connect("tcp://127.0.0.1:9").__enter__()


class Counted:
    """A summary that knows how many of its kind are alive."""

    alive, most = 0, 0

    def __init__(self, _chunk=None):
        Counted.alive += 1
        Counted.most = max(Counted.most, Counted.alive)

    def __del__(self):
        Counted.alive -= 1

    def merge(self, _other):
        return Counted()


def test_few_summaries_wait_in_memory_however_many_leaves_there_are(store):
    peaks = []
    with connect(threads=1) as worker:
        for chunk_rows in (16, 4):
            Counted.most = 0
            fold(store.view(), Counted, worker, chunk_rows=chunk_rows)
            peaks.append(Counted.most)
    assert peaks[1] <= 6  # one for each level of the tree, and those of the merge at hand
    assert peaks[1] <= peaks[0] + 1


def test_the_order_of_later_epochs_follows_from_the_seed_and_the_epoch(store):
    def order(epoch, seed):
        return [group[0].start for group in Rounds(store.view(), 64, 16, epoch=epoch, seed=seed).groups]

    assert len(order(0, 0)) > 8
    assert order(1, 3) == order(1, 3)
    orders = [tuple(order(epoch, seed)) for epoch in (1, 2) for seed in (0, 1, 2)]
    assert len(set(orders)) == len(orders)
    assert {tuple(sorted(one)) for one in orders} == {tuple(order(0, 0))}
    assert order(0, 1) == order(0, 0) == sorted(order(0, 0))
