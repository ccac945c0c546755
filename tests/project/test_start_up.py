"""A command says its first word before it loads what only its work needs.

Tested by what is loaded, since times depend on the machine: each of these libraries takes longer to import than
NumPy and pyarrow together, or as long.
"""

import json
import subprocess
import sys

import numpy as np
from conftest import ROOT

from gapscope.jobs import COMMANDS

HEAVY = "torch dask distributed sklearn timm numba pandas matplotlib bokeh scipy.stats scipy.optimize pyarrow.dataset"
# Libraries that `--help` does not need either.
LIGHTER = "scipy.special scipy.sparse pyarrow numpy pydantic PIL markdown_it"
# Runs commands, each in a process forked from one that has loaded the command line alone; the first that one writes
# ends its process, with a line of what was loaded until then.
FIRST_LINES = """
import json, os, sys
from gapscope.jobs.command_line import execute
shown = os.dup(1)
class Ends:
    encoding = "utf-8"
    def write(self, text):
        if text.strip():
            os.write(shown, " ".join(sys.modules).encode() + bytes([10]))
            os._exit(0)
        return len(text)
    def flush(self): pass
    def isatty(self): return False
sys.stdout = sys.stderr = Ends()
for command in json.loads(sys.argv[1]):
    process = os.fork()
    if not process:
        execute(command)
        os._exit(1)
    if os.waitpid(process, 0)[1]:
        os._exit(1)
os._exit(0)
"""


def loaded_before_the_first_lines(commands, folder):
    words = [sys.executable, "-c", FIRST_LINES, json.dumps([[*map(str, command)] for command in commands])]
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=True)
    loaded = [set(line.split()) for line in done.stdout.splitlines()]
    assert len(loaded) == len(commands)
    assert all("gapscope.jobs" in one for one in loaded)
    return loaded


def test_help_loads_nothing_heavy(tmp_path):
    loaded = loaded_before_the_first_lines([(command, "--help") for command in COMMANDS], tmp_path)
    heavy = {*HEAVY.split(), *LIGHTER.split()}
    assert {name: one & heavy for name, one in zip(COMMANDS, loaded, strict=True) if one & heavy} == {}


def test_datasets_are_listed_before_anything_heavy_is_loaded(tmp_path):
    [loaded] = loaded_before_the_first_lines([("datasets", "--data-root", tmp_path)], tmp_path)
    assert "gapscope.data.datasets.digits" in loaded
    assert not loaded & set(HEAVY.split())


def test_evaluate_says_what_it_measures_before_anything_heavy_is_loaded(tmp_path, rng):
    np.save(tmp_path / "scores.npy", rng.dirichlet(np.ones(5), 1000))
    np.savetxt(tmp_path / "labels.txt", rng.integers(0, 5, 1000), fmt="%d")
    files = ["--predictions", "scores.npy", "--labels", "labels.txt"]
    [loaded] = loaded_before_the_first_lines([("evaluate", *files)], tmp_path)
    assert "gapscope.predictions.scores" in loaded
    assert not loaded & set(HEAVY.split())


def test_the_package_does_without_the_second_that_scipy_stats_takes():
    places = [path for folder in ("engine", "jobs") for path in (ROOT / folder).rglob("*.py")]
    assert [str(path) for path in places if "scipy.stats import" in path.read_text()] == []
