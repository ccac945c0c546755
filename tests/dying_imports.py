"""Imports that die, for tests of how they go on: each in a process of its own that `import_child.py` forks."""

import dataclasses
import json
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

from conftest import child_environment

CHILD = Path(__file__).parent / "import_child.py"
MOMENTS = ("before", "within", "after")


@contextmanager
def dying_imports():
    """A function that starts the import of a configuration anew and returns how it ended, 0 where it finished: dead at
    a write (`last_write` writes after its first, at a moment of `MOMENTS`), or killed after so many seconds.
    """
    streams = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "env": child_environment()}
    with subprocess.Popen([sys.executable, str(CHILD)], **streams) as process:

        def end_of(config, last_write=10**6, moment="before", seconds=None):
            line = json.dumps([dataclasses.asdict(config), int(last_write), moment, seconds])
            print(line, file=process.stdin, flush=True)
            return json.loads(process.stdout.readline())

        yield end_of
        process.stdin.close()
