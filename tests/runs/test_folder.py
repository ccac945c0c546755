"""One writer for each run: the same work is refused while another process does it, other work gets another folder."""

import json
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from itertools import count

import pytest
from toy_runs import result, write_run

import gapscope
from gapscope.core.errors import BusyError, GapscopeError, InputError, StoppedError
from gapscope.core.location import Location
from gapscope.runs.backup import BACKUP
from gapscope.runs.folder import opened
from gapscope.runs.run import find_run, list_runs, read_run
from gapscope.schemas.results import Result
from gapscope.schemas.run import Input

# A process that holds the run of the work that it is given until its standard input ends.
HOLDER = """
import sys
from dataclasses import dataclass
from gapscope.core.location import Location
from gapscope.runs.folder import opened

@dataclass(frozen=True)
class Config:
    seed: int

with opened(Location(sys.argv[1]), "job", "name", Config(int(sys.argv[2]))) as folder:
    print(folder.place, flush=True)
    sys.stdin.read()
"""


@dataclass(frozen=True)
class Config:
    seed: int = 0


@dataclass(frozen=True)
class Placed:
    workspace: str


@pytest.fixture
def holder(tmp_path):
    """A process that works on the run of seed 0."""
    command = [sys.executable, "-c", HOLDER, str(tmp_path), "0"]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    process.stdout.readline()
    yield process
    process.kill()
    process.wait()
    process.stdin.close()
    process.stdout.close()


def finished(workspace, config, value=0.5):
    config = Config(config) if isinstance(config, int) else config
    with opened(Location.of(workspace), "job", "name", config) as folder:
        row = Result(dataset="toy", split="test", model="m", metric="accuracy", value=value, n=2)
        return folder.finish([row], notes=["a note", "warning: look out"], page=lambda run: run.notes)


def test_the_same_work_is_refused_while_another_process_does_it(holder, tmp_path):
    with pytest.raises(BusyError, match=rf"process {holder.pid} on .* since") as error:
        finished(tmp_path, 0)
    assert "job-name is being worked on" in str(error.value)


def test_other_work_gets_another_folder_and_leaves_the_running_one_alone(holder, tmp_path):
    before = (tmp_path / "runs" / "job-name" / "manifest.json").read_text()
    result = finished(tmp_path, 1)
    assert result.run.endswith("job-name-2")
    assert (tmp_path / "runs" / "job-name" / "manifest.json").read_text() == before


def test_the_work_of_a_killed_process_is_taken_over_at_once(holder, tmp_path):
    holder.kill()
    holder.wait()
    begun = time.monotonic()
    assert finished(tmp_path, 0).run.endswith("job-name")
    assert time.monotonic() - begun < 10


def test_nothing_is_left_of_the_lease(tmp_path):
    result = finished(tmp_path, 0)
    names = {path.name for path in (tmp_path / "runs" / "job-name").iterdir()}
    assert names == {"manifest.json", "results.json", "results.parquet", "notes.json"}
    assert json.loads((tmp_path / "runs" / "job-name" / "manifest.json").read_text())["status"] == "complete"
    assert result.results[0].value == 0.5


