"""Real `dask scheduler` and `dask worker` processes, killed in mid-run: the answers stay the same."""

import os
import random
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from functools import reduce
from json import loads
from operator import add
from threading import Timer
from typing import NamedTuple

import dask
import numpy as np
import pytest
from conftest import child_environment, write_store
from distributed import get_worker

from gapscope.core.errors import GapscopeError, InputError
from gapscope.probes.options import ProbeOptions
from gapscope.probes.train import train
from gapscope.stream import Rounds, connect, each, fold, scan
from gapscope.stream.stuck import LEAST_SECONDS, Pace, Running
from gapscope.stream.tree import reduced
from gapscope.stream.watch import SECONDS_BETWEEN_CHECKS, SILENT_SECONDS

pytestmark = pytest.mark.filterwarnings("ignore")
# Longer than any test here; a run that hangs loses its scheduler and fails.
PATIENCE_SECONDS = 60
DASK = (sys.executable, "-m", "dask")


class Farm:
    """A scheduler and workers as a person would start them on the command line, on free ports."""

    def __init__(self, folder):
        self.folder, self.file = folder, folder / "scheduler.json"
        self.workers = []
        self.scheduler = self._start("scheduler", "--host", "127.0.0.1", "--port", "0", "--scheduler-file", self.file)
        self.address = self._address()

    def _start(self, *arguments, first=None):
        """A process of Dask's; with the folder `first` at the head of its import path."""
        log = (self.folder / "log.txt").open("a")
        command = [*DASK, *map(str, arguments), "--no-dashboard"]
        environment = child_environment()
        if first:
            environment["PYTHONPATH"] = os.pathsep.join([str(first), environment["PYTHONPATH"]])
        return subprocess.Popen(command, stdout=log, stderr=log, env=environment)

    def _address(self):
        while not (self.file.exists() and self.file.read_text().endswith("}")):
            time.sleep(0.05)
        return loads(self.file.read_text())["address"]

    def grow(self, count, memory="1GB", first=None):
        for _ in range(count):
            options = ("--nthreads", "1", "--no-nanny", "--memory-limit", memory)
            self.workers.append(self._start("worker", self.address, *options, first=first))

    def kill(self, count):
        """SIGKILL to the first `count` workers."""
        gone, self.workers = self.workers[:count], self.workers[count:]
        for worker in gone:
            worker.kill()
            worker.wait()

    def close(self):
        self.kill(len(self.workers))
        self.scheduler.kill()
        self.scheduler.wait()


@contextmanager
def guarded(farm):
    """The farm for one test, which ends if it hangs."""
    limit = Timer(PATIENCE_SECONDS, farm.scheduler.kill)
    limit.start()
    try:
        yield farm
    finally:
        limit.cancel()


@contextmanager
def started(folder, workers):
    farm = Farm(folder)
    try:
        farm.grow(workers)
        with guarded(farm):
            yield farm
    finally:
        farm.close()


@pytest.fixture(scope="module")
def farm(tmp_path_factory):
    farm = Farm(tmp_path_factory.mktemp("farm"))
    yield farm
    farm.close()


@pytest.fixture
def pair(farm):
    """The farm with two workers, whatever the last test left."""
    farm.grow(2 - len(farm.workers))
    with guarded(farm):
        yield farm


class Trigger:
    """Progress that does something at the `moment`-th step, once, and keeps what is said."""

    def __init__(self, moment, action):
        self.moment, self.action, self.steps, self.said = moment, action, 0, []

    @contextmanager
    def task(self, description, total, unit):
        yield self

    def advance(self, count=1):
        self.steps += 1
        if self.steps == self.moment:
            self.action()

    def say(self, message):
        self.said.append(message)


class Total(NamedTuple):
    """Sum and scatter of the rows, slowly."""

    n: int
    total: np.ndarray

    @classmethod
    def of(cls, chunk, factor=1.0):
        time.sleep(0.01)
        return cls(len(chunk.x), (factor * chunk.x).T @ chunk.x)

    def merge(self, other):
        return Total(self.n + other.n, self.total + other.total)


class Weights(NamedTuple):
    """A state whose parameters are weights."""

    parameters: np.ndarray


def gradient(weights, chunk):
    time.sleep(0.01)
    return chunk.x.T @ (chunk.x @ weights - chunk.y)


def descend(state, gradients, _where):
    return Weights(state.parameters - 1e-5 * sum(gradients))


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    rng = np.random.default_rng(7)
    y = rng.integers(0, 3, 3000)
    x = rng.standard_normal((3000, 8)).astype(np.float32) + np.eye(3, 8, dtype=np.float32)[y]
    return write_store(tmp_path_factory.mktemp("cluster") / "store", x, y, part_rows=500)


