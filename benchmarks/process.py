"""A command or a tool in a process of its own: seconds, processor seconds and peak memory."""

import platform
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from time import perf_counter
from typing import NamedTuple

from gapscope.core.threads import processors

CHILD = """
import resource, sys
from gapscope.core.memory import peak_bytes
{work}
spent = [sum(resource.getrusage(who)[:2]) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
print("spent", peak_bytes(), sum(spent), file=sys.stderr)
sys.exit(code)
"""
COMMAND = "from gapscope.jobs.command_line import execute\ncode = execute(sys.argv[1:])"
SPENT = re.compile(r"^spent (\d+) ([\d.]+)$", re.MULTILINE)


class Done(NamedTuple):
    """What a process took, and what it said.

    Attributes
    ----------
    seconds, processor_seconds
        By the clock, and on all processors together.
    peak_bytes
        Largest resident set.
    """

    seconds: float
    processor_seconds: float
    peak_bytes: int
    code: int
    output: str


def command(*arguments: str) -> Done:
    """A command of gapscope."""
    return _run(COMMAND, arguments)


def function(module: str, name: str, *arguments: str) -> Done:
    """A function of a module that takes texts, printing what it found."""
    return _run(f"from {module} import {name}\n{name}(*sys.argv[1:])\ncode = 0", arguments)


def checked(done: Done) -> Done:
    """The same, unless it failed."""
    if done.code:
        raise RuntimeError(f"exit code {done.code}, which is negative after a kill: {done.output[-3000:]}")
    return done


def _run(work: str, arguments: Sequence[str]) -> Done:
    start = perf_counter()
    run = subprocess.run(
        [sys.executable, "-c", CHILD.format(work=work), *arguments], capture_output=True, text=True, check=False
    )
    seconds, output = perf_counter() - start, f"{run.stdout}\n{run.stderr}"
    peak, processor_seconds = (SPENT.findall(output) or [("0", "0")])[-1]
    return Done(seconds, float(processor_seconds), int(peak), run.returncode, output)


def machine() -> str:
    """The machine in words."""
    cpu = Path("/proc/cpuinfo")
    names = re.findall(r"model name\s*: (.*)", cpu.read_text()) if cpu.exists() else []
    return f"{processors()} cores of {names[0] if names else platform.processor()}, Python {platform.python_version()}"
