"""Writing the report of one or several runs, for the command `report` and for jobs that end with one."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from gapscope.blocks import Sentence
from gapscope.core.errors import GapscopeError
from gapscope.core.location import Location
from gapscope.runs.result import RunResult
from gapscope.runs.run import read_run

if TYPE_CHECKING:
    from gapscope.reports.collection import Report

REPORT = "report.html"


def read_report(runs: Sequence[Location], *, data_root: Path, seed: int = 0, memory: str = "") -> "Report":
    """What a report of finished `runs` says: the blocks of the one that answers, and the other runs.

    Parameters
    ----------
    memory
        How much may be used, such as ``2GB``; what the first run was allowed when not given.

    Raises
    ------
    InputError
        There is no such run, or it is not finished.
    BudgetError
        The predictions of a set do not fit.
    """
    from gapscope.reports.collection import collected  # here, because every job imports this module
    from gapscope.reports.memory import check_memory
    from gapscope.reports.samples import Images

    found = [read_run(place) for place in runs]
    check_memory(found, memory or found[0].manifest.config.get("memory", "2GB"))
    return collected(found, Images(data_root, seed))


def write_report(runs: Sequence[Location], out: Location | None = None, *, data_root: Path, seed: int = 0) -> Sentence:
    """Write one offline HTML file about finished `runs`, and say in a sentence where it is and how to open it.

    About 3 seconds for a run of 10,000 images, most of them for loading matplotlib and drawing; a run of more rows
    costs the reading of its predictions, and pictures of a dataset without splits of its own the splitting of it.

    Parameters
    ----------
    out
        The file; ``report.html`` in the first run's folder when not given.
    data_root
        Folder in which datasets known by name are looked for, to show their images.
    seed
        Decides the splits of datasets that have none.

    Raises
    ------
    InputError
        There is no such run, or it is not finished.
    """
    return written(read_report(runs, data_root=data_root, seed=seed), out or runs[0] / REPORT)


def written(report: "Report", place: Location) -> Sentence:
    """Write a report into the file at `place`, and say in a sentence where it is and how to open it."""
    from gapscope.blocks.html import document  # here, because every job imports this module and `--help` is instant

    place.write_text(document(*report))
    return Sentence(f"The report is {place}; it opens in any browser and needs no network.", headline=True)


def reported(result: RunResult, *, wanted: bool, data_root: Path) -> RunResult:
    """The result of a job, with the report of its run written into the run's folder if that is `wanted`.

    The run itself is complete: a report that cannot be written is said, and loses nothing.
    """
    if not wanted:
        return result
    try:
        about = write_report([Location.of(result.run)], data_root=data_root)
    except (GapscopeError, OSError) as error:
        about = Sentence(f"No report could be written: {error}", headline=True)
    return replace(result, blocks=[*result.blocks, about])