@pytest.fixture(scope="module")
def undisturbed(store):
    """What two threads of this process find."""
    with connect(threads=2) as here:
        return fold(store.view(), Total.of, here, chunk_rows=30).total


def test_a_worker_killed_during_a_fold_changes_no_bit_of_the_result(pair, store, undisturbed):
    trigger = Trigger(random.Random(1).randint(10, 80), lambda: pair.kill(1))
    with connect(pair.address) as workers:
        found = fold(store.view(), Total.of, workers, chunk_rows=30, progress=trigger)
    assert len(pair.workers) == 1
    assert np.array_equal(found.total, undisturbed)


def test_a_worker_killed_during_a_softmax_fit_changes_no_bit_of_the_model(pair, store, monkeypatch):
    for limit in ("SMALL", "MIDDLE"):  # the descent is what takes a while, and so small a set would be spared it
        monkeypatch.setattr(f"gapscope.probes.softmax.{limit}", 0)
    options = ProbeOptions(epochs=1)
    views = store.view(0, 800), store.view(800, 1200)
    trigger = Trigger(random.Random(2).randint(10, 25), lambda: pair.kill(1))
    with connect(pair.address) as workers:
        found = train("softmax", *views, options, workers, trigger)
    assert len(pair.workers) == 1
    with connect(threads=2) as here:
        wanted = train("softmax", *views, options, here)
    for name, tensor in wanted.rule.tensors().items():
        assert np.array_equal(found.rule.tensors()[name], tensor), name


def lose_all_for_two_seconds(farm):
    farm.kill(len(farm.workers))
    Timer(2, farm.grow, [2]).start()


@pytest.mark.parametrize("verb", ["fold", "each", "scan"])
def test_the_loss_of_all_workers_is_waited_out_and_told(pair, store, undisturbed, verb, monkeypatch):
    monkeypatch.setattr("gapscope.stream.watch.SECONDS_BETWEEN_CHECKS", 0.2)
    trigger = Trigger(random.Random(verb).randint(5, 40), lambda: lose_all_for_two_seconds(pair))
    shown = {"progress": trigger}
    with connect(pair.address) as workers:
        if verb == "fold":
            assert np.array_equal(fold(store.view(), Total.of, workers, chunk_rows=30, **shown).total, undisturbed)
        elif verb == "each":
            found = each(store.view(), lambda index, chunk: (index, Total.of(chunk).n), workers, chunk_rows=30, **shown)
            assert found == [(index, 30) for index in range(100)]
        else:
            assert np.array_equal(descended(store, workers, **shown), descended(store))
        time.sleep(0.5)
    told = ["all workers" in said for said in trigger.said if "all workers" in said or "back after" in said]
    assert told
    assert told == [True, False] * (
        len(told) // 2
    )  # each loss once, and each return; a busy machine may lose them again


def descended(store, workers=None, **shown):
    """Weights after one pass; on this process's threads without `workers`."""
    if workers is None:
        with connect(threads=2) as here:
            return descended(store, here)
    return scan(Rounds(store.view(), 64, 64), Weights(np.zeros(8)), gradient, descend, workers, **shown).parameters


def test_a_lost_scheduler_is_one_sentence(tmp_path, store):
    with started(tmp_path, 1) as farm:
        trigger = Trigger(5, farm.scheduler.kill)
        with pytest.raises(
            GapscopeError, match=r"the Dask scheduler at tcp://.* is gone .* run the same command again"
        ):
            with connect(farm.address) as workers:
                fold(store.view(), Total.of, workers, chunk_rows=30, progress=trigger)


@pytest.fixture
def strange(tmp_path):
    """A folder that makes a process believe that it has another cloudpickle."""
    about = tmp_path / "strange" / "cloudpickle-0.0.7.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: cloudpickle\nVersion: 0.0.7\n")
    return about.parent


def test_a_worker_of_another_version_is_refused_by_name_before_anything_is_computed(tmp_path, strange):
    with started(tmp_path, 0) as farm:
        farm.grow(1, first=strange)
        with pytest.raises(InputError, match=r"worker tcp://\S+ has cloudpickle 0\.0\.7, this process has \d"):
            connect(farm.address).__enter__()


def test_a_worker_of_another_version_that_joins_later_gets_no_work_and_is_named(tmp_path, store, strange, undisturbed):
    with started(tmp_path, 1) as farm:
        trigger = Trigger(5, lambda: farm.grow(1, first=strange))
        with connect(farm.address) as workers:
            found = each(store.view(), slowly, workers, chunk_rows=10, progress=trigger)
            assert farm.workers[1].wait(PATIENCE_SECONDS) is not None
            total = fold(store.view(), Total.of, workers, chunk_rows=30, progress=trigger).total
        assert set(found) == {farm.workers[0].pid}
    assert np.array_equal(total, undisturbed)
    (sentence,) = (said for said in trigger.said if "cloudpickle" in said)
    assert "has cloudpickle 0.0.7, this process has" in sentence


