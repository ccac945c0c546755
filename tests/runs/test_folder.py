"""One writer for each run: the same work is refused while another process does it, other work gets another folder."""

import json
import subprocess
import sys
import time
from dataclasses import dataclass

import pytest
from toy_runs import result, write_run

import gapscope
from gapscope.core.errors import BusyError, InputError
from gapscope.core.location import Location
from gapscope.runs.folder import opened
from gapscope.runs.run import find_run, list_runs, read_run
from gapscope.schemas.results import Result

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


def test_a_file_lists_as_no_folder(tmp_path):
    (tmp_path / "file").write_text("x")
    (tmp_path / ".hidden").mkdir()
    (tmp_path / "folder").mkdir()
    place = Location.of(tmp_path)
    assert (place / "file").names() == (place / "file").folders() == (place / "file").files() == []
    assert place.folders() == ["folder"]
