"""A command says its first word before it loads what only its work needs.

Tested by what is loaded, since times depend on the machine: each of these libraries takes longer to import than
NumPy and pyarrow together, or as long.
"""

import subprocess
import sys

import numpy as np
import pytest

from gapscope.jobs import COMMANDS

HEAVY = "torch dask distributed sklearn timm numba pandas matplotlib bokeh scipy.stats scipy.optimize pyarrow.dataset"
# Libraries that `--help` does not need either.
LIGHTER = "scipy.special scipy.sparse"
# Runs a command; the first that it writes ends the process, with what was loaded until then.
FIRST_LINE = """
import os, sys
shown = os.dup(1)
class Ends:
    encoding = "utf-8"
    def write(self, text):
        if text.strip():
            os.write(shown, " ".join(sys.modules).encode())
            os._exit(0)
        return len(text)
    def flush(self): pass
    def isatty(self): return False
sys.stdout = sys.stderr = Ends()
from gapscope.jobs.command_line import execute
execute(sys.argv[1:])
"""


def loaded_before_the_first_line(*command, folder):
    words = [sys.executable, "-c", FIRST_LINE, *map(str, command)]
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=True)
    assert "gapscope.jobs" in done.stdout.split()
    return set(done.stdout.split())


@pytest.mark.parametrize("command", COMMANDS)
def test_help_loads_nothing_heavy(command, tmp_path):
    assert not loaded_before_the_first_line(command, "--help", folder=tmp_path) & {*HEAVY.split(), *LIGHTER.split()}


def test_datasets_are_listed_before_anything_heavy_is_loaded(tmp_path):
    loaded = loaded_before_the_first_line("datasets", "--data-root", tmp_path, folder=tmp_path)
    assert "gapscope.data.datasets.digits" in loaded
    assert not loaded & set(HEAVY.split())


def test_evaluate_says_what_it_measures_before_anything_heavy_is_loaded(tmp_path, rng):
    np.save(tmp_path / "scores.npy", rng.dirichlet(np.ones(5), 1000))
    np.savetxt(tmp_path / "labels.txt", rng.integers(0, 5, 1000), fmt="%d")
    files = ["--predictions", "scores.npy", "--labels", "labels.txt"]
    loaded = loaded_before_the_first_line("evaluate", *files, folder=tmp_path)
    assert "gapscope.predictions.scores" in loaded
    assert not loaded & set(HEAVY.split())