def slowly(_index, _chunk):
    time.sleep(0.05)
    return os.getpid()


def test_a_worker_that_hangs_is_named_and_its_work_done_by_others(tmp_path, store, undisturbed, monkeypatch):
    assert SILENT_SECONDS + SECONDS_BETWEEN_CHECKS < 30
    monkeypatch.setattr("gapscope.stream.watch.SILENT_SECONDS", 4)
    with started(tmp_path, 2) as farm:
        trigger = Trigger(20, lambda: farm.workers[0].send_signal(signal.SIGSTOP))
        with connect(farm.address) as workers:
            workers.client.wait_for_workers(2)
            begun = time.monotonic()
            found = fold(store.view(), Total.of, workers, chunk_rows=30, progress=trigger)
            assert time.monotonic() - begun < 30
    assert any("has not answered for 4 s; its work goes to others" in said for said in trigger.said)
    assert np.array_equal(found.total, undisturbed)


class HangsOnce:
    """A summary of one chunk that never comes from the first worker that is asked, whose process reports on."""

    def __init__(self, file):
        self.file = file

    def __call__(self, index, chunk):
        if index == 25:
            try:
                self.file.touch(exist_ok=False)
                time.sleep(PATIENCE_SECONDS)
            except FileExistsError:
                pass
        return Total.of(chunk)


def test_a_task_that_hangs_while_its_worker_reports_is_told_and_done_by_another(
    tmp_path, store, undisturbed, monkeypatch
):
    assert LEAST_SECONDS + 2 * SECONDS_BETWEEN_CHECKS < 30
    monkeypatch.setattr("gapscope.stream.stuck.LEAST_SECONDS", 2)
    monkeypatch.setattr("gapscope.stream.stuck.TIMES", 1)
    trigger = Trigger(-1, lambda: None)
    with started(tmp_path, 2) as farm, connect(farm.address) as workers:
        workers.client.wait_for_workers(2)
        summary = HangsOnce(tmp_path / "hung")
        found = fold(store.view(), summary, workers, numbered=True, chunk_rows=30, progress=trigger)
    told = [said for said in trigger.said if "has been at the task" in said]
    assert [said.rpartition("; ")[2] for said in told] == ["it may hang", "its work goes to others"]
    assert np.array_equal(found.total, undisturbed)


def test_only_a_task_that_is_far_behind_others_that_ended_is_told_and_taken_once():
    def at(seconds, ended=9, key="a"):
        return Running("tcp://w", key, "fold", seconds, ended)

    pace = Pace(2.0)
    assert not list(pace.behind([at(1000, ended=0)]))  # nothing to compare with
    pace = Pace(2.0)
    assert not list(pace.behind([at(5, key="b"), at(5)]))
    assert not list(pace.behind([at(69)]))  # b took 5 s as far as was seen, and 2 s more may have gone by
    assert [(one.longest, one.taken) for one in pace.behind([at(71)])] == [(7.0, False)]
    assert not list(pace.behind([at(200)]))
    assert [one.taken for one in pace.behind([at(211)])] == [True]
    assert not list(pace.behind([at(1000)]))
    assert not list(pace.behind([at(19, key="c")]))


def process_of(_parameters, _chunk):
    return os.getpid()


def collect(state, values, _where):
    return Weights([*state.parameters, *values])


def join(farm, client):
    farm.grow(1)
    client.wait_for_workers(2)
    time.sleep(0.5)


def test_a_worker_that_joins_during_a_pass_gets_work(pair, store, monkeypatch):
    monkeypatch.setattr("gapscope.stream.watch.SECONDS_BETWEEN_CHECKS", 0.2)
    pair.kill(1)
    rounds = Rounds(store.view(), 64, 64)
    with connect(pair.address) as workers:
        trigger = Trigger(5, lambda: join(pair, workers.client))
        found = scan(rounds, Weights([]), process_of, collect, workers, progress=trigger).parameters
    assert len(set(found[:8])) == 1
    assert {worker.pid for worker in pair.workers} <= set(found)


class Heavy:
    """A function with large parameters, which counts in each process how often it was unpacked there."""

    arrivals = 0

    def __init__(self):
        self.weight = np.zeros((1000, 1000), np.float32)

    def __setstate__(self, state):
        Heavy.arrivals += 1
        self.__dict__ = state

    def __call__(self, _index, _chunk):
        return os.getpid(), Heavy.arrivals, get_worker().get_current_task()


