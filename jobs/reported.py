"""Reports of jobs that have not yet named their datasets' folder themselves."""

from pathlib import Path

from gapscope.jobs.options import data_root
from gapscope.reports import write
from gapscope.runs.result import RunResult


def reported(found: RunResult, *, wanted: bool, images: Path | None = None) -> RunResult:
    """What `gapscope.reports.write.reported` hands back, with the default folder of datasets."""
    return write.reported(found, wanted=wanted, data_root=images or data_root())
