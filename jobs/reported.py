"""Writing the report of one or several runs, for the command `report` and for jobs that end with one."""

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from gapscope.core.errors import GapscopeError
from gapscope.core.location import Location
from gapscope.runs.result import RunResult

REPORT = "report.html"
DATA_ROOT = "GAPSCOPE_DATA"


def data_root() -> Path:
    """Where datasets are looked for when nobody says it."""
    return Path(os.environ.get(DATA_ROOT, "data"))


def write_report(
    runs: Sequence[Location], out: Location | None = None, images: Path | None = None, seed: int = 0
) -> str:
    """Write one offline HTML file about finished `runs`, and say in a sentence where it is and how to open it.

    About 3 seconds for a run of 10,000 images, most of them for loading matplotlib and drawing; a run of more rows
    costs the reading of its predictions, and pictures of a dataset without splits of its own the splitting of it.

    Parameters
    ----------
    out
        The file; ``report.html`` in the first run's folder when not given.
    images
        Folder of the datasets whose images are shown; `data_root` when not given.
    seed
        Decides the splits of datasets that have none.

    Raises
    ------
    InputError
        There is no such run, or it is not finished.
    """
    from gapscope.reports.page import findings, read_run, render  # here, because `--help` passes this module
    from gapscope.reports.page.samples import Images

    read = [read_run(place) for place in runs]
    page = render(findings(read, Images(images or data_root(), seed)))
    place = out or read[0].place / REPORT
    place.write_text(page)
    return f"report: {place} (open it in any browser; it needs no network)"


def reported(found: RunResult, *, wanted: bool, images: Path | None = None) -> RunResult:
    """What a job found, with the report of its run written into the run's folder if that is `wanted`.

    `images` is the folder of the datasets, as in `write_report`.

    The run itself is complete: a report that cannot be written is told, and loses nothing.
    """
    if not wanted:
        return found
    try:
        told = write_report([Location.of(found.run)], images=images)
    except (GapscopeError, OSError) as error:
        told = f"no report could be written: {error}"
    return replace(found, notes=[*found.notes, told])
