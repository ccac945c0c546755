"""Registries, random streams, sizes and places keep their promises."""

import errno
import os
import platform
import resource
import signal
import subprocess
import sys
from io import BytesIO

import pytest

from gapscope.core.budget import Budget, parse_bytes
from gapscope.core.errors import BudgetError, InputError, unknown_name
from gapscope.core.hashing import digest_json
from gapscope.core.location import Location
from gapscope.core.random import stream
from gapscope.core.registry import Registry
from gapscope.core.tables import read_csv


def test_an_unknown_name_is_answered_with_the_nearest_one():
    with pytest.raises(InputError, match=r"no backbone named 'resnet5'; did you mean 'resnet50'\? \(known: resnet50"):
        Registry("backbone", {"resnet50": "os:path", "vit": "os:path"})["resnet5"]


def test_of_many_names_the_nearest_are_said_and_how_many_more_there_are():
    runs = [f"fit-incremental-set-{i}-softmax" for i in range(40)] + ["gap-pets", "fit-incremental-pets-softmax"]
    said = str(unknown_name("run", "fit-pets", runs, "runs"))
    assert said.startswith("no run named 'fit-pets'; did you mean 'fit-incremental-pets-softmax'? (known: fit-incr")
    assert said.endswith(" and 37 more; `gapscope runs` lists them)")
    assert said.count(",") == 4
    assert str(unknown_name("run", "xyz", ["a", "b"], "runs")) == "no run named 'xyz' (known: a, b)"


def test_a_message_is_one_line_whatever_it_quotes():
    assert str(InputError("x.csv: got 'a\n  b'\r\nin row 3")) == "x.csv: got 'a b' in row 3"


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b'a,b\n1,"x\n2,y\n', "holds a line break .*a quote is opened and not closed in its line"),
        (b"a,\xfe\n1,2\n", "its header is no text in UTF-8"),
        (b"a,b\n1,\xff\n", "the column 'b' is no text in UTF-8"),
    ],
)
def test_a_table_that_would_lose_rows_without_a_word_is_refused(content, sentence):
    with pytest.raises(ValueError, match=sentence):
        read_csv(BytesIO(content))


def test_a_table_with_quotes_that_are_closed_is_read():
    assert read_csv(BytesIO(b'a;b\n1;"x; ""y"""\n'), ";").to_pylist() == [{"a": 1, "b": 'x; "y"'}]


def test_listing_a_registry_imports_nothing():
    registry = Registry("thing", {"missing": "no.such.module:thing"})
    assert list(registry) == ["missing"]
    with pytest.raises(ImportError):
        registry["missing"]


def test_a_stream_depends_on_seed_and_names_alone():
    first = stream(3, "shuffle", "epoch-1").integers(0, 2**63, 8)
    stream(3, "split").random(100)
    assert (stream(3, "shuffle", "epoch-1").integers(0, 2**63, 8) == first).all()
    for other in (stream(4, "shuffle", "epoch-1"), stream(3, "shuffle", "epoch-2"), stream(3, "shuffle")):
        assert (other.integers(0, 2**63, 8) != first).any()


@pytest.mark.parametrize(
    ("text", "expected"), [("2GB", 2**31), ("512 MiB", 2**29), ("1024", 1024), ("1.5k", 1536), ("3tb", 3 * 2**40)]
)
def test_sizes_are_read_as_people_write_them(text, expected):
    assert parse_bytes(text) == expected


@pytest.mark.parametrize("text", ["", "lots", "2 GB of it", "-1GB"])
def test_a_size_that_is_none_is_refused(text):
    with pytest.raises(InputError, match="memory size"):
        parse_bytes(text)


def test_a_budget_refuses_with_both_numbers_and_the_way_out():
    Budget(100 * 2**20).require(100 * 2**20, "reading", "buy memory")
    with pytest.raises(BudgetError, match=r"reading needs about 101 MiB .* allows 100 MiB; buy memory"):
        Budget(100 * 2**20).require(101 * 2**20, "reading", "buy memory")


def test_a_digest_does_not_depend_on_the_order_of_keys():
    assert digest_json({"a": 1, "b": [2]}) == digest_json({"b": [2], "a": 1})
    assert digest_json({"a": 1}) != digest_json({"a": 2})


def test_a_location_reads_what_it_wrote_and_lists_it(tmp_path):
    folder = Location.of(tmp_path) / "new" / "folder"
    assert folder.names() == []
    (folder / "b.txt").write_text("zwei")
    (folder / "a.txt").write_text("eins")
    assert folder.names() == ["a.txt", "b.txt"]
    assert (folder / "b.txt").read_text() == "zwei"
    assert (folder.is_folder(), (folder / "c.txt").exists()) == (True, False)


def test_a_failing_write_leaves_the_old_content_and_no_litter(tmp_path):
    place = Location.of(tmp_path) / "file"
    place.write_text("old")

    def fail(file):
        file.write(b"half of the n")
        raise RuntimeError("disk on fire")

    with pytest.raises(RuntimeError):
        place.write_atomically(fail)
    assert place.read_text() == "old"
    assert place.parent.names() == ["file"]


def test_an_error_of_the_disk_names_the_file_that_was_to_be_written(tmp_path, monkeypatch):
    def full(file):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def refused(path, **_):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(path))

    monkeypatch.setattr("pathlib.Path.unlink", refused)
    with pytest.raises(OSError, match="No space left") as error:
        Location(str(tmp_path / "a")).write_atomically(full)
    assert error.value.filename == str(tmp_path / "a")


def test_a_killed_write_leaves_the_old_content(tmp_path):
    place = Location.of(tmp_path) / "file"
    place.write_text("old")
    script = (
        "import sys, time; from gapscope.core.location import Location\n"
        "def slow(file):\n"
        "    file.write(b'new'); file.flush(); print('writing', flush=True); time.sleep(60)\n"
        "Location(sys.argv[1]).write_atomically(slow)"
    )
    child = subprocess.Popen([sys.executable, "-c", script, str(place)], stdout=subprocess.PIPE, env={**os.environ})
    assert child.stdout.readline() == b"writing\n"
    child.send_signal(signal.SIGKILL)
    child.wait()
    child.stdout.close()
    assert place.read_text() == "old"


def test_an_address_with_an_unknown_scheme_is_refused():
    with pytest.raises(InputError, match="nosuch://"):
        Location("nosuch://bucket/key").exists()


FRESH_PAGES = """
import resource, sys
from concurrent.futures import ThreadPoolExecutor
from gapscope.core.memory import keep_freed_memory

def fresh(megabytes):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(5):
        b"x" * (megabytes << 20)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

if sys.argv[1] == "kept":
    keep_freed_memory()
with ThreadPoolExecutor(1) as other:
    for megabytes in (8, 48):
        for run in (fresh, lambda size: other.submit(fresh, size).result()):
            run(megabytes)  # the first time the memory is new to the process
            print(run(megabytes))
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the setting is of glibc")
def test_freed_memory_is_used_again_in_this_and_in_other_threads_as_dask_starts_its_workers():
    pages = {}
    for how in ("as it comes", "kept"):
        environment = {**os.environ, "MALLOC_TRIM_THRESHOLD_": "65536"}
        child = [sys.executable, "-c", FRESH_PAGES, how]
        told = subprocess.run(child, env=environment, capture_output=True, text=True, check=True).stdout
        pages[how] = [int(line) for line in told.split()]
    assert min(pages["as it comes"]) > 5 * (8 << 20) // resource.getpagesize() // 2
    assert max(pages["kept"]) < 100
