"""How the engine tells its caller how far it is, without printing."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol


class Task(Protocol):
    """One line of progress."""

    def advance(self, count: int = 1) -> None:
        """`count` more units are done; may be called from any thread."""


class Progress(Protocol):
    """Where lines of progress appear; `cli.py` draws them, tests and libraries use `SILENT`."""

    @contextmanager
    def task(self, description: str, total: int | None, unit: str) -> Iterator[Task]:
        """A line for work of `total` units (None when unknown), finished when the block ends."""

    def say(self, message: str) -> None:
        """One sentence about what is being done and why."""


class _Silent:
    def advance(self, count: int = 1) -> None:
        """Ignore the step."""

    @contextmanager
    def task(self, description: str, total: int | None, unit: str) -> Iterator[Task]:
        """A line that nobody sees."""
        yield self

    def say(self, message: str) -> None:
        """Ignore the sentence."""


SILENT = _Silent()