def test_parameters_reach_each_worker_once_and_tasks_have_readable_names(pair, store):
    with connect(pair.address) as workers:
        found = each(store.view(), Heavy(), workers, chunk_rows=20, description="try out")
    assert max(arrivals for _, arrivals, _ in found) <= 2  # sent to one, and from there to the other
    names = [name for _, _, name in found]
    assert names[7].startswith("try-out-toy/train-0007-")
    assert len(set(names)) == 150


def test_the_memory_limit_is_that_of_a_thread_of_the_smallest_worker(tmp_path):
    with started(tmp_path, 1) as farm:
        farm.grow(1, memory="512MB")
        with connect(farm.address) as workers:
            workers.client.wait_for_workers(2)
            assert workers.memory_limit == 512_000_000
            assert workers.dashboard is None
    with connect() as here:
        assert here.memory_limit is here.dashboard is None


SCRIPT = """
import sys
from functools import partial
from gapscope.core.location import Location
from gapscope.store import open_store
from gapscope.stream import connect, each

def threads(index, chunk):
    import os
    import dask.config
    from threadpoolctl import threadpool_info
    blas = max(pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas")
    return os.getpid(), (blas, dask.config.get("distributed.admin.tick.interval"))

if __name__ == "__main__":
    view = open_store(Location(sys.argv[1])).view()
    with connect(cluster="local", workers=2, memory_limit="1GB") as workers:
        found = each(view, threads, workers, chunk_rows=20)
        print(len({pid for pid, _ in found}), {each for _, each in found}, workers.memory_limit, workers.dashboard)
"""


def test_a_local_cluster_has_processes_of_one_thread_a_dashboard_and_nothing_to_say(store, tmp_path):
    (tmp_path / "script.py").write_text(SCRIPT)
    done = subprocess.run(
        [sys.executable, "-W", "error", "script.py", str(store.folder)],
        cwd=tmp_path,
        env=child_environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"2 {{(1, '1s')}} {2**30} http://127.0.0.1:")


INTERRUPTED = """
import time
from gapscope.stream import connect

if __name__ == "__main__":
    try:
        with connect(cluster="local", workers=1) as workers:
            workers.each(time.sleep, [0.1] * 1000, lambda index: print("begun", flush=True))
    except KeyboardInterrupt:
        print("interrupted")
"""


def test_an_interrupt_closes_a_local_cluster_without_a_word_of_its_processes(tmp_path):
    (tmp_path / "script.py").write_text(INTERRUPTED)
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "start_new_session": True}
    with subprocess.Popen([sys.executable, "script.py"], cwd=tmp_path, env=child_environment(), **streams) as script:
        assert script.stdout.readline() == "begun\n"
        os.killpg(script.pid, signal.SIGINT)  # as a terminal does
        printed, complaints = script.communicate(timeout=PATIENCE_SECONDS)
    assert printed.endswith("interrupted\n")
    assert complaints == ""


def fall_over(_index, _chunk):
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_task_that_kills_its_workers_is_one_sentence(store):
    with dask.config.set({"distributed.scheduler.allowed-failures": 0}):
        with pytest.raises(GapscopeError, match=r"a task killed 1 workers .* larger --memory-limit"):
            with connect(cluster="local", workers=1) as workers:
                each(store.view(), fall_over, workers)


def test_encryption_that_is_wanted_on_one_side_alone_is_one_sentence():
    with pytest.raises(InputError, match="is encrypted, and this process has no certificate"), connect("tls://a:1"):
        pass
    wanted = dask.config.set({"distributed.comm.require-encryption": True})
    with wanted, pytest.raises(InputError, match="requires encryption, and tcp://a:1 has none"), connect("tcp://a:1"):
        pass


def test_options_that_do_not_go_together_are_one_sentence():
    for options, sentence in [
        ({"cluster": "locl"}, "no cluster named 'locl'; did you mean 'local'"),
        ({"cluster": "local", "scheduler": "tcp://127.0.0.1:1"}, "exclude each other"),
        ({"workers": 3}, "only with --cluster local"),
        ({"cluster": "local", "workers": 0}, "ask for one or more"),
    ]:
        with pytest.raises(InputError, match=sentence):
            connect(**options).__enter__()


@pytest.mark.parametrize("count", [1, 2, 8, 9, 64, 65, 256])
def test_a_reduction_keeps_the_order_whatever_its_size(count):
    merges = []
    found = reduced([[i] for i in range(count)], lambda run, place: merges.append(place) or reduce(add, run))
    assert found == list(range(count))
    assert len(set(merges)) == len(merges) <= count // 4 + 1
