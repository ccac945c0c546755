"""`report`: one offline page about one or several runs."""

import time
from dataclasses import dataclass, field
from pathlib import Path

from gapscope.core.errors import InputError
from gapscope.core.location import Location
from gapscope.core.progress import SILENT, Progress
from gapscope.jobs.reported import data_root, write_report
from gapscope.runs.result import RunResult

JOB = "report"


@dataclass(frozen=True, kw_only=True)
class ReportConfig:
    """Write one offline page about one or several runs: the answer first, then the evidence.

    The page is a single HTML file of less than 10 MB that needs no network: what was lost, between which sets, why,
    what to do and how sure that is; then accuracies, ledger, classes, confusions, features, images of the most certain
    errors, maps, statistics in plain language, provenance and warnings, as far as the runs have them. Takes seconds.

        python cli.py report workspace/runs/gap-night
        python cli.py report workspace/runs/gap-night workspace/runs/shift-night --out night.html

    Attributes
    ----------
    runs
        Folders of finished runs of any command; the first of a gap or a study gives the page its answer.
    out
        The file to write; report.html in the folder of the first run when not given.
    data_root
        Folder in which datasets are looked for, to show their images; GAPSCOPE_DATA sets another default.
    seed
        The seed that the splits of datasets without splits of their own were made with.
    """

    runs: tuple[str, ...] = field(default=(), kw_only=False)
    out: str = ""
    data_root: Path = field(default_factory=data_root)
    seed: int = 0


def run(config: ReportConfig, progress: Progress = SILENT) -> RunResult:
    """Read the runs, write the page."""
    begun = time.perf_counter()
    if not config.runs:
        raise InputError("no run to report on; name one or several folders, such as workspace/runs/gap-night")
    runs = [Location.of(place).absolute() for place in dict.fromkeys(config.runs)]
    out = Location.of(config.out).absolute() if config.out else None
    progress.say(f"writing the report of {len(runs)} {'run' if len(runs) == 1 else 'runs'}")
    told = write_report(runs, out, config.data_root, config.seed)
    return RunResult(JOB, str(out.parent if out else runs[0]), time.perf_counter() - begun, notes=[told])
