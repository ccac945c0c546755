"""What a job hands back: results for machines, tables and sentences for people."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any

from gapscope.schemas.results import Result


def finite(value: float | None) -> float | None:
    """The number; None for NaN and infinity, which JSON has not."""
    return None if value is None or not isfinite(value) else float(value)


@dataclass(frozen=True)
class Table:
    """A table for the terminal; numbers stand to the right, everything else to the left."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str | int | float | None]]


@dataclass(frozen=True)
class Report:
    """The outcome of a job.

    Attributes
    ----------
    job
        Name of the command.
    run
        Where its record lies: a run folder, a store, or empty for a job that writes nothing.
    seconds
        Wall-clock time.
    results
        The rows that ``--json`` prints.
    tables, notes
        What the terminal shows: tables, then one sentence each.
    """

    job: str
    run: str
    seconds: float
    results: Sequence[Result] = ()
    tables: Sequence[Table] = ()
    notes: Sequence[str] = ()

    def as_json(self) -> dict[str, Any]:
        """The object that ``--json`` prints."""
        rows = [result.row() for result in self.results]
        return {"job": self.job, "run": self.run, "seconds": round(self.seconds, 3), "results": rows}
