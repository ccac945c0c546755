"""One writer at a time: who has a folder, who gets it next, and what the others are told."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from gapscope.core import lease
from gapscope.core.errors import BusyError
from gapscope.core.lease import LEASE, Lease, holder_of
from gapscope.core.location import Location

HOLD = """
import sys, time
from gapscope.core.lease import Lease
from gapscope.core.location import Location
with Lease(Location.of(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def holding(place):
    child = subprocess.Popen([sys.executable, "-c", HOLD, str(place)], stdout=subprocess.PIPE, text=True)
    assert child.stdout.readline() == "held\n"
    return child


def test_a_second_process_is_told_who_works_and_since_when(tmp_path):
    child = holding(tmp_path)
    try:
        with pytest.raises(BusyError, match=rf"by process {child.pid} on \S+ since \d{{4}}-\d\d-\d\d \d\d:\d\d:\d\d"):
            Lease(Location.of(tmp_path)).__enter__()
    finally:
        child.kill()
        child.communicate()


def test_a_killed_holder_is_followed_at_once_on_its_own_machine(tmp_path):
    child = holding(tmp_path)
    child.send_signal(signal.SIGKILL)
    child.communicate()
    assert (tmp_path / LEASE).exists()
    with Lease(Location.of(tmp_path)):
        assert holder_of(Location.of(tmp_path)).process == os.getpid()
    assert not (tmp_path / LEASE).exists()


def test_a_holder_on_another_machine_is_followed_when_it_was_silent_for_long(tmp_path, monkeypatch):
    place = Location.of(tmp_path)
    with Lease(place, host="one"):
        with pytest.raises(BusyError, match="on one since"):
            Lease(place, host="two").__enter__()
        monkeypatch.setattr(lease, "STALE_SECONDS", 0.0)
        with Lease(place, host="two"):
            assert holder_of(place).host == "two"


def test_a_holder_that_was_followed_is_told_so_and_leaves_the_other_alone(tmp_path, monkeypatch):
    monkeypatch.setattr(lease, "BEAT_SECONDS", 0.05)
    place = Location.of(tmp_path)
    with Lease(place, host="one") as first:
        first.check()
        other = json.loads((tmp_path / LEASE).read_text()) | {"host": "two", "token": "x"}
        (tmp_path / LEASE).write_text(json.dumps(other))
        time.sleep(0.3)
        with pytest.raises(BusyError, match="on two"):
            first.check()
    assert holder_of(place).host == "two"


def test_a_number_of_a_process_that_is_used_again_is_not_the_holder(tmp_path):
    place = Location.of(tmp_path)
    with Lease(place):
        holder = holder_of(place)
    (tmp_path / LEASE).write_text(json.dumps(holder._replace(born=holder.born - 1, token="x")._asdict()))
    with Lease(place):
        pass


def test_what_a_kill_left_half_written_is_removed(tmp_path):
    (tmp_path / "inner").mkdir()
    for name in (".part-00000.parquet.host-1-ab.tmp", "inner/.model.json.host-2-cd.tmp", "kept.tmp", ".hidden"):
        (tmp_path / name).write_text("x")
    with Lease(Location.of(tmp_path)):
        pass
    assert sorted(path.name for path in tmp_path.rglob("*") if path.is_file()) == [".hidden", "kept.tmp"]


def test_an_object_store_has_one_holder_too(tmp_path):
    place = Location.of("memory://leases/store")
    with Lease(place):
        with pytest.raises(BusyError, match="is being worked on"):
            Lease(place, host="another").__enter__()
    with Lease(place, host="another"):
        pass


@pytest.mark.parametrize("content", ["", "{", "[]", '{"host": 1}', "\0\0"])
def test_a_lease_that_cannot_be_read_holds_nothing(tmp_path, content):
    (tmp_path / LEASE).write_text(content)
    with Lease(Location.of(tmp_path)):
        pass


def test_of_many_processes_at_the_same_moment_one_gets_the_folder(tmp_path):
    children = [
        subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        for _ in range(4)
    ]
    try:
        latest = time.monotonic() + 60
        while sum(child.poll() is None for child in children) > 1 and time.monotonic() < latest:
            time.sleep(0.05)
        assert sum(child.poll() is None for child in children) == 1
    finally:
        for child in children:
            child.kill()
            child.communicate()