def test_a_workspace_that_is_called_by_another_path_holds_the_same_work(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for place in (str(tmp_path / "w"), "w"):
        assert finished(place, Placed(workspace=place)).run.endswith("job-name")


def test_a_finished_run_of_other_work_is_never_overwritten(tmp_path):
    assert [finished(tmp_path, seed).run.rpartition("/")[2] for seed in (0, 1, 0, 2)] == [
        *("job-name", "job-name-2", "job-name", "job-name-3"),
    ]


def test_runs_are_listed_found_by_name_and_read(tmp_path):
    finished(tmp_path, 0, value=0.25)
    (run,) = list_runs(Location.of(tmp_path))
    assert (run.name, run.job, run.status, run.accuracy) == ("job-name", "job", "complete", 0.25)
    place = find_run(Location.of(tmp_path), "job-name")
    assert [type(block).__name__ for block in read_run(place).notes] == ["Sentence", "Warning"]


@pytest.mark.parametrize(
    ("file", "content"),
    [("results.json", b""), ("results.json", b"[1]"), ("results.json", b'{"results": [{"metric": "accuracy"}]}'),
     ("manifest.json", b'{"job"'), ("manifest.json", b"{}")],
)  # fmt: skip
def test_a_run_whose_files_are_damaged_is_listed_as_that_and_the_others_as_they_are(tmp_path, file, content):
    for seed in (0, 1):
        finished(tmp_path, seed, value=0.25)
    (tmp_path / "runs" / "job-name" / file).write_bytes(content)
    damaged, whole = list_runs(Location.of(tmp_path))
    assert (damaged.name, damaged.status, whole.name, whole.status) == ("job-name", "damaged", "job-name-2", "complete")
    said = gapscope.list_runs(workspace=tmp_path).blocks
    assert [row[2] for row in said[0].rows] == ["damaged", "complete"]
    assert file in said[1].text
    assert "\n" not in said[1].text
    assert find_run(Location.of(tmp_path), "job-name-2")


def test_a_wrong_name_is_answered_with_the_runs_that_there_are(tmp_path):
    finished(tmp_path, 0)
    with pytest.raises(InputError, match=r"no run in .* named 'jbo-name'; did you mean 'job-name'"):
        find_run(Location.of(tmp_path), "jbo-name")


def test_the_accuracy_of_a_run_is_that_on_sets_that_it_was_not_trained_on(tmp_path):
    splits = {"train": 0.99, "train (held out)": 0.98, "test": 0.9, "val": 0.8}
    rows = [result("accuracy", value, split=split) for split, value in splits.items()]
    write_run(tmp_path / "runs" / "fit", "fit-incremental", rows, config={"dataset": ["toy"], "epochs": 2})
    assert [one.accuracy for one in list_runs(Location.of(tmp_path))] == [0.9]


def test_work_that_is_refused_leaves_no_folder_unless_something_was_written(tmp_path):
    def refused(*written):
        with opened(Location.of(tmp_path), "job", "refused", Config(0)) as folder:
            for name in written:
                (folder.place / "checkpoint" / name).write_bytes(b"x")
            raise InputError("no")

    for written, left in (((), False), (("state.npz",), True)):
        with pytest.raises(InputError, match="no"):
            refused(*written)
        assert (tmp_path / "runs/job-refused").exists() == left
    assert [run.status for run in list_runs(Location.of(tmp_path))] == ["failed"]


class Killed(BaseException):
    """Stands for SIGKILL: nobody handles it."""


MODEL, STATE = "models/a/model.json", "checkpoint/state.npz"


def work(workspace, *written, ends=None, seed=0, inputs=()):
    """Work of `seed` that writes the files `written` and then `ends` with an error, or well; whether it went on."""
    with opened(Location.of(workspace), "job", "name", Config(seed), inputs) as folder:
        for name in written:
            (folder.place / name).write_bytes(f"{name} of {seed}".encode())
        if ends:
            raise ends
        folder.finish([], page=lambda _: [])
        return folder.continues


def content(workspace):
    """Every file of a workspace, to its bytes."""
    return {path.relative_to(workspace): path.read_bytes() for path in workspace.rglob("*") if path.is_file()}


def ended(workspace, error, *written, **options):
    with pytest.raises(type(error)):
        work(workspace, *written, ends=error, **options)


@pytest.mark.parametrize("written", [(), (STATE,), (MODEL, STATE, "predictions/x/part.parquet", "results.parquet")])
@pytest.mark.parametrize("earlier_ends", [None, KeyboardInterrupt()])
def test_refused_work_leaves_what_was_there(earlier_ends, written, tmp_path):
    if earlier_ends:  # unfinished work of another configuration, whose place this would take
        ended(tmp_path, earlier_ends, STATE, seed=1)
    else:
        work(tmp_path, MODEL, "figures/a.png")
    before = content(tmp_path)
    for _ in range(2):
        ended(tmp_path, InputError("no"), *written)
        assert content(tmp_path) == before
    assert work(tmp_path, seed=1) == bool(earlier_ends)


def test_work_that_was_stopped_goes_on_and_is_in_the_place_of_the_earlier_once_it_is_finished(tmp_path):
    work(tmp_path, MODEL)
    for error in (StoppedError("the disk is full"), OSError(28, "No space left on device"), KeyboardInterrupt()):
        ended(tmp_path, error, STATE)
        assert (tmp_path / "runs/job-name" / STATE).exists()
    assert work(tmp_path, STATE)
    assert not (tmp_path / "runs/job-name" / MODEL).exists()
    assert not (tmp_path / "runs/job-name" / BACKUP).exists()


def test_what_stopped_work_has_backed_up_is_restored_for_other_work_and_is_not_overwritten(tmp_path):
    work(tmp_path, MODEL)
    before = content(tmp_path)
    ended(tmp_path, KeyboardInterrupt(), STATE)
    assert not work(tmp_path, seed=1)
    assert (tmp_path / "runs/job-name-2").exists()
    changed = [{"place": "x", "config_hash": "other", "rows": 1}]
    ended(tmp_path, InputError("no"), inputs=[Input(**one) for one in changed])
    assert {name: one for name, one in content(tmp_path).items() if "job-name-2" not in str(name)} == before


@pytest.mark.parametrize("ends", [None, InputError("no"), StoppedError("no")])
def test_a_kill_at_any_step_of_backing_up_and_restoring_loses_nothing(ends, tmp_path, monkeypatch):
    """Each operation on files may be the last one that is done; the next call of the same work finds its way."""
    run = tmp_path / "runs/job-name"
    work(tmp_path, MODEL, "figures/a.png")
    before = content(tmp_path)
    after = {*map(run.__truediv__, ("manifest.json", "results.json", "results.parquet", STATE))}
    for last in count():
        done = killed_after(last, lambda: work(tmp_path, STATE, ends=ends), monkeypatch)
        (run / ".lease.json").unlink(missing_ok=True)  # as of a process that is gone
        ended(tmp_path, InputError("no"), inputs=[Input(place="x", config_hash="other", rows=1)])
        if not ends and content(tmp_path) != before:
            assert json.loads((run / "manifest.json").read_bytes())["status"] == "complete"
            assert {tmp_path / name for name in content(tmp_path)} == after
            return
        assert content(tmp_path) == before, last
        if done < last:
            break
    assert last > 10


def killed_after(last, act, monkeypatch):
    """How many operations on files `act` has done, which is killed after the `last`."""
    done = 0

    def counted(operation):
        def counting(self, *given):
            nonlocal done
            if done == last:
                raise Killed
            done += 1
            return operation(self, *given)

        return counting

    with monkeypatch.context() as patch, suppress(GapscopeError, Killed):
        for name in ("move", "delete", "delete_folder", "write_atomically"):
            patch.setattr(Location, name, counted(getattr(Location, name)))
        act()
    return done


def test_an_object_store_keeps_what_was_there_too():
    place = Location.of("memory://earlier")
    finished(place, 0)
    before = {one.address: one.read_bytes() for one in place.files()}
    for _ in range(2):
        ended(place, InputError("no"), STATE)
        assert {one.address: one.read_bytes() for one in place.files()} == before
    finished(place, 0)
    assert {one.address for one in place.files()} == before.keys()


def test_a_file_lists_as_no_folder(tmp_path):
    (tmp_path / "file").write_text("x")
    (tmp_path / ".hidden").mkdir()
    (tmp_path / "folder").mkdir()
    place = Location.of(tmp_path)
    assert (place / "file").names() == (place / "file").folders() == (place / "file").files() == []
    assert place.folders() == ["folder"]
