"""How progress, tables and sentences look on a terminal; everything here goes to standard error but the report."""

import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import Lock

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    TextColumn,
    TimeRemainingColumn,
)
from rich.progress import Task as RichTask
from rich.text import Text

from gapscope.blocks import terminal as blocks
from gapscope.runs.result import RunResult

SECONDS_BETWEEN_LINES = 15


class _Rate(ProgressColumn):
    def render(self, task: RichTask) -> Text:
        speed = task.finished_speed or task.speed
        return Text(f"{speed:,.0f} {task.fields['unit']}/s" if speed else "", style="progress.data.speed")


class Bars:
    """Progress as bars with rate and time left, for a person who is watching."""

    def __init__(self, console: Console):
        self.console = console

    @contextmanager
    def task(self, description: str, total: int | None, unit: str) -> Iterator["_Bar"]:
        """One bar."""
        columns = (
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            _Rate(),
            TimeRemainingColumn(elapsed_when_finished=True),
        )
        with Progress(*columns, console=self.console) as bars:
            yield _Bar(bars, bars.add_task(description, total=total, unit=unit))

    def say(self, message: str) -> None:
        """One sentence."""
        blocks.line(self.console, message, "dim")


class _Bar:
    def __init__(self, bars: Progress, task):
        self.bars, self.id = bars, task

    def advance(self, count: int = 1) -> None:
        """Move the bar."""
        self.bars.advance(self.id, count)


class Lines:
    """Progress as a line every quarter of a minute, for a log file."""

    def __init__(self, stream=None):
        self.stream = stream or sys.stderr

    @contextmanager
    def task(self, description: str, total: int | None, unit: str) -> Iterator["_Line"]:
        """One piece of work; work that ends before the first line is due stays silent."""
        yield _Line(self, description, total, unit)

    def say(self, message: str) -> None:
        """One sentence."""
        print(message, file=self.stream, flush=True)


class _Line:
    def __init__(self, lines: Lines, description: str, total: int | None, unit: str):
        self.lines, self.description, self.total, self.unit = lines, description, total, unit
        self.started = self.last = time.monotonic()
        self.done, self.lock = 0, Lock()

    def advance(self, count: int = 1) -> None:
        """Count, and write a line when one is due."""
        with self.lock:
            self.done += count
            now = time.monotonic()
            if now - self.last < SECONDS_BETWEEN_LINES:
                return
            self.last = now
            rate = self.done / (now - self.started)
            share = f" of {self.total:,}" if self.total else ""
            left = f", {(self.total - self.done) / rate:,.0f} s left" if self.total and rate else ""
            self.lines.say(f"{self.description}: {self.done:,}{share} {self.unit}, {rate:,.0f}/s{left}")


def progress() -> Bars | Lines:
    """Bars where a person watches standard error, lines elsewhere."""
    console = Console(stderr=True)
    return Bars(console) if console.is_terminal else Lines()


class _Output(Console):
    """Standard output, whose reader may leave early, as `head` does: the exit code stays that of the command."""

    def on_broken_pipe(self) -> None:
        """Say no more."""
        with suppress(SystemExit):
            super().on_broken_pipe()


def show(result: RunResult, *, everything: bool = False, as_json: bool = False) -> None:
    """Print what a job found on standard output: the answer first, then the first rows that matter, or everything; or
    all as one JSON object.
    """
    console = _Output(width=None if sys.stdout.isatty() else 140)
    if as_json:
        console.out(json.dumps(result.as_json(), allow_nan=False), highlight=False)
        return
    blocks.show(result.blocks, console, everything=everything)
    if result.blocks and result.run:
        blocks.line(console, f"written to {result.run}", "dim")
